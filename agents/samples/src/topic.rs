//! What makes the messages of a topic, by the declarations of its tables.

use lakewright_config::{Format, KafkaPart, OnTombstone, Registry, Table};
use lakewright_formats::SchemaId;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::{Builder, Uuid};

use crate::avro::{Names, record};
use crate::debezium::{Changes, Event};
use crate::json::text;
use crate::rows::{Row, Rows};
use crate::value::Source;

/// So often a key comes again: once in that many messages.
const AGAIN: u32 = 4;
/// So often a record without a value follows where the table has rows of such.
const TOMBSTONE: u32 = 20;
/// So often a record has no headers.
const BARE: u32 = 4;

/// A Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its key.
    pub key: String,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers in their order.
    pub headers: Vec<(&'static str, String)>,
}

/// Why a topic gets no sample messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

/// A schema that the messages of a topic are written by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Where it has to be registered.
    pub registry: Registry,
    /// Its text.
    pub text: String,
}

/// Makes the messages of a topic: of the same tables, seed and times the same ones.
#[derive(Debug)]
pub struct Topic {
    name: String,
    tables: Vec<One>,
    source: Source,
    /// What follows the message that was made last.
    next: Option<Message>,
}

/// A table of a topic.
#[derive(Debug)]
struct One {
    table: Table,
    rows: Rows,
    /// Of change events.
    changes: Changes,
    schema: Option<String>,
    /// The bytes before the data.
    header: Vec<u8>,
}

impl Topic {
    /// The topic whose messages become rows of these tables, at least one.
    ///
    /// # Errors
    /// Its messages can't be made.
    pub fn new(name: &str, tables: impl IntoIterator<Item = Table>, seed: u64) -> Result<Self, Unfit> {
        let mut source = Source { rng: SmallRng::seed_from_u64(seed), now: 0 };
        let tables = tables.into_iter().map(|table| One::new(table, &mut source)).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), tables, source, next: None })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema that its messages wait for, until [`Topic::registered`].
    pub fn needs(&self) -> Option<Needed> {
        let one = self.tables.iter().find(|one| one.waits())?;
        Some(Needed { registry: one.table.reading.registry.clone()?, text: one.schema.clone()? })
    }

    /// Takes note of the id that the registry gave the schema.
    pub fn registered(&mut self, id: SchemaId) {
        for one in &mut self.tables {
            one.header = match id {
                SchemaId::Confluent(number) => [&[0][..], &number.to_be_bytes()].concat(),
                SchemaId::Glue(uuid) => [&[3, 0][..], uuid.as_bytes()].concat(),
            };
        }
    }

    /// The next message, at a time in microseconds since 1970; none as long as a schema isn't registered.
    pub fn next(&mut self, now: i64) -> Option<Message> {
        if self.tables.iter().any(One::waits) {
            return None;
        }
        if let Some(message) = self.next.take() {
            return Some(message);
        }
        self.source.now = now;
        let index = self.source.rng.random_range(0..self.tables.len());
        let one = &mut self.tables[index];
        let (message, next) = one.next(&mut self.source);
        self.next = next;
        Some(message)
    }
}

impl One {
    fn new(table: Table, source: &mut Source) -> Result<Self, Unfit> {
        let rows = Rows::of(&table, source).map_err(Unfit)?;
        let schema = match (&table.reading.registry, table.reading.format) {
            (None, _) | (_, Format::Envelope | Format::Json) => None,
            (_, Format::Avro) => Some(avro(&table, &rows)),
            (_, Format::Debezium) => Some(crate::debezium::schema(&table.name, &rows)),
        };
        let schema = schema.transpose().map_err(|member| {
            Unfit(format!("the table {}: `{member}` can't be the name of a member in Avro", table.name))
        })?;
        let changes = Changes::new(&table.name, source);
        Ok(Self { table, rows, changes, schema, header: Vec::new() })
    }

    /// Whether its schema isn't registered yet.
    fn waits(&self) -> bool {
        self.schema.is_some() && self.header.is_empty()
    }

    /// A message, and what follows it at once.
    fn next(&mut self, source: &mut Source) -> (Message, Option<Message>) {
        if self.table.reading.format == Format::Debezium {
            let Event { key, op, before, after } = self.changes.next(&mut self.rows, source);
            let (before, after) = (before.as_ref(), after.as_ref());
            let value = if self.header.is_empty() {
                self.changes.json(&self.rows, &op, before, after).into_bytes()
            } else {
                [&*self.header, &self.changes.avro(&self.rows, &op, before, after)].concat()
            };
            // Debezium sends one behind each deletion, for the compaction of the topic.
            let tombstone = after.is_none().then(|| self.message(key.clone(), None, source));
            return (self.message(key, Some(value), source), tombstone);
        }
        let has_tombstones = self.table.reading.on_tombstone == OnTombstone::Row;
        let known = self.rows.any(source);
        if let Some(index) = known.filter(|_| has_tombstones && source.once_in(TOMBSTONE)) {
            let gone = self.rows.known.remove(index).map(|row| row.key).unwrap_or_default();
            return (self.message(gone, None, source), None);
        }
        let row = match known.filter(|_| source.once_in(AGAIN)) {
            Some(index) => self.rows.change(index, source).clone(),
            None => self.rows.create(source).clone(),
        };
        let value = self.written(&row);
        (self.message(row.key, Some(value), source), None)
    }

    fn written(&self, row: &Row) -> Vec<u8> {
        let reading = &self.table.reading;
        if self.schema.is_some() {
            let mut out = self.header.clone();
            record(row.values.iter().zip(self.rows.members()), &mut out);
            return out;
        }
        let mut out = String::new();
        if reading.format == Format::Envelope {
            out.push_str("{\"table\":");
            text(&self.table.name, &mut out);
            out.push_str(",\"data\":");
        }
        for member in reading.path.members() {
            out.push('{');
            text(member, &mut out);
            out.push(':');
        }
        self.rows.push_json(row, &mut out);
        let depth = reading.path.members().len() + usize::from(reading.format == Format::Envelope);
        out.push_str(&"}".repeat(depth));
        out.into_bytes()
    }

    fn message(&self, key: String, value: Option<Vec<u8>>, source: &mut Source) -> Message {
        let mut headers = Vec::new();
        if self.table.reading.kafka.contains(&KafkaPart::Headers) && !source.once_in(BARE) {
            let trace: Uuid = Builder::from_random_bytes(source.rng.random()).into_uuid();
            headers = vec![("source", "samples".to_owned()), ("trace", trace.to_string())];
        }
        Message { key, value, headers }
    }
}

/// The schema of a table's messages, the row's record at its path.
///
/// # Errors
/// The name of a member that Avro takes for none.
fn avro(table: &Table, rows: &Rows) -> Result<String, String> {
    let mut names = Names::default();
    let path = table.reading.path.members();
    let outer: Vec<String> = path.iter().map(|_| names.take(&table.name)).collect();
    let mut schema = names.record(&table.name, rows.members())?;
    for (name, member) in outer.iter().zip(path).rev() {
        schema = Names::wrapped(name, member, schema)?;
    }
    Ok(schema.to_string())
}
