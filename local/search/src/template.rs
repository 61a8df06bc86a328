//! Index templates: what an index gets when it is made.

mod judge;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Product;
use crate::field::{FieldType, MOST};
use crate::pattern::matches;

pub use judge::{check, check_index, check_mapping};

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
#[serde(default)]
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
    pub replicas: usize,
}

impl Default for Rules {
    /// Those of an index without a template.
    fn default() -> Self {
        Self {
            properties: BTreeMap::new(),
            dynamic: BTreeMap::new(),
            ignore_malformed: false,
            limit: MOST,
            is_dynamic: true,
            lifecycle: None,
            replicas: 1,
        }
    }
}

impl Rules {
    /// Those of a new index, and its other names: of the template with the highest priority of those for such a name, and of a request,
    /// which goes before it.
    pub fn of(
        templates: &BTreeMap<String, Value>,
        index: &str,
        body: &Value,
    ) -> Result<Option<(Self, Map<String, Value>)>, String> {
        let fits = |body: &&Value| patterns(body).any(|pattern| matches(pattern, index));
        let chosen = templates.values().filter(fits).max_by_key(|body| priority(body));
        if chosen.is_none() && body.as_object().is_none_or(Map::is_empty) {
            return Ok(None);
        }
        let whole = |settings: &Value| {
            let mut found = BTreeMap::new();
            flat("", settings, &mut found);
            Value::Object(found.into_iter().collect())
        };
        let mut both = chosen.map_or(Value::Null, |chosen| chosen["template"].clone());
        let mut own = body.clone();
        // A setting is written in several ways.
        for part in [&mut both, &mut own] {
            if part["settings"].is_object() {
                part["settings"] = whole(&part["settings"]);
            }
        }
        merge(&mut both, &own);
        let names = both["aliases"].as_object().cloned().unwrap_or_default();
        Ok(Some((Self::read(&both, None)?, names)))
    }

    /// Takes the mappings of a request in; the fields that they give, of those that are known.
    pub fn extend(
        &mut self,
        body: &Value,
        known: &BTreeMap<String, FieldType>,
    ) -> Result<BTreeMap<String, FieldType>, String> {
        let mut given = BTreeMap::new();
        nested("", &body["properties"], None, &mut given)?;
        let mut fields = BTreeMap::new();
        for (path, mapping) in given {
            let kind = field_type(&mapping, None)?;
            if let Some(there) = known.get(&path).filter(|there| **there != kind) {
                return Err(format!(
                    "mapper [{path}] cannot be changed from type [{}] to [{}]",
                    there.name(),
                    kind.name()
                ));
            }
            let text = || serde_json::json!({ "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": 256 } } });
            let before = self.mapping(&path, kind).cloned();
            let mut merged = before.unwrap_or_else(|| match known.get(&path) {
                Some(FieldType::Text) => text(),
                _ => mapping.clone(),
            });
            merge(&mut merged, &mapping);
            self.properties.insert(path.clone(), merged);
            fields.insert(path, kind);
        }
        if known.len() + fields.keys().filter(|path| !known.contains_key(*path)).count() > self.limit {
            return Err(format!("Limit of total fields [{}] has been exceeded", self.limit));
        }
        if !body["dynamic"].is_null() {
            self.is_dynamic = plain(&body["dynamic"]) == "true";
        }
        Ok(fields)
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
            replicas: text("index.number_of_replicas").and_then(|count| count.parse().ok()).unwrap_or(1),
        })
    }
}

/// Puts the members of one value over those of another.
fn merge(below: &mut Value, above: &Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                merge(below.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

fn patterns(body: &Value) -> impl Iterator<Item = &str> {
    let listed = body["index_patterns"].as_array().map(Vec::as_slice);
    listed.unwrap_or(std::slice::from_ref(&body["index_patterns"])).iter().filter_map(Value::as_str)
}

fn priority(body: &Value) -> u64 {
    body["priority"].as_u64().unwrap_or_default()
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
        if product.is_some() {
            judge::mapping(&path, mapping)?;
        }
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
