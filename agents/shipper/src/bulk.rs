//! Bulk requests: again until each item is either in the index or refused for good.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request, StatusCode, Uri, header};
use lakewright_platform::Backoff;
use lakewright_runtime::Agent;
use serde::Deserialize;

use crate::Metrics;
use crate::document::Document;
use crate::endpoint::{Denial, Door, Entrance, Target};

/// How long the cluster may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// The type of a cluster's "you may not".
const UNAUTHORIZED: &str = "security_exception";
/// How many characters of an answer are shown.
const SHOWN: usize = 300;

/// The search cluster.
pub struct Search {
    entrance: Entrance,
    bulk: Uri,
    root: Uri,
    /// Whether it has judged documents: what it refuses as a whole then is the documents' fault.
    proven: AtomicBool,
    agent: Agent,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Answer {
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
    /// It can't be read, maybe because of one of its documents.
    Malformed(String),
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
    /// The cluster of a target, by its entrance.
    ///
    /// # Errors
    /// Its URL is none.
    pub fn new(target: &Target, entrance: Entrance, agent: Agent, metrics: Metrics) -> Result<Self> {
        let address = target.address()?;
        let parse = |path: &str| {
            let url = format!("{address}{path}");
            url.parse::<Uri>().with_context(|| format!("the search URL's host is wrong: {address}"))
        };
        let (bulk, root) = (parse("_bulk")?, parse("")?);
        Ok(Self { entrance, bulk, root, proven: AtomicBool::new(false), agent, metrics })
    }

    /// The cluster's address without user and password.
    pub fn shown(&self) -> String {
        self.bulk.to_string()
    }

    /// Puts the documents into their indices; those refused for good are returned. Whatever may pass is tried again.
    ///
    /// # Errors
    /// The agent's shutdown came before all were judged: nothing is known of the rest.
    pub async fn index(&self, documents: &[Document]) -> Result<Vec<Refusal>> {
        let mut open: Vec<usize> = (0..documents.len()).collect();
        let mut refusals = Vec::new();
        let mut sent = vec![false; documents.len()];
        let mut backoff = Backoff::default();
        let mut most = open.len().max(1);
        // How many documents a request has while the one that makes requests malformed is looked for.
        let mut suspects = usize::MAX;
        while !open.is_empty() {
            let now: Vec<usize> = open.iter().copied().take(most.min(suspects)).collect();
            let before: Vec<bool> = now.iter().map(|position| std::mem::replace(&mut sent[*position], true)).collect();
            match self.send(documents, &now).await {
                Outcome::Judged(verdicts) => {
                    self.proven.store(true, Ordering::Relaxed);
                    let mut later: Option<(u16, String)> = None;
                    let mut still = Vec::new();
                    let (mut there, mut unsent) = (0, 0);
                    for ((position, sent), verdict) in now.iter().zip(before).zip(verdicts) {
                        match verdict {
                            None => self.metrics.indexed.increment(1),
                            Some((status, _)) if is_there(status) => {
                                there += 1;
                                unsent += u64::from(!sent);
                            }
                            Some((status, reason)) if is_passing(status) => {
                                still.push(*position);
                                later = Some((status, reason));
                            }
                            Some((_, reason)) => refusals.push(Refusal { position: *position, reason }),
                        }
                    }
                    self.metrics.count_there(there, unsent);
                    still.extend(open.iter().copied().skip(now.len()));
                    open = still;
                    match later {
                        Some((status, reason)) => {
                            let reason = self.passing(status, reason).await;
                            self.again(&mut backoff, &reason).await?;
                        }
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
                Outcome::Malformed(_) if now.len() > 1 => suspects = now.len() / 2,
                Outcome::Malformed(reason) if self.is_proven().await => {
                    refusals.push(Refusal { position: now[0], reason });
                    open.remove(0);
                    suspects = usize::MAX;
                }
                Outcome::Malformed(reason) | Outcome::Later(reason) => self.again(&mut backoff, &reason).await?,
            }
        }
        Ok(refusals)
    }

    /// Why a document isn't taken now, in words.
    async fn passing(&self, status: u16, reason: String) -> String {
        if status == StatusCode::FORBIDDEN.as_u16() && reason.contains(UNAUTHORIZED) {
            return self.entrance.refused(&Denial::Right(reason)).await;
        }
        format!("{status}: {reason}")
    }

    async fn again(&self, backoff: &mut Backoff, reason: &str) -> Result<()> {
        self.metrics.retries.increment(1);
        self.agent.health.error(format!("the search cluster takes no documents, trying again: {reason}"));
        if backoff.wait(&self.agent.shutdown).await {
            return Ok(());
        }
        bail!("stopped while the search cluster takes no documents: {reason}")
    }

    /// Whether a search cluster answers there: something else, TLS's port spoken to in the clear say, finds each request
    /// malformed, and no document must be given up for that.
    async fn is_proven(&self) -> bool {
        if self.proven.load(Ordering::Relaxed) {
            return true;
        }
        let Ok(door) = self.entrance.door().await else { return false };
        let Ok(request) = request(&door, Method::GET, &self.root).body(Bytes::new()) else { return false };
        match door.client.exchange(request, ANSWER).await {
            Ok((StatusCode::OK, _)) => true,
            // Who may write documents need not be let in on what the cluster is.
            Ok((StatusCode::FORBIDDEN, body)) => is_security_exception(&body),
            _ => false,
        }
    }

    async fn send(&self, documents: &[Document], positions: &[usize]) -> Outcome {
        let mut body = Vec::new();
        for position in positions {
            let document = &documents[*position];
            // Who may only create documents overwrites none: one that the shipper put there is this very one, for its id and all
            // that is in it follow from the record. Neither an id nor an index's name holds anything that JSON escapes.
            body.extend_from_slice(b"{\"create\":{\"_index\":\"");
            body.extend_from_slice(document.index.as_bytes());
            body.extend_from_slice(b"\",\"_id\":\"");
            body.extend_from_slice(document.id.as_bytes());
            body.extend_from_slice(b"\"}}\n");
            body.extend_from_slice(&document.source);
            body.push(b'\n');
        }
        let door = match self.entrance.door().await {
            Ok(door) => door,
            Err(error) => return Outcome::Later(format!("{error:#}")),
        };
        let request = request(&door, Method::POST, &self.bulk).header(header::CONTENT_TYPE, "application/x-ndjson");
        let Ok(request) = request.body(Bytes::from(body)) else {
            return Outcome::Later("the request can't be built".to_owned());
        };
        let (status, body) = match door.client.exchange(request, ANSWER).await {
            Ok(answer) => answer,
            Err(error) => {
                let reason = match Denial::of_error(&error) {
                    Some(denial) => self.entrance.refused(&denial).await,
                    None => format!("{error:#}"),
                };
                return Outcome::Later(reason);
            }
        };
        match status {
            StatusCode::OK => judge(&body, positions.len()),
            StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge,
            other => {
                let text: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
                if let Some(denial) = Denial::of_status(other, &text) {
                    return Outcome::Later(self.entrance.refused(&denial).await);
                }
                let reason = format!("{other}: {text}");
                if other == StatusCode::BAD_REQUEST { Outcome::Malformed(reason) } else { Outcome::Later(reason) }
            }
        }
    }
}

fn request(door: &Door, method: Method, uri: &Uri) -> Builder {
    let request = Request::builder().method(method).uri(uri.clone());
    match &door.authorization {
        Some(value) => request.header(header::AUTHORIZATION, value),
        None => request,
    }
}

/// Whether an answer is a search cluster's own "you may not".
fn is_security_exception(body: &[u8]) -> bool {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    answer.is_some_and(|answer| answer["error"]["type"] == UNAUTHORIZED)
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
    let verdicts = answer.items.into_iter().map(|item| {
        let Some(item) = item.into_values().next() else {
            return Some((StatusCode::SERVICE_UNAVAILABLE.as_u16(), "the item has no verdict".to_owned()));
        };
        if (200..300).contains(&item.status) {
            return None;
        }
        let reason = item.error.map_or_else(|| "no reason given".to_owned(), |error| error.to_string());
        Some((item.status, reason))
    });
    Outcome::Judged(verdicts.collect())
}

/// Whether a document is there already, as an attempt left it whose answer was lost.
fn is_there(status: u16) -> bool {
    status == StatusCode::CONFLICT.as_u16()
}

/// Whether a refusal may pass: too many requests, or trouble within the cluster.
fn is_passing(status: u16) -> bool {
    matches!(status, 403 | 408 | 429 | 500..)
}

#[cfg(test)]
mod tests {
    use lakewright_aws::Aws;
    use lakewright_config::agents::{self, shipper};

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
        let there = br#"{"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}]}"#;
        let Outcome::Judged(verdicts) = judge(there, 1) else { panic!("no verdicts") };
        assert!(verdicts[0].as_ref().is_some_and(|(status, _)| is_there(*status)));
        assert!(matches!(judge(body, 4), Outcome::Later(_)));
        assert!(matches!(judge(b"<html>", 1), Outcome::Later(_)));
        let Outcome::Judged(verdicts) = judge(br#"{"errors":false,"items":[{}]}"#, 1) else { panic!("no verdicts") };
        assert!(verdicts[0].as_ref().is_some_and(|(status, _)| is_passing(*status)), "no verdict is no success");
    }

    fn search(url: &str, directory: &std::path::Path) -> Result<Search> {
        let agent = Agent::detached(agents::Agent::Shipper, directory.to_owned());
        let metrics = Metrics::new(&agent);
        let target = Target::plain(url);
        let aws = Aws::with_keys("eu-north-1", "http://127.0.0.1:9", "AKIDEXAMPLE", "secret").expect("a client");
        Search::new(&target, Entrance::of(&target, &aws)?, agent, metrics)
    }

    #[tokio::test]
    async fn no_error_shows_the_password() {
        let directory = tempfile::tempdir().expect("a directory");
        for url in ["user:secret@host:9200", "ftp://user:secret@host", "http://user:secret@ho st"] {
            let error = format!("{:#}", search(url, directory.path()).err().expect("an error"));
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn no_password_goes_in_clear_to_another_machine() {
        let directory = tempfile::tempdir().expect("a directory");
        let error = format!(
            "{:#}",
            search("http://user:secret@search.shop.internal:9200", directory.path()).err().expect("an error")
        );
        assert!(error.contains("no encryption") && !error.contains("secret"), "{error}");
        for sound in
            ["http://search.shop.internal:9200", "http://user:secret@127.0.0.1:9200", "https://user:secret@search:9200"]
        {
            assert!(search(sound, directory.path()).is_ok(), "{sound}");
        }
    }

    /// A cluster that finds a request malformed when it holds the word `poison`, as it does all while not `sound`.
    async fn cluster(sound: bool) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let body = loop {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).await.expect("a request");
                    request.extend_from_slice(&part[..read]);
                    let text = String::from_utf8_lossy(&request).to_lowercase();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                        break body.to_owned();
                    }
                };
                let items = vec![r#"{"index":{"status":201}}"#; body.lines().count() / 2].join(",");
                let (status, answer) = if sound && !body.contains("poison") {
                    ("200 OK", format!(r#"{{"errors":false,"items":[{items}]}}"#))
                } else {
                    ("400 Bad Request", "malformed".to_owned())
                };
                let length = answer.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
                stream.write_all(answer.as_bytes()).await.expect("answered");
            }
        });
        format!("http://{address}")
    }

    fn documents() -> Vec<Document> {
        let document = |number: usize| Document {
            index: "actions".to_owned(),
            id: number.to_string(),
            source: if [3, 4, 9].contains(&number) { b"{\"poison\":1}".to_vec() } else { b"{}".to_vec() },
            rejected: false,
        };
        (0..10).map(document).collect()
    }

    #[tokio::test]
    async fn a_malformed_request_costs_only_the_documents_that_make_it_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let search = search(&cluster(true).await, directory.path()).expect("a client");
        let refusals = search.index(&documents()).await.expect("indexed");
        let refused: Vec<usize> = refusals.iter().map(|refusal| refusal.position).collect();
        let indexed = search.agent.metrics.value(&shipper::INDEXED);
        assert_eq!((refused, indexed), (vec![3, 4, 9], Some(7.0)));
        let alone = search.index(&documents()[3..4]).await.expect("judged");
        assert!(alone[0].reason.contains("400"), "{alone:?}");
    }

    #[tokio::test]
    async fn what_is_no_cluster_costs_no_document() {
        let directory = tempfile::tempdir().expect("a directory");
        // The second is a host whose name isn't known yet: it is looked up at each attempt.
        for url in [cluster(false).await, "http://search.invalid:9200".to_owned()] {
            let search = search(&url, directory.path()).expect("a client");
            let shutdown = search.agent.shutdown.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                shutdown.cancel();
            });
            search.index(&documents()).await.expect_err("none is judged");
            assert!(search.agent.metrics.value(&shipper::RETRIES) > Some(0.0), "{url}");
        }
    }
}
