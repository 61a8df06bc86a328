//! The systemd journal, read through `journalctl` as a child process.

mod child;
mod export;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::child::{Child, Output};
use self::export::{Entry, Parser};
use crate::durable::Durable;
use crate::fingerprint::Digest;
use crate::record::{Moment, Record};

/// The shortest and the longest pause before the child is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What of the journal is read and how.
#[derive(Debug, Clone)]
pub struct JournalSettings {
    /// The program.
    pub command: PathBuf,
    /// What names this machine.
    pub machine: String,
    /// Of which units; of all when empty.
    pub units: Vec<String>,
    /// The folder of the journal's files; the system's when `None`.
    pub folder: Option<PathBuf>,
    /// The most bytes of an entry; what is beyond is left out, and the entry says so.
    pub max_record: usize,
    /// After how long without an entry the child is started again: one that hangs looks like one that has nothing to say.
    pub silence: Duration,
}

impl JournalSettings {
    /// The whole journal of this machine.
    pub fn new(machine: &str) -> Self {
        Self {
            command: PathBuf::from("journalctl"),
            machine: machine.to_owned(),
            units: Vec::new(),
            folder: None,
            max_record: 10 << 20,
            silence: Duration::from_secs(300),
        }
    }
}

/// Something that happened to the reading of the journal.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum JournalNotice {
    /// The child ended or couldn't be started; it is started again after a pause.
    #[error("journalctl {how}; it is started again in {} s", pause.as_secs())]
    Ended {
        /// How it ended, with what it said last.
        how: String,
        /// The pause.
        pause: Duration,
    },
    /// The journal was vacuumed past what was read.
    #[error(
        "the journal no longer holds the entry after which reading goes on; {}",
        entries.map_or("how many entries are lost is unknown".to_owned(), |entries| format!("up to {entries} entries are lost"))
    )]
    Vacuumed {
        /// How many entries are lost at most; entries of other units count too.
        entries: Option<u64>,
    },
    /// The checkpoint that was there is damaged.
    #[error("{0}")]
    Damaged(String),
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Entries handed out.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that came a second time and were left out.
    pub repeated: u64,
    /// Entries without a cursor of systemd's form, which were left out.
    pub unplaced: u64,
    /// Entries that were vacuumed before they were read, at most.
    pub lost: u64,
    /// How often the child was started again.
    pub restarts: u64,
    /// Entries of which a part was left out for its size.
    pub cut: u64,
    /// When the last entry was written, in microseconds since 1970.
    pub last_time: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    cursor: Option<String>,
}

/// Where an entry stands: the journal by the id that its numbers count in, and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    journal: String,
    number: u64,
}

/// The journal, followed from where its checkpoint stands.
#[derive(Debug)]
pub struct Journal {
    settings: JournalSettings,
    durable: Durable,
    child: Option<Child>,
    parser: Parser,
    start_at: Option<Instant>,
    pause: Duration,
    heard: Instant,
    /// The last entry that was handed out; the first that the child gives is this one, or the journal was vacuumed.
    given: Option<String>,
    is_first: bool,
    settled: Option<String>,
    saved: Option<String>,
    /// By journal, the last number that was handed out.
    last: HashMap<String, u64>,
    streams: HashMap<String, Arc<str>>,
    /// Entries that were handed out and aren't settled, with their cursors.
    waiting: VecDeque<(Arc<str>, u64, String)>,
    positions: HashMap<Arc<str>, u64>,
    notices: Vec<JournalNotice>,
    counts: JournalCounts,
}

impl Journal {
    /// Goes on from the checkpoint at a path; begins with the oldest entry when there is none.
    ///
    /// # Errors
    /// The checkpoint is there and can't be read.
    pub fn open(settings: JournalSettings, checkpoint: impl Into<PathBuf>, now: Moment) -> Result<Self> {
        let durable = Durable::at(checkpoint);
        let loaded = durable.load::<Checkpoint>()?;
        let cursor = loaded.value.and_then(|checkpoint| checkpoint.cursor);
        let last = cursor.as_deref().and_then(place).map(|place| (place.journal, place.number));
        Ok(Self {
            parser: Parser::new(settings.max_record),
            settings,
            durable,
            child: None,
            start_at: None,
            pause: PAUSES.0,
            heard: now.instant,
            given: cursor.clone(),
            is_first: true,
            settled: cursor.clone(),
            saved: cursor,
            last: last.into_iter().collect(),
            streams: HashMap::new(),
            waiting: VecDeque::new(),
            positions: HashMap::new(),
            notices: loaded.damage.map(JournalNotice::Damaged).into_iter().collect(),
            counts: JournalCounts::default(),
        })
    }

