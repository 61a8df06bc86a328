//! The sink: batches become requests side by side, and positions settle in the order in which batches came.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use chrono::Utc;
use lakewright_runtime::Agent;
use tokio::task::{JoinError, JoinSet};

use crate::letters::Letters;
use crate::metrics::PipeMetrics;
use crate::search::client::{Refusal, Search};
use crate::search::document::{Bulk, Kind, Settings, letter};
use crate::search::time::days_since_1970;
use crate::sink::Sink;
use crate::source::{Batch, Event, Fate, Position};
use crate::transforms::Declared;

/// What a document has beside its record as a rule, in bytes.
const ADDED: usize = 256;
/// The type that dead letters have which the shipper itself finds no document in.
const NO_DOCUMENT: &str = "no_document";
/// Types of errors of a document that doesn't fit the mapping of its index.
const MAPPING: [&str; 4] = [
    "document_parsing_exception",
    "illegal_argument_exception",
    "mapper_parsing_exception",
    "strict_dynamic_mapping_exception",
];

/// Batches in the order in which they came.
#[derive(Debug, Default)]
struct Order {
    /// The number of the first that isn't settled.
    first: u64,
    /// Where each ends, and whether it is done.
    waiting: VecDeque<(Vec<Position>, bool)>,
}

impl Order {
    /// Adds a batch; its number.
    fn add(&mut self, ends: Vec<Position>) -> u64 {
        self.waiting.push_back((ends, false));
        self.first + self.waiting.len() as u64 - 1
    }

    /// A batch is done; the positions that are settled by it, in order.
    fn done(&mut self, number: u64) -> Vec<Position> {
        let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        if let Some((_, done)) = self.waiting.get_mut(place) {
            *done = true;
        }
        let mut settled = Vec::new();
        while let Some((ends, _)) = self.waiting.pop_front_if(|(_, done)| *done) {
            self.first += 1;
            settled.extend(ends);
        }
        settled
    }
}

/// What batches are shipped by.
struct Shipping {
    search: Search,
    settings: Settings,
    transforms: Declared,
    letters: Letters,
    metrics: PipeMetrics,
    agent: Agent,
}

/// The index.
pub struct IndexSink {
    shipping: Arc<Shipping>,
    order: Order,
    tasks: JoinSet<Result<u64>>,
    settled: Vec<Position>,
}

impl IndexSink {
    /// The index of a cluster.
    pub fn new(
        search: Search,
        settings: Settings,
        transforms: Declared,
        letters: Letters,
        agent: Agent,
        metrics: PipeMetrics,
    ) -> Self {
        let shipping = Arc::new(Shipping { search, settings, transforms, letters, metrics, agent });
        Self { shipping, order: Order::default(), tasks: JoinSet::new(), settled: Vec::new() }
    }

    /// How many batches are under way.
    pub fn in_hand(&self) -> usize {
        self.tasks.len()
    }

    /// Takes note of a batch that was shipped. One that wasn't keeps its position, and all after it.
    fn note(&mut self, shipped: Result<Result<u64>, JoinError>) -> Result<()> {
        let number = shipped.map_err(|error| anyhow!("a batch for the index ended in a panic: {error}"))??;
        self.settled.extend(self.order.done(number));
        Ok(())
    }
}

impl Sink for IndexSink {
    async fn take(&mut self, batch: Batch) -> Result<()> {
        let number = self.order.add(batch.ends());
        let shipping = Arc::clone(&self.shipping);
        self.tasks.spawn(async move { shipping.ship(batch).await.map(|()| number) });
        Ok(())
    }

    async fn turn(&mut self) -> Result<()> {
        match self.tasks.join_next().await {
            None => std::future::pending().await,
            Some(shipped) => self.note(shipped),
        }
    }

    fn settled(&mut self) -> Vec<Position> {
        std::mem::take(&mut self.settled)
    }

    async fn finish(&mut self) -> Result<()> {
        let mut finished = Ok(());
        while let Some(shipped) = self.tasks.join_next().await {
            let noted = self.note(shipped);
            finished = finished.and(noted);
        }
        finished
    }
}

impl Shipping {
    /// Ships a batch: each of its records is in an index then, among the dead letters, or said to be in neither.
    async fn ship(&self, mut batch: Batch) -> Result<()> {
        self.metrics.in_hand.increment(batch.bytes as f64);
        self.transforms.apply(&mut batch);
        let shipped = self.index(&batch).await;
        self.metrics.in_hand.decrement(batch.bytes as f64);
        shipped
    }

