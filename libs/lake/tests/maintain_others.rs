//! Maintenance beside other engines and other schemas: no value is changed, and no file that is in use is
//! deleted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::support::sales::{self, at_once, compact, edit, later, load, paths};
use crate::support::{Fake, anything};
use arrow_array::{
    ArrayRef, BinaryArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt32Array,
};
use arrow_cast::pretty::pretty_format_batches;
use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, NestedField, PrimitiveType, Schema, Struct,
};
use lakewright_aws::Aws;
use lakewright_lake::maintain::{Known, Policy, expire, remove_orphans};
use lakewright_lake::{Change, LoadedTable, TableWriter, create_table};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

async fn table(aws: &Aws, fields: Value) -> LoadedTable {
    let schema = json!({ "type": "struct", "schema-id": 0, "fields": fields });
    let schema: Schema = serde_json::from_value(schema).expect("a schema");
    create_table(aws, "raw", "sales", "s3://bucket/raw/sales", schema, None).await.expect("created")
}

fn arrow(loaded: &LoadedTable) -> SchemaRef {
    Arc::new(schema_to_arrow_schema(loaded.table.metadata().current_schema()).expect("Arrow"))
}

async fn append(loaded: &LoadedTable, rows: RecordBatch) -> LoadedTable {
    let mut writer = TableWriter::new(loaded, &[]).expect("a writer");
    writer.write(rows).await.expect("written");
    let files = writer.close().await.expect("closed");
    loaded.commit(Change { files, ..Change::default() }).await.expect("committed")
}

/// The rows of the table's files as Parquet's own reader has them.
async fn read(loaded: &LoadedTable) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    for path in paths(loaded).await {
        let bytes = loaded.table.file_io().new_input(path).expect("a file").read().await.expect("bytes");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet").build().expect("a reader");
        all.extend(reader.map(|rows| rows.expect("rows")));
    }
    all
}

fn optional(id: i32, name: &str, kind: Value) -> Value {
    json!({ "id": id, "name": name, "required": false, "type": kind })
}

/// A field of a struct by its name.
fn member<'a>(of: &'a mut Value, name: &str) -> &'a mut Value {
    let fields = of["fields"].as_array_mut().expect("fields");
    fields.iter_mut().find(|field| field["name"] == name).expect("the field")
}

