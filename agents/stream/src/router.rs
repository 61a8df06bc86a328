//! From a message to the table it belongs to, or to the dead letters with a reason.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lakewright_config::agents::stream::OnReject;

use crate::batch::{Batch, Place};
use crate::escape::unescape;
use crate::json::{Scanner, Syntax, Token};
use crate::reject::Reject;
use crate::sink::{bug, said};
use crate::table::Rows;
use crate::value::shown;

/// A topic and the tables that its messages name.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// `CLUSTER ID/TOPIC ID`, as offset maps write it.
    pub(crate) key: String,
    pub(crate) id: Arc<str>,
    /// Table names with their position among all tables.
    pub(crate) tables: Vec<(String, usize)>,
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
}

/// One record of a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) topic: usize,
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) place: Place,
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
    pub(crate) reject: Option<Reject>,
    /// Rows that became enough for a batch.
    pub(crate) full: Option<Collected>,
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
        Self { topics, rows, blind, dead, on_reject, table_topics, at_work: None, adding: false }
    }

    /// Which tables are in quarantine.
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
        if self.blind[table] || covered.reject(Some(table)) {
            return Ok(Routed::default());
        }
        self.guarded(|router| router.reject(record, Reject::Panicked(said.to_owned())))
    }

    fn take_unguarded(&mut self, record: Record<'_>, covered: &impl Covered) -> anyhow::Result<Routed> {
        match self.decode(record) {
            Ok((table, _)) if self.blind[table] => Ok(Routed::default()),
            Ok((table, message)) => {
                if !covered.row(table) {
                    (self.at_work, self.adding) = (Some(table), true);
                    self.rows[table].push(message, record.place);
                    self.adding = false;
                    return self.batch_if_full(Some(table));
                }
                match covered.refused(table) {
                    Some(reason) => {
                        let reject = Reject::Unwritable {
                            table: self.topics[record.topic].name_of(table).to_owned(),
                            reason: reason.to_owned(),
                        };
                        self.reject(record, reject)
                    }
                    None => Ok(Routed::default()),
                }
            }
            Err((_, Some(table))) if self.blind[table] => Ok(Routed::default()),
            Err((_, table)) if covered.reject(table) => Ok(Routed::default()),
            Err((reject, _)) => self.reject(record, reject),
        }
    }

    fn reject(&mut self, record: Record<'_>, reject: Reject) -> anyhow::Result<Routed> {
        if self.on_reject != OnReject::DeadLetters {
            return Ok(Routed { reject: Some(reject), full: None });
        }
        let topic = &self.topics[record.topic];
        let payload = record.payload.unwrap_or_default();
        self.at_work = None;
        self.dead.push_dead(&topic.name, &topic.id, &reject.to_string(), payload, record.place);
        Ok(Routed { reject: Some(reject), ..self.batch_if_full(None)? })
    }

    fn batch_if_full(&mut self, table: Option<usize>) -> anyhow::Result<Routed> {
        let rows = table.map_or(&self.dead, |table| &self.rows[table]);
        let full = if rows.is_full() { Some(self.finish(table)?) } else { None };
        Ok(Routed { reject: None, full })
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

    /// The table that a record belongs to, whose row was read; or why there is none, and which table refuses it.
    fn decode<'a>(&mut self, record: Record<'a>) -> Result<(usize, &'a str), Refusal> {
        let payload = record.payload.ok_or((Reject::NoPayload, None))?;
        let message = std::str::from_utf8(payload).map_err(|error| (Reject::NotUtf8(error), None))?;
        let tables = &self.topics[record.topic].tables;
        // Nothing was added to any row yet: what panics here spoils nothing but this record.
        let read = || envelope(message, tables, &mut self.rows, &mut self.at_work);
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(result)) => result.map(|table| (table, message)),
            Ok(Err(syntax)) => Err((syntax.into(), None)),
            Err(panic) => Err((Reject::Panicked(said(&*panic)), self.at_work.take())),
        }
    }
}

/// Why a record is no row, and which table refuses it; none where no table's declaration has a part in it.
type Refusal = (Reject, Option<usize>);

/// Reads `{"table": …, "data": …}`; other members are ignored, whatever their order. The outer error is one of syntax,
/// the inner one of meaning, which only messages that are JSON have.
fn envelope(
    message: &str,
    tables: &[(String, usize)],
    rows: &mut [Rows],
    at_work: &mut Option<usize>,
) -> Result<Result<usize, Refusal>, Syntax> {
    let mut read = |table: usize, scanner: &mut Scanner<'_>| {
        *at_work = Some(table);
        #[cfg(test)]
        assert!(!message.contains(tests::PANICS), "no message like this");
        let reject = rows[table].read(message, scanner);
        *at_work = None;
        reject
    };
    // What follows from the envelope alone, no table has a part in.
    let wrong = |reject: Reject| Ok(Err((reject, None)));
    let mut scanner = Scanner::new(message);
    if !scanner.next_is(b'{') {
        let found = scanner.value()?.kind();
        scanner.end()?;
        return wrong(Reject::NotAnObject(found));
    }
    let mut table: Option<Result<usize, Reject>> = None;
    let mut data: Option<Option<Reject>> = None;
    // Where `data` begins when it comes before `table`.
    let mut later: Option<Scanner<'_>> = None;
    let mut doubled: Option<&'static str> = None;
    let mut more = scanner.enter_object()?;
    while more {
        match scanner.name()? {
            ("table", _) => {
                let found = find(scanner.value()?, tables);
                if table.replace(found).is_some() {
                    doubled = Some("table");
                }
            }
            ("data", _) => {
                if data.is_some() || later.is_some() {
                    doubled = Some("data");
                    scanner.value()?;
                } else if let Some(Ok(index)) = &table {
                    data = Some(read(*index, &mut scanner)?);
                } else {
                    later = Some(scanner.clone());
                    scanner.value()?;
                }
            }
            _ => _ = scanner.value()?,
        }
        more = scanner.more(b'}')?;
    }
    scanner.end()?;
    if let Some(name) = doubled {
        return wrong(Reject::MemberTwice(name));
    }
    let index = match table {
        None => return wrong(Reject::NoMember("table")),
        Some(Err(reject)) => return wrong(reject),
        Some(Ok(index)) => index,
    };
    if let Some(mut scanner) = later {
        data = Some(read(index, &mut scanner)?);
    }
    Ok(match data {
        None => Err((Reject::NoMember("data"), None)),
        Some(Some(reject)) => Err((reject, Some(index))),
        Some(None) => Ok(index),
    })
}

/// The table that a `table` member names.
fn find(token: Token<'_>, tables: &[(String, usize)]) -> Result<usize, Reject> {
    let Token::Text { raw, escaped } = token else {
        return Err(Reject::TableNotText(token.kind()));
    };
    let mut resolved = String::new();
    let name = if escaped {
        unescape(raw, &mut resolved);
        resolved.as_str()
    } else {
        raw
    };
    let found = tables.iter().find(|(table, _)| table == name);
    found.map(|(_, index)| *index).ok_or_else(|| Reject::NoSuchTable(shown(name)))
}

#[cfg(test)]
pub(crate) mod tests;
