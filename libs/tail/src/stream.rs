//! A stream: one generation of a file's contents, from its first byte on, wherever these bytes stand now.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::content::{FileId, Key};
use crate::fingerprint::{Digest, HEAD, Head, Mark};
use crate::frame::{Frame, Framer};
use crate::record::Record;
use crate::settings::Settings;

/// How many of a file's first bytes are kept as they are: what is shorter than a head can't be recognised by a digest.
const START: usize = 1024;

/// What the checkpoint keeps of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// What its contents are called.
    pub base: String,
    /// How many contents of the same name came before.
    pub generation: u32,
    /// The file that held it last.
    pub file: FileId,
    /// The file's name when it was found first; renamed ones and copies mostly stand beside it.
    pub path: String,
    /// When the file was made that held it first, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<u64>,
    /// All before it is taken.
    pub position: u64,
    pub head: Head,
    /// The bytes before a position that was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Where records end whatever comes after: they were given when nothing came for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<u64>,
    /// The size that was seen last.
    pub size: u64,
    /// The size of the gzip file that was read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked: Option<u64>,
    /// The copy that holds it, when that ends before the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Short>,
    /// Whether the file that held it last holds other contents now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Since when no file holds it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<u64>,
}

impl Entry {
    /// What the stream is called.
    pub fn name(&self) -> String {
        match self.generation {
            0 => format!("file-{}", self.base),
            generation => format!("file-{}.{generation}", self.base),
        }
    }
}

/// A copy that ends before what was read of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Short {
    /// The file's size.
    pub size: u64,
    /// Its head.
    pub head: Head,
}

impl Short {
    /// Whether a file that begins with the bytes is this copy, packed.
    pub fn is_whole(&self, head: &[u8]) -> bool {
        self.head.fits(head) && (self.head.is_full() || head.len() == self.head.length)
    }
}

/// What contents are called: by machine, file and first line. It is the same for whoever reads them, at any time.
pub(crate) fn base(machine: &str, file: Option<&FileId>, first_line: &[u8]) -> String {
    let place = file.map(|file| (file.inode, file.born.unwrap_or(file.device)));
    let (inode, born) = place.unwrap_or_default();
    let parts: [&[u8]; 5] = [machine.as_bytes(), &[0], &inode.to_le_bytes(), &born.to_le_bytes(), first_line];
    Digest::of(&parts).text()
}

/// A stream and how far it was read.
#[derive(Debug)]
pub(crate) struct Stream {
    pub entry: Entry,
    pub name: Arc<str>,
    path: Option<Arc<Path>>,
    pub framer: Framer,
    /// All before it was handed out.
    pub given: u64,
    /// Where each batch's part ended, with the bytes before.
    waiting: VecDeque<(u64, Mark)>,
    /// Where records begin and end that are given in pieces; the end is not known before the last piece.
    pieces: VecDeque<(u64, Option<u64>)>,
    /// Whether the checkpoint must be written before records of it are handed out.
    pub unsaved: bool,
    /// How many of the cuts are in a checkpoint that was written.
    pub saved_cuts: usize,
    /// The file's first bytes, [`START`] at most, once they were read in this run.
    pub start: Vec<u8>,
    /// The bytes that were read last.
    pub last_read: Option<Mark>,
    /// When bytes came last that were not read before, and where they ended.
    pub grew: Instant,
    pub top: u64,
    /// The file that holds it.
    pub carrier: Option<Key>,
    /// Until when a file is looked for that holds it, when none does.
    pub hunted: Option<Instant>,
    /// A long part of a record was let go for want of room.
    pub parked: Option<Parked>,
}

/// A part of a record that was let go and is read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parked {
    /// The file's size then.
    pub size: u64,
    /// Before when it isn't read again, though the file grows.
    pub until: Instant,
    /// Whether a part of a line was in it.
    pub has_part: bool,
}

impl Stream {
    pub fn new(entry: Entry, settings: &Settings, now: Instant) -> Self {
        Self {
            name: entry.name().into(),
            path: None,
            framer: Framer::new(settings.framing.clone(), settings.longest(), entry.position),
            given: entry.position,
            waiting: VecDeque::new(),
            pieces: VecDeque::new(),
            unsaved: false,
            saved_cuts: entry.cuts.len(),
            start: Vec::new(),
            last_read: entry.mark,
            grew: now,
            top: entry.position,
            carrier: None,
            hunted: None,
            parked: None,
            entry,
        }
    }

    /// Where reading must stop: there a record ends whatever comes after.
    pub fn next_cut(&self) -> Option<u64> {
        let end = self.framer.end();
        self.entry.cuts.iter().copied().find(|cut| *cut > end)
    }

    /// Takes note that a record ends here whatever comes after.
    pub fn cut(&mut self) {
        self.entry.cuts.push(self.framer.end());
        self.unsaved = true;
    }

