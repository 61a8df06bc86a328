//! The backup as a sink: records as lines of objects in S3, whose names follow from the records in them.
//!
//! An object is written once. Its first record is the one that the position stands at, so that after a crash between the writing of an
//! object and the settling of its position the object is found by its begin, and passed over. `docs/decisions/shipping.md` says what
//! happens when two write at the same time.

mod line;
mod object;
mod place;
mod read;
mod store;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use tokio::task::{JoinError, JoinSet};

use crate::backup::line::write_line;
use crate::backup::object::{Open, Packer};
use crate::backup::place::day;
use crate::backup::store::Closed;
use crate::metrics::PipeMetrics;
use crate::sink::Sink;
use crate::source::{Batch, Event, Fate, Position, Stream};

pub use place::Named;
pub use read::{Origin, Record, Shelves};
pub use store::Store;

/// How many objects are written at the same time.
const WRITERS: usize = 4;

/// When an object is full.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many bytes of lines make an object full.
    pub bytes: u64,
    /// So long after its first record an object is written.
    pub age: Duration,
    /// So many bytes of lines and objects may be held in memory.
    pub held: usize,
}

/// One stream's part of the backup.
#[derive(Debug)]
struct Shelf {
    stream: Arc<Stream>,
    /// Records before this are in objects that were found.
    skip_to: u64,
    /// Whether there may be objects that begin where the next record stands.
    follows: bool,
    open: Option<Open>,
    /// Objects that wait for those before them.
    closed: VecDeque<Closed>,
    /// Whether one is being written.
    is_written: bool,
}

impl Shelf {
    /// Whether all that was taken is durable.
    fn is_idle(&self) -> bool {
        self.open.is_none() && self.closed.is_empty() && !self.is_written
    }

    fn held(&self) -> usize {
        self.open.as_ref().map_or(0, Open::held) + self.closed.iter().map(|closed| closed.packed.len()).sum::<usize>()
    }
}

/// The backup.
pub struct BackupSink {
    store: Arc<Store>,
    limits: Limits,
    metrics: PipeMetrics,
    packer: Packer,
    /// By the streams' addresses.
    shelves: HashMap<usize, Shelf>,
    /// Bytes of objects that are being written.
    writing: usize,
    writers: JoinSet<Result<Closed>>,
    settled: Vec<Position>,
}

impl BackupSink {
    /// The backup in a store.
    ///
    /// # Errors
    /// No compressor can be made.
    pub fn new(store: Store, limits: Limits, metrics: PipeMetrics) -> Result<Self> {
        Ok(Self {
            store: Arc::new(store),
            limits,
            metrics,
            packer: Packer::new()?,
            shelves: HashMap::new(),
            writing: 0,
            writers: JoinSet::new(),
            settled: Vec::new(),
        })
    }

    /// Adds a record to its stream's open object; those that an object has already are passed over.
    async fn add(&mut self, event: &Event) -> Result<()> {
        let key = Arc::as_ptr(&event.place.stream).addr();
        let shelf = self.shelves.entry(key).or_insert_with(|| Shelf {
            stream: Arc::clone(&event.place.stream),
            skip_to: 0,
            follows: true,
            open: None,
            closed: VecDeque::new(),
            is_written: false,
        });
        if shelf.stream.is_ended() {
            return Ok(());
        }
        if event.fate == Fate::Drop {
            if let Some(open) = &mut shelf.open {
                open.next = event.next;
            } else if shelf.is_idle() {
                self.settled.push((Arc::clone(&shelf.stream), event.next));
            }
            // Else the object before is still to be written, and the next record's object takes this along.
            return Ok(());
        }
        let sequence = event.place.sequence;
        while shelf.follows && sequence >= shelf.skip_to {
            match self.store.found(&event.place, day(event.time_ms)).await? {
                Some(next) => {
                    tracing::info!(stream = shelf.stream.id, from = sequence, next, "the backup has these already");
                    shelf.skip_to = next;
                }
                None => shelf.follows = false,
            }
        }
        if sequence < shelf.skip_to {
            if event.next >= shelf.skip_to {
                self.settled.push((Arc::clone(&shelf.stream), event.next));
            }
            return Ok(());
        }
        let open = shelf.open.get_or_insert_with(|| Open::new(&event.place, day(event.time_ms)));
        write_line(event, &mut open.lines);
        open.next = event.next;
        if open.lines.len() >= object::FRAME {
            self.packer.pack(open)?;
        }
        if open.bytes() >= self.limits.bytes {
            self.close(key)?;
        }
        Ok(())
    }

