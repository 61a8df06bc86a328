//! From a file's bytes to its records. Where records end follows from the bytes alone, however they arrive in parts.

use bytes::{Bytes, BytesMut};

use crate::record::Piece;
use crate::settings::{DECISIVE, Framing};

/// From how many NUL bytes on they separate records. A crash leaves whole pages of them, a writer without `O_APPEND` whole files.
const NULS: usize = 16;

/// A record and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub start: u64,
    pub next: u64,
    pub bytes: Bytes,
    pub piece: Option<Piece>,
}

/// A record by its places in the buffer.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    next: usize,
    piece: Option<Piece>,
}

/// Splits a file's bytes into records.
#[derive(Debug)]
pub(crate) struct Framer {
    framing: Framing,
    longest: usize,
    buffer: BytesMut,
    /// The file's offset of the buffer's first byte.
    offset: u64,
    /// Where in the buffer the open record begins.
    record: usize,
    /// Where the lines of the open record that are whole end: what stands before their last line break, and after it.
    lines: Option<(usize, usize)>,
    /// Where the line begins that isn't whole yet.
    line: usize,
    /// What of it holds no line break.
    scanned: usize,
    /// Whether its beginning was given in a piece.
    line_is_cut: bool,
    /// Whether all until here are NUL bytes that separate.
    in_nuls: bool,
    /// The record that was given in pieces so far: where it begins in the file, and how many pieces.
    pieces: Option<(u64, u32)>,
    /// NUL bytes that were left out.
    pub nuls: u64,
}

impl Framer {
    pub fn new(framing: Framing, longest: usize, offset: u64) -> Self {
        Self {
            framing,
            longest,
            buffer: BytesMut::new(),
            offset,
            record: 0,
            lines: None,
            line: 0,
            scanned: 0,
            line_is_cut: false,
            in_nuls: false,
            pieces: None,
            nuls: 0,
        }
    }

    /// Begins anew at an offset.
    pub fn reset(&mut self, offset: u64) {
        let nuls = self.nuls;
        *self = Self::new(self.framing.clone(), self.longest, offset);
        self.nuls = nuls;
    }

