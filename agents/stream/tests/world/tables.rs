//! The tables of a test: how they are declared, what others change of them, and what stands in them.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use aws_sdk_glue::types::TableInput;
use futures::TryStreamExt;
use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use lakewright_aws::{Aws, Put, ask, client};
use lakewright_config::{Column, Reading, Table, raw_columns};
use lakewright_lake::{create_table, load_table};
use serde_json::Value;

use super::{TABLES, TOPIC, World};

fn columns(name: &str) -> Vec<Column> {
    let column = |name: &str, kind: &str| Column { required: true, ..Column::new(name, kind.parse().expect("a type")) };
    match name {
        "users" => vec![column("user_id", "string")],
        "sales" => vec![column("sale_id", "string"), column("amount", "decimal(12,2)")],
        _ => vec![],
    }
}

pub fn declaration(name: &str) -> Table {
    Table {
        name: name.into(),
        database: "raw".into(),
        topic: TOPIC.into(),
        location: format!("s3://bucket/raw/{name}"),
        columns: columns(name),
        key: vec![],
        partition: vec![],
        reading: Reading::default(),
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

pub(super) async fn make_table(aws: &Aws, name: &str) {
    let mut fields: Vec<(String, PrimitiveType)> =
        columns(name)
            .into_iter()
            .map(|column| (column.name, PrimitiveType::String))
            .map(|(name, kind)| {
                if name == "amount" { (name, PrimitiveType::Decimal { precision: 12, scale: 2 }) } else { (name, kind) }
            })
            .collect();
    if name == "dead_letters" {
        fields = vec![
            ("topic".into(), PrimitiveType::String),
            ("reason".into(), PrimitiveType::String),
            ("payload".into(), PrimitiveType::Binary),
        ];
    }
    let kinds = [PrimitiveType::String, PrimitiveType::Int, PrimitiveType::Long, PrimitiveType::Timestamptz];
    fields.extend(raw_columns().into_iter().map(|column| column.name).zip(kinds));
    let fields = fields
        .into_iter()
        .zip(1..)
        .map(|((name, kind), id)| Arc::new(NestedField::required(id, name, Type::Primitive(kind))));
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    create_table(aws, "raw", name, &format!("s3://bucket/raw/{name}"), schema, None).await.expect("created");
}

/// A copy of a table's current schema that becomes the current one.
pub fn new_schema(metadata: &mut Value) -> &mut Value {
    let current = metadata["current-schema-id"].clone();
    let schemas = metadata["schemas"].as_array_mut().expect("schemas");
    // They are listed in no order.
    let mut schema = schemas.iter().find(|one| one["schema-id"] == current).expect("the current one").clone();
    let id = schemas.len();
    schema["schema-id"] = id.into();
    schemas.push(schema);
    metadata["current-schema-id"] = id.into();
    &mut metadata["schemas"][id]
}

/// Adds an optional column to a table's schema.
pub fn add_column(metadata: &mut Value, name: &str, kind: &str) {
    let id = metadata["last-column-id"].as_i64().expect("a number") + 1;
    metadata["last-column-id"] = id.into();
    let field = serde_json::json!({"id": id, "name": name, "type": kind, "required": false});
    new_schema(metadata)["fields"].as_array_mut().expect("fields").push(field);
}

impl World {
    /// Renames a column in the catalog: a new schema, nothing else.
    pub async fn rename(&self, table: &str, before: &str, now: &str) {
        let rename = |metadata: &mut Value| {
            let mut fields = new_schema(metadata)["fields"].as_array_mut().expect("fields").iter_mut();
            fields.find(|field| field["name"] == before).expect("the column")["name"] = now.into();
        };
        self.alter(table, rename).await;
    }

    /// Changes the metadata of a table in the catalog, as an apply or another engine's `ALTER TABLE` does.
    pub async fn alter(&self, table: &str, change: impl Fn(&mut Value)) {
        let glue = client!(self.aws, "glue", aws_sdk_glue);
        loop {
            let found = ask(glue.get_table().database_name("raw").name(table).send()).await;
            let record = found.expect("found").table.expect("a record");
            let mut parameters = record.parameters.expect("parameters");
            let location = parameters["metadata_location"].clone();
            let key = location.strip_prefix("s3://bucket/").expect("of the bucket");
            let object = self.aws.objects().get("bucket", key, None).await.expect("read");
            let mut metadata: Value = serde_json::from_slice(&object.body).expect("JSON");
            change(&mut metadata);
            let key = format!("{key}-altered");
            let body = metadata.to_string().into();
            self.aws.objects().put("bucket", &key, body, Put::default()).await.expect("written");
            parameters.insert("metadata_location".into(), format!("s3://bucket/{key}"));
            let input = TableInput::builder()
                .name(record.name)
                .set_table_type(record.table_type)
                .set_storage_descriptor(record.storage_descriptor)
                .set_parameters(Some(parameters))
                .build()
                .expect("it has its name");
            let update = glue.update_table().database_name("raw").table_input(input);
            match ask(update.set_version_id(record.version_id).send()).await {
                Ok(_) => return,
                Err(error) => assert_eq!(error.code, "ConcurrentModificationException"),
            }
        }
    }

    /// Where each row of all tables came from, as (topic id, partition, offset).
    pub async fn rows(&self) -> Vec<(String, i32, i64)> {
        let mut rows = Vec::new();
        for name in TABLES {
            rows.extend(self.rows_of(name).await);
        }
        rows
    }

    /// The same of one table.
    pub async fn rows_of(&self, name: &str) -> Vec<(String, i32, i64)> {
        let loaded = load_table(&self.aws, "raw", name).await.expect("loaded");
        let scan = loaded.table.scan().select(["kafka_topic_id", "kafka_partition", "kafka_offset"]).build();
        let batches: Vec<RecordBatch> =
            scan.expect("a scan").to_arrow().await.expect("a stream").try_collect().await.expect("read");
        let mut rows = Vec::new();
        for batch in batches {
            let (ids, partitions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int32Type>());
            let offsets = batch.column(2).as_primitive::<Int64Type>();
            rows.extend(
                (0..batch.num_rows()).map(|row| (ids.value(row).to_owned(), partitions.value(row), offsets.value(row))),
            );
        }
        rows
    }
}
