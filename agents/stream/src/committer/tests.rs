//! The committer, the ledger, the router and where reading begins, together, against sinks in memory: whatever fails and
//! whenever the agent dies, each record ends up in one table, once.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::*;
use crate::batch::Place;
use crate::partition::Partition;
use crate::quarantine::{Part, Quarantine, Until};
use crate::router::{Record, Router, Topic};
use crate::sink::Blame;
use crate::sink::memory::{MemorySink, Next, Shelf};
use crate::start::{known, start};
use crate::testing::{KEY, TOPIC, dead_schema, schema, table};

const NAMES: [&str; 2] = ["sales", "users"];
/// Longer than any pause of the quarantine.
const LATER: Duration = Duration::from_mins(10);

/// The log and the tables: what outlives an agent.
struct World {
    log: Vec<&'static str>,
    /// Sales, users, dead letters.
    shelves: [Arc<Mutex<Shelf>>; 3],
    on_reject: OnReject,
    /// What the faults were made of, for messages.
    seed: u64,
}

/// A record of each kind: which shelf it belongs to is its position in [`SHELF`].
const KINDS: [&str; 5] = [
    r#"{"table":"sales","data":{"id":"s"}}"#,
    r#"{"table":"users","data":{"id":"u"}}"#,
    r#"{"table":"sales","data":{"id":7}}"#,
    r#"{"table":"users","data":{}}"#,
    "broken",
];
const SHELF: [usize; 5] = [0, 1, 2, 2, 2];

impl World {
    fn new() -> Self {
        let shelves = [Shelf::new(schema()), Shelf::new(schema()), Shelf::new(dead_schema())];
        Self { log: Vec::new(), shelves, on_reject: OnReject::DeadLetters, seed: 0 }
    }

    /// Appends records, each kind in turn.
    fn send(&mut self, count: usize) {
        let from = self.log.len();
        self.log.extend((from..from + count).map(|offset| KINDS[offset % KINDS.len()]));
    }

    fn offsets(&self, shelf: usize) -> Vec<i64> {
        self.shelves[shelf].lock().offsets()
    }

    /// Every record of the log is where it belongs, once; `dead` are rows that are dead letters instead.
    fn assert_complete(&self, dead: &[i64]) {
        for shelf in 0..3 {
            let belongs = |(offset, message): (usize, &&str)| {
                let kind = KINDS.iter().position(|kind| kind == message).expect("a kind");
                let offset = offset as i64;
                let at = if dead.contains(&offset) { 2 } else { SHELF[kind] };
                (at == shelf).then_some(offset)
            };
            let expected: Vec<i64> = self.log.iter().enumerate().filter_map(belongs).collect();
            assert_eq!(self.offsets(shelf), expected, "of shelf {shelf}, seed {}", self.seed);
        }
    }

    /// Nothing is there twice.
    fn assert_once(&self) {
        let all: Vec<i64> = (0..3).flat_map(|shelf| self.offsets(shelf)).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a record is there twice, seed {}", self.seed);
    }
}

/// An agent: what the intake does, without Kafka.
struct Life {
    committer: Committer<MemorySink>,
    outcomes: Receiver<Outcome>,
    metrics: Metrics,
    quarantine: Quarantine,
    reading: Option<(Router, Partition)>,
    now: Instant,
    restarts: u32,
}

impl Life {
    async fn new(world: &World) -> Self {
        let metrics = Metrics::default();
        let (sender, outcomes) = channel();
        let tables = NAMES.iter().zip(&world.shelves).map(|(name, shelf)| (table(name), MemorySink::new(shelf)));
        let dead = (table("dead_letters"), MemorySink::new(&world.shelves[2]));
        let committer = Committer::new(tables.collect(), dead, world.on_reject, &metrics, sender);
        let quarantine = Quarantine::new(&metrics);
        let now = Instant::now();
        let mut life = Self { committer, outcomes, metrics, quarantine, reading: None, now, restarts: 0 };
        life.begin(world).await;
        life
    }

