//! Arrow builders by column type.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int32Builder, Int64Builder,
    LargeBinaryBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef};
use lakewright_config::ColumnType;

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
    Timestamp(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Binary(LargeBinaryBuilder),
    List(Box<List>),
}

/// Collects a list column: its elements and where each list ends.
#[derive(Debug)]
pub(crate) struct List {
    field: FieldRef,
    elements: Column,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Column {
    /// A builder whose arrays have the Arrow type that Iceberg gives the column type.
    ///
    /// # Errors
    /// The two types don't belong together.
    pub(crate) fn new(column_type: &ColumnType, data_type: &DataType) -> anyhow::Result<Self> {
        Ok(match (column_type, data_type) {
            (ColumnType::Boolean, DataType::Boolean) => Self::Boolean(BooleanBuilder::new()),
            (ColumnType::Int, DataType::Int32) => Self::Int(Int32Builder::new()),
            (ColumnType::Long, DataType::Int64) => Self::Long(Int64Builder::new()),
            (ColumnType::Float, DataType::Float32) => Self::Float(Float32Builder::new()),
            (ColumnType::Double, DataType::Float64) => Self::Double(Float64Builder::new()),
            (ColumnType::Date, DataType::Date32) => Self::Date(Date32Builder::new()),
            (ColumnType::Timestamp | ColumnType::Timestamptz, DataType::Timestamp(_, zone)) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()))
            }
            (ColumnType::Decimal(precision, scale), DataType::Decimal128(..)) => Self::Decimal(
                Decimal128Builder::new()
                    .with_precision_and_scale(*precision, *scale as i8)
                    .context("a decimal's precision and scale")?,
            ),
            (ColumnType::String, DataType::Utf8) => Self::Text(StringBuilder::new()),
            (ColumnType::Binary, DataType::LargeBinary) => Self::Binary(LargeBinaryBuilder::new()),
            (ColumnType::List(element), DataType::List(field)) => Self::List(Box::new(List {
                elements: Self::new(element, field.data_type())?,
                field: Arc::clone(field),
                lengths: Vec::new(),
                valid: Vec::new(),
            })),
            _ => bail!("no builder makes {data_type} of {column_type}: this is a bug in lakewright"),
        })
    }

    /// Appends a value that was converted to the column's type.
    #[inline]
    pub(crate) fn push(&mut self, cell: Cell, message: &str, arena: &Arena) {
        match (self, cell) {
            (Self::Boolean(builder), Cell::Bool(value)) => builder.append_value(value),
            (Self::Int(builder), Cell::Whole(value)) => builder.append_value(value as i32),
            (Self::Long(builder), Cell::Whole(value)) => builder.append_value(value),
            (Self::Float(builder), Cell::Real(value)) => builder.append_value(value as f32),
            (Self::Double(builder), Cell::Real(value)) => builder.append_value(value),
            (Self::Date(builder), Cell::Whole(value)) => builder.append_value(value as i32),
            (Self::Timestamp(builder), Cell::Whole(value)) => builder.append_value(value),
            (Self::Decimal(builder), Cell::Decimal(value)) => builder.append_value(value),
            (Self::Text(builder), Cell::Text { start, end }) => builder.append_value(&message[start..end]),
            (Self::Text(builder), Cell::Made { start, end }) => builder.append_value(&arena.text[start..end]),
            (Self::Binary(builder), Cell::Bytes { start, end }) => builder.append_value(&arena.bytes[start..end]),
            (Self::List(list), Cell::List { start, end }) => {
                for element in &arena.elements[start..end] {
                    list.elements.push(*element, message, arena);
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
            Self::Timestamp(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::List(list) => {
                list.lengths.push(0);
                list.valid.push(false);
            }
        }
    }

    /// What was collected; the column is empty afterwards.
    ///
    /// # Errors
    /// Elements of a list are null where the table takes none.
    pub(crate) fn finish(&mut self) -> anyhow::Result<ArrayRef> {
        Ok(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::List(list) => {
                let offsets = OffsetBuffer::<i32>::from_lengths(std::mem::take(&mut list.lengths));
                let valid = NullBuffer::from(std::mem::take(&mut list.valid));
                let elements = list.elements.finish()?;
                Arc::new(ListArray::try_new(Arc::clone(&list.field), offsets, elements, Some(valid))?)
            }
        })
    }
}
