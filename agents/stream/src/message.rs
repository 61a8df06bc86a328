//! From a payload to the text of a message, and from there to the table whose row it is.

use std::sync::Arc;

use lakewright_config::{Format, OnTombstone, Table};
use lakewright_formats::{SchemaId, Skipped};

use crate::escape::resolved;
use crate::evolve::Hints;
use crate::json::{Scanner, Syntax, Token};
use crate::record::Record;
use crate::registry::{NoText, Registries, Transcoder};
use crate::reject::{Reject, shown};
use crate::table::Rows;

/// How the messages of a topic become rows.
#[derive(Debug)]
pub(crate) enum Way {
    /// A message names its table: `{"table": …, "data": …}`.
    Envelope,
    /// Each message is a row of one table.
    Rows {
        table: usize,
        /// What makes text of messages that are none.
        transcoder: Option<Box<Transcoder>>,
        /// The members that lead to the row.
        path: Vec<String>,
        /// Whether a record without a value is a row.
        tombstones: bool,
    },
}

impl Way {
    /// That of a topic with these tables, by their position among all.
    pub(crate) fn of(tables: &[(usize, &Table)], registries: &Registries) -> Self {
        match tables {
            [(table, declared), ..] if declared.reading.format != Format::Envelope => Self::Rows {
                table: *table,
                transcoder: registries.transcoder(declared).map(Box::new),
                path: declared.reading.path.members().to_vec(),
                tombstones: declared.reading.on_tombstone == OnTombstone::Row,
            },
            _ => Self::Envelope,
        }
    }

    /// The JSON text of a record's value: its own, or made in `made`; `None` when it has no value.
    ///
    /// # Errors
    /// The value has no text.
    pub(crate) fn text<'m>(&mut self, record: &Record<'m>, made: &'m mut String) -> Result<Option<&'m str>, NoRow> {
        let text = match (self, record.payload) {
            // What a record without a value means, Debezium says.
            (Self::Rows { transcoder: Some(transcoder), table, .. }, payload)
                if payload.is_some() || transcoder.knows_tombstones() =>
            {
                return match transcoder.text(payload, record.metadata, made) {
                    Ok(()) => Ok(Some(made)),
                    // Whatever is made of it, the table's declaration had a part in it.
                    Err(NoText::Reject(reject)) => Err(NoRow::refused(Reject::Format(reject), Some(*table))),
                    Err(NoText::Skipped(skipped)) => Err(NoRow::Skipped(skipped)),
                    Err(NoText::Unknown(schema)) => Err(NoRow::Unknown { table: *table, schema }),
                };
            }
            (_, None) => return Ok(None),
            (Self::Envelope, Some(payload)) => payload,
            // Confluent's serializer of JSON with a schema writes a zero and the schema's number before the JSON, which
            // never begins with a zero byte.
            (Self::Rows { .. }, Some([0, _, _, _, _, text @ ..])) => text,
            (Self::Rows { .. }, Some(text)) => text,
        };
        let text = std::str::from_utf8(text);
        text.map(Some).map_err(|error| NoRow::refused(Reject::NotUtf8(error), None))
    }

    /// What the schema of the message whose text was made last says of the members of its row.
    pub(crate) fn hints(&mut self) -> Option<Arc<Hints>> {
        match self {
            Self::Rows { transcoder: Some(transcoder), path, .. } => transcoder.hints(path),
            _ => None,
        }
    }

    /// The table whose declaration decides of every message, where text is made of them.
    pub(crate) fn table_of_all(&self) -> Option<usize> {
        match self {
            Self::Rows { table, transcoder: Some(_), .. } => Some(*table),
            _ => None,
        }
    }

    /// Asks the registry for a schema that a message of the topic needs, and waits for a short while.
    ///
    /// # Errors
    /// The registry doesn't say now, for the reason given.
    pub(crate) fn learn(&self, schema: SchemaId) -> Result<(), String> {
        match self {
            Self::Rows { transcoder: Some(transcoder), .. } => transcoder.learn(schema),
            _ => Ok(()),
        }
    }
}

/// Why a message isn't read.
#[derive(Debug)]
pub(crate) enum NoRow {
    Refused(Refusal),
    /// It is no row, and nothing is wrong with it.
    Skipped(Skipped),
    /// The schema isn't known yet that it is written by, as a row of this table.
    Unknown {
        table: usize,
        schema: SchemaId,
    },
}

impl NoRow {
    /// It is refused, by a table or by none.
    #[cold]
    pub(crate) fn refused(reject: Reject, table: Option<usize>) -> Self {
        Self::Refused((Box::new(reject), table))
    }
}

impl From<Refusal> for NoRow {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Why a record is no row, and which table refuses it; none where no table's declaration has a part in it.
pub(crate) type Refusal = (Box<Reject>, Option<usize>);

/// The tables while a message is read.
pub(crate) struct Tables<'a> {
    pub(crate) rows: &'a mut [Rows],
    /// The table whose code runs.
    pub(crate) at_work: &'a mut Option<usize>,
}

impl Tables<'_> {
    /// Reads the row of a table that stands at the scanner.
    fn read(&mut self, table: usize, message: &str, scanner: &mut Scanner<'_>) -> Result<Option<Box<Reject>>, Syntax> {
        *self.at_work = Some(table);
        #[cfg(test)]
        assert!(!message.contains(crate::router::tests::PANICS), "no message like this");
        let reject = self.rows[table].read(message, scanner);
        *self.at_work = None;
        reject
    }

    /// Adds to the row that was read what else of the record the table has columns for; gives the reason why it is no
    /// row, if it is none.
    #[inline]
    pub(crate) fn add(&mut self, table: usize, message: &str, record: &Record<'_>) -> Option<Box<Reject>> {
        #[cfg(test)]
        {
            *self.at_work = Some(table);
            crate::testing::DECODING.may_panic(record.place.offset);
            *self.at_work = None;
        }
        if !self.rows[table].has_extras() {
            return None;
        }
        *self.at_work = Some(table);
        let reject = self.rows[table].read_extras(message, record);
        *self.at_work = None;
        reject
    }
}

