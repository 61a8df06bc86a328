//! From a message to the table it belongs to, or to the dead letters with a reason.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lakewright_config::agents::stream::OnReject;
use lakewright_formats::{SchemaId, Skipped};

use crate::batch::Batch;
use crate::message::{NoRow, Refusal, Tables, Way, envelope, row, tombstone};
use crate::record::Record;
use crate::reject::Reject;
use crate::sink::{bug, said};
use crate::table::Rows;

/// A topic and the tables that its messages are rows of.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// `CLUSTER ID/TOPIC ID`, as offset maps write it.
    pub(crate) key: String,
    pub(crate) id: Arc<str>,
    /// Table names with their position among all tables.
    pub(crate) tables: Vec<(String, usize)>,
    pub(crate) way: Way,
}

impl Topic {
    /// The name of a table that its messages name.
    fn name_of(&self, table: usize) -> &str {
        self.tables.iter().find(|(_, index)| *index == table).map_or("", |(name, _)| name)
    }
}

/// Decodes messages and collects rows by table, and the dead letters.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) topics: Vec<Topic>,
    rows: Vec<Rows>,
    /// Which tables are in quarantine: their messages are left for later.
    blind: Vec<bool>,
    dead: Rows,
    on_reject: OnReject,
    /// The topic whose rows a table collects.
    table_topics: Vec<usize>,
    /// The table whose code runs.
    at_work: Option<usize>,
    /// Whether the row of the record that is taken in is being added.
    adding: bool,
    /// Room for the text of a message whose payload is none.
    made: String,
}

/// What is settled of a record already.
pub(crate) trait Covered {
    /// Whether a table has it, if it is a row of it.
    fn row(&self, table: usize) -> bool;
    /// Whether the dead letters have it, if a table refuses it, or none is named.
    fn reject(&self, table: Option<usize>) -> bool;
    /// Why the table that has settled it couldn't take it, if the dead letters don't have it.
    fn refused(&self, table: usize) -> Option<&str>;
}

/// Rows of a table, or dead letters where there is no table.
pub(crate) type Collected = (Option<usize>, Batch);

/// What became of a record.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// Why it is no row, if that wasn't known before.
    pub(crate) reject: Option<Box<Reject>>,
    /// Rows that became enough for a batch.
    pub(crate) full: Option<Box<Collected>>,
    /// What it is, if it is no row although nothing is wrong with it.
    pub(crate) skipped: Option<Skipped>,
    /// The schema that must be known before it can be taken in; nothing was done with it.
    pub(crate) unknown: Option<SchemaId>,
}

/// A table's code failed on a record or on what it collected.
#[derive(Debug)]
pub(crate) struct Broken {
    /// The table, unless it happened outside of any.
    pub(crate) table: Option<usize>,
    /// Whether it is the fault of the record that was taken in.
    pub(crate) by_record: bool,
    pub(crate) error: anyhow::Error,
}

impl Router {
    /// `rows` has one collection for each declared table; `blind` says which of them are in quarantine.
    pub(crate) fn new(topics: Vec<Topic>, rows: Vec<Rows>, blind: Vec<bool>, dead: Rows, on_reject: OnReject) -> Self {
        let mut table_topics = vec![0; rows.len()];
        for (topic, of) in topics.iter().enumerate() {
            for (_, table) in &of.tables {
                table_topics[*table] = topic;
            }
        }
        let made = String::new();
        Self { topics, rows, blind, dead, on_reject, table_topics, at_work: None, adding: false, made }
    }

    /// Which tables are in quarantine.
    #[cfg(test)]
    pub(crate) fn blind(&self) -> &[bool] {
        &self.blind
    }

    /// Takes in one record.
    ///
    /// # Errors
    /// A table's code failed. What the table collected is of no use any more.
    pub(crate) fn take(&mut self, record: Record<'_>, covered: &impl Covered) -> Result<Routed, Broken> {
        self.guarded(|router| router.take_unguarded(record, covered))
    }

