//! Tests of variables and of files that extend others.

use std::path::Path;

use insta::assert_snapshot;

use super::{Given, Stack, load};

/// A folder with those files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

fn given(arguments: &[&str], environment: &[(&str, &str)]) -> Given {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Given {
        arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        environment: environment.iter().map(pair).collect(),
        ..Given::default()
    }
}

fn read(folder: &Path, given: &Given) -> Result<Stack, String> {
    let said = |error: anyhow::Error| error.to_string().replace(&format!("{}/", folder.display()), "");
    load(&folder.join("stack.toml"), given).map_err(said)
}

fn mistakes(files: &[(&str, &str)], given: &Given) -> String {
    read(folder(files).path(), given).err().unwrap_or_else(|| "no mistakes".to_owned())
}

const WITH_VARIABLES: &str = r#"[vars]
environment = "test"
partitions = 6
zones = ["a", "b"]
versioning = { type = "boolean", default = true, description = "whether objects are kept" }
retention = { description = "how long" }

[stack]
name = "shop-${var.environment}"

[network]
zones = "${var.zones}"

[kafka]
authentication = "none"
brokers = 2

[keys.main]

[topics.events]
partitions = "${var.partitions}"
retention = "${var.retention}"

[buckets.raw]
name = "${var.environment}-${var.partitions}-raw"
versioning = "${var.versioning}"
"#;

