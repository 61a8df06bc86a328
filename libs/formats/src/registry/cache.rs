//! Schemas that were fetched, within a bound; ids that don't exist, for a while; one request under way for each id.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lakewright_platform::Backoff;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Answer, Body, Fault, NoAnswer, Registry, Unavailable};
use crate::Schema;
use crate::reject::Reject;
use crate::wire::SchemaId;

/// How long messages of an id that doesn't exist aren't rejected yet: a registry of several machines takes a moment until all
/// of them know a new schema, and the producer may have asked another one.
const GRACE: Duration = Duration::from_secs(6);
/// After so many ids that didn't come in that time,
const MOST_IN_VAIN: usize = 8;
/// within this time, none is waited for: somebody sends ids that no registry knows.
const IN_VAIN: Duration = Duration::from_mins(10);

/// How long an id that doesn't exist isn't asked for again: a producer may register it a while after its first message.
const MISSING: Duration = Duration::from_secs(30);

/// After so many answers that an id doesn't exist
const MOST_MISSES: usize = 200;
/// within this time, the registry is asked for no further id: each would be a request, and somebody waits for its answer.
const MISSES_WITHIN: Duration = Duration::from_secs(30);

/// How many ids that don't exist, or couldn't be asked for, are remembered.
const MAX_SHADOWS: usize = 4096;

/// Pauses after a registry couldn't be asked.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The schemas of one registry. Clones share them.
#[derive(Clone)]
pub struct Schemas {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Box<dyn Registry>,
    /// How many bytes of schemas are kept.
    most: usize,
    /// How long an id that doesn't exist is waited for.
    grace: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<SchemaId, Kept>,
    bytes: usize,
    /// Counts uses, to find what wasn't used longest.
    clock: u64,
    shadows: HashMap<SchemaId, Shadow>,
    /// Ids of which the registry said nothing of use, or not yet.
    silent: HashMap<SchemaId, Silence>,
    /// When ids were waited for in vain.
    in_vain: Vec<Instant>,
    /// When the registry said that an id doesn't exist, the last [`MOST_MISSES`] times.
    misses: VecDeque<Instant>,
    under_way: HashMap<SchemaId, Arc<tokio::sync::Mutex<()>>>,
    /// The registry as a whole: no request before that time.
    closed: Option<(Instant, String)>,
    backoff: Backoff,
}

/// A place in the queue for an id, given up however the call ends.
struct Gate<'a> {
    schemas: &'a Schemas,
    id: SchemaId,
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        let mut state = self.schemas.shared.state.lock();
        // Two: the table's and this one, so nobody else waits.
        if Arc::strong_count(&self.gate) == 2 {
            state.under_way.remove(&self.id);
        }
    }
}

struct Kept {
    body: Body,
    bytes: usize,
    used: u64,
}

/// An id that there is no schema for, until then.
struct Shadow {
    until: Instant,
    reject: Reject,
}

/// An id of which a registry that answers otherwise said nothing of use: it isn't asked for before that time.
struct Silence {
    until: Instant,
    error: String,
    backoff: Backoff,
    /// Since when it is known that it doesn't exist.
    missing_since: Option<Instant>,
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        write!(f, "Schemas({} kept, {} missing)", state.kept.len(), state.shadows.len())
    }
}

impl Schemas {
    /// Schemas of a registry, of which at most so many bytes are kept, and always the one that is needed now.
    pub fn new(registry: impl Registry + 'static, most: usize) -> Self {
        Self::with_grace(registry, most, GRACE)
    }

