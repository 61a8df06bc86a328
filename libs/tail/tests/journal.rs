//! The journal by a stand-in for `journalctl` that gives what a file holds, from a cursor on, and then does what a test wants.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use lakewright_tail::Moment;
use lakewright_tail::journal::{Journal, JournalNotice, JournalSettings};
use tempfile::TempDir;

/// Gives the entries of the folder's file `entries`, one a line, from the cursor on, and keeps what it was called with. Then it does
/// what the file `then` says: 1 to end, 2 to hang, else to wait for more.
const STAND_IN: &str = r#"#!/bin/bash
cd "$(dirname "$0")"
echo "$@" >> calls
from=0
for argument in "$@"; do
  case "$argument" in --cursor=*) number="${argument#*;i=}"; from=$((16#${number%%;*}));; esac
done
given=0
while true; do
  lines=$(wc -l < entries)
  if [ "$lines" -gt "$given" ]; then
    tail -n "+$((given + 1))" entries | head -n "$((lines - given))" | while read -r number message; do
      [ "$number" -lt "$from" ] && continue
      printf '__CURSOR=s=abc;i=%x;b=1;m=2;t=3;x=4\n__REALTIME_TIMESTAMP=%d\nMESSAGE=%s\n\n' "$number" "$((number * 1000))" "$message"
    done
    given=$lines
  fi
  case "$(cat then)" in
    1) echo "the journal broke" >&2; exit 3;;
    2) exec sleep 1000;;
    3) echo "No journal files were found."; exit 0;;
  esac
  sleep 0.02
done
"#;

struct World {
    folder: TempDir,
    settings: JournalSettings,
    journal: Option<Journal>,
    now: Moment,
    taken: BTreeMap<(String, u64), String>,
    unsettled: Vec<(String, u64)>,
    notices: Vec<JournalNotice>,
    /// Whether entries have the times of the real journal.
    real_times: bool,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let command = folder.path().join("journalctl");
        fs::write(&command, STAND_IN).expect("write");
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("make it executable");
        fs::write(folder.path().join("entries"), "").expect("write");
        fs::write(folder.path().join("then"), "0").expect("write");
        let settings = JournalSettings { command, ..JournalSettings::new("machine") };
        let (taken, unsettled, notices) = Default::default();
        let (journal, now, real_times) = (None, Moment::now(), false);
        let mut world = Self { folder, settings, journal, now, taken, unsettled, notices, real_times };
        world.start();
        world
    }

    fn start(&mut self) {
        let path = self.folder.path().join("journal.checkpoint");
        self.journal = Some(Journal::open(self.settings.clone(), path, self.now).expect("open"));
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().expect("it runs")
    }

    /// Replaces what the journal holds.
    fn hold(&self, numbers: impl IntoIterator<Item = u32>) {
        let text: String = numbers.into_iter().map(|number| format!("{number} message {number}\n")).collect();
        fs::write(self.folder.path().join("entries"), text).expect("write");
    }

    fn then(&self, what: u32) {
        fs::write(self.folder.path().join("then"), what.to_string()).expect("write");
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default()
    }

    /// Polls until the condition holds; the child has its own time.
    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < end, "{what}: {:?}, {:?}", self.taken, self.notices);
            let now = self.now;
            let records = self.journal().poll(now, 1 << 20);
            let is_empty = records.is_empty();
            for record in records {
                let text = String::from_utf8(record.bytes.to_vec()).expect("text");
                let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let first = if self.real_times { 1_772_359_200_000 } else { 0 };
                let step = if self.real_times { 1000 } else { 1 };
                assert_eq!(record.time, Some((first + record.sequence * step) * 1000));
                let message = value["MESSAGE"].as_str().expect("a message").to_owned();
                let before = self.taken.insert((record.stream.to_string(), record.sequence), message);
                assert_eq!(before, None, "an entry came twice");
                self.unsettled.push((record.stream.to_string(), record.next));
            }
            let notices = self.journal().notices();
            self.notices.extend(notices);
            if is_empty {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }

    fn settle_first(&mut self, count: usize) {
        for (stream, next) in self.unsettled.drain(..count).collect::<Vec<_>>() {
            self.journal().settle(&stream, next);
        }
        let now = self.now;
        self.journal().save(now).expect("save");
    }

    fn messages(&self) -> Vec<String> {
        self.taken.values().cloned().collect()
    }
}

fn messages(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| format!("message {number}")).collect()
}

#[test]
fn entries_come_once_and_reading_goes_on_after_what_was_settled() {
    let mut world = World::new();
    world.hold(100..=149);
    world.until("the first", |world| world.taken.len() == 50);
    world.hold(100..=159);
    world.until("those that came later", |world| world.taken.len() == 60);
    assert_eq!(world.messages(), messages(100..=159));
    world.settle_first(20);
    world.journal = None;
    world.taken.clear();
    world.start();
    world.until("those that were not settled", |world| world.taken.len() == 40);
    assert_eq!(world.messages(), messages(120..=159));
    assert!(world.calls().contains("--cursor=s=abc;i=77;b=1;m=2;t=3;x=4"), "{}", world.calls());
    assert_eq!((world.notices.len(), world.journal().counts().repeated), (0, 0));
}

