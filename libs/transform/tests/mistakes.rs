//! What is wrong with lists of transforms.

use lakewright_config::agents::shipper::transforms::Transform;
use lakewright_transform::{Event, Outcome, Place, Transforms, mistakes};
use serde::Deserialize;

/// Transforms as a stack writes them.
fn list(toml: &str) -> Vec<Transform> {
    #[derive(Deserialize)]
    struct List {
        transforms: Vec<Transform>,
    }
    toml::from_str::<List>(toml).unwrap_or_else(|error| panic!("{toml}: {error}")).transforms
}

#[test]
fn all_mistakes_are_told_at_once_each_at_its_place() {
    let list = list(
        r#"
        [[transforms]]
        type = "mask"
        what = ["email"]
        [[transforms]]
        type = "parse_regex"
        pattern = "("
        field = "a..b"
        when = "level = 1"
        from = ["app", "elsewhere"]
        [[transforms]]
        type = "drop"
        [[transforms]]
        type = "route"
        to = "Audit"
        [[transforms]]
        type = "parse_regex"
        pattern = "no groups"
        [[transforms]]
        type = "rename"
        fields = { a = "c", b = "c" }
        [[transforms]]
        type = "geo_point"
        latitude = "lat"
        [[transforms]]
        type = "timestamp"
        field = "ts"
        formats = ["unix"]
        timezone = "Stockholm"
    "#,
    );
    let found: Vec<String> = mistakes(&list, &["app", "web"], &[]).iter().map(ToString::to_string).collect();
    let parts = [
        "transform 1, `type`: it looks for members of a record that nothing has parsed yet; put a parser before it",
        "transform 2, `when`, column 7: `=` compares nothing; write `==`",
        "transform 2, `field`: `a..b` names no member",
        "transform 2, `pattern`: unclosed group",
        "transform 2, `from`, `elsewhere`: there is no source `elsewhere`; the sources are `app`, `web`",
        "transform 3, `when`: `drop` would leave out every event",
        "transform 4, `to`: `Audit` can't be part of an index's name",
        "transform 5, `pattern`: no group of the expression has a name",
        "transform 6, `fields`, `b`: `a` and `b` are given one name, `c`",
        "transform 7, `latitude`: it isn't said where the coordinates stand",
        "transform 8, `timezone`: there is no time zone `Stockholm`; did you mean `Europe/Stockholm`?",
        "transform 8, `formats`, `unix`: there is no format `unix`",
    ];
    assert_eq!(found.len(), parts.len(), "{found:#?}");
    for (said, part) in found.iter().zip(parts) {
        assert!(said.starts_with(part), "{said}\n{part}");
    }
}

#[test]
fn before_a_parser_only_the_message_is_there() {
    let sound = |toml: &str| mistakes(&list(toml), &["app"], &[]).is_empty();
    for (toml, is_sound) in [
        ("[[transforms]]\ntype = \"drop\"\nwhen = 'message matches /^#/'\n", true),
        ("[[transforms]]\ntype = \"mask\"\nwhat = [\"email\"]\nfields = [\"message\"]\n", true),
        ("[[transforms]]\ntype = \"sample\"\nkeep = 0.5\n", true),
        ("[[transforms]]\ntype = \"sample\"\nkeep = 0.5\nby = \"session\"\n", false),
        ("[[transforms]]\ntype = \"drop\"\nwhen = 'level == \"debug\"'\n", false),
        (
            "[[transforms]]\ntype = \"parse_json\"\nfrom = [\"app\"]\n[[transforms]]\ntype = \"remove\"\nfields = [\"a\"]\n",
            true,
        ),
    ] {
        assert_eq!(sound(toml), is_sound, "{toml}");
    }
}

#[test]
fn records_that_are_objects_need_no_parser() {
    let list = list("[[transforms]]\ntype = \"remove\"\nfrom = [\"nginx\"]\nfields = [\"password\"]\n");
    assert_eq!(mistakes(&list, &["app"], &["nginx"]), []);
    assert_eq!(mistakes(&list, &["app", "nginx"], &[]).len(), 1);
    let place = Place { stream: "nginx", sequence: 0 };
    let transforms = Transforms::new(&list).expect("sound");
    for (record, expected) in [(r#"{"password":"x","n":1.50}"#, r#"{"n":1.50}"#), ("a line", r#"{"message":"a line"}"#)]
    {
        let mut event = Event::of_object(record.as_bytes(), place, chrono::Utc::now());
        assert_eq!(transforms.apply(&mut event), Outcome::Keep);
        let mut written = Vec::new();
        event.write(&mut written);
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
}

#[test]
fn what_can_not_be_found_in_texts_is_refused() {
    let list = list(
        r#"
        [[transforms]]
        type = "parse_json"
        [[transforms]]
        type = "analyze_text"
        field = "body"
        into = "body.said"
        find = []
        keyphrases = 21
        names = { money = ["x"] }
        [[transforms]]
        type = "analyze_text"
        field = "body"
        names = { brand = [""] }
    "#,
    );
    let found: Vec<String> = mistakes(&list, &["app"], &[]).iter().map(ToString::to_string).collect();
    let parts = [
        "transform 2, `into`: `body.said` is the member that is read, or stands in it; name another one",
        "transform 2, `find`: nothing is to be found; write some of language,",
        "transform 2, `keyphrases`: 21 keyphrases are many; write 20 at most",
        "transform 2, `names`: `money` can't be a kind of names; write small letters",
        "transform 3, `names`, `brand`: `` of `brand` can't be looked for; write 1 to 200 bytes",
    ];
    assert_eq!(found.len(), parts.len(), "{found:#?}");
    for (found, part) in found.iter().zip(parts) {
        assert!(found.starts_with(part), "{found}");
    }
}
