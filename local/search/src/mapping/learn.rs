//! What a document teaches an index: fields that are new, or that it doesn't fit.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::field::{FieldType, MOST};
use crate::place::Place;
use crate::template::Rules;

/// How many objects a field may stand in, itself counted.
const DEEPEST: usize = 20;

/// Why a document isn't taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The error's type.
    pub kind: &'static str,
    /// What doesn't fit.
    pub reason: String,
}

/// A document that is held against an index.
struct Learning<'a> {
    known: &'a BTreeMap<String, FieldType>,
    rules: Option<&'a Rules>,
    new: BTreeMap<String, FieldType>,
}

/// The fields of a document that its index doesn't know.
pub fn new_fields(
    known: &BTreeMap<String, FieldType>,
    rules: Option<&Rules>,
    source: &Map<String, Value>,
) -> Result<BTreeMap<String, FieldType>, Unfit> {
    let mut learning = Learning { known, rules, new: BTreeMap::new() };
    learning.members("", source)?;
    let Learning { new, .. } = learning;
    if new.is_empty() {
        return Ok(new);
    }
    let weight = |(name, kind): (&String, &FieldType)| match rules.and_then(|rules| rules.mapping(name, *kind)) {
        Some(mapping) => 1 + mapping["fields"].as_object().map_or(0, Map::len),
        None => 1 + usize::from(*kind == FieldType::Text),
    };
    let limit = rules.map_or(MOST, |rules| rules.limit);
    let (before, more): (usize, usize) = (known.iter().map(weight).sum(), new.iter().map(weight).sum());
    if before + more > limit {
        let reason = format!("Limit of total fields [{limit}] has been exceeded while adding new fields [{more}]");
        return Err(Unfit { kind: "illegal_argument_exception", reason });
    }
    Ok(new)
}