#[tokio::test]
async fn rows_of_an_older_schema_keep_their_values_in_all_types() {
    let (fake, aws) = Fake::start().await;
    let flat = [
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "decimal(9, 2)",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "string",
        "uuid",
        "fixed[4]",
        "binary",
    ];
    let mut fields = vec![json!({ "id": 1, "name": "id", "required": true, "type": "long" })];
    fields.extend(flat.iter().zip(2..).map(|(kind, id)| optional(id, &format!("c{id}"), json!(kind))));
    let inner = |id| json!([optional(id, "a", json!("int")), optional(id + 1, "b", json!("string"))]);
    fields.push(optional(20, "s", json!({ "type": "struct", "fields": inner(21) })));
    let list = json!({ "type": "list", "element-id": 31, "element": "int", "element-required": false });
    fields.push(optional(30, "l", list));
    let value = json!({ "type": "struct", "fields": inner(43) });
    let map = json!({
        "type": "map", "key-id": 41, "key": "string", "value-id": 42, "value": value, "value-required": false,
    });
    fields.push(optional(40, "m", map));
    let mut loaded = table(&aws, json!(fields)).await;
    let old = arrow(&loaded);
    let old_ids = anything::ids(old.fields());
    for part in 0..3 {
        loaded = append(&loaded, anything::rows(&old, part * 10..part * 10 + 10, &old_ids)).await;
    }
    // What Iceberg lets an engine do to the schema: wider types, other names, another order, members of structs that came
    // and went, a new member with a name that another had, new columns of each type.
    edit(&fake, &loaded, |metadata| {
        let mut schema = metadata["schemas"][0].clone();
        schema["schema-id"] = 1.into();
        for (name, wide) in [("c3", "long"), ("c5", "double"), ("c7", "decimal(18, 2)")] {
            member(&mut schema, name)["type"] = wide.into();
        }
        for change in [member(&mut schema, "s")["type"].clone(), member(&mut schema, "m")["type"]["value"].clone()] {
            let new_id = 200 + change["fields"][0]["id"].as_i64().expect("an id") as i32;
            let mut changed = change.clone();
            member(&mut changed, "a")["type"] = "long".into();
            member(&mut changed, "b")["name"] = "was_b".into();
            let fields = changed["fields"].as_array_mut().expect("fields");
            fields.reverse();
            fields.insert(1, optional(new_id, "b", json!("string")));
            fields.push(optional(
                new_id + 1,
                "deep",
                json!({
                    "type": "list", "element-id": new_id + 2, "element": "uuid", "element-required": true,
                }),
            ));
            if change == member(&mut schema, "s")["type"] {
                member(&mut schema, "s")["type"] = changed;
            } else {
                member(&mut schema, "m")["type"]["value"] = changed;
            }
        }
        member(&mut schema, "l")["type"]["element"] = "long".into();
        let (fields, mut next) = (schema["fields"].as_array_mut().expect("fields"), 300);
        fields.swap(2, 9);
        fields.retain(|field| field["name"] != "c4");
        for kind in flat {
            fields.push(optional(next, &format!("n{next}"), json!(kind)));
            next += 1;
        }
        for id in [400, 410, 420] {
            let kind = [
                json!({ "type": "struct", "fields": [optional(id + 1, "x", json!("binary"))] }),
                json!({ "type": "list", "element-id": id + 1, "element": "fixed[4]", "element-required": false }),
                json!({ "type": "map", "key-id": id + 1, "key": "uuid", "value-id": id + 2, "value": "time",
                        "value-required": false }),
            ];
            fields.push(optional(id, &format!("n{id}"), kind[(id as usize - 400) / 10].clone()));
        }
        metadata["schemas"].as_array_mut().expect("schemas").push(schema);
        metadata["current-schema-id"] = 1.into();
        metadata["last-column-id"] = 500.into();
    })
    .await;
    let loaded = load(&aws).await;
    let new = arrow(&loaded);
    let new_ids = anything::ids(new.fields());
    let loaded = append(&loaded, anything::rows(&new, 30..40, &new_ids)).await;
    let (after, done) = compact(loaded, &Policy { min_files: 2, ..Policy::default() }, false).await.expect("compacted");
    assert_eq!((done.failed.clone(), done.unsuited.clone()), (Vec::new(), Vec::new()));
    assert_eq!((done.replaced, done.written), (4, 1));
    let expected = [anything::rows(&new, 0..30, &old_ids), anything::rows(&new, 30..40, &new_ids)];
    let text = |rows: &[RecordBatch]| pretty_format_batches(rows).expect("a table").to_string();
    assert_eq!(text(&read(&after).await), text(&expected));
}

/// A file that another engine wrote, with columns of these names, field ids and values; the rows that the table is told.
async fn others(loaded: &LoadedTable, name: &str, columns: Vec<(&str, Option<i32>, ArrayRef)>, rows: u64) -> DataFile {
    let fields = columns.iter().map(|(name, id, values)| {
        let metadata = id.map(|id| ("PARQUET:field_id".to_owned(), id.to_string()));
        Field::new(*name, values.data_type().clone(), true).with_metadata(metadata.into_iter().collect())
    });
    let schema = Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, _, values)| values).collect();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema.clone(), None).expect("a writer");
    writer.write(&RecordBatch::try_new(schema, columns).expect("rows")).expect("written");
    writer.close().expect("closed");
    file(loaded, name, bytes, rows).await
}

