//! Agents with an identity in their consumer group: who starts again is who it was, whatever it reads by then.
//!
//! On the local Kafka, or, one after the other, on the one that `LAKEWRIGHT_TEST_KAFKA` names, as `tests/kafka/real-kafka.sh test PORT`
//! does.

use std::time::{Duration, Instant};

use lakewright_config::Table;
use lakewright_config::agents::stream;
use lakewright_runtime::Agent;
use rdkafka::message::OwnedHeaders;
use tokio::task::JoinHandle;

use crate::group::{read_until, records, tables, until};
use crate::world::{World, declaration};

type Started = (Agent, JoinHandle<anyhow::Result<()>>);

/// A topic beside the one of the facts.
const MORE: &str = "more";
const FILE: &str = "membership.json";

fn users() -> Vec<Table> {
    vec![declaration("users")]
}

/// The same, and sales from the other topic.
fn with_more() -> Vec<Table> {
    users().into_iter().chain([Table { topic: MORE.into(), ..declaration("sales") }]).collect()
}

async fn end((agent, running): Started) {
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
}

async fn sell(world: &World, name: &str) {
    let sale = format!(r#"{{"table":"sales","data":{{"sale_id":"{name}","amount":1.25}}}}"#);
    world.send_one(MORE, None, Some(sale.as_bytes()), OwnedHeaders::new()).await;
}

async fn until_sold(world: &World, count: usize) {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let found = world.rows_of("sales").await.len();
        assert!(found <= count, "a sale is there twice");
        if found == count {
            return;
        }
        assert!(Instant::now() < end, "{found} of {count} sales after a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends facts until an agent has read some. Some may be read by two, of whom one commits them.
async fn takes_part(world: &mut World, agent: &Agent) {
    let (before, end) = (records(&[agent]), Instant::now() + Duration::from_mins(1));
    while records(&[agent]) == before {
        assert!(Instant::now() < end, "it reads nothing within a minute");
        world.send(60).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn rebalances(agent: &Agent) -> f64 {
    agent.metrics.value(&stream::REBALANCES).unwrap_or_default()
}

fn fenced(agent: &Agent) -> f64 {
    agent.metrics.value(&stream::FENCED).unwrap_or_default()
}

fn rejoins(agent: &Agent) -> f64 {
    agent.metrics.value(&stream::REJOINS).unwrap_or_default()
}

fn file(world: &World, name: &str) -> serde_json::Value {
    let text = std::fs::read(world.state(name).join(FILE)).expect("a file");
    serde_json::from_slice(&text).expect("JSON")
}

/// The identity that an agent of this name has by its file.
fn identity(world: &World, name: &str) -> String {
    format!("{name}-{}", file(world, name)["token"].as_str().expect("a token"))
}

/// Waits until it is kept that the group knows an agent's topics.
async fn until_known(world: &World, name: &str) {
    until("known by its topics", || file(world, name).get("before").is_none()).await;
}

/// Whether a group's members are those of these identities, each once.
async fn are_members(world: &World, group: &str, identities: &[&String]) -> bool {
    let members = world.members(group).await;
    let is_one = |identity: &&String| members.iter().filter(|id| id.starts_with(identity.as_str())).count() == 1;
    members.len() == identities.len() && identities.iter().all(is_one)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_again_has_its_partitions_and_the_others_hear_nothing() {
    let mut world = World::new().await;
    world.send(300).await;
    let start = |world: &World, name| world.start_as("same", Some(name), tables());
    let (one, two) = (start(&world, "one"), start(&world, "two"));
    read_until(&mut world, &[&one.0, &two.0], &two.0).await;
    read_until(&mut world, &[&one.0, &two.0], &one.0).await;
    world.settled().await;
    let identities = [&identity(&world, "one"), &identity(&world, "two")];
    end(one).await;
    assert!(are_members(&world, "same-cooperative", &identities).await, "it is a member until its session ends");
    let (read, heard) = (records(&[&two.0]), rebalances(&two.0));
    let again = start(&world, "one");
    world.send(300).await;
    world.settled().await;
    assert!(records(&[&again.0]) > 0, "it got its partitions back");
    assert!(records(&[&two.0]) > read);
    assert_eq!((rebalances(&again.0), rebalances(&two.0)), (1.0, heard));
    assert!(are_members(&world, "same-cooperative", &identities).await);
    end(again).await;
    end(two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_again_with_a_topic_more_reads_it_as_the_same_member() {
    let mut world = World::new().await;
    world.make_topic(MORE).await;
    world.send(60).await;
    let (one, two) = (world.start_as("wider", Some("one"), users()), world.start_as("wider", Some("two"), users()));
    for agent in [&one.0, &two.0] {
        read_until(&mut world, &[&one.0, &two.0], agent).await;
    }
    let identities = [&identity(&world, "one"), &identity(&world, "two")];
    end(one).await;
    sell(&world, "first").await;
    let wider = world.start_as("wider", Some("one"), with_more());
    until_sold(&world, 1).await;
    takes_part(&mut world, &two.0).await;
    world.settled().await;
    assert!(are_members(&world, "wider-cooperative", &identities).await);
    // From then on it is known by them, and a start is heard by nobody.
    until_known(&world, "one").await;
    end(wider).await;
    let heard = rebalances(&two.0);
    sell(&world, "second").await;
    let again = world.start_as("wider", Some("one"), with_more());
    until_sold(&world, 2).await;
    assert_eq!((rebalances(&again.0), rebalances(&two.0)), (1.0, heard));
    assert!(are_members(&world, "wider-cooperative", &identities).await);
    end(again).await;
    end(two).await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_again_with_a_topic_less_leaves_it_to_others_and_takes_in_nothing_of_it() {
    let mut world = World::new().await;
    world.make_topic(MORE).await;
    sell(&world, "first").await;
    let one = world.start_as("narrower", Some("one"), with_more());
    until_sold(&world, 1).await;
    world.send(60).await;
    world.settled().await;
    let of_one = identity(&world, "one");
    end(one).await;
    sell(&world, "second").await;
    let narrower = world.start_as("narrower", Some("one"), users());
    until("given its partitions by the topics of now", || rebalances(&narrower.0) >= 2.0).await;
    world.send(60).await;
    world.settled().await;
    assert_eq!(records(&[&narrower.0]), 60, "nothing of the other topic");
    assert_eq!(world.rows_of("sales").await.len(), 1);
    assert_eq!(identity(&world, "one"), of_one);
    let two = world.start_as("narrower", Some("two"), with_more());
    until_sold(&world, 2).await;
    assert!(are_members(&world, "narrower-cooperative", &[&of_one, &identity(&world, "two")]).await);
    end(narrower).await;
    end(two).await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_change_twice_in_a_row_are_read_all_the_same() {
    let mut world = World::new().await;
    world.make_topic(MORE).await;
    let start = |world: &World, tables| world.start_as("twice", Some("one"), tables);
    world.send(60).await;
    let first = start(&world, users());
    until("read", || records(&[&first.0]) == 60).await;
    end(first).await;
    let wider = start(&world, with_more());
    sell(&world, "first").await;
    until_sold(&world, 1).await;
    // It ends before it is known by them, as a crash would end it, and back it is.
    end(wider).await;
    let back = start(&world, users());
    world.send(60).await;
    world.settled().await;
    end(back).await;
    let again = start(&world, with_more());
    sell(&world, "second").await;
    until_sold(&world, 2).await;
    world.send(60).await;
    world.settled().await;
    end(again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_of_before_that_are_gone_keep_nobody_from_reading() {
    let mut world = World::new().await;
    world.make_topic("old").await;
    let old = vec![Table { topic: "old".into(), ..declaration("users") }];
    let one = world.start_as("gone", Some("one"), old);
    until("a member", || rebalances(&one.0) > 0.0).await;
    end(one).await;
    world.delete_topic("old").await;
    world.send(60).await;
    let again = world.start_as("gone", Some("one"), tables());
    world.settled().await;
    until("without an error", || again.0.health.last_error().is_none()).await;
    end(again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_its_file_is_a_new_member_and_who_cannot_keep_one_has_no_identity() {
    let mut world = World::new().await;
    let group = "lost-cooperative";
    world.send(60).await;
    let start = |world: &World| world.start_as("lost", Some("one"), tables());
    let one = start(&world);
    until("read", || records(&[&one.0]) == 60).await;
    let before = identity(&world, "one");
    end(one).await;
    std::fs::write(world.state("one").join(FILE), "{").expect("written");
    let anew = start(&world);
    world.send(60).await;
    world.settled().await;
    assert_eq!(anew.0.health.errors(), 1, "it is shown");
    assert_ne!(identity(&world, "one"), before);
    assert!(are_members(&world, group, &[&identity(&world, "one")]).await);
    end(anew).await;
    std::fs::remove_file(world.state("one").join(FILE)).expect("removed");
    std::fs::create_dir(world.state("one").join(FILE)).expect("in its place");
    let without = start(&world);
    world.send(60).await;
    world.settled().await;
    assert!(without.0.health.errors() > 0, "it is shown");
    end(without).await;
    assert_eq!(world.members(group).await, Vec::<String>::new(), "it left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_an_identity_and_who_has_none_are_members_of_one_group() {
    let mut world = World::new().await;
    world.send(300).await;
    // As while hosts get units that give their agents a name.
    let (one, two) = (world.start_as("mixed", Some("one"), tables()), world.start_as("mixed", None, tables()));
    for agent in [&two.0, &one.0] {
        read_until(&mut world, &[&one.0, &two.0], agent).await;
    }
    world.settled().await;
    assert_eq!(world.members("mixed-cooperative").await.len(), 2);
    end(two).await;
    assert!(are_members(&world, "mixed-cooperative", &[&identity(&world, "one")]).await, "the other one left");
    world.send(300).await;
    world.settled().await;
    end(one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_for_its_former_self_joins_again_as_the_same_member() {
    let mut world = World::new().await;
    world.send(300).await;
    let start = |world: &World, name| world.start_as("haunted", Some(name), tables());
    let (one, two) = (start(&world, "one"), start(&world, "two"));
    for agent in [&two.0, &one.0] {
        read_until(&mut world, &[&one.0, &two.0], agent).await;
    }
    let identities = [&identity(&world, "one"), &identity(&world, "two")];
    world.haunt("haunted-cooperative", identities[0]).await;
    until("a member again", || rejoins(&one.0) > 0.0).await;
    takes_part(&mut world, &one.0).await;
    takes_part(&mut world, &two.0).await;
    world.settled().await;
    assert!(are_members(&world, "haunted-cooperative", &identities).await);
    assert_eq!((rejoins(&one.0), fenced(&one.0), one.0.health.last_error()), (1.0, 0.0, None));
    assert_eq!((rejoins(&two.0), fenced(&two.0)), (0.0, 0.0));
    // It ends and starts again as ever.
    end(one).await;
    let again = start(&world, "one");
    takes_part(&mut world, &again.0).await;
    assert!(are_members(&world, "haunted-cooperative", &identities).await);
    end(again).await;
    end(two).await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_one_identity_one_takes_another_and_both_read() {
    let mut world = World::new().await;
    world.send(300).await;
    let one = world.start_as("both", Some("one"), tables());
    until("read", || records(&[&one.0]) == 300).await;
    // A machine that was copied with its disk.
    let copy = world.state("copy");
    std::fs::copy(world.state("one").join(FILE), copy.join(FILE)).expect("copied");
    let taken = identity(&world, "one");
    let usurper = world.start_in("both", (Some("one"), copy), tables());
    let says = format!("the same identity `{taken}`");
    until("fenced", || one.0.health.last_error().is_some_and(|error| error.contains(&says))).await;
    takes_part(&mut world, &usurper.0).await;
    world.settled().await;
    assert!(!one.1.is_finished(), "it shows for a while what happened");
    // Each took the place back once: the one that was fenced first is the first to be fenced again.
    assert_eq!((rejoins(&one.0), fenced(&one.0)), (1.0, 1.0));
    assert_eq!((rejoins(&usurper.0), fenced(&usurper.0)), (1.0, 0.0));
    one.0.shutdown.cancel();
    let error = one.1.await.expect("ended").expect_err("it lost its place").to_string();
    assert!(error.contains("the group both-cooperative") && error.contains("LAKEWRIGHT_INSTANCE"), "{error}");

    let again = world.start_as("both", Some("one"), tables());
    takes_part(&mut world, &again.0).await;
    takes_part(&mut world, &usurper.0).await;
    world.settled().await;
    assert!(are_members(&world, "both-cooperative", &[&taken, &identity(&world, "one")]).await);
    assert_eq!((fenced(&again.0), fenced(&usurper.0)), (1.0, 0.0));
    end(again).await;
    end(usurper).await;
}