    async fn begin(&mut self, world: &World) {
        let tables: Vec<Table> = NAMES.iter().map(|name| table(name)).collect();
        let part = |name: &str| Part::Table(name.to_owned());
        let hold: Vec<bool> = NAMES.iter().map(|name| self.quarantine.holds(&part(name), self.now)).collect();
        let Ok(begun) = self.committer.begin(&hold).await else {
            self.reading = None;
            return;
        };
        self.committer.over = false;
        let (mut rows, mut blind) = (Vec::new(), Vec::new());
        for ((opened, sifting), table) in begun.tables.iter().zip(&begun.sifting).zip(&tables) {
            let part = part(&table.name);
            let decoder = match opened {
                Some(Ok(opened)) => {
                    self.quarantine.on_trial(&part);
                    self.quarantine.begun(&part);
                    Some(Rows::declared(&opened.schema, &table.columns, *sifting).expect("it fits"))
                }
                Some(Err(fault)) => {
                    self.quarantine.put(part, Until::Begun, &fault.to_string(), self.now);
                    None
                }
                None => None,
            };
            blind.push(decoder.is_none());
            rows.push(decoder.unwrap_or_else(Rows::blind));
        }
        let names = NAMES.iter().zip(0..).map(|(name, index)| ((*name).to_owned(), index)).collect();
        let topic = Topic { name: TOPIC.into(), key: KEY.into(), id: Arc::from("t"), tables: names };
        let ledger = Ledger::of(&begun.dead.settled);
        let (known, refused) = known(&tables, &begun.tables, &blind, &ledger, (&topic, 0));
        let begin = start(&known, ledger.floor(KEY, 0), 0, world.log.len() as i64).expect("in range");
        let mut partition = Partition::new(0, 0);
        partition.begin(begin, refused);
        let dead = Rows::dead_letters(&begun.dead.schema).expect("dead letters");
        self.reading = Some((Router::new(vec![topic], rows, blind, dead, world.on_reject), partition));
    }

    /// Reads up to an offset and commits; follows what comes of it. Says whether the commit happened.
    async fn read(&mut self, world: &World, to: usize) -> bool {
        let Some((router, partition)) = &mut self.reading else {
            self.begin(world).await;
            return false;
        };
        while partition.next < to as i64 {
            let offset = partition.next;
            let payload = Some(world.log[offset as usize].as_bytes());
            let place = Place { partition: 0, offset, ingested_at: 1 };
            let routed = router.take(Record { topic: 0, payload, place }, &partition.at(offset)).expect("taken");
            partition.next += 1;
            if let Some(collected) = routed.full {
                self.committer.take(collected).await;
            }
        }
        for collected in router.drain().expect("drained") {
            self.committer.take(collected).await;
        }
        let position = Position {
            topic: TOPIC.into(),
            key: KEY.into(),
            partition: 0,
            next: partition.next,
            rows: Arc::clone(&partition.rows),
            rejects: Arc::clone(&partition.rejects),
            pending: partition.pending(),
        };
        let (blind, generation) = (router.blind().into(), self.committer.generation);
        let commit = Commit { generation, positions: vec![position], blind, newest: 1, ledger: true, last: true };
        if !self.committer.over {
            self.committer.commit_or_restart(commit).await;
        }
        self.follow(world).await
    }

    async fn follow(&mut self, world: &World) -> bool {
        let (mut committed, mut again) = (false, false);
        while let Ok(outcome) = self.outcomes.try_recv() {
            match outcome {
                Outcome::Committed { commit, wrote } => {
                    committed = true;
                    for ((name, blind), wrote) in NAMES.iter().zip(&*commit.blind).zip(wrote) {
                        let part = Part::Table((*name).to_owned());
                        if !blind {
                            self.quarantine.committed(&part, 0);
                        }
                        if wrote {
                            self.quarantine.written(&part);
                        }
                    }
                }
                Outcome::Again { failed, .. } => {
                    again = true;
                    for (index, fault) in failed {
                        let until = if fault.blame == Blame::Passing { Until::Committed } else { Until::Written };
                        self.quarantine.put(Part::Table(NAMES[index].into()), until, &fault.to_string(), self.now);
                    }
                }
                Outcome::Restart { .. } => {
                    self.restarts += 1;
                    again = true;
                }
            }
        }
        if again {
            self.begin(world).await;
        }
        committed
    }

