//! What data files say of their columns, held against their rows.

use std::sync::Arc;

use crate::support::Fake;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, LargeBinaryArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow_schema::DataType;
use iceberg::arrow::{arrow_struct_to_literal, schema_to_arrow_schema};
use iceberg::spec::{
    DataFile, ListType, Literal, NestedField, NestedFieldRef, PrimitiveLiteral, PrimitiveType, Schema, Struct,
    StructType, Transform, Type, UnboundPartitionSpec,
};
use lakewright_lake::{LoadedTable, TableWriter, create_table};

const DAY: i64 = 86_400_000_000;
/// Rows of a row group.
const GROUP: usize = 16;
const ROWS: usize = 20 * GROUP;

fn decimal(precision: u32, scale: u32) -> PrimitiveType {
    PrimitiveType::Decimal { precision, scale }
}

/// A column of every type, then a struct and a list.
fn every_type() -> Schema {
    use PrimitiveType as Kind;
    let kinds = [
        Kind::Boolean,
        Kind::Int,
        Kind::Long,
        Kind::Float,
        Kind::Double,
        decimal(9, 2),
        decimal(18, 4),
        decimal(38, 10),
        Kind::Date,
        Kind::Time,
        Kind::Timestamp,
        Kind::Timestamptz,
        Kind::String,
        Kind::String,
        Kind::Uuid,
        Kind::Fixed(4),
        Kind::Fixed(20),
        Kind::Binary,
    ];
    let mut fields: Vec<NestedFieldRef> = Vec::new();
    for (kind, id) in kinds.into_iter().zip(1..) {
        fields.push(NestedField::optional(id, format!("c{id}"), Type::Primitive(kind)).into());
    }
    let inner = vec![
        NestedField::optional(101, "name", Type::Primitive(Kind::String)).into(),
        NestedField::optional(102, "ratio", Type::Primitive(Kind::Double)).into(),
    ];
    fields.push(NestedField::optional(19, "inner", Type::Struct(StructType::new(inner))).into());
    let element = NestedField::list_element(103, Type::Primitive(Kind::String), false).into();
    fields.push(NestedField::optional(20, "list", Type::List(ListType::new(element))).into());
    Schema::builder().with_fields(fields).build().expect("a schema")
}

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Values of a column: of the rows of a group none, all or some are null.
    fn column<T>(&mut self, mut value: impl FnMut(&mut Self, usize) -> T) -> Vec<Option<T>> {
        let mut values = Vec::new();
        for row in 0..ROWS {
            let filled = match row / GROUP % 4 {
                0 => true,
                1 => false,
                _ => self.below(3) > 0,
            };
            values.push(filled.then(|| value(self, row)));
        }
        values
    }

    fn text(&mut self) -> String {
        let character = ['a', 'k', 'z', 'é', '\u{d7ff}', '\u{ffff}', '😀'][self.below(7) as usize];
        let length = [0, 1, 15, 16, 17, 40, 90][self.below(7) as usize];
        format!("{}{}", "b".repeat(self.below(3) as usize), character.to_string().repeat(length))
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let first = self.next() as u8;
        (0..length)
            .map(|place| if place == 0 { first } else { [0xff, 0xff, 0xff, 7][self.below(4) as usize] })
            .collect()
    }

    fn float(&mut self, row: usize) -> f64 {
        // The values of one group are all NaN.
        if row / GROUP == 2 {
            return f64::NAN;
        }
        [f64::NAN, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, -1.5, 1e300, self.next() as f64][self.below(8) as usize]
    }
}

