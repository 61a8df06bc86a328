//! Where rows go, and that they are found: partitions, paths, widened columns, cut statistics.

use std::sync::Arc;

use crate::support::Fake;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, LargeBinaryArray, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::expr::Reference;
use iceberg::spec::{
    DataFile, Datum, Literal, NestedField, PrimitiveType, Schema, Struct, Transform, Type, UnboundPartitionSpec,
};
use lakewright_aws::Aws;
use lakewright_lake::{Change, LoadedTable, TableWriter, create_table, load_table};

const DAY: i64 = 86_400_000_000;

async fn written(table: &LoadedTable, batch: RecordBatch) -> Vec<DataFile> {
    let mut writer = TableWriter::with_row_groups(table, &[], 16).expect("a writer");
    writer.write(batch).await.expect("written");
    writer.close().await.expect("closed")
}

async fn ids(aws: &Aws, filter: Option<iceberg::expr::Predicate>) -> Vec<i64> {
    let loaded = load_table(aws, "raw", "t").await.expect("loaded");
    let mut scan = loaded.table.scan().select(["id"]);
    if let Some(filter) = filter {
        scan = scan.with_filter(filter);
    }
    let scan = scan.build().expect("a scan").to_arrow().await.expect("a stream");
    let batches: Vec<RecordBatch> = scan.try_collect().await.expect("read");
    let mut ids: Vec<i64> =
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    ids.sort_unstable();
    ids
}

/// A table of `id` and a column of a type, partitioned by a transform of it, with a row for each value.
async fn table(
    aws: &Aws,
    kind: PrimitiveType,
    transform: Option<Transform>,
    column: impl FnOnce() -> ArrayRef,
) -> LoadedTable {
    let fields = [("id", PrimitiveType::Long), ("c", kind)].into_iter().zip(1..);
    let fields = fields.map(|((name, kind), id)| NestedField::optional(id, name, Type::Primitive(kind)).into());
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    let spec = transform.map(|transform| {
        UnboundPartitionSpec::builder().add_partition_field(2, "p", transform).expect("a field").build()
    });
    let table = create_table(aws, "raw", "t", "s3://bucket/raw/t", schema, spec).await.expect("created");
    append(&table, column()).await
}

async fn append(table: &LoadedTable, column: ArrayRef) -> LoadedTable {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..column.len() as i64));
    let schema = Arc::new(schema_to_arrow_schema(table.table.metadata().current_schema()).expect("Arrow"));
    let files = written(table, RecordBatch::try_new(schema, vec![ids, column]).expect("a batch")).await;
    table.commit(Change { files, ..Change::default() }).await.expect("committed")
}

#[tokio::test]
async fn a_value_that_one_row_groups_statistics_cut_is_found() {
    let (_, aws) = Fake::start().await;
    let long = "z".repeat(83);
    let mut values: Vec<String> = (0..40).map(|number| format!("k{number}")).collect();
    values[25] = long.clone();
    table(&aws, PrimitiveType::String, None, || Arc::new(StringArray::from(values))).await;
    assert_eq!(ids(&aws, Some(Reference::new("c").equal_to(Datum::string(&long)))).await, [25]);
    assert_eq!(ids(&aws, Some(Reference::new("c").greater_than(Datum::string("m")))).await, [25]);
}

