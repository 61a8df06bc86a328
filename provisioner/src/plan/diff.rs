//! How two values of a field differ, down to the path within it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::reference::references;
use crate::kind::{Comparing, canonical};

/// One difference between a live and a desired value.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where in the spec, `rules[2].port`.
    pub path: String,
    /// The live value; null when there is none.
    pub before: Value,
    /// The desired value; null when there is none. What is known only after apply stands as a reference.
    pub after: Value,
    /// Whether `after` is known only after apply, wholly or in part.
    pub unknown: bool,
}

/// The differences of a field named `name`.
pub fn differences(name: &str, compare: Comparing, before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    match compare {
        Comparing::Never => {}
        Comparing::AsFloor if matches!((before.as_f64(), after.as_f64()), (Some(live), Some(floor)) if live >= floor) =>
            {}
        _ => walk(name.to_owned(), compare, before, after, &mut found),
    }
    found
}

fn walk(path: String, compare: Comparing, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if canonical(before, compare) == canonical(after, compare) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                let member = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                walk(format!("{path}.{name}"), compare, &member(old), &member(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if compare == Comparing::AsSet => walk_set(&path, old, new, found),
        (Value::Array(old), Value::Array(new)) if named(old) && named(new) => walk_named(&path, old, new, found),
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let item = |items: &[Value]| items.get(index).cloned().unwrap_or_default();
                walk(format!("{path}[{index}]"), compare, &item(old), &item(new), found);
            }
        }
        _ => found.push(Difference {
            path,
            before: before.clone(),
            after: after.clone(),
            unknown: !references(after).is_empty(),
        }),
    }
}

/// Whether every item is an object with a name of its own.
fn named(items: &[Value]) -> bool {
    let names: BTreeSet<&str> = items.iter().filter_map(|item| item["name"].as_str()).collect();
    names.len() == items.len()
}

/// Items of one name are one item; that they stand in another order is one difference more.
fn walk_named(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
    let of = |items: &[Value], wanted: &str| items.iter().find(|item| name(item) == wanted).cloned();
    for item in new {
        let before = of(old, &name(item)).unwrap_or_default();
        walk(format!("{path}[{}]", name(item)), Comparing::Exactly, &before, item, found);
    }
    for item in old.iter().filter(|item| of(new, &name(item)).is_none()) {
        walk(format!("{path}[{}]", name(item)), Comparing::Exactly, item, &Value::Null, found);
    }
    let shared = |items: &[Value], others: &[Value]| -> Vec<String> {
        items.iter().map(name).filter(|one| of(others, one).is_some()).collect()
    };
    let (before, after) = (shared(old, new), shared(new, old));
    if before != after {
        found.push(Difference {
            path: format!("{path} (order)"),
            before: Value::from(before),
            after: Value::from(after),
            unknown: false,
        });
    }
}

/// Items of both sets drop out; of the rest, objects that share most of their members are one item that changed.
/// Indices are the desired ones, and the live ones of items that go.
fn walk_set(path: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let canonical = |items: &[Value]| -> Vec<Value> { items.iter().map(|i| canonical(i, Comparing::AsSet)).collect() };
    let (old_canonical, new_canonical) = (canonical(old), canonical(new));
    let mut gone: Vec<usize> = (0..old.len()).filter(|i| !new_canonical.contains(&old_canonical[*i])).collect();
    for (index, item) in new.iter().enumerate() {
        let seen_before = new_canonical[..index].contains(&new_canonical[index]);
        if seen_before || old_canonical.contains(&new_canonical[index]) {
            continue;
        }
        let partner = gone
            .iter()
            .enumerate()
            .map(|(position, live)| (shared(&old_canonical[*live], &new_canonical[index]), position))
            .filter(|(share, _)| *share >= 0.5)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let before = partner.map_or(Value::Null, |(_, position)| old[gone.remove(position)].clone());
        walk(format!("{path}[{index}]"), Comparing::AsSet, &before, item, found);
    }
    for index in gone {
        walk(format!("{path}[{index}]"), Comparing::AsSet, &old[index], &Value::Null, found);
    }
}

/// The share of members that two objects have in common; 0 for anything else.
fn shared(old: &Value, new: &Value) -> f64 {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return 0.0;
    };
    let equal = old.iter().filter(|(name, member)| new.get(*name) == Some(*member)).count();
    equal as f64 / old.len().max(new.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(compare: Comparing, before: &Value, after: &Value) -> Vec<String> {
        differences("f", compare, before, after)
            .iter()
            .map(|d| format!("{}: {} -> {}", d.path, d.before, d.after))
            .collect()
    }

    #[test]
    fn paths_lead_to_what_differs() {
        let before = json!({ "rules": [{ "port": 80 }, { "port": 443, "note": null }], "name": "a" });
        let after = json!({ "rules": [{ "port": 80 }, { "port": 8443 }, { "port": 22 }], "name": "a" });
        assert_eq!(
            lines(Comparing::Exactly, &before, &after),
            ["f.rules[1].port: 443 -> 8443", "f.rules[2]: null -> {\"port\":22}"]
        );
    }

    #[test]
    fn items_with_names_are_told_by_them() {
        let column = |name: &str, kind: &str| json!({ "name": name, "type": kind });
        let before = json!([column("id", "int"), column("city", "string"), column("zip", "string")]);
        let added = json!([column("id", "long"), column("land", "string"), column("city", "string")]);
        assert_eq!(
            lines(Comparing::Exactly, &before, &added),
            [
                "f[id].type: \"int\" -> \"long\"",
                "f[land]: null -> {\"name\":\"land\",\"type\":\"string\"}",
                "f[zip]: {\"name\":\"zip\",\"type\":\"string\"} -> null",
            ]
        );
        let turned = json!([column("city", "string"), column("id", "int"), column("zip", "string")]);
        assert_eq!(
            lines(Comparing::Exactly, &before, &turned),
            ["f (order): [\"id\",\"city\",\"zip\"] -> [\"city\",\"id\",\"zip\"]"]
        );
    }

    #[test]
    fn order_counts_in_arrays_and_not_in_sets() {
        let (one, other) = (json!(["a", "b", "b"]), json!(["b", "a"]));
        assert!(!lines(Comparing::Exactly, &one, &other).is_empty());
        assert!(lines(Comparing::AsSet, &one, &other).is_empty());
    }

    #[test]
    fn a_changed_item_of_a_set_is_one_difference() {
        let before =
            json!([{ "port": 80, "from": "x", "protocol": "tcp" }, { "port": 22, "from": "y", "protocol": "tcp" }]);
        let after =
            json!([{ "port": 22, "from": "y", "protocol": "tcp" }, { "port": 81, "from": "x", "protocol": "tcp" }]);
        assert_eq!(lines(Comparing::AsSet, &before, &after), ["f[1].port: 80 -> 81"]);
        assert_eq!(
            lines(Comparing::AsSet, &json!(["a", "b"]), &json!(["b", "c"])),
            ["f[1]: null -> \"c\"", "f[0]: \"a\" -> null"]
        );
    }

    #[test]
    fn a_floor_lets_live_be_more() {
        assert!(lines(Comparing::AsFloor, &json!(200), &json!(100)).is_empty());
        assert_eq!(lines(Comparing::AsFloor, &json!(100), &json!(200)), ["f: 100 -> 200"]);
    }

    #[test]
    fn absent_null_and_number_forms_are_one() {
        assert!(lines(Comparing::Exactly, &json!({ "a": null, "n": 1 }), &json!({ "n": 1.0 })).is_empty());
    }
}
