//! Log files of the shipper's host: each record once in the index and in the backup, whatever ends and is away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper;
use lakewright_config::agents::shipper::sources::{FilesConfig, Framing, LocalSource, Origin};
use lakewright_config::restoring::{Destination, Refusal};
use lakewright_shipper::{Wanted, logged};
use serde_json::Value;

use crate::support::ends::{Ends, Mode};
use crate::support::{World, until};

/// The shipper's configuration with a source of the world's log files.
fn config(world: &World) -> ShipperConfig {
    let files = FilesConfig {
        paths: vec![format!("{}/logs/app.log*", world.data.path().display())],
        exclude: Vec::new(),
        framing: Framing::Begins(r"^(\{|\d{4}-)".to_owned()),
        quiet_ms: 200,
    };
    let source = LocalSource {
        from: Origin::Files(files),
        time_field: "timestamp".to_owned(),
        max_record: 1_000_000,
        fields: BTreeMap::new(),
        keep_days: None,
    };
    ShipperConfig { sources: BTreeMap::from([("app".to_owned(), source)]), ..world.config() }
}

fn log(world: &World) -> PathBuf {
    world.data.path().join("logs/app.log")
}

/// Appends records: JSON objects, and of ten one line and one stack trace as text.
fn append(world: &World, numbers: std::ops::Range<u32>) {
    fs::create_dir_all(world.data.path().join("logs")).expect("a folder");
    let mut file = OpenOptions::new().create(true).append(true).open(log(world)).expect("open");
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let mut text = String::new();
    for number in numbers {
        text += &match number % 10 {
            7 => format!("{now} INFO number {number}\n"),
            8 => format!("{now} ERROR number {number}\n\tat Shop.sell\n\tat Shop.serve\n"),
            _ => format!("{{\"timestamp\":\"{now}\",\"number\":{number}}}\n"),
        };
    }
    file.write_all(text.as_bytes()).expect("write");
}

fn documents(world: &World) -> usize {
    world.ends.documents.lock().len()
}

/// The number in a record, of an object or of a text.
fn number(record: &Value) -> u64 {
    let of_text = || record["message"].as_str()?.split(' ').nth(3)?.split('\n').next()?.parse().ok();
    record["number"].as_u64().or_else(of_text).expect("a number")
}

