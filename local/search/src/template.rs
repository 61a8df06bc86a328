//! Index templates: what an index gets when it is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Product;
use crate::answer::SearchError;
use crate::field::{FieldType, MOST};
use crate::pattern::matches;

/// Settings of indices that a template may give, with what they begin with.
const SETTINGS: [&str; 6] = [
    "index.mapping.ignore_malformed",
    "index.mapping.total_fields.limit",
    "index.number_of_replicas",
    "index.number_of_shards",
    "index.codec",
    "index.refresh_interval",
];
/// What Elasticsearch has alone.
const LIFECYCLE: &str = "index.lifecycle.name";

/// What an index got from its template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Mappings by field.
    properties: BTreeMap<String, Value>,
    /// Mappings of new fields by what their first value is.
    dynamic: BTreeMap<String, Value>,
    /// Whether values that don't fit are left out in place of refusing the document.
    pub ignore_malformed: bool,
    /// How many fields there may be.
    pub limit: usize,
    /// Whether new fields are mapped.
    pub is_dynamic: bool,
    /// The policy that deletes it.
    pub lifecycle: Option<String>,
    /// How many copies of it there should be.
    #[serde(default = "one")]
    pub replicas: usize,
}

/// The replicas of an index whose template says nothing of them.
fn one() -> usize {
    1
}

impl Rules {
    /// Those of a new index: of the template with the highest priority of those for such a name.
    pub fn of(templates: &BTreeMap<String, Value>, index: &str) -> Option<Self> {
        let fits = |body: &&Value| patterns(body).any(|pattern| matches(pattern, index));
        let chosen = templates.values().filter(fits).max_by_key(|body| priority(body))?;
        Self::read(&chosen["template"], None).ok()
    }

    /// The types of the fields that it has from the beginning.
    pub fn fields(&self) -> BTreeMap<String, FieldType> {
        let typed = |(name, mapping): (&String, &Value)| Some((name.clone(), field_type(mapping, None).ok()?));
        self.properties.iter().filter_map(typed).collect()
    }

    /// Whether they are of OpenSearch, which takes and refuses other values of some types.
    pub fn is_opensearch(&self) -> bool {
        self.properties.values().chain(self.dynamic.values()).any(|mapping| mapping["type"] == "flat_object")
    }

    /// The mapping of a field, if it has one of the template.
    pub fn mapping(&self, field: &str, kind: FieldType) -> Option<&Value> {
        let dynamic = || self.dynamic.values().find(|mapping| field_type(mapping, None) == Ok(kind));
        self.properties.get(field).or_else(dynamic)
    }

    /// The type of a new field by what its first value is.
    pub fn dynamic(&self, seen: &str) -> Option<FieldType> {
        self.dynamic.get(seen).and_then(|mapping| field_type(mapping, None).ok())
    }

    /// Reads what a template gives; judged as this product does, if one is given.
    fn read(template: &Value, product: Option<Product>) -> Result<Self, String> {
        let mut settings = BTreeMap::new();
        flat("", &template["settings"], &mut settings);
        let text = |name: &str| settings.get(name).map(plain);
        for name in settings.keys() {
            let is_known =
                SETTINGS.contains(&name.as_str()) || name == LIFECYCLE && product != Some(Product::OpenSearch);
            if product.is_some() && !is_known {
                return Err(format!("unknown setting [{name}] please check that any required plugins are installed"));
            }
        }
        let limit = text("index.mapping.total_fields.limit")
            .map(|limit| limit.parse::<usize>().map_err(|error| error.to_string()));
        let mappings = &template["mappings"];
        let mut properties = BTreeMap::new();
        nested("", &mappings["properties"], product, &mut properties)?;
        let mut dynamic = BTreeMap::new();
        for named in mappings["dynamic_templates"].as_array().into_iter().flatten() {
            for (name, rule) in named.as_object().into_iter().flatten() {
                let seen = rule["match_mapping_type"].as_str().ok_or_else(|| {
                    format!(
                        "dynamic template [{name}] must have match_mapping_type: this index knows no other condition"
                    )
                })?;
                if let Err(error) = field_type(&rule["mapping"], product)
                    // OpenSearch finds it out with the first document.
                    && product == Some(Product::Elasticsearch)
                {
                    return Err(format!("dynamic template [{name}] has invalid content: {error}"));
                }
                dynamic.entry(seen.to_owned()).or_insert_with(|| rule["mapping"].clone());
            }
        }
        Ok(Self {
            properties,
            dynamic,
            ignore_malformed: text("index.mapping.ignore_malformed").as_deref() == Some("true"),
            limit: limit.transpose()?.unwrap_or(MOST),
            is_dynamic: !matches!(plain(&mappings["dynamic"]).as_str(), "false" | "strict"),
            lifecycle: text(LIFECYCLE),
            replicas: text("index.number_of_replicas").and_then(|count| count.parse().ok()).unwrap_or_else(one),
        })
    }
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

fn patterns(body: &Value) -> impl Iterator<Item = &str> {
    let listed = body["index_patterns"].as_array().map(Vec::as_slice);
    listed.unwrap_or(std::slice::from_ref(&body["index_patterns"])).iter().filter_map(Value::as_str)
}

fn priority(body: &Value) -> u64 {
    body["priority"].as_u64().unwrap_or_default()
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

/// The mappings of fields by path.
fn nested(
    prefix: &str,
    properties: &Value,
    product: Option<Product>,
    found: &mut BTreeMap<String, Value>,
) -> Result<(), String> {
    for (name, mapping) in properties.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        field_type(mapping, product)
            .map_err(|error| format!("Failed to parse mapping: {error} declared on field [{path}]"))?;
        nested(&path, &mapping["properties"], product, found)?;
        let mut own = mapping.clone();
        if let Some(own) = own.as_object_mut() {
            own.remove("properties");
            own.entry("type").or_insert_with(|| "object".into());
        }
        found.insert(path, own);
    }
    Ok(())
}

/// The type that a mapping gives its field.
fn field_type(mapping: &Value, product: Option<Product>) -> Result<FieldType, String> {
    let is_of = |own: Product| product.is_none_or(|product| product == own);
    let name = mapping["type"].as_str().unwrap_or("object");
    Ok(match name {
        "long" => FieldType::Long,
        "float" => FieldType::Float,
        "double" => FieldType::Double,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        "text" => FieldType::Text,
        "keyword" => FieldType::Keyword,
        "ip" => FieldType::Ip,
        "geo_point" => FieldType::GeoPoint,
        "binary" => FieldType::Binary,
        "object" if mapping["enabled"] == false => FieldType::Disabled,
        "object" => FieldType::Object,
        "flattened" if is_of(Product::Elasticsearch) => FieldType::Flattened,
        "flat_object" if is_of(Product::OpenSearch) => FieldType::Flattened,
        _ => return Err(format!("No handler for type [{name}]")),
    })
}

/// Settings by their whole names, however deep they are written.
fn flat(prefix: &str, settings: &Value, found: &mut BTreeMap<String, Value>) {
    for (name, value) in settings.as_object().unwrap_or(&Map::new()) {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if value.is_object() {
            flat(&path, value, found);
        } else {
            let path = if path.starts_with("index.") { path } else { format!("index.{path}") };
            found.insert(path, value.clone());
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
