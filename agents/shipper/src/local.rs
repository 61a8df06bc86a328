//! Log files and the journal of this host as a source: what `lakewright_tail` reads, with a checkpoint of its own for each sink.

mod body;
mod run;
mod tail;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use lakewright_config::agents::shipper::sources::LocalSource as Declaration;
use lakewright_tail::Record;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::tail::{About, Progress, Tail};
use crate::members::Named;
use crate::metrics::{PipeMetrics, SourceMetrics};
use crate::source::{Batch, Event, Fate, Place, Position, Source, Stream};

pub use tail::{check, machine, open_anew};

/// How long nothing is asked when nothing was new.
const PAUSE: Duration = Duration::from_millis(100);
/// What a record takes beside its bytes, in bytes.
const RECORD: usize = 256;

/// How a pipe reads.
#[derive(Debug, Clone)]
pub struct Reading {
    /// How many bytes of records a batch has, about.
    pub bytes: usize,
    /// How long records may wait for others of a batch that isn't full.
    pub interval: Duration,
    /// The room of the pipe in KiB.
    pub room: usize,
    /// How many bytes of room a byte of a record takes, with what is made of it.
    pub weight: usize,
}

/// What is read, until the source is let go: another one may go on from the checkpoint then.
#[derive(Debug)]
struct Held {
    tail: Tail,
    is_closed: bool,
}

/// What one look at files or journal gave.
#[derive(Debug)]
struct Polled {
    records: Vec<Record>,
    notices: Vec<(About, String)>,
    progress: Progress,
}

/// A source on this host, as one pipe reads it.
#[derive(Debug)]
pub struct LocalSource {
    name: String,
    time_field: String,
    host: String,
    held: Arc<Mutex<Held>>,
    reading: Reading,
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    polling: Option<JoinHandle<Polled>>,
    /// What was read and waits for room.
    read: Option<Vec<Event>>,
    /// Before when nothing is read.
    rests_until: Option<Instant>,
    streams: HashMap<Arc<str>, Arc<Stream>>,
    metrics: PipeMetrics,
    reported: SourceMetrics,
    /// What was reported.
    shown: Progress,
    /// Records and bytes so far, for the average record.
    so_far: (u64, u64),
}

/// Lets nothing be read or written behind the checkpoint from now on.
impl Drop for LocalSource {
    fn drop(&mut self) {
        self.held.lock().is_closed = true;
    }
}

impl LocalSource {
    /// The source of a name as it is declared, with its checkpoint for a sink in a folder.
    ///
    /// # Errors
    /// The declaration is wrong, or the checkpoint can't be read.
    pub fn open(
        (name, declared): (&str, &Declaration),
        sink: &str,
        state: &Path,
        reading: Reading,
        metrics: PipeMetrics,
    ) -> Result<Self> {
        let checkpoint = state.join(format!("{name}.{sink}.checkpoint"));
        let tail = Tail::open(declared, &machine(), checkpoint)?;
        Ok(Self {
            name: name.to_owned(),
            time_field: declared.time_field.clone(),
            host: host(),
            held: Arc::new(Mutex::new(Held { tail, is_closed: false })),
            room: Arc::new(Semaphore::new(reading.room)),
            reading,
            permit: None,
            polling: None,
            read: None,
            rests_until: None,
            streams: HashMap::new(),
            reported: metrics.source(),
            metrics,
            shown: Progress::default(),
            so_far: (0, 0),
        })
    }

    /// A batch of what was read, as soon as there is room for what was made of it: of short lines that is many times what they have.
    /// Dropping the future loses nothing.
    async fn batch(&mut self) -> Result<Option<Batch>> {
        let Some(events) = &self.read else { return Ok(None) };
        let bytes = events.iter().map(|event| event.body.as_ref().map_or(0, bytes::Bytes::len)).sum();
        let needed = self.kib(bytes + RECORD * events.len());
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if held < needed {
            let more = u32::try_from(needed - held).context("the room is too large")?;
            let more = Arc::clone(&self.room).acquire_many_owned(more).await?;
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
        }
        let (Some(events), Some(mut room)) = (self.read.take(), self.permit.take()) else { return Ok(None) };
        if let Some(rest) = room.num_permits().checked_sub(needed).filter(|rest| *rest > 0) {
            drop(room.split(rest));
        }
        self.metrics.bytes.increment(bytes as u64);
        self.reported.records.increment(events.len() as u64);
        self.show_lag(&self.shown, 0);
        Ok(Some(Batch { events, bytes, room: Some(room) }))
    }

    fn event(&mut self, record: Record) -> Event {
        let stream = self.stream(&record);
        let (body, time_ms, fate) = match record.piece {
            None => {
                let found = body::of(&record, &self.time_field);
                (found.body, found.time_ms, Fate::Keep)
            }
            Some(piece) => {
                let reason = format!("piece {} of a record that is longer than `max_record`", piece.number + 1);
                (record.bytes, None, Fate::Piece(reason))
            }
        };
        Event {
            place: Place { stream, sequence: record.sequence },
            next: record.next,
            time_ms,
            key: None,
            headers: Vec::new(),
            body: Some(body),
            fate,
            made: None,
        }
    }

