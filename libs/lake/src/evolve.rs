//! Columns that a writer adds to a table, because what it reads has them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Context as _;
use iceberg::spec::{NestedField, Schema, TableMetadata, TableMetadataBuilder};
use lakewright_config::{ColumnType, EVOLVED, Evolved};

use crate::catalog::LoadedTable;
use crate::types::{iceberg_type, next};

/// A column that a table shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// The member of messages that fills it.
    pub member: String,
    /// Its type.
    pub column_type: ColumnType,
}

impl LoadedTable {
    /// The columns that writers added to it and that it still has.
    ///
    /// # Errors
    /// The table's property that says so is none of ours.
    pub fn evolved(&self) -> anyhow::Result<Evolved> {
        evolved(self.table.metadata()).with_context(|| format!("the table {}", self.full_name()))
    }

    /// The names that no new column may have, in lower case: those of its columns, and of its partition fields, by which Iceberg's
    /// Java could read the table no more.
    pub fn taken_names(&self) -> BTreeSet<String> {
        taken(self.table.metadata())
    }
}

/// The columns of a table's current schema that writers added.
fn evolved(metadata: &TableMetadata) -> anyhow::Result<Evolved> {
    let property = metadata.properties().get(EVOLVED).map(String::as_str);
    let mut evolved = Evolved::read(property).map_err(anyhow::Error::msg)?;
    let fields = metadata.current_schema().as_struct().fields();
    evolved.retain(|id| fields.iter().any(|field| field.id == id));
    Ok(evolved)
}

fn taken(metadata: &TableMetadata) -> BTreeSet<String> {
    let columns = metadata.current_schema().as_struct().fields().iter().map(|field| field.name.to_lowercase());
    let specs = metadata.partition_specs_iter().flat_map(|spec| spec.fields());
    columns.chain(specs.map(|field| field.name.to_lowercase())).collect()
}

/// Metadata with the columns, and the current schema's new fields.
pub(crate) fn with_columns(
    metadata: &TableMetadata,
    builder: TableMetadataBuilder,
    columns: &[NewColumn],
) -> anyhow::Result<(TableMetadataBuilder, Schema)> {
    let (mut taken, mut evolved) = (taken(metadata), evolved(metadata)?);
    let mut last = metadata.last_column_id();
    let mut added = Vec::with_capacity(columns.len());
    for NewColumn { name, member, column_type } in columns {
        anyhow::ensure!(taken.insert(name.to_lowercase()), "the table has something named {name} already");
        let id = next(&mut last);
        added.push(Arc::new(NestedField::optional(id, name, iceberg_type(column_type, &mut last))));
        evolved.add(id, member);
    }
    let schema = metadata.current_schema().as_ref().clone().into_builder();
    let schema = schema.with_fields(added.iter().cloned()).build().context("add the columns to the schema")?;
    let properties = HashMap::from([(EVOLVED.to_owned(), evolved.written())]);
    let builder = builder.add_current_schema(schema)?.set_properties(properties)?;
    let added = Schema::builder().with_fields(added).build().context("the new columns")?;
    Ok((builder, added))
}
