//! Running a search: hits, their number, order and aggregations.

use std::cell::Cell;

use serde_json::{Map, Value, json};
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::{AggContextParams, AggregationCollector};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermSetQuery};
use tantivy::schema::Value as _;
use tantivy::{DocAddress, Order, Searcher, TantivyDocument, Term};

use crate::answer::SearchError;
use crate::document::FIELDS;
use crate::field::FieldType;
use crate::mapping::Mappings;
use crate::patience::Patience;
use crate::query::{CLAUSES, Parser};
use crate::sort::ByMember;
use crate::writer::Store;

/// The most hits that may be asked for, as Elasticsearch has it.
const WINDOW: u64 = 10_000;

/// The existing indices that an expression names: names and patterns with `*`, separated by commas.
///
/// # Errors
/// A name without `*` that doesn't exist.
pub fn resolve(mappings: &Mappings, expression: &str) -> Result<Vec<String>, SearchError> {
    let mut found: Vec<String> = Vec::new();
    for part in expression.split(',').map(str::trim) {
        if part.is_empty() || part == "_all" || part == "*" {
            found.extend(mappings.names().map(str::to_owned));
        } else if part.contains('*') {
            found.extend(mappings.names().filter(|name| matches(part, name)).map(str::to_owned));
        } else if mappings.contains(part) {
            found.push(part.to_owned());
        } else {
            return Err(SearchError::no_index(part));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The answer to `_search`.
///
/// # Errors
/// The request means nothing or asks for too much, or its time is over.
pub fn search(store: &Store, expression: &str, body: &Value, patience: &Patience) -> Result<Value, SearchError> {
    let begun = std::time::Instant::now();
    let mappings = store.mappings.read().clone();
    let indices = resolve(&mappings, expression)?;
    let query = patience.limit(scoped(store, &mappings, &indices, body.get("query"))?);
    let searcher = store.reader.searcher();
    let total = searcher.search(&query, &Count)?;
    patience.check()?;
    let size = number(body, "size", 10)?;
    let from = number(body, "from", 0)?;
    if size + from > WINDOW {
        return Err(SearchError::illegal(format!(
            "Result window is too large, from + size must be less than or equal to: [{WINDOW}] but was [{}]",
            size + from
        )));
    }
    let mut hits = Vec::new();
    let mut highest = Value::Null;
    if size > 0 {
        let top = TopDocs::with_limit(size as usize).and_offset(from as usize);
        match sort_of(body)? {
            None => {
                for (score, address) in searcher.search(&query, &top.order_by_score())? {
                    if highest.is_null() {
                        highest = json!(score);
                    }
                    hits.push(hit(store, &searcher, address, json!(score))?);
                }
            }
            Some((field, order)) => {
                let key = ByMember::new(format!("{FIELDS}.{field}"));
                for (_, address) in searcher.search(&query, &top.order_by((key, order)))? {
                    hits.push(hit(store, &searcher, address, Value::Null)?);
                }
            }
        }
    }
    let mut answer = json!({
        "took": begun.elapsed().as_millis() as u64,
        "timed_out": false,
        "_shards": { "total": 1, "successful": 1, "skipped": 0, "failed": 0 },
        "hits": { "total": { "value": total, "relation": "eq" }, "max_score": highest, "hits": hits },
    });
    if let Some(wanted) = body.get("aggs").or_else(|| body.get("aggregations")) {
        let request = aggregations(wanted, &mappings, &indices)?;
        let request: Aggregations =
            serde_json::from_value(request).map_err(|error| SearchError::parsing(error.to_string()))?;
        let collector = AggregationCollector::from_aggs(request, AggContextParams::default());
        let results = searcher.search(&query, &collector)?;
        answer["aggregations"] = serde_json::to_value(results).map_err(SearchError::internal)?;
    }
    patience.check()?;
    Ok(answer)
}

/// The answer to `_count`.
///
/// # Errors
/// As [`search`].
pub fn count(store: &Store, expression: &str, body: &Value, patience: &Patience) -> Result<Value, SearchError> {
    let mappings = store.mappings.read().clone();
    let indices = resolve(&mappings, expression)?;
    let query = patience.limit(scoped(store, &mappings, &indices, body.get("query"))?);
    let count = store.reader.searcher().search(&query, &Count)?;
    patience.check()?;
    Ok(json!({ "count": count, "_shards": { "total": 1, "successful": 1, "skipped": 0, "failed": 0 } }))
}

/// The answer to `_doc/ID`.
///
/// # Errors
/// As [`search`].
pub fn document(store: &Store, index: &str, id: &str, patience: &Patience) -> Result<Value, SearchError> {
    if !store.mappings.read().contains(index) {
        return Err(SearchError::no_index(index));
    }
    let found = search(store, index, &json!({ "query": { "ids": { "values": [id] } }, "size": 1 }), patience)?;
    Ok(match found["hits"]["hits"].get(0) {
        Some(hit) => json!({ "_index": index, "_id": id, "found": true, "_source": hit["_source"] }),
        None => json!({ "_index": index, "_id": id, "found": false }),
    })
}

/// The query, limited to the indices.
fn scoped(
    store: &Store,
    mappings: &Mappings,
    indices: &[String],
    query: Option<&Value>,
) -> Result<Box<dyn Query>, SearchError> {
    let left = Cell::new(CLAUSES);
    let parser = Parser { index: &store.index, layout: store.layout, mappings, indices, depth: 0, left: &left };
    let all = json!({ "match_all": {} });
    let wanted = parser.clause(query.unwrap_or(&all))?;
    let within = TermSetQuery::new(indices.iter().map(|name| Term::from_field_text(store.layout.index, name)));
    Ok(Box::new(BooleanQuery::new(vec![
        (Occur::Must, wanted),
        (Occur::Must, Box::new(BoostQuery::new(Box::new(within), 0.0))),
    ])))
}

fn hit(store: &Store, searcher: &Searcher, address: DocAddress, score: Value) -> Result<Value, SearchError> {
    let document: TantivyDocument = searcher.doc(address)?;
    let text = |field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let source: Value = serde_json::from_str(&text(store.layout.source)).map_err(SearchError::internal)?;
    Ok(json!({
        "_index": text(store.layout.index),
        "_id": text(store.layout.id),
        "_score": score,
        "_source": source,
    }))
}

fn number(body: &Value, name: &str, default: u64) -> Result<u64, SearchError> {
    match body.get(name) {
        None => Ok(default),
        Some(value) => {
            let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            number.ok_or_else(|| SearchError::parsing(format!("[{name}] must be a number of at least 0")))
        }
    }
}

/// The first sort field and its order; `None` for the order by score.
fn sort_of(body: &Value) -> Result<Option<(String, Order)>, SearchError> {
    let Some(sort) = body.get("sort") else { return Ok(None) };
    let first = sort.as_array().map_or(Some(sort), |list| list.first());
    let (field, order) = match first {
        None => return Ok(None),
        Some(Value::String(name)) => (name.as_str(), None),
        Some(Value::Object(fields)) => match fields.iter().next() {
            Some((name, Value::String(order))) => (name.as_str(), Some(order.as_str())),
            Some((name, body)) => (name.as_str(), body.get("order").and_then(Value::as_str)),
            None => return Ok(None),
        },
        Some(_) => return Err(SearchError::parsing("[sort] takes names or objects")),
    };
    if field == "_score" {
        return Ok(None);
    }
    let order = if order == Some("desc") { Order::Desc } else { Order::Asc };
    Ok(Some((field.trim_end_matches(".keyword").to_owned(), order)))
}

/// The aggregations with their fields named as they are stored.
fn aggregations(wanted: &Value, mappings: &Mappings, indices: &[String]) -> Result<Value, SearchError> {
    match wanted {
        Value::Object(fields) => {
            let mut renamed = Map::new();
            for (name, value) in fields {
                let value = match (name.as_str(), value.as_str()) {
                    ("field", Some("_index")) => Value::String("_index".to_owned()),
                    ("field", Some(field)) => {
                        let path = field.strip_suffix(".keyword");
                        if path.is_none() && mappings.field(indices, field) == Some(FieldType::Text) {
                            return Err(SearchError::illegal(format!(
                                "Fielddata is disabled on [{field}], a text field: aggregate on [{field}.keyword]"
                            )));
                        }
                        Value::String(format!("{FIELDS}.{}", path.unwrap_or(field)))
                    }
                    _ => aggregations(value, mappings, indices)?,
                };
                renamed.insert(name.clone(), value);
            }
            Ok(Value::Object(renamed))
        }
        Value::Array(values) => values
            .iter()
            .map(|value| aggregations(value, mappings, indices))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        other => Ok(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_they_read() {
        for (pattern, name, fits) in [
            ("a-*", "a-2026.01.01", true),
            ("a-*", "b-a-1", false),
            ("*-1", "a-1", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
