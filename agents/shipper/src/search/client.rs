//! Bulk requests: again until each item is either in the index or refused for good.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::request::Builder;
use http::{Method, Request, StatusCode, Uri, header};
use lakewright_platform::Backoff;
use lakewright_platform::http::TooLong;
use lakewright_runtime::Agent;

use crate::buffers::Buffers;
use crate::metrics::PipeMetrics;
use crate::search::document::{Bulk, Kind};
use crate::search::endpoint::{Denial, Door, Entrance, Target};
use crate::search::limiter::Limiter;
use crate::search::templates::Templates;
use crate::search::verdict::{Fault, Verdict, verdicts};

/// How long the cluster may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(60);
/// The type of a cluster's "you may not".
const UNAUTHORIZED: &str = "security_exception";
/// How many characters of an answer are shown.
const SHOWN: usize = 300;
/// What of an answer is asked for: the rest would be as long as the request.
const WANTED: &str =
    "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason";
/// How long an answer may be: so many bytes, and so many more for each item.
pub(super) const LONGEST: (usize, usize) = (1 << 20, 4096);
/// So many buffers of requests are kept.
const KEPT: usize = 4;
/// A larger one than this, in bytes, isn't.
const LARGEST: usize = 6 << 20;
/// After so many attempts a document is given up on which the cluster fails, while it takes others.
const ATTEMPTS: u32 = 12;

/// The search cluster.
pub struct Search {
    pub(super) entrance: Entrance,
    bulk: Uri,
    pub(super) root: Uri,
    gzip: bool,
    limiter: Limiter,
    /// Whether it has judged documents: what it refuses as a whole then is the documents' fault.
    proven: AtomicBool,
    /// How many documents it took.
    taken: AtomicU64,
    agent: Agent,
    metrics: PipeMetrics,
    buffers: Buffers,
    /// What must be there before documents are.
    templates: Option<Templates>,
}

/// What came of a request.
enum Outcome {
    /// The verdict on each document.
    Judged(Vec<Verdict>),
    /// The request, or its answer, is too large.
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
    /// The type of the cluster's error.
    pub kind: String,
    /// The cluster's reason.
    pub reason: String,
}

/// The documents of a request that aren't judged yet.
struct Open {
    positions: Vec<usize>,
    /// Which were sent before.
    sent: Vec<bool>,
    refusals: Vec<Refusal>,
    attempts: u32,
    /// How many documents the cluster had taken when it failed on these alone.
    taken: u64,
}

impl Search {
    /// The cluster of a target, by its entrance.
    ///
    /// # Errors
    /// Its URL is none.
    pub fn new(target: &Target, entrance: Entrance, gzip: bool, agent: Agent, metrics: PipeMetrics) -> Result<Self> {
        let address = target.address()?;
        let parse = |path: &str| {
            let url = format!("{address}{path}");
            url.parse::<Uri>().with_context(|| format!("the search URL's host is wrong: {address}"))
        };
        let (bulk, root) = (parse(&format!("_bulk?{WANTED}"))?, parse("")?);
        let limiter = Limiter::new(metrics.concurrency.clone());
        let (proven, taken) = (AtomicBool::new(false), AtomicU64::new(0));
        let buffers = Buffers::new(KEPT, LARGEST);
        let templates = None;
        Ok(Self { entrance, bulk, root, gzip, limiter, proven, taken, agent, metrics, buffers, templates })
    }

    /// The same, with documents going after their templates.
    pub fn with(self, templates: Templates) -> Self {
        Self { templates: Some(templates), ..self }
    }

    /// Whether the templates of its documents are there.
    pub fn has_templates(&self) -> bool {
        self.templates.as_ref().is_some_and(Templates::are_there)
    }

    /// Where requests get their buffers.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// The cluster's address without user and password.
    pub fn shown(&self) -> String {
        self.root.to_string()
    }

    /// Whether names of members may have dots there.
    pub fn takes_dots(&self) -> bool {
        self.templates.as_ref().is_none_or(Templates::take_dots)
    }

    /// Makes sure of the templates of its documents.
    ///
    /// # Errors
    /// The agent's shutdown came before.
    pub async fn prepare(&self) -> Result<()> {
        let Some(templates) = &self.templates else { return Ok(()) };
        let mut backoff = Backoff::default();
        while let Err(reason) = templates.ready(self).await {
            self.again(&mut backoff, &reason).await?;
        }
        Ok(())
    }

