//! The HTTP endpoints.

mod aliases;
mod asked;
mod documents;
mod keeping;
mod searching;
mod templates;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, http::StatusCode};
use serde_json::{Value, json};

use crate::answer::SearchError;
use crate::login;
use crate::operation::{Operation, Outcome};
use crate::patience::Patience;
use crate::search;
use crate::snapshot::{concrete, resolve};
use crate::template;
use crate::writer::Store;
use crate::{Logins, Product};
use asked::{Asked, Parameters};

/// The largest request with documents, in bytes, as Elasticsearch has it.
const LARGEST: usize = 100 * 1024 * 1024;
/// The largest of another kind.
const LARGEST_QUERY: usize = 2 * 1024 * 1024;
/// How long a search may take.
const LONGEST: Duration = Duration::from_secs(30);

type Shared = State<Arc<Store>>;
type Answer = Result<Json<Value>, SearchError>;

/// The routes, for those who may log in, or for everybody.
pub fn router(store: Arc<Store>, logins: Option<Arc<dyn Logins>>, product: Product) -> Router {
    let documents = documents::bulk_routes().layer(DefaultBodyLimit::max(LARGEST));
    Router::new()
        .route("/", get(about))
        .route("/_cluster/health", get(health))
        .route("/_cat/indices", get(list))
        .route("/_refresh", post(refresh).get(refresh))
        .route("/{index}", put(create_index).delete(delete_index).get(describe).head(exists))
        .route("/{index}/_mapping", get(mapping).put(put_mapping).post(put_mapping))
        .route("/{index}/_refresh", post(refresh).get(refresh))
        .merge(documents::routes())
        .merge(aliases::routes())
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

async fn create_index(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(index): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    settled(format!("/{index}"), parameters)?;
    check_name(&index)?;
    let body = parse(&body)?;
    template::check_index(&body, product)?;
    one(&store, Operation::CreateIndex { index: index.clone(), body }).await?;
    Ok(Json(json!({ "acknowledged": true, "shards_acknowledged": true, "index": index })))
}

/// Reads the parameters of a change that is done when it is answered.
fn settled(path: String, parameters: Vec<(String, String)>) -> Result<(), SearchError> {
    let mut asked = Asked::new(path, parameters);
    for name in ["timeout", "master_timeout", "cluster_manager_timeout", "wait_for_active_shards", "allow_no_indices"] {
        asked.take(name);
    }
    asked.end()
}

async fn delete_index(State(store): Shared, Path(expression): Path<String>) -> Answer {
    let names = concrete(&store.mappings.read(), &expression)?;
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
    let described = |name: String| {
        let mut described = mappings.describe(&name);
        described["aliases"] = Value::Object(mappings.aliases.named(&name, &["*"]));
        (name, described)
    };
    Ok(Json(Value::Object(names.into_iter().map(described).collect())))
}

async fn mapping(State(store): Shared, Path(expression): Path<String>) -> Answer {
    let mappings = store.mappings.read();
    let names = resolve(&mappings, &expression)?;
    Ok(Json(Value::Object(names.into_iter().map(|name| (name.clone(), mappings.describe(&name))).collect())))
}

async fn put_mapping(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(expression): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    settled(format!("/{expression}/_mapping"), parameters)?;
    let body = parse(&body)?;
    template::check_mapping(&body, product)?;
    let indices = resolve(&store.mappings.read(), &expression)?;
    one(&store, Operation::SetMapping { indices, body }).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

/// Searches beside the requests. Dropped, because its client has gone, it ends the search.
async fn blocking(work: impl FnOnce(&Patience) -> Result<Value, SearchError> + Send + 'static) -> Answer {
    let (patience, _waiting) = Patience::new(LONGEST);
    tokio::task::spawn_blocking(move || work(&patience)).await.map_err(SearchError::internal)?.map(Json)
}

async fn one(store: &Store, operation: Operation) -> Outcome {
    let mut outcomes = store.apply(vec![operation]).await?;
    outcomes.pop().unwrap_or_else(|| Err(SearchError::internal("the writer gave no answer")))
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
