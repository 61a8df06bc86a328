//! What outlives agents: the topics' logs, the tables, the groups; and what is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use parking_lot::Mutex;

use super::clock::{Clock, Dice};
use super::group::Group;
use super::sink::Table;
use crate::settled::Settled;
use crate::sink::memory::Shelf;
use crate::testing::{dead_schema, schema, table};

/// How large a world is, and for how long records are sent.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) topics: usize,
    /// Of each topic.
    pub(super) partitions: usize,
    /// Of each topic.
    pub(super) tables: usize,
    pub(super) agents: usize,
    pub(super) seconds: u64,
}

/// What an agent is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// To run, as a member of this group.
    Run(usize),
    /// To end as agents do that are asked to.
    End,
    /// To be gone at once.
    Die,
}

/// What is counted.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) commits: u64,
    pub(super) conflicts: u64,
    /// The most conflicts in a row of one agent at one table.
    pub(super) worst: u64,
    pub(super) turns: u64,
    /// Faults that were made.
    pub(super) faults: u64,
    /// How often reading began, for all tables of an agent.
    pub(super) begins: u64,
    /// How often partitions were begun or went on, when others came.
    pub(super) begun: u64,
    pub(super) went_on: u64,
    /// Records that agents took in, those that they took in again among them.
    pub(super) taken: u64,
    /// By agent, the bytes that it holds, and the most there were at a time.
    held: Vec<i64>,
    pub(super) most_held: i64,
}

/// A record that no table takes.
const BROKEN: u8 = u8::MAX;

pub(super) struct World {
    pub(super) size: Size,
    pub(super) seed: u64,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
    /// By partition, each record's table among those of its topic.
    logs: Vec<Mutex<Vec<u8>>>,
    /// By declared table; the dead letters come last.
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) declared: Vec<lakewright_config::Table>,
    pub(super) groups: Vec<Mutex<Group>>,
    pub(super) orders: Mutex<Vec<Order>>,
    /// By agent, until when it is stopped.
    pub(super) stopped: Mutex<Vec<Duration>>,
    pub(super) has_faults: Mutex<bool>,
    pub(super) counts: Mutex<Counts>,
}

impl World {
    pub(super) fn new(size: Size, groups: usize, seed: u64) -> Arc<Self> {
        let all = size.topics * size.tables;
        let mut declared: Vec<_> = (0..all).map(|index| table(&format!("t{index}"))).collect();
        for (index, table) in declared.iter_mut().enumerate() {
            table.topic = topic(index / size.tables);
        }
        let shelves = (0..all).map(|_| schema()).chain([dead_schema()]);
        let tables = shelves.map(|schema| Arc::new(Table::new(Shelf::new(schema)))).collect();
        let partitions = size.topics * size.partitions;
        Arc::new(Self {
            size,
            seed,
            clock: Clock::new(),
            dice: Dice::new(seed),
            logs: (0..partitions).map(|_| Mutex::default()).collect(),
            tables,
            declared,
            groups: (0..groups).map(|_| Mutex::new(Group::new(partitions))).collect(),
            orders: Mutex::new(vec![Order::Die; size.agents]),
            stopped: Mutex::new(vec![Duration::ZERO; size.agents]),
            has_faults: Mutex::new(true),
            counts: Mutex::new(Counts { held: vec![0; size.agents], ..Counts::default() }),
        })
    }

    /// Topic and number of a partition.
    pub(super) fn place(&self, partition: usize) -> (usize, i32) {
        (partition / self.size.partitions, (partition % self.size.partitions) as i32)
    }

    /// The next offset of a partition.
    pub(super) fn end(&self, partition: usize) -> i64 {
        self.logs[partition].lock().len() as i64
    }

