//! Which stream a file holds: the one that it held before, one that another file held, or a new one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::carrier::Carrier;
use crate::content::{Content, FileId, Key};
use crate::files::Files;
use crate::fingerprint::{HEAD, Head, first_line};
use crate::notice::Notice;
use crate::record::Moment;
use crate::stream::{Entry, Short, Stream, base};

/// What a file's contents are to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// They are the stream's: reading goes on at its position.
    Same,
    /// They are the stream's and end before what was read of it.
    Shorter,
    /// They are others.
    Other,
}

/// What is seen of a file whose stream isn't known.
struct Seen<'a> {
    key: Key,
    content: &'a mut Content,
    head: Vec<u8>,
    size: u64,
}

impl Files {
    /// Finds the stream of a file; whether it is known now.
    pub(crate) fn identify(&mut self, key: Key, now: Moment) -> io::Result<bool> {
        let Some(carrier) = self.carriers.get_mut(&key) else { return Ok(false) };
        let Some(mut content) = carrier.content.take() else { return Ok(false) };
        let mut head = vec![0; HEAD];
        let read = content.read(0, &mut head);
        head.truncate(*read.as_ref().unwrap_or(&0));
        let seen = Seen { key, content: &mut content, head, size: carrier.size };
        let found = read.and_then(|_| self.find_or_make(seen, now));
        if let Some(carrier) = self.carriers.get_mut(&key) {
            carrier.content = Some(content);
            if matches!(found, Ok(false)) {
                carrier.done = Some((carrier.size, carrier.modified));
            }
        }
        found
    }

    fn find_or_make(&mut self, mut seen: Seen<'_>, now: Moment) -> io::Result<bool> {
        if seen.head.is_empty() {
            return Ok(false);
        }
        if self.find_own(&mut seen, now)? || self.adopt(&mut seen, now)? {
            return Ok(true);
        }
        if self.waits_as_copy(&seen, now) {
            return Ok(false);
        }
        Ok(self.make(&seen, now))
    }

    /// The stream that the file itself held when the process ran last, or before another file took its name.
    fn find_own(&mut self, seen: &mut Seen<'_>, now: Moment) -> io::Result<bool> {
        let id = self.carriers[&seen.key].id;
        let is_own =
            |stream: &Stream| stream.carrier.is_none() && !stream.entry.truncated && stream.entry.file.may_be(&id);
        let mut shorter = None;
        let mut others = Vec::new();
        for (key, stream) in self.streams.iter().rev().filter(|(_, stream)| is_own(stream)) {
            let is_short =
                stream.entry.short.is_some_and(|short| short.size == seen.size && short.head.fits(&seen.head));
            let is_read = seen.content.is_packed() && stream.entry.unpacked == Some(seen.size);
            if is_short || (is_read && stream.entry.head.fits(&seen.head)) {
                let key = *key;
                self.bind(seen.key, key);
                self.rest_at_end(seen, is_short);
                return Ok(true);
            }
            match judge(stream, seen)? {
                Verdict::Same => {
                    let key = *key;
                    self.bind(seen.key, key);
                    return Ok(true);
                }
                Verdict::Shorter if stream.entry.short.is_none() => shorter = shorter.or(Some(*key)),
                Verdict::Shorter | Verdict::Other => others.push(*key),
            }
        }
        if let Some(key) = shorter {
            self.lost_its_end(seen.key, key, seen.size, now);
            return Ok(true);
        }
        for key in others {
            self.stream(key).entry.truncated = true;
            let path = self.carriers[&seen.key].path.to_path_buf();
            self.notice(Notice::Truncated { path });
        }
        Ok(false)
    }

    /// A stream that no file holds any more and whose contents stand here: a copy, a renamed one on another file system, the
    /// plain file's gzip file.
    pub(crate) fn adopt_from(&mut self, key: Key, now: Moment) -> io::Result<bool> {
        let Some(carrier) = self.carriers.get_mut(&key) else { return Ok(false) };
        let Some(mut content) = carrier.content.take() else { return Ok(false) };
        let mut head = vec![0; HEAD];
        let read = content.read(0, &mut head)?;
        head.truncate(read);
        let mut seen = Seen { key, content: &mut content, head, size: carrier.size };
        let adopted = !seen.head.is_empty() && self.adopt(&mut seen, now)?;
        if let Some(carrier) = self.carriers.get_mut(&key) {
            carrier.content = Some(content);
        }
        Ok(adopted)
    }

