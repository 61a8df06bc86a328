//! Texts that AWS wouldn't take are refused where they stand.

use super::mistakes;
use crate::kind;
use crate::kinds;
use crate::stack::tests::{expanded, parsed, shipped::stacks_of_the_repository};
use crate::stack::{Given, load};

const LAKE: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

[kafka]
version = "3.9.x"

[topics.events]

[buckets.raw]

[keys.main]
description = "DESCRIPTION"

[tables.sales]
topic = "events"
key = ["id"]

[tables.sales.columns]
id = "string"
city = { type = "string", doc = "COMMENT" }
town = { type = "string", doc = "COMMENT" }
"#;

const STACK: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

"#;

/// The lake with other texts in it.
fn lake(comment: &str, description: &str) -> String {
    LAKE.replace("COMMENT", comment).replace("DESCRIPTION", description)
}

#[test]
fn columns_are_told_apart_whose_comments_glue_refuses() {
    assert_eq!(mistakes(&lake(&"d".repeat(255), "of all"), &[]), "no mistakes");
    let text = mistakes(&lake(&"d".repeat(300), "of all"), &[]);
    for (column, line) in [(1, 21), (2, 22)] {
        let title = format!("`table.sales`: `columns[{column}].doc` has 300 characters, and may have 255");
        assert!(text.contains(&title) && text.contains(&format!("test.toml:{line}:")), "{text}");
    }
    let text = mistakes(&lake("two\\nlines", "of all"), &[]);
    assert!(text.contains("write it without line breaks"), "{text}");
}

#[test]
fn what_a_section_says_is_as_long_as_aws_takes_it() {
    let text = mistakes(&lake("the city", &"d".repeat(8193)), &[]);
    let title = "`key.main`: `description` has 8193 characters, and may have 8192";
    assert!(text.contains(title) && text.contains("test.toml:13:"), "{text}");
}

#[test]
fn single_resources_have_the_same_limits() {
    let own = |more: &str| mistakes(&format!("{STACK}{more}"), &[]);
    let table = |doc: &str| {
        own(&format!(
            "[resource.database.d]\nname = \"d\"\n\n\
             [resource.table.t]\ndatabase = \"${{database.d.name}}\"\nname = \"t\"\n\
             location = \"s3://shop/t\"\ncolumns = [{{ name = \"city\", type = \"string\", doc = \"{doc}\" }}]\n"
        ))
    };
    assert_eq!(table(&"ü".repeat(255)), "no mistakes");
    let text = table(&"ü".repeat(256));
    assert!(
        text.contains("`columns[0].doc` has 256 characters, and may have 255") && text.contains("test.toml:12:"),
        "{text}"
    );
}

#[test]
fn an_alias_is_written_without_what_every_alias_begins_with() {
    let key = |alias: &str| mistakes(&format!("{STACK}[resource.key.x]\nalias = \"{alias}\"\n"), &[]);
    assert_eq!(key("lake-x"), "no mistakes");
    assert_eq!(key("team/alias/x"), "no mistakes");
    assert!(key("alias/lake-x").contains("write the alias without `alias/`"), "{}", key("alias/lake-x"));
    assert!(key("aws/s3").contains("AWS keeps `aws/`"), "{}", key("aws/s3"));
    let signing = key("lakewright/other");
    assert!(signing.contains("`lakewright/` is kept for the keys that sign"), "{signing}");
    let stack = parsed(&format!("{STACK}[resource.key.x]\nalias = \"lake-x\"\n"));
    assert_eq!(super::spec(&expanded(&stack), "key.x")["alias"], "lake-x");
}

#[test]
fn every_spec_of_every_stack_is_taken_alike_by_the_schema_and_by_its_kind() {
    let mut judged = 0;
    for path in stacks_of_the_repository() {
        let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
        let made = expanded(&stack).resources.into_iter().map(|one| (one.address.kind, one.address.name, one.spec));
        let written = stack.file.resource.iter().flat_map(|kind| {
            kind.value.iter().map(|one| (kind.name.clone(), one.name.clone(), one.value.spec.clone()))
        });
        for (kind, name, spec) in made.chain(written) {
            let place = format!("{}: {kind}.{name}", path.display());
            let kind = kinds::named(&kind).expect("a kind");
            assert_eq!(kind::mistakes(&kind.schema(), &spec), [], "{place}");
            let normal = kind.normalise(&spec).unwrap_or_else(|error| panic!("{place}: {error:#}"));
            assert_eq!(kind::mistakes(&kind.schema(), &normal), [], "{place}, normalised");
            let again = kind.normalise(&normal).unwrap_or_else(|error| panic!("{place}, normalised: {error:#}"));
            assert_eq!(again, normal, "{place}");
            judged += 1;
        }
    }
    assert!(judged > 300, "{judged} specs");
}

#[test]
fn nothing_is_called_like_what_belongs_to_all_stacks_or_to_another() {
    let one = |lines: &str| mistakes(&format!("{STACK}{lines}"), &[]);
    let object = |bucket: &str| {
        one(&format!("[resource.object.x]\nbucket = \"{bucket}\"\nkey = \"stacks/other.json\"\ncontent = \"x\"\n"))
    };
    let leases = object("lakewright-123456789012-eu-north-1");
    assert!(leases.contains("`bucket` is the bucket of the account's leases"), "{leases}");
    assert_eq!(object("lakewright-notes"), "no mistakes");
    let bucket = one("[resource.bucket.x]\nname = \"lakewright-123456789012-eu-north-1\"\n");
    assert!(bucket.contains("`name` is the bucket of the account's leases"), "{bucket}");
    let group = |name: &str| one(&format!("[resource.log_group.x]\nname = \"{name}\"\n"));
    assert!(group("/lakewright/other/x").contains("`name` is under the path of another stack"));
    assert_eq!(group("/others/x"), "no mistakes");
}
