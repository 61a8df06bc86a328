//! Dividing rows by a table's partition spec.
//!
//! The Iceberg crate's transforms are used where they are right. Its day of a time before 1970 is a day late in the
//! last second of each day (apache/iceberg-rust, `Day::day_timestamp_micro`: rounds toward zero), its years and months
//! end with chrono's, and it truncates no `LargeBinary`, which is the type that it gives to binary columns
//! (apache/iceberg-rust, `Truncate::transform`). Its literals take negative and positive zero for equal
//! (apache/iceberg-rust, `PrimitiveLiteral`, which compares by `OrderedFloat`), which Iceberg orders.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, LargeBinaryArray, PrimitiveArray, RecordBatch, StructArray, UInt32Array};
use arrow_schema::{DataType, Fields, TimeUnit};
use arrow_select::take::take_record_batch;
use iceberg::arrow::record_batch_projector::RecordBatchProjector;
use iceberg::arrow::{arrow_struct_to_literal, type_to_arrow_type};
use iceberg::spec::{
    Literal, PartitionKey, PartitionSpecRef, PrimitiveLiteral, PrimitiveType, SchemaRef, Struct, StructType, Transform,
    Type,
};
use iceberg::transform::create_transform_function;

use crate::calendar::{self, HOUR};

/// A partition by its value. Negative and positive zero are two partitions, for readers take a column that a table is
/// partitioned by from the partition, and leave out the files of all others.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Partition(pub(crate) Struct);

impl PartialEq for Partition {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
            && self.0.iter().zip(other.0.iter()).all(|(one, two)| is_negative_zero(one) == is_negative_zero(two))
    }
}

impl Hash for Partition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

fn is_negative_zero(value: Option<&Literal>) -> bool {
    match value {
        Some(Literal::Primitive(PrimitiveLiteral::Double(value))) => value.0 == 0.0 && value.is_sign_negative(),
        Some(Literal::Primitive(PrimitiveLiteral::Float(value))) => value.0 == 0.0 && value.is_sign_negative(),
        _ => false,
    }
}

/// Divides batches by partition.
pub(crate) struct Partitioner {
    schema: SchemaRef,
    spec: PartitionSpecRef,
    kind: StructType,
    /// Of a partitioned table: the columns that its partitions come from, and the partition's Arrow fields.
    sources: Option<(RecordBatchProjector, Fields)>,
}

impl Partitioner {
    /// For the rows of a schema.
    ///
    /// # Errors
    /// The spec doesn't fit the schema.
    pub(crate) fn new(schema: SchemaRef, spec: PartitionSpecRef) -> anyhow::Result<Self> {
        let kind = spec.partition_type(&schema).context("read the partition spec")?;
        for (field, part) in spec.fields().iter().zip(kind.fields()) {
            if field.transform == Transform::Unknown {
                anyhow::bail!(
                    "the table is partitioned by {} with a transform that isn't known here; partition it by a column or its \
                     year, month, day, hour, bucket or truncation",
                    field.name
                );
            }
            // apache/iceberg-rust, `SchemaToAvroSchema`: its manifests take UUIDs as text, and so take none.
            if matches!(*part.field_type, Type::Primitive(PrimitiveType::Uuid)) && field.transform != Transform::Void {
                anyhow::bail!(
                    "the table is partitioned by {} itself, a UUID, which can't be written; partition it by a bucket \
                     of it instead",
                    field.name
                );
            }
        }
        let sources = if spec.is_unpartitioned() {
            None
        } else {
            let ids: Vec<i32> = spec.fields().iter().map(|field| field.source_id).collect();
            let columns = RecordBatchProjector::from_iceberg_schema(schema.clone(), &ids)
                .context("find the columns that the table is partitioned by")?;
            let DataType::Struct(fields) = type_to_arrow_type(&Type::Struct(kind.clone()))? else {
                anyhow::bail!("the partition's type is no struct: this is a bug in lakewright");
            };
            Some((columns, fields))
        };
        Ok(Self { schema, spec, kind, sources })
    }

    /// The spec.
    pub(crate) fn spec(&self) -> &PartitionSpecRef {
        &self.spec
    }