    fn adopt(&mut self, seen: &mut Seen<'_>, now: Moment) -> io::Result<bool> {
        let (id, path) = (self.carriers[&seen.key].id, Arc::clone(&self.carriers[&seen.key].path));
        let packed = seen.content.is_packed();
        // What a file was truncated of is never found in it again, however alike the new contents are.
        let is_free = |stream: &Stream| {
            let is_left = stream.carrier.is_none_or(|key| !packed && self.is_over(key, stream));
            is_left && !(stream.entry.truncated && stream.entry.file.may_be(&id)) && stream.may_move_to(&path, packed)
        };
        let free: Vec<u64> = self.streams.iter().filter(|(_, stream)| is_free(stream)).map(|(key, _)| *key).collect();
        let mut best: Option<(u64, u64)> = None;
        for key in &free {
            let stream = &self.streams[key];
            if judge(stream, seen)? == Verdict::Same && best.is_none_or(|(given, _)| stream.given > given) {
                best = Some((stream.given, *key));
            }
        }
        if let Some((_, key)) = best {
            if let Some(former) = self.streams[&key].carrier {
                self.part(former, now);
                self.carriers.remove(&former);
            }
            self.bind(seen.key, key);
            return Ok(true);
        }
        // A copy may end before what was read of the original between its copying and its truncation.
        let mut short = None;
        for key in &free {
            let stream = &self.streams[key];
            let is_hunted = stream.carrier.is_none() && stream.hunted.is_some_and(|until| now.instant < until);
            let is_short = if packed {
                judge(stream, seen)? == Verdict::Shorter
            } else {
                is_hunted && seen.size <= stream.framer.end() && stream.is_alike(&seen.head)
            };
            short = short.or(is_short.then_some(*key));
        }
        let Some(key) = short else { return Ok(false) };
        self.bind(seen.key, key);
        self.rest_at_end(seen, true);
        Ok(true)
    }

    /// Whether a stream's file has no name any more and was read to its end, so that another may go on with it.
    fn is_over(&self, key: Key, stream: &Stream) -> bool {
        let is_read = |carrier: &Carrier| carrier.deleted && !carrier.is_new() && !carrier.packed;
        stream.entry.head.is_full() && self.carriers.get(&key).is_some_and(is_read)
    }

    /// Whether the file may be a copy of one that is followed, as rotation makes it before it truncates the original: then it waits
    /// until the original is truncated, or for so long that it never will be.
    fn waits_as_copy(&mut self, seen: &Seen<'_>, now: Moment) -> bool {
        if !self.continues && self.scans <= 1 {
            return false;
        }
        let packed = seen.content.is_packed();
        let folder = self.carriers[&seen.key].path.parent().map(Path::to_owned);
        let is_copied = |carrier: &Carrier| {
            let Some(stream) = carrier.stream.map(|stream| &self.streams[&stream]) else { return false };
            // One that changed and wasn't read since may have been truncated.
            let is_shorter = !packed && seen.size > carrier.size && !carrier.is_new();
            let is_near = carrier.path.parent() == folder.as_deref() || stream.entry.head.is_full();
            !carrier.packed && !is_shorter && is_near && stream.is_alike(&seen.head)
        };
        let others = self.carriers.iter().filter(|(key, _)| **key != seen.key);
        let is_copy = others.map(|(_, carrier)| carrier).any(is_copied);
        let rotation = self.settings.rotation;
        let Some(carrier) = self.carriers.get_mut(&seen.key) else { return false };
        if !is_copy {
            carrier.held = None;
            return false;
        }
        let has_grown = carrier.done.is_some_and(|(size, _)| size != seen.size);
        let since = if has_grown { now.instant } else { carrier.held.unwrap_or(now.instant) };
        carrier.held = Some(since);
        packed || now.since(since) < rotation
    }

    /// Makes a stream of a file that was never seen, once it has a line that names it.
    fn make(&mut self, seen: &Seen<'_>, now: Moment) -> bool {
        let last_line = self.settings.last_line;
        let Some(carrier) = self.carriers.get_mut(&seen.key) else { return false };
        let line = match first_line(&seen.head) {
            Some(line) => line,
            // Nothing follows in a file that was renamed or deleted.
            None if carrier.is_rotated() => {
                let grew = carrier.done.is_none_or(|(size, _)| size != seen.size);
                let since = *carrier.held.get_or_insert(now.instant);
                if grew {
                    carrier.held = Some(now.instant);
                }
                if grew || now.since(since) < last_line {
                    return false;
                }
                &seen.head
            }
            None => return false,
        };
        let id = carrier.id;
        let base = base(&self.settings.machine, (!seen.content.is_packed()).then_some(&id), line);
        let path = carrier.path.to_string_lossy().into_owned();
        let head = Head::of(line);
        let stream = self.add_generation(base, Entry::new(id, path, head), now);
        self.stream(stream).start = line.to_vec();
        self.bind(seen.key, stream);
        true
    }

    /// A file lost its end, as by a power cut: what is written to it now are other bytes than those that were read at these
    /// positions before, so that they belong to another stream. It begins where the file ends.
    pub(crate) fn lost_its_end(&mut self, key: Key, stream: u64, size: u64, now: Moment) {
        let old = self.stream(stream);
        old.hunted = None;
        old.entry.gone = Some(now.unix);
        old.entry.truncated = true;
        let mut entry = Entry { position: size, mark: None, cuts: Vec::new(), ..old.entry.clone() };
        entry.size = size;
        let base = entry.base.clone();
        let new = self.add_generation(base, entry, now);
        self.bind(key, new);
    }

