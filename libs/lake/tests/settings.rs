//! Data files as a table's own properties ask for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::support::Fake;
use crate::support::sales::{edit, load};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::DataType;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    DataFile, NestedField, NestedFieldRef, PrimitiveLiteral, PrimitiveType, Schema, StructType, Transform, Type,
    UnboundPartitionSpec,
};
use lakewright_aws::Aws;
use lakewright_lake::{Change, LoadedTable, TableWriter, create_table};
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::json;

const ROWS: i64 = 4_000;
/// Field ids of the columns.
const ID: i32 = 1;
const NAME: i32 = 2;
const RATIO: i32 = 3;
const INNER: i32 = 5;

/// A table partitioned by `bucket(2, id)` with these properties beside its own.
async fn table(fake: &Fake, aws: &Aws, properties: &[(&str, &str)]) -> LoadedTable {
    let optional = |id, name: &str, kind| NestedFieldRef::new(NestedField::optional(id, name, kind));
    let inner = vec![optional(5, "city", Type::Primitive(PrimitiveType::String))];
    let fields = vec![
        optional(1, "id", Type::Primitive(PrimitiveType::Long)),
        optional(2, "name", Type::Primitive(PrimitiveType::String)),
        optional(3, "ratio", Type::Primitive(PrimitiveType::Double)),
        optional(4, "inner", Type::Struct(StructType::new(inner))),
    ];
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    let spec = UnboundPartitionSpec::builder().add_partition_field(1, "id_bucket", Transform::Bucket(2));
    let spec = spec.expect("a field").build();
    let made = create_table(aws, "raw", "sales", "s3://bucket/raw/sales", schema, Some(spec)).await.expect("created");
    let set = |metadata: &mut serde_json::Value| {
        for (name, value) in properties {
            metadata["properties"][*name] = json!(value);
        }
    };
    edit(fake, &made, set).await;
    load(aws).await
}

/// Rows that are the same in each run; names have 40 characters, of which the first 20 are the same.
fn rows(table: &LoadedTable) -> RecordBatch {
    let schema = Arc::new(schema_to_arrow_schema(table.table.metadata().current_schema()).expect("Arrow"));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|n| format!("{:a<20}{n:020}", ""))));
    let ratios = (0..ROWS).map(|n| if n % 10 == 0 { f64::NAN } else { n as f64 });
    let DataType::Struct(inner) = schema.field(3).data_type() else { panic!("it is a struct") };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..ROWS)),
        texts.clone(),
        Arc::new(Float64Array::from_iter_values(ratios)),
        Arc::new(StructArray::new(inner.clone(), vec![texts], None)),
    ];
    RecordBatch::try_new(schema, columns).expect("a batch")
}

async fn written(table: &LoadedTable) -> Vec<DataFile> {
    let mut writer = TableWriter::new(table, &["id"]).expect("a writer");
    let rows = rows(table);
    for start in (0..rows.num_rows()).step_by(500) {
        writer.write(rows.slice(start, 500)).await.expect("written");
    }
    let mut files = writer.close().await.expect("closed");
    files.sort_by_key(|file| file.file_path().to_owned());
    files
}

async fn footer(table: &LoadedTable, file: &DataFile) -> ParquetMetaData {
    let bytes = table.table.file_io().new_input(file.file_path()).expect("a file").read().await.expect("read");
    SerializedFileReader::new(bytes).expect("Parquet").metadata().clone()
}

#[tokio::test]
async fn files_row_groups_and_codecs_are_as_the_table_says() {
    let (fake, aws) = Fake::start().await;
    let plain = table(&fake, &aws, &[]).await;
    let files = written(&plain).await;
    assert_eq!(files.len(), 2);
    let groups = footer(&plain, &files[0]).await;
    assert_eq!(groups.num_row_groups(), 1);
    assert!(matches!(groups.row_group(0).column(0).compression(), Compression::ZSTD(_)));
    assert!(groups.row_group(0).columns().iter().all(|column| column.bloom_filter_offset().is_none()));

    let (fake, aws) = Fake::start().await;
    let table = table(
        &fake,
        &aws,
        &[
            ("write.target-file-size-bytes", "20000"),
            ("write.parquet.row-group-size-bytes", "8000"),
            ("write.parquet.compression-codec", "GZIP"),
            ("write.parquet.compression-level", "9"),
        ],
    )
    .await;
    let files = written(&table).await;
    assert!(files.len() > 2, "{} files", files.len());
    let total: u64 = files.iter().map(DataFile::record_count).sum();
    assert_eq!(total, ROWS as u64);
    // A partition's last file may be smaller than a row group.
    let mut groups = 0;
    for file in &files {
        let footer = footer(&table, file).await;
        groups += footer.num_row_groups();
        assert!(matches!(footer.row_group(0).column(0).compression(), Compression::GZIP(_)));
    }
    assert!(groups > files.len(), "{groups} row groups in {} files", files.len());
}

