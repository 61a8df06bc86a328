//! The types that an index's members have: those that the stack declares, those of the shipper's own, and those that transforms determine.

use std::collections::BTreeMap;

use lakewright_config::agents::shipper::fields::{FieldType, name_mistake, taken_by};
use lakewright_config::agents::shipper::transforms::{AnalyzeText, Step, Transform, UserAgent, ValueType};

/// Members of [`UserAgent::into`].
const OF_BROWSERS: [&str; 5] = ["name", "version", "os", "os_version", "category"];

/// Members of [`AnalyzeText::into`], beside those of `names`.
const OF_TEXTS: [(&str, FieldType); 7] = [
    ("language", FieldType::Keyword),
    ("sentiment.label", FieldType::Keyword),
    ("sentiment.score", FieldType::Double),
    ("keyphrases", FieldType::Keyword),
    ("entities.money", FieldType::Keyword),
    ("entities.date", FieldType::Keyword),
    ("entities.percent", FieldType::Keyword),
];

/// What the templates of an index follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What the names of the indices begin with.
    pub index: String,
    /// The types of members by path; none stands in another one.
    pub fields: BTreeMap<String, FieldType>,
    /// How many days an index of a day is kept.
    pub keep_days: Option<u32>,
}

impl Shape {
    /// The shape of an index to which records of these sources go. What is declared counts more than what follows from transforms.
    pub fn new(
        index: String,
        time_field: &str,
        declared: &BTreeMap<String, FieldType>,
        (transforms, sources): (&[Transform], &[String]),
        keep_days: Option<u32>,
    ) -> Self {
        let mut fields = declared.clone();
        let time = (time_field.to_owned(), FieldType::Date);
        for (name, kind) in std::iter::once(time).chain(determined(transforms, sources)) {
            if name_mistake(&name).is_none() {
                add(&mut fields, name, kind);
            }
        }
        Self { index, fields, keep_days }
    }
}

/// Adds a member, unless it stands in one that has a type, or one with a type stands in it.
fn add(fields: &mut BTreeMap<String, FieldType>, name: String, kind: FieldType) {
    let within = format!("{name}.");
    let holds = fields.range(within.clone()..).next().is_some_and(|(other, _)| other.starts_with(&within));
    if !holds && taken_by(fields, &name).is_none() {
        fields.entry(name).or_insert(kind);
    }
}

/// The types of members that follow from what transforms do to records of these sources.
fn determined(transforms: &[Transform], sources: &[String]) -> BTreeMap<String, FieldType> {
    let mut found = BTreeMap::new();
    let takes =
        |transform: &&Transform| transform.from.is_empty() || transform.from.iter().any(|from| sources.contains(from));
    for transform in transforms.iter().filter(takes) {
        match &transform.step {
            Step::Types(types) => {
                let typed = types.fields.iter().filter_map(|(name, kind)| Some((name.clone(), of_value(*kind)?)));
                found.extend(typed);
            }
            Step::GeoPoint(point) => _ = found.insert(point.into.clone(), FieldType::GeoPoint),
            Step::Timestamp(time) => {
                _ = found.insert(time.into.clone().unwrap_or_else(|| time.field.clone()), FieldType::Date);
            }
            Step::UserAgent(UserAgent { into, .. }) => {
                found.extend(OF_BROWSERS.map(|name| (format!("{into}.{name}"), FieldType::Text)));
            }
            Step::AnalyzeText(AnalyzeText { into, names, .. }) => {
                found.extend(OF_TEXTS.map(|(name, kind)| (format!("{into}.{name}"), kind)));
                found.extend(names.keys().map(|kind| (format!("{into}.entities.{kind}"), FieldType::Keyword)));
            }
            Step::Rename(rename) => {
                let moved = rename.fields.iter().filter_map(|(from, to)| Some((to.clone(), found.remove(from)?)));
                let moved: Vec<_> = moved.collect();
                found.extend(moved);
            }
            Step::Remove(remove) => {
                let gone = |name: &String| {
                    remove.fields.iter().any(|of| {
                        name.strip_prefix(of.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    })
                };
                found.retain(|name, _| !gone(name));
            }
            _ => {}
        }
    }
    // A quoted name holds dots, and a number is a place in an array: an index knows neither.
    found.retain(|name, _| !name.contains('"') && name.split('.').all(|step| step.parse::<usize>().is_err()));
    found
}

/// The type of a member that a transform gives a type; none where the index finds out by itself.
fn of_value(kind: ValueType) -> Option<FieldType> {
    match kind {
        ValueType::Int => Some(FieldType::Long),
        ValueType::Float => Some(FieldType::Double),
        ValueType::Bool => Some(FieldType::Boolean),
        ValueType::Ip => Some(FieldType::Ip),
        ValueType::Text => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shape(declared: Value, transforms: Value) -> Value {
        let declared = serde_json::from_value(declared).expect("fields");
        let transforms: Vec<Transform> = serde_json::from_value(transforms).expect("transforms");
        let sources = ["web".to_owned()];
        let shape = Shape::new("i".to_owned(), "at", &declared, (&transforms, &sources), None);
        serde_json::to_value(shape.fields).expect("JSON")
    }

    #[test]
    fn transforms_determine_types_in_their_order() {
        let found = shape(
            json!({ "status": "keyword" }),
            json!([
                { "type": "types", "fields": { "status": "int", "took": "float", "ok": "bool", "peer": "ip", "text": "text", "gone": "int", "a": "int", "b": "float" } },
                { "type": "types", "fields": { "others": "int" }, "from": ["mail"] },
                { "type": "geo_point", "field": "place", "from": ["mail", "web"] },
                { "type": "timestamp", "field": "ts", "into": "seen" },
                { "type": "rename", "fields": { "took": "time.took", "a": "b", "b": "a" } },
                { "type": "remove", "fields": ["gone"] },
                { "type": "types", "fields": { "labels.\"a.b\"": "int", "list.0": "int" } },
            ]),
        );
        assert_eq!(
            found,
            json!({
                "at": "date", "status": "keyword", "time.took": "double", "ok": "boolean", "peer": "ip", "location": "geo_point",
                "seen": "date", "a": "double", "b": "long",
            })
        );
    }

    #[test]
    fn what_is_said_of_texts_has_types() {
        let found = shape(
            json!({}),
            json!([{ "type": "analyze_text", "field": "body", "into": "said", "names": { "brand": ["Nord"] } }]),
        );
        assert_eq!(
            found,
            json!({
                "at": "date", "said.language": "keyword", "said.sentiment.label": "keyword", "said.sentiment.score": "double",
                "said.keyphrases": "keyword", "said.entities.money": "keyword", "said.entities.date": "keyword",
                "said.entities.percent": "keyword", "said.entities.brand": "keyword",
            })
        );
    }

    #[test]
    fn no_member_stands_in_another_one_with_a_type() {
        let types = json!([
            { "type": "types", "fields": { "user.id": "int", "request": "int", "at.x": "int", "kafka_offset": "float" } },
            { "type": "user_agent", "field": "agent" },
        ]);
        let found = shape(json!({ "user": "flattened", "request.size": "long", "browser": "keyword" }), types);
        assert_eq!(found, json!({ "at": "date", "user": "flattened", "request.size": "long", "browser": "keyword" }));
    }
}