    /// Closes a stream's open object, which is written as soon as those before it are.
    fn close(&mut self, key: usize) -> Result<()> {
        let Some(shelf) = self.shelves.get_mut(&key) else { return Ok(()) };
        if let Some(mut open) = shelf.open.take() {
            self.packer.pack(&mut open)?;
            shelf.closed.push_back(self.store.closed(&shelf.stream, open));
        }
        self.write();
        Ok(())
    }

    /// Begins to write what may be written: of each stream one object after the other.
    fn write(&mut self) {
        for shelf in self.shelves.values_mut() {
            if self.writers.len() >= WRITERS {
                return;
            }
            if !shelf.is_written
                && let Some(closed) = shelf.closed.pop_front()
            {
                shelf.is_written = true;
                self.writing += closed.packed.len();
                let store = Arc::clone(&self.store);
                self.writers.spawn(async move { store.put(closed).await });
            }
        }
    }

    /// Takes note of an object that was written.
    fn note(&mut self, written: Result<Result<Closed>, JoinError>) -> Result<()> {
        let closed = written.map_err(|error| anyhow!("an object of the backup ended in a panic: {error}"))??;
        self.writing -= closed.packed.len();
        if let Some(shelf) = self.shelves.get_mut(&Arc::as_ptr(&closed.stream).addr()) {
            shelf.is_written = false;
        }
        self.settled.push((closed.stream, closed.next));
        self.write();
        Ok(())
    }

    /// Forgets streams that are somebody else's: what isn't durable of them is read again there.
    fn forget_ended(&mut self) {
        self.shelves.retain(|_, shelf| !shelf.stream.is_ended() || shelf.is_written);
        for shelf in self.shelves.values_mut().filter(|shelf| shelf.stream.is_ended()) {
            shelf.open = None;
            shelf.closed.clear();
        }
    }

    fn held(&self) -> usize {
        self.shelves.values().map(Shelf::held).sum::<usize>() + self.writing
    }

    /// Closes the largest objects, and waits for some to be written, until no more is held than may be.
    async fn make_room(&mut self) -> Result<()> {
        let lines = |shelf: &Shelf| shelf.open.as_ref().map_or(0, |open| open.lines.len());
        while self.shelves.values().map(lines).sum::<usize>() > self.limits.held / 4 {
            let Some(largest) = self.shelves.values_mut().max_by_key(|shelf| lines(shelf)) else { break };
            let Some(open) = &mut largest.open else { break };
            self.packer.pack(open)?;
        }
        while self.held() > self.limits.held {
            let opened = self.shelves.iter().filter(|(_, shelf)| shelf.open.is_some());
            let largest =
                opened.max_by_key(|(_, shelf)| shelf.open.as_ref().map_or(0, Open::held)).map(|(key, _)| *key);
            // What is closed is written by and by; more is closed only as long as most of it is still open.
            let closed =
                self.held() - self.shelves.values().filter_map(|s| s.open.as_ref()).map(Open::held).sum::<usize>();
            match largest {
                Some(key) if closed < self.limits.held / 2 => self.close(key)?,
                _ => {
                    let written =
                        self.writers.join_next().await.context("this is a bug in lakewright: nothing is written")?;
                    self.note(written)?;
                }
            }
        }
        Ok(())
    }

    /// When the next object is old enough to be written.
    fn due(&self) -> Option<Instant> {
        let opened = self.shelves.values().filter_map(|shelf| shelf.open.as_ref());
        opened.map(|open| open.began + self.limits.age).min()
    }

    fn close_all(&mut self, is_due: impl Fn(&Open) -> bool) -> Result<()> {
        let due: Vec<usize> = (self.shelves.iter())
            .filter(|(_, shelf)| shelf.open.as_ref().is_some_and(&is_due))
            .map(|(key, _)| *key)
            .collect();
        due.into_iter().try_for_each(|key| self.close(key))
    }
}

impl Sink for BackupSink {
    async fn take(&mut self, batch: Batch) -> Result<()> {
        self.forget_ended();
        for event in &batch.events {
            self.add(event).await?;
        }
        drop(batch);
        self.make_room().await?;
        self.metrics.in_hand.set(self.held() as f64);
        Ok(())
    }

    async fn turn(&mut self) -> Result<()> {
        let due = self.due();
        tokio::select! {
            Some(written) = self.writers.join_next() => self.note(written),
            () = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            } => {
                self.forget_ended();
                let (now, age) = (Instant::now(), self.limits.age);
                self.close_all(|open| open.began + age <= now)
            }
        }
    }

    fn settled(&mut self) -> Vec<Position> {
        std::mem::take(&mut self.settled)
    }

    async fn finish(&mut self) -> Result<()> {
        self.forget_ended();
        self.close_all(|_| true)?;
        let mut finished = Ok(());
        while let Some(written) = self.writers.join_next().await {
            let noted = self.note(written);
            finished = finished.and(noted);
        }
        finished
    }
}

#[cfg(test)]
mod tests;
