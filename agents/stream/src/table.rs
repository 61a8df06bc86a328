//! Rows of one table: from an object of a message to Arrow batches in the table's current Iceberg schema.

mod extra;
mod lacks;
mod read;
mod source;
mod undeclared;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use arrow_array::builder::{Int32Builder, Int64Builder, LargeBinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::SchemaRef;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::Schema;
use lakewright_config::agents::stream;
use lakewright_config::{Column as Declared, Evolved, Format, Reading, Table, Unknown};
use lakewright_formats::MEMBERS;
use lakewright_lake::column_type;
use lakewright_runtime::{Counter, Metrics};

use crate::batch::{Batch, Origin, Place};
use crate::column::Column;
use crate::evolve::{Evolution, Evolving, Hints};
use crate::json::Name;
use crate::record::Record;
use crate::shape::Shape;
use crate::unknown::Unknowns;
use crate::value::{Arena, Cell};
use extra::Extra;
use lacks::{how_it_comes, other_type};
use source::Source;

/// So many rows make a batch,
const BATCH_ROWS: usize = 16 * 1024;
/// or rows of messages of so many bytes.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A column that messages carry.
#[derive(Debug)]
struct Member {
    /// The member's name, which mostly is the column's,
    name: String,
    /// and as messages mostly have it.
    written: Name,
    /// The name that it had before: messages that were sent then carry it.
    was: Option<String>,
    shape: Shape,
    required: bool,
    /// Whether only the catalog knows the column: what doesn't fit it is a member that no column takes.
    undeclared: bool,
    /// Whether whole numbers that it would round don't fit it either.
    exact: bool,
    column: Column,
}

/// Collects rows of one table.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    sources: Vec<Source>,
    members: Vec<Member>,
    extras: Vec<Extra>,
    /// Members that the format has of itself: where no column takes them, nobody misses them.
    format_members: &'static [&'static str],
    /// What holds a row, for messages to people.
    holder: String,
    cells: Vec<Option<Cell>>,
    /// Of each cell, whether its value came under the member's old name.
    old: Vec<bool>,
    arena: Arena,
    partitions: Int32Builder,
    offsets: Int64Builder,
    ingested: Vec<i64>,
    topics: StringBuilder,
    reasons: StringBuilder,
    payloads: LargeBinaryBuilder,
    topic_ids: Vec<Arc<str>>,
    /// The messages of the rows, where they are asked for.
    origins: Option<Vec<Origin>>,
    broken: Vec<(Origin, String)>,
    /// Members that no column takes, of the rows that are held, and where they are counted.
    unknown: u64,
    unknown_total: Option<Counter>,
    /// What finds new columns, where members become some.
    evolving: Option<Evolving>,
    /// What the schema of the message that is read says of its members.
    hints: Option<Arc<Hints>>,
    count: usize,
    bytes: usize,
    /// So many rows make a batch.
    most: usize,
}

impl Rows {
    /// As [`Rows::evolved`], of a table whose columns don't come from messages.
    #[cfg(test)]
    pub(crate) fn of(schema: &Schema, table: &Table, origins: bool) -> anyhow::Result<Self> {
        Self::evolved(schema, table, &Evolution::default(), origins)
    }

    /// Rows of a declared table. Values are decoded by the Iceberg table's own types, which may be wider. With `origins`,
    /// batches carry the messages too.
    ///
    /// # Errors
    /// The Iceberg table lacks a declared column, has another type for it, or requires one that isn't declared.
    pub(crate) fn evolved(
        schema: &Schema,
        table: &Table,
        evolution: &Evolution,
        origins: bool,
    ) -> anyhow::Result<Self> {
        let (declared, reading) = (&table.columns, &table.reading);
        let extras = reading.added();
        for column in declared.iter().chain(&extras) {
            let was = column.was.as_ref().and_then(|was| schema.field_by_name(was));
            if schema.field_by_name(&column.name).or(was).is_none() {
                bail!("the table has no column `{}` yet; {}", column.name, how_it_comes(table, column));
            }
        }
        let holder = match (reading.format, reading.path.is_empty()) {
            (Format::Envelope, _) => "`data`".to_owned(),
            (_, true) => "the message".to_owned(),
            (_, false) => format!("`{}`", reading.path),
        };
        let mut rows = Self::build(schema, declared, reading, &evolution.evolved)?;
        if table.existing.is_none() {
            rows.has_places()?;
        }
        if reading.unknown == Unknown::Evolve {
            rows.evolving = Some(Evolving::new(table, evolution));
        }
        rows.arena.unknown = Unknowns::new(reading.unknown);
        if reading.format == Format::Debezium {
            rows.format_members = &MEMBERS;
        }
        Ok(Self { origins: origins.then(Vec::new), holder, ..rows })
    }

    /// Counts members that no column takes.
    pub(crate) fn counting_unknown(mut self, table: &str, metrics: &Metrics) -> Self {
        if let Some(evolving) = &mut self.evolving {
            evolving.counting(table, metrics);
        }
        let total = metrics.counter(&stream::UNKNOWN_MEMBERS, &[(stream::TABLE, table)]);
        Self { unknown_total: Some(total), ..self }
    }

