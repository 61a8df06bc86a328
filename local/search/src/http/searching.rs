//! Searching: pages, scrolls, points in time, counts, and deleting what is found.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::asked::{Asked, Parameters};
use super::keeping::{Kept, whole};
use super::{Answer, Shared, blocking, keeping, one, parse};
use crate::analysis;
use crate::answer::SearchError;
use crate::cursors::{Cursor, Cursors, keep_alive};
use crate::members::Members;
use crate::operation::{Done, Operation};
use crate::patience::Patience;
use crate::search::{self, Request};
use crate::snapshot::Snapshot;
use crate::writer::Store;

/// How many words `_analyze` shows at most, as Elasticsearch has it.
const MOST_TOKENS: usize = 10_000;

/// The routes.
pub fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/_search", post(search_all).get(search_all))
        .route("/{index}/_search", post(search_some).get(search_some))
        .route("/_count", post(count_all).get(count_all))
        .route("/{index}/_count", post(count_some).get(count_some))
        .route("/{index}/_delete_by_query", post(delete_found))
        .route("/_analyze", post(analyze).get(analyze))
        .route("/{index}/_analyze", post(analyze).get(analyze))
        .merge(keeping::routes())
        .layer(Extension(Cursors::swept()))
}

async fn search_all(store: Shared, cursors: Kept, parameters: Parameters, body: Bytes) -> Answer {
    search_some(store, cursors, Path("_all".to_owned()), parameters, body).await
}

async fn search_some(
    State(store): Shared,
    Extension(cursors): Kept,
    Path(index): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    let mut asked = Asked::new(format!("/{index}/_search"), parameters);
    let mut body = parse(&body)?;
    let members = body.as_object_mut().ok_or_else(|| SearchError::parsing("a search takes an object"))?;
    given(&mut asked, members);
    let keep = asked.take("scroll").map(|keep| keep_alive(&keep)).transpose()?;
    let is_lenient = asked.flag("ignore_unavailable");
    let is_whole = asked.flag("rest_total_hits_as_int");
    asked.take("timeout");
    let together = match asked.take("search_type").as_deref() {
        None | Some("query_then_fetch") => false,
        Some("dfs_query_then_fetch") => true,
        Some(other) => return Err(SearchError::illegal(format!("No search type for [{other}]"))),
    };
    asked.end_of_search()?;
    // Pages go on where they end: without an order they have that of scores.
    if keep.is_some() && body.get("sort").is_none_or(|sort| sort.as_array().is_some_and(Vec::is_empty)) {
        body["sort"] = json!(["_score"]);
    }
    let body = Arc::new(body);
    let work = move |patience: &Patience| {
        let request = Request::read(&body)?;
        let snapshot = match &request.pit {
            Some(_) if index != "_all" => {
                return Err(SearchError::validation(
                    "[indices] cannot be used with point in time. Do not specify any index",
                ));
            }
            Some((id, keep)) => {
                let point = cursors.point(id, keep.as_deref().map(keep_alive).transpose()?)?;
                Arc::new(Snapshot { together, ..(*point).clone() })
            }
            None => Arc::new(Snapshot { together, ..store.snapshot(&index, is_lenient)? }),
        };
        if keep.is_some() && request.from > 0 {
            return Err(SearchError::validation("using [from] is not allowed in a scroll context"));
        }
        if keep.is_some() && request.size == 0 {
            return Err(SearchError::validation("[size] cannot be [0] in a scroll context"));
        }
        let (mut answer, end) = search::search((&store, &snapshot), &request, (patience, None))?;
        if let Some(keep) = keep {
            let bytes = body.to_string().len();
            let cursor = Cursor { snapshot: Arc::clone(&snapshot), body: Some(Arc::clone(&body)), bytes, end };
            answer["_scroll_id"] = json!(cursors.keep(cursor, keep)?);
        }
        if let Some((id, _)) = &request.pit {
            answer["pit_id"] = json!(id);
        }
        Ok(if is_whole { whole(answer) } else { answer })
    };
    blocking(work).await
}

/// What the address says in place of the body.
fn given(asked: &mut Asked, members: &mut Map<String, Value>) {
    for name in ["size", "from", "track_total_hits", "track_scores", "_source"] {
        if let Some(value) = asked.take(name) {
            members.insert(
                name.to_owned(),
                match (name, value.as_str()) {
                    (_, "true") => json!(true),
                    (_, "false") => json!(false),
                    _ => json!(value),
                },
            );
        }
    }
    for (name, part) in [("_source_includes", "includes"), ("_source_excludes", "excludes")] {
        if let Some(value) = asked.take(name) {
            let names: Vec<&str> = value.split(',').collect();
            let source = members.entry("_source").or_insert_with(|| json!({}));
            if source.is_object() {
                source[part] = json!(names);
            } else {
                *source = json!({ part: names });
            }
        }
    }
    if let Some(sort) = asked.take("sort") {
        members.insert("sort".to_owned(), json!(sort.split(',').collect::<Vec<_>>()));
    }
    if let Some(line) = asked.take("q") {
        let mut query = json!({ "query": line });
        for (parameter, member) in [
            ("df", "default_field"),
            ("default_operator", "default_operator"),
            ("lenient", "lenient"),
            ("analyzer", "analyzer"),
        ] {
            if let Some(value) = asked.take(parameter) {
                query[member] = json!(value);
            }
        }
        members.insert("query".to_owned(), json!({ "query_string": query }));
    }
}

