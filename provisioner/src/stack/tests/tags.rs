//! Tags: who gets which, and what AWS wouldn't take.

use std::collections::BTreeMap;

use super::{expanded, mistakes, parsed};
use crate::kind::MOST_TAGS;
use crate::kinds;

const FILE: &str = r#"
[stack]
name = "shop"
tags = { team = "data", cost-center = "42" }
ignore_tags = ["aws:*", "cost/*"]

[network]
zones = ["a", "b"]
tags = { team = "net" }

[kafka]
brokers = 2
authentication = "none"

[keys.main]

[topics.events]

[buckets.raw]
tags = { team = "lake", "data class" = "raw" }

[hosts.app]
tags = { owner = "web" }

[resource.queue.jobs]
name = "shop-jobs"
tags = { cost-center = "7" }

[resource.managed_policy.none]
name = "shop-none"
document = { Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] }

[allow.bucket-without-key]
"bucket.raw" = "a test"
"bucket.artifacts" = "a test"
"#;

#[test]
fn the_nearest_tag_counts() {
    let desired = expanded(&parsed(FILE));
    assert_eq!(desired.ignore_tags, ["aws:*", "cost/*"]);
    let of = |address: &str| -> BTreeMap<String, String> {
        let one = desired.resources.iter().find(|one| one.address.to_string() == address);
        one.unwrap_or_else(|| panic!("no {address}")).tags.clone()
    };
    let tags = |tags: &[(&str, &str)]| -> BTreeMap<String, String> {
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let stack = tags(&[("team", "data"), ("cost-center", "42")]);
    let with = |more: &[(&str, &str)]| -> BTreeMap<String, String> {
        let mut all = stack.clone();
        all.extend(tags(more));
        all
    };
    for address in ["cluster.main", "key.main", "security_group.kafka", "bucket.artifacts"] {
        assert_eq!(of(address), stack, "{address}");
    }
    for address in ["vpc.main", "subnet.a", "internet_gateway.main", "route_table.public", "vpc_endpoint.s3"] {
        assert_eq!(of(address), with(&[("team", "net")]), "{address}");
    }
    for address in ["launch_template.app", "auto_scaling_group.app", "role.app", "security_group.app"] {
        assert_eq!(of(address), with(&[("owner", "web")]), "{address}");
    }
    assert_eq!(of("bucket.raw"), with(&[("team", "lake"), ("data class", "raw")]));
    assert_eq!(of("queue.jobs"), with(&[("cost-center", "7")]));
    for address in ["topic.events", "managed_policy.none"] {
        assert_eq!(of(address), tags(&[]), "{address} carries none");
    }
    let taggable = |kind: &str| kinds::named(kind).is_some_and(|kind| !kind.is_tagless());
    for one in &desired.resources {
        assert_eq!(!one.tags.is_empty(), taggable(&one.address.kind), "{}", one.address);
    }
}

#[test]
fn what_aws_takes_of_no_tag_is_told_where_it_stands() {
    let long = format!("\"{}\" = \"x\"", "k".repeat(129));
    let value = format!("a = \"{}\"", "v".repeat(257));
    for (tags, said) in [
        ("\"aws:team\" = \"x\"", "`aws:team` begins with `aws:`"),
        ("\"AWS:team\" = \"x\"", "`AWS:team` begins with `aws:`"),
        ("\"lakewright:stack\" = \"x\"", "`lakewright:stack` begins with `lakewright:`"),
        ("\"\" = \"x\"", "can't be a tag's key"),
        (long.as_str(), "a key has 1 to 128 characters"),
        ("\"a#b\" = \"x\"", "AWS takes no '#' there"),
        (value.as_str(), "the value of `a` has 257 characters; AWS takes 256"),
        ("a = \"x;y\"", "the value of `a` holds ';'"),
        ("a = \"${vpc.main.id}\"", "the value of `a` holds '$'"),
        ("a = 42", "write it in quotes: \"42\""),
        ("Team = \"x\", team = \"y\"", "`Team` and `team` differ by capitals alone"),
        ("\"cost/center\" = \"x\"", "sets `cost/center`, which `ignore_tags` leaves to others"),
    ] {
        for section in ["network", "buckets.raw", "resource.queue.jobs"] {
            let name = if section.starts_with("resource") { "name = \"jobs\"\n" } else { "" };
            let file = format!(
                "[stack]\nname = \"shop\"\nignore_tags = [\"cost/*\"]\n[{section}]\n{name}tags = {{ {tags} }}\n"
            );
            let found = mistakes(&file, &[]);
            assert!(found.contains(said) && found.contains(section), "{section}, {tags}: {found}");
            assert_eq!(found.matches("error: ").count(), 1, "{section}, {tags}: {found}");
        }
    }
    // A pipeline's builds are CodeBuild's.
    let pipeline = "[stack]\nname = \"shop\"\ntags = { team = \"\" }\n[pipeline]\nrepository = \"acme/shop\"\n\
                    connection = \"arn:aws:codeconnections:eu-north-1:123456789012:connection/x\"\nstack = \"shop.toml\"\n";
    let found = mistakes(pipeline, &[]);
    assert!(found.contains("the tag `team` is none that CodeBuild takes"), "{found}");
    let fine = "[stack]\nname = \"shop\"\ntags = { \"Straße 1/a:b=c+d-e@f.g_\" = \"\", Name = \"x\" }\n";
    assert_eq!(parsed(fine).file.stack.tags.0.len(), 2);
}

#[test]
fn no_more_tags_than_there_is_room_for() {
    let tags = |count: usize, prefix: &str| {
        let all: Vec<String> = (0..count).map(|number| format!("{prefix}{number} = \"x\"")).collect();
        format!("tags = {{ {} }}\n", all.join(", "))
    };
    let file = |stack: usize, bucket: usize| {
        format!("[stack]\nname = \"shop\"\n{}[buckets.raw]\n{}", tags(stack, "s"), tags(bucket, "b"))
    };
    parsed(&file(MOST_TAGS - 2, 2));
    let found = mistakes(&file(MOST_TAGS - 2, 3), &[]);
    assert!(found.contains("`buckets.raw` has 43 tags; there is room for 42"), "{found}");
    let found = mistakes(&file(MOST_TAGS + 1, 0), &[]);
    assert!(found.contains("`stack` has 43 tags; there is room for 42"), "{found}");
}

#[test]
fn what_carries_no_tags_says_so() {
    let found = mistakes(
        "[stack]\nname = \"shop\"\n[resource.managed_policy.none]\nname = \"none\"\n\
         document = { Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = \"s3:GetObject\", Resource = \"*\" }] }\ntags = { team = \"data\" }\n",
        &[],
    );
    assert!(found.contains("`resource.managed_policy.none` can't have tags"), "{found}");
    assert_eq!(found.matches("error: ").count(), 1, "{found}");
    let found = mistakes("[stack]\nname = \"shop\"\n[queries.all]\nsql = \"x\"\ntags = { team = \"data\" }\n", &[]);
    assert!(found.contains("nothing that this section stands for carries tags"), "{found}");
}

#[test]
fn lakewrights_own_tags_cant_be_ignored() {
    let said = mistakes("[stack]\nname = \"shop\"\nignore_tags = [\"lakewright:*\"]\n", &[]);
    assert!(said.contains("`lakewright:*` in `ignore_tags` does nothing"), "{said}");
}
