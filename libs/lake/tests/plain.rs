//! Tables of files and manifests: a commit takes effect once or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::support::{Fake, Fault};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch, TimestampMicrosecondArray};
use bytes::Bytes;
use iceberg::arrow::schema_to_arrow_schema;
use lakewright_aws::Aws;
use lakewright_config::{Column, Reading, Sink, Table};
use lakewright_lake::CommitError;
use lakewright_lake::plain::{File, Manifest, PlainTable};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const DAY: i64 = 86_400_000_000;

fn declaration(sink: Sink) -> Table {
    Table {
        name: "sales".into(),
        database: "raw".into(),
        topic: "sales".into(),
        location: "s3://bucket/raw/sales".into(),
        columns: vec![
            Column { required: true, ..Column::new("id", "long".parse().expect("a type")) },
            Column::new("at", "timestamptz".parse().expect("a type")),
        ],
        key: vec![],
        partition: vec!["day(at)".parse().expect("a partition field")],
        reading: Reading::default(),
        sink,
        existing: None,
    }
}

fn open(aws: &Aws, sink: Sink) -> PlainTable {
    PlainTable::new(aws, &declaration(sink)).expect("a table")
}

/// Files of rows with these ids, the day the id's last digit divided by 4; what every raw table has besides is constant.
async fn files(table: &PlainTable, ids: &[i64]) -> Vec<File> {
    let schema = Arc::new(schema_to_arrow_schema(&table.schema()).expect("Arrow"));
    let at =
        TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id % 10 / 4 * DAY)).with_timezone("+00:00");
    let count = ids.len();
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(at.clone()),
        Arc::new(arrow_array::StringArray::from(vec!["topic"; count])),
        Arc::new(arrow_array::Int32Array::from(vec![0; count])),
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(at),
    ];
    let mut writer = table.writer(&[], 64 << 20).expect("a writer");
    writer.write(RecordBatch::try_new(schema, columns).expect("a batch")).await.expect("written");
    writer.close().await.expect("closed")
}

fn said(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("said".to_owned(), text.to_owned())])
}

