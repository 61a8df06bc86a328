//! Running a search: hits, their number, order, highlights and aggregations.

mod aggregations;
pub mod highlight;
mod request;
pub mod sort;
mod source;
mod stored;
pub mod top;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::schema::Value as _;
use tantivy::{DocAddress, TantivyDocument};

use crate::answer::{MOST_BYTES, SearchError, shards};
use crate::field::FieldType;
use crate::members::Members;
use crate::patience::Patience;
use crate::query::Marks;
use crate::snapshot::Snapshot;
use crate::stamp::{self, Stamp};
use crate::writer::Store;
use sort::{Key, Of, Sorted};
use top::{Found, Top};

pub use request::Request;

/// Where the hits that were shown end.
#[derive(Debug, Clone)]
pub struct End {
    values: Vec<Sorted>,
    place: DocAddress,
}

/// The answer to a search, and where it ends.
///
/// # Errors
/// The request asks for what can't be, or its time is over.
pub fn search(
    (store, snapshot): (&Store, &Snapshot),
    request: &Request<'_>,
    (patience, after): (&Patience, Option<&End>),
) -> Result<(Value, Option<End>), SearchError> {
    let begun = std::time::Instant::now();
    let (query, marks) = snapshot.query(store.layout, request.query, patience)?;
    let named = Named::of(snapshot, &marks)?;
    let query = patience.limit(query);
    let (found, keys) = found(snapshot, request, &query, after)?;
    patience.check()?;
    let mut hits = Vec::new();
    let is_sorted = request.sort.is_some();
    let mut end = None;
    let by_score = keys.first().is_none_or(|key| key.of == Of::Score);
    let mut bytes = 0;
    for (values, score, address) in found.hits.into_iter().skip(request.from) {
        patience.check()?;
        let score = if by_score || request.scored { written(score) } else { Value::Null };
        let mut hit = shown((store, snapshot), (request, &marks), (address, score), &mut bytes)?;
        let names = named.of_hit(snapshot, address)?;
        bytes += names.iter().map(|name| name.len()).sum::<usize>();
        if !names.is_empty() {
            hit["matched_queries"] = json!(names);
        }
        if bytes > MOST_BYTES {
            return Err(SearchError::too_large(MOST_BYTES));
        }
        if is_sorted {
            hit["sort"] = Value::Array(values.iter().map(Sorted::shown).collect());
        }
        hits.push(hit);
        end = Some(End { values, place: address });
    }
    let highest =
        found.highest.filter(|_| found.total > 0 && (by_score || request.scored)).map_or(Value::Null, written);
    let mut answer = json!({
        "took": begun.elapsed().as_millis() as u64,
        "timed_out": false,
        "_shards": shards(),
        "hits": { "max_score": highest, "hits": hits },
    });
    match request.counted {
        Some(0) => {}
        Some(most) if found.total > most => answer["hits"]["total"] = json!({ "value": most, "relation": "gte" }),
        _ => answer["hits"]["total"] = json!({ "value": found.total, "relation": "eq" }),
    }
    if let Some(wanted) = request.aggregations {
        if request.least.is_some() {
            return Err(SearchError::illegal("[min_score] beside aggregations isn't known here"));
        }
        let documents = snapshot.searcher.search(&query, &aggregations::Documents)?;
        let find = |filter: &Value| {
            let (filter, _) = snapshot.query(store.layout, Some(filter), patience)?;
            let found = snapshot.searcher.search(&patience.limit(filter), &aggregations::Documents)?;
            Ok(found.into_iter().collect())
        };
        let of =
            aggregations::Of { searcher: &snapshot.searcher, mappings: &snapshot.mappings, indices: &snapshot.indices };
        let reading = aggregations::Reading { of, find: &find, patience, depth: 0 };
        let results = aggregations::aggregated(wanted, reading, &documents)?;
        answer["aggregations"] = results;
    }
    patience.check()?;
    Ok((answer, end))
}

/// A score with as many digits as tell it from others of 32 bits.
fn written(score: f32) -> Value {
    json!(score.to_string().parse::<f64>().unwrap_or_else(|_| f64::from(score)))
}

/// The hits to the last that is wanted, and the keys that they are sorted by.
fn found(
    snapshot: &Snapshot,
    request: &Request<'_>,
    query: &dyn Query,
    after: Option<&End>,
) -> Result<(Found, Vec<Key>), SearchError> {
    let searcher = &snapshot.searcher;
    let limit = request.size + request.from;
    if request.sort.is_none()
        && request.after.is_none()
        && after.is_none()
        && request.least.is_none()
        && request.pit.is_none()
    {
        // tantivy leaves out what can't be among the best.
        let total = searcher.search(query, &Count)? as u64;
        let best = if limit == 0 {
            Vec::new()
        } else {
            searcher.search(query, &TopDocs::with_limit(limit).order_by_score())?
        };
        let highest = best.first().map(|(score, _)| *score);
        let hits = best.into_iter();
        let hits = hits.map(|(score, address)| (vec![Sorted::Number(f64::from(score))], score, address)).collect();
        return Ok((Found { hits, total, highest }, Vec::new()));
    }
    let by_score = || vec![Key { of: Of::Score, down: true, missing_first: false, lenient: false, largest: true }];
    let mut keys = request.sort.clone().unwrap_or_else(by_score);
    if request.pit.is_some() && keys.iter().all(|key| key.of != Of::Place) {
        // A snapshot has an order of its own for what is alike.
        keys.push(Key { of: Of::Place, down: false, missing_first: false, lenient: false, largest: false });
    }
    let mut with_fields = Vec::with_capacity(keys.len());
    for key in &keys {
        with_fields.push((key, key.field(&snapshot.mappings, &snapshot.indices)?));
    }
    let after = match (after, request.after) {
        (Some(end), _) => Some((end.values.clone(), Some(end.place))),
        (None, Some(values)) => {
            if values.len() != keys.len() {
                return Err(SearchError::illegal(format!(
                    "search_after has {} value(s) but sort has {}.",
                    values.len(),
                    keys.len()
                )));
            }
            let given = with_fields
                .iter()
                .zip(values)
                .map(|((key, field), value)| key.given(value, field.as_ref().map(|(_, kind)| *kind)));
            Some((given.collect::<Result<Vec<_>, _>>()?, None))
        }
        (None, None) => None,
    };
    let scored = request.scored || keys.iter().any(|key| key.of == Of::Score);
    let top = Top { keys: with_fields, limit, after, scored, least: request.least };
    let found = searcher.search(query, &top)?;
    Ok((found, keys))
}