    /// Where the bytes go on that it waits for.
    pub fn end(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Where the record begins that isn't whole yet.
    pub fn open_at(&self) -> u64 {
        self.offset + self.record as u64
    }

    /// How many bytes it holds.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Whether all before [`Self::open_at`] is done with, so that reading may begin there.
    pub fn may_begin(&self) -> bool {
        !self.in_nuls && self.pieces.is_none()
    }

    /// Whether a line that isn't whole waits for its end.
    pub fn has_part(&self) -> bool {
        self.buffer.len() > self.line
    }

    /// Whether a record waits: lines that are whole, a part of one, or the rest of one in pieces.
    pub fn has_open(&self) -> bool {
        self.has_part() || self.lines.is_some() || self.pieces.is_some()
    }

    /// Room for bytes that come next; what [`Self::filled`] isn't told of is taken back.
    pub fn room(&mut self, bytes: usize) -> &mut [u8] {
        let held = self.buffer.len();
        self.buffer.resize(held + bytes, 0);
        &mut self.buffer[held..]
    }

    /// Says how many bytes of the room were filled.
    pub fn filled(&mut self, room: usize, bytes: usize) {
        let held = self.buffer.len() - room;
        self.buffer.truncate(held + bytes);
    }

    /// Takes back the bytes that were filled in last.
    pub fn drop_last(&mut self, bytes: usize) {
        self.buffer.truncate(self.buffer.len() - bytes);
    }

    /// The last bytes that it holds, so many at most.
    pub fn last(&self, bytes: usize) -> &[u8] {
        &self.buffer[self.buffer.len().saturating_sub(bytes)..]
    }

    /// Moves the records that are whole to `frames`.
    pub fn take(&mut self, frames: &mut Vec<Frame>) {
        let mut spans = Vec::new();
        loop {
            let rest = &self.buffer[self.line + self.scanned..];
            let Some(found) = memchr::memchr2(b'\n', 0, rest) else {
                self.scanned = self.buffer.len() - self.line;
                break;
            };
            let at = self.line + self.scanned + found;
            if self.buffer[at] == b'\n' {
                self.end_line(at, at + 1, &mut spans);
                continue;
            }
            let run = self.buffer[at..].iter().take_while(|byte| **byte == 0).count();
            if self.in_nuls && at == self.line || run >= NULS {
                self.end_by_nuls(at, at + run, &mut spans);
            } else if at + run == self.buffer.len() {
                self.scanned = at - self.line;
                break;
            } else {
                self.scanned = at + run - self.line;
            }
        }
        self.cut_part(&mut spans);
        self.give(&spans, frames);
    }

    /// Ends the open record where its last line ends; one with a part of a line ends only if that is to count as a whole.
    pub fn finish(&mut self, with_part: bool, frames: &mut Vec<Frame>) {
        let mut spans = Vec::new();
        if self.has_part() {
            if !with_part {
                return;
            }
            let end = self.buffer.len();
            self.end_line(end, end, &mut spans);
        }
        self.end_record(&mut spans);
        self.give(&spans, frames);
    }

    /// Takes a line that ends at `end` and is followed by others from `next` on.
    fn end_line(&mut self, end: usize, next: usize, spans: &mut Vec<Span>) {
        self.in_nuls = false;
        self.begin_line(end, spans);
        let start = self.line.max(self.record);
        let end = if end > start && self.buffer[end - 1] == b'\r' { end - 1 } else { end };
        let is_open = self.lines.is_some() || self.pieces.is_some();
        self.line = next;
        self.scanned = 0;
        if !is_open && end == start {
            self.record = next;
            return;
        }
        self.shorten(end, spans);
        self.lines = Some((end, next));
        self.line_is_cut = false;
        if self.framing.is_lines() {
            self.end_record(spans);
        }
    }

    /// Ends the record before the line in hand, if that begins one.
    fn begin_line(&mut self, end: usize, spans: &mut Vec<Span>) {
        let is_open = self.lines.is_some() || self.pieces.is_some();
        if is_open && !self.line_is_cut && !self.framing.is_lines() && self.framing.starts(&self.buffer[self.line..end])
        {
            self.end_record(spans);
        }
    }

    /// Gives what is longer than a record may be in pieces: up to the last line that fits, or so many bytes.
    fn shorten(&mut self, end: usize, spans: &mut Vec<Span>) {
        if end - self.record <= self.longest {
            return;
        }
        if let Some((lines_end, next)) = self.lines.take() {
            self.give_piece(lines_end, next, false, spans);
        }
        while end - self.record > self.longest {
            let cut = self.record + self.longest;
            self.give_piece(cut, cut, false, spans);
            self.line_is_cut = true;
        }
    }

    /// Gives pieces of a line whose end isn't in sight.
    fn cut_part(&mut self, spans: &mut Vec<Span>) {
        // The last byte may be that of a line break of two.
        let part = self.scanned.saturating_sub(1);
        let end = self.line + part;
        if end.saturating_sub(self.record) <= self.longest {
            return;
        }
        if self.lines.is_some() {
            if part < DECISIVE {
                return;
            }
            self.begin_line(end, spans);
        }
        self.shorten(end, spans);
    }

    fn end_by_nuls(&mut self, at: usize, next: usize, spans: &mut Vec<Span>) {
        if at > self.line {
            self.end_line(at, at, spans);
        }
        self.end_record(spans);
        self.nuls += (next - at) as u64;
        self.in_nuls = true;
        (self.record, self.line, self.scanned) = (next, next, 0);
    }

    fn end_record(&mut self, spans: &mut Vec<Span>) {
        match self.lines.take() {
            Some((end, next)) => self.give_piece(end, next, true, spans),
            None if self.pieces.is_some() => self.give_piece(self.record, self.record, true, spans),
            None => {}
        }
    }

    fn give_piece(&mut self, end: usize, next: usize, last: bool, spans: &mut Vec<Span>) {
        let piece = match self.pieces {
            None if last => None,
            None => Some((self.offset + self.record as u64, 0)),
            Some((of, given)) => Some((of, given)),
        };
        self.pieces = piece.filter(|_| !last).map(|(of, number)| (of, number + 1));
        let piece = piece.map(|(of, number)| Piece { of, number, last });
        spans.push(Span { start: self.record, end, next, piece });
        self.record = next;
    }

    fn give(&mut self, spans: &[Span], frames: &mut Vec<Frame>) {
        let done = self.record;
        if done == 0 && spans.is_empty() {
            return;
        }
        let whole = self.buffer.split_to(done).freeze();
        frames.extend(spans.iter().map(|span| Frame {
            start: self.offset + span.start as u64,
            next: self.offset + span.next as u64,
            bytes: whole.slice(span.start..span.end),
            piece: span.piece,
        }));
        self.offset += done as u64;
        self.record = 0;
        self.scanned -= done.saturating_sub(self.line);
        self.line = self.line.saturating_sub(done);
        self.lines = self.lines.map(|(end, next)| (end - done, next - done));
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