/// Each of so many records stands once in an index of its day, and once in the backup.
fn assert_exact(world: &World, count: u64) {
    let documents = world.ends.documents.lock();
    let ids: BTreeSet<&String> = documents.keys().map(|(_, id)| id).collect();
    assert_eq!((ids.len() as u64, documents.len() as u64), (count, count), "documents");
    assert!(documents.keys().all(|(index, _)| index.starts_with("actions-app-2")), "{:?}", documents.keys().next());
    let numbers: BTreeSet<u64> =
        documents.values().map(|text| number(&serde_json::from_str(text).expect("JSON"))).collect();
    assert!(numbers.into_iter().eq(0..count), "documents");
    drop(documents);
    let lines = world.lines();
    let numbers: BTreeSet<u64> = lines.iter().map(|line| number(&line["record"])).collect();
    assert_eq!(lines.len() as u64, count, "lines of the backup");
    assert!(numbers.into_iter().eq(0..count), "lines of the backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_a_log_stands_once_in_index_and_backup() {
    let world = World::new().await;
    append(&world, 0..300);
    let running = world.start_with(config(&world));
    until("all is indexed", || documents(&world) == 300).await;
    // A rotation while nothing runs.
    running.stop().await.expect("ended well");
    append(&world, 300..400);
    fs::rename(log(&world), log(&world).with_extension("log.1")).expect("rename");
    append(&world, 400..500);
    world.ends.set(Mode::Away);
    let running = world.start_with(config(&world));
    until("all is backed up while the index is away", || world.lines().len() == 500).await;
    world.ends.set(Mode::Takes);
    until("all is indexed", || documents(&world) == 500).await;
    // One while it runs, and the other way round.
    world.ends.bucket_away.store(true, Ordering::Relaxed);
    fs::rename(log(&world).with_extension("log.1"), log(&world).with_extension("log.2")).expect("rename");
    fs::rename(log(&world), log(&world).with_extension("log.1")).expect("rename");
    append(&world, 500..600);
    until("all is indexed while the bucket is away", || documents(&world) == 600).await;
    world.ends.bucket_away.store(false, Ordering::Relaxed);
    until("all is backed up", || world.lines().len() == 600).await;
    until("nothing waits", || running.agent.metrics.value(&shipper::LAG) == Some(0.0)).await;
    running.stop().await.expect("ended well");
    assert_exact(&world, 600);
    // A second start has nothing to do but what is new.
    let running = world.start_with(config(&world));
    append(&world, 600..601);
    until("the last is indexed", || documents(&world) == 601).await;
    until("the last is backed up", || world.lines().len() == 601).await;
    running.stop().await.expect("ended well");
    assert_exact(&world, 601);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_copied_and_truncated_is_shipped_once() {
    let world = World::new().await;
    append(&world, 0..200);
    let running = world.start_with(config(&world));
    until("all is indexed", || documents(&world) == 200).await;
    fs::copy(log(&world), log(&world).with_extension("log.1")).expect("copied");
    OpenOptions::new().write(true).truncate(true).open(log(&world)).expect("truncated");
    append(&world, 200..300);
    until("all is indexed", || documents(&world) >= 300).await;
    until("all is backed up", || world.lines().len() >= 300).await;
    running.stop().await.expect("ended well");
    assert_exact(&world, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_log_is_lost_or_doubled_by_kills_while_each_end_is_away_in_turn() {
    let world = World::new().await;
    let mut sent = 0;
    for round in 0..12_u32 {
        append(&world, sent..sent + 400);
        sent += 400;
        if round % 3 == 2 {
            fs::rename(log(&world), log(&world).with_extension(format!("log.{round}"))).expect("rename");
        }
        world.ends.bucket_away.store(round % 4 == 1, Ordering::Relaxed);
        world.ends.set(match round % 4 {
            2 => Mode::Away,
            3 => Mode::Full,
            _ => Mode::Takes,
        });
        let before = (world.ends.requests.load(Ordering::Relaxed), world.ends.objects.lock().len());
        let running = world.start_with(config(&world));
        until("it works", || match round % 2 {
            0 => world.ends.requests.load(Ordering::Relaxed) > before.0,
            _ if round % 4 == 1 => world.ends.requests.load(Ordering::Relaxed) > before.0,
            _ => world.ends.objects.lock().len() > before.1,
        })
        .await;
        if round % 4 == 0 {
            world.ends.lose_answer.store(true, Ordering::Relaxed);
        }
        // As a kill: nothing is finished, no checkpoint is written any more.
        running.task.abort();
        _ = running.task.await;
    }
    world.ends.bucket_away.store(false, Ordering::Relaxed);
    world.ends.set(Mode::Takes);
    let running = world.start_with(config(&world));
    until("all is indexed", || documents(&world) as u32 >= sent).await;
    until("all is backed up", || world.lines().len() as u32 >= sent).await;
    running.stop().await.expect("ended well");
    assert_exact(&world, u64::from(sent));
    let found = logged(world.data.path(), &config(&world), &Ends::aws(&world.url)).await.expect("read");
    let sum = |of: fn(&lakewright_shipper::Logged) -> u64| found.iter().map(of).sum::<u64>();
    assert_eq!((sum(|one| one.records), sum(|one| one.lines), found.len()), (u64::from(sent), u64::from(sent), 4));
    assert_eq!((sum(|one| one.backed_up), sum(|one| one.repeated + one.unknown)), (u64::from(sent), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_restored_from_the_backup_without_doubles() {
    let world = World::new().await;
    append(&world, 0..200);
    let running = world.start_with(config(&world));
    until("all is indexed", || documents(&world) == 200).await;
    until("all is backed up", || world.lines().len() == 200).await;
    running.stop().await.expect("ended well");
    let whole = world.ends.documents.lock().clone();
    world.ends.documents.lock().retain(|(_, id), _| id.ends_with(['0', '2', '4', '6', '8']));
    let there = documents(&world) as u64;
    let day = chrono::TimeDelta::days(1);
    let wanted = |into| Wanted { from: chrono::Utc::now() - day, to: chrono::Utc::now() + day, ..Wanted::all(into) };
    let restored = world.restore(&wanted(Destination::Index(None))).await.expect("restored");
    assert_eq!((restored.records, restored.there), (200, there));
    assert!(*world.ends.documents.lock() == whole, "the same documents in the same indices");
    // It was in no topic, and goes to none.
    world.make_topic_named("again", &[]).await;
    let nothing = world.restore(&wanted(Destination::Topic("again".to_owned()))).await.expect_err("nothing");
    assert!(matches!(nothing.downcast_ref(), Some(Refusal::Nothing { .. })), "{nothing:#}");
}
