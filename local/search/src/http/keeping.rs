//! Searches that go on: scrolls, and points in time.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::asked::{Asked, Parameters};
use super::{Answer, Shared, blocking, parse};
use crate::answer::{SearchError, shards};
use crate::cursors::{Cursor, Cursors, keep_alive};
use crate::members::Members;
use crate::patience::Patience;
use crate::search::{self, Request};
use crate::writer::Store;

/// The searches that go on.
pub(super) type Kept = Extension<Arc<Cursors>>;

/// The routes.
pub fn routes() -> Router<Arc<Store>> {
    Router::new()
        .route("/_search/scroll", post(scroll).get(scroll).delete(clear_scroll))
        .route("/_search/scroll/{id}", post(scroll_by).get(scroll_by).delete(clear_scroll_by))
        .route("/{index}/_pit", post(open_point))
        .route("/_pit", delete(close_point))
        .route("/{index}/_search/point_in_time", post(open_point_in_time))
        .route("/_search/point_in_time", delete(close_point_in_time))
        .route("/_search/point_in_time/_all", delete(close_points))
}

async fn scroll(State(store): Shared, cursors: Kept, Query(parameters): Parameters, body: Bytes) -> Answer {
    let mut asked = Asked::new("/_search/scroll", parameters);
    let body = parse(&body)?;
    let mut members = Members::of(&body, "scroll")?;
    let id = members.text("scroll_id")?.or_else(|| asked.take("scroll_id"));
    let keep = members.text("scroll")?.or_else(|| asked.take("scroll"));
    members.end()?;
    next_page(store, cursors, (id, keep), asked).await
}

async fn scroll_by(
    State(store): Shared,
    cursors: Kept,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    body: Bytes,
) -> Answer {
    let mut asked = Asked::new("/_search/scroll", parameters);
    let body = parse(&body)?;
    let mut members = Members::of(&body, "scroll")?;
    let keep = members.text("scroll")?.or_else(|| asked.take("scroll"));
    members.end()?;
    next_page(store, cursors, (Some(id), keep), asked).await
}

async fn next_page(
    store: Arc<Store>,
    Extension(cursors): Kept,
    (id, keep): (Option<String>, Option<String>),
    mut asked: Asked,
) -> Answer {
    let is_whole = asked.flag("rest_total_hits_as_int");
    asked.end()?;
    let id = id.ok_or_else(|| SearchError::validation("scrollId is missing"))?;
    let keep = keep.map(|keep| keep_alive(&keep)).transpose()?;
    let work = move |patience: &Patience| {
        let cursor = cursors.get(&id, keep)?;
        let Some(body) = &cursor.body else {
            return Err(SearchError::illegal(format!("[{id}] is no scroll")));
        };
        let request = Request::read(body)?;
        let request = Request { aggregations: None, ..request };
        // Nothing comes after a page without hits.
        let request = if cursor.end.is_none() { Request { size: 0, ..request } } else { request };
        let (mut answer, end) = search::search((&store, &cursor.snapshot), &request, (patience, cursor.end.as_ref()))?;
        if let Some(end) = end {
            cursors.ended(&id, end);
        }
        answer["_scroll_id"] = json!(id);
        Ok(if is_whole { whole(answer) } else { answer })
    };
    blocking(work).await
}

/// An answer that says how many hits there are by the number alone.
pub(super) fn whole(mut answer: Value) -> Value {
    answer["hits"]["total"] = answer["hits"]["total"]["value"].take();
    answer
}

/// Ids of a body: one, or some in an array; none where there is no such member.
fn ids(value: Option<&Value>) -> Result<Option<Vec<String>>, SearchError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| SearchError::parsing("ids are texts"));
    match value {
        None => Ok(None),
        Some(Value::Array(values)) => values.iter().map(text).collect::<Result<_, _>>().map(Some),
        Some(one) => Ok(Some(vec![text(one)?])),
    }
}

fn freed(count: usize) -> Json<Value> {
    Json(json!({ "succeeded": true, "num_freed": count }))
}

async fn clear_scroll(Extension(cursors): Kept, Query(parameters): Parameters, body: Bytes) -> Answer {
    let mut asked = Asked::new("/_search/scroll", parameters);
    let body = parse(&body)?;
    let mut members = Members::of(&body, "clear_scroll")?;
    let found = ids(members.take("scroll_id"))?.or_else(|| Some(vec![asked.take("scroll_id")?]));
    members.end()?;
    asked.end()?;
    let found = found.ok_or_else(|| SearchError::validation("no scroll ids specified"))?;
    let is_all = found.iter().any(|id| id == "_all");
    Ok(freed(cursors.free((!is_all).then_some(&found), true)))
}

async fn clear_scroll_by(Extension(cursors): Kept, Path(id): Path<String>, Query(parameters): Parameters) -> Answer {
    Asked::new("/_search/scroll", parameters).end()?;
    let found: Vec<String> = id.split(',').map(str::to_owned).collect();
    Ok(freed(cursors.free((id != "_all").then_some(&found), true)))
}

/// Opens a point in time; gives its id.
fn opened(
    (store, cursors): (&Store, &Cursors),
    path: String,
    index: &str,
    parameters: Vec<(String, String)>,
) -> Result<String, SearchError> {
    let mut asked = Asked::new(path, parameters);
    let keep = asked.take("keep_alive").ok_or_else(|| SearchError::validation("[keep_alive] is not specified"))?;
    let keep = keep_alive(&keep)?;
    let is_lenient = asked.flag("ignore_unavailable");
    asked.end_of_search()?;
    let snapshot = Arc::new(store.snapshot(index, is_lenient)?);
    cursors.keep(Cursor { snapshot, body: None, bytes: 0, end: None }, keep)
}

/// As Elasticsearch has it.
async fn open_point(
    State(store): Shared,
    Extension(cursors): Kept,
    Path(index): Path<String>,
    Query(parameters): Parameters,
) -> Answer {
    let id = opened((&store, &cursors), format!("/{index}/_pit"), &index, parameters)?;
    Ok(Json(json!({ "id": id, "_shards": shards() })))
}

/// As OpenSearch has it.
async fn open_point_in_time(
    State(store): Shared,
    Extension(cursors): Kept,
    Path(index): Path<String>,
    Query(parameters): Parameters,
) -> Answer {
    let id = opened((&store, &cursors), format!("/{index}/_search/point_in_time"), &index, parameters)?;
    Ok(Json(json!({ "pit_id": id, "_shards": shards(), "creation_time": chrono::Utc::now().timestamp_millis() })))
}

/// The ids of a body that closes points in time.
fn closed(body: &[u8], name: &str) -> Result<Vec<String>, SearchError> {
    let body = parse(body)?;
    let mut members = Members::of(&body, "close_point_in_time")?;
    let found = ids(members.take(name))?;
    members.end()?;
    found.ok_or_else(|| SearchError::validation(format!("{name} is empty")))
}

async fn close_point(Extension(cursors): Kept, body: Bytes) -> Answer {
    Ok(freed(cursors.free(Some(&closed(&body, "id")?), false)))
}

async fn close_point_in_time(Extension(cursors): Kept, body: Bytes) -> Answer {
    let found = closed(&body, "pit_id")?;
    cursors.free(Some(&found), false);
    let pits: Vec<Value> = found.iter().map(|id| json!({ "pit_id": id, "successful": true })).collect();
    Ok(Json(json!({ "pits": pits })))
}

async fn close_points(Extension(cursors): Kept) -> Json<Value> {
    cursors.free(None, false);
    Json(json!({ "pits": [] }))
}