    fn add_generation(&mut self, base: String, mut entry: Entry, now: Moment) -> u64 {
        let same = self.streams.values().filter(|stream| stream.entry.base == base);
        entry.generation = same.map(|stream| stream.entry.generation + 1).max().unwrap_or(0);
        entry.base = base;
        let key = self.add(entry, now.instant);
        self.stream(key).unsaved = true;
        key
    }

    /// Joins a file and the stream that it holds.
    fn bind(&mut self, key: Key, stream_key: u64) {
        let Some(carrier) = self.carriers.get_mut(&key) else { return };
        let stream = self.streams.get_mut(&stream_key).expect("a stream that is bound is there");
        carrier.stream = Some(stream_key);
        carrier.held = None;
        carrier.short = None;
        carrier.done = None;
        carrier.moved |= carrier.path.to_string_lossy() != stream.entry.path;
        stream.carrier = Some(key);
        stream.hunted = None;
        stream.entry.file = carrier.id;
        stream.entry.gone = None;
        stream.entry.short = None;
        stream.entry.truncated = false;
        if stream.framer.end() > stream.given {
            let given = stream.given;
            stream.rewind(given);
        }
        self.change();
    }

    /// Says that there is nothing to read in a file as it is now.
    fn rest_at_end(&mut self, seen: &Seen<'_>, is_short: bool) {
        let Some(carrier) = self.carriers.get_mut(&seen.key) else { return };
        carrier.done = Some((carrier.size, carrier.modified));
        carrier.short = is_short.then_some(carrier.size);
        let short = is_short.then(|| Short { size: carrier.size, head: Head::of(&seen.head) });
        let stream = carrier.stream;
        if let Some(stream) = stream.and_then(|stream| self.streams.get_mut(&stream)) {
            stream.entry.short = short;
        }
    }

    /// Takes a file's stream from it; which it was. The stream's other files are looked for then.
    pub(crate) fn part(&mut self, key: Key, now: Moment) -> Option<u64> {
        let carrier = self.carriers.get_mut(&key)?;
        let stream_key = carrier.stream.take()?;
        let was_short = carrier.short.take().is_some();
        carrier.done = None;
        carrier.held = None;
        let stream = self.streams.get_mut(&stream_key)?;
        stream.carrier = None;
        // Since when it is gone is known when nothing is found; a process that ends before looks anew.
        stream.hunted = (!was_short).then(|| now.instant + self.settings.rotation);
        stream.entry.gone = was_short.then_some(now.unix);
        self.change();
        Some(stream_key)
    }

    /// Lets a file go that has no name any more.
    pub(crate) fn retire(&mut self, key: Key, now: Moment) {
        let was_open = self.carriers.get(&key).is_some_and(|carrier| carrier.content.is_some());
        let size = self.carriers.get(&key).map_or(0, |carrier| carrier.size);
        let packed = self.carriers.get(&key).is_some_and(|carrier| carrier.packed);
        if let Some(stream) = self.part(key, now) {
            let stream = self.stream(stream);
            if !packed {
                stream.entry.size = stream.entry.size.max(size);
            }
            if was_open {
                stream.hunted = None;
                stream.entry.gone = Some(now.unix);
            }
        }
        self.carriers.remove(&key);
    }

    /// Whether a stream is known that a file may hold which was just found.
    pub(crate) fn knows(&self, carrier: &Carrier) -> bool {
        self.streams.values().any(|stream| stream.carrier.is_none() && stream.entry.file.may_be(&carrier.id))
    }
}

fn judge(stream: &Stream, seen: &mut Seen<'_>) -> io::Result<Verdict> {
    if seen.content.is_packed() && stream.entry.short.is_some_and(|short| short.is_whole(&seen.head)) {
        return Ok(Verdict::Shorter);
    }
    if !stream.entry.head.fits(&seen.head) {
        return Ok(Verdict::Other);
    }
    let mark = stream.last_read.or(stream.entry.mark);
    let reached = stream.given.max(mark.map_or(0, |mark| mark.end));
    if !seen.content.is_packed() && seen.size < reached {
        return Ok(if stream.entry.head.is_full() { Verdict::Shorter } else { Verdict::Other });
    }
    let Some(mark) = mark.filter(|mark| mark.end > stream.entry.head.length as u64) else { return Ok(Verdict::Same) };
    let mut before = vec![0; mark.length];
    let read = seen.content.read(mark.start(), &mut before)?;
    // A crash may leave pages of NUL bytes for what was read before it.
    if read < mark.length && seen.content.is_packed() {
        return Ok(Verdict::Shorter);
    }
    let is_nul = read == mark.length && before.iter().all(|byte| *byte == 0);
    Ok(if mark.fits(&before[..read]) || is_nul { Verdict::Same } else { Verdict::Other })
}

impl Entry {
    fn new(file: FileId, path: String, head: Head) -> Self {
        Self {
            base: String::new(),
            generation: 0,
            file,
            path,
            born: file.born.map(|nanoseconds| nanoseconds / 1000),
            position: 0,
            head,
            mark: None,
            cuts: Vec::new(),
            size: 0,
            unpacked: None,
            short: None,
            truncated: false,
            gone: None,
        }
    }
}
