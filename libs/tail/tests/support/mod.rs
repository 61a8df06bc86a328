//! A folder of logs, whoever follows it, and what was taken of it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lakewright_tail::{Files, Moment, Notice, Record, Settings};
use tempfile::TempDir;

/// A folder of logs that is followed. Time passes only when a test says so.
pub struct World {
    pub folder: TempDir,
    state: TempDir,
    pub settings: Settings,
    pub now: Moment,
    files: Option<Files>,
    /// What was taken, by stream and sequence.
    pub taken: BTreeMap<(String, u64), Vec<u8>>,
    /// How often a record came a second time.
    pub again: usize,
    /// Whether a record that comes again may be shorter: a truncation cut off what was read of it, and a copy holds the rest.
    pub may_be_cut: bool,
    pub notices: Vec<Notice>,
    unsettled: Vec<Record>,
}

impl World {
    /// Follows the globs, which are names in the folder.
    pub fn new(globs: &[&str]) -> Self {
        Self::with(globs, |_| {})
    }

    /// Follows the globs with other settings.
    pub fn with(globs: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let globs: Vec<String> = globs.iter().map(|glob| format!("{}/{glob}", folder.path().display())).collect();
        let mut settings = Settings::new(globs.iter().map(String::as_str), "machine").expect("settings");
        change(&mut settings);
        let state = TempDir::new().expect("a folder");
        let (taken, notices, unsettled) = Default::default();
        let now = Moment::now();
        let (files, again, may_be_cut) = (None, 0, false);
        let mut world = Self { folder, state, settings, now, files, taken, again, may_be_cut, notices, unsettled };
        world.start();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.state.path().join("files.checkpoint")
    }

    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = OpenOptions::new().create(true).append(true).open(self.path(name));
        file.expect("open").write_all(text.as_ref()).expect("write");
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("rename");
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("remove");
    }

    pub fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).expect("copy");
    }

    pub fn truncate(&self, name: &str) {
        OpenOptions::new().write(true).truncate(true).open(self.path(name)).expect("truncate");
    }

    /// Packs a file as rotation does: the packed one is whole before the plain one goes.
    pub fn pack(&self, name: &str) {
        let text = fs::read(self.path(name)).expect("read");
        let file = fs::File::create(self.path(&format!("{name}.gz"))).expect("create");
        let mut encoder = GzEncoder::new(file, Compression::default());
        encoder.write_all(&text).expect("pack");
        encoder.finish().expect("pack");
        self.remove(name);
    }

    pub fn files(&mut self) -> &mut Files {
        self.files.as_mut().expect("it runs")
    }

    pub fn start(&mut self) {
        let files = Files::open(self.settings.clone(), self.checkpoint(), self.now);
        self.files = Some(files.expect("open"));
    }

    /// Ends as a kill does: nothing remains but the checkpoint as it is.
    pub fn crash(&mut self) {
        self.files = None;
        self.unsettled.clear();
    }

    /// Ends when all that was taken is settled.
    pub fn stop(&mut self) {
        self.settle();
        self.crash();
    }

    /// Lets time pass and reads what there is.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.read(usize::MAX);
    }

    /// Lets so many seconds pass, each with its readings.
    pub fn seconds(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(Duration::from_secs(1));
        }
    }

    /// Reads until nothing is new, for so many calls at most.
    pub fn read(&mut self, calls: usize) {
        let now = self.now;
        for _ in 0..calls {
            let records = self.files().poll(now, 1 << 16);
            let is_over = records.is_empty() && !self.files().has_more();
            for record in records {
                let place = (record.stream.to_string(), record.sequence);
                let text = record.bytes.to_vec();
                match self.taken.get(&place) {
                    Some(before) => {
                        let (before, text) = (String::from_utf8_lossy(before), String::from_utf8_lossy(&text));
                        let is_same = before == text || (self.may_be_cut && before.starts_with(&*text));
                        assert!(is_same, "two records of one place {place:?}: {before} {text}");
                        self.again += 1;
                    }
                    None => _ = self.taken.insert(place, text),
                }
                self.unsettled.push(record);
            }
            if is_over {
                break;
            }
        }
        let notices = self.files().notices();
        self.notices.extend(notices);
    }

    /// Settles all that was taken, durably.
    pub fn settle(&mut self) {
        self.settle_first(usize::MAX);
    }

    /// Settles the first of what was taken and isn't settled, durably.
    pub fn settle_first(&mut self, count: usize) {
        let count = count.min(self.unsettled.len());
        for record in self.unsettled.drain(..count).collect::<Vec<_>>() {
            self.files().settle(&record.stream, record.next);
        }
        let now = self.now;
        self.files().save(now).expect("save");
    }

    /// The texts that were taken, sorted.
    pub fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> =
            self.taken.values().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        texts.sort();
        texts
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        let mut streams: Vec<&str> = self.taken.keys().map(|(stream, _)| stream.as_str()).collect();
        streams.dedup();
        streams.len()
    }

    pub fn truncations(&self) -> usize {
        self.notices.iter().filter(|notice| matches!(notice, Notice::Truncated { .. })).count()
    }

    pub fn lost(&self) -> u64 {
        let bytes = self.notices.iter().map(|notice| match notice {
            Notice::Lost { bytes, .. } => *bytes,
            _ => 0,
        });
        bytes.sum()
    }
}

/// Lines with the numbers, each of about 30 bytes.
pub fn lines(name: &str, numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{}\n", line(name, number))).collect()
}

/// One of [`lines`], without its line break.
pub fn line(name: &str, number: u32) -> String {
    format!("{name} line number {number:06}")
}

/// The texts of [`lines`], sorted.
pub fn texts(name: &str, numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| line(name, number)).collect()
}
