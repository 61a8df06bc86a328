//! A log, tables in memory, and agents between them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use lakewright_config::{Reading, Unknown};
use parking_lot::Mutex;

use super::super::*;
use crate::batch::Place;
use crate::message::Way;
use crate::partition::{Partition, Taken};
use crate::quarantine::{Part, Quarantine, Until};
use crate::record::Record;
use crate::router::{Router, Topic};
use crate::sink::Blame;
use crate::sink::memory::{MemorySink, Shelf};
use crate::start::{known, start};
use crate::testing::{Bare, KEY, TOPIC, dead_schema, schema, table};

pub(super) const NAMES: [&str; 2] = ["sales", "users"];
/// Longer than any pause of the quarantine.
pub(super) const LATER: Duration = Duration::from_mins(10);

/// The log and the tables: what outlives an agent.
pub(super) struct World {
    pub(super) log: Vec<&'static str>,
    /// Sales, users, dead letters.
    pub(super) shelves: [Arc<Mutex<Shelf>>; 3],
    pub(super) on_reject: OnReject,
    /// The tables that agents know which begin from now on.
    pub(super) names: Vec<&'static str>,
    /// What they do with members that no column takes.
    pub(super) unknown: Unknown,
    /// Offsets that were settled while sales weren't declared.
    pub(super) undeclared: Vec<Range<i64>>,
    /// The topic's key.
    pub(super) key: &'static str,
    /// So many partitions of another topic are in each commit too.
    pub(super) others: i32,
    /// What the faults were made of, for messages.
    pub(super) seed: u64,
}

/// A record of each kind: which shelf it belongs to is its position in [`SHELF`].
pub(super) const KINDS: [&str; 5] = [
    r#"{"table":"sales","data":{"id":"s"}}"#,
    r#"{"table":"users","data":{"id":"u"}}"#,
    r#"{"table":"sales","data":{"id":7}}"#,
    r#"{"table":"users","data":{}}"#,
    "broken",
];
const SHELF: [usize; 5] = [0, 1, 2, 2, 2];

impl World {
    pub(super) fn new() -> Self {
        let shelves = [Shelf::new(schema()), Shelf::new(schema()), Shelf::new(dead_schema())];
        let names = NAMES.to_vec();
        Self {
            log: Vec::new(),
            shelves,
            on_reject: OnReject::DeadLetters,
            names,
            unknown: Unknown::default(),
            undeclared: Vec::new(),
            key: KEY,
            others: 0,
            seed: 0,
        }
    }

    /// Appends records, each kind in turn.
    pub(super) fn send(&mut self, count: usize) {
        let from = self.log.len();
        self.log.extend((from..from + count).map(|offset| KINDS[offset % KINDS.len()]));
    }

    /// The topic is deleted and made again, under a key that it never bore.
    pub(super) fn make_anew(&mut self, key: &'static str) {
        (self.key, self.log) = (key, Vec::new());
    }

    /// Whether something is owed to a table.
    pub(super) fn owes(&self, table: &str) -> bool {
        self.shelves[2].lock().settled.owed.of(table, self.key, 0).is_some()
    }

    /// Whether something is owed to a table whose own map is known.
    pub(super) fn knows_own(&self, table: &str) -> bool {
        self.shelves[2].lock().settled.owed.of(table, self.key, 0).is_some_and(|debt| debt.own.is_some())
    }

    /// The next offset that nobody has settled.
    pub(super) fn floor(&self) -> i64 {
        self.shelves[2].lock().settled.offsets.get(self.key, 0).unwrap_or_default()
    }

    /// The offsets of the topic's records on a shelf.
    pub(super) fn offsets(&self, shelf: usize) -> Vec<i64> {
        let places = self.shelves[shelf].lock().places();
        places.into_iter().filter(|(id, _)| *id == id_of(self.key)).map(|(_, offset)| offset).collect()
    }

