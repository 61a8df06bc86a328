//! Another engine's deletes.

use std::collections::HashMap;

use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, ManifestListWriter, ManifestWriterBuilder, Operation, Snapshot,
    Summary,
};
use lakewright_lake::LoadedTable;
use serde_json::Value;

/// The table's metadata with a snapshot that adds a file of position deletes, `d.avro` its manifest, to the partition of
/// the first data file.
pub async fn of_first_partition(loaded: &LoadedTable) -> Value {
    let table = &loaded.table;
    let metadata = table.metadata();
    let snapshot = metadata.current_snapshot().expect("a snapshot").clone();
    let list = table.manifest_list_reader(&snapshot).load().await.expect("a list");
    let first = list.entries()[0].load_manifest(table.file_io()).await.expect("a manifest");
    let partition = first.entries()[0].data_file().partition().clone();
    let file = DataFileBuilder::default()
        .content(DataContentType::PositionDeletes)
        .file_path("s3://bucket/raw/sales/data/d.parquet".to_owned())
        .file_format(DataFileFormat::Parquet)
        .partition(partition)
        .record_count(1)
        .file_size_in_bytes(1)
        .build()
        .expect("a delete file");
    let output = table.file_io().new_output("s3://bucket/raw/sales/metadata/d.avro").expect("an object");
    let spec = metadata.default_partition_spec().as_ref().clone();
    let builder = ManifestWriterBuilder::new(output, Some(4711), metadata.current_schema().clone(), spec);
    let mut writer = builder.build_v2_deletes();
    writer.add_file(file, -1).expect("added");
    let manifest = writer.write_manifest_file().await.expect("written");
    let sequence = metadata.next_sequence_number();
    let path = "s3://bucket/raw/sales/metadata/snap-d.avro";
    let output = table.file_io().new_output(path).expect("an object").writer().await.expect("a writer");
    let mut writer = ManifestListWriter::v2(output, 4711, metadata.current_snapshot_id(), sequence);
    writer.add_manifests(list.entries().iter().cloned().chain([manifest])).expect("added");
    writer.close().await.expect("written");
    let summary = Summary { operation: Operation::Delete, additional_properties: HashMap::new() };
    let snapshot = Snapshot::builder()
        .with_snapshot_id(4711)
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(sequence)
        .with_timestamp_ms(metadata.last_updated_ms())
        .with_manifest_list(path)
        .with_summary(summary)
        .with_schema_id(metadata.current_schema_id())
        .build();
    let built = metadata.clone().into_builder(Some(loaded.metadata_location.clone()));
    let built = built.set_branch_snapshot(snapshot, "main").expect("a snapshot").build().expect("metadata").metadata;
    serde_json::to_value(&built).expect("JSON")
}
