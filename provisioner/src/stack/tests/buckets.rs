//! Buckets whose objects move to cheaper storage as they age.

use serde_json::json;

use super::{expanded, mistakes, spec};
use crate::stack::parse;

fn file(lines: &str) -> String {
    format!("[stack]\nname = \"shop\"\n\n[buckets.raw]\nversioning = false\n{lines}\n")
}

#[test]
fn objects_move_before_they_are_deleted() {
    let rules = |lines: &str| {
        let stack = parse("test.toml".as_ref(), &file(lines), None).unwrap_or_else(|error| panic!("{error:#}"));
        let rules = spec(&expanded(&stack), "bucket.raw")["lifecycle"].clone();
        rules.as_array().expect("rules")[1..].to_vec()
    };
    assert_eq!(rules(""), [json!(null); 0]);
    let all = rules("infrequent_after = \"30d\"\narchive_after = \"60d\"\nexpire_after = \"61d\"");
    let moves = json!([{"days": 30, "storage_class": "STANDARD_IA"}, {"days": 60, "storage_class": "GLACIER_IR"}]);
    assert_eq!((all.len(), &all[0]["transitions"], &all[0]["expire_days"]), (1, &moves, &json!(61)));
    let archived = rules("archive_after = \"1d\"");
    assert_eq!(archived[0]["transitions"], json!([{"days": 1, "storage_class": "GLACIER_IR"}]));
    assert!(rules("expire_after = \"9d\"")[0].get("transitions").is_none());
}

#[test]
fn the_newest_older_versions_are_kept() {
    let file = "[stack]\nname = \"shop\"\n\n[buckets.raw]\nexpire_versions_after = \"9d\"\nkeep_versions = 5\n";
    let stack = parse("test.toml".as_ref(), file, None).unwrap_or_else(|error| panic!("{error:#}"));
    let rule = spec(&expanded(&stack), "bucket.raw")["lifecycle"][1].clone();
    assert_eq!((&rule["expire_versions_days"], &rule["keep_versions"]), (&json!(9), &json!(5)));
    for keep in ["0", "101"] {
        let said = mistakes(&file.replace("= 5", &format!("= {keep}")), &[]);
        assert!(said.contains("must be between 1 and 100") && said.matches("error: ").count() == 1, "{said}");
    }
}

#[test]
fn moves_that_s3_refuses_are_shown_at_their_place() {
    for (lines, title, fix) in [
        ("infrequent_after = \"29d\"", "objects move to STANDARD_IA after 30 days at the earliest", "\"30d\" or more"),
        (
            "infrequent_after = \"40d\"\narchive_after = \"60d\"",
            "objects move to GLACIER_IR after 70 days at the earliest",
            "\"70d\" or more",
        ),
        (
            "infrequent_after = \"30d\"\nexpire_after = \"30d\"",
            "objects are deleted before they move to STANDARD_IA",
            "\"31d\" or more",
        ),
        ("keep_versions = 5", "a bucket without `versioning` has no older versions to keep", "`versioning = true`"),
        ("archive_after = \"36h\"", "S3 counts the age of objects in days", "\"30d\""),
    ] {
        let said = mistakes(&file(lines), &[]);
        assert!(said.contains(title) && said.contains(fix) && said.matches("error: ").count() == 1, "{said}");
    }
}
