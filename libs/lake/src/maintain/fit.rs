//! A file's rows as rows of the table's schema: columns found by field id, in types that hold each value as it is.
//!
//! The Iceberg crate's reader takes members of structs by name and else by position, and fills a column whose type it
//! doesn't widen with nulls. Whoever replaces a file needs more than that: here a file either fits exactly, or the
//! answer says why it doesn't.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, ListArray, MapArray, RecordBatch, StructArray, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{PartitionSpec, Schema, Transform};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// The rows that a table wants.
pub(super) struct Wanted {
    pub(super) arrow: SchemaRef,
    /// Fields that a file can't lack: what they are then isn't null.
    needed: HashSet<i32>,
}

impl Wanted {
    /// Rows of a schema, of files with a partition spec.
    ///
    /// # Errors
    /// The schema has no form in Arrow.
    pub(super) fn of(schema: &Schema, spec: &PartitionSpec) -> iceberg::Result<Self> {
        let arrow = Arc::new(schema_to_arrow_schema(schema)?);
        // Where a file lacks the column of an identity partition, the partition has its value.
        // Source: Iceberg's specification, "Column Projection".
        let identity = spec.fields().iter().filter(|field| field.transform == Transform::Identity);
        let mut needed: HashSet<i32> = identity.map(|field| field.source_id).collect();
        for field in arrow.flattened_fields() {
            if let Some(known) = id(field).and_then(|id| schema.field_by_id(id))
                && (known.required || known.initial_default.is_some())
            {
                needed.insert(known.id);
            }
        }
        Ok(Self { arrow, needed })
    }

    /// How rows of a file's schema become such rows.
    ///
    /// # Errors
    /// Why they can't, exactly.
    pub(super) fn fit(&self, file: &ArrowSchema) -> Result<Fit, String> {
        identified(file.fields(), "", &mut HashSet::new())?;
        Ok(Fit { columns: self.members(file.fields(), self.arrow.fields(), "")?, arrow: self.arrow.clone() })
    }

    fn members(&self, file: &Fields, table: &Fields, inside: &str) -> Result<Vec<Column>, String> {
        let member = |wanted: &FieldRef| {
            let path = format!("{inside}{}", wanted.name());
            let wanted_id = id(wanted).ok_or_else(|| format!("the table's column `{path}` has no field id"))?;
            match file.iter().position(|field| id(field) == Some(wanted_id)) {
                Some(place) => Ok(Column::Of(place, self.shape(file[place].data_type(), wanted.data_type(), &path)?)),
                None if self.needed.contains(&wanted_id) => {
                    Err(format!("it lacks the column `{path}`, which isn't null where it is absent"))
                }
                None => Ok(Column::Nulls),
            }
        };
        table.iter().map(member).collect()
    }

    fn shape(&self, file: &DataType, table: &DataType, path: &str) -> Result<Shape, String> {
        match (file, table) {
            (DataType::Struct(file), DataType::Struct(table)) => {
                Ok(Shape::Struct(self.members(file, table, &format!("{path}."))?))
            }
            (DataType::List(file), DataType::List(table)) => {
                Ok(Shape::List(Box::new(self.part(file, table, &format!("{path}.element"))?)))
            }
            (DataType::Map(file, _), DataType::Map(table, _)) => {
                let (Some([key, value]), Some([wanted_key, wanted_value])) = (pair(file), pair(table)) else {
                    return Err(format!("its column `{path}` is a map of other than keys and values"));
                };
                let key = self.part(key, wanted_key, &format!("{path}.key"))?;
                let value = self.part(value, wanted_value, &format!("{path}.value"))?;
                Ok(Shape::Map(Box::new(key), Box::new(value)))
            }
            _ if is_exact(file, table) => Ok(Shape::Values),
            _ => Err(format!("its column `{path}` is {file}, and the table's is {table}")),
        }
    }

    /// An element, a key or a value.
    fn part(&self, file: &Field, table: &Field, path: &str) -> Result<Shape, String> {
        if id(file) == id(table) {
            self.shape(file.data_type(), table.data_type(), path)
        } else {
            Err(format!("its `{path}` is the field {:?}, and the table's is {:?}", id(file), id(table)))
        }
    }
}

/// How a file's rows become rows of the table.
#[derive(Debug)]
pub(super) struct Fit {
    columns: Vec<Column>,
    arrow: SchemaRef,
}