    /// The next entries, about `room` bytes of them; none when nothing is new. The child is started, and started again after it
    /// ended. This waits for it only when it has ended, for half a second at most.
    pub fn poll(&mut self, now: Moment, room: usize) -> Vec<Record> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        if self.child.is_none() && self.start_at.is_none_or(|at| now.instant >= at) {
            self.start(now);
        }
        while bytes < room {
            let Some(child) = &mut self.child else { break };
            let mut entries = Vec::new();
            match child.next() {
                Output::Bytes(chunk) => {
                    self.heard = now.instant;
                    if let Err(error) = self.parser.feed(&chunk, &mut entries) {
                        self.end(now, Some(format!("gave what is no export: {error}")));
                    }
                }
                Output::Nothing if now.since(self.heard) >= self.settings.silence => {
                    self.restart_silently(now);
                    break;
                }
                Output::Nothing => break,
                Output::End => {
                    self.end(now, None);
                    break;
                }
            }
            for entry in entries {
                if let Some(record) = self.take(entry) {
                    bytes += record.bytes.len();
                    records.push(record);
                }
            }
        }
        records
    }

    /// Takes note that all entries of a stream before a position are taken for good.
    pub fn settle(&mut self, stream: &str, position: u64) {
        if let Some(reached) = self.positions.get_mut(stream) {
            *reached = position.max(*reached);
        }
        while let Some((stream, number, _)) = self.waiting.front() {
            if self.positions.get(stream).is_none_or(|position| number >= position) {
                break;
            }
            self.settled = self.waiting.pop_front().map(|(.., cursor)| cursor);
        }
    }

    /// Makes durable what was settled; does nothing when that is already so.
    pub fn save(&mut self, _: Moment) -> Result<()> {
        if self.saved != self.settled {
            self.durable.save(&Checkpoint { cursor: self.settled.clone() })?;
            self.saved = self.settled.clone();
        }
        Ok(())
    }

    /// What happened since the last call.
    pub fn notices(&mut self) -> Vec<JournalNotice> {
        std::mem::take(&mut self.notices)
    }

    /// What was done so far.
    pub fn counts(&self) -> JournalCounts {
        self.counts
    }

    fn start(&mut self, now: Moment) {
        self.parser = Parser::new(self.settings.max_record);
        self.is_first = true;
        self.heard = now.instant;
        match Child::start(&self.settings, self.given.as_deref()) {
            Ok(child) => self.child = Some(child),
            Err(error) => self.wait(now, format!("can't be started: {error}")),
        }
    }

    fn end(&mut self, now: Moment, why: Option<String>) {
        let Some(child) = self.child.take() else { return };
        let how = child.end();
        self.wait(now, why.unwrap_or(how));
    }

    fn restart_silently(&mut self, now: Moment) {
        self.child = None;
        self.counts.restarts += 1;
        self.start(now);
    }

    fn wait(&mut self, now: Moment, how: String) {
        self.notices.push(JournalNotice::Ended { how, pause: self.pause });
        self.counts.restarts += 1;
        self.start_at = Some(now.instant + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
    }

    /// The record of an entry; `None` for one that was handed out before.
    fn take(&mut self, entry: Entry) -> Option<Record> {
        let Some((cursor, place)) = entry.text("__CURSOR").and_then(|cursor| Some((cursor.to_owned(), place(cursor)?)))
        else {
            self.counts.unplaced += 1;
            return None;
        };
        let is_first = std::mem::take(&mut self.is_first);
        if is_first && self.given.as_ref().is_some_and(|given| *given != cursor) {
            self.note_gap(&place);
        }
        if self.last.get(&place.journal).is_some_and(|last| place.number <= *last) {
            // The entry after which reading goes on is expected.
            self.counts.repeated += u64::from(self.given.as_deref() != Some(&*cursor));
            return None;
        }
        self.pause = PAUSES.0;
        let stream = self.stream(&place.journal);
        self.last.insert(place.journal, place.number);
        self.waiting.push_back((Arc::clone(&stream), place.number, cursor.clone()));
        self.given = Some(cursor);
        let time = entry.text("__REALTIME_TIMESTAMP").and_then(|time| time.parse().ok());
        let bytes = entry.json();
        self.counts.records += 1;
        self.counts.bytes += bytes.len() as u64;
        self.counts.cut += u64::from(entry.is_cut);
        self.counts.last_time = time.or(self.counts.last_time);
        let (sequence, next) = (place.number, place.number + 1);
        Some(Record { bytes: bytes.into(), stream, sequence, next, piece: None, time, born: None, path: None })
    }

    /// Says that the entry after which reading goes on isn't there any more.
    fn note_gap(&mut self, found: &Place) {
        let last = self.last.get(&found.journal);
        let entries = last.map(|last| found.number.saturating_sub(last + 1));
        // Where the numbers go on nothing is missing, and what was read before may come again.
        if entries == Some(0) {
            return;
        }
        self.counts.lost += entries.unwrap_or(1);
        self.notices.push(JournalNotice::Vacuumed { entries });
    }

    fn stream(&mut self, journal: &str) -> Arc<str> {
        if let Some(stream) = self.streams.get(journal) {
            return Arc::clone(stream);
        }
        let units = self.settings.units.join("\0");
        let parts = [self.settings.machine.as_bytes(), &[0], journal.as_bytes(), &[0], units.as_bytes()];
        let stream: Arc<str> = format!("journal-{}", Digest::of(&parts).text()).into();
        self.streams.insert(journal.to_owned(), Arc::clone(&stream));
        self.positions.insert(Arc::clone(&stream), 0);
        stream
    }
}

/// The place that a cursor names. Its form is systemd's: `s` is the id of the source of numbers and `i` the number, in hexadecimal
/// digits; both together are never given twice.
fn place(cursor: &str) -> Option<Place> {
    let part = |name: &str| cursor.split(';').find_map(|part| part.strip_prefix(name));
    Some(Place { journal: part("s=")?.to_owned(), number: u64::from_str_radix(part("i=")?, 16).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_a_journal_and_a_number() {
        let cursor = "s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7;b=6c7c6013a26343b29e964691ff25d04c;m=4fc72436e;t=4c508a72423d9;x=d3e5610681098c10";
        let found = place(cursor).expect("a place");
        assert_eq!((found.journal.as_str(), found.number), ("739ad463348b4ceca5a9e69c95a3c93f", 0x4ece7));
        assert_eq!(place("i=5"), None);
        assert_eq!(place("s=a;i=xyz"), None);
    }
}