    /// Puts the documents into their indices; those refused for good are returned. Whatever may pass is tried again.
    ///
    /// # Errors
    /// The agent's shutdown came before all were judged: nothing is known of the rest.
    pub async fn index(&self, bulk: Bulk) -> Result<Vec<Refusal>> {
        let Bulk { text, ends, kinds } = bulk;
        let text = self.buffers.share(text);
        let lines =
            |position: usize| text.slice(position.checked_sub(1).map_or(0, |before| ends[before])..ends[position]);
        let mut open = Open {
            positions: (0..ends.len()).collect(),
            sent: vec![false; ends.len()],
            refusals: Vec::new(),
            attempts: 0,
            taken: 0,
        };
        let mut backoff = Backoff::default();
        let mut most = ends.len().max(1);
        // How many documents a request has while the one that makes requests malformed is looked for.
        let mut suspects = usize::MAX;
        while !open.positions.is_empty() {
            self.prepare().await?;
            let count = open.positions.len().min(most).min(suspects);
            let now = &open.positions[..count];
            let body =
                if count == ends.len() { text.clone() } else { joined(now.iter().map(|position| lines(*position))) };
            let before: Vec<bool> =
                now.iter().map(|position| std::mem::replace(&mut open.sent[*position], true)).collect();
            match self.send(body, count).await {
                Outcome::Judged(verdicts) => match self.sort(&mut open, &before, verdicts, &kinds) {
                    Some(fault) => {
                        let reason = self.passing(fault).await;
                        self.again(&mut backoff, &reason).await?;
                    }
                    None => {
                        backoff.reset();
                        self.metrics.trouble.ends();
                    }
                },
                Outcome::TooLarge if count > 1 => most = count / 2,
                Outcome::TooLarge => {
                    open.refuse_first("too_large", "the document is too large for the cluster".to_owned());
                }
                Outcome::Malformed(_) if count > 1 => suspects = count / 2,
                Outcome::Malformed(reason) if self.is_proven().await => {
                    open.refuse_first("malformed", reason);
                    suspects = usize::MAX;
                }
                Outcome::Malformed(reason) | Outcome::Later(reason) => self.again(&mut backoff, &reason).await?,
            }
        }
        Ok(open.refusals)
    }

    /// Sorts the documents of an answer; those that aren't judged for good stay open, and why one of them isn't is returned.
    fn sort(&self, open: &mut Open, before: &[bool], verdicts: Vec<Verdict>, kinds: &[Kind]) -> Option<Fault> {
        self.proven.store(true, Ordering::Relaxed);
        let count = verdicts.len();
        let (mut still, mut doubtful) = (Vec::new(), Vec::new());
        let (mut done, mut there, mut unsent, mut outside) = (0, 0, 0, 0);
        let mut later = None;
        for ((position, sent), verdict) in open.positions.iter().zip(before).zip(verdicts) {
            match verdict {
                Verdict::Done => {
                    done += 1;
                    outside += u64::from(kinds.get(*position) == Some(&Kind::Outside));
                }
                Verdict::There => {
                    there += 1;
                    unsent += u64::from(!sent);
                }
                Verdict::Later(fault) => {
                    still.push(*position);
                    later = Some(fault);
                }
                Verdict::Doubtful(fault) => doubtful.push((*position, fault)),
                Verdict::Never(Fault { kind, reason, .. }) => {
                    open.refusals.push(Refusal { position: *position, kind, reason });
                }
            }
        }
        self.metrics.indexed.increment(done);
        self.metrics.outside.increment(outside);
        self.metrics.count_there(there, unsent);
        let taken = self.taken.fetch_add(done, Ordering::Relaxed) + done;
        if !doubtful.is_empty() {
            if open.attempts == 0 {
                open.taken = taken;
            }
            open.attempts += 1;
            let hopeless = open.attempts > ATTEMPTS && taken > open.taken;
            for (position, fault) in doubtful {
                if hopeless {
                    let Fault { kind, reason, .. } = fault;
                    open.refusals.push(Refusal { position, kind, reason });
                } else {
                    still.push(position);
                    later.get_or_insert(fault);
                }
            }
            still.sort_unstable();
        }
        still.extend(open.positions.iter().copied().skip(count));
        open.positions = still;
        later
    }