    /// Every record of the log is where it belongs, once; `dead` are rows that are dead letters instead.
    pub(super) fn assert_complete(&self, dead: &[i64]) {
        for shelf in 0..3 {
            let belongs = |(offset, message): (usize, &&str)| {
                let kind = KINDS.iter().position(|kind| kind == message).expect("a kind");
                let offset = offset as i64;
                let refused = dead.contains(&offset) || self.undeclared.iter().any(|span| span.contains(&offset));
                let at = if kind == 0 && refused || dead.contains(&offset) { 2 } else { SHELF[kind] };
                (at == shelf).then_some(offset)
            };
            let expected: Vec<i64> = self.log.iter().enumerate().filter_map(belongs).collect();
            assert_eq!(self.offsets(shelf), expected, "of shelf {shelf}, seed {}", self.seed);
        }
    }

    /// Nothing is there twice.
    pub(super) fn assert_once(&self) {
        let all: Vec<(String, i64)> = self.shelves.iter().flat_map(|shelf| shelf.lock().places()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a record is there twice, seed {}", self.seed);
    }
}

fn id_of(key: &str) -> &str {
    key.split_once('/').expect("a cluster and a topic").1
}

/// An agent: what the intake does, without Kafka.
pub(super) struct Life {
    pub(super) committer: Committer<MemorySink>,
    outcomes: Receiver<Outcome>,
    pub(super) metrics: Metrics,
    pub(super) quarantine: Quarantine,
    tables: Vec<Table>,
    /// The topic's key, as this agent knows it.
    key: &'static str,
    reading: Option<(Router, Partition)>,
    /// The partition as it was read last, while none is.
    last: Option<Partition>,
    now: Instant,
    pub(super) restarts: u32,
}

impl Life {
    pub(super) async fn new(world: &World) -> Self {
        let metrics = Metrics::default();
        let (sender, outcomes) = channel();
        let shelf = |name: &str| &world.shelves[NAMES.iter().position(|known| *known == name).expect("a shelf")];
        let tables = world.names.iter().map(|name| (table(name), MemorySink::new(shelf(name))));
        let dead = (table("dead_letters"), MemorySink::new(&world.shelves[2]));
        let committer = Committer::new(tables.collect(), dead, world.on_reject, &metrics, sender);
        let quarantine = Quarantine::new(&metrics);
        let reading = Reading { unknown: world.unknown, ..Reading::default() };
        let declared = |name: &&str| Table { reading: reading.clone(), ..table(name) };
        let (now, tables) = (Instant::now(), world.names.iter().map(declared).collect());
        let mut life = Self {
            committer,
            outcomes,
            metrics,
            quarantine,
            tables,
            key: world.key,
            reading: None,
            last: None,
            now,
            restarts: 0,
        };
        life.begin(world).await;
        life
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) async fn begin(&mut self, world: &World) {
        if let Some((_, partition)) = self.reading.take() {
            self.last = Some(partition);
        }
        // Another topic's partition is another one.
        if self.key != world.key {
            (self.key, self.last) = (world.key, None);
        }
        let key = self.key;
        let tables = self.tables.clone();
        let part = |name: &str| Part::Table(name.to_owned());
        let hold: Vec<bool> = tables.iter().map(|table| self.quarantine.holds(&part(&table.name), self.now)).collect();
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
                    self.quarantine.on_trial(&part, self.now);
                    self.quarantine.begun(&part);
                    Some(Rows::evolved(&opened.schema, table, &opened.evolution, *sifting).expect("it fits"))
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
        let names = tables.iter().zip(0..).map(|(table, index)| (table.name.clone(), index)).collect();
        let topic =
            Topic { name: TOPIC.into(), key: key.into(), id: Arc::from(id_of(key)), tables: names, way: Way::Envelope };
        let ledger = Ledger::of(&begun.dead.settled);
        let (known, refused) = known(&tables, &begun.tables, &blind, &ledger, (&topic, 0));
        let begin = start(&known, ledger.floor(key, 0), 0, world.log.len() as i64).expect("in range");
        let mut partition = self.last.take().unwrap_or_else(|| Partition::new(0, 0));
        partition.begin(begin, refused);
        let dead = Rows::dead_letters(&begun.dead.schema).expect("dead letters");
        self.reading = Some((Router::new(vec![topic], rows, blind, dead, world.on_reject), partition));
    }

