//! The shipper's transforms in stack files.

use lakewright_config::agents::shipper::transforms::{OnError, Step};

use super::{mistakes, parsed};

const HEAD: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

[agents.shipper]
topics = ["app", "web"]

"#;

#[test]
fn transforms_are_declared_in_their_order() {
    let stack = parsed(&format!(
        r#"{HEAD}[[agents.shipper.transforms]]
type = "parse_log"
format = "access"
from = ["web"]

[[agents.shipper.transforms]]
type = "types"
fields = {{ status = "int", "http.took" = "float" }}
from = ["web"]
on_error = "refuse"

[[agents.shipper.transforms]]
type = "sample"
keep = 1
"#
    ));
    let list: Vec<_> = stack.file.agents.shipper.transforms.iter().filter_map(|one| one.value.clone()).collect();
    let words: Vec<_> = list.iter().map(|transform| transform.step.word()).collect();
    assert_eq!(words, ["parse_log", "types", "sample"]);
    assert_eq!((list[0].from.as_slice(), list[1].on_error), (&["web".to_owned()][..], OnError::Refuse));
    let Step::Sample(sample) = &list[2].step else { panic!("a sample") };
    assert_eq!(sample.keep.millionths(), 1_000_000);
}

#[test]
fn mistakes_of_transforms_are_found_all_at_once_each_at_its_place() {
    let text = format!(
        r#"{HEAD}[[agents.shipper.transforms]]
type = "parse_jsno"

[[agents.shipper.transforms]]
fields = ["a"]

[[agents.shipper.transforms]]
type = "parse_regex"
patern = "x"

[[agents.shipper.transforms]]
type = "types"
fields = {{ status = "integer" }}
from = "web"

[[agents.shipper.transforms]]
type = "sample"
keep = 2

[[agents.shipper.transforms]]
type = "parse_regex"
pattern = "(?<level>[A-Z]+"

[[agents.shipper.transforms]]
type = "drop"
when = 'level = "debug"'

[[agents.shipper.transforms]]
type = "timestamp"
field = "ts"
formats = ["rfc3339", "unix"]
on_error = "skip"
"#
    );
    insta::assert_snapshot!(mistakes(&text, &[]));
}

#[test]
fn what_types_do_not_say_is_found_in_sound_transforms() {
    let text = format!(
        r#"{HEAD}[[agents.shipper.transforms]]
type = "remove"
fields = ["secret"]
from = ["web", "wbe"]

[[agents.shipper.transforms]]
type = "parse_json"
from = ["web"]

[[agents.shipper.transforms]]
type = "rename"
fields = {{ a = "c", b = "c" }}
from = ["web"]

[[agents.shipper.transforms]]
type = "drop"
when = "level == \"a\" && x == 1"
from = ["web"]

[[agents.shipper.transforms]]
type = "drop"
when = 'status > 200 adn status < 300'
from = ["web"]
"#
    );
    insta::assert_snapshot!(mistakes(&text, &[]));
}