    /// The same, where an id that the registry doesn't know is asked for again for so long before it counts as missing.
    pub fn with_grace(registry: impl Registry + 'static, most: usize, grace: Duration) -> Self {
        let state = State { backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), ..State::default() };
        Self { shared: Arc::new(Shared { registry: Box::new(registry), most, grace, state: Mutex::new(state) }) }
    }

    /// What is known of an id without asking: a schema, or that there is none; `None` if it must be fetched.
    ///
    /// # Errors
    /// There is none, as the registry said a short while ago.
    pub fn known(&self, id: SchemaId) -> Result<Option<Body>, Reject> {
        let mut state = self.shared.state.lock();
        state.clock += 1;
        let clock = state.clock;
        if let Some(kept) = state.kept.get_mut(&id) {
            kept.used = clock;
            return Ok(Some(kept.body.clone()));
        }
        match state.shadows.get(&id) {
            Some(shadow) if Instant::now() < shadow.until => Err(shadow.reject.clone()),
            _ => Ok(None),
        }
    }

    /// What an id stands for. Of several callers one asks the registry, and the others wait for its answer.
    ///
    /// # Errors
    /// There is none, or the registry doesn't say now. Dropping the call is safe.
    pub async fn get(&self, id: SchemaId) -> Result<Body, Fault> {
        let gate = Arc::clone(self.shared.state.lock().under_way.entry(id).or_default());
        let gate = Gate { schemas: self, id, gate };
        let _turn = gate.gate.lock().await;
        self.turn(id).await
    }

    /// The same, asked again until the registry says, or the token is cancelled: `None`.
    ///
    /// # Errors
    /// There is no schema that this id could be read by.
    pub async fn wait(&self, id: SchemaId, shutdown: &CancellationToken) -> Result<Option<Body>, Reject> {
        loop {
            let unavailable = tokio::select! {
                outcome = self.get(id) => match outcome {
                    Ok(body) => return Ok(Some(body)),
                    Err(Fault::Reject(reject)) => return Err(reject),
                    Err(Fault::Unavailable(unavailable)) => unavailable,
                },
                () = shutdown.cancelled() => return Ok(None),
            };
            tracing::warn!(%id, error = unavailable.error, "schema registry not available");
            tokio::select! {
                () = tokio::time::sleep(unavailable.retry_in) => {}
                () = shutdown.cancelled() => return Ok(None),
            }
        }
    }

    async fn turn(&self, id: SchemaId) -> Result<Body, Fault> {
        if let Some(body) = self.known(id).map_err(Fault::Reject)? {
            return Ok(body);
        }
        self.shared.state.lock().may_ask(id).map_err(Fault::Unavailable)?;
        let answer = self.shared.registry.ask(id).await;
        let mut state = self.shared.state.lock();
        let answer = match answer {
            Ok(answer) => answer,
            Err(NoAnswer::Registry(error)) => {
                let retry_in = state.backoff.next_pause();
                state.closed = Some((Instant::now() + retry_in, error.clone()));
                return Err(Fault::Unavailable(Unavailable { error, retry_in }));
            }
            Err(NoAnswer::Id(error)) => {
                state.opened();
                return Err(Fault::Unavailable(state.silent(id, error)));
            }
        };
        state.opened();
        if matches!(answer, Answer::Missing(_)) {
            state.missed();
        }
        if let Answer::Missing(reject) = &answer
            && let Some(not_yet) = state.not_yet(id, reject, self.shared.grace)
        {
            return Err(Fault::Unavailable(not_yet));
        }
        state.silent.remove(&id);
        let outcome = match answer {
            Answer::Json => Ok((Body::Json, 0)),
            Answer::Missing(reject) | Answer::Unreadable(reject) => Err(reject),
            Answer::Avro { text, references } => Schema::parse(&text, &references).map(|schema| {
                let weight = schema.weight();
                (Body::Avro(Arc::new(schema)), weight)
            }),
        };
        match outcome {
            Ok((body, bytes)) => {
                state.keep(id, body.clone(), bytes + size_of::<Kept>(), self.shared.most);
                Ok(body)
            }
            Err(reject) => {
                state.miss(id, reject.clone());
                Err(Fault::Reject(reject))
            }
        }
    }
}

