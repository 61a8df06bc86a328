//! Many desks beside one: the same rows in the same order, whatever the threads' pace is, which follows from a seed.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use lakewright_runtime::Metrics;

use super::*;
use crate::batch::Batch;
use crate::message::Way;
use crate::partition::Partition;
use crate::record::Metadata;
use crate::router::Topic;
use crate::router::tests::PANICS;
use crate::start::{Refused, Start};
use crate::table::Rows;
use crate::testing::{ADDING, KEY, TOPIC, dead_schema, schema, table};

/// Nothing takes so long here; what hangs takes longer.
const PATIENCE: Duration = Duration::from_mins(1);
const PARTITIONS: usize = 5;
const MESSAGES: usize = 2000;

/// A message; whoever reads it lets others go on for a while.
#[derive(Debug)]
struct Message {
    offset: i64,
    text: String,
    delay: u64,
    /// Whether adding its row panics.
    breaks: bool,
}

impl Metadata for Message {
    fn key(&self) -> Option<&[u8]> {
        None
    }

    fn timestamp(&self) -> Option<i64> {
        Some(self.offset)
    }

    fn headers(&self, _: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String> {
        Ok(())
    }
}

impl Fetched for Message {
    fn offset(&self) -> i64 {
        self.offset
    }

    fn payload(&self) -> Option<&[u8]> {
        (0..self.delay).for_each(|_| std::thread::yield_now());
        ADDING.on(self.breaks.then_some(self.offset));
        Some(self.text.as_bytes())
    }

    fn epoch(&self) -> Option<i32> {
        None
    }
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Of a partition, the offsets of sales, users and dead letters, as they stand in batches.
type Offsets = BTreeMap<(usize, i32), Vec<i64>>;

/// Desks, partitions, and what came of messages.
struct World {
    decode: Decode,
    partitions: Vec<Shared>,
    /// By table, 2 are the dead letters.
    taken: Offsets,
    /// Messages that broke a table's code when they were decoded.
    broken: usize,
    problems: Vec<Problem>,
}

fn router(desks: usize) -> Router {
    let rows = |name: &str| Rows::declared(&schema(), &table(name).columns, false).expect("rows").at_one_of(desks);
    let tables = vec![("sales".into(), 0), ("users".into(), 1)];
    let topic = Topic { name: TOPIC.into(), key: KEY.into(), id: "t".into(), tables, way: Way::Envelope };
    let dead = Rows::dead_letters(&dead_schema()).expect("dead letters");
    Router::new(vec![topic], vec![rows("sales"), rows("users")], vec![false; 2], dead, OnReject::DeadLetters)
}

fn partition(number: usize, desks: usize, next: i64) -> Shared {
    let mut partition = Partition::new(0, number as i32);
    let start =
        Start { rows: vec![next; 2], rejects: vec![next; 2], undeclared: vec![vec![]; 2], dead: next, next, lost: 0 };
    partition.begin(start, Refused::new());
    partition.desk = number % desks;
    Arc::new(partition.into())
}

impl World {
    fn new(desks: usize) -> Self {
        let counters = Arc::new(Counters::new(&Metrics::default()));
        let mut decode = Decode::new(desks, OnReject::DeadLetters, &counters);
        decode.begin((0..desks).map(|_| router(desks)).collect());
        decode.go_on();
        let partitions = (0..PARTITIONS).map(|number| partition(number, desks, 0)).collect();
        Self { decode, partitions, taken: BTreeMap::new(), broken: 0, problems: Vec::new() }
    }

    fn add(&mut self, lines: &mut Lines<Message>, number: usize, message: Message) {
        let partition = Arc::clone(&self.partitions[number]);
        let desk = partition.lock().desk;
        lines.add(&mut self.decode, (desk, &partition), message, 1);
    }

    fn take_up(&mut self, report: Report) {
        for (table, batch) in report.full {
            self.note(table, &batch);
        }
        self.problems.extend(report.problems);
    }

    fn note(&mut self, table: Option<usize>, batch: &Batch) {
        let numbers = batch.rows.column_by_name("kafka_partition").expect("the column").as_primitive::<Int32Type>();
        let offsets = batch.rows.column_by_name("kafka_offset").expect("the column").as_primitive::<Int64Type>();
        for (number, offset) in numbers.values().iter().zip(offsets.values()) {
            self.taken.entry((table.unwrap_or(2), *number)).or_default().push(*offset);
        }
        for (origin, _) in &batch.broken {
            self.taken.entry((2, origin.place.partition)).or_default().push(origin.place.offset);
            self.broken += 1;
        }
    }

    /// Takes up what is reported until nothing is on its way.
    fn wait(&mut self) {
        while self.decode.on_the_way() > 0 {
            let report = self.decode.report(PATIENCE).expect("the desks work");
            self.take_up(report);
        }
    }

