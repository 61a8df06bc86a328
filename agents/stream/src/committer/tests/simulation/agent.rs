//! An agent: what the intake does, without Kafka.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::Poll;
use std::time::Duration;

use super::sink::TimedSink;
use super::world::{Order, World, id, topic};
use crate::batch::Place;
use crate::committer::{Commit, Committer, Outcome, Position};
use crate::ledger::Ledger;
use crate::message::Way;
use crate::partition::Partition;
use crate::quarantine::{Part, Quarantine, Until};
use crate::record::Record;
use crate::router::{Router, Topic};
use crate::sink::Blame;
use crate::start::{known, start};
use crate::table::Rows;
use crate::testing::{Bare, table};
use lakewright_config::agents::stream::OnReject;
use lakewright_runtime::Metrics;

/// How often records are committed.
const INTERVAL: Duration = Duration::from_secs(5);
/// The pause between looks at the group and at Kafka.
const LOOK: Duration = Duration::from_millis(250);
/// So many records of a partition are taken in at a time.
const AT_A_TIME: i64 = 50;
/// When the ledger is committed even if there are no dead letters.
const IDLE: Duration = Duration::from_secs(30);

/// A host's agent, whatever becomes of it: it lives as its orders say, stands still while it is stopped, and is gone at any
/// point where it waits when it is to die.
pub(super) async fn host(world: Arc<World>, agent: usize) {
    loop {
        let Order::Run(group) = world.order(agent) else {
            world.clock.sleep(LOOK).await;
            continue;
        };
        let mut life = pin!(live(&world, agent, group));
        let mut place = None;
        std::future::poll_fn(|context| {
            if world.order(agent) == Order::Die {
                return Poll::Ready(());
            }
            let until = world.stopped.lock()[agent];
            if world.clock.poll_until(until, &mut place, context).is_pending() {
                return Poll::Pending;
            }
            place = None;
            life.as_mut().poll(context)
        })
        .await;
        world.clock.sleep(LOOK).await;
    }
}

async fn live(world: &Arc<World>, agent: usize, group: usize) {
    let mut life = Life::new(world, agent);
    let mine = |world: &World| world.groups[group].lock().join(agent, world.clock.now());
    life.extend(mine(world)).await;
    loop {
        let change = world.groups[group].lock().change(agent);
        match change {
            Some(change) => {
                if !change.revoked.is_empty() {
                    life.give_up(&change.revoked).await;
                    world.groups[group].lock().give_up(agent, &change.revoked);
                }
                if !change.granted.is_empty() {
                    life.extend(change.granted).await;
                }
            }
            // Its session ended: what it holds is read by others.
            None => {
                life.commit(true).await;
                life.drop_all();
                let again = mine(world);
                life.extend(again).await;
            }
        }
        life.go_on().await;
        if world.order(agent) != Order::Run(group) {
            life.commit(true).await;
            world.groups[group].lock().leave(agent);
            return;
        }
        world.clock.sleep(world.dice.between(LOOK / 2, LOOK)).await;
    }
}

struct Life<'a> {
    world: &'a Arc<World>,
    committer: Committer<TimedSink>,
    outcomes: Receiver<Outcome>,
    quarantine: Quarantine,
    /// By partition, its number among all.
    numbers: Vec<usize>,
    partitions: Vec<Partition>,
    router: Option<Router>,
    begin_at: Option<Duration>,
    failures: u32,
    held_since: Option<Duration>,
    ledger_at: Option<Duration>,
    shared: bool,
}

impl<'a> Life<'a> {
    fn new(world: &'a Arc<World>, agent: usize) -> Self {
        let metrics = Metrics::default();
        let (sender, outcomes) = channel();
        let sink = |index: usize| TimedSink::new(world, agent, &world.tables[index]);
        let tables = world.declared.iter().enumerate().map(|(index, table)| (table.clone(), sink(index))).collect();
        let dead = (table("dead_letters"), sink(world.declared.len()));
        let committer = Committer::new(tables, dead, OnReject::DeadLetters, &metrics, sender);
        Self {
            world,
            committer,
            outcomes,
            quarantine: Quarantine::exact(&metrics),
            numbers: Vec::new(),
            partitions: Vec::new(),
            router: None,
            begin_at: None,
            failures: 0,
            held_since: None,
            ledger_at: None,
            shared: true,
        }
    }