    /// Lets the pauses of the quarantine pass, and begins again if something is due.
    async fn wait(&mut self, world: &World) {
        self.now += LATER;
        if self.quarantine.is_due(self.now) {
            self.begin(world).await;
        }
    }

    /// Reads all there is until nothing is in quarantine.
    async fn settle(&mut self, world: &World) {
        for _ in 0..50 {
            let read = self.read(world, world.log.len()).await;
            if read && self.quarantined() == 0 && self.reading.as_ref().is_some_and(|(router, _)| !router.blind()[0]) {
                // Once more: what follows from the last commit.
                self.read(world, world.log.len()).await;
                return;
            }
            self.wait(world).await;
        }
        panic!("it doesn't settle, seed {}: {:?}", world.seed, self.quarantine.reason());
    }

    fn quarantined(&self) -> u64 {
        self.metrics.value(&stream::QUARANTINED).expect("a value") as u64
    }
}

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
    let owed = world.shelves[2].lock().settled.owed.of("sales", KEY, 0).expect("a debt");
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
async fn a_schema_that_changed_is_decoded_anew() {
    let mut world = World::new();
    world.send(40);
    let mut life = Life::new(&world).await;
    life.read(&world, 20).await;
    {
        let mut shelf = world.shelves[0].lock();
        (shelf.schema_version, shelf.version) = (1, shelf.version + 1);
    }
    life.read(&world, 40).await;
    assert_eq!(life.restarts, 1);
    life.settle(&world).await;
    world.assert_complete(&[]);
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // The constants of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
async fn any_order_of_faults_and_deaths_leaves_each_record_in_one_table_once() {
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let mut world = World { seed, ..World::new() };
        let mut poison: Vec<i64> = Vec::new();
        // The second believes now and then that the partition is its own.
        let (mut life, mut zombie) = (Life::new(&world).await, Life::new(&world).await);
        for _ in 0..25 {
            let shelf = dice.below(3) as usize;
            match dice.below(12) {
                0 => world.shelves[shelf].lock().next.push_back(Next::Refused(Blame::Passing)),
                1 => world.shelves[shelf].lock().next.push_back(Next::Refused(Blame::Table)),
                2 => world.shelves[shelf].lock().next.push_back(Next::Lost),
                3 if shelf < 2 => {
                    let mut shelf = world.shelves[shelf].lock();
                    shelf.shut = if shelf.shut.is_some() { None } else { Some(Blame::Table) };
                }
                4 if world.log.len() > 5 && poison.len() < 8 => {
                    // A row of the first table that nobody has read yet.
                    let offset = (world.log.len().div_ceil(5) * 5) as i64;
                    poison.push(offset);
                    world.shelves[0].lock().poison.push(offset);
                }
                5 => life = Life::new(&world).await,
                6 => life.wait(&world).await,
                7 => _ = zombie.read(&world, world.log.len()).await,
                8 => zombie = std::mem::replace(&mut life, Life::new(&world).await),
                _ => world.send(dice.below(20) as usize),
            }
            let to = world.log.len();
            life.read(&world, to.saturating_sub(dice.below(4) as usize)).await;
            world.assert_once();
        }
        for shelf in &world.shelves {
            let mut shelf = shelf.lock();
            (shelf.shut, shelf.next) = (None, std::collections::VecDeque::new());
        }
        world.send(10);
        life.settle(&world).await;
        let there = poison.iter().copied().filter(|offset| *offset < world.log.len() as i64).collect::<Vec<_>>();
        world.assert_complete(&there);
    }
}
