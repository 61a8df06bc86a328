//! Declared columns in Iceberg's words, and which columns may follow which.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use iceberg::spec::{NestedField, Schema, Transform, UnboundPartitionSpec};
use lakewright_config::{Column, PartitionField, Transform as Declared};

use crate::types::{iceberg_type, next};

/// The schema of columns.
///
/// # Errors
/// Two have one name.
pub(super) fn schema(columns: &[Column]) -> anyhow::Result<Schema> {
    let mut ids = 0;
    let fields: Vec<_> = columns
        .iter()
        .map(|column| {
            let id = next(&mut ids);
            let column_type = iceberg_type(&column.column_type, &mut ids);
            Arc::new(NestedField::new(id, &column.name, column_type, column.required))
        })
        .collect();
    Schema::builder().with_fields(fields).build().context("read the columns")
}

/// The partition spec of declared fields. Ids are those that [`schema`] gives.
///
/// # Errors
/// A field names no column.
pub(super) fn partition(columns: &[Column], fields: &[PartitionField]) -> anyhow::Result<UnboundPartitionSpec> {
    let schema = schema(columns)?;
    let mut spec = UnboundPartitionSpec::builder();
    for field in fields {
        let Some(id) = schema.field_id_by_name(&field.column) else {
            bail!("it is divided by `{}`, which is no column of it", field.column);
        };
        let transform = match field.transform {
            Declared::Identity => Transform::Identity,
            Declared::Year => Transform::Year,
            Declared::Month => Transform::Month,
            Declared::Day => Transform::Day,
            Declared::Hour => Transform::Hour,
            Declared::Bucket(count) => Transform::Bucket(count),
            Declared::Truncate(width) => Transform::Truncate(width),
        };
        spec = spec.add_partition_field(id, field.name(), transform)?;
    }
    Ok(spec.build())
}

/// Whether two declarations have the same columns, whatever their order and comments.
pub(super) fn is_same(a: &[Column], b: &[Column]) -> bool {
    let sorted = |columns: &[Column]| {
        let mut columns: Vec<_> = columns
            .iter()
            .map(|column| (column.name.clone(), column.column_type.to_string(), column.required))
            .collect();
        columns.sort_unstable();
        columns
    };
    sorted(a) == sorted(b)
}

/// Whether files of `declared` columns may follow those that files so far have: whoever reads all of them by one schema must
/// be able to.
///
/// # Errors
/// A column of the files so far is gone, or has another type.
pub(super) fn continues(so_far: &[Column], declared: &[Column]) -> anyhow::Result<()> {
    for column in so_far {
        let name = &column.name;
        match declared.iter().find(|other| other.name == *name) {
            None => bail!(
                "its files so far have a column `{name}`, which isn't declared: declare it again, or another table for what \
                 comes without it"
            ),
            Some(other) if !other.column_type.widens(&column.column_type) => bail!(
                "the column `{name}` is {} in its files so far, and declared as {}: types only widen",
                column.column_type,
                other.column_type
            ),
            Some(_) => {}
        }
    }
    Ok(())
}