    /// Reads up to an offset and commits; follows what comes of it. Says whether the commit happened.
    pub(super) async fn read(&mut self, world: &World, to: usize) -> bool {
        if self.reading.is_none() || self.key != world.key {
            self.begin(world).await;
            return false;
        }
        self.take_in(world, to).await && self.commit(world).await
    }

    /// Reads up to an offset; says whether nothing broke.
    pub(super) async fn take_in(&mut self, world: &World, to: usize) -> bool {
        let (router, partition) = self.reading.as_mut().expect("reading began");
        let mut held = 0;
        while partition.next < to as i64 && held < Taken::MANY_BROKEN {
            let offset = partition.next;
            let payload = Some(world.log[offset as usize].as_bytes());
            let place = Place { partition: 0, offset, ingested_at: 1 };
            match partition.take(router, Record { topic: 0, payload, place, metadata: &Bare }) {
                Ok((routed, broken)) => {
                    partition.next += 1;
                    held += broken;
                    if let Some(collected) = routed.full {
                        self.committer.take(*collected).await;
                    }
                }
                Err(broken) => {
                    if !broken.by_record {
                        let part = Part::Table(self.tables[broken.table.expect("a table")].name.clone());
                        self.quarantine.put(part, Until::Written, &broken.error.to_string(), self.now);
                    }
                    self.begin(world).await;
                    return false;
                }
            }
        }
        for collected in router.drain().expect("drained") {
            self.committer.take(collected).await;
        }
        true
    }

    /// Commits what was read.
    pub(super) async fn commit(&mut self, world: &World) -> bool {
        let (router, partition) = self.reading.as_mut().expect("reading began");
        let position = Position {
            topic: TOPIC.into(),
            key: self.key.into(),
            partition: 0,
            next: partition.next,
            last: None,
            rows: Arc::clone(&partition.rows),
            rejects: Arc::clone(&partition.rejects),
            pending: partition.pending(),
        };
        let other = |partition| Position { topic: "other".into(), key: "c/o".into(), partition, ..position.clone() };
        let positions = (0..world.others).map(other).chain([position.clone()]).collect();
        let (blind, generation) = (router.blind().into(), self.committer.generation);
        let commit = Commit {
            generation,
            positions,
            blind,
            newest: 1,
            produced: Vec::new(),
            ledger: true,
            last: true,
            shared: true,
        };
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
                    for ((table, blind), wrote) in self.tables.iter().zip(&*commit.blind).zip(wrote) {
                        let part = Part::Table(table.name.clone());
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
                        self.quarantine.put(
                            Part::Table(self.tables[index].name.clone()),
                            until,
                            &fault.to_string(),
                            self.now,
                        );
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
    pub(super) async fn wait(&mut self, world: &World) {
        self.now += LATER;
        self.quarantine.look(self.now);
        if self.quarantine.is_due(self.now) {
            self.begin(world).await;
        }
    }

    /// Reads all there is until nothing is in quarantine and nothing is owed.
    pub(super) async fn settle(&mut self, world: &World) {
        for _ in 0..50 {
            let read = self.read(world, world.log.len()).await;
            if read
                && self.quarantined() == 0
                && !NAMES.iter().any(|name| world.owes(name))
                && self.reading.as_ref().is_some_and(|(router, _)| !router.blind().contains(&true))
            {
                // Once more: what follows from the last commit.
                self.read(world, world.log.len()).await;
                return;
            }
            self.wait(world).await;
        }
        panic!("it doesn't settle, seed {}: {:?}", world.seed, self.quarantine.reason());
    }

    pub(super) fn quarantined(&self) -> u64 {
        self.metrics.value(&stream::QUARANTINED).expect("a value") as u64
    }
}
