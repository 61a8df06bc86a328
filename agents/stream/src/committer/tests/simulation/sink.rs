//! A sink in memory whose requests take time and fail now and then, and the turns at it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use arrow_array::RecordBatch;
use lakewright_lake::NewColumn;
use lakewright_platform::Backoff;
use parking_lot::Mutex;
use uuid::Uuid;

use super::world::World;
use crate::room::Room;
use crate::settled::Settled;
use crate::sink::memory::{MemorySink, Next, Shelf};
use crate::sink::{Blame, Fault, Opened, Refusal, Shared, Sink, Written};

const MILLI: Duration = Duration::from_millis(1);
/// As `lakewright_lake`'s turns have it.
const LONGEST_TURN: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody's turn at a table.
#[derive(Clone, Copy)]
struct Turn {
    id: Uuid,
    at_most: Duration,
}

/// A table, and who has a turn at it.
pub(super) struct Table {
    pub(super) shelf: Arc<Mutex<Shelf>>,
    turn: Mutex<Option<Turn>>,
}

impl Table {
    pub(super) fn new(shelf: Arc<Mutex<Shelf>>) -> Self {
        Self { shelf, turn: Mutex::default() }
    }
}

/// An agent's sink.
pub(super) struct TimedSink {
    world: Arc<World>,
    agent: usize,
    table: Arc<Table>,
    memory: MemorySink,
    /// The bytes of the rows that it holds.
    held: usize,
    /// Conflicts since the last commit.
    conflicts: u64,
    own_turn: Option<Uuid>,
    waited_for: Option<Uuid>,
    /// The slowest attempt to commit.
    slowest: Duration,
}

impl TimedSink {
    pub(super) fn new(world: &Arc<World>, agent: usize, table: &Arc<Table>) -> Self {
        Self {
            world: Arc::clone(world),
            agent,
            table: Arc::clone(table),
            memory: MemorySink::new(&table.shelf),
            held: 0,
            conflicts: 0,
            own_turn: None,
            waited_for: None,
            slowest: Duration::ZERO,
        }
    }

    /// The time that a request takes: now and then a long one.
    async fn takes(&self, shortest: u32, longest: u32) {
        let factor = if self.world.dice.per_mille(5) { 10 } else { 1 };
        let time = self.world.dice.between(MILLI * shortest, MILLI * longest) * factor;
        self.world.clock.sleep(time).await;
    }

    fn hold(&mut self, bytes: usize) {
        self.world.held(self.agent, bytes as i64 - self.held as i64);
        self.held = bytes;
    }

    /// Another one's turn that wasn't waited for.
    fn another(&self) -> Option<Turn> {
        let turn = *self.table.turn.lock();
        turn.filter(|turn| Some(turn.id) != self.own_turn && Some(turn.id) != self.waited_for)
    }
}

impl Drop for TimedSink {
    fn drop(&mut self) {
        self.hold(0);
    }
}

impl Sink for TimedSink {
    async fn open(&mut self) -> Result<Opened, Fault> {
        self.takes(3, 15).await;
        if self.world.fails(1) {
            return Err(Fault::new(Blame::Passing, anyhow!("the catalog doesn't answer")));
        }
        let opened = self.memory.open().await;
        self.takes(2, 10).await;
        opened
    }

    async fn write(&mut self, rows: RecordBatch, room: Option<Room>) -> Result<(), Fault> {
        self.hold(self.held + rows.get_array_memory_size());
        self.memory.write(rows, room).await
    }

    async fn finish(&mut self) -> Result<Written, Fault> {
        if self.held > 0 {
            self.takes(10, 30).await;
        }
        self.memory.finish().await
    }

    async fn add_columns(&mut self, columns: &[NewColumn]) -> Result<(), Refusal> {
        self.memory.add_columns(columns).await
    }

    async fn commit(&mut self, settled: &Settled, before: &Settled) -> Result<Opened, Refusal> {
        let began = self.world.clock.now();
        self.takes(15, 40).await;
        if self.world.fails(2) {
            return Err(Refusal::Unknown(anyhow!("the request was lost")));
        }
        if self.world.fails(1) {
            return Err(Refusal::Failed(Fault::new(Blame::Passing, anyhow!("the service is busy"))));
        }
        let is_lost = self.world.fails(4);
        if is_lost {
            self.table.shelf.lock().next.push_front(Next::Lost);
        }
        let committed = self.memory.commit(settled, before).await;
        self.slowest = self.slowest.max(self.world.clock.now().saturating_sub(began));
        if let Err(Refusal::Conflict) = committed {
            self.conflicts += 1;
            self.world.conflict(self.conflicts);
        } else {
            self.table.shelf.lock().forget_past();
            self.world.committed();
            self.conflicts = 0;
            self.hold(0);
        }
        self.takes(5, 15).await;
        committed
    }

    async fn discard(&mut self) {
        self.memory.discard().await;
        self.hold(0);
    }

    fn forget(&mut self) {
        self.memory.forget();
        self.hold(0);
        self.conflicts = 0;
    }
}

impl Shared for TimedSink {
    async fn take_turn(&mut self, _at_most: Duration) -> bool {
        // By this run's clock and not by the machine's.
        let at_most = (self.slowest * 6).clamp(Duration::from_secs(1), LONGEST_TURN);
        let began = self.world.clock.now();
        while self.world.clock.now().saturating_sub(began) < PATIENCE {
            self.give_way().await;
            self.takes(5, 20).await;
            let free = self.another().is_none();
            if free {
                let id = Uuid::new_v4();
                *self.table.turn.lock() = Some(Turn { id, at_most });
                self.own_turn = Some(id);
                self.world.turn();
                return true;
            }
        }
        false
    }

    async fn give_way(&mut self) -> bool {
        self.takes(3, 10).await;
        let Some(turn) = self.another() else { return false };
        let began = self.world.clock.now();
        while self.world.clock.now().saturating_sub(began) < turn.at_most {
            self.world.clock.sleep(MILLI * 100).await;
            if self.another().is_none_or(|now| now.id != turn.id) {
                return true;
            }
        }
        let mut now = self.table.turn.lock();
        *now = now.filter(|now| now.id != turn.id);
        drop(now);
        self.waited_for = Some(turn.id);
        true
    }

    async fn pause(&mut self, backoff: &mut Backoff) {
        backoff.next_pause();
        let bound = (MILLI * 20 * (1 << backoff.failures().min(10) >> 1)).min(MILLI * 1000);
        let pause = self.world.dice.between(bound / 2, bound);
        self.world.clock.sleep(pause).await;
    }

    async fn end_turn(&mut self) {
        let Some(own) = self.own_turn.take() else { return };
        self.takes(5, 20).await;
        let mut turn = self.table.turn.lock();
        *turn = turn.filter(|turn| turn.id != own);
    }
}
