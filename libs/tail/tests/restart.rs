//! Crashes, power cuts, full disks: records keep their places, and checkpoints move only over what was taken.

use std::fs;
use std::time::Duration;

use lakewright_tail::{Framing, Notice};

use crate::support::{World, line, lines, texts};

#[test]
fn nothing_that_was_not_settled_is_passed_by() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..100));
    world.seconds(1);
    assert_eq!(world.taken.len(), 100);
    world.settle_first(30);
    world.crash();
    world.start();
    world.seconds(1);
    assert_eq!((world.texts(), world.again), (texts("a", 0..100), 70));
    world.stop();
    world.start();
    world.seconds(1);
    assert_eq!(world.again, 70);
}

#[test]
fn a_part_of_a_line_is_read_again_as_a_whole() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\ntwo and ha");
    world.seconds(1);
    assert_eq!(world.texts(), ["one"]);
    world.stop();
    world.append("app.log", "lf\n");
    world.start();
    world.seconds(1);
    assert_eq!((world.texts(), world.again), (vec!["one".to_owned(), "two and half".to_owned()], 0));
}

#[test]
fn a_file_without_a_whole_line_is_named_when_it_has_one() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "ha");
    world.seconds(1);
    world.stop();
    world.append("app.log", "lf\n");
    world.start();
    world.seconds(1);
    world.crash();
    world.start();
    world.seconds(1);
    assert_eq!((world.texts(), world.streams(), world.again), (vec!["half".to_owned()], 1, 1));
}

#[test]
fn a_trace_that_ended_by_quiet_ends_there_again() {
    let mut world = World::with(&["app.log"], |settings| settings.framing = Framing::Indented);
    world.append("app.log", "a\n\tat 1\n");
    world.pass(Duration::from_millis(500));
    assert!(world.taken.is_empty(), "it may go on");
    world.seconds(2);
    assert_eq!(world.texts(), ["a\n\tat 1"]);
    // Not settled, and the trace goes on after all: read again it is the same record, and the rest is one of its own.
    world.crash();
    world.append("app.log", "\tat 2\nb\n");
    world.start();
    world.seconds(2);
    assert_eq!(world.texts(), ["\tat 2", "a\n\tat 1", "b"]);
    assert_eq!(world.again, 1);
    world.stop();
    world.start();
    world.seconds(2);
    assert_eq!(world.again, 1);
}

#[test]
fn an_open_trace_is_not_passed_by() {
    let dated = || Framing::begins("^2026").expect("a pattern");
    let mut world = World::with(&["app.log"], |settings| settings.framing = dated());
    world.append("app.log", "2026 a\n2026 b\nE: x\n\tat 1\n");
    world.pass(Duration::from_millis(600));
    assert_eq!(world.texts(), ["2026 a"]);
    world.stop();
    world.append("app.log", "\tat 2\nCaused by: y\n2026 c\n");
    world.start();
    world.seconds(3);
    assert_eq!(world.texts(), ["2026 a", "2026 b\nE: x\n\tat 1\n\tat 2\nCaused by: y", "2026 c"]);
    assert_eq!(world.again, 0);
}

#[test]
fn a_file_that_lost_its_end_is_read_on_where_it_ends() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..1000));
    world.seconds(1);
    world.stop();
    // A power cut: the file's last pages were not on the disk. The next process writes on.
    let whole = fs::read(world.path("app.log")).expect("read");
    fs::write(world.path("app.log"), &whole[..8192]).expect("write");
    world.start();
    world.seconds(2);
    world.append("app.log", lines("b", 0..10));
    world.seconds(2);
    assert_eq!(world.texts(), [texts("a", 0..1000), texts("b", 0..10)].concat());
    assert_eq!((world.again, world.streams()), (0, 2));
    world.stop();
    world.append("app.log", lines("b", 10..20));
    world.start();
    world.seconds(2);
    assert_eq!(world.texts(), [texts("a", 0..1000), texts("b", 0..20)].concat());
    assert_eq!((world.again, world.streams()), (0, 2));
}

