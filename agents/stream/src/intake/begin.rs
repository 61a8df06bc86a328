//! Where reading begins, and what is left out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lakewright_config::agents::stream::OnGap;
use lakewright_config::{Table, Unknown};
use lakewright_runtime::kafka::{ByPartition, ClusterTopics, describe_using, offsets_using};
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::{Intake, REQUEST, Read, gone};
use crate::committer::{Begun, Work};
use crate::epochs::Mark;
use crate::ledger::Ledger;
use crate::message::Way;
use crate::partition::index;
use crate::progress::Progress;
use crate::quarantine::{Part, Until};
use crate::router::{Router, Topic};
use crate::sink::{Opened, bug};
use crate::start::{Refused, Start, known, start};
use crate::table::Rows;

/// While rows are looked for that can't be written, so many bytes are committed at the latest: they are all in memory.
const SIFTED_BYTES: u64 = 16 << 20;
/// Topics are asked for one by one for so long at most: who doesn't poll in time loses its place in the group.
const ASK: Duration = Duration::from_secs(20);
/// How long the offsets of all partitions may take together: nothing is read meanwhile.
const OFFSETS: Duration = Duration::from_secs(5);

/// So many records are read again at most to see that the log still has the last one.
const LOOK_BACK: i64 = 100_000;

/// What the tables and the ledger say, and which tables are left out.
struct Known {
    begun: Begun,
    ledger: Ledger,
    blind: Vec<bool>,
}

impl Known {
    /// The last record of a partition that any table took in, as far as its epoch is known.
    fn last(&self, topic: &str, partition: i32) -> Option<Mark> {
        let tables = self.begun.tables.iter().filter_map(|opened| opened.as_ref()?.as_ref().ok());
        tables.chain([&self.begun.dead]).filter_map(|opened| opened.settled.epochs.get(topic, partition)).max()
    }
}

/// Where a partition begins.
struct Begin {
    /// The first offset that is fetched; `None` where reading goes on.
    from: Option<i64>,
    /// The first offset that is taken in.
    next: i64,
    /// Kafka's next offset.
    end: i64,
    /// How many records are gone.
    lost: u64,
}

impl Intake {
    pub(super) fn begin_or_later(&mut self) {
        self.begin_at = None;
        match self.begin() {
            Ok(()) => self.latch = None,
            Err(error) => {
                self.agent.health.error(error);
                self.stop_and_wait();
            }
        }
    }

    /// Finds out what is committed and begins to read there. What can't begin is put into quarantine, and the rest
    /// begins without it.
    fn begin(&mut self) -> anyhow::Result<()> {
        self.generation += 1;
        // Then the client stands where each partition does that is read.
        let is_reading = self.router.is_some() && self.decode.on_the_way() == 0;
        self.forget();
        self.decode.forget_fetched();
        let found = self.describe()?;
        let topics = self.named(&found);
        let now = Instant::now();
        let parts = self.config.tables.iter().map(|table| Part::Table(table.name.clone()));
        let hold: Vec<bool> = parts.map(|part| self.quarantine.holds(&part, now)).collect();
        let (reply, begun) = oneshot::channel();
        let generation = self.generation;
        self.work.blocking_send(Work::Begin { generation, hold, reply }).map_err(|_| gone())?;
        let begun = begun.blocking_recv().map_err(|_| gone())??;
        let (rows, blind) = self.decoders(&begun);
        self.sifting = begun.sifting.iter().any(|sifting| *sifting);
        self.commit_bytes =
            if self.sifting { self.config.commit_bytes.min(SIFTED_BYTES) } else { self.config.commit_bytes };
        let known = Known { ledger: Ledger::of(&begun.dead.settled), begun, blind };

        let mut anew = TopicPartitionList::new();
        let mut kept = BTreeSet::new();
        let mut progress = BTreeMap::new();
        let mut lost = 0;
        let mut offsets = self.offsets(&topics);
        for position in 0..self.partitions.len() {
            let begun = self.begin_partition((position, is_reading), &topics, &known, &mut offsets);
            let Some(Begin { from, next, end, lost: missing }) = begun else { continue };
            let mut partition = self.partitions[position].lock();
            // Columns are found in all of a table's messages together.
            let together =
                self.config.tables.iter().any(|table| {
                    table.reading.unknown == Unknown::Evolve && table.topic == topics[partition.topic].name
                });
            partition.desk = (if together { partition.topic } else { position }) % self.decode.desks();
            let (name, number) = (&topics[partition.topic].name, partition.number);
            let settled = self.settled(name, next, &known.blind, &partition.rows);
            lost += missing;
            progress.insert((name.clone(), number), Progress::new(settled, next, end));
            match from {
                Some(from) => anew.add_partition_offset(name, number, Offset::Offset(from))?,
                None => _ = kept.insert((name.clone(), number)),
            }
        }
        self.counters.lost.increment(lost);
        self.lost |= lost > 0;
        self.index = index(&self.partitions, self.topics.len());
        self.fetch(&anew, &kept).context("begin to read")?;
        self.consumer.context().set_progress(Some(progress));
        let routers = self.routers(&known, rows, || self.named(&found))?;
        self.decode.begin(routers);
        self.router = Some(Read { topics, blind: known.blind });
        self.keep_own_quarantines();
        if lost > 0 {
            // The next one to begin here shall not find the same records lost.
            self.ledger_at = Some(Instant::now());
        }
        if lost == 0 && self.quarantine.reason().is_none() {
            self.agent.health.clear_error();
        }
        Ok(())
    }

