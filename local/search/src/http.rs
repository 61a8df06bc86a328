//! The HTTP endpoints.

mod asked;
mod keeping;
mod searching;
mod templates;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, Request, State};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, http::StatusCode};
use serde_json::{Map, Value, json};

use crate::answer::SearchError;
use crate::login::{self, Who};
use crate::patience::Patience;
use crate::search;
use crate::snapshot::resolve;
use crate::strict;
use crate::writer::{Done, Operation, Outcome, Store};
use crate::{Logins, Product};

/// The largest request with documents, in bytes, as Elasticsearch has it.
const LARGEST: usize = 100 * 1024 * 1024;
/// The largest of another kind.
const LARGEST_QUERY: usize = 2 * 1024 * 1024;
/// The longest id of a document, in bytes.
const LONGEST_ID: usize = 512;
/// How long a search may take.
const LONGEST: Duration = Duration::from_secs(30);

type Shared = State<Arc<Store>>;
type Answer = Result<Json<Value>, SearchError>;

/// The routes, for those who may log in, or for everybody.
pub fn router(store: Arc<Store>, logins: Option<Arc<dyn Logins>>, product: Product) -> Router {
    let documents = Router::new()
        .route("/_bulk", post(bulk_anywhere).put(bulk_anywhere))
        .route("/{index}/_bulk", post(bulk_into).put(bulk_into))
        .layer(DefaultBodyLimit::max(LARGEST));
    Router::new()
        .route("/", get(about))
        .route("/_cluster/health", get(health))
        .route("/_cat/indices", get(list))
        .route("/_refresh", post(refresh).get(refresh))
        .route("/{index}", put(create_index).delete(delete_index).get(describe).head(exists))
        .route("/{index}/_mapping", get(describe))
        .route("/{index}/_refresh", post(refresh).get(refresh))
        .route("/{index}/_doc/{id}", get(get_document).put(put_document).post(put_document).delete(delete_document))
        .merge(templates::routes())
        .merge(searching::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_QUERY))
        .merge(documents)
        .with_state(store)
        .layer(middleware::from_fn(named))
        .layer(Extension(product))
        .layer(middleware::from_fn_with_state(logins, login::checked))
}

/// Says that nothing is there.
async fn unknown(method: Method, uri: Uri) -> SearchError {
    SearchError::illegal(format!("no handler found for uri [{uri}] and method [{method}]"))
}

/// Elasticsearch's clients talk to nothing that doesn't say so.
async fn named(Extension(product): Extension<Product>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    if product == Product::Elasticsearch {
        answer.headers_mut().insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    }
    answer
}

async fn about(Extension(product): Extension<Product>) -> Json<Value> {
    // Clients look at the version to choose their dialect.
    let version = match product {
        Product::Elasticsearch => json!({ "number": "8.0.0", "build_flavor": "default" }),
        Product::OpenSearch => json!({ "number": "2.0.0", "distribution": "opensearch" }),
    };
    let mut about = json!({
        "name": "lakewright-local",
        "cluster_name": "lakewright",
        "version": version,
        "tagline": "a search index on this machine",
    });
    about["version"]["lakewright"] = json!(env!("CARGO_PKG_VERSION"));
    Json(about)
}

async fn health(State(store): Shared) -> Json<Value> {
    let (indices, missing) = {
        let mappings = store.mappings.read();
        (mappings.names().count(), mappings.replicas())
    };
    // There is one node: replicas have no place.
    let status = match (store.is_broken(), missing) {
        (true, _) => "red",
        (false, 0) => "green",
        (false, _) => "yellow",
    };
    let share = if indices == 0 { 100.0 } else { 100.0 * indices as f64 / (indices + missing) as f64 };
    Json(json!({
        "cluster_name": "lakewright", "status": status, "timed_out": false, "number_of_nodes": 1,
        "number_of_data_nodes": 1, "active_primary_shards": indices, "active_shards": indices, "relocating_shards": 0,
        "initializing_shards": 0, "unassigned_shards": missing, "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": share,
    }))
}