fn every_column(schema: &Schema, numbers: &mut Numbers) -> Vec<ArrayRef> {
    let arrow = schema_to_arrow_schema(schema).expect("Arrow");
    let field = |name: &str| arrow.field_with_name(name).expect("a field").data_type().clone();
    let decimals = |values: Vec<Option<i128>>, precision, scale| {
        Decimal128Array::from(values).with_precision_and_scale(precision, scale).expect("a decimal")
    };
    let fixed = |values: Vec<Option<Vec<u8>>>, length| {
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), length).expect("bytes")
    };
    let long = |n: &mut Numbers| n.next() as i64;
    let wide = |n: &mut Numbers| i128::from(n.next() as i64) * 1_000_000_000_000;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(numbers.column(|_, row| row / GROUP == 3))),
        Arc::new(Int32Array::from(numbers.column(|n, _| n.next() as i32))),
        Arc::new(Int64Array::from(numbers.column(|n, _| long(n)))),
        Arc::new(Float32Array::from(numbers.column(|n, row| n.float(row) as f32))),
        Arc::new(Float64Array::from(numbers.column(Numbers::float))),
        Arc::new(decimals(numbers.column(|n, _| i128::from(long(n) % 1_000_000_000)), 9, 2)),
        Arc::new(decimals(numbers.column(|n, _| i128::from(long(n) % 1_000_000_000_000_000_000)), 18, 4)),
        Arc::new(decimals(numbers.column(|n, _| wide(n)), 38, 10)),
        Arc::new(Date32Array::from(numbers.column(|n, _| (long(n) % 1_000_000) as i32))),
        Arc::new(Time64MicrosecondArray::from(numbers.column(|n, _| n.below(DAY as u64) as i64))),
        Arc::new(TimestampMicrosecondArray::from(numbers.column(|n, _| long(n)))),
        Arc::new(TimestampMicrosecondArray::from(numbers.column(|n, _| long(n) % DAY)).with_timezone("+00:00")),
        Arc::new(StringArray::from(numbers.column(|n, _| n.text()))),
        Arc::new(StringArray::from(numbers.column(|n, row| {
            // One long value in the last group, above all others.
            if row + 1 == ROWS { "zz".repeat(40) } else { format!("k{}", n.below(1_000)) }
        }))),
        Arc::new(fixed(
            numbers.column(|n, row| {
                let mut uuid = n.next().to_be_bytes().to_vec();
                // All first halves have one sign, so that there are bounds; the second halves have both.
                uuid[0] = 1 + (row % 100) as u8;
                uuid.extend(n.next().to_be_bytes());
                uuid
            }),
            16,
        )),
        Arc::new(fixed(numbers.column(|n, _| n.bytes(4)), 4)),
        Arc::new(fixed(numbers.column(|n, _| n.bytes(20)), 20)),
        Arc::new(
            numbers
                .column(|n, _| {
                    let length = n.below(40);
                    n.bytes(length as usize)
                })
                .into_iter()
                .collect::<LargeBinaryArray>(),
        ),
    ];
    let DataType::Struct(inner) = field("inner") else { panic!("a struct") };
    let present = Int32Array::from(numbers.column(|_, _| 0));
    // What lies under a null struct doesn't count.
    let ratios: Vec<Option<f64>> =
        (0..ROWS).map(|row| Some(if present.is_null(row) { f64::NAN } else { numbers.float(row) })).collect();
    let names: Vec<Option<String>> = numbers.column(|n, _| n.text());
    let values: Vec<ArrayRef> = vec![Arc::new(StringArray::from(names)), Arc::new(Float64Array::from(ratios))];
    columns.push(Arc::new(StructArray::new(inner, values, present.nulls().cloned())));
    let DataType::List(element) = field("list") else { panic!("a list") };
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(element);
    for row in 0..ROWS {
        for _ in 0..row % 3 {
            list.values().append_value(numbers.text());
        }
        list.append(row % 5 > 0);
    }
    columns.push(Arc::new(list.finish()));
    columns
}

/// The values of a leaf column, `None` for nulls and below nulls.
fn leaves(rows: &[Struct], path: &[usize]) -> Vec<Option<PrimitiveLiteral>> {
    let leaf = |row: &Struct| match (&row[path[0]], path.get(1)) {
        (Some(Literal::Struct(inner)), Some(index)) => inner[*index].clone(),
        (value, _) => value.clone(),
    };
    rows.iter().map(|row| leaf(row).map(|value| value.as_primitive_literal().expect("a primitive"))).collect()
}

/// Iceberg's order, in which a negative zero is below a positive one; the crate's literals take both for equal.
fn is_at_most(low: &PrimitiveLiteral, high: &PrimitiveLiteral) -> bool {
    match (low, high) {
        (PrimitiveLiteral::Double(low), PrimitiveLiteral::Double(high)) => low.0.total_cmp(&high.0).is_le(),
        (PrimitiveLiteral::Float(low), PrimitiveLiteral::Float(high)) => low.0.total_cmp(&high.0).is_le(),
        (low, high) => low <= high,
    }
}