    /// The rows of a batch by partition.
    ///
    /// # Errors
    /// The batch doesn't fit the schema.
    pub(crate) fn split(&self, batch: RecordBatch) -> anyhow::Result<Vec<(PartitionKey, RecordBatch)>> {
        let Some((columns, fields)) = &self.sources else {
            // A spec whose fields were all dropped (`void`) still has them, without values.
            let nothing: Struct = self.kind.fields().iter().map(|_| None).collect();
            return Ok(vec![(self.key(nothing), batch)]);
        };
        let sources = columns.project_column(batch.columns())?;
        let values = self.spec.fields().iter().zip(&sources);
        let values: Vec<ArrayRef> =
            values.map(|(field, source)| transformed(field.transform, source)).collect::<anyhow::Result<_>>()?;
        let values: ArrayRef = Arc::new(StructArray::try_new(fields.clone(), values, None)?);
        // Rows that came in together mostly belong to one partition; looking is much cheaper than splitting.
        if is_constant(&values)
            && let Some(value) = self.partitions(&values.slice(0, 1))?.into_iter().next()
        {
            return Ok(vec![(self.key(value), batch)]);
        }
        let mut rows: HashMap<Partition, Vec<u32>> = HashMap::new();
        for (row, value) in (0..).zip(self.partitions(&values)?) {
            rows.entry(Partition(value)).or_default().push(row);
        }
        rows.into_iter()
            .map(|(Partition(value), rows)| Ok((self.key(value), take_record_batch(&batch, &UInt32Array::from(rows))?)))
            .collect()
    }

    fn partitions(&self, values: &ArrayRef) -> anyhow::Result<Vec<Struct>> {
        let literals = arrow_struct_to_literal(values, &self.kind)?;
        let structs = literals.into_iter().map(|literal| match literal {
            Some(Literal::Struct(value)) => Ok(value),
            _ => anyhow::bail!("a partition's value is no struct: this is a bug in lakewright"),
        });
        structs.collect()
    }

    fn key(&self, value: Struct) -> PartitionKey {
        PartitionKey::new(self.spec.as_ref().clone(), self.schema.clone(), value)
    }
}

/// The partition values of a column.
pub(crate) fn transformed(transform: Transform, source: &ArrayRef) -> anyhow::Result<ArrayRef> {
    // From microseconds, and from days.
    let periods: Option<(fn(i64) -> i64, fn(i64) -> i64)> = match transform {
        Transform::Year => Some((|micros| calendar::years(calendar::day(micros)), calendar::years)),
        Transform::Month => Some((|micros| calendar::months(calendar::day(micros)), calendar::months)),
        Transform::Day => Some((calendar::day, |day| day)),
        Transform::Hour => Some((|micros| micros.div_euclid(HOUR), |day| day * 24)),
        _ => None,
    };
    if let Some((of_micros, of_days)) = periods {
        // Iceberg's periods have 32 bits: hours end in the year 246953.
        let short = |period: i64| period.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        let numbers: PrimitiveArray<Int32Type> = match source.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                source.as_primitive::<TimestampMicrosecondType>().unary(|micros| short(of_micros(micros)))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                source.as_primitive::<TimestampNanosecondType>().unary(|nanos| short(of_micros(nanos.div_euclid(1000))))
            }
            DataType::Date32 => source.as_primitive::<Date32Type>().unary(|day| short(of_days(day.into()))),
            other => anyhow::bail!("a column of the Arrow type {other} can't be partitioned by {transform}"),
        };
        return Ok(match transform {
            Transform::Day => Arc::new(numbers.reinterpret_cast::<Date32Type>()),
            _ => Arc::new(numbers),
        });
    }
    if let (Transform::Truncate(width), Some(bytes)) = (transform, source.as_binary_opt::<i64>()) {
        let width = width as usize;
        let cut = bytes.iter().map(|value| value.map(|value| &value[..value.len().min(width)]));
        return Ok(Arc::new(cut.collect::<LargeBinaryArray>()));
    }
    Ok(create_transform_function(&transform)?.transform(source.clone())?)
}