/// The ids of a file.
async fn ids(aws: &Aws, file: &File) -> Vec<i64> {
    let key = file.path.strip_prefix("s3://bucket/").expect("in the bucket");
    let body: Bytes = aws.objects().get("bucket", key, None).await.expect("read").body;
    assert_eq!(body.len() as u64, file.bytes);
    if file.path.ends_with(".json.gz") {
        let text = std::io::read_to_string(flate2::read::GzDecoder::new(&*body)).expect("gzip");
        let id =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["id"].as_i64().expect("an id");
        return text.lines().map(id).collect();
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(body).expect("Parquet").build().expect("a reader");
    reader.flat_map(|rows| rows.expect("rows").column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

async fn all(aws: &Aws, commits: &[&Manifest]) -> Vec<i64> {
    let mut all = Vec::new();
    for file in commits.iter().flat_map(|commit| &commit.files) {
        let found = ids(aws, file).await;
        assert_eq!(found.len() as u64, file.rows);
        all.extend(found);
    }
    all.sort_unstable();
    all
}

#[tokio::test]
async fn what_is_committed_is_read_back_from_files_of_either_form() {
    for sink in [Sink::Parquet, Sink::Json] {
        let (_, aws) = Fake::start().await;
        let table = open(&aws, sink);
        assert_eq!(table.newest(None).await.expect("none yet"), None);
        let one = table.commit(None, &files(&table, &[1, 2, 5]).await, said("one")).await.expect("committed");
        let two = table.commit(Some(&one), &files(&table, &[3]).await, said("two")).await.expect("committed");
        assert_eq!((one.commit, two.commit), (1, 2));
        let days: BTreeSet<&str> =
            one.files.iter().map(|file| file.path.rsplit('/').nth(1).expect("a folder")).collect();
        assert_eq!(days, BTreeSet::from(["at_day=1970-01-01", "at_day=1970-01-02"]));
        assert_eq!(table.newest(None).await.expect("found").as_ref(), Some(&two));
        assert_eq!(all(&aws, &[&one, &two]).await, [1, 2, 3, 5]);
    }
}

#[tokio::test]
async fn negative_and_positive_zero_are_two_partitions_of_either_form() {
    for sink in [Sink::Parquet, Sink::Json] {
        let (_, aws) = Fake::start().await;
        let mut declared = declaration(sink);
        declared.columns = vec![Column::new("ratio", "double".parse().expect("a type"))];
        declared.partition = vec!["ratio".parse().expect("a partition field")];
        let table = PlainTable::new(&aws, &declared).expect("a table");
        let schema = Arc::new(schema_to_arrow_schema(&table.schema()).expect("Arrow"));
        let columns: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(arrow_array::Float64Array::from(vec![0.0, -0.0, 0.0])),
            Arc::new(arrow_array::StringArray::from(vec!["topic"; 3])),
            Arc::new(arrow_array::Int32Array::from(vec![0; 3])),
            Arc::new(Int64Array::from(vec![1, 2, 3])),
            Arc::new(TimestampMicrosecondArray::from(vec![0; 3]).with_timezone("+00:00")),
        ];
        let mut writer = table.writer(&[], 64 << 20).expect("a writer");
        writer.write(RecordBatch::try_new(schema, columns).expect("a batch")).await.expect("written");
        let files = writer.close().await.expect("closed");
        let folder = |file: &File| file.path.rsplit('/').nth(1).expect("a folder").to_owned();
        let found: BTreeMap<String, u64> = files.iter().map(|file| (folder(file), file.rows)).collect();
        assert_eq!(found, BTreeMap::from([("ratio=-0.0".to_owned(), 1), ("ratio=0.0".to_owned(), 2)]), "{sink:?}");
    }
}

#[tokio::test]
async fn json_says_values_as_the_format_json_reads_them() {
    let (_, aws) = Fake::start().await;
    let mut declared = declaration(Sink::Json);
    let types =
        ["uuid", "binary", "fixed(2)", "decimal(5,2)", "time", "timestamp", "date", "struct<a: double, b: boolean>"];
    declared.partition.clear();
    declared.columns = types
        .iter()
        .zip('a'..)
        .map(|(kind, name)| Column::new(&name.to_string(), kind.parse().expect("a type")))
        .collect();
    let table = PlainTable::new(&aws, &declared).expect("a table");
    let schema = Arc::new(schema_to_arrow_schema(&table.schema()).expect("Arrow"));
    let arrow_schema::DataType::Struct(members) = schema.field(7).data_type().clone() else { panic!("a struct") };
    let batch = |real: f64| {
        let bytes =
            |values: &[u8]| arrow_array::FixedSizeBinaryArray::try_from_iter([values].into_iter()).expect("bytes");
        let decimal = arrow_array::Decimal128Array::from(vec![1230]).with_precision_and_scale(5, 2).expect("a decimal");
        let values: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(arrow_array::Float64Array::from(vec![real])),
            Arc::new(arrow_array::BooleanArray::from(vec![None])),
        ];
        let columns: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(bytes(&[0x11; 16])),
            Arc::new(arrow_array::LargeBinaryArray::from(vec![&[255_u8, 0][..]])),
            Arc::new(bytes(&[1, 2])),
            Arc::new(decimal),
            Arc::new(arrow_array::Time64MicrosecondArray::from(vec![30_600_250_000])),
            Arc::new(TimestampMicrosecondArray::from(vec![1])),
            Arc::new(arrow_array::Date32Array::from(vec![-1])),
            Arc::new(arrow_array::StructArray::new(members.clone(), values, None)),
            Arc::new(arrow_array::StringArray::from(vec!["t"])),
            Arc::new(arrow_array::Int32Array::from(vec![3])),
            Arc::new(Int64Array::from(vec![4])),
            Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("+00:00")),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch")
    };
    let mut writer = table.writer(&[], 64 << 20).expect("a writer");
    let error = writer.write(batch(f64::NAN)).await.expect_err("no number").to_string();
    assert_eq!(error, "`h` has a number that isn't finite, which JSON can't say");
    writer.write(batch(0.5)).await.expect("written");
    let files = writer.close().await.expect("closed");
    let key = files[0].path.strip_prefix("s3://bucket/").expect("in the bucket");
    let body = aws.objects().get("bucket", key, None).await.expect("read").body;
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(&*body)).expect("gzip");
    assert_eq!(
        text,
        concat!(
            r#"{"a":"11111111-1111-1111-1111-111111111111","b":"/wA=","c":"AQI=","d":12.30,"e":"08:30:00.250","#,
            r#""f":"1970-01-01T00:00:00.000001","g":"1969-12-31","h":{"a":0.5},"kafka_topic_id":"t","#,
            r#""kafka_partition":3,"kafka_offset":4,"ingested_at":"1970-01-01T00:00:00Z"}"#,
            "\n"
        )
    );
}

