//! A table of sales by day, written and read by its ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, TimestampMicrosecondArray};
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    DataFile, ManifestContentType, NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec,
};
use lakewright_aws::Aws;
use lakewright_lake::maintain::{self, Compacted, Known, Policy};
use lakewright_lake::{Change, LoadedTable, TableWriter, create_table, load_table};
use serde_json::Value;

use super::Fake;

const DAY: i64 = 86_400_000_000;

/// Everything that may go goes.
pub fn at_once() -> Policy {
    Policy { max_age_ms: Some(0), min_snapshots: Some(1), grace_ms: 0, orphans_age_ms: Some(0), ..Policy::default() }
}

/// A moment at which everything so far is old.
pub fn later() -> i64 {
    chrono::Utc::now().timestamp_millis() + 60_000
}

/// Makes it: `id`, and `at` by whose day it is partitioned.
pub async fn make(aws: &Aws) -> LoadedTable {
    let fields = [("id", PrimitiveType::Long), ("at", PrimitiveType::Timestamptz)];
    let fields = fields.into_iter().zip(1..);
    let fields = fields.map(|((name, kind), id)| Arc::new(NestedField::required(id, name, Type::Primitive(kind))));
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    let spec = UnboundPartitionSpec::builder().add_partition_field(2, "at_day", Transform::Day).expect("a field");
    create_table(aws, "raw", "sales", "s3://bucket/raw/sales", schema, Some(spec.build())).await.expect("created")
}

pub async fn load(aws: &Aws) -> LoadedTable {
    load_table(aws, "raw", "sales").await.expect("loaded")
}

/// Data files of rows with these ids; the day is the id's last digit divided by 4.
pub async fn files(table: &LoadedTable, ids: &[i64]) -> Vec<DataFile> {
    let schema = Arc::new(schema_to_arrow_schema(table.table.metadata().current_schema()).expect("Arrow"));
    let at = ids.iter().map(|id| id % 10 / 4 * DAY);
    let at = TimestampMicrosecondArray::from_iter_values(at).with_timezone("+00:00");
    let columns = vec![Arc::new(Int64Array::from(ids.to_vec())) as _, Arc::new(at) as _];
    let mut writer = TableWriter::new(table, &["id"]).expect("a writer");
    writer.write(RecordBatch::try_new(schema, columns).expect("a batch")).await.expect("written");
    writer.close().await.expect("closed")
}

/// Appends rows to the table as it is now.
pub async fn append(aws: &Aws, ids: &[i64]) -> LoadedTable {
    let loaded = load(aws).await;
    let files = files(&loaded, ids).await;
    loaded.commit(Change { files, maintained: true, ..Change::default() }).await.expect("committed")
}

/// Puts small files together, by somebody who knows nothing of them yet.
pub async fn compact(table: LoadedTable, policy: &Policy, dry_run: bool) -> anyhow::Result<(LoadedTable, Compacted)> {
    maintain::compact(table, policy, &Known::default(), dry_run).await
}

/// The ids of a snapshot, sorted; of the current one where none is named.
pub async fn rows(loaded: &LoadedTable, snapshot: Option<i64>) -> Vec<i64> {
    let mut ids = unsorted(loaded, snapshot).await;
    ids.sort_unstable();
    ids
}

/// The ids of a snapshot as they stand in its files.
pub async fn unsorted(loaded: &LoadedTable, snapshot: Option<i64>) -> Vec<i64> {
    let mut scan = loaded.table.scan().select(["id"]).with_concurrency_limit(1);
    if let Some(id) = snapshot {
        scan = scan.snapshot_id(id);
    }
    let stream = scan.build().expect("a scan").to_arrow().await.expect("a stream");
    let batches: Vec<RecordBatch> = stream.try_collect().await.expect("read");
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

/// The paths of the current snapshot's data files.
pub async fn paths(loaded: &LoadedTable) -> BTreeSet<String> {
    let Some(snapshot) = loaded.table.metadata().current_snapshot() else { return BTreeSet::new() };
    let list = loaded.table.manifest_list_reader(snapshot).load().await.expect("a list");
    let mut paths = BTreeSet::new();
    for manifest in list.entries().iter().filter(|manifest| manifest.content == ManifestContentType::Data) {
        let manifest = manifest.load_manifest(loaded.table.file_io()).await.expect("a manifest");
        let live = manifest.entries().iter().filter(|entry| entry.is_alive());
        paths.extend(live.map(|entry| entry.file_path().to_owned()));
    }
    paths
}

/// Writes other metadata, as another engine's commit does.
pub async fn edit(fake: &Fake, loaded: &LoadedTable, change: impl FnOnce(&mut Value)) {
    let mut metadata = serde_json::to_value(loaded.table.metadata()).expect("JSON");
    let before = serde_json::json!({
        "metadata-file": loaded.metadata_location, "timestamp-ms": metadata["last-updated-ms"],
    });
    match metadata["metadata-log"].as_array_mut() {
        Some(log) => log.push(before),
        None => metadata["metadata-log"] = serde_json::json!([before]),
    }
    change(&mut metadata);
    let version: u32 = loaded.version_id.parse().expect("a number");
    let location = format!(
        "s3://bucket/raw/sales/metadata/{:05}-{}.metadata.json",
        90_000 + version,
        "00000000-0000-4000-8000-000000000000"
    );
    let output = loaded.table.file_io().new_output(&location).expect("an object");
    output.write(metadata.to_string().into()).await.expect("written");
    fake.record("raw.sales", |record| {
        record["Parameters"]["metadata_location"] = location.into();
        record["VersionId"] = (version + 1).to_string().into();
    });
}