    /// Whether members become columns of the table.
    pub(crate) fn is_evolving(&self) -> bool {
        self.evolving.is_some()
    }

    /// The next row is of a message whose schema says this of its members.
    pub(crate) fn hint(&mut self, hints: Option<Arc<Hints>>) {
        self.hints = hints;
    }

    /// As [`Rows::of`], of a table with these columns and no settings.
    #[cfg(test)]
    pub(crate) fn declared(schema: &Schema, columns: &[Declared], origins: bool) -> anyhow::Result<Self> {
        let table = Table { columns: columns.to_vec(), ..crate::testing::table("sales") };
        Self::of(schema, &table, origins)
    }

    /// How many members no column took, of the rows that are held.
    #[cfg(test)]
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Of a table in quarantine: its messages are read like any other's, so that what is no JSON is found to be none,
    /// and nothing else of them is looked at.
    pub(crate) fn blind() -> Self {
        Self::empty(Arc::new(arrow_schema::Schema::empty()), Vec::new(), Vec::new(), Vec::new())
    }

    /// Rows of the dead-letter table.
    ///
    /// # Errors
    /// The Iceberg table isn't a dead-letter table.
    pub(crate) fn dead_letters(schema: &Schema) -> anyhow::Result<Self> {
        let rows = Self::build(schema, &[], &Reading::default(), &Evolved::default())?;
        rows.has_places()?;
        Ok(rows)
    }

    /// Refuses a table that can't say where its rows came from.
    fn has_places(&self) -> anyhow::Result<()> {
        if [Source::TopicId, Source::Partition, Source::Offset].iter().any(|needed| !self.sources.contains(needed)) {
            bail!(
                "the table lacks the columns kafka_topic_id, kafka_partition and kafka_offset, or has other types there"
            );
        }
        Ok(())
    }

    fn build(schema: &Schema, declared: &[Declared], reading: &Reading, evolved: &Evolved) -> anyhow::Result<Self> {
        let added = reading.added();
        let arrow = Arc::new(schema_to_arrow_schema(schema).context("the table's Arrow schema")?);
        let (mut sources, mut members, mut extras) = (Vec::new(), Vec::new(), Vec::new());
        for (field, arrow_field) in schema.as_struct().fields().iter().zip(arrow.fields()) {
            // A column that isn't renamed yet in the catalog is filled under its old name.
            let still = |column: &Declared| {
                column.was.as_ref() == Some(&field.name) && schema.field_by_name(&column.name).is_none()
            };
            let meant = declared.iter().find(|column| column.name == field.name || still(column));
            let source = if let Some(column) = meant {
                let shape = column_type(&field.field_type)
                    .filter(|actual| actual.widens(&column.column_type))
                    .and_then(|_| Shape::of(&field.field_type, reading.unit(&column.name)))
                    .with_context(|| other_type(column, &field.field_type))?;
                let name = reading.member(&column.name).unwrap_or(&column.name);
                members.push(Member {
                    name: name.to_owned(),
                    written: Name::new(name),
                    // A column whose member has a name of its own is renamed without it.
                    was: column.was.clone().filter(|_| reading.member(&column.name).is_none()),
                    column: Column::new(&shape, arrow_field.data_type())?,
                    shape,
                    required: column.required || field.required,
                    undeclared: false,
                    exact: false,
                });
                Source::Member(members.len() - 1)
            } else if let Some(column) = added.iter().find(|column| column.name == field.name) {
                let shape = Shape::of(&field.field_type, None)
                    .filter(|_| column_type(&field.field_type).as_ref() == Some(&column.column_type))
                    .with_context(|| other_type(column, &field.field_type))?;
                extras.push(Extra::new(&column.name, Column::new(&shape, arrow_field.data_type())?, field.required)?);
                Source::Extra(extras.len() - 1)
            } else if let Some(place) = Source::of_place(field) {
                place
            } else {
                match (field.name.as_str(), declared.is_empty()) {
                    ("topic", true) => Source::Topic,
                    ("reason", true) => Source::Reason,
                    ("payload", true) => Source::Payload,
                    _ if field.required => {
                        bail!("the table requires the column `{}`, which isn't declared", field.name)
                    }
                    _ => match undeclared::member(field, arrow_field, declared, reading, evolved)? {
                        Some(member) => {
                            members.push(member);
                            Source::Member(members.len() - 1)
                        }
                        None => Source::Nothing,
                    },
                }
            };
            sources.push(source);
        }
        Ok(Self::empty(arrow, sources, members, extras))
    }