    async fn extend(&mut self, more: Vec<usize>) {
        self.commit(true).await;
        for number in more.into_iter().filter(|number| !self.numbers.contains(number)).collect::<Vec<usize>>() {
            let (topic, of_topic) = self.world.place(number);
            self.numbers.push(number);
            self.partitions.push(Partition::new(topic, of_topic));
        }
        self.begin().await;
    }

    async fn give_up(&mut self, some: &[usize]) {
        let committed = self.commit(true).await;
        let stays = |number: &usize| !some.contains(number);
        let mut index = 0;
        self.partitions.retain(|_| {
            index += 1;
            stays(&self.numbers[index - 1])
        });
        self.numbers.retain(stays);
        if !committed {
            self.stop(Duration::ZERO);
        }
    }

    fn drop_all(&mut self) {
        self.stop(Duration::ZERO);
        self.numbers.clear();
        self.partitions.clear();
    }

    fn stop(&mut self, wait: Duration) {
        (self.router, self.held_since, self.ledger_at) = (None, None, None);
        self.begin_at = Some(self.world.clock.now() + wait);
    }

    fn stop_and_wait(&mut self) {
        self.failures += 1;
        let wait = Duration::from_millis(100 << self.failures.min(8) >> 1).min(Duration::from_secs(15));
        let wait = self.world.dice.between(wait / 2, wait);
        self.stop(wait);
    }

    async fn begin(&mut self) {
        let is_reading = self.router.is_some();
        (self.router, self.held_since, self.ledger_at, self.begin_at) = (None, None, None, None);
        self.committer.generation += 1;
        let now = self.world.clock.instant();
        let tables = &self.world.declared;
        let part = |name: &str| Part::Table(name.to_owned());
        let hold: Vec<bool> = tables.iter().map(|table| self.quarantine.holds(&part(&table.name), now)).collect();
        let begun = self.committer.begin(&hold).await;
        self.committer.over = begun.is_err();
        let Ok(begun) = begun else { return self.stop_and_wait() };
        self.world.counts.lock().begins += 1;
        let (mut rows, mut blind) = (Vec::new(), Vec::new());
        for ((opened, sifting), table) in begun.tables.iter().zip(&begun.sifting).zip(tables) {
            let part = part(&table.name);
            let decoder = match opened {
                Some(Ok(opened)) => {
                    self.quarantine.on_trial(&part, now);
                    self.quarantine.begun(&part);
                    Some(Rows::declared(&opened.schema, &table.columns, *sifting).expect("it fits"))
                }
                Some(Err(fault)) => {
                    self.quarantine.put(part, Until::Begun, &fault.to_string(), now);
                    None
                }
                None => None,
            };
            blind.push(decoder.is_none());
            rows.push(decoder.unwrap_or_else(Rows::blind));
        }
        let topics: Vec<Topic> = (0..self.world.size.topics).map(|index| self.topic(index)).collect();
        let ledger = Ledger::of(&begun.dead.settled);
        for (partition, number) in self.partitions.iter_mut().zip(&self.numbers) {
            let topic = &topics[partition.topic];
            let (known, refused) = known(tables, &begun.tables, &blind, &ledger, (topic, partition.number));
            let floor = ledger.floor(&topic.key, partition.number);
            let start = start(&known, floor, 0, self.world.end(*number)).expect("in range");
            let is_read = is_reading && partition.begun && !partition.stands_still;
            let goes_on = partition.go_on(is_read, start, refused);
            let mut counts = self.world.counts.lock();
            *(if goes_on { &mut counts.went_on } else { &mut counts.begun }) += 1;
        }
        let dead = Rows::dead_letters(&begun.dead.schema).expect("dead letters");
        self.router = Some(Router::new(topics, rows, blind, dead, OnReject::DeadLetters));
    }

