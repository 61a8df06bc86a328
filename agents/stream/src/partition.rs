//! The partitions that an agent reads, and taking in their messages one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakewright_config::agents::stream::{self, OnReject};
use lakewright_formats::Skipped;
use lakewright_runtime::{Counter, Metrics};
use parking_lot::Mutex;

use crate::batch::Place;
use crate::epochs::Mark;
use crate::record::{Fetched, Record};
use crate::reject::Cause;
use crate::router::{Broken, Collected, Covered, Routed, Router};
use crate::start::{Refused, Start};

/// So many records of a partition may break one table's code when their rows are added, each of which makes reading begin
/// anew for all tables; then the table is quarantined.
const MAX_BROKEN: usize = 16;

/// A partition that this agent reads.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: usize,
    pub(crate) number: i32,
    /// The desk at which its records are decoded, all of them in their order.
    pub(crate) desk: usize,
    pub(crate) next: i64,
    /// The last record that was taken in since reading began, where its epoch is known.
    pub(crate) last: Option<Mark>,
    /// The last record that was taken in before that, until it was seen that the log still has it.
    expected: Option<Mark>,
    /// By declared table, the first offset whose row it lacks.
    pub(crate) rows: Arc<[i64]>,
    /// By declared table, the first offset that it may refuse without the dead letters having it.
    pub(crate) rejects: Arc<[i64]>,
    /// By declared table, spans in which it wasn't declared: the dead letters have what is its own there.
    undeclared: Vec<Vec<(i64, i64)>>,
    /// The first offset that no table is named in without the dead letters having it.
    pub(crate) dead: i64,
    /// From here on nobody has anything.
    clear: i64,
    refused: Refused,
    /// Records that broke a table's code when their rows were added, with the table and what it said.
    broken: BTreeMap<i64, (usize, String)>,
    /// Whether reading began: it has part in commits.
    pub(crate) begun: bool,
    /// Nothing more of it is taken in.
    pub(crate) stands_still: bool,
}

/// A partition that threads share.
pub(crate) type Shared = Arc<Mutex<Partition>>;

impl Partition {
    /// Before it is known where reading begins.
    pub(crate) fn new(topic: usize, number: i32) -> Self {
        Self {
            topic,
            number,
            desk: 0,
            next: 0,
            last: None,
            expected: None,
            rows: Arc::from([]),
            rejects: Arc::from([]),
            undeclared: Vec::new(),
            dead: 0,
            clear: 0,
            refused: Refused::new(),
            broken: BTreeMap::new(),
            begun: false,
            stands_still: true,
        }
    }

    /// Reading begins.
    pub(crate) fn begin(&mut self, start: Start, refused: Refused) {
        self.next = start.next;
        (self.last, self.expected) = (None, None);
        self.settle(start, refused);
    }

    /// Reading goes on where it is, if it was under way and that is where it would begin; else it begins. Returns
    /// whether it goes on.
    pub(crate) fn go_on(&mut self, is_read: bool, start: Start, refused: Refused) -> bool {
        if is_read && start.next == self.next {
            self.settle(start, refused);
            return true;
        }
        self.begin(start, refused);
        false
    }

    /// Takes over what is known to be settled.
    fn settle(&mut self, start: Start, refused: Refused) {
        let all = start.rows.iter().chain(&start.rejects).copied().chain([start.dead]);
        self.clear = all.max().unwrap_or(start.next);
        self.dead = start.dead;
        self.rows = start.rows.into();
        self.rejects = start.rejects.into();
        self.undeclared = start.undeclared;
        self.refused = refused;
        // Those of a table in quarantine are known when it is tried.
        self.broken.retain(|offset, (table, _)| *offset >= self.rows[*table]);
        (self.begun, self.stands_still) = (true, false);
    }

    /// Reading begins where the last record before it can be seen; gives that offset.
    pub(crate) fn expect(&mut self, last: Option<Mark>) -> i64 {
        self.expected = last;
        last.map_or(self.next, |last| last.0.min(self.next))
    }

    /// Why a record shows that the log was cut off behind what was taken in, if it does.
    fn another_log(&mut self, found: Mark) -> Option<String> {
        let expected = self.expected?;
        if found.0 >= expected.0 {
            self.expected = None;
        }
        (!expected.may_be_of_log(found)).then(|| {
            format!(
                "the tables have its records up to offset {}, which came in leader epoch {}; at offset {} Kafka has one of epoch {}: \
                 records were cut off and others have their offsets. Nothing more of it is read, because offsets would be given a second \
                 time; make the topic anew",
                expected.0, expected.1, found.0, found.1
            )
        })
    }