    /// The topics with their ids, in the order of their names. One that isn't there has none.
    fn describe(&mut self) -> anyhow::Result<ClusterTopics> {
        let now = Instant::now();
        let is_held = |name: &&String| self.quarantine.holds(&Part::Topic((*name).clone()), now);
        let asked: Vec<String> = self.topics.iter().filter(|name| !is_held(name)).cloned().collect();
        if asked.is_empty() {
            bail!("no topic can be read; {}", self.quarantine.reason().unwrap_or_default());
        }
        let (found, missing) = self.ask(&asked)?;
        for name in &asked {
            let part = Part::Topic(name.clone());
            if let Some((_, reason)) = missing.iter().find(|(missing, _)| missing == name) {
                self.quarantine(part, Until::Begun, reason);
            } else {
                self.quarantine.begun(&part);
            }
        }
        let own = |topic: usize| self.partitions.iter().filter(|partition| partition.lock().topic == topic).count();
        self.shared =
            self.topics.iter().enumerate().any(|(topic, name)| {
                found.topics.get(name).is_some_and(|identity| identity.partitions.len() > own(topic))
            });
        Ok(found)
    }

    /// The topics as they are read.
    fn named(&self, found: &ClusterTopics) -> Vec<Topic> {
        let tables = |name: &str| {
            let all = self.config.tables.iter().enumerate();
            all.filter(|(_, table)| table.topic == name).collect::<Vec<(usize, &Table)>>()
        };
        let topic = |name: &String| {
            let id = found.topics.get(name).map(|identity| identity.id.to_string()).unwrap_or_default();
            let key = format!("{}/{id}", found.cluster_id);
            let tables = tables(name);
            let names = tables.iter().map(|(index, table)| (table.name.clone(), *index)).collect();
            Topic { name: name.clone(), key, id: Arc::from(id), tables: names, way: Way::of(&tables, &self.registries) }
        };
        self.topics.iter().map(topic).collect()
    }

    /// A router for each desk, the first one of rows that were made already.
    fn routers(&self, known: &Known, rows: Vec<Rows>, topics: impl Fn() -> Vec<Topic>) -> anyhow::Result<Vec<Router>> {
        let desks = self.decode.desks();
        let mut routers = Vec::with_capacity(desks);
        let mut made = Some(rows);
        for _ in 0..desks {
            let rows = match made.take() {
                Some(rows) => rows,
                None => self.more_rows(known)?,
            };
            let dead = Rows::dead_letters(&known.begun.dead.schema).context("the dead-letter table")?;
            let rows = rows.into_iter().map(|rows| rows.at_one_of(desks)).collect();
            let router = Router::new(topics(), rows, known.blind.clone(), dead, self.config.on_reject);
            routers.push(router);
        }
        Ok(routers)
    }