    fn stream(&mut self, record: &Record) -> Arc<Stream> {
        if let Some(stream) = self.streams.get(&record.stream) {
            return Arc::clone(stream);
        }
        let path = record.path.as_ref().map_or_else(|| "journal".into(), |path| path.to_string_lossy());
        let named = Named {
            source: self.name.clone(),
            stream: record.stream.to_string(),
            path: path.into_owned(),
            host: self.host.clone(),
        };
        let stream = Arc::new(named.stream_of());
        self.streams.insert(Arc::clone(&record.stream), Arc::clone(&stream));
        stream
    }

    /// How much room so many bytes take, in KiB.
    fn kib(&self, bytes: usize) -> usize {
        (bytes * self.reading.weight).div_ceil(1024).clamp(1, self.reading.room)
    }

    /// Says how far reading is, and what can't be had any more.
    fn report(&mut self, polled: &Polled) {
        let (trouble, progress) = (&self.metrics.trouble, polled.progress);
        // The journal's reader is well again when it gives something, files when all can be read.
        if progress.unreadable == 0 && (progress.is_behind || progress.is_of_files) {
            trouble.of("reading").ends();
        }
        for (about, notice) in &polled.notices {
            let text = format!("{}: {notice}", self.name);
            match about {
                About::Usual => tracing::warn!(source = self.name, notice, "noticed"),
                About::Reading => trouble.of("reading").begins(text),
                About::Checkpoint => trouble.of("checkpoint").begins(text),
                About::Loss => trouble.happened(text),
            }
        }
        self.so_far.0 += polled.records.len() as u64;
        self.so_far.1 += polled.records.iter().map(|record| record.bytes.len() as u64 + 1).sum::<u64>();
        self.show_lag(&progress, polled.records.iter().map(|record| record.bytes.len() as u64 + 1).sum());
        self.reported.unreadable.set(progress.unreadable as f64);
        self.reported.lost.increment(progress.lost_bytes.saturating_sub(self.shown.lost_bytes));
        self.metrics.lost.increment(progress.lost_records.saturating_sub(self.shown.lost_records));
        self.shown = progress;
    }

    /// Says how much is to be read, with so many bytes that were read and wait for room.
    fn show_lag(&self, progress: &Progress, waiting: u64) {
        let bytes = progress.unread_bytes + waiting;
        let average = (self.so_far.1 / self.so_far.0.max(1)).max(1);
        let records = bytes.div_ceil(average).max(u64::from(progress.is_behind));
        self.metrics.set_lag(i64::try_from(records).ok());
        self.reported.set_lag(bytes);
    }

    /// Waits until it is time to read and there is room.
    async fn ready(&mut self) -> Result<()> {
        if let Some(until) = self.rests_until {
            tokio::time::sleep_until(until).await;
            self.rests_until = None;
        }
        if self.permit.is_none() {
            let wanted = u32::try_from(self.kib(2 * self.reading.bytes)).context("the room is too large")?;
            self.permit = Some(Arc::clone(&self.room).acquire_many_owned(wanted).await?);
        }
        Ok(())
    }
}

impl Source for LocalSource {
    async fn next(&mut self) -> Result<Batch> {
        loop {
            if let Some(batch) = self.batch().await? {
                return Ok(batch);
            }
            // What is being read is kept when this future is dropped: the next one gives it.
            if self.polling.is_none() {
                self.ready().await?;
            }
            let (held, bytes) = (&self.held, self.reading.bytes);
            let polling = self.polling.get_or_insert_with(|| {
                let held = Arc::clone(held);
                tokio::task::spawn_blocking(move || held.lock().poll(bytes))
            });
            let polled = polling.await;
            self.polling = None;
            let polled = polled.map_err(|error| anyhow!("reading {} was cut short: {error}", self.name))?;
            self.report(&polled);
            let read: usize = polled.records.iter().map(|record| record.bytes.len()).sum();
            let rest = if polled.records.is_empty() { PAUSE } else { self.reading.interval };
            self.rests_until = (read < self.reading.bytes).then(|| Instant::now() + rest);
            if !polled.records.is_empty() {
                self.read = Some(polled.records.into_iter().map(|record| self.event(record)).collect());
            }
        }
    }

    async fn settle(&mut self, positions: &[Position], last: bool) -> Result<()> {
        let positions: Vec<(String, u64)> =
            positions.iter().map(|(stream, position)| (stream.id.clone(), *position)).collect();
        let held = Arc::clone(&self.held);
        let settled = tokio::task::spawn_blocking(move || held.lock().tail.settle(&positions)).await;
        let settled = settled.context("settling was cut short")?;
        let trouble = self.metrics.trouble.of("checkpoint");
        match settled {
            Ok(()) => trouble.ends(),
            Err(error) if last => return Err(error),
            // What was settled is kept, and written with the next positions.
            Err(error) => trouble.begins(format!("{}: {error:#}", self.name)),
        }
        Ok(())
    }
}

impl Held {
    fn poll(&mut self, bytes: usize) -> Polled {
        if self.is_closed {
            return Polled { records: Vec::new(), notices: Vec::new(), progress: Progress::default() };
        }
        let records = self.tail.poll(bytes);
        Polled { notices: self.tail.notices(), progress: self.tail.progress(!records.is_empty()), records }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests;