    fn topic(&self, index: usize) -> Topic {
        let of = self.world.declared.iter().enumerate().filter(|(_, table)| table.topic == topic(index));
        Topic {
            name: topic(index),
            key: format!("cluster/{}", id(index)),
            id: Arc::from(id(index)),
            tables: of.map(|(position, table)| (table.name.clone(), position)).collect(),
            way: Way::Envelope,
        }
    }

    /// Takes in what there is, and commits if it is time.
    async fn go_on(&mut self) {
        let now = self.world.clock.now();
        if self.begin_at.is_some_and(|at| at <= now) {
            self.begin().await;
        }
        if self.router.is_some() {
            self.quarantine.look(self.world.clock.instant());
            if self.quarantine.is_due(self.world.clock.instant()) {
                self.commit(true).await;
                self.begin().await;
            }
        }
        self.take_in().await;
        let now = self.world.clock.now();
        let is_due = self
            .held_since
            .map_or(self.ledger_at.is_some_and(|at| at <= now), |since| now.saturating_sub(since) >= INTERVAL);
        if is_due {
            self.commit(false).await;
        }
    }

    async fn take_in(&mut self) {
        let Some(router) = &mut self.router else { return };
        let mut full = Vec::new();
        for (partition, number) in self.partitions.iter_mut().zip(&self.numbers).filter(|(one, _)| one.begun) {
            let end = self.world.end(*number).min(partition.next + AT_A_TIME);
            while partition.next < end {
                let offset = partition.next;
                let message = self.world.message(*number, offset);
                let place = Place { partition: partition.number, offset, ingested_at: 1 };
                let payload = Some(message.as_bytes());
                let record = Record { topic: partition.topic, payload, place, metadata: &Bare };
                let (routed, _) = partition.take(router, record).expect("nothing breaks");
                partition.next += 1;
                full.extend(routed.full.map(|full| *full));
                self.world.counts.lock().taken += 1;
                self.held_since.get_or_insert(self.world.clock.now());
            }
        }
        for collected in full {
            self.committer.take(collected).await;
        }
    }

    /// Commits what was taken in, and follows what comes of it; returns whether nothing is held any more.
    async fn commit(&mut self, last: bool) -> bool {
        let Some(router) = self.router.as_mut().filter(|_| !self.partitions.is_empty()) else { return true };
        for collected in router.drain().expect("drained") {
            self.committer.take(collected).await;
        }
        let Some(router) = &self.router else { return true };
        let position = |partition: &Partition| Position {
            topic: router.topics[partition.topic].name.clone(),
            key: router.topics[partition.topic].key.clone(),
            partition: partition.number,
            next: partition.next,
            last: None,
            rows: Arc::clone(&partition.rows),
            rejects: Arc::clone(&partition.rejects),
            pending: partition.pending(),
        };
        let now = self.world.clock.now();
        let ledger = last || self.ledger_at.is_some_and(|at| at <= now);
        self.ledger_at = (!ledger).then(|| now + IDLE);
        self.held_since = None;
        let commit = Commit {
            generation: self.committer.generation,
            positions: self.partitions.iter().filter(|partition| partition.begun).map(position).collect(),
            blind: router.blind().into(),
            newest: 1,
            produced: Vec::new(),
            ledger,
            last,
            shared: self.shared,
        };
        if !self.committer.over {
            self.committer.commit_or_restart(commit).await;
        }
        self.follow()
    }

    fn follow(&mut self) -> bool {
        let mut committed = false;
        while let Ok(outcome) = self.outcomes.try_recv() {
            match outcome {
                Outcome::Committed { commit, wrote } => {
                    (committed, self.failures) = (true, 0);
                    for ((table, blind), wrote) in self.world.declared.iter().zip(&*commit.blind).zip(wrote) {
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
                    for (index, fault) in failed {
                        let until = if fault.blame == Blame::Passing { Until::Committed } else { Until::Written };
                        let part = Part::Table(self.world.declared[index].name.clone());
                        self.quarantine.put(part, until, &fault.to_string(), self.world.clock.instant());
                    }
                    self.stop(Duration::ZERO);
                }
                Outcome::Restart { .. } => self.stop_and_wait(),
            }
        }
        committed
    }
}
