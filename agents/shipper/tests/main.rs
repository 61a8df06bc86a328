//! The shipper between a Kafka log, a search cluster and a bucket: exact whatever fails.

mod local;
mod support;
mod templates;
mod transforms;

use std::sync::atomic::Ordering;
use std::time::Duration;

use lakewright_config::agents::shipper;
use lakewright_config::restoring::{Destination, Refusal};
use lakewright_shipper::Wanted;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use support::ends::Mode;
use support::{GROUP, PARTITIONS, TOPIC, World, until};

#[tokio::test(flavor = "multi_thread")]
async fn each_record_stands_once_in_index_and_backup() {
    let mut world = World::new().await;
    world.send(1000).await;
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    world.send(500).await;
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    running.stop().await.expect("ended well");
    world.assert_exact();
    assert_eq!(world.indices()["actions-rejected"], world.sent / 10);
    // What was committed is what was sent, in both groups.
    for group in [GROUP, "shop-shipper-backup"] {
        let committed: i64 = world.committed(group).await.into_iter().flatten().sum();
        assert_eq!(committed as u64, world.sent, "{group}");
    }
    // A second start has nothing to do.
    let objects = world.ends.objects.lock().len();
    let running = world.start();
    until("the lag is known", || running.agent.metrics.value(&shipper::LAG) == Some(0.0)).await;
    running.stop().await.expect("ended well");
    assert_eq!(world.ends.objects.lock().len(), objects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_index_does_not_stop_the_backup() {
    let mut world = World::new().await;
    world.ends.set(Mode::Away);
    world.send(2000).await;
    let running = world.start();
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    until("the backup's offsets are committed", || {
        running.agent.health.last_error().is_some_and(|error| error.contains("takes no documents"))
    })
    .await;
    assert_eq!(world.ends.documents.lock().len(), 0);
    world.ends.set(Mode::Takes);
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("no error is left", || running.agent.health.last_error().is_none()).await;
    running.stop().await.expect("ended well");
    world.assert_exact();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_bucket_does_not_stop_the_index() {
    let mut world = World::new().await;
    world.ends.bucket_away.store(true, Ordering::Relaxed);
    world.send(2000).await;
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("it is said", || running.agent.health.last_error().is_some_and(|error| error.contains("s3://backup/"))).await;
    assert!(world.ends.objects.lock().is_empty());
    world.ends.bucket_away.store(false, Ordering::Relaxed);
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    running.stop().await.expect("ended well");
    world.assert_exact();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_kills_while_each_end_is_away_in_turn() {
    let mut world = World::new().await;
    let mut state = 7_u64;
    // A member that was killed keeps its partitions for ten seconds.
    let kills = if std::env::var_os("LAKEWRIGHT_LONG").is_some() { 50 } else { 5 };
    for round in 0..kills {
        world.send(600).await;
        world.ends.bucket_away.store(round % 4 == 1, Ordering::Relaxed);
        world.ends.set(match round % 4 {
            2 => Mode::Away,
            3 => Mode::Full,
            _ => Mode::Takes,
        });
        let running = world.start();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (before, wanted) = (world.ends.requests.load(Ordering::Relaxed), state >> 63);
        until("it works", || world.ends.requests.load(Ordering::Relaxed) > before + wanted).await;
        if round % 4 == 0 {
            world.ends.lose_answer.store(true, Ordering::Relaxed);
        }
        // As a kill: nothing is finished, nothing is committed any more.
        running.task.abort();
        _ = running.task.await;
    }
    world.ends.bucket_away.store(false, Ordering::Relaxed);
    world.ends.set(Mode::Takes);
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    running.stop().await.expect("ended well");
    world.assert_exact();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_fixes_is_waited_for() {
    for mode in [Mode::NoRoom, Mode::NoIndex, Mode::Full, Mode::Garbage] {
        let mut world = World::new().await;
        world.ends.set(mode);
        world.send(30).await;
        let running = world.start();
        until("it is tried again", || running.value(&shipper::RETRIES) >= 3).await;
        assert!(world.indices().is_empty(), "{mode:?}: {:?}", world.indices());
        world.ends.set(Mode::Takes);
        world.send(2).await;
        until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
        until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
        running.stop().await.expect("ended well");
        world.assert_exact();
        assert_eq!(world.indices()["actions-rejected"], 3, "{mode:?}: what is no document, and nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_day_takes_goes_whole_to_the_dead_letters() {
    let mut world = World::new().await;
    world.ends.set(Mode::Rejects);
    let now = chrono::Utc::now().to_rfc3339();
    let long = format!(r#"{{"event_time":"{now}","n":"x","text":"{}"}}"#, "long ".repeat(20_000));
    world.send_these(std::slice::from_ref(&long)).await;
    let running = world.start();
    until("it is among the dead letters", || world.ends.documents.lock().len() == 1).await;
    let (key, document) =
        world.ends.documents.lock().first_key_value().map(|(key, text)| (key.clone(), text.clone())).expect("one");
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(key.0, "actions-rejected");
    assert_eq!((&document["payload"], &document["error_type"]), (&long.into(), &"mapper_parsing_exception".into()));
    assert_eq!(running.value(&shipper::REJECTED), 1);
    running.stop().await.expect("ended well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_index_takes_goes_whole_to_the_dead_letters_file() {
    let mut world = World::new().await;
    world.ends.set(Mode::RejectsAll);
    let now = chrono::Utc::now().to_rfc3339();
    let payload = |n: u32| format!(r#"{{"event_time":"{now}","n":{n}}}"#);
    world.send_these(&[payload(0), payload(1), payload(2), "no document".to_owned()]).await;
    let running = world.start();
    until("they are counted", || running.value(&shipper::REFUSED) == 4).await;
    let text = std::fs::read_to_string(world.data.path().join("dead-letters.jsonl")).expect("a file");
    let letters: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(letters.len(), 4);
    assert!(letters.iter().all(|letter| letter["error_type"] == "strict_dynamic_mapping_exception"), "{text}");
    for whole in [payload(0), payload(1), payload(2), "no document".to_owned()] {
        assert!(letters.iter().any(|letter| letter["payload"] == whole), "{whole}: {text}");
    }
    // The next record goes on.
    world.ends.set(Mode::Takes);
    world.send_these(&[payload(9)]).await;
    until("it is indexed", || world.ends.documents.lock().len() == 1).await;
    until("all is backed up", || world.backed_up().0.len() == 5).await;
    running.stop().await.expect("ended well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_long_comes_in_pieces_and_the_next_one_goes_on() {
    let mut world = World::new().await;
    world.remove_topic().await;
    world.make_topic(&[("max.message.bytes", "60000000")]).await;
    let now = chrono::Utc::now().to_rfc3339();
    let long = format!(r#"{{"event_time":"{now}","text":"{}"}}"#, "a".repeat(50_000_000));
    world.send_these(&[long.clone(), format!(r#"{{"event_time":"{now}"}}"#)]).await;
    let running = world.start();
    until("the next one is indexed", || world.ends.documents.lock().len() == 1).await;
    until("the long one is counted", || running.value(&shipper::REFUSED) == 48).await;
    until("all is backed up", || world.backed_up().0.len() == 2).await;
    running.stop().await.expect("ended well");
    let text = std::fs::read_to_string(world.data.path().join("dead-letters.jsonl")).expect("a file");
    let pieces: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let whole: String = pieces.iter().map(|piece| piece["payload"].as_str().expect("text")).collect();
    assert_eq!((pieces.len(), whole == long), (48, true));
    let committed: i64 = world.committed(GROUP).await.into_iter().flatten().sum();
    assert_eq!(committed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backups_group_begins_where_the_one_of_both_stood() {
    let mut world = World::new().await;
    world.send(300).await;
    // As the version before left it: partition 2 without an offset.
    let before = world.member_of(GROUP);
    tokio::task::spawn_blocking(move || {
        let mut offsets = TopicPartitionList::new();
        for partition in 0..PARTITIONS - 1 {
            offsets.add_partition_offset(TOPIC, partition, Offset::Offset(90)).expect("an offset");
        }
        before.commit(&offsets, CommitMode::Sync).expect("committed");
    })
    .await
    .expect("ran");
    let running = world.start();
    until("the rest is backed up", || world.backed_up().0.len() == 10 + 10 + 100).await;
    until("the rest is indexed", || world.ends.documents.lock().len() == 120).await;
    running.stop().await.expect("ended well");
    // From then on it goes its own way, whatever the other one commits.
    world.ends.bucket_away.store(true, Ordering::Relaxed);
    world.send(30).await;
    let running = world.start();
    until("the index goes on", || world.ends.documents.lock().len() == 150).await;
    _ = running.stop().await;
    world.ends.bucket_away.store(false, Ordering::Relaxed);
    let running = world.start();
    until("the backup follows", || world.backed_up().0.len() == 150).await;
    running.stop().await.expect("ended well");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_a_crash_left_without_its_position_is_found_and_passed_over() {
    let mut world = World::new().await;
    world.send(600).await;
    let running = world.start();
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    running.stop().await.expect("ended well");
    let (objects, again) = (world.ends.objects.lock().clone(), world.ends.again.load(Ordering::Relaxed));
    // The group goes back to the begin, as if no position had been settled.
    let back = world.member_of("shop-shipper-backup");
    tokio::task::spawn_blocking(move || {
        let mut offsets = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            offsets.add_partition_offset(TOPIC, partition, Offset::Offset(0)).expect("an offset");
        }
        back.commit(&offsets, CommitMode::Sync).expect("committed");
    })
    .await
    .expect("ran");
    world.send(30).await;
    // Other limits make other objects of what comes, and none of what is there.
    let running = world.start_with(lakewright_config::ShipperConfig { backup_bytes: 1 << 30, ..world.config() });
    until("the rest is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    running.stop().await.expect("ended well");
    assert_eq!(world.backed_up().1, 0, "no record stands twice");
    assert!(objects.iter().all(|(key, body)| world.ends.objects.lock().get(key) == Some(body)));
    assert_eq!(world.ends.again.load(Ordering::Relaxed), again, "no object was written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_again_is_another_one() {
    let mut world = World::new().await;
    world.send(60).await;
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() == 60).await;
    until("all is backed up", || world.lines().len() == 60).await;
    let before = world.ends.documents.lock().keys().next().expect("a document").1.clone();
    world.remove_topic().await;
    world.make_topic(&[]).await;
    world.send(90).await;
    // What is read before it is noticed bears the old one's id; then all of the new one is shipped under its own.
    let of_new = |id: &str| !id.is_empty() && !before.starts_with(id);
    let indexed = || {
        let documents = world.ends.documents.lock();
        documents.keys().filter(|(_, id)| of_new(&id[..36])).count()
    };
    until("the new one is indexed beside the old", || indexed() == 90).await;
    let backed_up =
        || world.lines().iter().filter(|line| of_new(line["kafka_topic_id"].as_str().expect("an id"))).count();
    until("and backed up", || backed_up() == 90).await;
    running.stop().await.expect("ended well");
    for group in [GROUP, "shop-shipper-backup"] {
        assert_eq!(world.committed(group).await, [Some(30); 3], "{group}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_shippers_share_the_partitions_and_double_nothing_in_the_index() {
    let mut world = World::new().await;
    world.send(500).await;
    let one = world.start();
    until("it works", || !world.ends.documents.lock().is_empty()).await;
    let other = world.start();
    world.send(500).await;
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    one.stop().await.expect("ended well");
    world.send(500).await;
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    other.stop().await.expect("ended well");
    assert_eq!(world.ends.changed.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_headers_times_and_tombstones_are_in_the_backup() {
    let mut world = World::new().await;
    let producer: rdkafka::producer::FutureProducer = world.client.create().expect("a producer");
    let headers =
        rdkafka::message::OwnedHeaders::new().insert(rdkafka::message::Header { key: "trace", value: Some("1-a") });
    let record = rdkafka::producer::FutureRecord::<str, str>::to(TOPIC)
        .partition(0)
        .key("user-7")
        .timestamp(1_767_312_000_123)
        .headers(headers);
    producer.send(record, Duration::from_secs(30)).await.map_err(|(error, _)| error).expect("sent");
    world.sent += 1;
    let running = world.start();
    until("it is backed up", || world.lines().len() == 1).await;
    running.stop().await.expect("ended well");
    let line = world.lines().remove(0);
    assert_eq!((&line["key"], &line["tombstone"]), (&"user-7".into(), &true.into()));
    assert_eq!(line["time_ms"], 1_767_312_000_123_i64);
    assert_eq!(line["headers"], serde_json::json!([["trace", "1-a"]]));
    let key = world.ends.objects.lock().keys().next().cloned().expect("an object");
    assert!(key.starts_with("events/dt=2026-01-02/actions/"), "{key}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_the_index_without_doubles_and_a_topic_from_where_it_was() {
    let mut world = World::new().await;
    world.send(300).await;
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    until("all is backed up", || world.backed_up().0.len() as u64 == world.sent).await;
    running.stop().await.expect("ended well");
    let whole = world.ends.documents.lock().clone();
    // Half of the index is gone.
    world.ends.documents.lock().retain(|(_, id), _| id.ends_with(['0', '2', '4', '6', '8']));
    let there = world.ends.documents.lock().len() as u64;
    let wanted = |into| Wanted {
        from: chrono::Utc::now() - chrono::TimeDelta::days(1),
        to: chrono::Utc::now(),
        ..Wanted::all(into)
    };
    let restored = world.restore(&wanted(Destination::Index(None))).await.expect("restored");
    assert_eq!((restored.records, restored.new, restored.there), (world.sent, world.sent - there, there));
    assert!(*world.ends.documents.lock() == whole, "the same documents in the same indices");
    // Of another day there is nothing.
    let day = chrono::TimeDelta::days(1);
    let all = Wanted::all(Destination::Index(None));
    let (from, to) = (chrono::Utc::now() - day * 9, chrono::Utc::now() - day * 8);
    let before = world.restore(&Wanted { from, to, ..all.clone() }).await.expect_err("nothing");
    assert!(matches!(before.downcast_ref(), Some(Refusal::Nothing { days: Some(_) })), "{before:#}");
    let other =
        world.restore(&Wanted { only: vec!["action".to_owned()], ..all.clone() }).await.expect_err("no such topic");
    assert!(other.to_string().ends_with("nothing of `action`, but of actions"), "{other:#}");
    // What would be done is counted, and nothing of it is done.
    world.ends.documents.lock().clear();
    let counted = world.restore(&Wanted { dry_run: true, ..all }).await.expect("counted");
    assert_eq!((counted.records, world.ends.documents.lock().len()), (world.sent, 0));
    let absent = world.restore(&wanted(Destination::Topic("absent".to_owned()))).await.expect_err("no such topic");
    assert!(matches!(absent.downcast_ref(), Some(Refusal::NoTopic { .. })), "{absent:#}");

    world.make_topic_named("again", &[]).await;
    let restored = world.restore(&wanted(Destination::Topic("again".to_owned()))).await.expect("restored");
    assert_eq!(restored.records, world.sent);
    let records = world.records_of("again", world.sent).await;
    let values: std::collections::BTreeSet<(Option<Vec<u8>>, Option<String>)> =
        records.iter().map(|record| (record.payload().map(<[u8]>::to_vec), origin(record))).collect();
    assert_eq!(values.len() as u64, world.sent, "each record with its own origin");
    assert!(records.iter().all(|record| record.key() == Some(b"key")));
}

fn origin(record: &rdkafka::message::OwnedMessage) -> Option<String> {
    let header = record.headers()?.iter().find(|header| header.key == "lakewright-origin")?;
    Some(String::from_utf8_lossy(header.value?).into_owned())
}
