//! Input that is larger, or more divided, than anybody wants: it is taken in, and holds nobody up.

use std::time::{Duration, Instant};

use crate::world::{World, declaration};
use lakewright_config::agents::stream;
use lakewright_lake::load_table;
use lakewright_runtime::Agent;

const PATIENCE: Duration = Duration::from_mins(20);

/// Waits until so many rows were committed.
async fn until_rows(agent: &Agent, count: f64) {
    let until = Instant::now() + PATIENCE;
    while agent.metrics.value(&stream::ROWS).unwrap_or_default() < count {
        assert!(Instant::now() < until, "{:?}: {:?}", agent.metrics.value(&stream::ROWS), agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_ten_megabytes_are_rows_or_dead_letters_like_others() {
    let mut world = World::new().await;
    let id = "s".repeat(10_000_000);
    let messages = [
        format!(r#"{{"table":"sales","data":{{"sale_id":"{id}","amount":1.25}}}}"#),
        format!(r#"{{"table":"sales","data":{{"sale_id":"{id}"#),
        r#"{"table":"sales","data":{"sale_id":"small","amount":2.25}}"#.to_owned(),
    ];
    world.send_large("large", &messages).await;
    world.send(100).await;
    let mut sales = declaration("sales");
    "large".clone_into(&mut sales.topic);
    let (agent, running) = world.start_with(vec![declaration("users"), sales]);
    // 30 users; of the other topic's messages 70 are nobody's.
    let until = Instant::now() + PATIENCE;
    while agent.metrics.value(&stream::RECORDS) < Some(103.0) {
        assert!(Instant::now() < until, "{:?}", agent.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_rows(&agent, 32.0).await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    assert_eq!(world.rows_of("sales").await.len(), 2);
    assert_eq!(world.rows_of("users").await.len(), 30);
    assert_eq!(world.rows_of("dead_letters").await.len(), 71);
    assert_eq!(agent.metrics.value(&stream::QUARANTINED), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_into_ten_thousand_partitions_hold_every_row() {
    let is_long = std::env::var_os("LAKEWRIGHT_LONG").is_some_and(|long| long == "1");
    let partitions = if is_long { 100_000 } else { 10_000 };
    let mut world = World::new().await;
    // Each sale is a partition of its own.
    let divide = |metadata: &mut serde_json::Value| {
        let field = serde_json::json!({"source-id": 1, "field-id": 1000, "name": "sale_id", "transform": "identity"});
        let specs = metadata["partition-specs"].as_array_mut().expect("specs");
        specs.push(serde_json::json!({"spec-id": 1, "fields": [field]}));
        metadata["default-spec-id"] = 1.into();
        metadata["last-partition-id"] = 1000.into();
    };
    world.alter("sales", divide).await;
    // Six of ten facts are sales, three are users.
    let mut left = partitions / 6 * 10 + 10;
    while left > 0 {
        // The client's queue takes 100,000.
        let some = left.min(50_000);
        world.send(some).await;
        left -= some;
    }
    world.commit_interval_ms = 5000;
    let (agent, running) = world.start();
    until_rows(&agent, (partitions / 6 * 9 + 9) as f64).await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let sales = load_table(&world.aws, "raw", "sales").await.expect("loaded");
    let summary = &sales.table.metadata().current_snapshot().expect("a snapshot").summary().additional_properties;
    let wanted = (partitions / 6 * 6 + 6).to_string();
    assert_eq!((&summary["total-records"], &summary["total-data-files"]), (&wanted, &wanted));
    assert_eq!(agent.metrics.value(&stream::QUARANTINED), Some(0.0));
}