async fn file(loaded: &LoadedTable, name: &str, bytes: Vec<u8>, rows: u64) -> DataFile {
    let path = format!("{}/data/{name}.parquet", loaded.table.metadata().location());
    let size = bytes.len() as u64;
    loaded.table.file_io().new_output(&path).expect("a file").write(bytes.into()).await.expect("written");
    let mut file = DataFileBuilder::default();
    file.content(DataContentType::Data).file_path(path).file_format(DataFileFormat::Parquet).record_count(rows);
    file.file_size_in_bytes(size).partition(Struct::empty()).partition_spec_id(0).build().expect("a data file")
}

#[tokio::test]
async fn what_cant_be_read_exactly_is_left_alone_and_the_rest_goes_on() {
    let (fake, aws) = Fake::start().await;
    let fields = [("n", "int"), ("text", "string"), ("at", "timestamp"), ("price", "decimal(9, 2)")];
    let mut fields: Vec<Value> =
        fields.iter().zip(2..).map(|((name, kind), id)| optional(id, name, json!(kind))).collect();
    fields.insert(0, json!({ "id": 1, "name": "id", "required": true, "type": "long" }));
    let loaded = table(&aws, json!(fields)).await;
    let id = || ("id", Some(1), Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef);
    let n = |values: ArrayRef| vec![id(), ("n", Some(2), values)];
    let text = |values: ArrayRef| vec![id(), ("text", Some(3), values)];
    let at = |values: ArrayRef| vec![id(), ("at", Some(4), values)];
    let price = |scale| {
        let values = Decimal128Array::from(vec![1, 2]).with_precision_and_scale(9, scale).expect("a decimal");
        vec![id(), ("price", Some(5), Arc::new(values) as ArrayRef)]
    };
    let odd: BTreeMap<&str, Vec<(&str, Option<i32>, ArrayRef)>> = BTreeMap::from([
        ("a wider integer", n(Arc::new(Int64Array::from(vec![1 << 40, 2])))),
        ("an unsigned integer", n(Arc::new(UInt32Array::from(vec![u32::MAX, 2])))),
        ("text without its annotation", text(Arc::new(BinaryArray::from(vec![&b"\xff\xfe"[..], b"b"])))),
        ("milliseconds", at(Arc::new(TimestampMillisecondArray::from(vec![1, 2])))),
        ("nanoseconds", at(Arc::new(TimestampNanosecondArray::from(vec![1, 2])))),
        (
            "an instant with a zone",
            at(Arc::new(arrow_array::TimestampMicrosecondArray::from(vec![1, 2]).with_timezone_utc())),
        ),
        ("another scale", price(3)),
        ("no field ids", vec![("id", None, id().2), ("n", None, Arc::new(Int32Array::from(vec![1, 2])))]),
        ("one field without an id", vec![id(), ("n", None, Arc::new(Int32Array::from(vec![1, 2])))]),
        ("one id twice", vec![id(), ("n", Some(2), id().2), ("m", Some(2), id().2)]),
        ("no required column", vec![("n", Some(2), Arc::new(Int32Array::from(vec![1, 2])))]),
        ("nulls in a required column", vec![("id", Some(1), Arc::new(Int64Array::from(vec![Some(1), None])))]),
    ]);
    let mut files = Vec::new();
    for (name, columns) in odd {
        files.push(others(&loaded, &name.replace(' ', "_"), columns, 2).await);
    }
    files.push(others(&loaded, "fewer_rows", vec![id()], 3).await);
    files.push(file(&loaded, "no_parquet", b"no Parquet at all ".repeat(50), 2).await);
    let odd: HashSet<String> = files.iter().map(|file| file.file_path().to_owned()).collect();
    // Another engine's too, but as they should be: names differ, the order as well, and one knows a column that is gone.
    for number in 0..5 {
        let text = Arc::new(StringArray::from(vec![format!("{number}"), "x".to_owned()])) as ArrayRef;
        let gone = ("gone", Some(99), Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef);
        files.push(others(&loaded, &format!("good_{number}"), vec![("words", Some(3), text), gone, id()], 2).await);
    }
    let loaded = loaded.commit(Change { files, ..Change::default() }).await.expect("committed");
    let known = Known::default();
    let compact = |loaded, known: Known| async move {
        lakewright_lake::maintain::compact(loaded, &Policy::default(), &known, false).await.expect("compacted")
    };
    let (after, done) = compact(loaded, known.clone()).await;
    let expected = (5, 1, odd.len() as u64, Vec::<String>::new());
    assert_eq!((done.replaced, done.written, done.skipped.unsuited, done.failed), expected, "{:?}", done.unsuited);
    assert!(done.unsuited.len() == 3 && done.unsuited[0].contains("/data/"), "{:?}", done.unsuited);
    let left: HashSet<String> = paths(&after).await.into_iter().collect();
    assert!(odd.is_subset(&left) && left.len() == odd.len() + 1);
    let written = left.difference(&odd).next().expect("the new file").clone();
    let bytes = after.table.file_io().new_input(written).expect("a file").read().await.expect("bytes");
    let rows = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet").build().expect("a reader");
    let rows: Vec<RecordBatch> = rows.map(|rows| rows.expect("rows")).collect();
    let shown = pretty_format_batches(&rows).expect("a table").to_string();
    assert_eq!(shown.lines().nth(3), Some("| 7  |   | 0    |    |       |"), "{shown}");
    assert_eq!(shown.lines().count(), 14, "{shown}");

    // They aren't opened again: not even that they are gone is seen.
    for path in &odd {
        fake.remove(&path.replace("s3:/", ""));
    }
    let (after, again) = compact(after, known).await;
    assert_eq!((again.replaced, again.skipped.unsuited, again.failed.len()), (0, odd.len() as u64, 0));
    // Whoever doesn't know them says so of each, and goes on.
    for number in 5..9 {
        let files = vec![others(&after, &format!("good_{number}"), vec![id()], 2).await];
        load(&aws).await.commit(Change { files, ..Change::default() }).await.expect("committed");
    }
    let (_, done) = compact(load(&aws).await, Known::default()).await;
    assert_eq!((done.replaced, done.written, done.failed.len()), (5, 1, odd.len()), "{:?}", done.failed);
}

