//! Other names of indices.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::asked::{Asked, Parameters};
use super::{Answer, Shared, one, parse};
use crate::aliases::{self, Change};
use crate::answer::SearchError;
use crate::operation::Operation;
use crate::snapshot::{concrete, resolve};
use crate::writer::Store;

/// The routes.
pub fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/_aliases", post(change))
        .route("/_alias", get(all))
        .route("/_alias/{name}", get(named))
        .route("/{index}/_alias", get(of_index))
        .route("/{index}/_alias/{name}", get(named_of_index).merge(put(set).post(set).delete(remove)))
        .route("/{index}/_aliases/{name}", put(set).post(set).delete(remove))
}

fn without_matter(path: &str, parameters: Vec<(String, String)>) -> Result<(), SearchError> {
    let mut asked = Asked::new(path, parameters);
    for name in ["timeout", "master_timeout", "cluster_manager_timeout", "local"] {
        asked.take(name);
    }
    asked.end()
}

async fn change(State(store): Shared, Query(parameters): Parameters, body: Bytes) -> Answer {
    without_matter("/_aliases", parameters)?;
    let body = parse(&body)?;
    let changes = {
        let mappings = store.mappings.read();
        aliases::changes(&body, |index| concrete(&mappings, index))?
    };
    acknowledged(&store, changes).await
}

async fn acknowledged(store: &Store, changes: Vec<Change>) -> Answer {
    one(store, Operation::SetAliases(changes)).await?;
    Ok(Json(json!({ "acknowledged": true })))
}

async fn set(
    State(store): Shared,
    Path((index, alias)): Path<(String, String)>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    without_matter("/_alias", parameters)?;
    aliases::check(&alias)?;
    let body = aliases::body(&parse(&body)?)?;
    let indices = concrete(&store.mappings.read(), &index)?;
    acknowledged(&store, vec![Change::Add { indices, aliases: vec![alias], body }]).await
}

async fn remove(
    State(store): Shared,
    Path((index, alias)): Path<(String, String)>,
    Query(parameters): Parameters,
) -> Answer {
    without_matter("/_alias", parameters)?;
    let indices = concrete(&store.mappings.read(), &index)?;
    let aliases = alias.split(',').map(str::to_owned).collect();
    acknowledged(&store, vec![Change::Remove { indices, aliases, must_exist: Some(true) }]).await
}

async fn all(store: Shared, Query(parameters): Parameters) -> Response {
    listed(&store, ("_all", None), parameters)
}

async fn named(store: Shared, Path(name): Path<String>, Query(parameters): Parameters) -> Response {
    listed(&store, ("_all", Some(&name)), parameters)
}

async fn of_index(store: Shared, Path(index): Path<String>, Query(parameters): Parameters) -> Response {
    listed(&store, (&index, None), parameters)
}

async fn named_of_index(
    store: Shared,
    Path((index, name)): Path<(String, String)>,
    Query(parameters): Parameters,
) -> Response {
    listed(&store, (&index, Some(&name)), parameters)
}

/// The names of indices; of those that are asked for one must be there.
fn listed(store: &Store, (index, name): (&str, Option<&str>), parameters: Vec<(String, String)>) -> Response {
    let found = || {
        without_matter("/_alias", parameters)?;
        let mappings = store.mappings.read();
        let patterns: Vec<&str> = name.map_or_else(|| vec!["*"], |name| name.split(',').collect());
        let mut all = Map::new();
        for index in resolve(&mappings, index)? {
            let names = mappings.aliases.named(&index, &patterns);
            if name.is_none() || !names.is_empty() {
                all.insert(index, json!({ "aliases": names }));
            }
        }
        Ok::<_, SearchError>(all)
    };
    match (found(), name) {
        (Err(error), _) => error.into_response(),
        (Ok(all), Some(name)) if all.is_empty() && !name.contains('*') && name != "_all" => {
            let missing = json!({ "error": format!("alias [{name}] missing"), "status": 404 });
            (StatusCode::NOT_FOUND, Json(missing)).into_response()
        }
        (Ok(all), _) => Json(Value::Object(all)).into_response(),
    }
}