/// Partition values and paths of a table's files, by path.
async fn partitions(table: &LoadedTable) -> Vec<(String, Struct)> {
    let snapshot = table.table.metadata().current_snapshot().expect("a snapshot");
    let list = table.table.manifest_list_reader(snapshot).load().await.expect("a list");
    let mut found = Vec::new();
    for manifest in list.entries() {
        let loaded = manifest.load_manifest(table.table.file_io()).await.expect("a manifest");
        for entry in loaded.entries().iter().filter(|entry| entry.is_alive()) {
            let file = entry.data_file();
            let path = file.file_path().strip_prefix("s3://bucket/raw/t/data/").expect("below the table");
            let (folder, _) = path.rsplit_once('/').expect("a folder");
            found.push((folder.to_owned(), file.partition().clone()));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[tokio::test]
async fn times_before_1970_and_in_the_year_0_are_written_by_every_transform() {
    let year_0 = -719_500 * DAY + 1;
    let times = vec![Some(-DAY - DAY / 172_800), Some(-100_000), None, Some(0), Some(year_0)];
    let cases = [
        (Transform::Identity, vec![]),
        (Transform::Day, vec!["p=0000-01-29", "p=1969-12-30", "p=1969-12-31", "p=1970-01-01", "p=null"]),
        (Transform::Hour, vec!["p=0000-01-29-00", "p=1969-12-30-23", "p=1969-12-31-23", "p=1970-01-01-00", "p=null"]),
        (Transform::Month, vec!["p=0000-01", "p=1969-12", "p=1970-01", "p=null"]),
        (Transform::Year, vec!["p=0000", "p=1969", "p=1970", "p=null"]),
    ];
    for (transform, folders) in cases {
        let (_, aws) = Fake::start().await;
        let column = || Arc::new(TimestampMicrosecondArray::from(times.clone()).with_timezone("+00:00")) as ArrayRef;
        let table = table(&aws, PrimitiveType::Timestamptz, Some(transform), column).await;
        assert_eq!(ids(&aws, None).await, [0, 1, 2, 3, 4], "{transform}");
        let found: Vec<String> = partitions(&table).await.into_iter().map(|(folder, _)| folder).collect();
        if transform == Transform::Identity {
            assert_eq!(found.len(), 5, "{found:?}");
            assert_eq!(found[1], "p=1969-12-30T23%3A59%3A59.500Z");
            assert_eq!(found[2], "p=1969-12-31T23%3A59%3A59.900Z");
        } else {
            assert_eq!(found, folders, "{transform}");
        }
        let summary = &table.table.metadata().current_snapshot().expect("a snapshot").summary().additional_properties;
        assert_eq!(summary["changed-partition-count"], found.len().to_string());
    }
}

#[tokio::test]
async fn any_text_is_a_partition_with_a_path_that_fits() {
    let (_, aws) = Fake::start().await;
    let long = "é".repeat(1500);
    let values = ["web#1", "x?y=1", "a/b", "../../..", "100%", "a b+c", "", long.as_str()];
    let column = || Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
    let table = table(&aws, PrimitiveType::String, Some(Transform::Identity), column).await;
    assert_eq!(ids(&aws, None).await, [0, 1, 2, 3, 4, 5, 6, 7]);
    for (id, value) in (0..).zip(values) {
        assert_eq!(ids(&aws, Some(Reference::new("c").equal_to(Datum::string(value)))).await, [id], "{value}");
    }
    let found = partitions(&table).await;
    for (folder, _) in &found {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=.-*_+%".contains(&byte);
        assert!(folder.bytes().all(plain) && folder.len() < 200, "{folder}");
    }
    assert!(found.iter().any(|(folder, value)| folder == "p=a%2Fb" && value[0] == Some(Literal::string("a/b"))));
}

#[tokio::test]
async fn a_column_of_every_type_is_a_partition() {
    use PrimitiveType as Kind;
    let decimal = |unscaled: i128, precision: u8, scale: i8| -> ArrayRef {
        let values = Decimal128Array::from(vec![Some(unscaled), None]);
        Arc::new(values.with_precision_and_scale(precision, scale).expect("a decimal"))
    };
    let times = TimestampMicrosecondArray::from(vec![Some(-1), None]);
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some([0, 1, 2, 255]), None].into_iter(), 4);
    let cases: Vec<(Kind, ArrayRef, Literal, &str)> = vec![
        (Kind::Boolean, Arc::new(BooleanArray::from(vec![Some(false), None])), Literal::bool(false), "false"),
        (Kind::Int, Arc::new(Int32Array::from(vec![Some(-7), None])), Literal::int(-7), "-7"),
        (
            Kind::Long,
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
            Literal::long(i64::MIN),
            "-9223372036854775808",
        ),
        (Kind::Float, Arc::new(Float32Array::from(vec![Some(0.5), None])), Literal::float(0.5_f32), "0.5"),
        (Kind::Double, Arc::new(Float64Array::from(vec![Some(-2.0), None])), Literal::double(-2.0), "-2.0"),
        (Kind::Decimal { precision: 9, scale: 2 }, decimal(-5, 9, 2), Literal::decimal(-5), "-0.05"),
        (Kind::Decimal { precision: 18, scale: 2 }, decimal(1420, 18, 2), Literal::decimal(1420), "14.20"),
        (
            Kind::Decimal { precision: 38, scale: 0 },
            decimal(-1 << 100, 38, 0),
            Literal::decimal(-1 << 100),
            "-1267650600228229401496703205376",
        ),
        (Kind::Date, Arc::new(Date32Array::from(vec![Some(-1), None])), Literal::date(-1), "1969-12-31"),
        (
            Kind::Time,
            Arc::new(Time64MicrosecondArray::from(vec![Some(1), None])),
            Literal::time(1),
            "00%3A00%3A00.000001",
        ),
        (Kind::Timestamp, Arc::new(times.clone()), Literal::timestamp(-1), "1969-12-31T23%3A59%3A59.999999"),
        (
            Kind::Timestamptz,
            Arc::new(times.with_timezone("+00:00")),
            Literal::timestamptz(-1),
            "1969-12-31T23%3A59%3A59.999999Z",
        ),
        (Kind::String, Arc::new(StringArray::from(vec![Some("å"), None])), Literal::string("å"), "%C3%A5"),
        (Kind::Fixed(4), Arc::new(fixed.expect("bytes")), Literal::fixed([0, 1, 2, 255]), "AAEC%2Fw%3D%3D"),
        (
            Kind::Binary,
            Arc::new(LargeBinaryArray::from(vec![Some(&b"hello"[..]), None])),
            Literal::binary(*b"hello"),
            "aGVsbG8%3D",
        ),
    ];
    for (kind, column, value, folder) in cases {
        let (_, aws) = Fake::start().await;
        let table = table(&aws, kind.clone(), Some(Transform::Identity), || column).await;
        let expected = [
            (format!("p={folder}"), Struct::from_iter([Some(value)])),
            ("p=null".to_owned(), Struct::from_iter([None])),
        ];
        assert_eq!(partitions(&table).await, expected, "{kind}");
        assert_eq!(ids(&aws, None).await, [0, 1], "{kind}");
    }
}

#[tokio::test]
async fn a_table_partitioned_by_a_uuid_itself_is_refused_before_anything_is_written() {
    let (fake, aws) = Fake::start().await;
    let field = NestedField::optional(1, "id", Type::Primitive(PrimitiveType::Uuid)).into();
    let schema = Schema::builder().with_fields([field]).build().expect("a schema");
    let spec =
        UnboundPartitionSpec::builder().add_partition_field(1, "p", Transform::Identity).expect("a field").build();
    let table = create_table(&aws, "raw", "t", "s3://bucket/raw/t", schema, Some(spec)).await.expect("created");
    let error = TableWriter::new(&table, &[]).expect_err("refused");
    assert!(error.to_string().contains("partition it by a bucket"), "{error:#}");
    assert_eq!(fake.keys("/data/"), Vec::<String>::new());
}

#[tokio::test]
async fn a_truncated_binary_column_is_written() {
    let (_, aws) = Fake::start().await;
    let values = vec![&b"\x01\x02hello"[..], b"\x01\x02help", b"\xff"];
    let column = || Arc::new(LargeBinaryArray::from(values)) as ArrayRef;
    let table = table(&aws, PrimitiveType::Binary, Some(Transform::Truncate(4)), column).await;
    assert_eq!(ids(&aws, None).await, [0, 1, 2]);
    let found: Vec<String> = partitions(&table).await.into_iter().map(|(folder, _)| folder).collect();
    assert_eq!(found, ["p=%2Fw%3D%3D", "p=AQJoZQ%3D%3D"]);
}

/// Widens the column `c`, as a change in place of the schema does.
async fn widen(fake: &Fake, table: &LoadedTable, to: &str) {
    let mut metadata = serde_json::to_value(table.table.metadata()).expect("JSON");
    let mut schema = metadata["schemas"][0].clone();
    schema["schema-id"] = 1.into();
    schema["fields"][1]["type"] = to.into();
    metadata["schemas"].as_array_mut().expect("a list").push(schema);
    metadata["current-schema-id"] = 1.into();
    let location = "s3://bucket/raw/t/metadata/00500-00000000-0000-4000-8000-000000000000.metadata.json";
    let output = table.table.file_io().new_output(location).expect("an object");
    output.write(metadata.to_string().into()).await.expect("written");
    fake.record("raw.t", |record| record["Parameters"]["metadata_location"] = location.into());
}

#[tokio::test]
async fn a_table_whose_partition_column_was_widened_is_written_and_read() {
    type Column = fn(i32) -> ArrayRef;
    let cases: [(PrimitiveType, &str, Column, Column, fn(i32) -> Literal); 2] = [
        (
            PrimitiveType::Int,
            "long",
            |value| Arc::new(Int32Array::from(vec![value])),
            |value| Arc::new(Int64Array::from(vec![i64::from(value)])),
            Literal::long::<i32>,
        ),
        (
            PrimitiveType::Float,
            "double",
            |value| Arc::new(Float32Array::from(vec![value as f32])),
            |value| Arc::new(Float64Array::from(vec![f64::from(value)])),
            Literal::double::<i32>,
        ),
    ];
    for (kind, to, narrow, wide, literal) in cases {
        let of = |value| Struct::from_iter([Some(literal(value))]);
        let (fake, aws) = Fake::start().await;
        let mut loaded = table(&aws, kind, Some(Transform::Identity), || narrow(0)).await;
        for value in 1..5 {
            loaded = append(&loaded, narrow(value)).await;
        }
        widen(&fake, &loaded, to).await;
        loaded = loaded.reload().await.expect("reloaded");
        // Old and new manifests, and enough of both that they are merged.
        for value in 3..60 {
            loaded = append(&loaded, wide(value)).await;
            // The first commit describes the old files anew.
            let known: Vec<Struct> = (0..=value.max(4)).map(of).collect();
            for (folder, partition) in partitions(&loaded).await {
                assert!(known.contains(&partition), "{to}: {folder} {partition:?}");
            }
        }
        assert_eq!(ids(&aws, None).await.len(), 5 + 57, "{to}");
    }
}

#[tokio::test]
async fn a_commit_of_many_partitions_holds_little_in_memory() {
    let (_, aws) = Fake::start().await;
    let table = table(&aws, PrimitiveType::Date, Some(Transform::Day), || Arc::new(Date32Array::from(vec![0]))).await;
    let schema = Arc::new(schema_to_arrow_schema(table.table.metadata().current_schema()).expect("Arrow"));
    let limit = 4 * 1024 * 1024;
    let mut writer = TableWriter::new(&table, &[]).expect("a writer").bounded(limit);
    for batch in 0..4 {
        let days: Vec<i32> = (0..100).map(|day| batch * 100 + day).collect();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(days.iter().map(|day| i64::from(*day))));
        let columns = vec![ids, Arc::new(Date32Array::from(days)) as ArrayRef];
        writer.write(RecordBatch::try_new(schema.clone(), columns).expect("a batch")).await.expect("written");
        assert!(writer.held_bytes() <= limit, "{} bytes", writer.held_bytes());
    }
    let files = writer.close().await.expect("closed");
    assert_eq!((files.len(), files.iter().map(DataFile::record_count).sum::<u64>()), (400, 400));
}
