//! The account's own paths under `/_lakewright/`: fault rules, events, reset. They are no AWS service: an account with a
//! secret wants it as it is, in `Authorization: Bearer`.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use lakewright_config::span;
use serde_json::{Value, json};
use std::time::Duration;

use crate::account::Account;
use crate::bodies;
use crate::events::EventLog;
use crate::faults::{FaultBoard, Faults};
use crate::host_credentials;
use crate::protocol::query;
use crate::signature::Secret;

/// Where all of them begin. No bucket's name begins with `_`.
pub(crate) const PREFIX: &str = "/_lakewright/";
/// Where a host gets the credentials of its instance profile, and whoever does a job run's work those of its role. It shows the account's secret, or one that is derived from it
/// for `credentials?QUERY` and good for nothing else.
const CREDENTIALS: &str = "credentials";
/// The longest body that is read.
const MAX_BODY: usize = 1 << 20;
/// The longest wait for an event.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Why a request is refused: a status and words.
struct Refusal(StatusCode, String);

/// Answers a request to one of the paths.
pub(crate) async fn answer(
    (faults, events): (&FaultBoard, &EventLog),
    account: &Account,
    head: Parts,
    body: Body,
) -> Response {
    let secret = account.secret.as_ref();
    let answered = match bodies::whole(body, MAX_BODY).await {
        Ok(_) if secret.is_some_and(|secret| !is_bearer(&head, secret) && !is_host(&head, secret)) => Err(Refusal(
            StatusCode::FORBIDDEN,
            format!("{PREFIX} wants the account's secret key, as in `Authorization: Bearer $AWS_SECRET_ACCESS_KEY`"),
        )),
        Ok(_) if path_of(&head) == CREDENTIALS => credentials(account, &head),
        Ok(body) => route(faults, events, &head, &body).await,
        Err(error) => Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
    };
    let (status, body) = answered
        .map_or_else(|Refusal(status, message)| (status, json!({ "error": message })), |body| (StatusCode::OK, body));
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn is_bearer(head: &Parts, secret: &Secret) -> bool {
    let given = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| secret.is(given))
}

fn path_of(head: &Parts) -> &str {
    head.uri.path().strip_prefix(PREFIX).unwrap_or_default()
}

/// Whether a host asks for its own credentials: its token is good for nothing else.
fn is_host(head: &Parts, secret: &Secret) -> bool {
    let query = head.uri.query().unwrap_or_default();
    path_of(head) == CREDENTIALS && is_bearer(head, &secret.derived(&format!("{CREDENTIALS}?{query}")))
}

/// Answers for credentials of an instance profile (`account`, `profile` and `instance` in the query), or of a job run that is under
/// way (`account`, `region` and `job`, its name).
fn credentials(account: &Account, head: &Parts) -> Result<Value, Refusal> {
    if head.method != Method::GET {
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{CREDENTIALS} is read by GET")));
    }
    let query = head.uri.query().unwrap_or_default();
    let pairs = query::pairs(query);
    let given = |name: &str| {
        let value = pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        value.ok_or_else(|| {
            bad(format!("the query has no `{name}`: write account=…&profile=…&instance=…, or account=…&region=…&job=…"))
        })
    };
    let owner = given("account")?;
    let found = match given("job") {
        Ok(job) => host_credentials::of_job(account, (owner, given("region")?), job),
        Err(_) => host_credentials::of_profile(account, owner, given("profile")?, given("instance")?),
    };
    found.map_err(|error| {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
        Refusal(status, error.message)
    })
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
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there are credentials, faults, events and reset".to_owned())),
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
