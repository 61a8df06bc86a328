//! What templates and requests may say of indices: whatever nothing here does is refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Rules, patterns, plain, priority};
use crate::Product;
use crate::answer::SearchError;

/// Parts of a field's mapping that are known.
const PARTS: [&str; 8] =
    ["type", "properties", "fields", "ignore_above", "depth_limit", "meta", "eager_global_ordinals", "store"];
/// Parts that say what is so anyway.
const ANYWAY: [(&str, bool); 5] =
    [("index", true), ("doc_values", true), ("norms", true), ("coerce", true), ("dynamic", true)];

/// Judges a field's mapping.
pub(super) fn mapping(path: &str, mapping: &Value) -> Result<(), String> {
    for (name, value) in mapping.as_object().into_iter().flatten() {
        let is_known = match name.as_str() {
            "enabled" => mapping["type"] == "object" || mapping["type"].is_null(),
            "analyzer" | "search_analyzer" => value == "standard",
            "format" => value == "strict_date_optional_time||epoch_millis" || value == "strict_date_optional_time",
            other => {
                PARTS.contains(&other)
                    || ANYWAY.iter().any(|(part, is)| *part == other && plain(value) == is.to_string())
            }
        };
        if !is_known {
            return Err(format!("Mapping definition for [{path}] has unsupported parameters:  [{name} : {value}]"));
        }
    }
    for (name, inner) in mapping["fields"].as_object().into_iter().flatten() {
        if name != "keyword" || inner["type"] != "keyword" {
            return Err(format!(
                "Mapping definition for [{path}] has an unsupported field [{name}]: this index knows [keyword]"
            ));
        }
    }
    Ok(())
}

/// Judges a template before it is kept.
///
/// # Errors
/// It is none, or another one of its priority is for the same indices.
pub fn check(
    name: &str,
    body: &Value,
    templates: &BTreeMap<String, Value>,
    product: Product,
) -> Result<(), SearchError> {
    if patterns(body).next().is_none() {
        return Err(SearchError::illegal("index_template [index_patterns] are missing"));
    }
    for key in body.as_object().into_iter().flatten().map(|(key, _)| key) {
        if !["index_patterns", "priority", "version", "_meta", "template"].contains(&key.as_str()) {
            return Err(SearchError::parsing(format!("[index_template] unknown field [{key}]")));
        }
    }
    for (other, there) in templates.iter().filter(|(other, _)| *other != name) {
        let overlaps = |own: &str| patterns(there).any(|there| overlap(own.as_bytes(), there.as_bytes()));
        if priority(there) == priority(body) && patterns(body).any(overlaps) {
            return Err(SearchError::illegal(format!(
                "index template [{name}] has index patterns matching patterns from existing templates [{other}] that have the same \
                 priority [{}], multiple index templates may not match during index creation, please use a different priority",
                priority(body)
            )));
        }
    }
    Rules::read(&body["template"], Some(product)).map_err(SearchError::mapping)?;
    Ok(())
}

/// Judges what a request says of a new index.
///
/// # Errors
/// It says what nothing here does.
pub fn check_index(body: &Value, product: Product) -> Result<(), SearchError> {
    for name in body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()) {
        if !["settings", "mappings", "aliases"].contains(&name) {
            return Err(SearchError::parsing(format!("unknown key [{name}] for create index")));
        }
    }
    Rules::read(body, Some(product)).map_err(SearchError::mapping)?;
    Ok(())
}

/// Judges what a request says of an index's fields.
///
/// # Errors
/// It says what nothing here does.
pub fn check_mapping(body: &Value, product: Product) -> Result<(), SearchError> {
    for (name, value) in body.as_object().into_iter().flatten() {
        let is_known = match name.as_str() {
            "properties" => value.is_object(),
            "dynamic" => matches!(plain(value).as_str(), "true" | "false"),
            _ => false,
        };
        if !is_known {
            return Err(SearchError::mapping(format!(
                "Root mapping definition has unsupported parameters: [{name} : {value}]"
            )));
        }
    }
    Rules::read(&json!({ "mappings": body }), Some(product)).map_err(SearchError::mapping)?;
    Ok(())
}

/// Whether there is a name that fits both patterns, in which `*` stands for anything.
fn overlap(one: &[u8], other: &[u8]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            overlap(rest, other) || other.split_first().is_some_and(|(_, less)| overlap(one, less))
        }
        (_, Some((b'*', rest))) => {
            overlap(one, rest) || one.split_first().is_some_and(|(_, less)| overlap(less, other))
        }
        (Some((first, rest)), Some((second, more))) => first == second && overlap(rest, more),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_overlap_where_a_name_fits_both() {
        for (one, other, are) in [
            ("a-*", "a-b-*", true),
            ("a-*", "b-*", false),
            ("a-*-outside", "a-b-*", true),
            ("*-x", "a-*", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*c", "ab", false),
        ] {
            assert_eq!(overlap(one.as_bytes(), other.as_bytes()), are, "{one} {other}");
            assert_eq!(overlap(other.as_bytes(), one.as_bytes()), are, "{other} {one}");
        }
    }

    #[test]
    fn what_the_products_refuse_is_refused() {
        let none = BTreeMap::new();
        let refused = |body: Value, product| check("t", &body, &none, product).map_err(|error| error.reason);
        let of = |mapping: Value| json!({ "index_patterns": ["a-*"], "template": { "mappings": { "properties": { "o": mapping } } } });
        assert_eq!(refused(of(json!({ "type": "flattened" })), Product::Elasticsearch), Ok(()));
        assert_eq!(refused(of(json!({ "type": "flat_object" })), Product::OpenSearch), Ok(()));
        for (body, product, part) in [
            (of(json!({ "type": "flattened" })), Product::OpenSearch, "No handler for type [flattened]"),
            (of(json!({ "type": "flat_object" })), Product::Elasticsearch, "No handler for type [flat_object]"),
            (json!({ "template": {} }), Product::Elasticsearch, "index_patterns"),
            (json!({ "index_patterns": "a", "colour": 1 }), Product::Elasticsearch, "unknown field [colour]"),
            (
                json!({ "index_patterns": "a", "template": { "settings": { "index.lifecycle.name": "p" } } }),
                Product::OpenSearch,
                "unknown setting [index.lifecycle.name]",
            ),
        ] {
            let reason = refused(body, product).expect_err(part);
            assert!(reason.contains(part), "{reason}");
        }
        let there = BTreeMap::from([("other".to_owned(), json!({ "index_patterns": ["a-b*"], "priority": 7 }))]);
        let same = json!({ "index_patterns": ["a-*"], "priority": 7 });
        assert!(check("t", &same, &there, Product::OpenSearch).is_err());
        assert!(check("t", &json!({ "index_patterns": ["a-*"], "priority": 8 }), &there, Product::OpenSearch).is_ok());
    }
}