    /// The message at an offset.
    pub(super) fn message(&self, partition: usize, offset: i64) -> String {
        let kind = self.logs[partition].lock()[offset as usize];
        let first = self.place(partition).0 * self.size.tables;
        match kind {
            BROKEN => format!(r#"{{"table":"t{first}","data":{{}}}}"#),
            kind => format!(r#"{{"table":"t{}","data":{{"id":"{partition}-{offset}"}}}}"#, first + usize::from(kind)),
        }
    }

    /// Sends a record to about half of all partitions.
    pub(super) fn send(&self) {
        for log in &self.logs {
            if self.dice.below(2) == 0 {
                let kind =
                    if self.dice.per_mille(20) { BROKEN } else { self.dice.below(self.size.tables as u64) as u8 };
                log.lock().push(kind);
            }
        }
    }

    pub(super) fn records(&self) -> usize {
        self.logs.iter().map(|log| log.lock().len()).sum()
    }

    /// How many rows all tables have.
    pub(super) fn rows(&self) -> usize {
        let of =
            |table: &Arc<Table>| table.shelf.lock().rows.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>();
        self.tables.iter().map(of).sum()
    }

    /// Whether a fault is made of what happens, so many times in a thousand.
    pub(super) fn fails(&self, cases: u64) -> bool {
        let fails = self.dice.per_mille(cases) && *self.has_faults.lock();
        self.counts.lock().faults += u64::from(fails);
        fails
    }

    pub(super) fn held(&self, agent: usize, more: i64) {
        let mut counts = self.counts.lock();
        counts.held[agent] += more;
        counts.most_held = counts.most_held.max(counts.held[agent]);
    }

    pub(super) fn conflict(&self, in_a_row: u64) {
        let mut counts = self.counts.lock();
        counts.conflicts += 1;
        counts.worst = counts.worst.max(in_a_row);
    }

    pub(super) fn committed(&self) {
        self.counts.lock().commits += 1;
    }

    pub(super) fn turn(&self) {
        self.counts.lock().turns += 1;
    }

    pub(super) fn order(&self, agent: usize) -> Order {
        self.orders.lock()[agent]
    }

    /// Every record is in the table that it names, or among the dead letters, once.
    pub(super) fn assert_complete(&self) {
        for (index, table) in self.tables.iter().enumerate() {
            let mut found = Vec::new();
            for rows in &table.shelf.lock().rows {
                let of = |name: &str| rows.column_by_name(name).expect("every table has it");
                let ids = of("kafka_topic_id").as_string::<i32>();
                let partitions = of("kafka_partition").as_primitive::<Int32Type>().values();
                let offsets = of("kafka_offset").as_primitive::<Int64Type>().values();
                let rows = ids.iter().flatten().zip(partitions).zip(offsets);
                found.extend(rows.map(|((id, partition), offset)| (id.to_owned(), *partition, *offset)));
            }
            found.sort_unstable();
            let mut expected = Vec::new();
            for (partition, log) in self.logs.iter().enumerate() {
                let (topic, number) = self.place(partition);
                let belongs = |kind: u8| match kind {
                    BROKEN => self.declared.len(),
                    kind => topic * self.size.tables + usize::from(kind),
                };
                let log = log.lock();
                let own = log.iter().enumerate().filter(|(_, kind)| belongs(**kind) == index);
                expected.extend(own.map(|(offset, _)| (id(topic), number, offset as i64)));
            }
            expected.sort_unstable();
            assert!(
                found == expected,
                "table {index} has {} rows of {}, seed {}",
                found.len(),
                expected.len(),
                self.seed
            );
        }
    }

    /// The bytes of what a table's commits say, by property.
    pub(super) fn metadata(&self, table: usize) -> BTreeMap<String, usize> {
        let settled = self.tables[table].shelf.lock().settled.clone();
        settled.properties(&Settled::default()).into_iter().map(|(name, value)| (name, value.len())).collect()
    }

    /// How many bytes agents hold.
    pub(super) fn all_held(&self) -> i64 {
        self.counts.lock().held.iter().sum()
    }
}

pub(super) fn topic(index: usize) -> String {
    format!("topic-{index}")
}

pub(super) fn id(topic: usize) -> String {
    format!("id-{topic}")
}
