//! Files by glob: what is read, in which order, and what the checkpoint keeps of it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::carrier::Carrier;
use crate::content::Key;
use crate::durable::Durable;
use crate::notice::{Counts, Notice};
use crate::record::{Moment, Record};
use crate::settings::{Framing, Settings};
use crate::stream::{Entry, Stream};

/// What the checkpoint's file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    streams: Vec<Entry>,
}

/// Files that are followed from where their checkpoint stands.
#[derive(Debug)]
pub struct Files {
    pub(crate) settings: Settings,
    durable: Durable,
    pub(crate) streams: BTreeMap<u64, Stream>,
    names: HashMap<Arc<str>, u64>,
    next_stream: u64,
    pub(crate) carriers: BTreeMap<Key, Carrier>,
    /// Files that may have something to read.
    ready: VecDeque<Key>,
    scan_at: Option<Instant>,
    look_at: Option<Instant>,
    pub(crate) scans: u64,
    pub(crate) turns: u64,
    /// Whether files were known before the first scan.
    pub(crate) continues: bool,
    notices: Vec<Notice>,
    pub(crate) unreadable: HashSet<PathBuf>,
    /// Folders that the last scan couldn't read.
    pub(crate) shut: HashSet<PathBuf>,
    pub(crate) counts: Counts,
    changed: bool,
    /// Whether the last try to write the checkpoint failed, which was shown.
    unwritten: bool,
}

/// The records of one call, with how far their streams were before it.
pub(crate) struct Batch {
    pub records: Vec<Record>,
    pub bytes: usize,
    pub before: BTreeMap<u64, u64>,
}

impl Files {
    /// Goes on from the checkpoint at a path; begins anew when there is none.
    ///
    /// # Errors
    /// The checkpoint is there and can't be read.
    pub fn open(settings: Settings, checkpoint: impl Into<PathBuf>, now: Moment) -> Result<Self> {
        let durable = Durable::at(checkpoint);
        let loaded = durable.load::<Checkpoint>()?;
        let mut files = Self {
            settings,
            durable,
            streams: BTreeMap::new(),
            names: HashMap::new(),
            next_stream: 0,
            carriers: BTreeMap::new(),
            ready: VecDeque::new(),
            scan_at: None,
            look_at: None,
            scans: 0,
            turns: 0,
            continues: loaded.value.is_some(),
            notices: Vec::new(),
            unreadable: HashSet::new(),
            shut: HashSet::new(),
            counts: Counts::default(),
            changed: false,
            unwritten: false,
        };
        if let Some(text) = loaded.damage {
            files.notices.push(Notice::Damaged { text, former: files.continues });
        }
        for entry in loaded.value.into_iter().flat_map(|checkpoint| checkpoint.streams) {
            let is_gone = entry.gone.is_some();
            let key = files.add(entry, now.instant);
            let hunted = now.instant + files.settings.rotation;
            files.stream(key).hunted = (!is_gone).then_some(hunted);
        }
        Ok(files)
    }

    /// The next records, about `room` bytes of them and one file's chunk more at most; none when nothing is new. It looks
    /// through the folders and at the files when it is time to, and never waits for anything but the disk.
    pub fn poll(&mut self, now: Moment, room: usize) -> Vec<Record> {
        let mut batch = Batch { records: Vec::new(), bytes: 0, before: BTreeMap::new() };
        if self.scan_at.is_none_or(|at| now.instant >= at) {
            self.scan(now);
            self.scan_at = Some(now.instant + self.settings.scan_every);
        }
        if self.look_at.is_none_or(|at| now.instant >= at) {
            self.look();
            self.end_hunts(now, &mut batch);
            self.look_at = Some(now.instant + self.settings.look_every);
        }
        while batch.bytes < room {
            let Some(key) = self.ready.pop_front() else { break };
            if let Some(carrier) = self.carriers.get_mut(&key) {
                carrier.queued = false;
            }
            if self.turn(key, now, &mut batch) {
                self.queue(key, false);
            }
        }
        self.protect(&mut batch);
        self.counts.records += batch.records.len() as u64;
        self.counts.bytes += batch.records.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
        self.counts.pieces += batch.records.iter().filter(|record| record.piece.is_some()).count() as u64;
        batch.records
    }