    /// Makes records of frames and takes note of them.
    pub fn give(&mut self, frames: Vec<Frame>, records: &mut Vec<Record>) {
        let Some(last) = frames.last() else { return };
        let path = Arc::clone(self.path.get_or_insert_with(|| Path::new(&self.entry.path).into()));
        self.given = last.next;
        self.waiting.push_back((last.next, Mark::of(last.start + last.bytes.len() as u64, &last.bytes)));
        for frame in frames {
            if let Some(piece) = frame.piece {
                if piece.number == 0 {
                    self.pieces.push_back((piece.of, None));
                }
                if piece.last
                    && let Some(open) = self.pieces.back_mut()
                {
                    open.1 = Some(frame.next);
                }
            }
            records.push(Record {
                bytes: frame.bytes,
                stream: Arc::clone(&self.name),
                sequence: frame.start,
                next: frame.next,
                piece: frame.piece,
                time: None,
                born: self.entry.born,
                path: Some(Arc::clone(&path)),
            });
        }
    }

    /// Takes note that all before a position is taken; whether that moved what is kept.
    pub fn settle(&mut self, position: u64) -> bool {
        let position = position.min(self.given);
        let mut mark = None;
        while self.waiting.front().is_some_and(|(next, _)| *next <= position) {
            mark = self.waiting.pop_front().map(|(_, mark)| mark);
        }
        // A record in pieces is settled as a whole.
        let within = |(start, end): &(u64, Option<u64>)| *start < position && end.is_none_or(|end| position < end);
        let reached = self.pieces.iter().find(|piece| within(piece)).map_or(position, |(start, _)| *start);
        self.pieces.retain(|(_, end)| end.is_none_or(|end| end > reached));
        let moved = reached > self.entry.position;
        self.entry.position = self.entry.position.max(reached);
        self.entry.mark = mark.or(self.entry.mark);
        moved | self.pass_blank() | mark.is_some()
    }

    /// Moves over what holds no record when all records before it are taken.
    pub fn pass_blank(&mut self) -> bool {
        let open = self.framer.open_at();
        let moves = self.is_settled() && self.framer.may_begin() && open > self.given;
        if moves {
            self.given = open;
            self.entry.position = open;
        }
        let position = self.entry.position;
        let before = self.entry.cuts.len();
        self.entry.cuts.retain(|cut| *cut > position);
        self.saved_cuts = self.saved_cuts.saturating_sub(before - self.entry.cuts.len());
        moves
    }

    /// Whether all that was handed out is taken.
    pub fn is_settled(&self) -> bool {
        self.entry.position >= self.given
    }

    /// Goes back to a position that was handed out before, at the end of a whole record: what came after it counts as never
    /// read. The checkpoint couldn't be written.
    pub fn rewind(&mut self, given: u64) {
        let within = |(start, end): &(u64, Option<u64>)| *start < given && end.is_none_or(|end| given < end);
        let given = self.pieces.iter().find(|piece| within(piece)).map_or(given, |(start, _)| *start);
        self.given = given;
        self.waiting.retain(|(next, _)| *next <= given);
        self.pieces.retain(|(start, _)| *start < given);
        self.entry.cuts.truncate(self.saved_cuts);
        self.framer.reset(given);
        self.last_read = self.entry.mark;
        self.parked = None;
    }

    /// Whether a file that begins with the bytes may be a copy of this stream's, whole or not.
    pub fn is_alike(&self, head: &[u8]) -> bool {
        if head.len() >= self.entry.head.length {
            return self.entry.head.fits(head);
        }
        let common = self.start.len().min(head.len());
        common > 0 && self.start[..common] == head[..common]
    }

    /// Whether a file at a path may hold this stream's contents, if they are alike. Full heads are proof enough; fewer bytes may be
    /// equal by chance, so that only what rotation makes of the file counts.
    pub fn may_move_to(&self, path: &Path, packed: bool) -> bool {
        let is_rotated = is_rotated(Path::new(&self.entry.path), path);
        self.entry.head.is_full() || (is_rotated && (packed || self.hunted.is_some()))
    }

    /// Lets the head grow with the file, given the file's first bytes and how far it was read.
    pub fn grow_head(&mut self, head: &[u8]) -> bool {
        let read = usize::try_from(self.framer.end()).unwrap_or(usize::MAX).min(HEAD).min(head.len());
        let grows = read > self.entry.head.length;
        if grows {
            self.entry.head = Head::of(&head[..read]);
        }
        let start = self.entry.head.length.min(START);
        if self.start.len() < start {
            self.start = head[..start].to_vec();
        }
        grows
    }
}

/// Whether a path is one that rotation gives to a file: beside it, its name with something behind, as `app.log.1`, or with a number
/// in it, as `app-20260301.log`.
pub(crate) fn is_rotated(own: &Path, path: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (own_name, name) = (name(own), name(path));
    let stem = own_name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(&own_name);
    let has_number = name.strip_prefix(stem).is_some_and(|rest| {
        rest.starts_with(['-', '.', '_']) && rest[1..].starts_with(|first: char| first.is_ascii_digit())
    });
    path != own && path.parent() == own.parent() && (name.starts_with(&own_name) || has_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_gives_are_known() {
        let own = Path::new("/var/log/app.log");
        for name in ["app.log.1", "app.log.2.gz", "app.log-20260301", "app-20260301.log", "app.1.log", "app_2.log.gz"] {
            assert!(is_rotated(own, &own.with_file_name(name)), "{name}");
        }
        for path in
            ["/var/log/app.log", "/var/log/app-error.log", "/var/log/other.log.1", "/srv/app.log.1", "/var/log/app"]
        {
            assert!(!is_rotated(own, Path::new(path)), "{path}");
        }
    }
}