    /// Takes in a record at or after the next offset; gives how much it takes of [`Taken::MANY_BROKEN`] too.
    ///
    /// # Errors
    /// A table's code failed: by the record's fault, or, where too many records did it, by the table's.
    pub(crate) fn take(&mut self, router: &mut Router, record: Record<'_>) -> Result<(Routed, usize), Broken> {
        let offset = record.place.offset;
        let routed = match self.broken.get(&offset) {
            Some((table, said)) => router.take_broken(record, &self.at(offset), (*table, said.as_str())),
            None => router.take(record, &self.at(offset)),
        };
        let routed = routed.map_err(|broken| self.note(offset, broken))?;
        let broke = routed.reject.as_ref().is_some_and(|reject| reject.cause() == Cause::Bug);
        let weight = if self.broken.contains_key(&offset) { Taken::MANY_BROKEN / MAX_BROKEN } else { 1 };
        Ok((routed, if broke { weight } else { 0 }))
    }

    /// Notes what a record did to a table's code: it isn't given to it again.
    fn note(&mut self, offset: i64, mut broken: Broken) -> Broken {
        if let (Some(table), true) = (broken.table, broken.by_record) {
            self.broken.insert(offset, (table, format!("{:#}", broken.error)));
            let count = self.broken.values().filter(|(of, _)| *of == table).count();
            broken.by_record = count % MAX_BROKEN != 0;
        }
        broken
    }

    /// By declared table, the first row from here on that it couldn't take and the dead letters don't have.
    pub(crate) fn pending(&self) -> Arc<[i64]> {
        let first = |table| self.refused.get(&table)?.range(self.next..).next().map(|(offset, _)| *offset);
        (0..self.rows.len()).map(|table| first(table).unwrap_or(i64::MAX)).collect()
    }

    /// What is settled at an offset.
    pub(crate) fn at(&self, offset: i64) -> impl Covered {
        At { partition: self, offset, clear: offset >= self.clear }
    }
}

/// An offset of a partition.
struct At<'a> {
    partition: &'a Partition,
    offset: i64,
    clear: bool,
}

impl At<'_> {
    /// Whether the table wasn't declared when the record was taken in.
    fn is_undeclared(&self, table: usize) -> bool {
        self.partition.undeclared[table].iter().any(|(from, to)| (*from..*to).contains(&self.offset))
    }
}

impl Covered for At<'_> {
    fn row(&self, table: usize) -> bool {
        !self.clear && (self.offset < self.partition.rows[table] || self.is_undeclared(table))
    }

    fn reject(&self, table: Option<usize>) -> bool {
        if self.clear {
            return false;
        }
        match table {
            Some(table) => self.offset < self.partition.rejects[table] || self.is_undeclared(table),
            None => self.offset < self.partition.dead,
        }
    }

    fn refused(&self, table: usize) -> Option<&str> {
        self.partition.refused.get(&table)?.get(&self.offset).map(String::as_str)
    }
}

/// The partitions' positions in their list, by topic and number, and the desks at which they are decoded.
pub(crate) type Index = Vec<Vec<Option<(usize, usize)>>>;

/// The index of partitions of so many topics.
pub(crate) fn index(partitions: &[Shared], topics: usize) -> Index {
    let mut index: Index = vec![Vec::new(); topics];
    for (position, partition) in partitions.iter().enumerate() {
        let partition = partition.lock();
        let of_topic = &mut index[partition.topic];
        let number = partition.number as usize;
        of_topic.resize(of_topic.len().max(number + 1), None);
        of_topic[number] = Some((position, partition.desk));
    }
    index
}

/// What is counted on the way.
pub(crate) struct Counters {
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
    pub(crate) gaps: Counter,
    pub(crate) lost: Counter,
    pub(crate) restarts: Counter,
    pub(crate) rebalances: Counter,
    pub(crate) rejoins: Counter,
    /// By cause.
    rejects: Vec<Counter>,
    /// In the order of [`Skipped::ALL`].
    skipped: [Counter; 3],
}

impl Counters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |metric| metrics.counter(metric, &[]);
        let of = |cause: Cause| metrics.counter(&stream::REJECTS, &[(stream::CAUSE, cause.word())]);
        Self {
            records: counter(&stream::RECORDS),
            bytes: counter(&stream::BYTES),
            gaps: counter(&stream::OFFSET_GAPS),
            lost: counter(&stream::RECORDS_LOST),
            restarts: counter(&stream::RESTARTS),
            rebalances: counter(&stream::REBALANCES),
            rejoins: counter(&stream::REJOINS),
            rejects: Cause::ALL.into_iter().map(of).collect(),
            skipped: Skipped::ALL.map(|why| metrics.counter(&stream::SKIPPED, &[(stream::SKIPPED_KIND, why.word())])),
        }
    }
}

/// What a record came to.
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) full: Option<Box<Collected>>,
    /// Why its partition must not go past this record.
    pub(crate) stop: Option<String>,
    /// How much it takes of [`Taken::MANY_BROKEN`].
    pub(crate) broken: usize,
}

impl Taken {
    /// So many records that broke a table's code are committed at once: they stand in the commit's summary. Those that
    /// made reading begin anew count for more, so that it doesn't begin again before they are settled.
    pub(crate) const MANY_BROKEN: usize = 256;
}

