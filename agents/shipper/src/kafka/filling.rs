//! The batch that is being filled.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use crate::source::{Event, Fate, Header, Place, Stream};

/// The longest piece of a record that is too long, in bytes.
const PIECE: usize = 1 << 20;
/// What a record takes beside its bytes, in bytes.
pub const RECORD: usize = 256;

/// A record of the batch that is being filled; what it has stands in the arena.
pub struct Raw {
    pub stream: Arc<Stream>,
    pub offset: i64,
    time_ms: Option<i64>,
    key: Option<Range<usize>>,
    headers: Vec<(String, Option<Range<usize>>)>,
    body: Option<Range<usize>>,
}

/// The batch that is being filled.
#[derive(Default)]
pub struct Filling {
    pub arena: Vec<u8>,
    pub records: Vec<Raw>,
    pub began: Option<Instant>,
    /// Whether a partition's first record or an earlier one than the last came: either may be of a topic made again.
    pub begins_anew: bool,
}

impl Filling {
    /// By how much it is filled, in bytes.
    pub fn size(&self) -> usize {
        self.arena.len() + self.records.len() * RECORD / 4
    }

    /// Takes a record of a stream.
    pub fn take(&mut self, message: &BorrowedMessage<'_>, stream: Arc<Stream>) {
        let arena = &mut self.arena;
        let mut put = |bytes: &[u8]| {
            let start = arena.len();
            arena.extend_from_slice(bytes);
            start..arena.len()
        };
        let body = message.payload().map(&mut put);
        let key = message.key().map(&mut put);
        let mut headers = Vec::new();
        if let Some(all) = message.headers() {
            headers.extend(all.iter().map(|header| (header.key.to_owned(), header.value.map(&mut put))));
        }
        let (offset, time_ms) = (message.offset(), message.timestamp().to_millis());
        self.records.push(Raw { stream, offset, time_ms, key, headers, body });
        self.began.get_or_insert_with(Instant::now);
    }
}

impl Raw {
    /// The record as an event, or as several if its body has more than so many bytes.
    pub fn append_to(self, events: &mut Vec<Event>, arena: &Bytes, most: usize) {
        let sequence = u64::try_from(self.offset).unwrap_or_default();
        let of_arena = |range: Option<Range<usize>>| range.map(|range| arena.slice(range));
        let header = |(name, value)| Header { name, value: of_arena(value) };
        let mut event = Event {
            place: Place { stream: self.stream, sequence },
            next: sequence + 1,
            time_ms: self.time_ms,
            key: of_arena(self.key),
            headers: self.headers.into_iter().map(header).collect(),
            body: of_arena(self.body),
            fate: Fate::Keep,
            made: None,
        };
        let Some(long) = event.body.take_if(|body| body.len() > most) else {
            events.push(event);
            return;
        };
        let count = long.len().div_ceil(PIECE);
        for number in 0..count {
            let mut piece = event.clone();
            piece.body = Some(long.slice(number * PIECE..((number + 1) * PIECE).min(long.len())));
            piece.fate = Fate::Piece(format!(
                "the record has {} bytes, more than `max_record` lets through ({most}); this is piece {} of {count}",
                long.len(),
                number + 1
            ));
            if number + 1 < count {
                // Before its last piece nothing of it is settled.
                piece.next = sequence;
            }
            events.push(piece);
        }
    }
}
