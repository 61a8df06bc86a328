//! The index templates and policies of an index, as the servers take them.

use lakewright_config::agents::shipper::fields::{FLATTENED, FLATTENED_REASON, FieldType};
use serde_json::{Map, Value, json};

use crate::search::shape::Shape;

/// The version of what is made here: a higher one is never overwritten by an older agent.
pub const VERSION: u64 = 1;
/// Who made a template or policy, in its `_meta`.
pub const MAKER: &str = "lakewright";
/// The lowest priority: above those of templates that come with the servers.
const PRIORITY: usize = 500;
/// How many members an index maps before it finds others under `flattened` alone.
const MOST: u32 = 1000;
/// The longest text that is indexed as a whole of members that weren't declared, in characters, as both servers have it.
const SHORT: u32 = 256;
/// The longest of those that were: its bytes fit into a term, whatever they are.
const LONG: u32 = 8191;
/// How deep objects may be nested that are kept flat.
const DEEPEST: u32 = 100;

/// How a server keeps an object whose members aren't mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// Elasticsearch's way.
    Flattened,
    /// OpenSearch's, from 2.7 on.
    FlatObject,
    /// That of servers which have neither: nothing in it is found.
    Unindexed,
}

impl Objects {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Flattened, Self::FlatObject, Self::Unindexed];

    fn mapping(self) -> Value {
        match self {
            Self::Flattened => json!({ "type": "flattened", "ignore_above": LONG, "depth_limit": DEEPEST }),
            Self::FlatObject => json!({ "type": "flat_object" }),
            Self::Unindexed => json!({ "type": "object", "enabled": false }),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Flattened => "flattened",
            Self::FlatObject => "flat_object",
            Self::Unindexed => "unindexed",
        }
    }
}

/// A template with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// What is put.
    pub body: Value,
}

impl Shape {
    /// The name of the index's template and policy.
    pub fn name(&self) -> String {
        format!("{MAKER}-{}", self.index)
    }

    /// The patterns of the names of indices of a day, of routes too.
    pub fn days(&self) -> [String; 2] {
        [format!("{}-2*.*.*", self.index), format!("{}-*-2*.*.*", self.index)]
    }

    /// Among indices whose names begin alike, the longer beginning counts more.
    pub fn priority(&self) -> usize {
        PRIORITY + 4 * self.index.len()
    }

    /// The templates: of all indices, of those of other days, which no policy deletes, and of the dead letters. `policy`: whether one
    /// deletes indices of days.
    pub fn templates(&self, objects: Objects, policy: bool) -> [Template; 3] {
        let (name, index) = (self.name(), &self.index);
        let outside = [format!("{index}-outside"), format!("{index}-*-outside")];
        [
            self.template(name.clone(), (&[format!("{index}-*")], 0), objects, policy),
            self.template(format!("{name}-outside"), (&outside, 1), objects, false),
            self.rejected(format!("{name}-rejected"), objects),
        ]
    }

    fn template(
        &self,
        name: String,
        (patterns, above): (&[String], usize),
        objects: Objects,
        policy: bool,
    ) -> Template {
        let mut properties = own(objects);
        for (path, kind) in &self.fields {
            nest(&mut properties, path, mapped(*kind, objects));
        }
        let mut settings = settings();
        if policy {
            settings["index.lifecycle.name"] = json!(self.name());
        }
        let mappings = json!({ "dynamic_templates": dynamic(objects), "properties": properties });
        let follows = json!({ "fields": self.fields, "policy": policy });
        self.put_together(
            name,
            patterns,
            above,
            (objects, follows),
            json!({ "settings": settings, "mappings": mappings }),
        )
    }

    /// That of the dead letters: all that is in them is the shipper's own.
    fn rejected(&self, name: String, objects: Objects) -> Template {
        let mut properties = own(objects);
        properties.remove(FLATTENED);
        properties.remove(FLATTENED_REASON);
        let text = json!({ "type": "text" });
        properties.insert("reason".to_owned(), whole(&text));
        properties.insert("error_type".to_owned(), whole(&json!({ "type": "keyword" })));
        properties.insert("payload".to_owned(), text);
        properties.insert("payload_base64".to_owned(), json!({ "type": "binary" }));
        let mappings = json!({ "dynamic": false, "properties": properties });
        let template = json!({ "settings": settings(), "mappings": mappings });
        self.put_together(name, &[format!("{}-rejected", self.index)], 2, (objects, json!({})), template)
    }

    fn put_together(
        &self,
        name: String,
        patterns: &[String],
        above: usize,
        (objects, follows): (Objects, Value),
        template: Value,
    ) -> Template {
        let body = json!({
            "index_patterns": patterns,
            "priority": self.priority() + above,
            "version": VERSION,
            "_meta": { "made_by": MAKER, "objects": objects.word(), "from": follows },
            "template": template,
        });
        Template { name, body }
    }

    /// The policy of Elasticsearch's lifecycle management that deletes indices of days.
    pub fn lifecycle(days: u32) -> Value {
        json!({ "policy": {
            "_meta": { "made_by": MAKER, "version": VERSION, "keep_days": days },
            "phases": { "delete": { "min_age": format!("{days}d"), "actions": { "delete": {} } } },
        } })
    }

    /// The same of OpenSearch's state management; its description says what `_meta` says elsewhere.
    pub fn state_policy(&self, days: u32) -> Value {
        json!({ "policy": {
            "description": self.description(days),
            "default_state": "kept",
            "states": [
                { "name": "kept", "actions": [], "transitions": [
                    { "state_name": "deleted", "conditions": { "min_index_age": format!("{days}d") } },
                ] },
                { "name": "deleted", "actions": [{ "delete": {} }], "transitions": [] },
            ],
            "ism_template": [{ "index_patterns": self.days(), "priority": self.priority() }],
        } })
    }

