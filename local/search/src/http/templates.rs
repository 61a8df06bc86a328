//! Index templates, and policies for indices of a certain age, which are kept and carried out by nobody here.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Shared, one, parse};
use crate::Product;
use crate::answer::SearchError;
use crate::mapping::Policy;
use crate::operation::Operation;
use crate::template;
use crate::writer::Store;

/// The routes.
pub fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/_index_template", get(all_templates))
        .route("/_index_template/{name}", get(template).put(put_template).post(put_template).delete(delete_template))
        .route("/_ilm/policy/{name}", get(lifecycle).put(put_lifecycle).delete(delete_lifecycle))
        .route("/_plugins/_ism/policies/{name}", get(states).put(put_states).delete(delete_states))
}

fn listed<'a>(found: impl Iterator<Item = (&'a String, &'a Value)>) -> Value {
    let listed: Vec<Value> = found.map(|(name, body)| json!({ "name": name, "index_template": body })).collect();
    json!({ "index_templates": listed })
}

async fn all_templates(State(store): Shared) -> Json<Value> {
    Json(listed(store.mappings.read().templates.iter()))
}

async fn template(State(store): Shared, Path(name): Path<String>) -> Answer {
    match store.mappings.read().templates.get_key_value(&name) {
        Some(found) => Ok(Json(listed(std::iter::once(found)))),
        None => Err(SearchError::missing(format!("index template matching [{name}] not found"))),
    }
}

async fn put_template(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    template::check(&name, &body, &store.mappings.read().templates, product)?;
    one(&store, Operation::SetTemplate { name, body: Some(body) }).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

async fn delete_template(State(store): Shared, Path(name): Path<String>) -> Answer {
    if !store.mappings.read().templates.contains_key(&name) {
        return Err(SearchError::missing(format!("index_template [{name}] missing")));
    }
    one(&store, Operation::SetTemplate { name, body: None }).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

/// Refuses what the other product has.
fn only(wanted: Product, product: Product, path: &str) -> Result<(), SearchError> {
    if wanted == product {
        return Ok(());
    }
    Err(SearchError::illegal(format!("no handler found for uri [{path}]")))
}

fn policy(store: &Store, name: &str) -> Result<Policy, SearchError> {
    let found = store.mappings.read().policies.get(name).cloned();
    found.ok_or_else(|| SearchError::missing(format!("Policy not found: {name}")))
}

async fn put_policy(store: &Store, name: String, body: Value) -> Result<u64, SearchError> {
    if !body["policy"].is_object() {
        return Err(SearchError::parsing("[policy] is missing"));
    }
    let version = store.mappings.read().policies.get(&name).map_or(0, |policy| policy.version) + 1;
    let policy = Policy { body: body["policy"].clone(), version };
    one(store, Operation::SetPolicy { name, policy: Some(policy) }).await?;
    Ok(version)
}

async fn delete_policy(store: &Store, name: String) -> Answer {
    policy(store, &name)?;
    one(store, Operation::SetPolicy { name, policy: None }).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

async fn lifecycle(State(store): Shared, Extension(product): Extension<Product>, Path(name): Path<String>) -> Answer {
    only(Product::Elasticsearch, product, "/_ilm/policy")?;
    let Policy { body, version } = policy(&store, &name)?;
    Ok(Json(json!({ name: { "version": version, "policy": body } })))
}

async fn put_lifecycle(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer {
    only(Product::Elasticsearch, product, "/_ilm/policy")?;
    let body = parse(&body)?;
    if !body["policy"]["phases"].is_object() {
        return Err(SearchError::illegal("Required [phases]"));
    }
    put_policy(&store, name, body).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

async fn delete_lifecycle(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(name): Path<String>,
) -> Answer {
    only(Product::Elasticsearch, product, "/_ilm/policy")?;
    delete_policy(&store, name).await
}

/// The version of a policy that a change is made of.
#[derive(Deserialize)]
struct Of {
    if_seq_no: Option<u64>,
}

fn told(name: &str, Policy { body, version }: Policy) -> Json<Value> {
    Json(json!({ "_id": name, "_version": version, "_seq_no": version, "_primary_term": 1, "policy": body }))
}

async fn states(State(store): Shared, Extension(product): Extension<Product>, Path(name): Path<String>) -> Answer {
    only(Product::OpenSearch, product, "/_plugins/_ism/policies")?;
    Ok(told(&name, policy(&store, &name)?))
}

async fn put_states(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(name): Path<String>,
    Query(of): Query<Of>,
    body: Bytes,
) -> Answer {
    only(Product::OpenSearch, product, "/_plugins/_ism/policies")?;
    let body = parse(&body)?;
    let there = policy(&store, &name).ok().map(|policy| policy.version);
    if there != of.if_seq_no {
        return Err(SearchError {
            status: StatusCode::CONFLICT.as_u16(),
            kind: "version_conflict_engine_exception",
            reason: format!("[{name}]: version conflict, document already exists (current version {there:?})"),
        });
    }
    put_policy(&store, name.clone(), body).await?;
    Ok(told(&name, policy(&store, &name)?))
}

async fn delete_states(
    State(store): Shared,
    Extension(product): Extension<Product>,
    Path(name): Path<String>,
) -> Answer {
    only(Product::OpenSearch, product, "/_plugins/_ism/policies")?;
    delete_policy(&store, name).await
}
