//! Bulk requests: again until each item is either in the index or refused for good.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lakewright_runtime::Agent;
use lakewright_runtime::retry::Backoff;
use serde::Deserialize;

use crate::Metrics;
use crate::document::Document;

/// How long the cluster may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// The search cluster.
pub struct Search {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    bulk: Uri,
    authorization: Option<HeaderValue>,
    agent: Agent,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    items: Vec<std::collections::BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

/// What came of a request.
enum Outcome {
    /// The verdict on each document: `None` for in the index, else status and reason.
    Judged(Vec<Option<(u16, String)>>),
    /// The request is too large.
    TooLarge,
    /// It failed, and may succeed later.
    Later(String),
}

/// A document that the cluster refused for good.
#[derive(Debug)]
pub struct Refusal {
    /// Its place among the documents.
    pub position: usize,
    /// The cluster's reason.
    pub reason: String,
}

impl Search {
    /// The cluster at `http[s]://[user:password@]host:port`.
    pub fn new(url: &str, agent: Agent, metrics: Metrics) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").with_context(|| format!("the search URL `{url}` has no scheme"))?;
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        if scheme != "http" && scheme != "https" {
            bail!("the search URL must begin with http:// or https://, not {scheme}://");
        }
        let bulk = format!("{scheme}://{}/_bulk", host.trim_end_matches('/'))
            .parse()
            .with_context(|| format!("the search URL's host is wrong: {host}"))?;
        let authorization = match user {
            None => None,
            Some(user) => {
                let encoded = base64::engine::general_purpose::STANDARD.encode(user);
                let mut value =
                    HeaderValue::try_from(format!("Basic {encoded}")).context("encode user and password")?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls_provider())
            .context("load the system's certificate authorities")?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, bulk, authorization, agent, metrics })
    }

    /// The cluster's address without user and password.
    pub fn shown(&self) -> String {
        self.bulk.to_string()
    }

    /// Puts the documents into their indices; those refused for good are returned. Whatever may pass is tried again.
    ///
    /// # Errors
    /// The agent was told to stop before all were judged: nothing is known of the rest.
    pub async fn index(&self, documents: &[Document]) -> Result<Vec<Refusal>> {
        let mut open: Vec<usize> = (0..documents.len()).collect();
        let mut refusals = Vec::new();
        let mut backoff = Backoff::default();
        let mut most = open.len().max(1);
        while !open.is_empty() {
            let now: Vec<usize> = open.iter().copied().take(most).collect();
            match self.send(documents, &now).await {
                Outcome::Judged(verdicts) => {
                    let mut later: Option<String> = None;
                    let mut still = Vec::new();
                    for (position, verdict) in now.iter().zip(verdicts) {
                        match verdict {
                            None => self.metrics.indexed.add(1),
                            Some((status, reason)) if is_passing(status) => {
                                still.push(*position);
                                later = Some(format!("{status}: {reason}"));
                            }
                            Some((_, reason)) => refusals.push(Refusal { position: *position, reason }),
                        }
                    }
                    still.extend(open.iter().copied().skip(now.len()));
                    open = still;
                    match later {
                        Some(reason) => self.again(&mut backoff, &reason).await?,
                        None => {
                            backoff.reset();
                            self.agent.health.clear_error();
                        }
                    }
                }
                Outcome::TooLarge if now.len() > 1 => most = now.len() / 2,
                Outcome::TooLarge => {
                    refusals.push(Refusal { position: now[0], reason: "the document is too large".to_owned() });
                    open.remove(0);
                }
                Outcome::Later(reason) => self.again(&mut backoff, &reason).await?,
            }
        }
        Ok(refusals)
    }

    async fn again(&self, backoff: &mut Backoff, reason: &str) -> Result<()> {
        self.metrics.retries.add(1);
        self.agent.health.error(format!("the search cluster takes no documents, trying again: {reason}"));
        if backoff.wait(&self.agent.shutdown).await {
            return Ok(());
        }
        bail!("told to stop while the search cluster takes no documents: {reason}")
    }

    async fn send(&self, documents: &[Document], positions: &[usize]) -> Outcome {
        let mut body = Vec::new();
        for position in positions {
            let document = &documents[*position];
            // Neither an id nor an index's name holds anything that JSON escapes.
            body.extend_from_slice(b"{\"index\":{\"_index\":\"");
            body.extend_from_slice(document.index.as_bytes());
            body.extend_from_slice(b"\",\"_id\":\"");
            body.extend_from_slice(document.id.as_bytes());
            body.extend_from_slice(b"\"}}\n");
            body.extend_from_slice(&document.source);
            body.push(b'\n');
        }
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.bulk.clone())
            .header(header::CONTENT_TYPE, "application/x-ndjson");
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let Ok(request) = request.body(Full::new(Bytes::from(body))) else {
            return Outcome::Later("the request can't be built".to_owned());
        };
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
            Ok::<_, String>((status, body))
        };
        let (status, body) = match tokio::time::timeout(ANSWER, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => return Outcome::Later(reason),
            Err(_) => return Outcome::Later(format!("no answer within {} s", ANSWER.as_secs())),
        };
        match status {
            StatusCode::OK => judge(&body, positions.len()),
            StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge,
            other => {
                let text: String = String::from_utf8_lossy(&body).chars().take(300).collect();
                Outcome::Later(format!("{other}: {text}"))
            }
        }
    }
}

fn rustls_provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// The items' verdicts; an answer that isn't one for each item is none at all.
fn judge(body: &[u8], count: usize) -> Outcome {
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(error) => return Outcome::Later(format!("the answer is no bulk answer: {error}")),
    };
    if answer.items.len() != count {
        return Outcome::Later(format!("{} items were answered, {count} were sent", answer.items.len()));
    }
    if !answer.errors {
        return Outcome::Judged(vec![None; count]);
    }
    let verdicts = answer.items.into_iter().map(|item| {
        let item = item.into_values().next()?;
        if (200..300).contains(&item.status) {
            return None;
        }
        let reason = item.error.map_or_else(|| "no reason given".to_owned(), |error| error.to_string());
        Some((item.status, reason))
    });
    Outcome::Judged(verdicts.collect())
}

/// Whether a refusal may pass: too many requests, or trouble within the cluster.
fn is_passing(status: u16) -> bool {
    matches!(status, 403 | 408 | 429 | 500..)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_its_own_verdict() {
        let body = br#"{"took":1,"errors":true,"items":[{"index":{"status":201}},
            {"index":{"status":429,"error":{"type":"es_rejected_execution_exception"}}},
            {"index":{"status":400,"error":{"type":"document_parsing_exception"}}}]}"#;
        let Outcome::Judged(verdicts) = judge(body, 3) else { panic!("no verdicts") };
        assert!(verdicts[0].is_none());
        assert!(verdicts[1].as_ref().is_some_and(|(status, _)| is_passing(*status)));
        assert!(
            verdicts[2].as_ref().is_some_and(|(status, reason)| !is_passing(*status) && reason.contains("parsing"))
        );
        assert!(matches!(judge(body, 4), Outcome::Later(_)));
        assert!(matches!(judge(b"<html>", 1), Outcome::Later(_)));
    }
}