async fn list(State(store): Shared) -> Answer {
    let listed = move |patience: &Patience| {
        let names: Vec<String> = store.mappings.read().names().map(str::to_owned).collect();
        let mut rows = Vec::with_capacity(names.len());
        for name in names {
            let count = search::count(&store, (&name, false), &json!({}), patience)?;
            let health = if store.mappings.read().replicas_of(&name) == 0 { "green" } else { "yellow" };
            rows.push(json!({ "health": health, "status": "open", "index": name,
                "docs.count": count["count"].to_string() }));
        }
        Ok(Value::Array(rows))
    };
    blocking(listed).await
}

async fn refresh() -> Json<Value> {
    // Whatever was answered can be found already.
    Json(json!({ "_shards": { "total": 1, "successful": 1, "failed": 0 } }))
}

async fn create_index(State(store): Shared, Path(index): Path<String>) -> Answer {
    check_name(&index)?;
    one(&store, Operation::CreateIndex { index: index.clone() }).await?;
    Ok(Json(json!({ "acknowledged": true, "shards_acknowledged": true, "index": index })))
}

async fn delete_index(State(store): Shared, Path(expression): Path<String>) -> Answer {
    let names = resolve(&store.mappings.read(), &expression)?;
    for index in names {
        one(&store, Operation::DeleteIndex { index }).await?;
    }
    Ok(Json(json!({ "acknowledged": true })))
}

async fn exists(State(store): Shared, Path(expression): Path<String>) -> StatusCode {
    match resolve(&store.mappings.read(), &expression) {
        Ok(found) if !found.is_empty() => StatusCode::OK,
        _ => StatusCode::NOT_FOUND,
    }
}

async fn describe(State(store): Shared, Path(expression): Path<String>) -> Answer {
    let mappings = store.mappings.read();
    let names = resolve(&mappings, &expression)?;
    Ok(Json(Value::Object(names.into_iter().map(|name| (name.clone(), mappings.describe(&name))).collect())))
}

/// Searches beside the requests. Dropped, because its client has gone, it ends the search.
async fn blocking(work: impl FnOnce(&Patience) -> Result<Value, SearchError> + Send + 'static) -> Answer {
    let (patience, _waiting) = Patience::new(LONGEST);
    tokio::task::spawn_blocking(move || work(&patience)).await.map_err(SearchError::internal)?.map(Json)
}

async fn get_document(State(store): Shared, Path((index, id)): Path<(String, String)>) -> Response {
    match blocking(move |patience| search::document(&store, &index, &id, patience)).await {
        Ok(answer) if answer.0["found"] == json!(false) => (StatusCode::NOT_FOUND, answer).into_response(),
        other => other.into_response(),
    }
}