#[tokio::test]
async fn the_value_of_a_partition_isnt_lost_where_the_file_lacks_it() {
    let (_, aws) = Fake::start().await;
    let fields = [("id", PrimitiveType::Long), ("kind", PrimitiveType::Int)];
    let fields = fields
        .into_iter()
        .zip(1..)
        .map(|((name, kind), id)| Arc::new(NestedField::optional(id, name, iceberg::spec::Type::Primitive(kind))));
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    let spec = iceberg::spec::UnboundPartitionSpec::builder();
    let spec = spec.add_partition_field(2, "kind", iceberg::spec::Transform::Identity).expect("a field").build();
    let place = "s3://bucket/raw/sales";
    let loaded = create_table(&aws, "raw", "sales", place, schema, Some(spec)).await.expect("created");
    let mut files = Vec::new();
    for number in 0..5 {
        let columns = vec![("id", Some(1), Arc::new(Int64Array::from(vec![7, 8])) as ArrayRef)];
        let file = others(&loaded, &format!("f{number}"), columns, 2).await;
        let mut in_partition = DataFileBuilder::default();
        in_partition.content(DataContentType::Data).file_path(file.file_path().to_owned());
        in_partition.file_format(DataFileFormat::Parquet).record_count(2).file_size_in_bytes(file.file_size_in_bytes());
        in_partition.partition(Struct::from_iter([Some(iceberg::spec::Literal::int(4))])).partition_spec_id(0);
        files.push(in_partition.build().expect("a data file"));
    }
    let loaded = loaded.commit(Change { files, ..Change::default() }).await.expect("committed");
    let (_, done) = compact(loaded, &Policy::default(), false).await.expect("compacted");
    assert_eq!((done.replaced, done.skipped.unsuited), (0, 5), "{:?}", done.unsuited);
}

