//! Reading the next chunk of a file, and judging afterwards whether it was still the same file's.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::carrier::Carrier;
use crate::content::{Content, FileId, Key};
use crate::files::{Batch, Files};
use crate::fingerprint::{HEAD, Mark};
use crate::frame::Frame;
use crate::notice::Notice;
use crate::record::Moment;
use crate::settings::Settings;
use crate::stream::{Parked, Stream};

/// How many bytes are read of a file before the next one's turn.
const CHUNK: u64 = 256 * 1024;
/// How many bytes all parts of records may hold together before those of files that don't grow are let go.
const KEPT: usize = 8 << 20;
/// Up to how many bytes a part of a record always stays.
const SMALL: usize = 4096;
/// After what time a part of a record that was let go is read again when its file grew.
const PARKED: Duration = Duration::from_secs(1);

/// What became of reading.
enum Reading {
    /// Nothing new, or all that is new: the file's end is reached.
    End,
    /// There is more.
    More,
    /// The contents are others now.
    Other,
}

impl Files {
    /// Reads the next chunk of a file; whether there may be more.
    pub(crate) fn turn(&mut self, key: Key, now: Moment, batch: &mut Batch) -> bool {
        self.turns += 1;
        match self.try_turn(key, now, batch) {
            Ok(more) => {
                if let Some(carrier) = self.carriers.get(&key).filter(|_| !self.unreadable.is_empty()) {
                    self.unreadable.remove(&*carrier.path);
                }
                more
            }
            Err(error) => {
                if let Some(carrier) = self.carriers.get_mut(&key) {
                    carrier.failed = true;
                    carrier.content = None;
                    let path = Arc::clone(&carrier.path);
                    self.notice_unreadable(&path, &error);
                }
                false
            }
        }
    }

    fn try_turn(&mut self, key: Key, now: Moment, batch: &mut Batch) -> io::Result<bool> {
        let Some(carrier) = self.carriers.get(&key) else { return Ok(false) };
        let is_parked = carrier.stream.is_some_and(|stream| self.streams[&stream].parked.is_some());
        let needs_file = carrier.stream.is_none() || carrier.is_new() || is_parked;
        if needs_file && !self.open_content(key)? {
            return Ok(false);
        }
        let turn = self.turns;
        let Some(carrier) = self.carriers.get_mut(&key) else { return Ok(false) };
        carrier.used = turn;
        if let Some(content) = &carrier.content {
            let metadata = content.metadata()?;
            carrier.deleted |= metadata.nlink() == 0;
            carrier.see(&metadata);
        }
        if carrier.short.is_some_and(|size| size != carrier.size) {
            self.part(key, now);
        }
        if self.carriers[&key].stream.is_none() && !self.identify(key, now)? {
            return Ok(false);
        }
        self.read(key, now, batch)
    }

    fn read(&mut self, key: Key, now: Moment, batch: &mut Batch) -> io::Result<bool> {
        let Some(carrier) = self.carriers.get_mut(&key) else { return Ok(false) };
        let Some(stream_key) = carrier.stream else { return Ok(false) };
        let Some(stream) = self.streams.get_mut(&stream_key) else { return Ok(false) };
        if may_rest(carrier, stream, &self.settings, now) {
            return Ok(self.rest(key, now, batch));
        }
        let reading = read_chunk(carrier, stream, now)?;
        if matches!(reading, Reading::Other) {
            self.truncated(key, now)?;
            return Ok(true);
        }
        let mut frames = Vec::new();
        stream.framer.take(&mut frames);
        if stream.entry.cuts.contains(&stream.framer.end()) {
            stream.framer.finish(true, &mut frames);
        }
        let more = matches!(reading, Reading::More);
        if !more {
            carrier.done = Some((carrier.size, carrier.modified));
            stream.entry.size = if carrier.packed { stream.framer.end() } else { carrier.size };
        }
        self.give(stream_key, frames, batch);
        Ok(more || self.rest(key, now, batch))
    }

    /// Does what is to be done at a file's end: a record that waited long enough ends, a file that is gone is let go.
    fn rest(&mut self, key: Key, now: Moment, batch: &mut Batch) -> bool {
        let Some(carrier) = self.carriers.get_mut(&key) else { return false };
        let Some(stream_key) = carrier.stream else { return false };
        let Some(stream) = self.streams.get_mut(&stream_key) else { return false };
        if carrier.is_rotated() {
            carrier.rotated.get_or_insert(now.instant);
        }
        let mut frames = Vec::new();
        end_open_record(carrier, stream, &self.settings, now, &mut frames);
        let has_open = stream.framer.has_open() || stream.parked.is_some();
        let is_over = carrier.deleted && !has_open && now.since(stream.grew) >= self.settings.rotation;
        self.give(stream_key, frames, batch);
        self.park(stream_key, now.instant);
        if is_over {
            self.retire(key, now);
        }
        false
    }

    /// Hands frames of a stream out.
    pub(crate) fn give(&mut self, key: u64, frames: Vec<Frame>, batch: &mut Batch) {
        let Some(stream) = self.streams.get_mut(&key).filter(|_| !frames.is_empty()) else { return };
        batch.before.entry(key).or_insert(stream.given);
        batch.bytes += frames.iter().map(|frame| frame.bytes.len() + 1).sum::<usize>();
        stream.give(frames, &mut batch.records);
    }