async fn count_all(store: Shared, parameters: Parameters, body: Bytes) -> Answer {
    count_some(store, Path("_all".to_owned()), parameters, body).await
}

async fn count_some(
    State(store): Shared,
    Path(index): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    let mut asked = Asked::new(format!("/{index}/_count"), parameters);
    let mut body = parse(&body)?;
    let members = body.as_object_mut().ok_or_else(|| SearchError::parsing("a count takes an object"))?;
    given(&mut asked, members);
    let is_lenient = asked.flag("ignore_unavailable");
    asked.end_of_search()?;
    blocking(move |patience| search::count(&store, (&index, is_lenient), &body, patience)).await
}

async fn delete_found(
    State(store): Shared,
    Path(index): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    let begun = std::time::Instant::now();
    let mut asked = Asked::new(format!("/{index}/_delete_by_query"), parameters);
    let is_lenient = asked.flag("ignore_unavailable");
    // One writer does one thing after another: nothing conflicts, and what is answered is found.
    let without = ["conflicts", "refresh", "wait_for_active_shards", "slices", "scroll_size", "timeout"];
    if asked.take("wait_for_completion").as_deref() == Some("false") {
        return Err(SearchError::illegal("[wait_for_completion] is true here"));
    }
    for name in without {
        asked.take(name);
    }
    asked.end_of_search()?;
    let body = parse(&body)?;
    let Done::DeletedSome(count) = one(&store, Operation::DeleteFound { indices: index, is_lenient, body }).await?
    else {
        return Err(SearchError::internal("the writer gave another answer"));
    };
    Ok(Json(json!({
        "took": begun.elapsed().as_millis() as u64,
        "timed_out": false,
        "total": count,
        "deleted": count,
        "batches": usize::from(count > 0),
        "version_conflicts": 0,
        "noops": 0,
        "retries": { "bulk": 0, "search": 0 },
        "throttled_millis": 0,
        "requests_per_second": -1.0,
        "throttled_until_millis": 0,
        "failures": [],
    })))
}

async fn analyze(Query(parameters): Parameters, body: Bytes) -> Answer {
    Asked::new("/_analyze", parameters).end()?;
    let body = parse(&body)?;
    blocking(move |_| analyzed(&body)).await
}

fn analyzed(body: &Value) -> Result<Value, SearchError> {
    let mut members = Members::of(body, "_analyze")?;
    let missing = || SearchError::validation("text is missing");
    let texts: Vec<&str> = match members.take("text") {
        Some(Value::Array(values)) => {
            values.iter().map(|text| text.as_str().ok_or_else(missing)).collect::<Result<_, _>>()?
        }
        Some(Value::String(text)) => vec![text],
        _ => return Err(missing()),
    };
    match members.text("analyzer")?.as_deref() {
        None | Some("standard" | "default") => {}
        Some(other) => return Err(SearchError::illegal(format!("failed to find global analyzer [{other}]"))),
    }
    members.end()?;
    let mut tokens: Vec<Value> = Vec::new();
    // Offsets are in UTF-16's units, as Java's are.
    let (mut before, mut offset) = (0, 0);
    for text in texts {
        let (mut at, mut units, mut last) = (0, offset, before);
        for word in analysis::words(text) {
            let start = units + text[at..word.from].encode_utf16().count();
            let end = start + text[word.from..word.to].encode_utf16().count();
            (at, units, last) = (word.to, end, before + word.position);
            tokens.push(json!({
                "token": word.text, "start_offset": start, "end_offset": end, "type": kind(&word.text), "position": last,
            }));
            if tokens.len() > MOST_TOKENS {
                return Err(SearchError::illegal(format!(
                    "The number of tokens produced by calling _analyze has exceeded the allowed maximum of [{MOST_TOKENS}]."
                )));
            }
        }
        before = last + 101;
        offset = units + text[at..].encode_utf16().count() + 1;
    }
    Ok(json!({ "tokens": tokens }))
}

/// The type of a word, by its first character.
fn kind(word: &str) -> &'static str {
    match word.chars().next() {
        Some(letter) if letter.is_numeric() && word.parse::<f64>().is_ok() => "<NUM>",
        Some('\u{ac00}'..='\u{d7a3}') => "<HANGUL>",
        Some('\u{3040}'..='\u{309f}') => "<HIRAGANA>",
        Some('\u{30a0}'..='\u{30ff}') => "<KATAKANA>",
        Some('\u{3400}'..='\u{9fff}') => "<IDEOGRAPHIC>",
        _ => "<ALPHANUM>",
    }
}