    fn empty(schema: SchemaRef, sources: Vec<Source>, members: Vec<Member>, extras: Vec<Extra>) -> Self {
        let (cells, old) = (vec![None; members.len()], vec![false; members.len()]);
        Self {
            schema,
            sources,
            members,
            extras,
            format_members: &[],
            holder: String::new(),
            cells,
            old,
            arena: Arena::default(),
            partitions: Int32Builder::new(),
            offsets: Int64Builder::new(),
            ingested: Vec::new(),
            topics: StringBuilder::new(),
            reasons: StringBuilder::new(),
            payloads: LargeBinaryBuilder::new(),
            topic_ids: Vec::new(),
            origins: None,
            broken: Vec::new(),
            unknown: 0,
            unknown_total: None,
            evolving: None,
            hints: None,
            count: 0,
            bytes: 0,
            most: BATCH_ROWS,
        }
    }

    /// Adds the row that was read last.
    pub(crate) fn push(&mut self, message: &str, record: Record<'_>) {
        #[cfg(test)]
        crate::testing::ADDING.may_panic(record.place.offset);
        for (member, cell) in self.members.iter_mut().zip(&self.cells) {
            member.column.push(cell.as_ref().unwrap_or(&Cell::Null), message, &self.arena);
        }
        for extra in &mut self.extras {
            extra.column.push(&extra.cell, message, &self.arena);
        }
        let payload = record.payload.unwrap_or_default();
        if let Some(origins) = &mut self.origins {
            origins.push(Origin { payload: payload.to_vec(), place: record.place });
        }
        // Rows that want new columns are decoded again when the table has them.
        let hints = self.hints.as_deref();
        let wanting = self.evolving.as_mut().map(|evolving| evolving.note(&self.arena.unknown, message, hints));
        self.unknown += self.arena.unknown.count() - wanting.unwrap_or(0);
        self.bytes += payload.len().max(message.len()) + self.arena.column_bytes();
        self.place(record.place);
    }

    /// Adds a message that broke the table's code.
    pub(crate) fn push_broken(&mut self, record: Record<'_>, said: String) {
        let payload = record.payload.unwrap_or_default();
        self.bytes += payload.len();
        self.broken.push((Origin { payload: payload.to_vec(), place: record.place }, said));
    }

    /// Adds a dead letter.
    pub(crate) fn push_dead(&mut self, topic: &str, topic_id: &Arc<str>, reason: &str, payload: &[u8], place: Place) {
        self.topics.append_value(topic);
        self.reasons.append_value(reason);
        self.payloads.append_value(payload);
        self.topic_ids.push(Arc::clone(topic_id));
        self.bytes += payload.len();
        self.place(place);
    }

    fn place(&mut self, place: Place) {
        self.partitions.append_value(place.partition);
        self.offsets.append_value(place.offset);
        self.ingested.push(place.ingested_at);
        self.count += 1;
    }

    /// The same where so many collect rows of the table: together they hold no more than one does.
    pub(crate) fn at_one_of(self, desks: usize) -> Self {
        Self { most: BATCH_ROWS / desks, ..self }
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.broken.is_empty()
    }

    /// Whether what is held should become a batch.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= self.most || self.bytes >= BATCH_BYTES / (BATCH_ROWS / self.most)
    }

    /// What was collected, as a batch of the table's schema; nothing is held afterwards. `topic_id` is that of all
    /// rows, except of dead letters, which carry their own.
    pub(crate) fn finish(&mut self, topic_id: &Arc<str>) -> anyhow::Result<Batch> {
        let rows = std::mem::take(&mut self.count);
        let unknown = std::mem::take(&mut self.unknown);
        if let Some(total) = &self.unknown_total {
            total.increment(unknown);
        }
        self.bytes = 0;
        let ids = std::mem::take(&mut self.topic_ids);
        let mut ingested = Some(std::mem::take(&mut self.ingested));
        // They are collected for every row, whether the table has columns for them or not.
        let (partitions, offsets) = (self.partitions.finish(), self.offsets.finish());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.schema.fields()) {
            arrays.push(match source {
                Source::Member(index) => self.members[*index].column.finish()?,
                Source::Extra(index) => self.extras[*index].column.finish()?,
                Source::TopicId if ids.is_empty() => {
                    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&**topic_id, rows)))
                }
                Source::TopicId => Arc::new(StringArray::from_iter_values(&ids)),
                Source::Partition => Arc::new(partitions.clone()),
                Source::Offset => Arc::new(offsets.clone()),
                Source::IngestedAt => {
                    let times = TimestampMicrosecondArray::from(ingested.take().unwrap_or_default());
                    Arc::new(times.with_timezone("+00:00"))
                }
                Source::Topic => Arc::new(self.topics.finish()),
                Source::Reason => Arc::new(self.reasons.finish()),
                Source::Payload => Arc::new(self.payloads.finish()),
                Source::Nothing => new_null_array(field.data_type(), rows),
            });
        }
        let origins = self.origins.as_mut().map(std::mem::take).unwrap_or_default();
        let rows =
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).context("make a batch of the table's rows")?;
        let wanted = self.evolving.as_mut().map(Evolving::wanted).unwrap_or_default();
        let broken = std::mem::take(&mut self.broken);
        Ok(Batch { rows, topic_id: Arc::clone(topic_id), origins, broken, room: None, wanted })
    }
}