#[tokio::test]
async fn another_tables_metadata_is_recognised_while_it_is_young() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    sales::append(&aws, &[1]).await;
    fake.put("/bucket/raw/sales/data/theirs.parquet", "x");
    fake.make_old();
    let other = json!({ "location": "s3://bucket/raw/sales", "table-uuid": "00000000-0000-4000-8000-000000000001" });
    let other = other.to_string();
    let output = load(&aws).await.table.file_io().new_output("s3://bucket/raw/sales/metadata/00000-b.metadata.json");
    output.expect("a file").write(other.into()).await.expect("written");
    let safe = Policy { orphans_age_ms: Some(3_600_000), ..Policy::default() };
    let now = chrono::Utc::now().timestamp_millis();
    let done = remove_orphans(&load(&aws).await, &safe, now, false).await.expect("refused");
    assert!(done.refused.expect("a reason").contains("00000-b.metadata.json is another table's"));
    assert_eq!(fake.keys("theirs.parquet").len(), 1);
}

/// The map of offsets as the nearest ancestor of a snapshot has it.
fn offsets(loaded: &LoadedTable, snapshot: i64) -> Option<String> {
    let metadata = loaded.table.metadata();
    let mut next = metadata.snapshot_by_id(snapshot);
    while let Some(snapshot) = next {
        if let Some(said) = snapshot.summary().additional_properties.get("lakewright.offsets") {
            return Some(said.clone());
        }
        next = snapshot.parent_snapshot_id().and_then(|parent| metadata.snapshot_by_id(parent));
    }
    None
}

#[tokio::test]
async fn what_says_the_offsets_outlives_what_other_engines_append() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    let mut ids = Vec::new();
    for (id, said) in [(0, Some("a")), (1, None), (2, Some("c")), (3, None), (4, None)] {
        let loaded = load(&aws).await;
        let summary = said.map(|said| ("lakewright.offsets".to_owned(), said.to_owned())).into_iter().collect();
        let change = Change { files: sales::files(&loaded, &[id]).await, summary, ..Change::default() };
        ids.push(loaded.commit(change).await.expect("committed").table.metadata().current_snapshot_id().expect("one"));
    }
    // A tag keeps a snapshot of another engine: what its rows stand for is kept with it.
    edit(&fake, &load(&aws).await, |metadata| {
        metadata["refs"]["v1"] = json!({ "type": "tag", "snapshot-id": ids[1] });
        metadata["properties"]["history.expire.max-snapshot-age-ms"] = "0".into();
    })
    .await;
    let kept = |loaded: &LoadedTable| -> Vec<usize> {
        (0..5).filter(|place| loaded.table.metadata().snapshot_by_id(ids[*place]).is_some()).collect()
    };
    // A commit that lets snapshots go by the table's own properties.
    let loaded = load(&aws).await;
    let files = sales::files(&loaded, &[5]).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let loaded = loaded.commit(Change { files, ..Change::default() }).await.expect("committed");
    let current = loaded.table.metadata().current_snapshot_id().expect("one");
    assert_eq!((offsets(&loaded, current).as_deref(), offsets(&loaded, ids[1]).as_deref()), (Some("c"), Some("a")));
    // Maintenance says it again, and lets go what is old.
    let (after, done) = expire(loaded, &at_once(), later(), false).await.expect("expired");
    let current = after.table.metadata().current_snapshot().expect("one");
    assert_eq!(current.summary().additional_properties["lakewright.offsets"], "c");
    assert_eq!((kept(&after), offsets(&after, ids[1]).as_deref()), (vec![0, 1], Some("a")));
    assert_eq!((done.kept, after.table.metadata().snapshots().len()), (3, 3));
    assert_eq!(sales::rows(&after, None).await, [0, 1, 2, 3, 4, 5]);
    // That was all.
    let sequence = after.table.metadata().last_sequence_number();
    let (after, _) = expire(after, &at_once(), later(), false).await.expect("expired");
    assert_eq!(after.table.metadata().last_sequence_number(), sequence);
}