    /// What a commit does: all that was taken in, and how far each partition is.
    fn commit(&mut self) -> Vec<i64> {
        self.decode.rest();
        while let Some(report) = self.decode.report(Duration::ZERO) {
            self.take_up(report);
        }
        for desk in 0..self.decode.desks() {
            let drained = self.decode.drain(desk).expect("drained");
            drained.iter().flat_map(|(rows, _)| rows).for_each(|(table, batch)| self.note(*table, batch));
        }
        let next = self.partitions.iter().map(|partition| partition.lock().next).collect();
        self.decode.restore();
        self.decode.go_on();
        next
    }

    /// Each table's rows of a partition stand in their order, and together they are what was read up to `next`.
    fn assert_whole(&self, next: &[i64]) {
        for (number, next) in (0..).zip(next) {
            let mut all = Vec::new();
            for table in 0..3 {
                let offsets = self.taken.get(&(table, number)).cloned().unwrap_or_default();
                assert!(offsets.is_sorted() || table == 2, "partition {number} of table {table}: {offsets:?}");
                all.extend(offsets);
            }
            all.sort_unstable();
            assert_eq!(all, (0..*next).collect::<Vec<i64>>(), "of partition {number}");
        }
    }
}

fn text(kind: u64, offset: i64) -> String {
    match kind {
        0..=5 => format!(r#"{{"table":"sales","data":{{"id":"s{offset}"}}}}"#),
        6..=8 => format!(r#"{{"table":"users","data":{{"id":"u{offset}"}}}}"#),
        _ => "broken".to_owned(),
    }
}

/// Messages of all partitions, in runs as a broker gives them.
fn messages(count: usize, seed: u64) -> Vec<(usize, Message)> {
    let mut dice = Dice(seed);
    let mut next = [0; PARTITIONS];
    let mut all = Vec::new();
    while all.len() < count {
        let number = dice.below(PARTITIONS as u64) as usize;
        for _ in 0..=dice.below(40) {
            let offset = next[number];
            next[number] += 1;
            let delay = if dice.below(30) == 0 { dice.below(5) } else { 0 };
            all.push((number, Message { offset, text: text(dice.below(10), offset), delay, breaks: false }));
        }
    }
    all
}

/// Reads messages and commits now and then; gives what is in the tables by then.
fn read(desks: usize, seed: u64) -> Offsets {
    let mut world = World::new(desks);
    let mut dice = Dice(seed);
    std::thread::scope(|scope| {
        let mut lines = Lines::start(scope, &world.decode);
        for (number, message) in messages(MESSAGES, seed) {
            world.add(&mut lines, number, message);
            if dice.below(50) == 0 {
                lines.send(&world.decode, dice.below(2) == 0);
            }
            if dice.below(300) == 0 {
                let next = world.commit();
                world.assert_whole(&next);
            }
        }
        lines.send(&world.decode, false);
        world.wait();
        let next = world.commit();
        assert_eq!(next.iter().sum::<i64>() as usize, messages(MESSAGES, seed).len());
        world.assert_whole(&next);
    });
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    world.taken
}

#[test]
fn however_many_desks_there_are_each_partition_has_the_same_rows_in_their_order() {
    for seed in 0..5 {
        let alone = read(1, seed);
        for desks in [2, 3, 8] {
            assert_eq!(read(desks, seed), alone, "{desks} desks, seed {seed}");
        }
    }
}

#[test]
fn a_batch_of_one_of_many_desks_is_a_part_of_what_one_would_hold() {
    let mut world = World::new(4);
    std::thread::scope(|scope| {
        let mut lines = Lines::start(scope, &world.decode);
        for offset in 0..5000 {
            world.add(&mut lines, 0, Message { offset, text: text(0, offset), delay: 0, breaks: false });
        }
        lines.send(&world.decode, false);
        world.wait();
    });
    assert_eq!(world.taken[&(0, 0)], (0..4096).collect::<Vec<i64>>());
}

/// As many sales of a partition as there are offsets; those of `breaks` break the table's code when their rows are added.
fn sales(offsets: Range<i64>, breaks: &[i64]) -> Vec<Message> {
    let message =
        |offset| Message { offset, text: text(0, offset), delay: offset as u64 % 3, breaks: breaks.contains(&offset) };
    offsets.map(message).collect()
}

#[test]
fn a_panic_at_one_desk_is_a_fault_of_its_table_and_the_other_desks_go_on() {
    for desks in [1, 2] {
        let mut world = World::new(desks);
        std::thread::scope(|scope| {
            let mut lines = Lines::start(scope, &world.decode);
            for number in 0..2 {
                let breaks: &[i64] = if number == 1 { &[70] } else { &[] };
                for message in sales(0..100, breaks) {
                    world.add(&mut lines, number, message);
                }
            }
            lines.send(&world.decode, false);
            world.wait();
        });
        let [Problem::Broken(Broken { table: Some(0), by_record: true, error })] = &world.problems[..] else {
            panic!("{:?}", world.problems)
        };
        assert!(error.to_string().contains("no record like this"), "{error}");
        world.decode.rest();
        assert!(world.decode.drain(1 % desks).expect("drained").is_none(), "its rows must not be committed");
        // Nothing behind the record counts as read, and the others' rows are whole.
        let next = world.commit();
        assert_eq!(next[..2], [100, 70]);
        let rows = world.taken.get(&(0, 0)).map_or(0, Vec::len);
        assert_eq!(rows, if desks == 1 { 0 } else { 100 });
    }
}

#[test]
fn records_that_break_code_again_and_again_are_the_tables_fault() {
    let mut world = World::new(2);
    let breaks: Vec<i64> = (0..100).collect();
    let mut faults = Vec::new();
    while faults.len() < 16 {
        std::thread::scope(|scope| {
            let mut lines = Lines::start(scope, &world.decode);
            for message in sales(0..100, &breaks) {
                world.add(&mut lines, 1, message);
            }
            lines.send(&world.decode, false);
            world.wait();
        });
        let Some(Problem::Broken(broken)) = world.problems.pop() else { panic!("nothing broke") };
        assert_eq!(broken.table, Some(0));
        faults.push(broken.by_record);
        // Reading begins again, and what is known to break is left out.
        let known = Arc::clone(&world.partitions[1]);
        known.lock().next = 0;
        world = World::new(2);
        world.partitions[1] = known;
    }
    assert_eq!(faults.iter().filter(|by_record| !**by_record).count(), 1);
    assert_eq!(faults.last(), Some(&false));
}

#[test]
fn no_more_broken_records_are_held_than_fit_into_a_commit() {
    for desks in [1, 3] {
        let mut world = World::new(desks);
        let mut commits = 0;
        std::thread::scope(|scope| {
            let mut lines = Lines::start(scope, &world.decode);
            for offset in 0..600 {
                for number in 0..PARTITIONS {
                    let text = format!(r#"{{"table":"sales","data":{{"id":"{PANICS}"}}}}"#);
                    world.add(&mut lines, number, Message { offset, text, delay: 0, breaks: false });
                }
            }
            lines.send(&world.decode, false);
            while world.decode.on_the_way() > 0 {
                lines.is_free(&world.decode);
                let mut held = 0;
                while held < Taken::MANY_BROKEN && world.decode.on_the_way() > 0 {
                    let report = world.decode.report(PATIENCE).expect("the desks work");
                    held += report.broken;
                    world.take_up(report);
                }
                let before = world.broken;
                let next = world.commit();
                commits += 1;
                world.assert_whole(&next);
                assert!(world.broken - before <= Taken::MANY_BROKEN + desks, "{}", world.broken - before);
            }
        });
        assert_eq!(world.broken, 600 * PARTITIONS);
        assert!(commits > 9, "{commits}");
    }
}

#[test]
fn what_was_fetched_before_reading_began_again_is_not_taken_in() {
    for desks in [1, 2] {
        let mut world = World::new(desks);
        std::thread::scope(|scope| {
            let mut lines = Lines::start(scope, &world.decode);
            world.decode.rest();
            for message in sales(0..100, &[]) {
                world.add(&mut lines, 0, message);
            }
            lines.send(&world.decode, false);
            assert!(world.decode.on_the_way() > 0);
            world.decode.stop();
            world.decode.forget_fetched();
            world.partitions[0] = partition(0, desks, 40);
            world.decode.begin((0..desks).map(|_| router(desks)).collect());
            world.decode.go_on();
            assert!(lines.is_free(&world.decode));
            for message in sales(40..60, &[]) {
                world.add(&mut lines, 0, message);
            }
            lines.send(&world.decode, false);
            world.wait();
        });
        assert_eq!(world.commit()[0], 60);
        assert_eq!(world.taken[&(0, 0)], (40..60).collect::<Vec<i64>>());
    }
}

#[test]
fn bytes_count_as_on_their_way_until_they_are_decoded() {
    let mut world = World::new(2);
    std::thread::scope(|scope| {
        let mut lines = Lines::start(scope, &world.decode);
        world.decode.rest();
        let all = sales(0..10, &[]);
        let bytes: usize = all.iter().map(|message| message.text.len() + size_of::<Message>()).sum();
        for message in all {
            world.add(&mut lines, 0, message);
        }
        lines.send(&world.decode, true);
        assert_eq!(world.decode.on_the_way(), bytes);
        assert!(world.decode.report(Duration::ZERO).is_none(), "the desks rest");
        world.decode.go_on();
        world.wait();
    });
    assert_eq!(world.commit()[0], 10);
}
