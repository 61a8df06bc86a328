//! Commits against a catalog that honours versions and loses answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::{Fake, Fault};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, TimestampMicrosecondArray};
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{DataFile, NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec};
use lakewright_aws::Aws;
use lakewright_lake::{Change, CommitError, LoadedTable, TableWriter, create_table, load_table};

const DAY: i64 = 86_400_000_000;

async fn table(aws: &Aws) -> LoadedTable {
    let fields = [("id", PrimitiveType::Long), ("at", PrimitiveType::Timestamptz)];
    let fields = fields
        .into_iter()
        .zip(1..)
        .map(|((name, kind), id)| Arc::new(NestedField::required(id, name, Type::Primitive(kind))));
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    let spec =
        UnboundPartitionSpec::builder().add_partition_field(2, "at_day", Transform::Day).expect("a field").build();
    create_table(aws, "raw", "sales", "s3://bucket/raw/sales", schema, Some(spec)).await.expect("created")
}

/// Data files of rows with these ids, one day for each.
async fn files(table: &LoadedTable, ids: &[i64]) -> Vec<DataFile> {
    let schema = Arc::new(schema_to_arrow_schema(table.table.metadata().current_schema()).expect("Arrow"));
    let at = TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id * DAY)).with_timezone("+00:00");
    let columns = vec![Arc::new(Int64Array::from(ids.to_vec())) as _, Arc::new(at) as _];
    let mut writer = TableWriter::new(table, &["id"]).expect("a writer");
    writer.write(RecordBatch::try_new(schema, columns).expect("a batch")).await.expect("written");
    writer.close().await.expect("closed")
}

async fn append(table: &LoadedTable, ids: &[i64]) -> Result<LoadedTable, CommitError> {
    let files = files(table, ids).await;
    table.commit(Change { files, ..Change::default() }).await
}

