//! Columns that are filled from more than one member of a message: Kafka's part of the record, and members that no
//! column takes.

use anyhow::Context as _;
use lakewright_config::{KafkaPart, UNKNOWN_COLUMN};

use super::Rows;
use super::read::refused;
use crate::column::Column;
use crate::record::{Metadata, Record};
use crate::reject::{Reject, Wrong, shown};
use crate::time::{EARLIEST, LATEST};
use crate::value::{Arena, Cell};

/// Where an extra column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Kafka(KafkaPart),
    Unknown,
}

/// A column that isn't filled from a member of its own.
#[derive(Debug)]
pub(crate) struct Extra {
    name: String,
    from: From,
    required: bool,
    pub(crate) column: Column,
    /// Its value in the row that was read last.
    pub(crate) cell: Cell,
}

impl Extra {
    /// That of a name.
    ///
    /// # Errors
    /// There is none of that name.
    pub(crate) fn new(name: &str, column: Column, required: bool) -> anyhow::Result<Self> {
        let parts = [KafkaPart::Key, KafkaPart::KeyBytes, KafkaPart::Headers, KafkaPart::Timestamp];
        let part = parts.into_iter().find(|part| part.column() == name).map(From::Kafka);
        let from = part.or((name == UNKNOWN_COLUMN).then_some(From::Unknown));
        let from = from.with_context(|| format!("nothing fills the column {name}: this is a bug in lakewright"))?;
        Ok(Self { name: name.to_owned(), from, required, column, cell: Cell::Null })
    }
}

impl Rows {
    /// Whether there are columns that a record fills besides its message's members.
    #[inline]
    pub(crate) fn has_extras(&self) -> bool {
        !self.extras.is_empty()
    }

    /// Fills them for the row that was read last. Gives the reason why it is no row, if it is none.
    pub(crate) fn read_extras(&mut self, message: &str, record: &Record<'_>) -> Option<Box<Reject>> {
        for extra in &mut self.extras {
            let filled = match extra.from {
                From::Unknown => Ok(unknown(message, &mut self.arena)),
                From::Kafka(part) => kafka(part, record.metadata, &mut self.arena),
            };
            let wrong = match filled {
                Ok(Cell::Null) if extra.required => Wrong::Null,
                Ok(cell) => {
                    extra.cell = cell;
                    continue;
                }
                Err(wrong) => Wrong::Value(wrong),
            };
            return Some(refused(extra.name.clone(), wrong));
        }
        None
    }
}

fn unknown(message: &str, arena: &mut Arena) -> Cell {
    let start = arena.text.len();
    if !arena.unknown.write(message, &mut arena.text) {
        return Cell::Null;
    }
    Cell::Made { start, end: arena.text.len() }
}

fn kafka(part: KafkaPart, metadata: &dyn Metadata, arena: &mut Arena) -> Result<Cell, String> {
    Ok(match part {
        KafkaPart::Key => match metadata.key() {
            None => Cell::Null,
            Some(key) => match std::str::from_utf8(key) {
                Ok(text) => arena.made(text),
                Err(_) => {
                    let lossy = shown(&String::from_utf8_lossy(key));
                    return Err(format!("`{lossy}` is no UTF-8; `kafka = [\"key_bytes\"]` takes any key"));
                }
            },
        },
        KafkaPart::KeyBytes => metadata.key().map_or(Cell::Null, |key| arena.blob(key)),
        KafkaPart::Timestamp => match metadata.timestamp() {
            None => Cell::Null,
            Some(millis) => {
                let micros = millis.checked_mul(1000).filter(|micros| (EARLIEST..=LATEST).contains(micros));
                Cell::Whole(micros.ok_or_else(|| format!("{millis} milliseconds are beyond the years 1 to 9999"))?)
            }
        },
        KafkaPart::Headers => {
            let mut headers = Vec::new();
            metadata.headers(&mut |name, value| {
                let cells = [arena.made(name), value.map_or(Cell::Null, |value| arena.blob(value))];
                headers.push(arena.many(cells));
            })?;
            if headers.is_empty() { Cell::Null } else { arena.many(headers) }
        }
    })
}