/// The queries that have names.
struct Named<'a>(Vec<(&'a str, Box<dyn Weight>)>);

impl<'a> Named<'a> {
    fn of(snapshot: &Snapshot, marks: &'a Marks) -> Result<Self, SearchError> {
        let scoring = || EnableScoring::disabled_from_searcher(&snapshot.searcher);
        let each = marks.named.iter().map(|(name, query)| Ok((name.as_str(), query.weight(scoring())?)));
        Ok(Self(each.collect::<Result<_, SearchError>>()?))
    }

    /// The names of those that find a hit.
    fn of_hit(&self, snapshot: &Snapshot, at: DocAddress) -> Result<BTreeSet<&'a str>, SearchError> {
        let segment = snapshot.searcher.segment_reader(at.segment_ord);
        let mut names = BTreeSet::new();
        for (name, weight) in &self.0 {
            let mut scorer = weight.scorer(segment, 1.0)?;
            if scorer.doc() == at.doc_id || scorer.doc() < at.doc_id && scorer.seek(at.doc_id) == at.doc_id {
                names.insert(*name);
            }
        }
        Ok(names)
    }
}

/// A hit as it is shown.
fn shown(
    (store, snapshot): (&Store, &Snapshot),
    (request, marks): (&Request<'_>, &Marks),
    (address, score): (DocAddress, Value),
    bytes: &mut usize,
) -> Result<Value, SearchError> {
    let document: TantivyDocument = snapshot.searcher.doc(address)?;
    let text = |field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let source = text(store.layout.source);
    *bytes += source.len();
    let source: Value = serde_json::from_str(&source).map_err(SearchError::internal)?;
    let mut hit = json!({ "_index": text(store.layout.index), "_id": text(store.layout.id), "_score": score });
    let is_text = |field: &str| snapshot.mappings.field(&snapshot.indices, field) == Some(FieldType::Text);
    if let Some(marked) = request.highlight.as_ref().and_then(|highlight| highlight.of(&source, &marks.notes, is_text))
    {
        hit["highlight"] = marked;
    }
    if request.version || request.stamped {
        let mut all = json!({});
        Stamp::of(snapshot.searcher.segment_reader(address.segment_ord), address.doc_id)?.put(&mut all);
        let stamped = [
            (stamp::VERSION, request.version),
            (stamp::SEQ_NO, request.stamped),
            (stamp::PRIMARY_TERM, request.stamped),
        ];
        for (name, _) in stamped.into_iter().filter(|(_, is_asked)| *is_asked) {
            hit[name] = all[name].take();
        }
    }
    if let Some(source) = request.sources.of(source) {
        hit["_source"] = source;
    }
    Ok(hit)
}

/// The answer to `_count`.
///
/// # Errors
/// The request asks for what can't be, or its time is over.
pub fn count(
    store: &Store,
    (expression, is_lenient): (&str, bool),
    body: &Value,
    patience: &Patience,
) -> Result<Value, SearchError> {
    let mut members = Members::of(body, "count")?;
    let query = members.take("query");
    members.end()?;
    let snapshot = store.snapshot(expression, is_lenient)?;
    let (query, _) = snapshot.query(store.layout, query, patience)?;
    let count = snapshot.searcher.search(&patience.limit(query), &Count)?;
    patience.check()?;
    Ok(json!({ "count": count, "_shards": shards() }))
}

/// The answer to `_doc/ID`.
///
/// # Errors
/// There is no such index, or the time is over.
pub fn document(store: &Store, index: &str, id: &str, patience: &Patience) -> Result<Value, SearchError> {
    let index = store.mappings.read().only(index)?;
    let body = json!({
        "query": { "ids": { "values": [id] } }, "size": 1, "version": true, "seq_no_primary_term": true,
    });
    let snapshot = store.snapshot(&index, false)?;
    let (found, _) = search((store, &snapshot), &Request::read(&body)?, (patience, None))?;
    Ok(match found["hits"]["hits"].get(0) {
        Some(hit) => {
            let mut found = json!({ "_index": index, "_id": id, "found": true, "_source": hit["_source"] });
            for name in [stamp::VERSION, stamp::SEQ_NO, stamp::PRIMARY_TERM] {
                found[name] = hit[name].clone();
            }
            found
        }
        None => json!({ "_index": index, "_id": id, "found": false }),
    })
}
