//! Tables that fail take nothing, and the rest goes on.

use super::world::{Life, World};
use crate::sink::Blame;
use crate::sink::memory::Next;
use crate::testing::KEY;

#[tokio::test]
async fn what_goes_well_ends_up_where_it_belongs_through_any_number_of_lives() {
    let mut world = World::new();
    world.send(50);
    for to in [7, 20, 33, 50] {
        let mut life = Life::new(&world).await;
        assert!(life.read(&world, to).await);
    }
    world.assert_complete(&[]);
    // Nothing is said that there was no need to say.
    assert!(world.shelves.iter().all(|shelf| {
        let settled = &shelf.lock().settled;
        settled.owed.is_empty() && settled.refused.is_empty()
    }));
}

#[tokio::test]
async fn a_table_that_takes_nothing_is_quarantined_and_the_rest_goes_on() {
    let mut world = World::new();
    world.send(100);
    let mut life = Life::new(&world).await;
    life.read(&world, 30).await;
    world.shelves[0].lock().next.push_back(Next::Refused(Blame::Table));
    life.read(&world, 60).await;
    assert_eq!((life.quarantined(), life.restarts), (1, 0));
    assert!(life.quarantine.reason().is_some_and(|reason| reason.contains("the table sales")));
    life.read(&world, 100).await;
    // Users have all; the dead letters lack what nobody has judged, and have what was judged before.
    let users: Vec<i64> = (0..100).filter(|offset| offset % 5 == 1).collect();
    assert_eq!((world.offsets(1), world.offsets(0).len()), (users, 6));
    assert_eq!(world.offsets(2).iter().filter(|offset| *offset % 5 == 2).count(), 12);
    let owed = world.shelves[2].lock().settled.owed.of("sales", KEY, 0).cloned().expect("a debt");
    assert_eq!((owed.rows, owed.rejects), (30, 60));
    // Another life knows of the debt as well.
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    world.assert_complete(&[]);
    assert!(world.shelves[2].lock().settled.owed.is_empty());
}

#[tokio::test]
async fn a_table_on_trial_goes_back_with_a_longer_pause_and_is_healthy_in_the_end() {
    let mut world = World::new();
    world.send(40);
    let mut life = Life::new(&world).await;
    world.shelves[0].lock().next.extend([Next::Refused(Blame::Table); 3]);
    life.read(&world, 20).await;
    for trial in 1..3 {
        life.wait(&world).await;
        life.read(&world, 20).await;
        assert_eq!(life.quarantined(), 1, "after trial {trial}");
    }
    life.settle(&world).await;
    assert_eq!(life.quarantined(), 0);
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_table_that_cannot_be_opened_is_left_out_from_the_start() {
    let mut world = World::new();
    world.send(25);
    world.shelves[0].lock().shut = Some(Blame::Table);
    let mut life = Life::new(&world).await;
    life.read(&world, 25).await;
    assert_eq!((world.offsets(0), world.offsets(1).len(), life.quarantined()), (vec![], 5, 1));
    world.send(25);
    world.shelves[0].lock().shut = None;
    life.settle(&world).await;
    world.assert_complete(&[]);
}

#[tokio::test]
async fn what_a_table_wrote_before_it_was_left_out_does_not_end_its_quarantine() {
    let mut world = World::new();
    world.send(20);
    let mut life = Life::new(&world).await;
    // Its rows are committed, and then it can't be looked at again: the dead letters wait, and reading begins without it.
    world.shelves[0].lock().shut = Some(Blame::Table);
    assert!(!life.read(&world, 20).await);
    assert_eq!((world.offsets(0).len(), life.restarts, life.quarantined()), (4, 1, 1));
    assert!(life.read(&world, 20).await);
    assert_eq!(life.quarantined(), 1, "nobody would try it again");
    world.shelves[0].lock().shut = None;
    life.settle(&world).await;
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_commit_that_nobody_heard_of_is_neither_lost_nor_repeated() {
    let mut world = World::new();
    world.send(60);
    for shelf in 0..2 {
        let mut life = Life::new(&world).await;
        world.shelves[shelf].lock().next.push_back(Next::Lost);
        life.read(&world, 30 + shelf * 15).await;
        assert_eq!(life.quarantined(), 1);
    }
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    world.assert_complete(&[]);
}
