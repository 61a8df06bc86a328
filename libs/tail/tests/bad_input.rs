//! Input that nobody wants, and file systems that refuse: the next record goes on.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::time::Duration;

use lakewright_tail::{Framing, Notice};

use crate::support::{World, lines, texts};

#[test]
fn a_line_of_50_mb_comes_in_pieces_that_are_settled_as_a_whole() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "before\n");
    world.append("app.log", vec![b'x'; 50 << 20]);
    world.append("app.log", "\nafter\n");
    world.seconds(1);
    assert_eq!(world.taken.len(), 2 + 5);
    let pieces: usize = world.taken.values().map(Vec::len).filter(|length| *length > 100).sum();
    assert_eq!((pieces, world.files().counts().pieces), (50 << 20, 5));
    // Three of five pieces are taken: it is read again from its beginning.
    world.settle_first(4);
    world.crash();
    world.start();
    world.seconds(1);
    assert_eq!((world.taken.len(), world.again), (7, 6));
    world.settle();
    assert_eq!(world.files().counts().lag_bytes, 0);
}

#[test]
fn a_long_line_that_grows_slowly_is_let_go_and_read_again() {
    let mut world = World::with(&["*.log"], |settings| settings.max_record = 8 << 20);
    for number in 0..6 {
        world.append(&format!("{number}.log"), format!("first of {number}\n").into_bytes());
        world.append(&format!("{number}.log"), vec![b'a' + number; 3 << 20]);
    }
    world.seconds(2);
    assert_eq!(world.taken.len(), 6);
    for number in 0..6 {
        world.append(&format!("{number}.log"), "!\n");
    }
    world.seconds(3);
    assert_eq!(world.taken.len(), 12);
    assert!(world.taken.values().all(|text| text.len() < 100 || (text.len() == (3 << 20) + 1 && text.ends_with(b"!"))));
}

#[test]
fn a_long_trace_that_was_let_go_still_ends_by_quiet() {
    let mut world = World::with(&["*.log"], |settings| {
        settings.framing = Framing::Indented;
        settings.quiet = Duration::from_secs(5);
    });
    for number in 0..6 {
        let trace = "\tat somewhere\n".repeat(200_000);
        world.append(&format!("{number}.log"), format!("failure {number}\n{trace}"));
    }
    world.seconds(3);
    assert!(world.taken.is_empty());
    world.seconds(10);
    assert_eq!(world.taken.len(), 6);
    assert!(world.taken.values().all(|text| text.len() > 2_000_000));
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", b"\xff\xfe\x00\x01\r\n\xc3\x28\nfine\n");
    world.seconds(1);
    let found: Vec<&[u8]> = world.taken.values().map(Vec::as_slice).collect();
    assert_eq!(found, [&b"\xff\xfe\x00\x01"[..], b"\xc3\x28", b"fine"]);
}

#[test]
fn a_hole_of_a_writer_that_does_not_append_is_passed_by() {
    let mut world = World::new(&["app.log"]);
    let mut writer =
        OpenOptions::new().create(true).write(true).truncate(true).open(world.path("app.log")).expect("open");
    writer.write_all(lines("a", 0..1000).as_bytes()).expect("write");
    world.seconds(1);
    world.truncate("app.log");
    writer.write_all(lines("b", 0..10).as_bytes()).expect("write");
    world.seconds(2);
    // Far away, with a hole between that no disk holds.
    writer.seek(SeekFrom::Start(64 << 20)).expect("seek");
    writer.write_all(lines("c", 0..10).as_bytes()).expect("write");
    world.seconds(2);
    assert_eq!(world.texts(), [texts("a", 0..1000), texts("b", 0..10), texts("c", 0..10)].concat());
    assert_eq!(world.truncations(), 1);
}

#[test]
fn a_file_that_is_replaced_in_mid_read_is_read_to_its_end() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..100_000));
    world.append("other", lines("b", 0..100_000));
    world.read(3);
    assert!(!world.taken.is_empty() && world.taken.len() < 100_000, "{}", world.taken.len());
    world.rename("other", "app.log");
    world.seconds(20);
    assert_eq!(world.texts(), [texts("a", 0..100_000), texts("b", 0..100_000)].concat());
}

