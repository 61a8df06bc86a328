//! Documents: one by one, and many at once.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::asked::{Asked, Parameters};
use super::{Answer, Shared, blocking, check_name, one};
use crate::answer::SearchError;
use crate::login::Who;
use crate::operation::{Done, Operation, Put};
use crate::search;
use crate::stamp::{Condition, Stamp};
use crate::strict;
use crate::writer::Store;

/// The longest id of a document, in bytes.
const LONGEST_ID: usize = 512;
/// Members of an action that don't matter on one node.
const NO_MATTER: [&str; 3] = ["routing", "_type", "require_alias"];

/// The routes to single documents.
pub fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/{index}/_doc", post(add_document))
        .route("/{index}/_doc/{id}", get(get_document).put(put_document).post(put_document).delete(delete_document))
        .route("/{index}/_create/{id}", put(create_document).post(create_document))
}

/// The routes of requests that may be long.
pub fn bulk_routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/_bulk", post(bulk_anywhere).put(bulk_anywhere))
        .route("/{index}/_bulk", post(bulk_into).put(bulk_into))
}

async fn get_document(
    State(store): Shared,
    Path((index, id)): Path<(String, String)>,
    Query(parameters): Parameters,
) -> Response {
    let mut asked = Asked::new(format!("/{index}/_doc/{id}"), parameters);
    // Whatever was answered can be found already.
    for name in ["realtime", "refresh", "preference", "routing"] {
        asked.take(name);
    }
    if let Err(error) = asked.end() {
        return error.into_response();
    }
    match blocking(move |patience| search::document(&store, &index, &id, patience)).await {
        Ok(answer) if answer.0["found"] == json!(false) => (StatusCode::NOT_FOUND, answer).into_response(),
        other => other.into_response(),
    }
}

/// What the address of a change says: whether the document must be new, and the change that it must be of.
fn said(path: String, parameters: Vec<(String, String)>) -> Result<(bool, Option<Condition>), SearchError> {
    let mut asked = Asked::new(path, parameters);
    let mut number = |name: &str| {
        let text = asked.take(name);
        let wrong = |text: &String| {
            SearchError::illegal(format!("Failed to parse long parameter [{name}] with value [{text}]"))
        };
        text.map(|text| text.parse::<u64>().map_err(|_| wrong(&text))).transpose()
    };
    let condition = Condition::of(number("if_seq_no")?, number("if_primary_term")?)?;
    let is_new = match asked.take("op_type").as_deref() {
        None | Some("index") => false,
        Some("create") => true,
        Some(other) => {
            return Err(SearchError::illegal(format!("opType must be 'create' or 'index', found: [{other}]")));
        }
    };
    for name in ["refresh", "timeout", "wait_for_active_shards", "routing"] {
        asked.take(name);
    }
    asked.end()?;
    Ok((is_new, condition))
}

/// Refuses a condition where there must be nothing.
fn new_only(condition: Option<Condition>) -> Result<(), SearchError> {
    match condition {
        None => Ok(()),
        Some(_) => Err(SearchError::validation("create operations do not support compare and set. use index instead")),
    }
}