impl Learning<'_> {
    fn members(&mut self, prefix: &str, members: &Map<String, Value>) -> Result<(), Unfit> {
        members.iter().try_for_each(|(name, value)| {
            if let Some(reason) = nameless(name) {
                return Err(Unfit { kind: "document_parsing_exception", reason });
            }
            // Objects that a dot at the end would lead into are none.
            self.member(prefix, name.trim_end_matches('.'), value)
        })
    }

    /// A member; dots in its name lead into objects.
    fn member(&mut self, prefix: &str, name: &str, value: &Value) -> Result<(), Unfit> {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let path = if prefix.is_empty() { first.to_owned() } else { format!("{prefix}.{first}") };
        if path.split('.').count() > DEEPEST {
            let reason = format!("Limit of mapping depth [{DEEPEST}] has been exceeded due to object field [{prefix}]");
            return Err(Unfit { kind: "illegal_argument_exception", reason });
        }
        let Some(rest) = rest else { return self.value(&path, value) };
        let kind = self.kind(&path).or_else(|| self.dynamic(&path, "object"));
        match kind {
            Some(FieldType::Object) => self.member(&path, rest, value),
            Some(FieldType::Flattened) if self.is_opensearch() => {
                let reason = "failed to parse: FlatObjectFieldMapper cannot be cast to ObjectMapper".to_owned();
                Err(Unfit { kind: "mapper_parsing_exception", reason })
            }
            None | Some(FieldType::Flattened | FieldType::Disabled) => Ok(()),
            Some(kind) => Err(unfit(&path, kind, value)),
        }
    }

    fn is_opensearch(&self) -> bool {
        self.rules.is_some_and(Rules::is_opensearch)
    }

    fn kind(&self, path: &str) -> Option<FieldType> {
        self.known.get(path).or_else(|| self.new.get(path)).copied()
    }

    fn value(&mut self, path: &str, value: &Value) -> Result<(), Unfit> {
        let Some(kind) = self.kind(path) else { return self.first(path, value) };
        let ignores = self.rules.is_some_and(|rules| rules.ignore_malformed);
        match (kind, value) {
            (FieldType::Disabled, _) | (_, Value::Null) => Ok(()),
            (FieldType::GeoPoint, value) if Place::all(value).is_some() || ignores => Ok(()),
            (FieldType::GeoPoint, value) => Err(unfit(path, kind, value)),
            (_, Value::Array(values)) => values.iter().try_for_each(|value| self.value(path, value)),
            (FieldType::Object, Value::Object(members)) => self.members(path, members),
            (FieldType::Flattened, Value::Object(_)) => Ok(()),
            (FieldType::Flattened, _) if self.is_opensearch() => Ok(()),
            (FieldType::Object, _) => Err(unfit(path, kind, value)),
            (_, Value::Object(_)) if ignores && self.is_opensearch() => Ok(()),
            // What is malformed is a value to Elasticsearch: an object in its place never fits.
            (FieldType::Flattened, _) | (_, Value::Object(_)) => Err(unfit(path, kind, value)),
            (_, value) if fits(kind, value) || ignores => Ok(()),
            _ => Err(unfit(path, kind, value)),
        }
    }

    /// The first value of a field.
    fn first(&mut self, path: &str, value: &Value) -> Result<(), Unfit> {
        let seen = match value {
            Value::Null => return Ok(()),
            Value::Array(values) => return values.iter().try_for_each(|value| self.value(path, value)),
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "double",
            Value::Number(_) => "long",
            Value::String(text) if is_date(text) => "date",
            Value::String(_) => "string",
            Value::Object(_) => "object",
        };
        match self.dynamic(path, seen) {
            // It is in the source alone.
            None => Ok(()),
            Some(_) => self.value(path, value),
        }
    }

    /// The type of a new field by what its first value is; none where new fields aren't mapped.
    fn dynamic(&mut self, path: &str, seen: &str) -> Option<FieldType> {
        let kind = match self.rules {
            Some(rules) if !rules.is_dynamic => return None,
            rules => rules.and_then(|rules| rules.dynamic(seen)).unwrap_or(match seen {
                "boolean" => FieldType::Boolean,
                "double" => FieldType::Float,
                "long" => FieldType::Long,
                "date" => FieldType::Date,
                "object" => FieldType::Object,
                _ => FieldType::Text,
            }),
        };
        self.new.insert(path.to_owned(), kind);
        Some(kind)
    }
}

/// Why a member can't be called so.
fn nameless(name: &str) -> Option<String> {
    let path = name.trim_end_matches('.');
    if path.is_empty() {
        return Some("failed to parse: field name cannot be an empty string".to_owned());
    }
    let mut parts = path.split('.');
    if path.contains('.') && parts.any(|part| part.trim().is_empty()) {
        return Some(format!(
            "failed to parse: object field starting or ending with a [.] makes object resolution ambiguous: [{name}]"
        ));
    }
    None
}

/// Whether a scalar fits a type.
fn fits(kind: FieldType, value: &Value) -> bool {
    match (kind, value) {
        (FieldType::Long | FieldType::Float | FieldType::Double, Value::String(text)) => text.parse::<f64>().is_ok(),
        (FieldType::Long | FieldType::Float | FieldType::Double, value) => value.is_number(),
        (FieldType::Boolean, Value::String(text)) => text == "true" || text == "false",
        (FieldType::Boolean, value) => value.is_boolean(),
        (FieldType::Date, Value::String(text)) => is_date(text),
        (FieldType::Date, value) => value.is_i64(),
        (FieldType::Ip, value) => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        (FieldType::Binary, value) => value.is_string(),
        _ => true,
    }
}

fn unfit(path: &str, kind: FieldType, value: &Value) -> Unfit {
    let shown = value.to_string().chars().take(80).collect::<String>();
    let reason = format!("failed to parse field [{path}] of type [{}]: {shown}", kind.name());
    Unfit { kind: "document_parsing_exception", reason }
}

/// Whether a text is an RFC 3339 time.
fn is_date(text: &str) -> bool {
    text.len() >= 20 && text.as_bytes()[4] == b'-' && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}