    /// How a state policy says who made it, and what it follows from.
    pub fn description(&self, days: u32) -> String {
        format!("{MAKER} {VERSION}: deletes indices of a day of {} {days} days after they were made", self.index)
    }
}

/// Values that don't fit their member's type are left out of the index, and not refused.
fn settings() -> Value {
    json!({ "index.mapping.ignore_malformed": true, "index.mapping.total_fields.limit": MOST })
}

/// The members that the shipper gives to documents. Texts of versions before were found by `.keyword`, and are still.
fn own(objects: Objects) -> Map<String, Value> {
    let text = || whole(&json!({ "type": "keyword", "ignore_above": LONG }));
    let (number, time) = (json!({ "type": "long" }), json!({ "type": "date" }));
    let mut own = Map::new();
    for name in ["kafka_topic_id", "log_source", "log_stream", "log_path", "log_host"] {
        own.insert(name.to_owned(), text());
    }
    for name in ["kafka_partition", "kafka_offset", "log_offset"] {
        own.insert(name.to_owned(), number.clone());
    }
    own.insert("@timestamp".to_owned(), time);
    own.insert(FLATTENED.to_owned(), objects.mapping());
    own.insert(FLATTENED_REASON.to_owned(), whole(&json!({ "type": "text" })));
    own
}

/// A mapping by which a value is found as a whole too, under `.keyword`, whatever its type.
fn whole(mapping: &Value) -> Value {
    let mut mapping = mapping.clone();
    mapping["fields"] = json!({ "keyword": { "type": "keyword", "ignore_above": SHORT } });
    mapping
}

/// The mapping of a declared member.
fn mapped(kind: FieldType, objects: Objects) -> Value {
    match kind {
        FieldType::Keyword => json!({ "type": "keyword", "ignore_above": LONG }),
        FieldType::Text => whole(&json!({ "type": "text" })),
        FieldType::Flattened => objects.mapping(),
        FieldType::Long => json!({ "type": "long" }),
        FieldType::Double => json!({ "type": "double" }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Date => json!({ "type": "date" }),
        FieldType::Ip => json!({ "type": "ip" }),
        FieldType::GeoPoint => json!({ "type": "geo_point" }),
    }
}

/// What becomes of members that aren't declared, by the first value of each: no object adds members to the mapping, and whatever
/// scalar comes later is found under `.keyword`.
fn dynamic(objects: Objects) -> Value {
    let of = |seen: &str, mapping: Value| json!({ seen: { "match_mapping_type": seen, "mapping": mapping } });
    json!([
        of("object", objects.mapping()),
        of("string", whole(&json!({ "type": "text" }))),
        of("long", whole(&json!({ "type": "long" }))),
        of("double", whole(&json!({ "type": "double" }))),
        of("date", whole(&json!({ "type": "date" }))),
        // The one scalar type that refuses what doesn't fit it.
        of("boolean", whole(&json!({ "type": "keyword" }))),
    ])
}

/// Puts a member's mapping where its path leads.
fn nest(properties: &mut Map<String, Value>, path: &str, mapping: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), mapping);
        return;
    };
    let object = properties.entry(first).or_insert_with(|| json!({ "properties": {} }));
    if let Some(inner) = object["properties"].as_object_mut() {
        nest(inner, rest, mapping);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn shape(index: &str) -> Shape {
        let fields =
            [("event_time", FieldType::Date), ("user.id", FieldType::Keyword), ("user.home", FieldType::GeoPoint)];
        let fields = fields.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect::<BTreeMap<_, _>>();
        Shape { index: index.to_owned(), fields, keep_days: Some(30) }
    }

    #[test]
    fn a_template_holds_own_and_declared_members_and_says_who_made_it() {
        let [main, outside, rejected] = shape("actions").templates(Objects::Flattened, true);
        assert_eq!((main.name.as_str(), &main.body["index_patterns"]), ("lakewright-actions", &json!(["actions-*"])));
        assert_eq!((&main.body["version"], &main.body["_meta"]["made_by"]), (&json!(1), &json!("lakewright")));
        let properties = &main.body["template"]["mappings"]["properties"];
        assert_eq!(properties["kafka_offset"], json!({ "type": "long" }));
        assert_eq!(properties["user"]["properties"]["home"], json!({ "type": "geo_point" }));
        assert_eq!(properties["flattened"]["type"], "flattened");
        assert_eq!(main.body["template"]["settings"]["index.lifecycle.name"], "lakewright-actions");
        // No policy deletes these.
        for kept in [&outside, &rejected] {
            assert!(kept.body["template"]["settings"].get("index.lifecycle.name").is_none(), "{kept:?}");
        }
        assert_eq!(rejected.body["template"]["mappings"]["dynamic"], false);
        let [other, ..] = shape("actions").templates(Objects::FlatObject, false);
        assert_eq!(other.body["template"]["mappings"]["properties"]["flattened"], json!({ "type": "flat_object" }));
        assert_ne!(other.body["_meta"], main.body["_meta"], "what it follows from is in it");
    }

    #[test]
    fn no_two_templates_of_one_priority_can_be_for_one_index() {
        let priorities =
            |index: &str| shape(index).templates(Objects::Flattened, false).map(|one| one.body["priority"].as_u64());
        let (topics, source) = (priorities("a"), priorities("a-b"));
        assert!(topics.iter().all(|topic| source.iter().all(|source| source > topic)), "{topics:?} {source:?}");
        assert!(topics[0] < topics[1] && topics[1] < topics[2]);
    }
}