    /// What decodes the messages of each table that isn't left out, once more.
    fn more_rows(&self, known: &Known) -> anyhow::Result<Vec<Rows>> {
        let begun = known.begun.tables.iter().zip(&known.begun.sifting);
        let all = self.config.tables.iter().zip(begun).zip(&known.blind);
        all.map(|((table, (opened, sifting)), blind)| match opened {
            Some(Ok(opened)) if !blind => self.decoder(table, opened, *sifting),
            _ => Ok(Rows::blind()),
        })
        .collect()
    }

    /// The topics that there are, and the names of the others with what Kafka says of them.
    pub(super) fn ask(&self, topics: &[String]) -> anyhow::Result<(ClusterTopics, Vec<(String, String)>)> {
        let together = match describe_using(self.consumer.client(), topics, REQUEST) {
            Ok(found) => return Ok((found, Vec::new())),
            Err(error) => error,
        };
        // One of them isn't there, or Kafka is away: asked for alone, each answers for itself.
        let began = Instant::now();
        let (mut found, mut missing): (Option<ClusterTopics>, _) = (None, Vec::new());
        for name in topics {
            match describe_using(self.consumer.client(), std::slice::from_ref(name), REQUEST) {
                Ok(one) => match &mut found {
                    Some(found) => found.topics.extend(one.topics),
                    None => found = Some(one),
                },
                Err(error) => missing.push((name.clone(), format!("{error:#}"))),
            }
            if found.is_none() && began.elapsed() > ASK {
                return Err(together);
            }
        }
        found.map(|found| (found, missing)).ok_or(together)
    }

    /// What decodes the messages of each table, and which tables are left out.
    fn decoders(&mut self, begun: &Begun) -> (Vec<Rows>, Vec<bool>) {
        let tables = self.config.tables.clone();
        let mut all = Vec::with_capacity(tables.len());
        for (table, (opened, sifting)) in tables.iter().zip(begun.tables.iter().zip(&begun.sifting)) {
            let part = Part::Table(table.name.clone());
            let made = opened.as_ref().map(|opened| match opened {
                Ok(opened) => self.decoder(table, opened, *sifting).map_err(|error| format!("{error:#}")),
                Err(fault) => Err(fault.to_string()),
            });
            let rows = match made {
                Some(Ok(rows)) => {
                    self.quarantine.on_trial(&part, Instant::now());
                    self.quarantine.begun(&part);
                    Some(rows)
                }
                Some(Err(reason)) => {
                    self.quarantine(part, Until::Begun, &reason);
                    None
                }
                None => None,
            };
            all.push(rows.map_or_else(|| (Rows::blind(), true), |rows| (rows, false)));
        }
        all.into_iter().unzip()
    }

    /// Asks for the offsets of all partitions that may begin.
    fn offsets(&self, topics: &[Topic]) -> ByPartition<anyhow::Result<(i64, i64)>> {
        let now = Instant::now();
        let all = self.partitions.iter().map(|partition| partition.lock());
        let known = all.filter(|partition| !topics[partition.topic].id.is_empty());
        let named = known.map(|partition| (topics[partition.topic].name.clone(), partition.number));
        let asked: Vec<(String, i32)> = named
            .filter(|(topic, number)| !self.quarantine.holds(&Part::Partition(topic.clone(), *number), now))
            .collect();
        offsets_using(self.consumer.client(), &asked, OFFSETS)
    }