#[tokio::test]
async fn of_two_writers_one_meets_a_conflict_and_sees_the_others_commit() {
    let (fake, aws) = Fake::start().await;
    let (a, b) = (open(&aws, Sink::Parquet), open(&aws, Sink::Parquet));
    let (of_a, of_b) = (files(&a, &[1]).await, files(&b, &[2]).await);
    let one = a.commit(None, &of_a, said("a")).await.expect("committed");
    let conflict = b.commit(None, &of_b, said("b")).await;
    assert!(matches!(conflict, Err(CommitError::Conflict { .. })), "{conflict:?}");
    assert_eq!(b.newest(None).await.expect("found").as_ref(), Some(&one));
    let two = b.commit(Some(&one), &of_b, said("b")).await.expect("committed on top");
    b.discard(&of_a).await;
    assert_eq!((two.commit, fake.keys("/files/").len()), (2, 1));
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_lost_request() {
    for (fault, took) in [(Fault::LoseAnswer, true), (Fault::LoseRequest, false)] {
        let (fake, aws) = Fake::start().await;
        let table = open(&aws, Sink::Json);
        let written = files(&table, &[1]).await;
        fake.fail_next(fault);
        let outcome = table.commit(None, &written, said("x")).await;
        // The put is repeated, and meets what it made itself; or it isn't, and whoever opens the table sees what holds.
        let newest = table.newest(None).await.expect("looked for");
        match outcome {
            Ok(made) => assert_eq!(newest, Some(made)),
            Err(CommitError::Unknown { .. }) => assert_eq!(newest.is_some(), took),
            Err(error) => panic!("{fault:?}: {error:?}"),
        }
    }
    let (fake, aws) = Fake::start().await;
    let table = open(&aws, Sink::Json);
    fake.fail_next(Fault::Refuse);
    let refused = table.commit(None, &[], said("x")).await;
    assert!(matches!(refused, Err(CommitError::Failed { .. })), "{refused:?}");
    assert_eq!(fake.keys("/commits/"), [""; 0]);
}

#[tokio::test]
async fn the_newest_of_many_commits_is_found_though_the_oldest_are_gone() {
    let (fake, aws) = Fake::start().await;
    let table = open(&aws, Sink::Parquet);
    let first = table.commit(None, &[], said("x")).await.expect("committed");
    let text = |number: u64| serde_json::to_string(&Manifest { commit: number, ..first.clone() }).expect("JSON");
    for last in [2, 3, 4, 7, 8, 9, 250] {
        for number in 1..=last {
            fake.put(&format!("/bucket/raw/sales/commits/{number:020}.json"), &text(number));
        }
        for known in [None, Some(1), Some(last - 1), Some(last)] {
            let newest = table.newest(known).await.expect("found").expect("one");
            assert_eq!(newest.commit, last, "from {known:?}");
        }
    }
    let objects = aws.objects();
    for number in 1..240 {
        objects.delete("bucket", &format!("raw/sales/commits/{number:020}.json")).await.expect("deleted");
    }
    for known in [None, Some(3), Some(250)] {
        assert_eq!(table.newest(known).await.expect("found").expect("one").commit, 250, "from {known:?}");
    }
    let next = table.newest(None).await.expect("found");
    assert_eq!(table.commit(next.as_ref(), &[], said("y")).await.expect("committed").commit, 251);
}

#[tokio::test]
async fn columns_are_added_and_widened_and_an_older_declaration_is_refused() {
    let (_, aws) = Fake::start().await;
    let old = open(&aws, Sink::Parquet);
    let one = old.commit(None, &files(&old, &[1]).await, said("x")).await.expect("committed");
    let mut declared = declaration(Sink::Parquet);
    declared.columns.push(Column::new("note", "string".parse().expect("a type")));
    let new = PlainTable::new(&aws, &declared).expect("a table");
    let newest = new.newest(None).await.expect("it continues").expect("one");
    assert_eq!((new.schema_id(Some(&newest)), new.schema_id(None)), (1, 0));
    new.commit(Some(&one), &[], said("y")).await.expect("committed");
    let error = old.newest(None).await.expect_err("it lacks a column").to_string();
    assert!(error.contains("`note`, which isn't declared"), "{error}");
    declared.columns[0] = Column::new("id", "string".parse().expect("a type"));
    let error = PlainTable::new(&aws, &declared).expect("a table").newest(None).await.expect_err("another type");
    assert!(error.to_string().contains("`id` is long in its files so far, and declared as string"), "{error}");
}
