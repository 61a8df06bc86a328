//! Turns at a table: advice that one writer takes at a time, and that holds nobody up for long.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lakewright_aws::Aws;
use lakewright_lake::Turns;
use lakewright_lake::maintain::Policy;

use crate::support::Fake;
use crate::support::sales::{append, compact, load, make, rows};

const LOCATION: &str = "s3://bucket/raw/sales";
const OBJECT: &str = "/bucket/raw/sales/metadata/.lakewright-turn";
/// Longer than a test waits for anything.
const LONG: Duration = Duration::from_mins(10);

fn writer(aws: &Aws) -> Turns {
    Turns::at(aws, LOCATION).expect("a folder of a bucket")
}

#[tokio::test]
async fn a_writer_with_a_turn_is_waited_for_until_it_ends() {
    let (fake, aws) = Fake::start().await;
    let (mut slow, mut quick) = (writer(&aws), writer(&aws));
    assert!(!quick.give_way().await, "nobody has asked for anything");
    assert!(slow.take(LONG).await);
    assert!(!slow.give_way().await, "it is its own turn");
    let asked = fake.asked(OBJECT);
    let waiting = tokio::spawn(async move { quick.give_way().await });
    // It has to have looked before the turn ends.
    while fake.asked(OBJECT) == asked {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It is asked for again, for more time.
    assert!(slow.take(LONG).await);
    slow.end().await;
    assert!(waiting.await.expect("it ended"));
    assert_eq!(fake.keys("turn"), [""; 0]);
}

#[tokio::test]
async fn a_writer_that_dies_in_its_turn_holds_up_each_other_once_and_then_its_turn_is_taken() {
    let (fake, aws) = Fake::start().await;
    let (mut dead, mut other) = (writer(&aws), writer(&aws));
    assert!(dead.take(Duration::from_millis(300)).await);
    assert!(other.give_way().await);
    assert!(!other.give_way().await, "it waits for one turn twice");
    assert!(other.take(LONG).await);
    // It wasn't dead after all: what isn't its own any more stays.
    dead.end().await;
    assert_eq!(fake.keys("turn").len(), 1);
    other.end().await;
    assert_eq!(fake.keys("turn"), [""; 0]);
}

#[tokio::test]
async fn one_turn_is_taken_at_a_time() {
    for hides in [false, true] {
        one_turn_at_a_time(hides).await;
    }
}

/// With `hides`, S3 doesn't say that an object isn't there: the role may list some prefixes only.
async fn one_turn_at_a_time(hides: bool) {
    let (fake, aws) = Fake::start().await;
    fake.hides.store(hides, Ordering::Relaxed);
    let taking = (0..4).map(async |_| {
        let mut turns = writer(&aws);
        assert!(turns.take(LONG).await);
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let ended = Instant::now();
        turns.end().await;
        (began, ended)
    });
    let mut taken = futures::future::join_all(taking).await;
    taken.sort();
    assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two at a time: {taken:?}");
}

#[tokio::test]
async fn what_is_no_turn_and_what_cannot_be_read_hold_nobody_up() {
    let (fake, aws) = Fake::start().await;
    fake.put(OBJECT, "yours");
    let mut turns = writer(&aws);
    assert!(!turns.give_way().await);
    // It may have been meant for something: it isn't overwritten.
    assert!(!turns.take(LONG).await);
    assert_eq!(fake.keys("turn"), [OBJECT]);
    let away = Aws::with_keys("eu-north-1", "http://127.0.0.1:1", "123456789012", "secret").expect("a client");
    assert!(!writer(&away).give_way().await);
}

#[tokio::test]
async fn writers_that_are_always_faster_are_asked_to_wait() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..6 {
        append(&aws, &[id * 10]).await;
    }
    let loaded = load(&aws).await;
    let mut held = fake.hold_next();
    let compacting = tokio::spawn(async move { compact(loaded, &Policy::default(), false).await });
    let mut faster = 0;
    loop {
        let (come, go) = held;
        come.await.expect("the commit");
        if !fake.keys("lakewright-turn").is_empty() {
            go.send(()).expect("the commit waits");
            break;
        }
        append(&aws, &[1000 + faster]).await;
        faster += 1;
        held = fake.hold_next();
        go.send(()).expect("the commit waits");
    }
    let (after, done) = compacting.await.expect("no panic").expect("compacted");
    assert_eq!((faster, done.replaced, done.given_up), (4, 6, 0));
    assert_eq!(rows(&after, None).await, [0, 10, 20, 30, 40, 50, 1000, 1001, 1002, 1003]);
    assert_eq!(fake.keys("lakewright-turn"), [""; 0], "the turn is over");
}