#[tokio::test]
async fn every_codec_that_is_taken_can_be_written_and_others_are_refused_by_name() {
    for codec in ["zstd", "snappy", "gzip", "lz4", "lz4_raw", "brotli", "uncompressed"] {
        let (fake, aws) = Fake::start().await;
        let table = table(&fake, &aws, &[("write.parquet.compression-codec", codec)]).await;
        let files = written(&table).await;
        table.commit(Change { files, ..Change::default() }).await.expect("committed");
        let read: Vec<RecordBatch> = {
            use futures::TryStreamExt as _;
            let scan = load(&aws).await.table.scan().build().expect("a scan");
            scan.to_arrow().await.expect("a stream").try_collect().await.expect("read")
        };
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), ROWS as usize, "{codec}");
    }
    for (name, value, said) in [
        ("write.parquet.compression-codec", "lzo", "set it to zstd, snappy"),
        ("write.parquet.compression-level", "40", "none of zstd's levels"),
        ("write.parquet.compression-level", "fast", "set it to a number"),
        ("write.target-file-size-bytes", "0", "set it to a number above 0"),
        ("write.parquet.row-group-size-bytes", "128MB", "set it to a number above 0"),
    ] {
        let (fake, aws) = Fake::start().await;
        let table = table(&fake, &aws, &[(name, value)]).await;
        let error = TableWriter::new(&table, &[]).expect_err("it can't be followed").to_string();
        assert!(error.contains(name) && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn manifests_say_of_a_column_what_its_mode_asks_for() {
    let (fake, aws) = Fake::start().await;
    let modes = [
        ("write.metadata.metrics.default", "counts"),
        ("write.metadata.metrics.column.id", "none"),
        ("write.metadata.metrics.column.name", "full"),
        ("write.metadata.metrics.column.inner.city", "truncate(22)"),
        ("write.metadata.metrics.column.gone", "full"),
    ];
    let table = table(&fake, &aws, &modes).await;
    let file = &written(&table).await[0];
    let of = |map: &HashMap<i32, u64>| map.keys().copied().collect::<BTreeSet<i32>>();
    let counted = BTreeSet::from([NAME, RATIO, INNER]);
    assert_eq!(of(file.value_counts()), counted);
    assert_eq!(of(file.null_value_counts()), counted);
    assert_eq!(of(file.column_sizes()), counted);
    assert!(file.nan_value_counts()[&RATIO] > 0);
    let lengths = |bounds: &HashMap<i32, iceberg::spec::Datum>| -> BTreeMap<i32, usize> {
        let length = |bound: &iceberg::spec::Datum| match bound.literal() {
            PrimitiveLiteral::String(text) => text.len(),
            other => panic!("{other:?} is no text"),
        };
        bounds.iter().map(|(id, bound)| (*id, length(bound))).collect()
    };
    let expected = BTreeMap::from([(NAME, 40), (INNER, 22)]);
    assert_eq!(lengths(file.lower_bounds()), expected);
    assert_eq!(lengths(file.upper_bounds()), expected);
    assert!(!file.value_counts().contains_key(&ID));
}

#[tokio::test]
async fn what_is_sorted_by_has_bounds_and_wide_tables_have_them_of_their_first_columns() {
    let (fake, aws) = Fake::start().await;
    let made = table(&fake, &aws, &[("write.metadata.metrics.default", "none")]).await;
    let sort = |metadata: &mut serde_json::Value| {
        let field = |id, transform| json!({"source-id": id, "transform": transform, "direction": "asc", "null-order": "nulls-first"});
        metadata["sort-orders"] = json!([{"order-id": 1, "fields": [field(ID, "bucket[4]"), field(NAME, "identity")]}]);
        metadata["default-sort-order-id"] = json!(1);
    };
    edit(&fake, &made, sort).await;
    let file = &written(&load(&aws).await).await[0];
    assert_eq!(file.lower_bounds().keys().collect::<Vec<_>>(), [&NAME]);

    let (fake, aws) = Fake::start().await;
    let first = ("write.metadata.metrics.max-inferred-column-defaults", "2");
    let file = &written(&table(&fake, &aws, &[first]).await).await[0];
    assert_eq!(file.lower_bounds().keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from([ID, NAME]));
}

#[tokio::test]
async fn bloom_filters_are_written_for_the_columns_that_ask_for_them() {
    let (fake, aws) = Fake::start().await;
    let blooms = [
        ("write.parquet.bloom-filter-enabled.column.name", "true"),
        ("write.parquet.bloom-filter-fpp.column.name", "0.05"),
        ("write.parquet.bloom-filter-enabled.column.inner.city", "true"),
        ("write.parquet.bloom-filter-enabled.column.id", "false"),
        ("write.parquet.bloom-filter-enabled.column.gone", "true"),
        ("write.parquet.bloom-filter-max-bytes", "65536"),
    ];
    let table = table(&fake, &aws, &blooms).await;
    let file = &written(&table).await[0];
    let footer = footer(&table, file).await;
    let of = |index: usize| footer.row_group(0).column(index).bloom_filter_length();
    assert_eq!((of(0), of(2)), (None, None));
    for column in [1, 3] {
        let bytes = of(column).expect("a filter");
        assert!(bytes < 65_536 + 64, "{bytes} bytes");
    }
}

#[tokio::test]
async fn files_are_spread_over_folders_of_hashes() {
    let spread = ("write.object-storage.enabled", "true");
    let table_of = async |properties: &[(&str, &str)]| {
        let (fake, aws) = Fake::start().await;
        let table = table(&fake, &aws, properties).await;
        let files = written(&table).await;
        files.iter().map(|file| file.file_path().to_owned()).collect::<Vec<_>>()
    };
    let is_hash = |folders: &[&str]| {
        let lengths: Vec<usize> = folders.iter().map(|folder| folder.len()).collect();
        lengths == [4, 4, 4, 8] && folders.iter().all(|folder| folder.bytes().all(|bit| matches!(bit, b'0' | b'1')))
    };
    for path in table_of(&[spread]).await {
        let parts: Vec<&str> = path.strip_prefix("s3://bucket/raw/sales/data/").expect(&path).split('/').collect();
        assert!(parts.len() == 6 && is_hash(&parts[..4]) && parts[4].starts_with("id_bucket="), "{path}");
    }
    for path in table_of(&[spread, ("write.object-storage.partitioned-paths", "false")]).await {
        let parts: Vec<&str> = path.strip_prefix("s3://bucket/raw/sales/data/").expect(&path).split('/').collect();
        let (bits, file) = parts[3].split_once('-').expect(&path);
        assert!(
            parts.len() == 4 && is_hash(&[parts[0], parts[1], parts[2], bits]) && file.ends_with(".parquet"),
            "{path}"
        );
    }
    for path in table_of(&[spread, ("write.data.path", "s3://bucket/shared/")]).await {
        let parts: Vec<&str> = path.strip_prefix("s3://bucket/shared/").expect(&path).split('/').collect();
        assert!(
            is_hash(&parts[..4]) && parts[4..6] == ["raw", "sales"] && parts[6].starts_with("id_bucket="),
            "{path}"
        );
    }
    for path in table_of(&[("write.data.path", "s3://bucket/else")]).await {
        assert!(path.starts_with("s3://bucket/else/id_bucket="), "{path}");
    }
}

#[tokio::test]
async fn metadata_files_are_kept_as_the_table_says() {
    for (delete, most, kept) in [("true", "2", 3), ("false", "2", 8), ("true", "100", 8)] {
        let (fake, aws) = Fake::start().await;
        let properties =
            [("write.metadata.delete-after-commit.enabled", delete), ("write.metadata.previous-versions-max", most)];
        let mut table = table(&fake, &aws, &properties).await;
        for _ in 0..6 {
            table = table.commit(Change::default()).await.expect("committed");
        }
        assert_eq!(fake.keys(".metadata.json").len(), kept, "{delete}, {most}");
        let log = table.table.metadata().metadata_log().len();
        assert_eq!(log, if most == "2" { 2 } else { 7 });
    }
}