#[test]
fn a_file_that_is_truncated_in_mid_read_mixes_nothing() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..100_000));
    world.read(3);
    let read = world.taken.len();
    assert!(read > 0 && read < 100_000);
    world.truncate("app.log");
    world.append("app.log", lines("b", 0..150_000));
    world.seconds(20);
    let found = world.texts();
    let (old, new): (Vec<String>, Vec<String>) = found.into_iter().partition(|text| text.starts_with('a'));
    assert_eq!(new, texts("b", 0..150_000));
    // What was read of the first is whole lines, and the part of the last that was read.
    let whole = texts("a", 0..read as u32);
    assert!(old.len() == read || old.len() == read + 1, "{} of {read}", old.len());
    assert!(whole.iter().all(|line| old.binary_search(line).is_ok()));
}

#[test]
fn folders_come_and_go() {
    let mut world = World::new(&["*/app.log"]);
    world.seconds(1);
    for turn in 0..3_u32 {
        fs::create_dir(world.path("sub")).expect("a folder");
        world.append("sub/app.log", lines("a", turn * 10..turn * 10 + 10));
        world.seconds(1);
        world.append("sub/app.log", lines("late", turn..turn + 1));
        fs::remove_dir_all(world.path("sub")).expect("remove");
        world.seconds(3);
    }
    assert_eq!(world.texts(), [texts("a", 0..30), texts("late", 0..3)].concat());
}

#[test]
fn what_cannot_be_read_is_told_once_and_others_go_on() {
    let mut world = World::new(&["*.log", "*/x.log"]);
    symlink("loop.log", world.path("loop.log")).expect("a link to itself");
    fs::create_dir(world.path("folder.log")).expect("a folder with a file's name");
    world.append("app.log", lines("a", 0..10));
    world.append("bad.log", "x\n");
    world.pack("bad.log");
    // A gzip file by its first bytes, and none inside.
    fs::write(world.path("bad.log"), b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff\xff\xff").expect("write");
    world.seconds(5);
    assert_eq!(world.texts(), texts("a", 0..10));
    let told: Vec<String> = world.notices.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|text| text.contains("loop.log")) && told.iter().any(|text| text.contains("bad.log")));
    assert!(matches!(world.notices[0], Notice::Unreadable { .. }));
}

#[test]
fn thousands_of_files_with_few_open_at_once() {
    let mut world = World::with(&["*.log"], |settings| settings.max_open = 16);
    let count = 2_000;
    for number in 0..count {
        world.append(&format!("{number:05}.log"), lines("a", number * 3..number * 3 + 2));
    }
    world.seconds(2);
    for number in 0..count {
        world.append(&format!("{number:05}.log"), lines("a", number * 3 + 2..number * 3 + 3));
        if number % 100 == 0 {
            world.seconds(1);
            let open = fs::read_dir("/proc/self/fd").expect("descriptors").filter_map(Result::ok);
            let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
            let logs = links.filter(|link| link.starts_with(world.folder.path())).count();
            assert!(logs <= 16, "{logs}");
        }
    }
    world.seconds(2);
    assert_eq!(world.texts(), texts("a", 0..count * 3));
    assert_eq!(world.again, 0);
    world.settle();
    assert_eq!(world.files().counts().lag_bytes, 0);
}

#[test]
fn names_that_lead_to_one_file_are_one() {
    let mut world = World::new(&["*.log"]);
    world.append("b.log", lines("a", 0..10));
    symlink(world.path("b.log"), world.path("c.log")).expect("a link");
    fs::hard_link(world.path("b.log"), world.path("a.log")).expect("a link");
    world.seconds(2);
    world.append("c.log", lines("a", 10..20));
    world.seconds(2);
    assert_eq!((world.texts(), world.again, world.streams()), (texts("a", 0..20), 0, 1));
}

#[test]
fn files_that_are_left_out_are_not_read() {
    let mut world = World::new(&["*.log"]);
    let exclude = format!("{}/*debug*", world.folder.path().display());
    world.settings = world.settings.clone().excluding([exclude.as_str()]).expect("a pattern");
    world.crash();
    world.append("app.log", "yes\n");
    world.append("app-debug.log", "no\n");
    world.start();
    world.seconds(2);
    assert_eq!(world.texts(), ["yes"]);
}