/// Whether all rows of a struct array are the same, judged by the bytes of its columns; `false` when it isn't known.
fn is_constant(values: &ArrayRef) -> bool {
    let Some(values) = values.as_struct_opt() else { return false };
    values.columns().iter().all(|column| {
        let data = column.to_data();
        if data.null_count() > 0 {
            return data.null_count() == data.len();
        }
        let Some(width) = column.data_type().primitive_width() else { return false };
        let bytes = &data.buffers()[0].as_slice()[data.offset() * width..(data.offset() + data.len()) * width];
        bytes.chunks_exact(width).all(|value| value == &bytes[..width])
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, TimestampMicrosecondArray, TimestampNanosecondArray};

    use super::*;
    use crate::calendar::DAY;

    const SECOND: i64 = 1_000_000;
    /// 1969-12-30T23:59:59.5Z.
    const LATE: i64 = -86_400 * SECOND - SECOND / 2;
    /// 0000-02-29T12:00Z.
    const YEAR_0: i64 = -719_469 * DAY + DAY / 2;

    fn numbers(transform: Transform, source: ArrayRef) -> Vec<Option<i32>> {
        let values = transformed(transform, &source).unwrap();
        match values.data_type() {
            DataType::Date32 => values.as_primitive::<Date32Type>().iter().collect(),
            _ => values.as_primitive::<Int32Type>().iter().collect(),
        }
    }

    #[test]
    fn times_before_1970_lie_in_the_day_hour_month_and_year_in_which_they_are() {
        let times = vec![Some(LATE), Some(-1), None, Some(0), Some(YEAR_0), Some(-DAY), Some(i64::MIN)];
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times).with_timezone("+00:00"));
        let of = |transform| numbers(transform, times.clone());
        let days = [Some(-2), Some(-1), None, Some(0), Some(-719_469), Some(-1), Some(-106_751_992)];
        assert_eq!(of(Transform::Day), days);
        let hours = [Some(-25), Some(-1), None, Some(0), Some(-719_469 * 24 + 12), Some(-24), Some(i32::MIN)];
        assert_eq!(of(Transform::Hour), hours);
        let months = [Some(-1), Some(-1), None, Some(0), Some(-1970 * 12 + 1), Some(-1), Some(-292_278 * 12 + 11)];
        assert_eq!(of(Transform::Month), months);
        let years = [Some(-1), Some(-1), None, Some(0), Some(-1970), Some(-1), Some(-292_278)];
        assert_eq!(of(Transform::Year), years);
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![LATE * 1000, -1]));
        assert_eq!(numbers(Transform::Day, nanos), [Some(-2), Some(-1)]);
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![-1, -719_528, 31]));
        assert_eq!(numbers(Transform::Month, dates.clone()), [Some(-1), Some(-1970 * 12), Some(1)]);
        assert_eq!(numbers(Transform::Year, dates.clone()), [Some(-1), Some(-1970), Some(0)]);
        assert_eq!(numbers(Transform::Day, dates), [Some(-1), Some(-719_528), Some(31)]);
    }

    #[test]
    fn binary_columns_are_truncated() {
        let bytes = [Some(&b"abcdef"[..]), None, Some(b"ab"), Some(b"")];
        let bytes: ArrayRef = Arc::new(bytes.into_iter().collect::<LargeBinaryArray>());
        let cut = transformed(Transform::Truncate(4), &bytes).unwrap();
        assert_eq!(
            cut.as_binary::<i64>().iter().collect::<Vec<_>>(),
            [Some(&b"abcd"[..]), None, Some(b"ab"), Some(b"")]
        );
    }

    #[test]
    fn zeros_of_both_signs_are_two_partitions_and_nan_is_one() {
        let keys = |values: &[f64]| {
            let double = |value: &f64| Partition(Struct::from_iter([Some(Literal::double(*value)), None]));
            values.iter().map(double).collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!((keys(&[0.0, -0.0]), keys(&[0.0, 0.0]), keys(&[-0.0, -0.0])), (2, 1, 1));
        assert_eq!(keys(&[f64::NAN, -f64::NAN, f64::INFINITY]), 2);
        let float = |value: f32| Partition(Struct::from_iter([Some(Literal::float(value))]));
        assert!(float(0.0) != float(-0.0) && float(-1.0) == float(-1.0));
    }
}
