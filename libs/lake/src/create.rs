//! Making a table: metadata written by us, then one Glue `CreateTable`.

use std::collections::HashMap;

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_glue::types::{Column, StorageDescriptor, TableInput};
use iceberg::MetadataLocation;
use iceberg::spec::{FormatVersion, Schema, SortOrder, TableMetadataBuilder, UnboundPartitionSpec};
use lakewright_aws::{Aws, ask};

use crate::catalog::{CURRENT, LoadedTable, METADATA_LOCATION, glue, load_table};
use crate::storage::file_io;
use crate::types::glue_type;

/// Makes an empty table of format version 2 at `location` (`s3://bucket/prefix`). Field ids are given anew, from 1.
///
/// # Errors
/// A table of that name exists; the schema or the partition spec is wrong; Glue or S3 can't be reached.
pub async fn create_table(
    aws: &Aws,
    database: &str,
    name: &str,
    location: &str,
    schema: Schema,
    partition: Option<UnboundPartitionSpec>,
) -> anyhow::Result<LoadedTable> {
    let full_name = format!("{database}.{name}");
    let partition = partition.unwrap_or_else(|| UnboundPartitionSpec::builder().build());
    let properties = HashMap::from([
        ("write.parquet.compression-codec".to_owned(), "zstd".to_owned()),
        ("write.metadata.delete-after-commit.enabled".to_owned(), "true".to_owned()),
        ("write.metadata.previous-versions-max".to_owned(), "20".to_owned()),
    ]);
    let built = TableMetadataBuilder::new(
        schema,
        partition,
        SortOrder::unsorted_order(),
        location.trim_end_matches('/').to_owned(),
        FormatVersion::V2,
        properties,
    )
    .and_then(TableMetadataBuilder::build)
    .with_context(|| format!("make the metadata of {full_name}"))?;
    let files = file_io(aws);
    let metadata_location = MetadataLocation::new_with_metadata(built.metadata.location(), &built.metadata);
    built.metadata.write_to(&files, &metadata_location).await.context("write the metadata")?;
    let metadata_location = metadata_location.to_string();

    let storage = StorageDescriptor::builder()
        .location(built.metadata.location())
        .set_columns(Some(glue_columns(built.metadata.current_schema())))
        .build();
    let input = TableInput::builder()
        .name(name)
        .table_type("EXTERNAL_TABLE")
        .parameters("table_type", "ICEBERG")
        .parameters(METADATA_LOCATION, &metadata_location)
        .storage_descriptor(storage)
        .build()
        .expect("nothing but the name is required");
    // A repeat after a lost answer finds that the table exists: then the table says whose it is.
    match ask(glue(aws).create_table().database_name(database).table_input(input).send()).await {
        Ok(_) => {}
        Err(error) if error.is_already_exists() => {
            let found = load_table(aws, database, name).await?;
            if found.metadata_location != metadata_location {
                _ = files.delete(&metadata_location).await;
                bail!("the table {full_name} exists already, at {}", found.table.metadata().location());
            }
        }
        Err(error) => return Err(anyhow!(error).context(format!("create the table {full_name}"))),
    }
    load_table(aws, database, name).await
}

/// A schema as Glue's columns.
pub(crate) fn glue_columns(schema: &Schema) -> Vec<Column> {
    schema
        .as_struct()
        .fields()
        .iter()
        .map(|field| {
            Column::builder()
                .name(&field.name)
                .r#type(glue_type(&field.field_type))
                .parameters("iceberg.field.id", field.id.to_string())
                .parameters("iceberg.field.optional", (!field.required).to_string())
                .parameters(CURRENT, "true")
                .set_comment(field.doc.clone())
                .build()
                .expect("nothing but the name is required")
        })
        .collect()
}
