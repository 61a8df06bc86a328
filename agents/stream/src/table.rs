//! Rows of one table: from a message's `data` to Arrow batches in the table's current Iceberg schema.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use arrow_array::builder::{Int32Builder, Int64Builder, LargeBinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow_schema::SchemaRef;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{Schema, Type};
use lakewright_config::{Column as Declared, ColumnType};
use lakewright_lake::column_type;

use crate::batch::{Batch, Origin, Place};
use crate::column::Column;
use crate::escape::unescape;
use crate::json::{Scanner, Syntax};
use crate::reject::{Reject, Wrong};
use crate::value::{Arena, Cell, convert};

/// So many rows make a batch,
const BATCH_ROWS: usize = 16 * 1024;
/// or rows of messages of so many bytes.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Where a column of the Iceberg table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Member(usize),
    TopicId,
    Partition,
    Offset,
    IngestedAt,
    Topic,
    Reason,
    Payload,
    Nothing,
}

/// A declared column that messages carry.
#[derive(Debug)]
struct Member {
    name: String,
    /// The name that it had before: messages that were sent then carry it.
    was: Option<String>,
    column_type: ColumnType,
    required: bool,
    /// Whether it is a list whose elements must not be null.
    elements_required: bool,
    column: Column,
}

/// Collects rows of one table.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: SchemaRef,
    sources: Vec<Source>,
    members: Vec<Member>,
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
    count: usize,
    bytes: usize,
}

impl Rows {
    /// Rows of a declared table. Values are decoded by the Iceberg table's own types, which may be wider. With `origins`,
    /// batches carry the messages too.
    ///
    /// # Errors
    /// The Iceberg table lacks a declared column, has another type for it, or requires one that isn't declared.
    pub(crate) fn declared(schema: &Schema, declared: &[Declared], origins: bool) -> anyhow::Result<Self> {
        for column in declared {
            let was = column.was.as_ref().and_then(|was| schema.field_by_name(was));
            if schema.field_by_name(&column.name).or(was).is_none() {
                bail!("the table has no column `{}` yet; apply the stack first", column.name);
            }
        }
        Ok(Self { origins: origins.then(Vec::new), ..Self::build(schema, declared)? })
    }

    /// Of a table in quarantine: its messages are read like any other's, so that what is no JSON is found to be none,
    /// and nothing else of them is looked at.
    pub(crate) fn blind() -> Self {
        Self::empty(Arc::new(arrow_schema::Schema::empty()), Vec::new(), Vec::new())
    }

    /// Rows of the dead-letter table.
    ///
    /// # Errors
    /// The Iceberg table isn't a dead-letter table.
    pub(crate) fn dead_letters(schema: &Schema) -> anyhow::Result<Self> {
        Self::build(schema, &[])
    }

    fn build(schema: &Schema, declared: &[Declared]) -> anyhow::Result<Self> {
        let arrow = Arc::new(schema_to_arrow_schema(schema).context("the table's Arrow schema")?);
        let (mut sources, mut members) = (Vec::new(), Vec::new());
        for (field, arrow_field) in schema.as_struct().fields().iter().zip(arrow.fields()) {
            // A column that isn't renamed yet in the catalog is filled under its old name.
            let still = |column: &Declared| {
                column.was.as_ref() == Some(&field.name) && schema.field_by_name(&column.name).is_none()
            };
            let meant = declared.iter().find(|column| column.name == field.name || still(column));
            let source = if let Some(column) = meant {
                let actual = column_type(&field.field_type)
                    .filter(|actual| widens(&column.column_type, actual))
                    .with_context(|| {
                        let (name, declared) = (&column.name, &column.column_type);
                        format!("column `{name}` is declared as {declared}, the table has {}", field.field_type)
                    })?;
                members.push(Member {
                    name: column.name.clone(),
                    was: column.was.clone(),
                    column: Column::new(&actual, arrow_field.data_type())?,
                    elements_required: matches!(&*field.field_type, Type::List(list) if list.element_field.required),
                    column_type: actual,
                    required: column.required || field.required,
                });
                Source::Member(members.len() - 1)
            } else {
                match (field.name.as_str(), declared.is_empty()) {
                    ("kafka_topic_id", _) => Source::TopicId,
                    ("kafka_partition", _) => Source::Partition,
                    ("kafka_offset", _) => Source::Offset,
                    ("ingested_at", _) => Source::IngestedAt,
                    ("topic", true) => Source::Topic,
                    ("reason", true) => Source::Reason,
                    ("payload", true) => Source::Payload,
                    _ if field.required => {
                        bail!("the table requires the column `{}`, which isn't declared", field.name)
                    }
                    _ => Source::Nothing,
                }
            };
            sources.push(source);
        }
        for needed in [Source::TopicId, Source::Partition, Source::Offset] {
            if !sources.contains(&needed) {
                bail!("the table lacks the columns kafka_topic_id, kafka_partition and kafka_offset");
            }
        }
        Ok(Self::empty(arrow, sources, members))
    }

    fn empty(schema: SchemaRef, sources: Vec<Source>, members: Vec<Member>) -> Self {
        let (cells, old) = (vec![None; members.len()], vec![false; members.len()]);
        Self {
            schema,
            sources,
            members,
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
            count: 0,
            bytes: 0,
        }
    }