fn hold(file: &DataFile, id: i32, rows: &[Option<PrimitiveLiteral>]) {
    let values: Vec<&PrimitiveLiteral> = rows.iter().flatten().collect();
    let nans = values.iter().filter(|value| value.is_nan()).count();
    assert_eq!(file.value_counts()[&id], rows.len() as u64, "values of {id}");
    assert_eq!(file.null_value_counts()[&id], (rows.len() - values.len()) as u64, "nulls of {id}");
    assert_eq!(file.nan_value_counts().get(&id).copied().unwrap_or(0), nans as u64, "NaN of {id}");
    let (lower, upper) = (file.lower_bounds().get(&id), file.upper_bounds().get(&id));
    for value in values.into_iter().filter(|value| !value.is_nan()) {
        if let Some(lower) = lower {
            assert!(is_at_most(lower.literal(), value), "the lower bound of {id}, {lower:?}, is above {value:?}");
        }
        if let Some(upper) = upper {
            assert!(is_at_most(value, upper.literal()), "the upper bound of {id}, {upper:?}, is below {value:?}");
        }
        if let (PrimitiveLiteral::UInt128(value), Some(lower), Some(upper)) = (value, lower, upper) {
            let signed = |bound: &PrimitiveLiteral| match bound {
                PrimitiveLiteral::UInt128(bound) => ((bound >> 64) as i64, *bound as i64),
                other => panic!("{other:?} is no UUID"),
            };
            let value = signed(&PrimitiveLiteral::UInt128(*value));
            assert!(signed(lower.literal()) <= value && value <= signed(upper.literal()), "UUIDs in Java's order");
        }
    }
    for bound in [lower, upper].into_iter().flatten() {
        assert!(!bound.is_nan(), "a bound of {id} is NaN");
        match bound.literal() {
            PrimitiveLiteral::String(text) => assert!(text.chars().count() <= 16, "{text}"),
            PrimitiveLiteral::Binary(bytes) => assert!(bytes.len() <= 16, "{bytes:?}"),
            _ => {}
        }
    }
}

async fn written(table: &LoadedTable, batch: RecordBatch) -> Vec<DataFile> {
    let mut writer = TableWriter::with_row_groups(table, &[], GROUP).expect("a writer");
    writer.write(batch).await.expect("written");
    writer.close().await.expect("closed")
}

#[tokio::test]
async fn statistics_hold_for_every_row_of_every_type() {
    for seed in 1..6_u64 {
        let (_, aws) = Fake::start().await;
        let table = create_table(&aws, "raw", "all", "s3://bucket/raw/all", every_type(), None).await.expect("created");
        let schema = table.table.metadata().current_schema().clone();
        let columns = every_column(&schema, &mut Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let batch = RecordBatch::try_new(Arc::new(schema_to_arrow_schema(&schema).expect("Arrow")), columns);
        let batch = batch.expect("a batch");
        let files = written(&table, batch.clone()).await;
        assert_eq!(files.len(), 1);
        let file = &files[0];
        assert_eq!((file.record_count(), file.split_offsets().map(<[i64]>::len)), (ROWS as u64, Some(ROWS / GROUP)));
        let rows: ArrayRef = Arc::new(StructArray::from(batch));
        let rows: Vec<Struct> = arrow_struct_to_literal(&rows, schema.as_struct())
            .expect("literals")
            .into_iter()
            .map(|row| if let Some(Literal::Struct(row)) = row { row } else { panic!("a row") })
            .collect();
        for (index, field) in schema.as_struct().fields().iter().enumerate() {
            match field.field_type.as_ref() {
                Type::Struct(inner) => {
                    for (place, leaf) in inner.fields().iter().enumerate() {
                        hold(file, leaf.id, &leaves(&rows, &[index, place]));
                    }
                }
                Type::Primitive(kind) => {
                    hold(file, field.id, &leaves(&rows, &[index]));
                    // Only the text whose greatest value has no other of 16 characters above it may lack a bound.
                    let bounded =
                        file.lower_bounds().contains_key(&field.id) && file.upper_bounds().contains_key(&field.id);
                    assert!(bounded || matches!(kind, PrimitiveType::Fixed(20) | PrimitiveType::Binary), "{field:?}");
                }
                Type::List(list) => assert!(!file.lower_bounds().contains_key(&list.element_field.id)),
                Type::Map(_) => panic!("there is none"),
            }
        }
    }
}

/// A table of two columns of floating numbers, sorted by nothing, with what partitions it.
async fn numbers_of(partition: Option<UnboundPartitionSpec>) -> LoadedTable {
    let fields = [(1, "single", PrimitiveType::Float), (2, "double", PrimitiveType::Double)];
    let fields = fields.map(|(id, name, kind)| NestedField::optional(id, name, Type::Primitive(kind)).into());
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    let (_, aws) = Fake::start().await;
    create_table(&aws, "raw", "numbers", "s3://bucket/raw/numbers", schema, partition).await.expect("created")
}

fn numbers_batch(table: &LoadedTable, values: &[Option<f64>]) -> RecordBatch {
    let schema = schema_to_arrow_schema(table.table.metadata().current_schema()).expect("Arrow");
    let single = values.iter().map(|value| value.map(|value| value as f32)).collect::<Float32Array>();
    let double = values.iter().copied().collect::<Float64Array>();
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(single), Arc::new(double)]).expect("a batch")
}

