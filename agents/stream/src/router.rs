//! From a message to the table it belongs to, or to the dead letters with a reason.

use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::escape::unescape;
use crate::json::{Scanner, Syntax, Token};
use crate::table::{Place, Reason, Rows};
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

/// Decodes messages and collects rows by table. The last table is the dead letters'.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) topics: Vec<Topic>,
    rows: Vec<Rows>,
    /// The topic whose rows a table collects.
    table_topics: Vec<usize>,
}

/// One record of a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) topic: usize,
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) place: Place,
}

impl Router {
    /// `rows` has one collection for each table and the dead letters' last.
    pub(crate) fn new(topics: Vec<Topic>, rows: Vec<Rows>) -> Self {
        let mut table_topics = vec![0; rows.len()];
        for (topic, of) in topics.iter().enumerate() {
            for (_, table) in &of.tables {
                table_topics[*table] = topic;
            }
        }
        Self { topics, rows, table_topics }
    }

    /// The position of the dead-letter table.
    pub(crate) fn dead(&self) -> usize {
        self.rows.len() - 1
    }

    /// Takes in one record. `covered` says whether a table holds it already. Returns a table's batch when one is full.
    ///
    /// # Errors
    /// A batch doesn't fit its schema, which is a bug.
    pub(crate) fn take(
        &mut self,
        record: Record<'_>,
        covered: impl Fn(usize) -> bool,
    ) -> anyhow::Result<Option<(usize, RecordBatch)>> {
        let payload = record.payload.unwrap_or_default();
        let table = match self.decode(record) {
            Ok((table, message)) => {
                if covered(table) {
                    return Ok(None);
                }
                self.rows[table].push(message, record.place);
                table
            }
            Err(reason) => {
                let table = self.dead();
                if covered(table) {
                    return Ok(None);
                }
                let topic = &self.topics[record.topic];
                self.rows[table].push_dead(&topic.name, &topic.id, &reason, payload, record.place);
                table
            }
        };
        if self.rows[table].is_full() { self.finish(table).map(|batch| Some((table, batch))) } else { Ok(None) }
    }

    /// The batches that are not full yet.
    pub(crate) fn drain(&mut self) -> anyhow::Result<Vec<(usize, RecordBatch)>> {
        (0..self.rows.len())
            .filter(|table| !self.rows[*table].is_empty())
            .collect::<Vec<_>>()
            .into_iter()
            .map(|table| self.finish(table).map(|batch| (table, batch)))
            .collect()
    }

    fn finish(&mut self, table: usize) -> anyhow::Result<RecordBatch> {
        let id = Arc::clone(&self.topics[self.table_topics[table]].id);
        self.rows[table].finish(&id)
    }

    /// The table that a record belongs to, whose row was read; or why there is none.
    fn decode<'a>(&mut self, record: Record<'a>) -> Result<(usize, &'a str), Reason> {
        let payload = record.payload.ok_or("the message has no payload")?;
        let message = std::str::from_utf8(payload).map_err(|error| format!("no UTF-8: {error}"))?;
        let tables = &self.topics[record.topic].tables;
        match envelope(message, tables, &mut self.rows) {
            Ok(result) => result.map(|table| (table, message)),
            Err(syntax) => Err(syntax.to_string()),
        }
    }
}

/// Reads `{"table": …, "data": …}`; other members are ignored, whatever their order. The outer error is one of syntax,
/// the inner one of meaning, which only messages that are JSON have.
fn envelope(message: &str, tables: &[(String, usize)], rows: &mut [Rows]) -> Result<Result<usize, Reason>, Syntax> {
    let mut scanner = Scanner::new(message);
    if !scanner.next_is(b'{') {
        let found = scanner.value()?.kind();
        scanner.end()?;
        return Ok(Err(format!("the message is {found}, not an object")));
    }
    let mut table: Option<Result<usize, Reason>> = None;
    let mut data: Option<Option<Reason>> = None;
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
                    data = Some(rows[*index].read(message, &mut scanner)?);
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
        return Ok(Err(format!("`{name}` stands there twice")));
    }
    let index = match table {
        None => return Ok(Err("`table` is missing".into())),
        Some(Err(reason)) => return Ok(Err(reason)),
        Some(Ok(index)) => index,
    };
    if let Some(mut scanner) = later {
        data = Some(rows[index].read(message, &mut scanner)?);
    }
    Ok(match data {
        None => Err("`data` is missing".into()),
        Some(Some(reason)) => Err(reason),
        Some(None) => Ok(index),
    })
}

/// The table that a `table` member names.
fn find(token: Token<'_>, tables: &[(String, usize)]) -> Result<usize, Reason> {
    let Token::Text { raw, escaped } = token else {
        return Err(format!("`table` is {}, not a string", token.kind()));
    };
    let mut resolved = String::new();
    let name = if escaped {
        unescape(raw, &mut resolved);
        resolved.as_str()
    } else {
        raw
    };
    let found = tables.iter().find(|(table, _)| table == name);
    found.map(|(_, index)| *index).ok_or_else(|| format!("unknown table `{}`", shown(name)))
}

#[cfg(test)]
mod tests;