/// Takes in one message; `None` when nothing more of its partition is taken in, or it was taken in before.
///
/// # Errors
/// A table's code failed on it.
pub(crate) fn take<M: Fetched>(
    message: &M,
    (partition, router): (&mut Partition, &mut Router),
    (counters, on_reject): (&Counters, OnReject),
    now: i64,
) -> Result<Option<Taken>, Broken> {
    let stopped = |reason| Ok(Some(Taken { bytes: 0, full: None, stop: Some(reason), broken: 0 }));
    let offset = message.offset();
    if partition.stands_still {
        return Ok(None);
    }
    let mark = message.epoch().map(|epoch| Mark(offset, epoch));
    if let Some(reason) = mark.and_then(|mark| partition.another_log(mark)) {
        partition.stands_still = true;
        return stopped(reason);
    }
    if offset < partition.next {
        return Ok(None);
    }
    let topic = partition.topic;
    if offset > partition.next {
        // Compaction and transactions leave gaps; anything else shows here too.
        counters.gaps.increment(1);
        let name = &router.topics[topic].name;
        tracing::debug!(topic = name, partition = partition.number, expected = partition.next, offset, "offset gap");
    }
    let payload = message.payload();
    let place = Place { partition: partition.number, offset, ingested_at: now };
    let record = Record { topic, payload, place, metadata: message };
    let (routed, broken) = partition.take(router, record)?;
    let (routed, broken) = match learned(partition, router, record, (routed, broken))? {
        Ok(taken) => taken,
        Err(reason) => {
            partition.stands_still = true;
            let stop = Some(format!("the record at offset {offset} can't be read now: {reason}"));
            return Ok(Some(Taken { bytes: 0, full: None, stop, broken }));
        }
    };
    if let Some(skipped) = routed.skipped {
        counters.skipped[skipped as usize].increment(1);
    }
    if let Some(reject) = &routed.reject {
        counters.rejects[reject.cause() as usize].increment(1);
        if on_reject.stops() {
            partition.stands_still = true;
            return stopped(format!("the record at offset {offset} is refused: {reject}"));
        }
    }
    (partition.next, partition.last) = (offset + 1, mark);
    let bytes = payload.map_or(0, <[u8]>::len) as u64;
    Ok(Some(Taken { bytes, full: routed.full, stop: None, broken }))
}

/// What became of a record, once more if its schema had to be asked for. The inner error says why the schema isn't known now;
/// nothing was done with the record then.
fn learned(
    partition: &mut Partition,
    router: &mut Router,
    record: Record<'_>,
    (routed, broken): (Routed, usize),
) -> Result<Result<(Routed, usize), String>, Broken> {
    let Some(schema) = routed.unknown else { return Ok(Ok((routed, broken))) };
    if let Err(reason) = router.learn(record.topic, schema) {
        return Ok(Err(reason));
    }
    let (routed, broken) = partition.take(router, record)?;
    Ok(match routed.unknown {
        None => Ok((routed, broken)),
        Some(schema) => Err(format!("{schema} was forgotten at once")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(next: i64) -> Start {
        Start { rows: vec![], rejects: vec![], undeclared: vec![], dead: next, next, lost: 0 }
    }

    #[test]
    fn reading_goes_on_only_where_it_would_begin() {
        let mut partition = Partition::new(0, 0);
        assert!(!partition.go_on(false, start(0), Refused::new()));
        (partition.next, partition.last) = (7, Some(Mark(6, 1)));
        assert!(partition.go_on(true, start(7), Refused::new()));
        assert_eq!((partition.next, partition.last), (7, Some(Mark(6, 1))));
        for (is_read, next) in [(true, 5), (true, 9), (false, 9)] {
            assert!(!partition.go_on(is_read, start(next), Refused::new()));
            assert_eq!((partition.next, partition.last), (next, None));
        }
    }

    #[test]
    fn a_log_that_was_cut_off_shows_by_the_first_record_of_a_later_epoch() {
        let begun = |next| {
            let mut partition = Partition::new(0, 0);
            partition.begin(start(next), Refused::new());
            partition
        };
        // The record is looked at again before anything is taken in.
        let mut partition = begun(100);
        assert_eq!(partition.expect(Some(Mark(99, 4))), 99);
        assert_eq!(partition.another_log(Mark(99, 4)), None);
        assert_eq!(partition.another_log(Mark(100, 7)), None, "it is looked for once");
        // Reading begins before it: others lack what is there.
        let mut partition = begun(70);
        assert_eq!(partition.expect(Some(Mark(99, 4))), 70);
        assert_eq!(partition.another_log(Mark(70, 3)), None);
        let said = partition.another_log(Mark(71, 5)).expect("it was cut off");
        assert!(said.contains("up to offset 99") && said.contains("at offset 71"), "{said}");
        assert_eq!(begun(70).expect(None), 70);
    }
}
