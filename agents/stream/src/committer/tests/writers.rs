//! Several writers at the same tables, and schemas that change under them.

use super::super::*;
use super::world::{KINDS, Life, World};
use crate::sink::memory::Next;
use crate::sink::{Blame, Version};
use crate::testing::KEY;

#[tokio::test]
async fn another_writer_of_the_same_partition_ends_what_is_held() {
    let mut world = World::new();
    world.send(40);
    let (mut zombie, mut life) = (Life::new(&world).await, Life::new(&world).await);
    life.read(&world, 30).await;
    zombie.read(&world, 20).await;
    assert_eq!(zombie.restarts, 1);
    zombie.read(&world, 40).await;
    life.settle(&world).await;
    world.assert_complete(&[]);
}

#[tokio::test]
async fn what_is_owed_is_paid_by_one_of_two_writers() {
    let mut world = World::new();
    // All of them are refused by sales' schema: only the dead letters take anything.
    world.log = vec![KINDS[2]; 10];
    world.shelves[0].lock().shut = Some(Blame::Table);
    Life::new(&world).await.read(&world, 10).await;
    assert!(world.shelves[2].lock().settled.owed.of("sales", KEY, 0).is_some() && world.offsets(2).is_empty());
    world.shelves[0].lock().shut = None;
    let (mut zombie, mut life) = (Life::new(&world).await, Life::new(&world).await);
    assert!(life.read(&world, 10).await);
    // The floor stands where the zombie left it.
    assert!(!zombie.read(&world, 10).await);
    assert_eq!((life.restarts, zombie.restarts), (0, 1));
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_commit_that_nobody_hears_of_and_that_another_writer_forestalled_is_none() {
    let mut world = World::new();
    world.send(40);
    let (mut zombie, mut life) = (Life::new(&world).await, Life::new(&world).await);
    life.read(&world, 30).await;
    for shelf in &world.shelves {
        shelf.lock().next.push_back(Next::Lost);
    }
    zombie.read(&world, 20).await;
    assert_eq!(zombie.restarts, 1);
    life.settle(&world).await;
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_writer_of_something_else_that_was_faster_is_followed() {
    let mut world = World::new();
    world.send(40);
    let mut life = Life::new(&world).await;
    for shelf in &world.shelves {
        shelf.lock().next.extend([Next::Overtaken; 2]);
    }
    assert!(life.read(&world, 40).await);
    assert_eq!((life.restarts, life.quarantined()), (0, 0));
    assert_eq!(life.metrics.value(&stream::COMMIT_CONFLICTS), Some(6.0));
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_writer_that_others_are_always_faster_than_asks_for_a_turn_and_ends_it() {
    let mut world = World::new();
    world.send(40);
    let mut life = Life::new(&world).await;
    for shelf in &world.shelves {
        shelf.lock().is_crowded = true;
    }
    assert!(life.read(&world, 40).await);
    assert_eq!((life.restarts, life.quarantined()), (0, 0));
    assert_eq!(life.metrics.value(&stream::COMMIT_TURNS), Some(3.0));
    assert!(world.shelves.iter().all(|shelf| shelf.lock().turn.is_none()));
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_writer_waits_for_another_ones_turn_and_commits_on_top_of_what_came_of_it() {
    let mut world = World::new();
    world.send(40);
    let mut life = Life::new(&world).await;
    let turn = Some(uuid::Uuid::new_v4());
    world.shelves[0].lock().turn = turn;
    let shelf = Arc::clone(&world.shelves[0]);
    let (committed, ()) = tokio::join!(life.read(&world, 40), async move {
        // The users' rows and all there is beside are written by the time that sales are waited for.
        while shelf.lock().turn == turn {
            tokio::task::yield_now().await;
            let mut shelf = shelf.lock();
            assert_eq!(shelf.commits(), 0, "it didn't wait");
            // The one whose turn it was has changed the table.
            shelf.version += 1;
            shelf.turn = None;
        }
    });
    assert!(committed);
    assert_eq!(life.metrics.value(&stream::COMMIT_CONFLICTS), Some(0.0), "the table was opened again after the turn");
    world.assert_complete(&[]);
}

#[tokio::test]
async fn waiting_for_another_ones_turn_is_no_conflict() {
    let mut world = World::new();
    world.send(40);
    let mut life = Life::new(&world).await;
    let shelf = Arc::clone(&world.shelves[0]);
    let turn = Some(uuid::Uuid::new_v4());
    {
        let mut shelf = shelf.lock();
        (shelf.turn, shelf.is_crowded) = (turn, true);
    }
    let (committed, ()) = tokio::join!(life.read(&world, 40), async {
        tokio::task::yield_now().await;
        shelf.lock().turn = None;
    });
    assert!(committed);
    let of = |metric| life.metrics.value(metric);
    assert_eq!((of(&stream::COMMIT_CONFLICTS), of(&stream::COMMIT_TURNS)), (Some(5.0), Some(1.0)));
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_schema_that_changed_is_decoded_anew() {
    let changes: [fn(&mut Version); 2] =
        [|version| version.schema = 1, |version| version.declaration = Some("another".to_owned())];
    for change in changes {
        let mut world = World::new();
        world.send(40);
        let mut life = Life::new(&world).await;
        life.read(&world, 20).await;
        {
            let mut shelf = world.shelves[0].lock();
            change(&mut shelf.schema_version);
            shelf.version += 1;
        }
        life.read(&world, 40).await;
        assert_eq!(life.restarts, 1);
        life.settle(&world).await;
        world.assert_complete(&[]);
    }
}

#[tokio::test]
async fn a_table_carries_no_offsets_of_topics_that_are_not_its_own() {
    let mut world = World { others: 1000, ..World::new() };
    world.send(40);
    {
        // As versions before wrote them, with another topic and one that is gone.
        let mut shelf = world.shelves[0].lock();
        for partition in 0..1000 {
            shelf.settled.offsets.advance("c/o", partition, 0);
            shelf.settled.offsets.advance("c/gone", partition, 0);
        }
        shelf.settled.refused.add("c/gone", 0, 7, "too long");
        // Of a cluster that the stack may go back to.
        shelf.settled.offsets.advance("d/t", 0, 90);
        shelf.settled.refused.add("d/t", 0, 80, "too long");
    }
    let mut life = Life::new(&world).await;
    life.read(&world, 20).await;
    assert!(life.read(&world, 40).await);
    for shelf in &world.shelves[..2] {
        let properties = shelf.lock().settled.properties(&Settled::default());
        let bytes: usize = properties.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes < 150, "{bytes} bytes: {properties:?}");
    }
    let sales = world.shelves[0].lock().settled.clone();
    assert_eq!((sales.offsets.get("d/t", 0), sales.refused.of("c/gone", 0)), (Some(90), None));
    assert!(sales.refused.of("d/t", 0).is_some());
    let ledger = world.shelves[2].lock().settled.clone();
    assert_eq!((ledger.offsets.get("c/o", 999), ledger.offsets.get(KEY, 0)), (Some(40), Some(40)));
    Life::new(&world).await.settle(&world).await;
    assert_eq!(life.restarts, 0);
    world.assert_complete(&[]);
}

#[tokio::test]
async fn one_that_read_a_topic_before_it_was_made_anew_takes_nothing_from_those_that_read_the_new_one() {
    // Messages of tables, and some that only the dead letters take.
    for kinds in [[KINDS[0], KINDS[1]], [KINDS[4], KINDS[4]]] {
        let mut world = World { key: "c/old", ..World::new() };
        world.log = kinds.to_vec();
        let mut zombie = Life::new(&world).await;
        zombie.take_in(&world, 2).await;
        world.make_anew(KEY);
        world.log = kinds.repeat(3);
        let mut life = Life::new(&world).await;
        assert!(life.read(&world, 4).await);
        assert!(!zombie.commit(&world).await);
        assert_eq!(zombie.restarts, 1);
        assert!(life.read(&world, 6).await);
        assert!(!world.shelves[2].lock().settled.topics.is_gone(crate::testing::TOPIC, KEY));
        assert_eq!(life.restarts, 0);
        zombie.settle(&world).await;
        world.assert_complete(&[]);
        world.assert_once();
    }
}