#[test]
fn a_child_that_ends_is_started_again_after_a_pause() {
    let mut world = World::new();
    world.hold(1..=10);
    world.then(1);
    world.until("its end", |world| !world.notices.is_empty());
    assert_eq!(world.messages(), messages(1..=10));
    let told = world.notices[0].to_string();
    assert!(told.contains("status: 3: the journal broke") && told.contains("again in 1 s"), "{told}");
    world.hold(1..=20);
    // Not before the pause is over.
    let now = world.now;
    assert!(world.journal().poll(now, 1 << 20).is_empty());
    assert_eq!(world.calls().lines().count(), 1);
    world.then(0);
    world.now = world.now.plus(Duration::from_secs(2));
    world.until("the rest", |world| world.taken.len() == 20);
    assert_eq!(world.journal().counts().restarts, 1);
    // It goes on after what was handed out, settled or not.
    assert!(world.calls().lines().last().is_some_and(|call| call.contains(";i=a;")), "{}", world.calls());
}

#[test]
fn a_child_that_hangs_is_started_again() {
    let mut world = World::new();
    world.hold(1..=5);
    world.then(2);
    world.until("the first", |world| world.taken.len() == 5);
    world.hold(1..=9);
    world.then(0);
    world.now = world.now.plus(Duration::from_secs(301));
    world.until("the rest", |world| world.taken.len() == 9);
    assert_eq!((world.journal().counts().restarts, world.notices.len()), (1, 0));
}

#[test]
fn what_was_vacuumed_before_it_was_read_is_counted() {
    let mut world = World::new();
    world.hold(1..=10);
    world.until("the first", |world| world.taken.len() == 10);
    world.settle_first(10);
    world.journal = None;
    world.hold(15..=20);
    world.start();
    world.until("the rest", |world| world.taken.len() == 16);
    assert_eq!(world.notices, [JournalNotice::Vacuumed { entries: Some(4) }]);
    assert_eq!(world.journal().counts().lost, 4);
}

#[test]
fn what_is_no_export_is_told_and_tried_again() {
    let mut world = World::new();
    world.then(3);
    world.until("the complaint", |world| !world.notices.is_empty());
    assert!(world.notices[0].to_string().contains("no export"), "{}", world.notices[0]);
    world.then(0);
    world.hold(1..=3);
    world.now = world.now.plus(Duration::from_secs(2));
    world.until("the rest", |world| world.taken.len() == 3);
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let mut world = World::new();
    world.settings.command = world.folder.path().join("none");
    world.start();
    world.until("the complaint", |world| !world.notices.is_empty());
    assert!(world.notices[0].to_string().contains("can't be started"), "{}", world.notices[0]);
}

#[test]
fn units_are_asked_for() {
    let mut world = World::new();
    world.settings.units = vec!["a.service".to_owned(), "b.service".to_owned()];
    world.start();
    world.hold(1..=1);
    world.until("an entry", |world| !world.taken.is_empty());
    let calls = world.calls();
    assert!(calls.contains("--unit=a.service --unit=b.service") && calls.contains("--follow"), "{calls}");
}

/// A journal of twenty entries that systemd 252 wrote; those whose number is a multiple of 5 have two lines and a byte that is no text.
const TWENTY: &[u8] = include_bytes!("twenty.journal.gz");

#[test]
fn the_real_journalctl_gives_what_is_expected_of_it() {
    if std::process::Command::new("journalctl").arg("--version").output().is_err() {
        // This machine has none; the stand-in says what is expected.
        return;
    }
    let mut world = World::new();
    let journal = world.folder.path().join("journal");
    fs::create_dir(&journal).expect("a folder");
    let mut file = fs::File::create(journal.join("test.journal")).expect("create");
    std::io::copy(&mut flate2::read::GzDecoder::new(TWENTY), &mut file).expect("unpack");
    world.settings = JournalSettings { folder: Some(journal), ..JournalSettings::new("machine") };
    world.real_times = true;
    world.start();
    world.until("all", |world| world.taken.len() == 20);
    let expected: Vec<String> = (1..=20)
        .map(
            |number| {
                if number % 5 == 0 { format!("two\nlines \u{fffd} {number}") } else { format!("message {number}") }
            },
        )
        .collect();
    assert_eq!(world.messages(), expected);
    world.settle_first(12);
    world.journal = None;
    world.taken.clear();
    world.settings.units = vec!["app.service".to_owned()];
    world.start();
    world.until("the rest", |world| world.taken.len() == 8);
    assert_eq!(world.messages(), expected[12..]);
    assert_eq!((world.journal().counts().lost, world.notices.len()), (0, 0));
}
