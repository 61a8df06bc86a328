//! Arrow builders by column type.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, GenericByteBuilder, Int32Builder,
    Int64Builder, LargeBinaryBuilder, PrimitiveBuilder, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::types::{ArrowPrimitiveType, ByteArrayType};
use arrow_array::{Array as _, ArrayRef, FixedSizeBinaryArray, ListArray, MapArray, StructArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef, Fields, TimeUnit};

use crate::shape::{Part, Shape};
use crate::value::{Arena, Cell};

/// Collects one column's values.
#[derive(Debug)]
pub(crate) enum Column {
    Boolean(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Binary(LargeBinaryBuilder),
    Fixed(Fixed),
    List(Box<List>),
    Map(Box<Map>),
    Struct(Struct),
}

/// Collects values of one length.
#[derive(Debug)]
pub(crate) struct Fixed {
    length: i32,
    bytes: Vec<u8>,
    valid: Vec<bool>,
}

/// Collects a list column: its elements and where each list ends.
#[derive(Debug)]
pub(crate) struct List {
    field: FieldRef,
    elements: Column,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

/// Collects a map column: keys, values and where each map ends.
#[derive(Debug)]
pub(crate) struct Map {
    entry: FieldRef,
    keys: Column,
    values: Column,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

/// Collects a struct column, member by member.
#[derive(Debug)]
pub(crate) struct Struct {
    fields: Fields,
    members: Vec<Column>,
    valid: Vec<bool>,
}

impl Column {
    /// A builder whose arrays have the Arrow type that Iceberg gives the column's.
    ///
    /// # Errors
    /// The two types don't belong together.
    pub(crate) fn new(shape: &Shape, data_type: &DataType) -> anyhow::Result<Self> {
        Ok(match (shape, data_type) {
            (Shape::Boolean, DataType::Boolean) => Self::Boolean(BooleanBuilder::new()),
            (Shape::Int, DataType::Int32) => Self::Int(Int32Builder::new()),
            (Shape::Long, DataType::Int64) => Self::Long(Int64Builder::new()),
            (Shape::Float, DataType::Float32) => Self::Float(Float32Builder::new()),
            (Shape::Double, DataType::Float64) => Self::Double(Float64Builder::new()),
            (Shape::Date, DataType::Date32) => Self::Date(Date32Builder::new()),
            (Shape::Time(_), DataType::Time64(TimeUnit::Microsecond)) => Self::Time(Time64MicrosecondBuilder::new()),
            (Shape::Timestamp(_) | Shape::Timestamptz(_), DataType::Timestamp(_, zone)) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()))
            }
            (Shape::Decimal(precision, scale), DataType::Decimal128(..)) => Self::Decimal(
                Decimal128Builder::new()
                    .with_precision_and_scale(*precision, *scale as i8)
                    .context("a decimal's precision and scale")?,
            ),
            (Shape::String, DataType::Utf8) => Self::Text(StringBuilder::new()),
            (Shape::Binary, DataType::LargeBinary) => Self::Binary(LargeBinaryBuilder::new()),
            (Shape::Uuid | Shape::Fixed(_), DataType::FixedSizeBinary(length)) => {
                Self::Fixed(Fixed { length: *length, bytes: Vec::new(), valid: Vec::new() })
            }
            (Shape::Map(value), DataType::Map(entry, _)) => match entry.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => Self::Map(Box::new(Map {
                    keys: Self::new(&Shape::String, fields[0].data_type())?,
                    values: Self::new(&value.shape, fields[1].data_type())?,
                    entry: Arc::clone(entry),
                    lengths: Vec::new(),
                    valid: Vec::new(),
                })),
                _ => bail!("a map of {entry}: this is a bug in lakewright"),
            },
            (Shape::Struct(parts), DataType::Struct(fields)) if parts.len() == fields.len() => {
                let member = |(part, field): (&Part, &FieldRef)| Self::new(&part.shape, field.data_type());
                let members = parts.iter().zip(fields).map(member).collect::<anyhow::Result<_>>()?;
                Self::Struct(Struct { fields: fields.clone(), members, valid: Vec::new() })
            }
            (Shape::List(element), DataType::List(field)) => Self::List(Box::new(List {
                elements: Self::new(&element.shape, field.data_type())?,
                field: Arc::clone(field),
                lengths: Vec::new(),
                valid: Vec::new(),
            })),
            _ => bail!("no builder makes {data_type} of {shape}: this is a bug in lakewright"),
        })
    }

    /// Appends a value that was converted to the column's type.
    #[inline]
    pub(crate) fn push(&mut self, cell: &Cell, message: &str, arena: &Arena) {
        match (self, cell) {
            (Self::Boolean(builder), Cell::Whole(value)) => builder.append_value(*value != 0),
            (Self::Int(builder), Cell::Whole(value)) => builder.append_value(*value as i32),
            (Self::Long(builder), Cell::Whole(value)) => builder.append_value(*value),
            (Self::Float(builder), Cell::Real(value)) => builder.append_value(*value as f32),
            (Self::Double(builder), Cell::Real(value)) => builder.append_value(*value),
            (Self::Date(builder), Cell::Whole(value)) => builder.append_value(*value as i32),
            (Self::Time(builder), Cell::Whole(value)) => builder.append_value(*value),
            (Self::Timestamp(builder), Cell::Whole(value)) => builder.append_value(*value),
            (Self::Decimal(builder), Cell::Decimal(value)) => builder.append_value(*value),
            (Self::Text(builder), Cell::Text { start, end }) => builder.append_value(&message[*start..*end]),
            (Self::Text(builder), Cell::Made { start, end }) => builder.append_value(&arena.text[*start..*end]),
            (Self::Binary(builder), Cell::Bytes { start, end }) => builder.append_value(&arena.bytes[*start..*end]),
            (Self::Fixed(fixed), Cell::Bytes { start, end }) if end - start == fixed.length as usize => {
                fixed.bytes.extend_from_slice(&arena.bytes[*start..*end]);
                fixed.valid.push(true);
            }
            (Self::Map(map), Cell::Many { start, end }) => {
                for entry in arena.elements[*start..*end].chunks_exact(2) {
                    map.keys.push(&entry[0], message, arena);
                    map.values.push(&entry[1], message, arena);
                }
                map.lengths.push((end - start) / 2);
                map.valid.push(true);
            }
            (Self::Struct(of), Cell::Many { start, end }) => {
                for (member, cell) in of.members.iter_mut().zip(&arena.elements[*start..*end]) {
                    member.push(cell, message, arena);
                }
                of.valid.push(true);
            }
            (Self::List(list), Cell::Many { start, end }) => {
                for element in &arena.elements[*start..*end] {
                    list.elements.push(element, message, arena);
                }
                list.lengths.push(end - start);
                list.valid.push(true);
            }
            (column, _) => column.push_null(),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::Fixed(fixed) => {
                fixed.bytes.resize(fixed.bytes.len() + fixed.length as usize, 0);
                fixed.valid.push(false);
            }
            Self::List(list) => {
                list.lengths.push(0);
                list.valid.push(false);
            }
            Self::Map(map) => {
                map.lengths.push(0);
                map.valid.push(false);
            }
            Self::Struct(of) => {
                of.members.iter_mut().for_each(Self::push_null);
                of.valid.push(false);
            }
        }
    }

    /// What was collected; the column is empty afterwards.
    ///
    /// # Errors
    /// Parts of a value are null where the table takes no null.
    pub(crate) fn finish(&mut self) -> anyhow::Result<ArrayRef> {
        Ok(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => numbers(builder),
            Self::Long(builder) => numbers(builder),
            Self::Float(builder) => numbers(builder),
            Self::Double(builder) => numbers(builder),
            Self::Date(builder) => numbers(builder),
            Self::Time(builder) => numbers(builder),
            Self::Timestamp(builder) => numbers(builder),
            Self::Decimal(builder) => numbers(builder),
            Self::Text(builder) => bytes(builder),
            Self::Binary(builder) => bytes(builder),
            Self::Fixed(fixed) => {
                let bytes = Buffer::from_vec(std::mem::take(&mut fixed.bytes));
                Arc::new(FixedSizeBinaryArray::try_new(fixed.length, bytes, Some(nulls(&mut fixed.valid)))?)
            }
            Self::Map(map) => {
                let offsets = OffsetBuffer::<i32>::from_lengths(std::mem::take(&mut map.lengths));
                let DataType::Struct(fields) = map.entry.data_type() else {
                    bail!("a map of {}: this is a bug in lakewright", map.entry);
                };
                let entries = vec![map.keys.finish()?, map.values.finish()?];
                let entries = StructArray::try_new(fields.clone(), entries, None)?;
                let valid = Some(nulls(&mut map.valid));
                Arc::new(MapArray::try_new(Arc::clone(&map.entry), offsets, entries, valid, false)?)
            }
            Self::Struct(of) => {
                let members = of.members.iter_mut().map(Self::finish).collect::<anyhow::Result<_>>()?;
                Arc::new(StructArray::try_new(of.fields.clone(), members, Some(nulls(&mut of.valid)))?)
            }
            Self::List(list) => {
                let offsets = OffsetBuffer::<i32>::from_lengths(std::mem::take(&mut list.lengths));
                let elements = list.elements.finish()?;
                Arc::new(ListArray::try_new(Arc::clone(&list.field), offsets, elements, Some(nulls(&mut list.valid)))?)
            }
        })
    }
}

/// What a builder collected. The next batch is mostly like this one: a builder that grew to that from nothing would copy all values once
/// more, and leave arrays with twice the room that they need.
fn numbers<T: ArrowPrimitiveType>(builder: &mut PrimitiveBuilder<T>) -> ArrayRef {
    let array = builder.finish();
    *builder = PrimitiveBuilder::with_capacity(array.len()).with_data_type(array.data_type().clone());
    Arc::new(array)
}

/// The same of texts and bytes, which differ more.
fn bytes<T: ByteArrayType>(builder: &mut GenericByteBuilder<T>) -> ArrayRef {
    let array = builder.finish();
    let bytes = array.value_data().len();
    *builder = GenericByteBuilder::with_capacity(array.len(), bytes + bytes / 16);
    Arc::new(array)
}

/// Which values are null; nothing is known of others afterwards.
fn nulls(valid: &mut Vec<bool>) -> NullBuffer {
    NullBuffer::from(std::mem::take(valid))
}
