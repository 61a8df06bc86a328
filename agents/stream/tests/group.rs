//! Agents as members of consumer groups: partitions come and go one by one.

use std::time::{Duration, Instant};

use rdkafka::message::OwnedHeaders;

use crate::world::{TABLES, World, declaration};
use lakewright_config::Table;
use lakewright_config::agents::stream;
use lakewright_runtime::Agent;

pub fn tables() -> Vec<Table> {
    TABLES[..2].iter().map(|name| declaration(name)).collect()
}

pub fn records(agents: &[&Agent]) -> u64 {
    agents.iter().filter_map(|agent| agent.metrics.value(&stream::RECORDS)).map(|records| records as u64).sum()
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < end, "not {what} after a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends records until an agent has read some, and all are read.
pub async fn read_until(world: &mut World, agents: &[&Agent], new: &Agent) {
    let before = records(&[new]);
    while records(&[new]) == before {
        world.send(60).await;
        let sent = world.sent;
        until("read", || records(agents) >= sent).await;
        assert_eq!(records(agents), sent, "records were read again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_stay_are_not_read_again_when_others_come_and_go() {
    let mut world = World::new().await;
    // What is held when partitions move is committed for that.
    world.commit_interval_ms = 3_600_000;
    world.send(300).await;
    let (first, first_running) = world.start();
    until("read", || records(&[&first]) == 300).await;
    assert_eq!(world.rows().await, []);
    let (second, second_running) = world.start();
    read_until(&mut world, &[&first, &second], &second).await;
    assert!(world.rows().await.len() >= 300, "the first one committed before it gave a partition up");
    let (third, third_running) = world.start();
    let all = [&first, &second, &third];
    read_until(&mut world, &all, &third).await;
    // What one has beside the partition that it gets goes on.
    second.shutdown.cancel();
    second_running.await.expect("ended").expect("ended well");
    read_until(&mut world, &all, &first).await;
    read_until(&mut world, &all, &third).await;
    for (agent, running) in [(&first, first_running), (&third, third_running)] {
        agent.shutdown.cancel();
        running.await.expect("ended").expect("ended well");
    }
    world.settled().await;
    assert_eq!(records(&all), world.sent, "records were read again");
    assert!(all.iter().all(|agent| agent.metrics.value(&stream::RESTARTS) == Some(0.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_starts_again_with_one_topic_more_reads_it() {
    let mut world = World::new().await;
    world.send(60).await;
    let users = || vec![declaration("users")];
    let (first, running) = world.start_as("lake", None, users());
    until("read", || records(&[&first]) == 60).await;
    first.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    world.make_topic("more").await;
    let sales = Table { topic: "more".into(), ..declaration("sales") };
    let (again, running) = world.start_as("lake", None, users().into_iter().chain([sales]).collect());
    let sale = br#"{"table":"sales","data":{"sale_id":"s","amount":1.25}}"#;
    world.send_one("more", None, Some(sale), OwnedHeaders::new()).await;
    until("read of the new topic", || records(&[&again]) > 0).await;
    again.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_of_two_groups_lose_and_double_nothing() {
    let mut world = World::new().await;
    world.send(300).await;
    // As while hosts get a new version one after the other: each partition has a reader in both groups.
    let (old, old_running) = world.start_as("before", None, tables());
    let (new, new_running) = world.start_as("lake", None, tables());
    for _ in 0..5 {
        world.send(300).await;
        world.settled().await;
    }
    until("seen by both", || records(&[&old]) > 0 && records(&[&new]) > 0).await;
    assert_ne!(world.members("before-cooperative").await, world.members("lake-cooperative").await);
    old.shutdown.cancel();
    old_running.await.expect("ended").expect("ended well");
    world.send(300).await;
    world.settled().await;
    new.shutdown.cancel();
    new_running.await.expect("ended").expect("ended well");
    world.settled().await;
    assert_eq!(world.rows().await.len(), 2100);
}