    /// Finds out where a partition begins; `None` when it can't.
    fn begin_partition(
        &mut self,
        (position, is_reading): (usize, bool),
        topics: &[Topic],
        known: &Known,
        offsets: &mut ByPartition<anyhow::Result<(i64, i64)>>,
    ) -> Option<Begin> {
        let shared = Arc::clone(&self.partitions[position]);
        let mut partition = shared.lock();
        let is_read = is_reading && partition.begun && !partition.stands_still;
        (partition.begun, partition.stands_still) = (false, true);
        let (topic, number) = (&topics[partition.topic], partition.number);
        let part = Part::Partition(topic.name.clone(), number);
        if topic.id.is_empty() {
            // It waits for its topic, and is tried with it.
            self.quarantine.on_trial(&part, Instant::now());
            return None;
        }
        // It wasn't asked for because it is in quarantine.
        let offsets = offsets.remove(&(topic.name.clone(), number))?;
        let offsets = offsets.with_context(|| format!("ask for the offsets of {}/{number}", topic.name));
        let low = offsets.as_ref().map_or(0, |(low, _)| *low);
        match offsets.and_then(|offsets| self.find_start(topic, number, known, offsets)) {
            Ok((start, refused, high)) => {
                let (next, lost) = (start.next, start.lost.unsigned_abs());
                let goes_on = partition.go_on(is_read, start, refused);
                let is_near = |last: &Mark| last.0 >= low && next - last.0 <= LOOK_BACK;
                let last = || known.last(&topic.key, number).filter(is_near);
                let from = (!goes_on).then(|| partition.expect(last()));
                if lost > 0 {
                    self.agent.health.error(format!(
                        "{}/{number}: Kafka's retention removed up to {lost} records before they were taken in; reading \
                         on at {next}",
                        topic.name
                    ));
                }
                self.quarantine.on_trial(&part, Instant::now());
                self.quarantine.begun(&part);
                Some(Begin { from, next, end: high, lost })
            }
            Err(error) => {
                self.quarantine(part, Until::Begun, &format!("{error:#}"));
                None
            }
        }
    }

    fn find_start(
        &self,
        topic: &Topic,
        number: i32,
        of: &Known,
        (low, high): (i64, i64),
    ) -> anyhow::Result<(Start, Refused, i64)> {
        let (tables, refused) = known(&self.config.tables, &of.begun.tables, &of.blind, &of.ledger, (topic, number));
        let start = start(&tables, of.ledger.floor(&topic.key, number), low, high)?;
        if start.lost > 0 && self.config.on_gap == OnGap::Fail {
            bail!(
                "Kafka's retention removed up to {} records before they were taken in, and `on_gap` is \"fail\"; with \
                 \"skip\" reading goes on at offset {}",
                start.lost,
                start.next
            );
        }
        Ok((start, refused, high))
    }

    /// What decodes the messages of a table that was opened.
    fn decoder(&self, table: &Table, opened: &Opened, sifting: bool) -> anyhow::Result<Rows> {
        let decoder = || {
            same_declaration(table, opened)?;
            let rows = Rows::evolved(&opened.schema, table, &opened.evolution, sifting)?;
            Ok(rows.counting_unknown(&table.name, &self.agent.metrics))
        };
        catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(|panic| Err(bug(&*panic)))
    }
}

/// Refuses to decode for a table that was changed by another declaration than the agent's: what is new in it would be
/// lost, or land in a column that isn't meant.
///
/// # Errors
/// The declarations differ.
fn same_declaration(table: &Table, opened: &Opened) -> anyhow::Result<()> {
    let theirs = opened.version.declaration.as_deref();
    if theirs.is_none_or(|theirs| theirs == table.declaration()) {
        return Ok(());
    }
    let declared = table.all_columns();
    let fields = opened.schema.as_struct().fields().iter().map(|field| field.name.as_str());
    let new: Vec<&str> = fields.filter(|name| !declared.iter().any(|column| column.name == *name)).collect();
    let new = if new.is_empty() { String::new() } else { format!(" (there it has {} too)", new.join(", ")) };
    bail!(
        "the catalog's table was changed by another declaration{new} than this agent's settings hold; what it takes in is \
         left until both are the same: it gets its settings with the stack's next apply, and within minutes of one"
    )
}