    /// Reads a `data` member without adding a row yet: the rest of the message may still be broken. Gives the reason
    /// why it is no row of this table, if it is none.
    ///
    /// # Errors
    /// It is no JSON.
    pub(crate) fn read(&mut self, message: &str, scanner: &mut Scanner<'_>) -> Result<Option<Reject>, Syntax> {
        self.arena.begin(message);
        self.cells.fill(None);
        self.old.fill(false);
        let mut reason = None;
        if !scanner.next_is(b'{') {
            let found = scanner.value()?.kind();
            return Ok(Some(Reject::DataNotAnObject(found)));
        }
        let mut more = scanner.enter_object()?;
        let mut expected = 0;
        let mut resolved = String::new();
        while more {
            let (raw, escaped) = scanner.name()?;
            let token = scanner.value()?;
            let name = if escaped {
                resolved.clear();
                unescape(raw, &mut resolved);
                resolved.as_str()
            } else {
                raw
            };
            // Members mostly come in the order of the declaration, or in the same order each time.
            let known = match self.members.get(expected) {
                Some(member) if member.name == name => Some(expected),
                _ => self.members.iter().position(|member| member.name == name),
            };
            let renamed = || self.members.iter().position(|member| member.was.as_deref() == Some(name));
            if let Some(index) = known.or_else(renamed) {
                expected = index + 1;
                // Whoever sends both names means the one that holds now.
                let old = known.is_none();
                if self.cells[index].is_some() && old != self.old[index] {
                    if old {
                        more = scanner.more(b'}')?;
                        continue;
                    }
                    self.cells[index] = None;
                }
                self.old[index] = old;
                let wrong = match convert(token, &self.members[index].column_type, &mut self.arena) {
                    _ if reason.is_some() => None,
                    _ if self.cells[index].is_some() => Some(Wrong::Twice),
                    Ok(cell) => {
                        self.cells[index] = Some(cell);
                        self.null_element(index, cell).map(Wrong::Value)
                    }
                    Err(wrong) => Some(Wrong::Value(wrong)),
                };
                if let Some(wrong) = wrong {
                    reason = Some(Reject::Cell { column: name.to_owned(), wrong });
                }
            }
            more = scanner.more(b'}')?;
        }
        if reason.is_none() {
            reason = self.members.iter().zip(&self.cells).find_map(|(member, cell)| {
                let wrong = match cell {
                    None if member.required => Wrong::Missing,
                    Some(Cell::Null) if member.required => Wrong::Null,
                    _ => return None,
                };
                Some(Reject::Cell { column: member.name.clone(), wrong })
            });
        }
        Ok(reason)
    }

    /// What is wrong with a list that must have no null among its elements.
    fn null_element(&self, member: usize, cell: Cell) -> Option<String> {
        let Cell::List { start, end } = cell else { return None };
        if !self.members[member].elements_required {
            return None;
        }
        let position = self.arena.elements[start..end].iter().position(|element| *element == Cell::Null)?;
        Some(format!("element {position}: null, which the table's lists don't take"))
    }

    /// Adds the row that was read last.
    pub(crate) fn push(&mut self, message: &str, place: Place) {
        for (member, cell) in self.members.iter_mut().zip(&self.cells) {
            member.column.push(cell.unwrap_or(Cell::Null), message, &self.arena);
        }
        if let Some(origins) = &mut self.origins {
            origins.push(Origin { payload: message.as_bytes().to_vec(), place });
        }
        self.bytes += message.len();
        self.place(place);
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

    /// Whether no rows are held.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether what is held should become a batch.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// What was collected, as a batch of the table's schema; nothing is held afterwards. `topic_id` is that of all
    /// rows, except of dead letters, which carry their own.
    pub(crate) fn finish(&mut self, topic_id: &Arc<str>) -> anyhow::Result<Batch> {
        let rows = std::mem::take(&mut self.count);
        self.bytes = 0;
        let ids = std::mem::take(&mut self.topic_ids);
        let mut ingested = Some(std::mem::take(&mut self.ingested));
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.schema.fields()) {
            arrays.push(match source {
                Source::Member(index) => self.members[*index].column.finish()?,
                Source::TopicId if ids.is_empty() => {
                    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&**topic_id, rows)))
                }
                Source::TopicId => Arc::new(StringArray::from_iter_values(&ids)),
                Source::Partition => Arc::new(self.partitions.finish()),
                Source::Offset => Arc::new(self.offsets.finish()),
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
        Ok(Batch { rows, topic_id: Arc::clone(topic_id), origins })
    }
}

/// Whether every value of the declared type is one of the actual.
fn widens(declared: &ColumnType, actual: &ColumnType) -> bool {
    match (declared, actual) {
        (ColumnType::Int, ColumnType::Long) | (ColumnType::Float, ColumnType::Double) => true,
        (ColumnType::Decimal(p, s), ColumnType::Decimal(wide, scale)) => p <= wide && s == scale,
        (ColumnType::List(declared), ColumnType::List(actual)) => widens(declared, actual),
        _ => declared == actual,
    }
}
