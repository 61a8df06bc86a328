//! The stack files of the repository: their schema, their prices and their rules.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use super::{expanded, mistakes, shipped};
use crate::cost::{Estimate, Price, Prices};
use crate::kinds;
use crate::plan::Kinds;
use crate::stack::{Artifact, Given, Programs, Target, expand, load, schema};

/// The stack files of the repository: those that are shipped, and those that tests switch single sections on in.
pub(super) fn stacks_of_the_repository() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["stacks", "tests/e2e/stacks"].map(|folder| root.join(folder)).into_iter();
    let files =
        folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|name| name == "toml")).collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}

#[test]
fn arns_are_of_the_partition_that_the_region_belongs_to() {
    // What a file names by its ARN is where the file says.
    let names_none = |path: &PathBuf| !std::fs::read_to_string(path).expect("a stack file").contains("arn:aws:");
    let paths: Vec<PathBuf> = stacks_of_the_repository().into_iter().filter(names_none).collect();
    assert!(paths.len() >= 2, "{paths:?}");
    for (region, partition) in
        [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]
    {
        let target = Target { account: "123456789012".into(), region: region.into() };
        for path in &paths {
            let stack = load(path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
            let artifact = Artifact { sha256: "0".repeat(64), size: 1, file: None };
            let desired = expand(&stack, &target, &Programs::everywhere(artifact));
            for resource in desired.resources {
                let spec = resource.spec.to_string();
                for arn in spec.split("arn:").skip(1).filter(|arn| arn.starts_with("aws")) {
                    let of = arn.split(':').next().unwrap_or_default();
                    assert_eq!(of, partition, "{}: {}: {arn:.80}", path.display(), resource.address);
                }
            }
        }
    }
}

#[test]
fn every_price_that_a_stack_asks_for_is_known_in_the_home_region() {
    let prices = Prices::built_in();
    for path in stacks_of_the_repository() {
        let stack = load(&path, &Given::default()).unwrap_or_else(|error| panic!("{error:#}"));
        let desired = expanded(&stack);
        let estimate = Estimate::of_stack(Kinds(kinds::all()), &desired, &prices, "eu-north-1");
        for item in &estimate.items {
            let bill = item.after.as_ref().expect("a resource of a stack has a bill");
            for line in &bill.lines {
                let (path, address) = (path.display(), &item.address);
                assert!(
                    line.price.is_some(),
                    "{path}: {address} asks for `{}`; add it to provisioner/prices",
                    line.name
                );
                assert!(line.quantity >= 0.0 && line.quantity.is_finite(), "{path}: {address}: {line:?}");
            }
        }
    }
}

#[test]
fn the_shop_costs_what_its_brokers_and_hosts_cost() {
    let desired = expanded(&shipped("shop.toml"));
    let mut prices = Prices::default();
    for (name, usd) in [
        ("msk.kafka.m7g.large.hour", 0.2),
        ("msk.storage.gib_month", 0.1),
        ("ec2.t3.medium.hour", 0.04),
        ("ec2.m7i.large.hour", 0.1),
        ("ebs.gp3.gib_month", 0.08),
        ("public_ipv4.hour", 0.005),
        ("kms.key.month", 1.0),
        ("secretsmanager.secret.month", 0.4),
    ] {
        let price = Price {
            usd,
            source: "https://example.com".into(),
            read: "2026-01-01".into(),
            checked: name != "kms.key.month",
        };
        prices.insert("eu-north-1", name, price);
    }
    let estimate = Estimate::of_stack(Kinds(kinds::all()), &desired, &prices, "eu-north-1");
    assert_snapshot!(anstream::adapter::strip_str(&crate::render::cost_text(&estimate)).to_string());
    let unpriced: Vec<String> = estimate.unpriced().map(ToString::to_string).collect();
    assert_eq!(unpriced, ["private_zone.search"]);
}

#[test]
fn shipped_stacks_are_what_the_schema_describes() {
    let schema = schema();
    for name in ["shop.toml", "minimal.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks").join(name);
        let text = std::fs::read_to_string(path).expect("a shipped stack");
        let value: Value = toml::from_str(&text).expect("TOML");
        assert_eq!(violations(&schema, &schema, &value, name), Vec::<String>::new());
    }
    let wrong = serde_json::json!({ "stack": { "name": "x", "nam": "y" }, "network": { "cidr": 7 } });
    assert_eq!(violations(&schema, &schema, &wrong, "").len(), 2);
}

/// Where a value breaks the parts of JSON Schema that stack schemas use.
fn violations(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).expect("a definition");
        return violations(root, target, value, place);
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let fits = choices.iter().any(|choice| violations(root, choice, value, place).is_empty());
        return if fits { vec![] } else { vec![format!("{place} is none of the choices")] };
    }
    let mut found = Vec::new();
    if let Some(expected) = schema.get("const")
        && expected != value
    {
        found.push(format!("{place} isn't {expected}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let fits = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    };
    if !types.is_empty() && !types.iter().any(fits) {
        found.push(format!("{place} is no {types:?}"));
    }
    if let (Some(minimum), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < minimum
    {
        found.push(format!("{place} is below {minimum}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(violations(root, &schema["items"], item, &format!("{place}[{index}]")));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                found.push(format!("{place} lacks {name}"));
            }
        }
        for (name, item) in object {
            let place = format!("{place}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => found.extend(violations(root, schema, item, &place)),
                (None, Value::Bool(false)) => found.push(format!("{place} is unknown")),
                (None, schema) => found.extend(violations(root, schema, item, &place)),
            }
        }
    }
    found
}

#[test]
fn the_shipped_stacks_break_no_rule_without_a_reason() {
    for name in ["shop.toml", "minimal.toml"] {
        let stack = shipped(name);
        let found = crate::checks::findings(&expanded(&stack), &crate::app::allowed(&stack));
        let open: Vec<_> = found.iter().filter(|one| one.allowed.is_none()).collect();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
    let said = mistakes("[stack]\nname = \"shop\"\n[allow.open-ingres]\n\"topic\" = \"x\"\n", &[]);
    assert!(said.contains("did you mean `open-ingress`?") && said.contains("write the address in quotes"), "{said}");
}
