//! Rows that can't be written are dead letters.

use super::super::*;
use super::world::{KINDS, Life, World};
use crate::sink::Blame;
use crate::sink::memory::Next;
use crate::testing::{ADDING, DECODING};

#[tokio::test]
async fn rows_that_cannot_be_written_are_dead_letters_with_the_reason() {
    let mut world = World::new();
    world.send(100);
    world.shelves[0].lock().poison = vec![10, 55];
    world.shelves[1].lock().panics = Some(31);
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    world.assert_complete(&[10, 31, 55]);
    assert_eq!((life.quarantined(), life.restarts), (0, 0));
    let reasons = world.shelves[2].lock().texts("reason");
    let expected = "a row that the table sales can't hold: 10 is poison";
    assert!(reasons.iter().any(|reason| reason == expected), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("this is a bug in lakewright") && reason.contains("users")));
    // What the dead letters have, the table doesn't keep for them.
    world.send(50);
    life.settle(&world).await;
    assert!(world.shelves[0].lock().settled.refused.is_empty());
}

#[tokio::test]
async fn killed_between_a_table_and_the_dead_letters_it_loses_no_row_that_cannot_be_written() {
    let mut world = World::new();
    world.send(50);
    world.shelves[0].lock().poison = vec![10];
    let mut life = Life::new(&world).await;
    // The first commit finds out that there is one, the second which.
    life.read(&world, 50).await;
    world.shelves[2].lock().next.push_back(Next::Refused(Blame::Passing));
    life.read(&world, 50).await;
    assert!(!world.offsets(2).contains(&10) && !world.shelves[0].lock().settled.refused.is_empty());
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    world.assert_complete(&[10]);
}

#[tokio::test]
async fn policies_decide_about_rows_that_cannot_be_written() {
    for (policy, left_out) in [(OnReject::Skip, true), (OnReject::Stop, false)] {
        let mut world = World::new();
        world.on_reject = policy;
        world.log = vec![KINDS[0], KINDS[1], KINDS[0], KINDS[1], KINDS[0]];
        world.shelves[0].lock().poison = vec![2];
        let mut life = Life::new(&world).await;
        life.read(&world, 5).await;
        life.read(&world, 5).await;
        assert_eq!((world.offsets(1), world.offsets(2)), (vec![1, 3], vec![]));
        let sales = if left_out { vec![0, 4] } else { vec![] };
        assert_eq!((world.offsets(0), life.quarantined() == 0), (sales, left_out));
    }
}

#[tokio::test]
async fn a_table_of_which_no_row_can_be_written_is_quarantined() {
    let mut world = World::new();
    world.send(200);
    world.shelves[0].lock().poison = (0..200).collect();
    let mut life = Life::new(&world).await;
    life.read(&world, 200).await;
    life.read(&world, 200).await;
    assert_eq!((life.quarantined(), world.offsets(1).len()), (1, 40));
    assert!(world.offsets(2).iter().all(|offset| offset % 5 > 1), "its rows are no dead letters");
    world.shelves[0].lock().poison.clear();
    life.settle(&world).await;
    world.assert_complete(&[]);
}

#[tokio::test]
async fn any_number_of_rows_at_the_head_that_cannot_be_written_are_got_past() {
    let mut world = World::new();
    world.send(3500);
    // The first six hundred rows, more than one commit refuses.
    let poison: Vec<i64> = (0..600).map(|row| row * 5).collect();
    world.shelves[0].lock().poison.clone_from(&poison);
    let mut life = Life::new(&world).await;
    life.settle(&world).await;
    world.assert_complete(&poison);
    assert_eq!((life.quarantined(), life.restarts), (0, 0));
    // Killed while some are settled and others aren't, another life goes on there.
    world.send(3500);
    let more: Vec<i64> = (700..1300).map(|row| row * 5).collect();
    world.shelves[0].lock().poison.extend(&more);
    let mut life = Life::new(&world).await;
    life.read(&world, 7000).await;
    life.read(&world, 7000).await;
    assert!(world.owes("sales"));
    Life::new(&world).await.settle(&world).await;
    world.assert_complete(&[poison, more].concat());
}

#[tokio::test]
async fn a_table_of_which_no_row_can_be_written_for_long_goes_on_with_dead_letters() {
    let mut world = World::new();
    world.send(200);
    world.shelves[0].lock().poison = (0..200).collect();
    let mut life = Life::new(&world).await;
    for _ in 0..60 {
        life.read(&world, 200).await;
        life.wait(&world).await;
    }
    world.assert_complete(&(0..200).step_by(5).collect::<Vec<i64>>());
    life.settle(&world).await;
}

#[tokio::test]
async fn a_record_whose_decoding_panics_is_a_dead_letter_and_its_table_goes_on() {
    let mut world = World::new();
    world.log = vec![KINDS[0], r#"{"table":"sales","data":{"id":"-panics-"}}"#, KINDS[1], KINDS[0]];
    let mut life = Life::new(&world).await;
    assert!(life.read(&world, 4).await);
    assert_eq!([world.offsets(0), world.offsets(1), world.offsets(2)], [vec![0, 3], vec![2], vec![1]]);
    assert_eq!((life.quarantined(), life.restarts), (0, 0));
    let reasons = world.shelves[2].lock().texts("reason");
    assert!(reasons[0].contains("a bug in lakewright"), "{reasons:?}");
}

#[tokio::test]
async fn killed_between_a_table_and_the_dead_letters_it_loses_no_record_that_broke_its_code() {
    for breaks in [DECODING, ADDING] {
        let mut world = World::new();
        world.send(100);
        breaks.on([50]);
        world.shelves[2].lock().next.push_back(Next::Refused(Blame::Passing));
        let mut life = Life::new(&world).await;
        while world.offsets(0).is_empty() {
            life.read(&world, 100).await;
        }
        assert!(world.offsets(2).is_empty());
        // It breaks nothing any more.
        breaks.on([]);
        let mut life = Life::new(&world).await;
        life.settle(&world).await;
        world.assert_complete(&[50]);
        world.send(50);
        life.settle(&world).await;
        assert!(world.shelves[0].lock().settled.refused.is_empty());
    }
}

#[tokio::test]
async fn a_record_that_broke_the_code_of_a_table_that_fails_is_there_once() {
    for (breaks, dead) in [(DECODING, &[][..]), (ADDING, &[50])] {
        let mut world = World::new();
        world.send(100);
        breaks.on([50]);
        world.shelves[0].lock().next.push_back(Next::Refused(Blame::Table));
        let mut life = Life::new(&world).await;
        while world.offsets(2).is_empty() {
            life.read(&world, 100).await;
        }
        assert!(world.owes("sales"));
        breaks.on([]);
        // What was added is left out as long as the agent lives.
        life.settle(&world).await;
        world.assert_complete(dead);
    }
}

#[tokio::test]
async fn a_table_whose_code_many_records_break_is_quarantined_and_gets_past_them() {
    let mut world = World::new();
    world.send(500);
    let broken = || (0..500).step_by(5);
    ADDING.on(broken());
    let mut life = Life::new(&world).await;
    let mut begins = 0;
    while world.offsets(1).is_empty() {
        assert!(begins < 17, "the others wait for it");
        life.read(&world, 500).await;
        begins += 1;
    }
    assert_eq!((world.offsets(1).len(), life.quarantined()), (100, 1));
    for _ in 0..200 {
        life.read(&world, 500).await;
        if life.quarantined() > 0 {
            life.wait(&world).await;
        }
    }
    life.settle(&world).await;
    ADDING.on([]);
    world.assert_complete(&broken().collect::<Vec<i64>>());
}
