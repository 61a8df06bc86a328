//! Requests to the cluster beside those with documents.

use bytes::Bytes;
use http::{Method, StatusCode, Uri, header};
use serde_json::Value;

use crate::search::client::{ANSWER, LONGEST, Search, request};
use crate::search::endpoint::Denial;
use crate::search::verdict::why;

/// How many characters of a refusal are kept.
const LONGEST_REASON: usize = 1000;

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What was asked for.
    Done(Value),
    /// There is no such thing.
    Missing,
    /// The cluster doesn't do it, for this user or at all: the status and what it says.
    Refused(StatusCode, String),
    /// It may later. `answered`: whether anybody did.
    Later { reason: String, answered: bool },
}

impl Search {
    /// Asks the cluster for something of its own, by a path without a slash before it.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let later = |reason: String| Answer::Later { reason, answered: false };
        let Ok(uri) = format!("{}{path}", self.root).parse::<Uri>() else {
            return Answer::Refused(StatusCode::BAD_REQUEST, format!("`{path}` is no path"));
        };
        let door = match self.entrance.door().await {
            Ok(door) => door,
            Err(error) => return later(format!("{error:#}")),
        };
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request(&door, method, &uri).header(header::CONTENT_TYPE, "application/json").body(bytes);
        let Ok(request) = request else { return later("the request can't be built".to_owned()) };
        let (status, body) = match door.client.exchange_up_to(LONGEST.0, request, ANSWER).await {
            Ok(answer) => answer,
            Err(error) => {
                self.entrance.renew();
                return later(match Denial::of_error(&error) {
                    Some(denial) => self.entrance.refused(&denial).await,
                    None => format!("{error:#}"),
                });
            }
        };
        let text: String = why(&body).chars().take(LONGEST_REASON).collect();
        match status {
            StatusCode::UNAUTHORIZED => {
                Answer::Later { reason: self.entrance.refused(&Denial::Login).await, answered: true }
            }
            StatusCode::TOO_MANY_REQUESTS => Answer::Later { reason: format!("{status}: {text}"), answered: true },
            StatusCode::NOT_FOUND => Answer::Missing,
            status if status.is_server_error() => Answer::Later { reason: format!("{status}: {text}"), answered: true },
            status if status.is_success() => match serde_json::from_slice(&body) {
                Ok(answer) => Answer::Done(answer),
                Err(error) => Answer::Later { reason: format!("the answer is none: {error}: {text}"), answered: true },
            },
            status => Answer::Refused(status, text),
        }
    }
}
