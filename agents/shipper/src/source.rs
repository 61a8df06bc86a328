//! The seam between sources and pipes: where records come from, and what is known of each.
//!
//! A source gives [`Batch`]es of [`Event`]s and is told which of them its pipe's sink has settled. Each pipe has a source of its own
//! with its own position, so that a sink that stands still holds up no other one. Whoever adds a source writes one type that
//! is a [`Source`], names its streams ([`Stream`]) and keeps their positions durable; ids of documents, indices and places in the backup
//! follow from [`Place`] and record alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;

/// A sequence of records whose name never changes its meaning: a partition of one topic, by the topic's id; a file, by its
/// identity; a machine's journal.
///
/// A source makes one when it begins to read a stream, and another one when it begins anew, as after a partition came back to this
/// member: sinks tell two by their address ([`Arc::ptr_eq`]), and so never mix what was read before with what was read after.
#[derive(Debug)]
pub struct Stream {
    /// What ids of documents begin with: `ID-SEQUENCE`. Letters, digits, `-`, `_` and `.` alone, at most 480 bytes.
    pub id: String,
    /// Where the stream's objects stand in the backup, below the day: segments of letters, digits, `-`, `_`, `.` and `=`, joined by
    /// `/`, none at either end.
    pub folder: String,
    /// The members that each document and each line of the backup gets, as JSON without braces: `"kafka_topic_id":"…","kafka_partition":3`.
    pub members: String,
    /// The names of those, and of the one with the sequence: what a record has of these names is replaced.
    pub names: &'static [&'static str],
    /// The name of the member with the sequence: `kafka_offset`.
    pub counted: &'static str,
    /// What metrics call the source: the topic's name, say.
    pub source: String,
    /// Whether it was taken away from this reader: what isn't durable by then is somebody else's.
    ended: AtomicBool,
}

impl Stream {
    /// A stream that is being read.
    pub fn new(id: String, folder: String, members: String, names: &'static [&'static str], source: String) -> Self {
        let counted = names.last().copied().unwrap_or("sequence");
        Self { id, folder, members, names, counted, source, ended: AtomicBool::new(false) }
    }

    /// Says that its records are somebody else's from now on: nobody settles any of them, and sinks drop what isn't durable.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether it ended.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Where a record stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// In which stream.
    pub stream: Arc<Stream>,
    /// Where in it; grows from record to record, not always by one: Kafka's offset, the offset in bytes of the record's first byte in its
    /// file.
    pub sequence: u64,
}

/// A header of a record of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, if it has any.
    pub value: Option<Bytes>,
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is taken.
    #[default]
    Keep,
    /// It is passed over: a transform dropped it. Its place is settled all the same.
    Drop,
    /// It is a dead letter, with the reason: a transform couldn't do its work.
    Refuse(String),
    /// It is a piece of a record that is too long for an index, with the reason: it goes to the dead letters' file.
    Piece(String),
}

/// A record.
#[derive(Debug, Clone)]
pub struct Event {
    /// Where it stands.
    pub place: Place,
    /// The position after it: what [`Source::settle`] is told when it and all before it are settled.
    pub next: u64,
    /// Its source's own time for it, in milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// Its key, where the source has keys.
    pub key: Option<Bytes>,
    /// Its headers, where the source has any.
    pub headers: Vec<Header>,
    /// Its bytes; none for a record without a value, by which Kafka's compacted topics delete a key.
    pub body: Option<Bytes>,
    /// What becomes of it.
    pub fate: Fate,
    /// What transforms made of it, if any looked into it.
    pub made: Option<Box<Made>>,
}

/// What transforms know of a record besides its new body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The record as it was read: dead letters hold it.
    pub of: Bytes,
    /// The time that was read in it.
    pub time: Option<DateTime<Utc>>,
    /// The name of the index of its own that it goes to.
    pub route: Option<Box<str>>,
}

impl Event {
    /// Its bytes as they were read, whatever transforms made of them.
    pub fn as_read(&self) -> Option<&[u8]> {
        self.made.as_ref().map(|made| &*made.of).or(self.body.as_deref())
    }
}

/// Records in the order of their streams. Records of several streams may stand in one.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub events: Vec<Event>,
    /// How many bytes they have together.
    pub bytes: usize,
    /// The room that they take of the pipe's, given back when this is dropped.
    pub room: Option<OwnedSemaphorePermit>,
}

/// A position of a stream: all before it is settled.
pub type Position = (Arc<Stream>, u64);

impl Batch {
    /// Of each stream the position after its last record here.
    pub fn ends(&self) -> Vec<Position> {
        let mut ends: Vec<Position> = Vec::new();
        for event in &self.events {
            let stream = &event.place.stream;
            // Records of a stream mostly stand together.
            match ends.iter_mut().rev().find(|(known, _)| Arc::ptr_eq(known, stream)) {
                Some((_, next)) => *next = event.next,
                None => ends.push((Arc::clone(stream), event.next)),
            }
        }
        ends
    }
}

/// A source of records, read by one pipe.
pub trait Source: Send {
    /// The next records, as soon as there are enough for a request of the sink, or some have waited for as long as they may. It waits for room
    /// before it reads, so that a pipe's memory is bounded. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The source can't go on as it is, and has to be made anew: a topic was deleted and made again, say. What may heal is
    /// waited for and shown instead.
    fn next(&mut self) -> impl Future<Output = Result<Batch>> + Send;

    /// Makes durable that all before these positions is settled. A position of a stream that has ended is passed over. What can't be
    /// made durable now is shown, kept, and goes with the next ones.
    ///
    /// # Errors
    /// The source has to be made anew, as in [`Source::next`]; or, with `last`, something couldn't be made durable.
    fn settle(&mut self, positions: &[Position], last: bool) -> impl Future<Output = Result<()>> + Send;
}

#[cfg(test)]
/// Streams and records for tests.
pub mod testing {
    use super::*;

    /// A stream of a partition of a topic with the id `t`.
    pub fn stream() -> Arc<Stream> {
        let names = &["kafka_topic_id", "kafka_partition", "kafka_offset"];
        let members = "\"kafka_topic_id\":\"t\",\"kafka_partition\":3".to_owned();
        Arc::new(Stream::new("t-3".to_owned(), "facts/t/3".to_owned(), members, names, "facts".to_owned()))
    }

    /// A record at an offset.
    pub fn event(stream: &Arc<Stream>, sequence: u64, body: &[u8]) -> Event {
        Event {
            place: Place { stream: Arc::clone(stream), sequence },
            next: sequence + 1,
            time_ms: Some(1_764_500_000_000 + sequence as i64),
            key: None,
            headers: Vec::new(),
            body: Some(Bytes::copy_from_slice(body)),
            fate: Fate::Keep,
            made: None,
        }
    }

    #[test]
    fn a_batch_ends_where_each_of_its_streams_does() {
        let (one, other) = (stream(), stream());
        let events = vec![event(&one, 4, b"a"), event(&other, 9, b"b"), event(&one, 7, b"c")];
        let ends = Batch { events, bytes: 3, room: None }.ends();
        assert_eq!(ends.len(), 2);
        assert!(ends.iter().any(|(stream, next)| Arc::ptr_eq(stream, &one) && *next == 8));
        assert!(ends.iter().any(|(stream, next)| Arc::ptr_eq(stream, &other) && *next == 10));
    }
}