/// A column of the table, or a member of a struct.
#[derive(Debug)]
enum Column {
    /// The file has none.
    Nulls,
    /// The file's of this number.
    Of(usize, Shape),
}

#[derive(Debug)]
enum Shape {
    /// The values as they are, in the Arrow type of the table's.
    Values,
    Struct(Vec<Column>),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
}

impl Fit {
    /// Rows of the file as rows of the table.
    ///
    /// # Errors
    /// A column of which the table says that it has no nulls has some.
    pub(super) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = members(&self.columns, rows.columns(), self.arrow.fields(), rows.num_rows())?;
        RecordBatch::try_new(self.arrow.clone(), columns)
    }
}

fn members(columns: &[Column], file: &[ArrayRef], fields: &Fields, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
    let member = |(column, field): (&Column, &FieldRef)| match column {
        Column::Nulls => Ok(new_null_array(field.data_type(), rows)),
        Column::Of(place, shape) => shaped(shape, &file[*place], field.data_type()),
    };
    columns.iter().zip(fields).map(member).collect()
}

fn shaped(shape: &Shape, values: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match (shape, kind) {
        (Shape::Struct(columns), DataType::Struct(fields)) => {
            let values = values.as_struct();
            let columns = members(columns, values.columns(), fields, values.len())?;
            Arc::new(StructArray::try_new(fields.clone(), columns, values.nulls().cloned())?)
        }
        (Shape::List(element), DataType::List(field)) => {
            let list = values.as_list::<i32>();
            let elements = shaped(element, list.values(), field.data_type())?;
            Arc::new(ListArray::try_new(field.clone(), list.offsets().clone(), elements, list.nulls().cloned())?)
        }
        (Shape::Map(key, value), DataType::Map(field, ordered)) => {
            let map = values.as_map();
            let DataType::Struct(fields) = field.data_type() else {
                return Err(ArrowError::SchemaError("a map's entries are a struct".to_owned()));
            };
            let keys = shaped(key, map.keys(), fields[0].data_type())?;
            let values = shaped(value, map.values(), fields[1].data_type())?;
            let entries = StructArray::try_new(fields.clone(), vec![keys, values], map.entries().nulls().cloned())?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(field.clone(), offsets, entries, nulls, *ordered)?)
        }
        _ if values.data_type() == kind => values.clone(),
        // What has no place in the wider type is an error, never a null.
        _ => cast_with_options(values, kind, &CastOptions { safe: false, ..CastOptions::default() })?,
    })
}

/// Whether each value of a file's type is the same value in the table's: types that are equal, and Iceberg's promotions.
/// Source: Iceberg's specification, "Schema Evolution".
fn is_exact(file: &DataType, table: &DataType) -> bool {
    let utc = |zone: &str| ["UTC", "+00:00"].contains(&zone);
    match (file, table) {
        (DataType::Int32, DataType::Int64)
        | (DataType::Float32, DataType::Float64)
        | (DataType::Binary, DataType::LargeBinary) => true,
        (DataType::Decimal128(precision, scale), DataType::Decimal128(wide, same)) => {
            precision <= wide && scale == same
        }
        (
            DataType::Timestamp(TimeUnit::Microsecond, Some(file)),
            DataType::Timestamp(TimeUnit::Microsecond, Some(table)),
        ) => utc(file) && utc(table),
        _ => file == table && !file.is_nested(),
    }
}

/// That all fields have ids, each its own.
fn identified(fields: &Fields, inside: &str, known: &mut HashSet<i32>) -> Result<(), String> {
    for field in fields {
        let path = format!("{inside}{}", field.name());
        let id = id(field).ok_or_else(|| format!("its column `{path}` has no field id"))?;
        if !known.insert(id) {
            return Err(format!("two of its columns have the field id {id}"));
        }
        let path = format!("{path}.");
        match field.data_type() {
            DataType::Struct(members) => identified(members, &path, known)?,
            DataType::List(element) => identified(&Fields::from(vec![element.clone()]), &path, known)?,
            DataType::Map(entries, _) => {
                if let DataType::Struct(members) = entries.data_type() {
                    identified(members, &path, known)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A map's key and value.
fn pair(entries: &Field) -> Option<&[FieldRef; 2]> {
    let DataType::Struct(fields) = entries.data_type() else { return None };
    fields[..].try_into().ok()
}

/// The field id that Parquet has for it.
fn id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}
