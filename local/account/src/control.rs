//! The account's own paths under `/_lakewright/`: fault rules, events, reset. They are unsigned and no AWS service.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use lakewright_config::span;
use serde_json::{Value, json};
use std::time::Duration;

use crate::events::EventLog;
use crate::faults::{FaultBoard, Faults};
use crate::protocol::query;

/// Where all of them begin. No bucket's name begins with `_`.
pub(crate) const PREFIX: &str = "/_lakewright/";
/// The longest body that is read.
const MAX_BODY: usize = 1 << 20;
/// The longest wait for an event.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Why a request is refused: a status and words.
struct Refusal(StatusCode, String);

/// Answers a request to one of the paths.
pub(crate) async fn answer(faults: &FaultBoard, events: &EventLog, head: Parts, body: Body) -> Response {
    let answered = match axum::body::to_bytes(body, MAX_BODY).await {
        Ok(body) => route(faults, events, &head, &body).await,
        Err(error) => Err(bad(error.to_string())),
    };
    let (status, body) = answered
        .map_or_else(|Refusal(status, message)| (status, json!({ "error": message })), |body| (StatusCode::OK, body));
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn bad(message: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message)
}

async fn route(faults: &FaultBoard, events: &EventLog, head: &Parts, body: &Bytes) -> Result<Value, Refusal> {
    let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    match (&head.method, path) {
        (&Method::GET, "faults") => Ok(faults.shown()),
        (&Method::PUT, "faults") => {
            let text = std::str::from_utf8(body).map_err(|error| bad(error.to_string()))?;
            faults.set(Faults::parse(text).map_err(|error| bad(error.to_string()))?);
            Ok(faults.shown())
        }
        (&Method::GET, "events") => listed(events, head.uri.query().unwrap_or_default()).await,
        (&Method::POST, "reset") => {
            faults.reset();
            events.reset();
            Ok(json!({}))
        }
        (_, "faults" | "events" | "reset") => {
            Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{path} doesn't take {}", head.method)))
        }
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there are faults, events and reset".to_owned())),
    }
}

/// The events of requests above `after`, or of lines above `line`; `wait` waits until there is one.
async fn listed(events: &EventLog, query: &str) -> Result<Value, Refusal> {
    let (mut after, mut line, mut wait) = (0, 0, Duration::ZERO);
    for (name, value) in query::pairs(query) {
        let number = || value.parse::<u64>().map_err(|_| bad(format!("`{name}` is a number, not `{value}`")));
        match name.as_str() {
            "after" => after = number()?,
            "line" => line = number()?,
            "wait" => {
                let refused = || bad(format!("`wait` is a time such as 2s, not `{value}`"));
                wait = span(&value).ok_or_else(refused)?.min(MAX_WAIT);
            }
            _ => return Err(bad(format!("there are after, line and wait, and no `{name}`"))),
        }
    }
    let found = events.wait(wait, |event| event.n > after && event.line > line).await;
    Ok(serde_json::to_value(found).expect("events are plain data"))
}