async fn put_document(
    store: Shared,
    Path((index, id)): Path<(String, String)>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Response {
    let said = said(format!("/{index}/_doc/{id}"), parameters);
    put_one(store, (index, id), said, body).await
}

async fn create_document(
    store: Shared,
    Path((index, id)): Path<(String, String)>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Response {
    let said = said(format!("/{index}/_create/{id}"), parameters).map(|(_, condition)| (true, condition));
    put_one(store, (index, id), said, body).await
}

async fn add_document(
    store: Shared,
    Path(index): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Response {
    let said = said(format!("/{index}/_doc"), parameters).map(|(_, condition)| (true, condition));
    put_one(store, (index, uuid_like(0, 0)), said, body).await
}

async fn put_one(
    State(store): Shared,
    (name, id): (String, String),
    said: Result<(bool, Option<Condition>), SearchError>,
    body: Bytes,
) -> Response {
    let work = async {
        let (only_new, condition) = said?;
        if only_new {
            new_only(condition)?;
        }
        let index = store.mappings.read().writable(&name)?;
        check_name(&index)?;
        check_id(&id)?;
        let source = strict::document(&body)?;
        let put = Put { index: index.clone(), id: id.clone(), source, only_new, condition };
        let done = one(&store, Operation::Put(put)).await?;
        Ok::<_, SearchError>(answered((&index, &id), done))
    };
    work.await.unwrap_or_else(IntoResponse::into_response)
}

async fn delete_document(
    State(store): Shared,
    Path((name, id)): Path<(String, String)>,
    Query(parameters): Parameters,
) -> Response {
    let work = async {
        let (_, condition) = said(format!("/{name}/_doc/{id}"), parameters)?;
        let index = store.mappings.read().writable(&name)?;
        check_name(&index)?;
        let operation = Operation::Delete { index: index.clone(), id: id.clone(), condition };
        let done = one(&store, operation).await?;
        Ok::<_, SearchError>(answered((&index, &id), done))
    };
    work.await.unwrap_or_else(IntoResponse::into_response)
}

fn answered((index, id): (&str, &str), done: Done) -> Response {
    let (status, answer) = changed((index, id), done);
    (status, Json(answer)).into_response()
}

/// What became of a document.
fn changed((index, id): (&str, &str), done: Done) -> (StatusCode, Value) {
    let (status, result, stamp) = match done {
        Done::Created(stamp) => (StatusCode::CREATED, "created", stamp),
        Done::Updated(stamp) => (StatusCode::OK, "updated", stamp),
        Done::Deleted(stamp) => (StatusCode::OK, "deleted", stamp),
        Done::NotFound(stamp) => (StatusCode::NOT_FOUND, "not_found", stamp),
        Done::DeletedSome(_) | Done::Acknowledged => (StatusCode::OK, "noop", Stamp::default()),
    };
    let mut answer = json!({
        "_index": index, "_id": id, "result": result, "_shards": { "total": 1, "successful": 1, "failed": 0 },
    });
    stamp.put(&mut answer);
    (status, answer)
}

async fn bulk_anywhere(
    store: Shared,
    Extension(who): Extension<Who>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    bulk(store, &who, (None, parameters), body).await
}

async fn bulk_into(
    store: Shared,
    Path(index): Path<String>,
    Extension(who): Extension<Who>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    bulk(store, &who, (Some(index), parameters), body).await
}

/// An item of a bulk request: what it is called, index and id, and the operation or why it is none.
struct Item {
    action: &'static str,
    index: String,
    id: String,
    operation: Result<Operation, SearchError>,
}

async fn bulk(
    State(store): Shared,
    who: &Who,
    (default, parameters): (Option<String>, Vec<(String, String)>),
    body: Bytes,
) -> Answer {
    let begun = std::time::Instant::now();
    let mut asked = Asked::new("/_bulk", parameters);
    for name in ["refresh", "timeout", "wait_for_active_shards", "routing", "filter_path", "_source"] {
        asked.take(name);
    }
    asked.end()?;
    let mut items = parse_bulk(&store, &body, default.as_deref())?;
    for item in &mut items {
        if let Err(refusal) = who.may_write(item.action, &item.index) {
            item.operation = Err(refusal);
        }
    }
    let mut given = Vec::with_capacity(items.len());
    let mut operations = Vec::new();
    for item in items {
        let refused = match item.operation {
            Ok(operation) => {
                operations.push(operation);
                None
            }
            Err(error) => Some(error),
        };
        given.push((item.action, item.index, item.id, refused));
    }
    let mut outcomes = store.apply(operations).await?.into_iter();
    let mut errors = false;
    let answers: Vec<Value> = given
        .into_iter()
        .map(|(action, index, id, refused)| {
            let outcome = match refused {
                Some(error) => Err(error),
                None => outcomes.next().unwrap_or_else(|| Err(SearchError::internal("the writer gave no answer"))),
            };
            let item = match outcome {
                Ok(done) => {
                    let (status, mut item) = changed((&index, &id), done);
                    item["status"] = json!(status.as_u16());
                    item
                }
                Err(error) => {
                    errors = true;
                    json!({ "_index": index, "_id": id, "status": error.status, "error": error.body() })
                }
            };
            json!({ action: item })
        })
        .collect();
    Ok(Json(json!({ "took": begun.elapsed().as_millis() as u64, "errors": errors, "items": answers })))
}

fn parse_bulk(store: &Store, body: &[u8], default: Option<&str>) -> Result<Vec<Item>, SearchError> {
    if !body.ends_with(b"\n") {
        return Err(SearchError::illegal("The bulk request must be terminated by a newline [\\n]"));
    }
    let mut lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let mut items = Vec::new();
    while let Some((number, line)) = lines.next() {
        let malformed =
            |what: &str| SearchError::illegal(format!("Malformed action/metadata line [{}]: {what}", number + 1));
        let header: Map<String, Value> = serde_json::from_slice(line).map_err(|error| malformed(&error.to_string()))?;
        let (action, details) = header.iter().next().ok_or_else(|| malformed("no action"))?;
        let text = |name: &str| details.get(name).and_then(Value::as_str);
        let named = text("_index").or(default).ok_or_else(|| malformed("no index"))?;
        let id = text("_id").map_or_else(|| uuid_like(items.len(), number), str::to_owned);
        let found = store.mappings.read().writable(named);
        let (index, writable) = match found {
            Ok(index) => (index, Ok(())),
            Err(error) => (named.to_owned(), Err(error)),
        };
        let sound = writable.and_then(|()| check_name(&index)).and_then(|()| check_id(&id));
        if id.len() > LONGEST_ID {
            let length = id.len();
            return Err(SearchError {
                status: 400,
                kind: "action_request_validation_exception",
                reason: format!(
                    "Validation Failed: 1: id [{id}] is too long, must be no longer than {LONGEST_ID} bytes but was: {length};"
                ),
            });
        }
        let mut condition = [None; 2];
        for (name, value) in details.as_object().into_iter().flatten() {
            match name.as_str() {
                "_index" | "_id" => {}
                "if_seq_no" => {
                    condition[0] = Some(value.as_u64().ok_or_else(|| malformed("[if_seq_no] is no number"))?);
                }
                "if_primary_term" => {
                    condition[1] = Some(value.as_u64().ok_or_else(|| malformed("[if_primary_term] is no number"))?);
                }
                other if NO_MATTER.contains(&other) => {}
                other => return Err(malformed(&format!("an unknown parameter [{other}]"))),
            }
        }
        let condition = Condition::of(condition[0], condition[1])?;
        let (action, operation) = match action.as_str() {
            "index" | "create" => {
                let (_, line) = lines.next().ok_or_else(|| malformed("the document is missing"))?;
                let only_new = action == "create";
                if only_new {
                    new_only(condition)?;
                }
                let source = sound.and_then(|()| strict::document(line));
                let (index, id) = (index.clone(), id.clone());
                let put = source.map(|source| Operation::Put(Put { index, id, source, only_new, condition }));
                (if only_new { "create" } else { "index" }, put)
            }
            "delete" => {
                let operation = Operation::Delete { index: index.clone(), id: id.clone(), condition };
                ("delete", sound.map(|()| operation))
            }
            other => {
                return Err(malformed(&format!("unknown action [{other}]; this index knows index, create, delete")));
            }
        };
        items.push(Item { action, index, id, operation });
    }
    Ok(items)
}

/// An id for a document that came without one: unique by time and place.
fn uuid_like(position: usize, line: usize) -> String {
    let nanos = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
    format!("{nanos:x}-{position:x}-{line:x}")
}

fn check_id(id: &str) -> Result<(), SearchError> {
    if id.is_empty() { Err(SearchError::illegal("if _id is specified it must not be empty")) } else { Ok(()) }
}