    async fn index(&self, batch: &Batch) -> Result<()> {
        // How objects are kept there says how documents are made.
        self.search.prepare().await?;
        let dots = self.search.takes_dots();
        let today = days_since_1970(Utc::now().date_naive());
        let text = self.search.buffers().take(batch.bytes + batch.events.len() * ADDED);
        let mut bulk = Bulk { text, ..Bulk::default() };
        let mut events: Vec<&Event> = Vec::with_capacity(batch.events.len());
        let mut filed: Vec<(&Event, String, String)> = Vec::new();
        for event in &batch.events {
            match &event.fate {
                Fate::Drop => continue,
                Fate::Piece(reason) => {
                    filed.push((event, "too_long".to_owned(), reason.clone()));
                    continue;
                }
                Fate::Refuse(reason) => self.settings.add_rejected(event, reason, None, &mut bulk),
                Fate::Keep => {
                    if let Err(reason) = self.settings.add(event, (today, dots), &mut bulk) {
                        self.settings.add_rejected(event, &reason, None, &mut bulk);
                    }
                }
            }
            events.push(event);
        }
        let own: Vec<bool> = bulk.kinds.iter().map(|kind| *kind == Kind::Rejected).collect();
        let mut rejected = own.iter().filter(|own| **own).count();
        for _ in 0..rejected {
            self.metrics.count_reason(NO_DOCUMENT);
        }
        let refusals = if bulk.is_empty() { Vec::new() } else { self.search.index(bulk).await? };
        let mut refused: Vec<(&Event, Refusal)> = Vec::new();
        for refusal in refusals {
            let event = events[refusal.position];
            self.metrics.count_reason(&refusal.kind);
            if own[refusal.position] {
                rejected -= 1;
                filed.push((event, refusal.kind, refusal.reason));
            } else {
                refused.push((event, refusal));
            }
        }
        let refused = self.flattened(refused, today).await?;
        rejected += refused.len();
        let mut again = Bulk::default();
        for (event, refusal) in &refused {
            self.settings.add_rejected(event, &refusal.reason, Some(&refusal.kind), &mut again);
        }
        if !refused.is_empty() {
            for Refusal { position, kind, reason } in self.search.index(again).await? {
                rejected -= 1;
                filed.push((refused[position].0, kind, reason));
            }
        }
        self.metrics.rejected.increment(rejected as u64);
        self.file(filed).await;
        Ok(())
    }

    /// Sends documents that don't fit their index once more, with the record where it does: the types of no member are in its way there.
    /// Those that aren't taken are returned, with why they weren't at first.
    async fn flattened<'a>(&self, refused: Vec<(&'a Event, Refusal)>, today: i64) -> Result<Vec<(&'a Event, Refusal)>> {
        let mut bulk = Bulk::default();
        let (mut sent, mut rest) = (Vec::new(), Vec::new());
        // Without its template an index would map whatever is in it.
        let has_templates = self.search.has_templates();
        for (event, refusal) in refused {
            let may_fit = has_templates && MAPPING.contains(&refusal.kind.as_str());
            if may_fit && self.settings.add_flattened(event, today, &refusal.reason, &mut bulk).is_ok() {
                sent.push(Some((event, refusal)));
            } else {
                rest.push((event, refusal));
            }
        }
        if sent.is_empty() {
            return Ok(rest);
        }
        let count = sent.len();
        for Refusal { position, .. } in self.search.index(bulk).await? {
            rest.extend(sent[position].take());
        }
        let taken = sent.iter().filter(|one| one.is_some()).count();
        self.metrics.flattened.increment(taken as u64);
        tracing::debug!(documents = count, taken, "documents were sent with their records flattened");
        Ok(rest)
    }

    /// Writes dead letters that no index takes to their file.
    async fn file(&self, filed: Vec<(&Event, String, String)>) {
        if filed.is_empty() {
            return;
        }
        let mut lines = Vec::new();
        for (event, kind, reason) in &filed {
            letter(event, reason, Some(kind), &mut lines);
            lines.push(b'\n');
        }
        let count = filed.len() as u64;
        self.metrics.refused.increment(count);
        let (event, kind, reason) = &filed[0];
        let place = format!("{} {} {}", event.place.stream.source, event.place.stream.id, event.place.sequence);
        let kept = match self.letters.add(lines, &self.agent).await {
            Ok(()) => format!("kept in {}", self.letters.shown()),
            Err(error) => format!("in the backup alone, for {} can't be written: {error:#}", self.letters.shown()),
        };
        self.metrics.trouble.happened(format!(
            "no index takes {count} records, they are {kept}; the first is {place}: {kind}: {reason}"
        ));
    }
}

#[cfg(test)]
mod tests;