    /// Why a document isn't taken now, in words.
    async fn passing(&self, fault: Fault) -> String {
        if fault.status == StatusCode::FORBIDDEN.as_u16() && fault.kind == UNAUTHORIZED {
            return self.entrance.refused(&Denial::Right(fault.reason)).await;
        }
        fault.to_string()
    }

    async fn again(&self, backoff: &mut Backoff, reason: &str) -> Result<()> {
        self.metrics.retries.increment(1);
        self.metrics.trouble.begins(format!("the search cluster takes no documents, trying again: {reason}"));
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
        match door.client.exchange_up_to(LONGEST.0, request, ANSWER).await {
            Ok((StatusCode::OK, _)) => true,
            // Who may write documents need not be let in on what the cluster is.
            Ok((StatusCode::FORBIDDEN, body)) => is_security_exception(&body),
            _ => false,
        }
    }

    async fn send(&self, body: Bytes, count: usize) -> Outcome {
        let door = match self.entrance.door().await {
            Ok(door) => door,
            Err(error) => return Outcome::Later(format!("{error:#}")),
        };
        let mut request = request(&door, Method::POST, &self.bulk).header(header::CONTENT_TYPE, "application/x-ndjson");
        let body = if self.gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
            match packed(&body) {
                Ok(body) => body,
                Err(error) => return Outcome::Later(format!("compress the request: {error}")),
            }
        } else {
            body
        };
        let Ok(request) = request.body(body) else {
            return Outcome::Later("the request can't be built".to_owned());
        };
        let permit = match self.limiter.acquire().await {
            Ok(permit) => permit,
            Err(error) => return Outcome::Later(format!("{error:#}")),
        };
        let longest = LONGEST.0 + LONGEST.1 * count;
        let answer = door.client.exchange_up_to(longest, request, ANSWER).await;
        let outcome = match answer {
            Ok((StatusCode::OK, body)) => match verdicts(&body, count) {
                Ok(verdicts) => Outcome::Judged(verdicts),
                Err(reason) => Outcome::Later(reason),
            },
            Ok((StatusCode::PAYLOAD_TOO_LARGE, _)) => Outcome::TooLarge,
            Ok((status, body)) => {
                let pressed = matches!(status.as_u16(), 429 | 503 | 504);
                permit.answered(pressed);
                return self.failed(status, &body).await;
            }
            Err(error) if error.is::<TooLong>() && count > 1 => Outcome::TooLarge,
            Err(error) => {
                permit.answered(true);
                self.was_away();
                self.entrance.renew();
                return Outcome::Later(match Denial::of_error(&error) {
                    Some(denial) => self.entrance.refused(&denial).await,
                    None => format!("{error:#}"),
                });
            }
        };
        let is_full = |verdict: &Verdict| matches!(verdict, Verdict::Later(fault) if fault.status == 429);
        permit.answered(matches!(&outcome, Outcome::Judged(verdicts) if verdicts.iter().any(is_full)));
        outcome
    }

    /// What comes back may have lost its templates.
    fn was_away(&self) {
        if let Some(templates) = &self.templates {
            templates.cluster_was_away();
        }
    }

    async fn failed(&self, status: StatusCode, body: &[u8]) -> Outcome {
        let text: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
        if let Some(denial) = Denial::of_status(status, &text) {
            return Outcome::Later(self.entrance.refused(&denial).await);
        }
        if matches!(status.as_u16(), 502..=504) {
            self.was_away();
        }
        let reason = format!("{status}: {text}");
        if status == StatusCode::BAD_REQUEST { Outcome::Malformed(reason) } else { Outcome::Later(reason) }
    }
}

impl Open {
    fn refuse_first(&mut self, kind: &str, reason: String) {
        let position = self.positions.remove(0);
        self.refusals.push(Refusal { position, kind: kind.to_owned(), reason });
    }
}

fn joined(lines: impl Iterator<Item = Bytes>) -> Bytes {
    let mut body = Vec::new();
    lines.for_each(|lines| body.extend_from_slice(&lines));
    Bytes::from(body)
}

fn packed(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body)?;
    Ok(Bytes::from(encoder.finish()?))
}

pub(super) fn request(door: &Door, method: Method, uri: &Uri) -> Builder {
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

#[cfg(test)]
mod tests;