    /// Asks for a schema that a message of a topic needs, and waits for a short while.
    ///
    /// # Errors
    /// It isn't known now, for the reason given.
    pub(crate) fn learn(&self, topic: usize, schema: SchemaId) -> Result<(), String> {
        self.topics[topic].way.learn(schema)
    }

    /// The batches that are not full yet.
    ///
    /// # Errors
    /// As [`Router::take`].
    pub(crate) fn drain(&mut self) -> Result<Vec<Collected>, Broken> {
        self.guarded(|router| {
            let mut all = Vec::new();
            for table in (0..router.rows.len()).map(Some).chain([None]) {
                let rows = table.map_or(&router.dead, |table| &router.rows[table]);
                if !rows.is_empty() {
                    all.push(router.finish(table)?);
                }
            }
            Ok(all)
        })
    }

    /// Runs code of tables; a panic in it is the table's error.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> anyhow::Result<T>) -> Result<T, Broken> {
        let result = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|panic| Err(bug(&*panic)));
        let (table, by_record) = (self.at_work.take(), std::mem::take(&mut self.adding));
        result.map_err(|error| Broken { table, by_record, error })
    }

    /// Takes in one record that broke a table's code before.
    ///
    /// # Errors
    /// As [`Router::take`].
    pub(crate) fn take_broken(
        &mut self,
        record: Record<'_>,
        covered: &impl Covered,
        (table, said): (usize, &str),
    ) -> Result<Routed, Broken> {
        self.guarded(|router| router.leave_out(record, table, said.to_owned(), covered))
    }

    /// Leaves a record out that broke a table's code: the table's own commit says so, as of a row that can't be written,
    /// for nothing says that the code breaks again.
    fn leave_out(
        &mut self,
        record: Record<'_>,
        table: usize,
        said: String,
        covered: &impl Covered,
    ) -> anyhow::Result<Routed> {
        if self.blind[table] {
            return Ok(Routed::default());
        }
        if covered.row(table) {
            return self.skip(record, table, covered);
        }
        let reject = Box::new(Reject::Panicked(said.clone()));
        if !self.on_reject.is_kept() {
            return self.reject(record, reject);
        }
        self.rows[table].push_broken(record, said);
        Ok(Routed { reject: Some(reject), ..self.batch_if_full(Some(table))? })
    }

    /// Skips a record that the table has settled, unless it couldn't take it and the dead letters lack it.
    fn skip(&mut self, record: Record<'_>, table: usize, covered: &impl Covered) -> anyhow::Result<Routed> {
        let Some(reason) = covered.refused(table) else { return Ok(Routed::default()) };
        let table = self.topics[record.topic].name_of(table).to_owned();
        self.reject(record, Box::new(Reject::Unwritable { table, reason: reason.to_owned() }))
    }

    fn take_unguarded(&mut self, record: Record<'_>, covered: &impl Covered) -> anyhow::Result<Routed> {
        let mut made = std::mem::take(&mut self.made);
        let (router, room) = (&mut *self, &mut made);
        // Nothing was added to any row yet: what panics here spoils nothing but this record.
        let decoded = catch_unwind(AssertUnwindSafe(move || {
            let room = room;
            router.decode(record, room)
        }));
        let decoded =
            decoded.unwrap_or_else(|panic| Err(NoRow::refused(Reject::Panicked(said(&*panic)), self.at_work.take())));
        let routed = self.route(record, decoded, covered);
        self.made = made;
        routed
    }

    fn route(
        &mut self,
        record: Record<'_>,
        decoded: Result<(usize, &str), NoRow>,
        covered: &impl Covered,
    ) -> anyhow::Result<Routed> {
        match decoded {
            Ok((table, _)) if self.blind[table] => Ok(Routed::default()),
            Ok((table, message)) => {
                if !covered.row(table) {
                    (self.at_work, self.adding) = (Some(table), true);
                    self.rows[table].push(message, record);
                    self.adding = false;
                    return self.batch_if_full(Some(table));
                }
                self.skip(record, table, covered)
            }
            Err(NoRow::Refused((reject, table))) => self.refuse(record, (reject, table), covered),
            Err(NoRow::Skipped(skipped)) => Ok(Routed { skipped: Some(skipped), ..Routed::default() }),
            // What the table lacks is read again when it is out of quarantine.
            Err(NoRow::Unknown { table, .. }) if self.blind[table] => Ok(Routed::default()),
            Err(NoRow::Unknown { schema, .. }) => Ok(Routed { unknown: Some(schema), ..Routed::default() }),
        }
    }

    fn refuse(
        &mut self,
        record: Record<'_>,
        (reject, table): Refusal,
        covered: &impl Covered,
    ) -> anyhow::Result<Routed> {
        match (*reject, table) {
            (Reject::Panicked(said), Some(table)) => self.leave_out(record, table, said, covered),
            (_, Some(table)) if self.blind[table] => Ok(Routed::default()),
            (_, table) if covered.reject(table) => Ok(Routed::default()),
            (reject, _) => self.reject(record, Box::new(reject)),
        }
    }

    fn reject(&mut self, record: Record<'_>, reject: Box<Reject>) -> anyhow::Result<Routed> {
        if !self.on_reject.is_kept() {
            return Ok(Routed { reject: Some(reject), ..Routed::default() });
        }
        let topic = &self.topics[record.topic];
        let payload = record.payload.unwrap_or_default();
        self.at_work = None;
        self.dead.push_dead(&topic.name, &topic.id, &reject.to_string(), payload, record.place);
        Ok(Routed { reject: Some(reject), ..self.batch_if_full(None)? })
    }

    fn batch_if_full(&mut self, table: Option<usize>) -> anyhow::Result<Routed> {
        let rows = table.map_or(&self.dead, |table| &self.rows[table]);
        let full = if rows.is_full() { Some(Box::new(self.finish(table)?)) } else { None };
        Ok(Routed { full, ..Routed::default() })
    }

    fn finish(&mut self, table: Option<usize>) -> anyhow::Result<Collected> {
        self.at_work = table;
        let batch = match table {
            Some(index) => {
                let id = Arc::clone(&self.topics[self.table_topics[index]].id);
                self.rows[index].finish(&id)?
            }
            None => self.dead.finish(&Arc::from(""))?,
        };
        Ok((table, batch))
    }

    /// The table that a record belongs to, whose row was read, and the message's text; or why there is none.
    fn decode<'m>(&mut self, record: Record<'m>, made: &'m mut String) -> Result<(usize, &'m str), NoRow> {
        let topic = &mut self.topics[record.topic];
        let text = topic.way.text(&record, made)?;
        if let Some(table) = topic.way.table_of_all()
            && self.rows[table].is_evolving()
        {
            self.rows[table].hint(topic.way.hints());
        }
        let mut tables = Tables { rows: &mut self.rows, at_work: &mut self.at_work };
        let (read, message) = match (text, &topic.way) {
            (Some(message), way) => {
                let read = match way {
                    Way::Envelope => envelope(message, &topic.tables, &mut tables),
                    Way::Rows { table, path, .. } => row(message, (*table, path), &mut tables),
                };
                (read.map_err(|syntax| NoRow::refused(syntax.into(), way.table_of_all()))?, message)
            }
            (None, Way::Rows { table, tombstones: true, .. }) => (tombstone(*table, &mut tables), ""),
            (None, Way::Rows { table, tombstones: false, .. }) => {
                return Err(NoRow::refused(Reject::NoPayload, Some(*table)));
            }
            (None, Way::Envelope) => return Err(NoRow::refused(Reject::NoPayload, None)),
        };
        let table = read?;
        match tables.add(table, message, &record) {
            Some(reject) => Err((reject, Some(table)).into()),
            None => Ok((table, message)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