async fn ids(aws: &Aws) -> Vec<i64> {
    let loaded = load_table(aws, "raw", "sales").await.expect("loaded");
    let scan = loaded.table.scan().select(["id"]).build().expect("a scan");
    let batches: Vec<RecordBatch> = scan.to_arrow().await.expect("a stream").try_collect().await.expect("read");
    let mut ids: Vec<i64> =
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn appended_rows_are_read_back_by_partition() {
    let (fake, aws) = Fake::start().await;
    let loaded = append(&table(&aws).await, &[1, 2, 3]).await.expect("committed");
    let property = |text: &str| HashMap::from([("lakewright.offsets".to_owned(), text.to_owned())]);
    let change = Change { summary: property("{}"), properties: property("{}"), ..Change::default() };
    let loaded = loaded.commit(change).await.expect("committed without rows");
    append(&loaded, &[4]).await.expect("committed");
    assert_eq!(ids(&aws).await, [1, 2, 3, 4]);
    assert_eq!(fake.keys("1970-01-03").len(), 1);
    let found = load_table(&aws, "raw", "sales").await.expect("loaded");
    let metadata = found.table.metadata();
    assert_eq!(metadata.properties()["lakewright.offsets"], "{}");
    let summary = &metadata.current_snapshot().expect("a snapshot").summary().additional_properties;
    assert_eq!((summary["total-records"].as_str(), summary["added-records"].as_str()), ("4", "1"));
    assert_eq!(metadata.metadata_log().len(), 3);
}

#[tokio::test]
async fn a_stale_writer_hears_of_it_and_leaves_nothing_behind() {
    let (fake, aws) = Fake::start().await;
    let stale = table(&aws).await;
    append(&stale, &[1]).await.expect("committed");
    let held = files(&stale, &[2]).await;
    let before = fake.keys("/metadata/");
    let change = || Change { files: held.clone(), ..Change::default() };
    let conflict = stale.commit(change()).await.expect_err("stale");
    assert!(matches!(conflict, CommitError::Conflict { .. }), "{conflict:?}");
    assert_eq!(fake.keys("/metadata/"), before);
    stale.reload().await.expect("reloaded").commit(change()).await.expect("committed");
    assert_eq!(ids(&aws).await, [1, 2]);
}

#[tokio::test]
async fn a_lost_answer_is_neither_a_lost_nor_a_second_commit() {
    for (fault, updates) in [(Fault::LoseAnswer, 1), (Fault::LoseRequest, 2)] {
        let (fake, aws) = Fake::start().await;
        let loaded = table(&aws).await;
        fake.fail_next(fault);
        let loaded = append(&loaded, &[1, 2]).await.expect("committed");
        assert_eq!(fake.updates.load(Ordering::Relaxed), updates, "{fault:?}");
        append(&loaded, &[3]).await.expect("goes on");
        assert_eq!(ids(&aws).await, [1, 2, 3], "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_arrives_late_is_no_failure_and_no_conflict() {
    // Refused for good, or as concurrent, after the request whose answer was lost.
    for later in [None, Some(Fault::Refuse)] {
        let (fake, aws) = Fake::start().await;
        let loaded = table(&aws).await;
        if let Some(fault) = later {
            fake.fail_next(fault);
        }
        fake.fail_next(Fault::InFlight(2));
        let loaded = append(&loaded, &[1]).await.expect("committed");
        append(&loaded, &[2]).await.expect("goes on");
        assert_eq!(ids(&aws).await, [1, 2], "{later:?}");
    }
}

#[tokio::test]
async fn a_commit_that_stays_unknown_deletes_nothing() {
    let (fake, aws) = Fake::start().await;
    let loaded = table(&aws).await;
    let before = fake.keys("/metadata/").len();
    fake.fail_next(Fault::Refuse);
    fake.fail_next(Fault::InFlight(u32::MAX));
    let error = append(&loaded, &[1]).await.expect_err("nobody knows");
    assert!(matches!(error, CommitError::Unknown { .. }), "{error:?}");
    // Manifest, manifest list and metadata: the request may arrive yet.
    assert_eq!(fake.keys("/metadata/").len(), before + 3);
}

#[tokio::test]
async fn a_refused_commit_leaves_nothing_behind() {
    let (fake, aws) = Fake::start().await;
    let loaded = table(&aws).await;
    let before = fake.keys("/metadata/");
    fake.fail_next(Fault::Refuse);
    let error = append(&loaded, &[1]).await.expect_err("refused");
    assert!(matches!(error, CommitError::Failed { .. }), "{error:?}");
    assert_eq!(fake.keys("/metadata/"), before);
}

#[tokio::test]
async fn a_lost_answer_is_recognised_below_another_writers_commit() {
    let (fake, aws) = Fake::start().await;
    let loaded = table(&aws).await;
    // The other writer's commit: a property, on top of the metadata that it found.
    *fake.overtake.lock() = Some(Box::new(|record, objects| {
        let location = record["Parameters"]["metadata_location"].as_str().expect("a location").to_owned();
        let path = location.replace("s3:/", "");
        let mut metadata: serde_json::Value = serde_json::from_slice(&objects[&path]).expect("metadata");
        metadata["properties"]["other"] = "writer".into();
        let next = "/bucket/raw/sales/metadata/00099-00000000-0000-4000-8000-000000000000.metadata.json";
        objects.insert(next.to_owned(), metadata.to_string().into());
        record["Parameters"]["metadata_location"] = format!("s3:/{next}").into();
    }));
    fake.fail_next(Fault::Overtaken);
    let loaded = append(&loaded, &[1]).await.expect("committed");
    assert_eq!(loaded.table.metadata().properties()["other"], "writer");
    append(&loaded, &[2]).await.expect("goes on");
    assert_eq!(ids(&aws).await, [1, 2]);
}

#[tokio::test]
async fn a_commit_whose_snapshot_has_expired_keeps_its_files() {
    let (fake, aws) = Fake::start().await;
    let loaded = table(&aws).await;
    // Another writer's commit on top, whose metadata has let go of the snapshot below; its manifests keep the files.
    *fake.overtake.lock() = Some(Box::new(|record, objects| {
        let location = record["Parameters"]["metadata_location"].as_str().expect("a location").to_owned();
        let path = location.replace("s3:/", "");
        let mut metadata: serde_json::Value = serde_json::from_slice(&objects[&path]).expect("metadata");
        let mut snapshot = metadata["snapshots"][0].clone();
        let sequence = snapshot["sequence-number"].as_i64().expect("a number") + 1;
        snapshot["snapshot-id"] = 4711.into();
        snapshot["sequence-number"] = sequence.into();
        metadata["last-sequence-number"] = sequence.into();
        metadata["current-snapshot-id"] = 4711.into();
        metadata["refs"]["main"]["snapshot-id"] = 4711.into();
        metadata["snapshot-log"] =
            serde_json::json!([{ "snapshot-id": 4711, "timestamp-ms": snapshot["timestamp-ms"] }]);
        metadata["snapshots"] = serde_json::json!([snapshot]);
        let next = "/bucket/raw/sales/metadata/00099-00000000-0000-4000-8000-000000000000.metadata.json";
        objects.insert(next.to_owned(), metadata.to_string().into());
        record["Parameters"]["metadata_location"] = format!("s3:/{next}").into();
    }));
    fake.fail_next(Fault::Overtaken);
    let error = append(&loaded, &[1]).await.expect_err("nobody knows");
    assert!(matches!(error, CommitError::Unknown { .. }), "{error:?}");
    assert_eq!(ids(&aws).await, [1]);
}

#[tokio::test]
async fn a_commit_changes_two_parameters_of_the_catalogs_record() {
    let (fake, aws) = Fake::start().await;
    table(&aws).await;
    let before = fake.record("raw.sales", |record| {
        let members = serde_json::json!({
            "Description": "sales", "Owner": "shop", "LastAccessTime": 1_500_000_000, "LastAnalyzedTime": 1_600_000_000,
            "Retention": 7, "PartitionKeys": [], "ViewOriginalText": "a", "ViewExpandedText": "b",
        });
        record.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        let storage = serde_json::json!({
            "AdditionalLocations": ["s3://bucket/more"], "InputFormat": "in", "OutputFormat": "out", "Compressed": true,
            "NumberOfBuckets": -1, "SerdeInfo": { "Name": "serde", "Parameters": { "a": "b" } }, "BucketColumns": ["id"],
            "SortColumns": [{ "Column": "id", "SortOrder": 1 }], "Parameters": { "c": "d" },
            "SkewedInfo": { "SkewedColumnNames": ["id"] }, "StoredAsSubDirectories": true,
            "SchemaReference": { "SchemaVersionId": "e", "SchemaVersionNumber": 2 },
        });
        let storage = storage.as_object().expect("an object").clone();
        record["StorageDescriptor"].as_object_mut().expect("an object").extend(storage);
        record["Parameters"]["other"] = "tool".into();
        record.clone()
    });
    let loaded = load_table(&aws, "raw", "sales").await.expect("loaded");
    let committed = append(&loaded, &[1]).await.expect("committed");
    let mut expected = before;
    expected["VersionId"] = "1".into();
    expected["Parameters"]["metadata_location"] = committed.metadata_location.clone().into();
    expected["Parameters"]["previous_metadata_location"] = loaded.metadata_location.clone().into();
    // Which database it is in is no part of what is updated.
    expected.as_object_mut().expect("an object").remove("DatabaseName");
    fake.record("raw.sales", |record| assert_eq!(*record, expected));
}

#[tokio::test]
async fn an_overwrite_replaces_all_rows() {
    let (_, aws) = Fake::start().await;
    let loaded = append(&table(&aws).await, &[1, 2]).await.expect("committed");
    let loaded = append(&loaded, &[3]).await.expect("committed");
    let new = files(&loaded, &[7, 8]).await;
    let loaded = loaded.commit(Change { overwrite: true, files: new, ..Change::default() }).await.expect("committed");
    assert_eq!(ids(&aws).await, [7, 8]);
    let summary = &loaded.table.metadata().current_snapshot().expect("a snapshot").summary().additional_properties;
    assert_eq!((summary["total-records"].as_str(), summary["deleted-records"].as_str()), ("2", "3"));
    let loaded = loaded.commit(Change { overwrite: true, ..Change::default() }).await.expect("emptied");
    append(&loaded, &[9]).await.expect("committed");
    assert_eq!(ids(&aws).await, [9]);
}

#[tokio::test]
async fn many_commits_leave_few_manifests_and_metadata_files() {
    let (fake, aws) = Fake::start().await;
    let mut loaded = table(&aws).await;
    for id in 0..55 {
        loaded = append(&loaded, &[id % 3]).await.expect("committed");
    }
    assert_eq!(ids(&aws).await.len(), 55);
    let snapshot = loaded.table.metadata().current_snapshot().expect("a snapshot");
    let list = loaded.table.manifest_list_reader(snapshot).load().await.expect("a list");
    assert!(list.entries().len() < 10, "{} manifests", list.entries().len());
    assert_eq!(fake.keys(".metadata.json").len(), 21);
}

#[tokio::test]
async fn a_table_that_exists_is_not_made_again() {
    let (fake, aws) = Fake::start().await;
    let loaded = table(&aws).await;
    append(&loaded, &[1]).await.expect("committed");
    let schema = loaded.table.metadata().current_schema().as_ref().clone();
    let error = create_table(&aws, "raw", "sales", "s3://bucket/other", schema, None).await.expect_err("exists");
    assert!(error.to_string().contains("exists already, at s3://bucket/raw/sales"), "{error:#}");
    assert_eq!(fake.keys("/other/"), Vec::<String>::new());
    assert!(load_table(&aws, "raw", "users").await.expect_err("none").to_string().contains("no table raw.users"));
}
