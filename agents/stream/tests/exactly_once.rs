//! The agent against a Kafka log and a catalog that loses answers: every record ends up in one table, once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::world::support::Fault;
use crate::world::{World, declaration};
use arrow_array::RecordBatch;
use futures::TryStreamExt;
use lakewright_config::agents::stream::{self, OnReject};
use lakewright_lake::{Change, load_table};
use lakewright_runtime::Agent;
use lakewright_stream::OffsetMap;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_in_one_table_once_whatever_the_catalog_does() {
    let mut world = World::new().await;
    world.send(2000).await;
    let (first, running) = world.start();
    world.settled().await;
    assert!(first.health.is_ready());
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer] {
        world.fake.fail_next(fault);
        world.send(500).await;
        world.settled().await;
    }
    // Another engine commits in between and carries no offsets on.
    for _ in 0..5 {
        let table = load_table(&world.aws, "raw", "sales").await.expect("loaded");
        _ = table.commit(Change::default()).await;
        world.send(300).await;
    }
    world.settled().await;
    first.shutdown.cancel();
    running.await.expect("ended").expect("ended well");

    // A second life goes on where the first ended, and shares with a third.
    world.send(700).await;
    let (second, second_running) = world.start();
    let (third, third_running) = world.start();
    world.settled().await;
    world.send(700).await;
    second.shutdown.cancel();
    second_running.await.expect("ended").expect("ended well");
    world.send(700).await;
    world.settled().await;
    third.shutdown.cancel();
    third_running.await.expect("ended").expect("ended well");

    assert_eq!(first.metrics.value(&stream::RECORDS), Some(5000.0));
    assert_eq!(first.metrics.value(&stream::DEAD_LETTERS), Some(500.0));
    let sales = load_table(&world.aws, "raw", "sales").await.expect("loaded");
    assert_ne!(OffsetMap::committed(sales.table.metadata()).expect("a map"), OffsetMap::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_cut_off_and_grew_again_is_read_no_further_and_the_others_are() {
    let mut world = World::new().await;
    for _ in 0..4 {
        world.send(300).await;
    }
    let (agent, running) = world.start();
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let before = world.rows().await;
    world.stop_kafka().await;
    world.cut_off(1);
    world.start_kafka().await;
    // It grows past what the tables have.
    for _ in 0..8 {
        world.send(300).await;
    }
    let (agent, running) = world.start();
    let until = Instant::now() + Duration::from_mins(1);
    let grown = loop {
        let rows = world.rows().await;
        let of = |wanted: i32| rows.iter().filter(|(_, partition, _)| *partition == wanted).count();
        if of(0) > 1000 && of(2) > 1000 && agent.metrics.value(&stream::QUARANTINED) == Some(1.0) {
            break rows;
        }
        assert!(Instant::now() < until, "{:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let said = agent.health.last_error().expect("an error");
    assert!(said.contains("facts/1") && said.contains("records were cut off"), "{said}");
    let of_cut = |rows: &[(String, i32, i64)]| rows.iter().filter(|(_, partition, _)| *partition == 1).count();
    assert_eq!(of_cut(&before), of_cut(&grown));
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_while_no_broker_answers_is_committed_later_and_not_read_again() {
    let mut world = World::new().await;
    // Long enough for the broker to go between reading and committing.
    world.commit_interval_ms = 3000;
    let (agent, running) = world.start();
    world.send(300).await;
    world.settled().await;
    world.send(300).await;
    let until = Instant::now() + Duration::from_mins(1);
    while agent.metrics.value(&stream::RECORDS) != Some(600.0) {
        assert!(Instant::now() < until, "{:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop_kafka().await;
    // Longer than until the commit is due and a request to Kafka is given up.
    tokio::time::sleep(Duration::from_secs(14)).await;
    world.start_kafka().await;
    world.settled().await;
    assert_eq!(agent.metrics.value(&stream::RECORDS), Some(600.0), "what was held is read again");
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_partitions_were_taken_over_drops_what_it_holds() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    // Somebody else moves this agent's partitions on in one table: as if it had read them itself.
    let table = load_table(&world.aws, "raw", "users").await.expect("loaded");
    let mut map: Value =
        serde_json::from_str(&OffsetMap::committed(table.table.metadata()).expect("a map").to_json()).expect("JSON");
    let topic = map.as_object_mut().and_then(|map| map.values_mut().next()).expect("a topic");
    for next in topic.as_object_mut().expect("partitions").values_mut() {
        *next = (next.as_i64().expect("a number") + 10).into();
    }
    let summary = [("lakewright.offsets".to_owned(), map.to_string())].into();
    table.commit(Change { summary, ..Change::default() }).await.expect("committed");
    world.send(300).await;
    let until = Instant::now() + Duration::from_mins(1);
    while agent.metrics.value(&stream::RESTARTS).unwrap_or_default() == 0.0 {
        assert!(Instant::now() < until, "the agent didn't notice");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It goes on behind what the other one took, and repeats nothing.
    world.send(300).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let rows = world.rows().await;
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
    let missing = 900 - rows.len();
    assert!((1..=30).contains(&missing), "{missing} rows were the other writer's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_cannot_begin_holds_up_no_other() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    // The table claims more of partition 0 than Kafka has.
    let table = load_table(&world.aws, "raw", "users").await.expect("loaded");
    let mut map: Value =
        serde_json::from_str(&OffsetMap::committed(table.table.metadata()).expect("a map").to_json()).expect("JSON");
    map.as_object_mut().and_then(|map| map.values_mut().next()).expect("a topic")["0"] = 1_000_000.into();
    let summary = [("lakewright.offsets".to_owned(), map.to_string())].into();
    table.commit(Change { summary, ..Change::default() }).await.expect("committed");

    let of = |rows: &[(String, i32, i64)], partition| rows.iter().filter(|row| row.1 == partition).count();
    let before = world.rows().await;
    world.send(300).await;
    // One has partitions 0 and 1 and reads the second alone, the other one has partition 2.
    let lives = [world.start(), world.start()];
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let rows = world.rows().await;
        if [1, 2].iter().all(|partition| of(&rows, *partition) > of(&before, *partition)) {
            assert_eq!(of(&rows, 0), of(&before, 0));
            break;
        }
        assert!(Instant::now() < until, "partitions 1 and 2 aren't both read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stuck = |agent: &Agent| agent.metrics.value(&stream::QUARANTINED) == Some(1.0);
    assert_eq!(lives.iter().filter(|(agent, _)| stuck(agent)).count(), 1);
    for (agent, running) in lives {
        agent.shutdown.cancel();
        running.await.expect("ended").expect("ended well");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_none_any_more_stops_no_other_and_catches_up() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    world.fake.record("raw.sales", |record| {
        record["Parameters"]["table_type"] = "HIVE".into();
        record["VersionId"] = "1000".into();
    });
    world.send(700).await;
    let until = Instant::now() + Duration::from_mins(1);
    while world.rows_of("users").await.len() < 300 || world.rows_of("dead_letters").await.len() < 100 {
        assert!(Instant::now() < until, "the others stand too: {:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(agent.metrics.value(&stream::QUARANTINED), Some(1.0));
    assert!(agent.health.last_error().is_some_and(|error| error.contains("the table sales")));
    world.fake.record("raw.sales", |record| record["Parameters"]["table_type"] = "ICEBERG".into());
    world.settled().await;
    while agent.metrics.value(&stream::QUARANTINED) != Some(0.0) {
        assert!(Instant::now() < until, "it is still in quarantine: {:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    assert_eq!(world.rows().await.len(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_stop_a_partition_stands_before_the_first_record_that_no_table_takes() {
    let mut world = World::new().await;
    world.on_reject = OnReject::Stop;
    world.send(300).await;
    let (agent, running) = world.start();
    let until = Instant::now() + Duration::from_mins(1);
    while agent.metrics.value(&stream::QUARANTINED) != Some(3.0) {
        assert!(Instant::now() < until, "partitions went on: {:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    // Every tenth record is broken: what stands before the first of a partition is committed, and nothing else.
    let rows = world.rows().await;
    assert!(rows.len() < 300, "{} rows", rows.len());
    assert_eq!(world.rows_of("dead_letters").await, []);
    assert!(agent.health.last_error().is_some_and(|error| error.contains("is refused: no JSON")));
    // With another policy they are read to the end, and nothing is doubled.
    world.on_reject = OnReject::DeadLetters;
    let (agent, running) = world.start();
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_renamed_under_a_running_agent_loses_no_value() {
    let mut world = World::new().await;
    world.send(500).await;
    let (old, running) = world.start();
    world.settled().await;
    // What is on its way was decoded under the old name; from here on this agent waits for its new configuration.
    world.send(500).await;
    world.rename("sales", "amount", "total").await;
    world.send_with(500, "total").await;
    let until = Instant::now() + Duration::from_mins(1);
    while !old.health.last_error().is_some_and(|error| error.contains("no column `amount`")) {
        assert!(Instant::now() < until, "the agent went on: {:?}", old.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    old.shutdown.cancel();
    running.await.expect("ended").expect("ended well");

    let mut sales = declaration("sales");
    let amount = sales.columns.iter_mut().find(|column| column.name == "amount").expect("declared");
    (amount.name, amount.was) = ("total".into(), Some("amount".into()));
    let (new, running) = world.start_with(vec![declaration("users"), sales]);
    // Somebody still sends the old name.
    world.send(500).await;
    world.settled().await;
    new.shutdown.cancel();
    running.await.expect("ended").expect("ended well");

    let read = async |table: &str, column: &str| -> Vec<RecordBatch> {
        let loaded = load_table(&world.aws, "raw", table).await.expect("loaded");
        let scan = loaded.table.scan().select([column]).build().expect("a scan");
        scan.to_arrow().await.expect("a stream").try_collect().await.expect("read")
    };
    let totals = read("sales", "total").await;
    assert_eq!(totals.iter().map(RecordBatch::num_rows).sum::<usize>(), 1200);
    assert!(totals.iter().all(|batch| batch.column(0).null_count() == 0), "a value was lost");
    assert_eq!(read("dead_letters", "reason").await.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_hand_is_counted_apart_from_what_is_unread_and_committed_at_the_end() {
    let mut world = World::new().await;
    world.commit_interval_ms = 3_600_000;
    world.send(300).await;
    let (agent, running) = world.start();
    let until = Instant::now() + Duration::from_mins(1);
    let value = |metric| agent.metrics.value(metric);
    while value(&stream::UNREAD) != Some(0.0) || value(&stream::RECORDS) < Some(300.0) {
        assert!(Instant::now() < until, "{:?} records are unread", value(&stream::UNREAD));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(value(&stream::LAG), Some(300.0));
    assert_eq!(world.rows().await, []);
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    assert_eq!(world.rows().await.len(), 300);
    world.settled().await;
}