    /// Whether the next call has something to read at once.
    pub fn has_more(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes note that all records of a stream before a position are taken for good. [`Self::save`] makes it durable.
    pub fn settle(&mut self, stream: &str, position: u64) {
        if let Some(stream) = self.names.get(stream).and_then(|key| self.streams.get_mut(key)) {
            self.changed |= stream.settle(position);
        }
    }

    /// Makes durable what was settled; does nothing when that is already so.
    ///
    /// # Errors
    /// The checkpoint can't be written. What was settled stays so in memory; the next call tries again.
    pub fn save(&mut self, now: Moment) -> Result<()> {
        for stream in self.streams.values_mut() {
            self.changed |= stream.pass_blank();
        }
        for carrier in self.carriers.values().filter(|carrier| carrier.packed && !carrier.is_new()) {
            let Some(stream) = carrier.stream.and_then(|key| self.streams.get_mut(&key)) else { continue };
            let unpacked = (stream.is_settled() && !stream.framer.has_open()).then_some(carrier.size);
            self.changed |= stream.entry.unpacked != unpacked;
            stream.entry.unpacked = unpacked;
        }
        self.expire(now);
        if self.changed { self.write() } else { Ok(()) }
    }

    /// What happened since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Where records end.
    pub fn framing(&self) -> &Framing {
        &self.settings.framing
    }

    /// What was done so far, and what remains.
    pub fn counts(&self) -> Counts {
        let lag = |carrier: &Carrier| match carrier.stream.and_then(|key| self.streams.get(&key)) {
            None => carrier.size,
            Some(stream) if carrier.packed => {
                if stream.is_settled() && !carrier.is_new() {
                    0
                } else {
                    carrier.size
                }
            }
            Some(stream) => carrier.size.saturating_sub(stream.entry.position),
        };
        let unread = |carrier: &Carrier| match carrier.stream.and_then(|key| self.streams.get(&key)) {
            Some(_) if carrier.packed && !carrier.is_new() => 0,
            Some(stream) if !carrier.packed => carrier.size.saturating_sub(stream.given),
            _ => carrier.size,
        };
        Counts {
            files: self.carriers.len(),
            unreadable: self.unreadable.len() + self.shut.len(),
            nul_bytes: self.counts.nul_bytes + self.streams.values().map(|stream| stream.framer.nuls).sum::<u64>(),
            lag_bytes: self.carriers.values().map(lag).sum(),
            unread_bytes: self.carriers.values().map(unread).sum(),
            ..self.counts
        }
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        match &notice {
            Notice::Truncated { .. } => self.counts.truncated += 1,
            Notice::Lost { bytes, .. } => self.counts.lost_bytes += bytes,
            _ => {}
        }
        self.notices.push(notice);
    }

    /// Says once that a path can't be read.
    pub(crate) fn notice_unreadable(&mut self, path: &Path, error: &std::io::Error) {
        if self.unreadable.insert(path.to_owned()) {
            self.notices.push(Notice::Unreadable { path: path.to_owned(), error: error.to_string() });
        }
    }

    pub(crate) fn stream(&mut self, key: u64) -> &mut Stream {
        self.streams.get_mut(&key).expect("a carrier's stream is there as long as it")
    }

    pub(crate) fn add(&mut self, entry: Entry, now: Instant) -> u64 {
        let key = self.next_stream;
        self.next_stream += 1;
        let stream = Stream::new(entry, &self.settings, now);
        self.names.insert(Arc::clone(&stream.name), key);
        self.streams.insert(key, stream);
        self.changed = true;
        key
    }

    pub(crate) fn change(&mut self) {
        self.changed = true;
    }

    /// Puts a file among those to be read, before or after all others.
    pub(crate) fn queue(&mut self, key: Key, first: bool) {
        let Some(carrier) = self.carriers.get_mut(&key) else { return };
        if std::mem::replace(&mut carrier.queued, true) {
            return;
        }
        if first {
            self.ready.push_front(key);
        } else {
            self.ready.push_back(key);
        }
    }

    /// Writes the checkpoint before records are handed out whose place would otherwise depend on when they were read. Those that
    /// need it are taken back when it can't be written, and all others go on.
    fn protect(&mut self, batch: &mut Batch) {
        let given = |stream: &Stream| stream.unsaved;
        let unsaved: Vec<u64> = batch.before.keys().copied().filter(|key| given(&self.streams[key])).collect();
        if unsaved.is_empty() {
            return;
        }
        let Err(error) = self.write() else { return };
        if !std::mem::replace(&mut self.unwritten, true) {
            self.notices.push(Notice::Checkpoint { error: format!("{error:#}") });
        }
        for key in unsaved {
            let name = Arc::clone(&self.streams[&key].name);
            batch.records.retain(|record| record.stream != name);
            let before = batch.before[&key];
            let stream = self.stream(key);
            stream.rewind(before);
            if let Some(carrier) = stream.carrier.and_then(|key| self.carriers.get_mut(&key)) {
                carrier.done = None;
            }
        }
    }

    fn write(&mut self) -> Result<()> {
        let streams = self.streams.values().map(|stream| stream.entry.clone()).collect();
        self.durable.save(&Checkpoint { streams })?;
        self.changed = false;
        self.unwritten = false;
        for stream in self.streams.values_mut() {
            stream.unsaved = false;
            stream.saved_cuts = stream.entry.cuts.len();
        }
        Ok(())
    }

    /// Forgets streams whose files are gone for long and of which all is settled.
    fn expire(&mut self, now: Moment) {
        let forget = self.settings.forget.as_secs();
        let expired = |stream: &Stream| {
            let is_old = stream.entry.gone.is_some_and(|gone| gone.saturating_add(forget) <= now.unix);
            stream.carrier.is_none() && stream.hunted.is_none() && stream.is_settled() && is_old
        };
        let old: Vec<u64> = self.streams.iter().filter(|(_, stream)| expired(stream)).map(|(key, _)| *key).collect();
        for key in old {
            if let Some(stream) = self.streams.remove(&key) {
                self.names.remove(&stream.name);
                self.counts.nul_bytes += stream.framer.nuls;
                self.changed = true;
            }
        }
    }
}