    /// Opens a file, and closes another when too many are open; whether it is open.
    fn open_content(&mut self, key: Key) -> io::Result<bool> {
        if self.carriers[&key].content.is_some() {
            return Ok(true);
        }
        let open = self.carriers.values().filter(|carrier| carrier.content.is_some()).count();
        if open >= self.settings.max_open.max(1) && !self.close_one() {
            return Ok(false);
        }
        let Some(carrier) = self.carriers.get_mut(&key) else { return Ok(false) };
        let (content, metadata) = match Content::open(&carrier.path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let found = FileId::of(&metadata);
        // Another file stands there by now; the next scan sees to it.
        if found.key() != key || !found.may_be(&carrier.id) {
            return Ok(false);
        }
        carrier.packed = content.is_packed();
        carrier.content = Some(content);
        Ok(true)
    }

    /// Closes the file that was read longest ago, one with nothing new first. Those that have no name any more can't be opened
    /// again and stay open.
    fn close_one(&mut self) -> bool {
        let open = self.carriers.values_mut().filter(|carrier| carrier.content.is_some() && !carrier.deleted);
        let oldest = open.min_by_key(|carrier| (carrier.is_new(), carrier.used));
        oldest.map(|carrier| carrier.content = None).is_some()
    }

    /// Lets go of the part of a record that waits for more, when all such parts are too large together. It is read again when the
    /// file has grown.
    fn park(&mut self, key: u64, now: Instant) {
        if self.streams[&key].framer.held() <= SMALL {
            return;
        }
        let held: usize = self.streams.values().map(|stream| stream.framer.held()).sum();
        let Some(stream) = self.streams.get_mut(&key).filter(|stream| held > KEPT && stream.framer.may_begin()) else {
            return;
        };
        let has_part = stream.framer.has_part();
        stream.parked = Some(Parked { size: stream.entry.size, until: now + PARKED, has_part });
        stream.framer.reset(stream.framer.open_at());
    }

    /// A file's contents are others now: they make another stream, and the one before waits for a file that holds the rest of it.
    fn truncated(&mut self, key: Key, now: Moment) -> io::Result<()> {
        let Some(carrier) = self.carriers.get_mut(&key) else { return Ok(()) };
        let path = carrier.path.to_path_buf();
        let mut head = vec![0; HEAD];
        let read = match &mut carrier.content {
            Some(content) => content.read(0, &mut head)?,
            None => 0,
        };
        head.truncate(read);
        let size = carrier.size;
        let Some(stream) = self.part(key, now) else { return Ok(()) };
        self.notice(Notice::Truncated { path });
        self.stream(stream).entry.truncated = true;
        let entry = &self.streams[&stream].entry;
        if size < self.streams[&stream].framer.end() && entry.head.is_full() && entry.head.fits(&head) {
            self.lost_its_end(key, stream, size, now);
        }
        Ok(())
    }
}

/// Whether there is nothing to read now.
fn may_rest(carrier: &Carrier, stream: &Stream, settings: &Settings, now: Moment) -> bool {
    let Some(parked) = stream.parked else { return !carrier.is_new() || carrier.short.is_some() };
    let is_quiet = !parked.has_part && now.since(stream.grew) >= settings.quiet;
    let ends = is_quiet || carrier.is_over(stream.grew, now, settings.last_line);
    !ends && (carrier.size <= parked.size || now.instant < parked.until)
}

fn read_chunk(carrier: &mut Carrier, stream: &mut Stream, now: Moment) -> io::Result<Reading> {
    let (end, packed) = (stream.framer.end(), carrier.packed);
    let Some(content) = &mut carrier.content else { return Ok(Reading::End) };
    if packed && carrier.done.is_some() {
        content.begin_anew()?;
    }
    carrier.done = None;
    stream.parked = None;
    let limit = if packed { u64::MAX } else { carrier.size };
    if limit < end {
        return Ok(Reading::Other);
    }
    let want = stream.next_cut().unwrap_or(limit).min(limit).saturating_sub(end).min(CHUNK) as usize;
    let read = content.read(end, stream.framer.room(want));
    stream.framer.filled(want, *read.as_ref().unwrap_or(&0));
    let read = read?;
    // What was read is the file's own if the file is still the same afterwards.
    if !packed && !is_same(content, stream)? {
        stream.framer.drop_last(read);
        return Ok(Reading::Other);
    }
    if stream.framer.end() > stream.top {
        stream.top = stream.framer.end();
        stream.grew = now.instant;
    }
    if read > 0 {
        stream.last_read = Some(Mark::of(stream.framer.end(), stream.framer.last(read)));
    }
    if packed {
        return Ok(if read < want { Reading::End } else { Reading::More });
    }
    Ok(if stream.framer.end() < carrier.size { Reading::More } else { Reading::End })
}

/// Whether the file begins as it did and holds before what was read last what was read there; its head grows if so.
fn is_same(content: &mut Content, stream: &mut Stream) -> io::Result<bool> {
    let mut head = vec![0; HEAD];
    let read = content.read(0, &mut head)?;
    head.truncate(read);
    if !stream.entry.head.fits(&head) {
        return Ok(false);
    }
    if let Some(mark) = stream.last_read.filter(|mark| mark.end > stream.entry.head.length as u64) {
        let mut before = vec![0; mark.length];
        let read = content.read(mark.start(), &mut before)?;
        let is_nul = read == mark.length && before.iter().all(|byte| *byte == 0);
        if !is_nul && !mark.fits(&before[..read]) {
            return Ok(false);
        }
    }
    stream.grow_head(&head);
    Ok(true)
}

/// Ends a record that waits, when nothing came for so long that nothing is to be waited for.
fn end_open_record(carrier: &Carrier, stream: &mut Stream, settings: &Settings, now: Moment, frames: &mut Vec<Frame>) {
    let before = frames.len();
    if carrier.is_over(stream.grew, now, settings.last_line) {
        stream.framer.finish(true, frames);
    } else if now.since(stream.grew) >= settings.quiet {
        stream.framer.finish(false, frames);
    }
    if frames.len() > before {
        stream.cut();
    }
}