#[tokio::test]
async fn zeros_of_both_signs_lie_within_the_bounds_and_nan_beside_them() {
    let full = |value: f64| vec![Some(value); GROUP];
    let table = numbers_of(None).await;
    for (groups, low, high) in [
        (vec![full(0.0), full(-0.0)], Some(-0.0), Some(0.0)),
        (vec![full(-0.0), full(0.0)], Some(-0.0), Some(0.0)),
        (vec![full(f64::NAN), full(-0.0), full(1.0)], Some(-0.0), Some(1.0)),
        (vec![full(-f64::NAN), full(-1.0), full(f64::INFINITY)], Some(-1.0), Some(f64::INFINITY)),
        (vec![full(f64::NAN), vec![None; GROUP]], None, None),
        (vec![full(f64::NEG_INFINITY), full(0.0)], Some(f64::NEG_INFINITY), Some(0.0)),
    ] {
        let values = groups.concat();
        let files = written(&table, numbers_batch(&table, &values)).await;
        let [file] = files.as_slice() else { panic!("one file: {files:?}") };
        for id in [1, 2] {
            let nans = values.iter().flatten().filter(|value| value.is_nan()).count() as u64;
            assert_eq!(file.nan_value_counts().get(&id).copied(), Some(nans), "{id} of {groups:?}");
            let bound = |bounds: &std::collections::HashMap<i32, iceberg::spec::Datum>| {
                bounds.get(&id).map(|bound| match bound.literal() {
                    PrimitiveLiteral::Float(value) => f64::from(value.0).to_bits(),
                    PrimitiveLiteral::Double(value) => value.0.to_bits(),
                    other => panic!("{other:?} is no floating number"),
                })
            };
            let bounds = (bound(file.lower_bounds()), bound(file.upper_bounds()));
            assert!(values.iter().flatten().all(|value| value.is_nan() || {
                let between = |bits: Option<u64>| f64::from_bits(bits.expect("a bound"));
                between(bounds.0).total_cmp(value).is_le() && between(bounds.1).total_cmp(value).is_ge()
            }));
            assert_eq!(bounds, (low.map(f64::to_bits), high.map(f64::to_bits)), "{id} of {groups:?}");
        }
    }
}

#[tokio::test]
async fn a_table_is_partitioned_by_floating_numbers_as_iceberg_tells_them_apart() {
    let spec = UnboundPartitionSpec::builder().add_partition_field(2, "double", Transform::Identity);
    let table = numbers_of(Some(spec.expect("a field").build())).await;
    let values = [Some(0.0), Some(-0.0), Some(f64::NAN), None, Some(-f64::NAN), Some(0.0), Some(f64::INFINITY)];
    let files = written(&table, numbers_batch(&table, &values)).await;
    let mut found: Vec<(String, u64)> = files
        .iter()
        .map(|file| {
            let value = match &file.partition()[0] {
                Some(Literal::Primitive(PrimitiveLiteral::Double(value))) => format!("{:?}", value.0),
                other => format!("{other:?}"),
            };
            let (_, folder) = file.file_path().split_once("/double=").expect("a folder of the partition");
            (format!("{value} in {}", folder.split('/').next().expect("its name")), file.record_count())
        })
        .collect();
    found.sort();
    let expected =
        [("-0.0 in -0.0", 1), ("0.0 in 0.0", 2), ("NaN in NaN", 2), ("None in null", 1), ("inf in Infinity", 1)];
    assert_eq!(found, expected.map(|(value, rows)| (value.to_owned(), rows)));
}
