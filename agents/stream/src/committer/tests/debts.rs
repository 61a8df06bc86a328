//! What is owed to a table that isn't declared for a while, or is rolled back.

use super::world::{KINDS, Life, World};
use crate::sink::Blame;
use crate::sink::memory::Next;

/// Sales, which fail from offset 30 on, and a ledger at 60.
async fn in_quarantine() -> (World, Life) {
    let mut world = World::new();
    world.send(60);
    let mut life = Life::new(&world).await;
    life.read(&world, 20).await;
    life.read(&world, 30).await;
    world.shelves[0].lock().next.push_back(Next::Refused(Blame::Table));
    life.read(&world, 45).await;
    life.read(&world, 60).await;
    assert!(world.owes("sales"));
    (world, life)
}

#[tokio::test]
async fn a_table_that_is_declared_again_gets_what_it_was_owed_and_nothing_else() {
    let (mut world, _) = in_quarantine().await;
    world.names = vec!["users"];
    let mut life = Life::new(&world).await;
    world.send(40);
    life.read(&world, 70).await;
    life.read(&world, 100).await;
    // What came while it wasn't declared is among the dead letters.
    world.undeclared.push(60..100);
    world.names = vec!["sales", "users"];
    world.send(20);
    let mut life = Life::new(&world).await;
    // It fails once more beyond that, and is taken out once more.
    world.shelves[0].lock().next.push_back(Next::Refused(Blame::Table));
    life.read(&world, 110).await;
    world.names = vec!["users"];
    Life::new(&world).await.read(&world, 115).await;
    world.undeclared.push(110..115);
    world.names = vec!["sales", "users"];
    let mut life = Life::new(&world).await;
    for to in [35, 50, 80, 120] {
        life.read(&world, to).await;
    }
    world.assert_complete(&[]);
    assert!(!world.owes("sales"));
}

#[tokio::test]
async fn a_table_in_quarantine_that_is_rolled_back_is_read_from_where_it_is_then() {
    let (mut world, mut life) = in_quarantine().await;
    world.shelves[0].lock().roll_back();
    assert_eq!(world.offsets(0), [0, 5, 10, 15]);
    life.settle(&world).await;
    world.assert_complete(&[]);
    // And where it can't be opened before: what is known of it then is what it was.
    world.send(20);
    life.read(&world, 70).await;
    world.shelves[0].lock().shut = Some(Blame::Table);
    // The dead letters wait for a look at it, and reading begins again without it.
    life.read(&world, 75).await;
    life.read(&world, 80).await;
    assert!(world.owes("sales"));
    {
        let mut shelf = world.shelves[0].lock();
        shelf.shut = None;
        shelf.roll_back();
    }
    life.settle(&world).await;
    world.assert_complete(&[]);
}

#[tokio::test]
async fn a_quiet_table_is_not_taken_for_one_that_was_rolled_back() {
    let mut world = World::new();
    world.log = vec![KINDS[0], KINDS[1], KINDS[1], KINDS[1], KINDS[0], KINDS[1], KINDS[0]];
    let mut life = Life::new(&world).await;
    life.read(&world, 1).await;
    life.read(&world, 4).await;
    world.shelves[0].lock().next.push_back(Next::Refused(Blame::Table));
    life.read(&world, 5).await;
    let owed = world.shelves[2].lock().settled.owed.of("sales", crate::testing::KEY, 0).cloned().expect("a debt");
    assert_eq!((owed.rows, owed.own), (4, Some(1)));
    life.settle(&world).await;
    world.assert_complete(&[]);
}
