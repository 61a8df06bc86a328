//! What is asked of an index: standard queries that Elasticsearch and OpenSearch both know, and the index of this machine.

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use super::Understood;
use super::calendar::Span;
use super::dictionary::BROWSERS;
use super::facets;
use super::parts::{Field, Meaning, Part};

/// The members that words are looked for in, and how much a hit in each counts.
pub const FIELDS: [&str; 9] = [
    "search_keywords^3",
    "product_name^2",
    "event_type",
    "location",
    "category",
    "brand",
    "user_id",
    "user_agent",
    "ip_address",
];

/// The members whose words are marked.
const MARKED: [&str; 6] = ["search_keywords", "product_name", "event_type", "location", "category", "brand"];
/// What stands around marked words: letters that nobody uses, so that no text has them by chance.
pub const MARKS: [char; 2] = ['\u{e000}', '\u{e001}'];
/// The member with the time of an action.
const TIME: &str = "event_time";

/// A search for what was understood, since a time, with marks and facets.
pub fn search(understood: &Understood, since: Option<NaiveDateTime>, limit: u32) -> Value {
    let fields: serde_json::Map<String, Value> = MARKED.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    json!({
        "query": query(understood, since),
        "size": limit,
        "track_total_hits": true,
        "sort": [{ "_score": { "order": "desc" } }, { TIME: { "order": "desc", "unmapped_type": "date" } }],
        "highlight": {
            "fields": fields,
            "number_of_fragments": 0,
            "require_field_match": false,
            "pre_tags": [MARKS[0].to_string()],
            "post_tags": [MARKS[1].to_string()],
        },
        "aggs": facets::wanted(),
    })
}

/// The query alone.
pub fn query(understood: &Understood, since: Option<NaiveDateTime>) -> Value {
    let (mut must, mut filter, mut not) = (Vec::new(), Vec::new(), Vec::new());
    for part in understood.parts.iter().filter(|part| part.excluded) {
        not.push(one(part));
    }
    // Of several values of one field any will do.
    let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
    for part in understood.parts.iter().filter(|part| !part.excluded) {
        let group = match &part.meaning {
            Meaning::Known { field, .. } => field.word(),
            Meaning::Time(_) => "time",
            Meaning::Phrase(_) | Meaning::Text(_) => {
                must.push(one(part));
                continue;
            }
            Meaning::Exact { .. } => {
                filter.push(one(part));
                continue;
            }
        };
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, queries)) => queries.push(one(part)),
            None => groups.push((group, vec![one(part)])),
        }
    }
    for (name, queries) in groups {
        // How well a product fits is a matter of degree.
        let clauses = if name == Field::Product.word() { &mut must } else { &mut filter };
        clauses.push(any(queries));
    }
    if let Some(since) = since {
        filter.push(range(&Span { from: Some(since), to: None }));
    }
    if must.is_empty() && filter.is_empty() && not.is_empty() {
        return json!({ "match_all": {} });
    }
    let mut clauses = serde_json::Map::new();
    for (name, queries) in [("must", must), ("filter", filter), ("must_not", not)] {
        if !queries.is_empty() {
            clauses.insert(name.to_owned(), Value::Array(queries));
        }
    }
    json!({ "bool": clauses })
}

/// The query of one part.
fn one(part: &Part) -> Value {
    match &part.meaning {
        Meaning::Known { field, values } => known(*field, values),
        Meaning::Time(span) => range(span),
        Meaning::Phrase(text) => {
            json!({ "multi_match": { "query": text, "fields": FIELDS, "type": "phrase", "lenient": true } })
        }
        Meaning::Exact { member, value, whole: true } if member != TIME => json!({ "match_phrase": { member: value } }),
        // All words of a text; of other types the value.
        Meaning::Exact { member, value, .. } => {
            json!({ "match": { member: { "query": value, "operator": "and", "lenient": true } } })
        }
        Meaning::Text(words) => text(words, part.excluded),
    }
}

fn known(field: Field, values: &[String]) -> Value {
    match field {
        Field::Action => exactly("event_type", values),
        Field::City | Field::Country => exactly("location", values),
        Field::Brand => any(vec![exactly("brand", values), any(all_words("search_keywords", values, 1.0))]),
        Field::Category => any(vec![exactly("category", values), any(all_words("search_keywords", values, 1.0))]),
        Field::Product => {
            let mut queries = all_words("product_name", values, 1.0);
            queries.extend(all_words("search_keywords", values, 1.5));
            any(queries)
        }
        Field::Browser => {
            let found = BROWSERS.iter().find(|browser| values.iter().any(|value| value == browser.name));
            let Some(browser) = found else { return exactly("user_agent", values) };
            let mut clauses = json!({ "must": [{ "match": { "user_agent": browser.word } }] });
            if !browser.others.is_empty() {
                clauses["must_not"] = json!([{ "match": { "user_agent": browser.others.join(" ") } }]);
            }
            json!({ "bool": clauses })
        }
    }
}

/// Documents whose member is one of the values, as text with a keyword below it or as a keyword.
fn exactly(member: &str, values: &[String]) -> Value {
    any(vec![json!({ "terms": { format!("{member}.keyword"): values } }), json!({ "terms": { member: values } })])
}

/// Queries for all words of each value.
fn all_words(member: &str, values: &[String], boost: f64) -> Vec<Value> {
    let each = values.iter();
    each.map(|value| json!({ "match": { member: { "query": value, "operator": "and", "boost": boost } } })).collect()
}

fn any(mut queries: Vec<Value>) -> Value {
    match queries.pop() {
        Some(only) if queries.is_empty() => only,
        Some(last) => {
            queries.push(last);
            json!({ "bool": { "should": queries, "minimum_should_match": 1 } })
        }
        None => json!({ "match_none": {} }),
    }
}

/// Words anywhere, with slips: of up to two all, of more three in four.
fn text(words: &str, exactly: bool) -> Value {
    let each = words.split_whitespace().map(|word| {
        let mut one = json!({ "query": word, "fields": FIELDS, "lenient": true });
        // What is left out is only what was typed.
        if !exactly {
            one["fuzziness"] = json!("AUTO");
            one["prefix_length"] = json!(1);
        }
        json!({ "multi_match": one })
    });
    let mut each: Vec<Value> = each.collect();
    if each.len() == 1 {
        return each.remove(0);
    }
    json!({ "bool": { "should": each, "minimum_should_match": "2<75%" } })
}

fn range(span: &Span) -> Value {
    let time = |time: NaiveDateTime| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut bounds = serde_json::Map::new();
    if let Some(from) = span.from {
        bounds.insert("gte".to_owned(), json!(time(from)));
    }
    if let Some(to) = span.to {
        bounds.insert("lt".to_owned(), json!(time(to)));
    }
    json!({ "range": { TIME: bounds } })
}