impl State {
    /// Whether the registry may be asked for an id.
    fn may_ask(&self, id: SchemaId) -> Result<(), Unavailable> {
        let now = Instant::now();
        if let Some(first) = self.misses.front().filter(|_| self.misses.len() == MOST_MISSES)
            && now.duration_since(*first) < MISSES_WITHIN
        {
            let error = format!(
                "{MOST_MISSES} ids that don't exist were asked for within {} s: look at what sends them",
                MISSES_WITHIN.as_secs()
            );
            return Err(Unavailable { error, retry_in: *first + MISSES_WITHIN - now });
        }
        let silent = self.silent.get(&id).map(|silence| (silence.until, &silence.error));
        let pauses = self.closed.as_ref().map(|(until, error)| (*until, error)).into_iter().chain(silent);
        match pauses.filter(|(until, _)| now < *until).max_by_key(|(until, _)| *until) {
            None => Ok(()),
            Some((until, error)) => Err(Unavailable { error: error.clone(), retry_in: until - now }),
        }
    }

    /// The registry said that an id doesn't exist.
    fn missed(&mut self) {
        if self.misses.len() == MOST_MISSES {
            self.misses.pop_front();
        }
        self.misses.push_back(Instant::now());
    }

    /// The registry answered.
    fn opened(&mut self) {
        self.backoff.reset();
        self.closed = None;
    }

    /// What is said of an id that the registry doesn't know while it is waited for; `None` once it counts as missing.
    fn not_yet(&mut self, id: SchemaId, reject: &Reject, grace: Duration) -> Option<Unavailable> {
        let now = Instant::now();
        self.in_vain.retain(|at| now.duration_since(*at) < IN_VAIN);
        // One that was missing before was waited for then.
        if self.in_vain.len() >= MOST_IN_VAIN || self.shadows.contains_key(&id) {
            return None;
        }
        let since = self.silent.get(&id).and_then(|silence| silence.missing_since).unwrap_or(now);
        if now.duration_since(since) >= grace {
            self.in_vain.push(now);
            return None;
        }
        let error =
            format!("{reject}; it is asked again, for not all of a registry's machines know a new schema at once");
        let unavailable = self.silent(id, error);
        if let Some(silence) = self.silent.get_mut(&id) {
            silence.missing_since = Some(since);
        }
        Some(unavailable)
    }

    /// The registry answered, and said nothing of use of an id.
    fn silent(&mut self, id: SchemaId, error: String) -> Unavailable {
        let now = Instant::now();
        if self.silent.len() >= MAX_SHADOWS && !self.silent.contains_key(&id) {
            self.silent.retain(|_, silence| now < silence.until);
        }
        if self.silent.len() >= MAX_SHADOWS && !self.silent.contains_key(&id) {
            self.silent.clear();
        }
        let silence = self.silent.entry(id).or_insert_with(|| Silence {
            until: now,
            error: String::new(),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            missing_since: None,
        });
        let retry_in = silence.backoff.next_pause();
        (silence.until, silence.error) = (now + retry_in, error.clone());
        Unavailable { error, retry_in }
    }

    fn keep(&mut self, id: SchemaId, body: Body, bytes: usize, most: usize) {
        self.shadows.remove(&id);
        self.bytes += bytes;
        self.kept.insert(id, Kept { body, bytes, used: self.clock });
        while self.bytes > most && self.kept.len() > 1 {
            let others = self.kept.iter().filter(|(other, _)| **other != id);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id) else { return };
            if let Some(gone) = self.kept.remove(&oldest) {
                self.bytes -= gone.bytes;
            }
        }
    }

    fn miss(&mut self, id: SchemaId, reject: Reject) {
        let now = Instant::now();
        if self.shadows.len() >= MAX_SHADOWS {
            self.shadows.retain(|_, shadow| now < shadow.until);
        }
        if self.shadows.len() >= MAX_SHADOWS {
            self.shadows.clear();
        }
        self.shadows.insert(id, Shadow { until: now + MISSING, reject });
    }
}