#[test]
fn variables_keep_their_types_and_what_is_typed_wins() {
    let folder = folder(&[("stack.toml", WITH_VARIABLES)]);
    let environment =
        [("LAKEWRIGHT_VAR_RETENTION", "3d"), ("LAKEWRIGHT_VAR_PARTITIONS", "7"), ("LAKEWRIGHT_VAR_X", "1")];
    let arguments = ["partitions=1", "partitions=12", "zones=[\"b\", \"c\"]", "versioning=false"];
    let file = read(folder.path(), &given(&arguments, &environment)).expect("a stack").file;
    assert_eq!(file.stack.name.value, "shop-test");
    assert_eq!(file.network.zones.iter().map(|zone| zone.value.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    let topic = &file.topics.get("events").expect("a topic").value;
    assert_eq!((topic.partitions.value.0, topic.retention.value), (12, super::Period::days(3)));
    let bucket = &file.buckets.get("raw").expect("a bucket").value;
    assert_eq!(bucket.name.as_ref().map(|name| name.value.as_str()), Some("test-12-raw"));
    assert!(!bucket.versioning.value);
}

#[test]
fn mistakes_of_variables_are_shown_where_they_are_made() {
    let text = r#"[vars]
1st = "x"
size = { type = "size" }
number = { type = "number", default = "six" }
partitions = { type = "number" }
retention = { description = "how long" }
table = { a = 1 }
other = "${var.size}"
idle = true
zones = ["a", "b"]

[stack]
name = "shop-${var.zones}"

[kafka]
brokers = "${var.brokers}"
authentication = "${var.idle}"

[topics.events]
partitions = "${var.partitions}"
retention = "${var.retention}"

[topics.others]
retention = "for ${var.retentoin}"
partitions = "${var.number}"
"#;
    let arguments = ["partitions=six", "retentio=7d", "table", "idle=false", "1st=y"];
    assert_snapshot!(mistakes(&[("stack.toml", text)], &given(&arguments, &[])));
}

#[test]
fn a_value_that_does_not_fit_is_told_with_where_it_comes_from() {
    let environment = [("LAKEWRIGHT_VAR_PARTITIONS", "0")];
    assert_snapshot!(mistakes(&[("stack.toml", WITH_VARIABLES)], &given(&["retention=soon"], &environment)));
}

const BASE: &str = r#"[stack]
name = "shop"

[kafka]
authentication = "none"
brokers = 3

[keys.main]

[topics.events]
partitions = 6
retention = "1d"

[topics.others]

[buckets.warehouse]

[batch]

[allow.bucket-without-key]
"bucket.warehouse" = "a test"
"#;

const MODEL: &str = "-- materialization: replace\nSELECT 1";

#[test]
fn the_nearer_file_wins_and_models_stand_beside_the_file_that_has_them() {
    let folder = folder(&[
        ("base/base.toml", BASE),
        ("base/models/a.sql", MODEL),
        ("middle.toml", "extends = \"base/base.toml\"\n[kafka]\nbrokers = 6\n[batch]\nmax_vcpu = 8\n"),
        (
            "stack.toml",
            "extends = \"middle.toml\"\nremove = [\"topics.others\", 'allow.bucket-without-key.\"bucket.warehouse\"']\n\
             [stack]\nname = \"shop-production\"\n[topics.events]\npartitions = 12\n[topics.more]\n",
        ),
    ]);
    let stack = read(folder.path(), &Given::default()).expect("a stack");
    let file = &stack.file;
    assert_eq!(stack.name(), "shop-production");
    assert_eq!(file.topics.names().collect::<Vec<_>>(), ["events", "more"]);
    let topic = &file.topics.get("events").expect("a topic").value;
    assert_eq!((topic.partitions.value.0, topic.retention.value), (12, super::Period::days(1)));
    assert_eq!(file.kafka.as_ref().map(|kafka| kafka.brokers.value.0), Some(6));
    assert_eq!(file.batch.as_ref().map(|batch| batch.max_vcpu.value.0), Some(8));
    assert_eq!(stack.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(file.allow.iter().map(|rule| rule.value.0.len()).collect::<Vec<_>>(), [0]);
    let brokers = stack.line(&file.kafka.as_ref().expect("a cluster").brokers.span).expect("a place");
    assert!(brokers.ends_with("middle.toml:3"), "{brokers}");
    let retention = stack.line(&topic.retention.span).expect("a place");
    assert!(retention.ends_with("base/base.toml:12"), "{retention}");
}

#[test]
fn mistakes_are_shown_in_the_file_where_they_stand() {
    let over = "extends = \"base.toml\"\nremove = [\"topics.event\", \"kafka.brokers.x\", \"a b\"]\n[topics.events]\n\
                retention = \"soon\"\n[hosts.x]\nkey = \"no\"\n";
    let base = BASE.replace("brokers = 3", "brokrs = 3").replace("[batch]", "[batch]\nmodels = \"sql\"");
    assert_snapshot!(mistakes(&[("stack.toml", over), ("base.toml", &base)], &Given::default()));
}

#[test]
fn what_is_extended_is_there_and_extends_no_circle() {
    let lone = "remove = [\"topics.x\"]\n[stack]\nname = \"shop\"\n";
    assert!(mistakes(&[("stack.toml", lone)], &Given::default()).contains("`remove` has nothing to remove from"));
    let missing = "extends = \"bse.toml\"\n[stack]\nname = \"shop\"\n";
    assert_snapshot!(mistakes(&[("stack.toml", missing)], &Given::default()));
    let circle = [
        ("stack.toml", "extends = \"a.toml\"\n[stack]\nname = \"shop\"\n"),
        ("a.toml", "extends = \"b.toml\"\n"),
        ("b.toml", "extends = \"./a.toml\"\n"),
    ];
    assert_snapshot!(mistakes(&circle, &Given::default()));
    let wrong =
        [("stack.toml", "extends = \"a.toml\"\n[stack]\nname = \"shop\"\n"), ("a.toml", "extends = 7\nremove = 1\n")];
    let said = mistakes(&wrong, &Given::default());
    assert!(said.contains("a.toml:1:11") && said.contains("`extends` must be a string"), "{said}");
    assert!(said.contains("a.toml:2:10") && said.contains("`remove` must be an array"), "{said}");
    let unreadable = [("stack.toml", "extends = \"a.toml\"\n[stack]\nname = \"shop\"\n"), ("a.toml", "x = \n[b\n")];
    let said = mistakes(&unreadable, &Given::default());
    assert!(said.contains("a.toml:") && said.contains("no valid TOML") && !said.contains("stack.toml:1:"), "{said}");
}
