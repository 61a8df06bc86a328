//! A schema registry on this machine that speaks Confluent's REST API, keeps what it was asked, and fails when told to.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The registry; it ends with the test's runtime.
pub struct Server {
    pub url: String,
    pub state: Arc<Mutex<Stored>>,
}

#[derive(Default)]
pub struct Stored {
    /// Bodies of registrations, by id from 1.
    schemas: Vec<Value>,
    /// Ids by subject, by version from 1.
    subjects: Vec<(String, Vec<usize>)>,
    /// The paths of all requests so far.
    pub asked: Vec<String>,
    /// The answers to the next requests, in their stead.
    pub instead: Vec<(u16, &'static str)>,
    /// The only header `authorization` that is let in.
    pub authorization: Option<&'static str>,
}

type Shared = State<Arc<Mutex<Stored>>>;

impl Server {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(Stored::default()));
        let router = Router::new()
            .route("/schemas/ids/{id}", get(by_id))
            .route("/subjects/{subject}/versions", post(register))
            .route("/subjects/{subject}/versions/{version}", get(by_version))
            .layer(from_fn_with_state(Arc::clone(&state), noted))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Registers a body as a client would post it, and gives its id.
    pub fn add(&self, subject: &str, body: Value) -> u32 {
        self.state.lock().add(subject, body) as u32
    }

    /// The paths of the requests since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().asked)
    }
}

impl Stored {
    fn add(&mut self, subject: &str, body: Value) -> usize {
        let known = self.schemas.iter().position(|schema| *schema == body);
        let id = known.map_or_else(
            || {
                self.schemas.push(body);
                self.schemas.len()
            },
            |index| index + 1,
        );
        match self.subjects.iter_mut().find(|(name, _)| name == subject) {
            Some((_, ids)) if ids.contains(&id) => {}
            Some((_, ids)) => ids.push(id),
            None => self.subjects.push((subject.to_owned(), vec![id])),
        }
        id
    }
}

async fn noted(State(state): Shared, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let instead = {
        let mut state = state.lock();
        state.asked.push(request.uri().path().to_owned());
        if state.authorization.is_some() && state.authorization != given.as_deref() {
            Some((401, r#"{"error_code":401,"message":"Unauthorized"}"#))
        } else if state.instead.is_empty() {
            None
        } else {
            Some(state.instead.remove(0))
        }
    };
    match instead {
        Some((status, body)) => (StatusCode::from_u16(status).expect("a status"), body).into_response(),
        None => next.run(request).await,
    }
}

fn refused(code: u32, message: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error_code": code, "message": message}))).into_response()
}

async fn register(State(state): Shared, Path(subject): Path<String>, Json(body): Json<Value>) -> Response {
    Json(json!({"id": state.lock().add(&subject, body)})).into_response()
}

async fn by_id(State(state): Shared, Path(id): Path<usize>) -> Response {
    match state.lock().schemas.get(id.wrapping_sub(1)) {
        Some(schema) => Json(schema.clone()).into_response(),
        None => refused(40_403, &format!("Schema {id} not found")),
    }
}

async fn by_version(State(state): Shared, Path((subject, version)): Path<(String, usize)>) -> Response {
    let state = state.lock();
    let Some((_, ids)) = state.subjects.iter().find(|(name, _)| *name == subject) else {
        return refused(40_401, &format!("Subject '{subject}' not found."));
    };
    let Some(id) = ids.get(version.wrapping_sub(1)) else {
        return refused(40_402, &format!("Version {version} not found."));
    };
    let mut answer = state.schemas[id - 1].clone();
    answer["subject"] = json!(subject);
    answer["version"] = json!(version);
    answer["id"] = json!(id);
    Json(answer).into_response()
}