/// Reads a record without a value as a row of a table.
pub(crate) fn tombstone(table: usize, tables: &mut Tables<'_>) -> Result<usize, Refusal> {
    *tables.at_work = Some(table);
    let reject = tables.rows[table].read_nothing();
    *tables.at_work = None;
    reject.map_or(Ok(table), |reject| Err((reject, Some(table))))
}

/// Reads a message that is a row of one table, at a path in it. The outer error is one of syntax, the inner one of
/// meaning, which only messages that are JSON have.
pub(crate) fn row(
    message: &str,
    (table, path): (usize, &[String]),
    tables: &mut Tables<'_>,
) -> Result<Result<usize, Refusal>, Syntax> {
    let mut scanner = Scanner::new(message);
    let reject = descend(message, &mut scanner, (table, path, 0), tables)?;
    scanner.end()?;
    Ok(match reject {
        None => Ok(table),
        Some(reject) => Err((reject, Some(table))),
    })
}

/// Reads what stands at the scanner, `depth` members down the path.
fn descend(
    message: &str,
    scanner: &mut Scanner<'_>,
    (table, path, depth): (usize, &[String], usize),
    tables: &mut Tables<'_>,
) -> Result<Option<Box<Reject>>, Syntax> {
    let Some(wanted) = path.get(depth) else { return tables.read(table, message, scanner) };
    if !scanner.next_is(b'{') {
        let found = scanner.value()?.kind();
        let what = if depth == 0 { "the message".to_owned() } else { format!("`{}`", path[..depth].join(".")) };
        return Ok(Some(Box::new(Reject::NotAnObject { what, found })));
    }
    let here = || path[..=depth].join(".");
    let mut found: Option<Option<Box<Reject>>> = None;
    let mut more = scanner.enter_object()?;
    while more {
        let (raw, escaped) = scanner.name()?;
        if is(raw, escaped, wanted) {
            if found.is_some() {
                scanner.pass()?;
                found = Some(Some(Box::new(Reject::MemberTwice(here()))));
            } else {
                found = Some(descend(message, scanner, (table, path, depth + 1), tables)?);
            }
        } else {
            scanner.pass()?;
        }
        more = scanner.more(b'}')?;
    }
    Ok(found.unwrap_or_else(|| Some(Box::new(Reject::NoMember(here())))))
}

/// Whether a name as it is written is such a one.
fn is(raw: &str, escaped: bool, name: &str) -> bool {
    resolved(raw, escaped, &mut String::new()) == name
}

/// Reads `{"table": …, "data": …}`; other members are ignored, whatever their order. The outer error is one of syntax,
/// the inner one of meaning, which only messages that are JSON have.
pub(crate) fn envelope(
    message: &str,
    names: &[(String, usize)],
    tables: &mut Tables<'_>,
) -> Result<Result<usize, Refusal>, Syntax> {
    // What follows from the envelope alone, no table has a part in.
    let wrong = |reject: Reject| Ok(Err((Box::new(reject), None)));
    let mut scanner = Scanner::new(message);
    if !scanner.next_is(b'{') {
        let found = scanner.value()?.kind();
        scanner.end()?;
        return wrong(Reject::NotAnObject { what: "the message".to_owned(), found });
    }
    let mut table: Option<Result<usize, Reject>> = None;
    let mut data: Option<Option<Box<Reject>>> = None;
    // Where `data` begins when it comes before `table`.
    let mut later: Option<Scanner<'_>> = None;
    let mut doubled: Option<&'static str> = None;
    let mut more = scanner.enter_object()?;
    while more {
        match scanner.name()? {
            ("table", _) => {
                let found = find(scanner.value()?, names);
                if table.replace(found).is_some() {
                    doubled = Some("table");
                }
            }
            ("data", _) => {
                if data.is_some() || later.is_some() {
                    doubled = Some("data");
                    scanner.pass()?;
                } else if let Some(Ok(index)) = &table {
                    data = Some(tables.read(*index, message, &mut scanner)?);
                } else {
                    later = Some(scanner.clone());
                    scanner.pass()?;
                }
            }
            _ => _ = scanner.value()?,
        }
        more = scanner.more(b'}')?;
    }
    scanner.end()?;
    if let Some(name) = doubled {
        return wrong(Reject::MemberTwice(name.to_owned()));
    }
    let index = match table {
        None => return wrong(Reject::NoMember("table".to_owned())),
        Some(Err(reject)) => return wrong(reject),
        Some(Ok(index)) => index,
    };
    if let Some(mut scanner) = later {
        data = Some(tables.read(index, message, &mut scanner)?);
    }
    Ok(match data {
        None => Err((Box::new(Reject::NoMember("data".to_owned())), None)),
        Some(Some(reject)) => Err((reject, Some(index))),
        Some(None) => Ok(index),
    })
}

/// The table that a `table` member names.
fn find(token: Token<'_>, tables: &[(String, usize)]) -> Result<usize, Reject> {
    let Token::Text { raw, escaped } = token else {
        return Err(Reject::TableNotText(token.kind()));
    };
    let mut room = String::new();
    let name = resolved(raw, escaped, &mut room);
    let found = tables.iter().find(|(table, _)| table == name);
    found.map(|(_, index)| *index).ok_or_else(|| Reject::NoSuchTable(shown(name)))
}