#[test]
fn pages_of_nul_bytes_after_a_power_cut_are_passed_by() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..1000));
    world.seconds(1);
    world.stop();
    let mut text = fs::read(world.path("app.log")).expect("read");
    text[8192..].fill(0);
    text.extend([0; 3000]);
    fs::write(world.path("app.log"), text).expect("write");
    world.append("app.log", lines("b", 0..10));
    world.start();
    world.seconds(2);
    assert_eq!(world.texts(), [texts("a", 0..1000), texts("b", 0..10)].concat());
    assert_eq!((world.again, world.files().counts().nul_bytes), (0, 3000));
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..100));
    world.seconds(1);
    world.settle_first(50);
    world.settle_first(20);
    world.crash();
    let text = fs::read(world.checkpoint()).expect("read");
    fs::write(world.checkpoint(), &text[..text.len() / 2]).expect("tear");
    world.start();
    world.seconds(1);
    assert_eq!((world.texts(), world.again), (texts("a", 0..100), 50));
    assert!(matches!(&world.notices[..], [Notice::Damaged { former: true, .. }]), "{:?}", world.notices);
    // With both gone all is read again, under the same places.
    world.crash();
    fs::write(world.checkpoint(), "").expect("tear");
    fs::write(world.checkpoint().with_extension("checkpoint.former"), "").expect("tear");
    world.start();
    world.seconds(1);
    assert_eq!((world.texts(), world.again), (texts("a", 0..100), 150));
}

#[test]
fn while_the_checkpoint_cannot_be_written_known_files_go_on() {
    let mut world = World::new(&["*.log"]);
    world.append("old.log", lines("old", 0..10));
    world.seconds(1);
    let (folder, away) = (world.checkpoint().parent().expect("a folder").to_owned(), world.path("away"));
    fs::rename(&folder, &away).expect("rename");
    world.append("old.log", lines("old", 10..20));
    world.append("new.log", lines("new", 0..10));
    world.seconds(5);
    assert_eq!(world.texts(), texts("old", 0..20));
    let told = world.notices.iter().filter(|notice| matches!(notice, Notice::Checkpoint { .. })).count();
    assert_eq!(told, 1, "{:?}", world.notices);
    fs::rename(&away, &folder).expect("rename");
    world.seconds(2);
    assert_eq!(world.texts(), [texts("new", 0..10), texts("old", 0..20)].concat());
    assert_eq!(world.again, 0);
}

#[test]
fn what_is_known_of_gone_files_is_forgotten_after_its_time() {
    let mut world = World::new(&["*.log"]);
    for number in 0..20 {
        world.append(&format!("{number}.log"), line("a", number) + "\n");
    }
    world.seconds(1);
    for number in 0..20 {
        world.remove(&format!("{number}.log"));
    }
    world.seconds(30);
    world.settle();
    let size = |world: &World| fs::metadata(world.checkpoint()).expect("a checkpoint").len();
    let before = size(&world);
    world.now = world.now.plus(Duration::from_secs(15 * 24 * 3600));
    world.append("last.log", "x\n");
    world.seconds(15);
    world.settle();
    assert!(size(&world) < before / 5, "{} of {before}", size(&world));
}

#[test]
fn a_device_that_is_numbered_anew_changes_nothing() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..100));
    world.seconds(1);
    world.stop();
    let text = fs::read_to_string(world.checkpoint()).expect("a checkpoint");
    let body = text.split_once('\n').expect("two lines").1;
    let mut value: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert!(value["streams"][0]["file"]["born"].is_u64(), "this file system says when a file was made");
    value["streams"][0]["file"]["device"] = 77_777.into();
    let body = value.to_string();
    let checksum = crc32c::crc32c(body.as_bytes());
    fs::write(world.checkpoint(), format!("lakewright-tail-1 {checksum:08x} {}\n{body}", body.len())).expect("write");
    world.append("app.log", lines("a", 100..110));
    world.start();
    world.seconds(2);
    assert_eq!((world.texts(), world.again, world.streams()), (texts("a", 0..110), 0, 1));
}