async fn put_document(State(store): Shared, Path((index, id)): Path<(String, String)>, body: Bytes) -> Response {
    let work = async {
        check_name(&index)?;
        let source = strict::document(&body)?;
        one(&store, Operation::Index { index: index.clone(), id: id.clone(), source }).await
    };
    match work.await {
        Ok(done) => {
            let (status, result) = told(done);
            (status, Json(json!({ "_index": index, "_id": id, "result": result }))).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn delete_document(State(store): Shared, Path((index, id)): Path<(String, String)>) -> Response {
    match one(&store, Operation::Delete { index: index.clone(), id: id.clone() }).await {
        Ok(done) => {
            let (status, result) = told(done);
            (status, Json(json!({ "_index": index, "_id": id, "result": result }))).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn one(store: &Store, operation: Operation) -> Outcome {
    let mut outcomes = store.apply(vec![operation]).await?;
    outcomes.pop().unwrap_or_else(|| Err(SearchError::internal("the writer gave no answer")))
}

async fn bulk_anywhere(store: Shared, Extension(who): Extension<Who>, body: Bytes) -> Answer {
    bulk(store, &who, None, body).await
}

async fn bulk_into(store: Shared, Path(index): Path<String>, Extension(who): Extension<Who>, body: Bytes) -> Answer {
    bulk(store, &who, Some(index), body).await
}

/// An item of a bulk request: what it is called, index and id, and the operation or why it is none.
struct Item {
    action: &'static str,
    index: String,
    id: String,
    operation: Result<Operation, SearchError>,
}

async fn bulk(State(store): Shared, who: &Who, default: Option<String>, body: Bytes) -> Answer {
    let begun = std::time::Instant::now();
    let mut items = parse_bulk(&body, default.as_deref())?;
    for item in &mut items {
        if let Err(refusal) = who.may_write(item.action, &item.index) {
            item.operation = Err(refusal);
        }
    }
    let mut told_items = Vec::with_capacity(items.len());
    let mut operations = Vec::new();
    for item in items {
        let refused = match item.operation {
            Ok(operation) => {
                operations.push(operation);
                None
            }
            Err(error) => Some(error),
        };
        told_items.push((item.action, item.index, item.id, refused));
    }
    let mut outcomes = store.apply(operations).await?.into_iter();
    let mut errors = false;
    let answers: Vec<Value> = told_items
        .into_iter()
        .map(|(action, index, id, refused)| {
            let outcome = match refused {
                Some(error) => Err(error),
                None => outcomes.next().unwrap_or_else(|| Err(SearchError::internal("the writer gave no answer"))),
            };
            let mut item = json!({ "_index": index, "_id": id });
            match outcome {
                Ok(done) => {
                    let (status, result) = told(done);
                    item["result"] = json!(result);
                    item["status"] = json!(status.as_u16());
                }
                Err(error) => {
                    errors = true;
                    item["status"] = json!(error.status);
                    item["error"] = error.body();
                }
            }
            json!({ action: item })
        })
        .collect();
    Ok(Json(json!({ "took": begun.elapsed().as_millis() as u64, "errors": errors, "items": answers })))
}

fn told(done: Done) -> (StatusCode, &'static str) {
    match done {
        Done::Created => (StatusCode::CREATED, "created"),
        Done::Updated => (StatusCode::OK, "updated"),
        Done::Deleted => (StatusCode::OK, "deleted"),
        Done::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Done::DeletedSome(_) => (StatusCode::OK, "deleted"),
    }
}

fn parse_bulk(body: &[u8], default: Option<&str>) -> Result<Vec<Item>, SearchError> {
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
        let index = text("_index").or(default).ok_or_else(|| malformed("no index"))?.to_owned();
        let id = text("_id").map_or_else(|| uuid_like(items.len(), number), str::to_owned);
        let source = |lines: &mut dyn Iterator<Item = (usize, &[u8])>| -> Result<Result<Map<String, Value>, SearchError>, SearchError> {
            let (_, line) = lines.next().ok_or_else(|| malformed("the document is missing"))?;
            Ok(strict::document(line))
        };
        let named = check_name(&index).and_then(|()| check_id(&id));
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
        let (action, operation) = match action.as_str() {
            "index" => {
                let source = source(&mut lines)?;
                let (index, id) = (index.clone(), id.clone());
                ("index", named.and(source).map(|source| Operation::Index { index, id, source }))
            }
            "create" => {
                let source = source(&mut lines)?;
                let (index, id) = (index.clone(), id.clone());
                ("create", named.and(source).map(|source| Operation::Create { index, id, source }))
            }
            "delete" => {
                let operation = Operation::Delete { index: index.clone(), id: id.clone() };
                ("delete", named.map(|()| operation))
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

fn check_name(index: &str) -> Result<(), SearchError> {
    let wrong = index.is_empty()
        || index.len() > 255
        || index.starts_with(['-', '_', '+', '.'])
        || index.chars().any(|c| c.is_uppercase() || " \"*\\<|,>/?#:".contains(c));
    if !wrong {
        return Ok(());
    }
    Err(SearchError {
        status: 400,
        kind: "invalid_index_name_exception",
        reason: format!(
            "Invalid index name [{index}]: lower case, no spaces or *\\/?\"<>|,#:, not starting with - _ + ."
        ),
    })
}

fn parse(body: &[u8]) -> Result<Value, SearchError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| SearchError::parsing(format!("request body is not JSON: {error}")))
}
