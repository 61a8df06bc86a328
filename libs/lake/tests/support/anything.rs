//! Rows with values of any type, which follow from the row's number and the field's id: the same under each schema that
//! has the field.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, LargeBinaryBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    ListArray, MapArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow_schema::{DataType, Field, FieldRef, Fields, SchemaRef};

/// Rows of a schema; of fields that aren't among the ids, nulls.
pub fn rows(schema: &SchemaRef, numbers: std::ops::Range<i64>, ids: &HashSet<i32>) -> RecordBatch {
    let numbers: Vec<i64> = numbers.collect();
    let columns = schema.fields().iter().map(|field| column(field, &numbers, ids));
    RecordBatch::try_new(schema.clone(), columns.collect()).expect("rows")
}

/// The ids of all fields.
pub fn ids(fields: &Fields) -> HashSet<i32> {
    let mut known = HashSet::new();
    for field in fields {
        known.extend(id(field));
        match field.data_type() {
            DataType::Struct(members) => known.extend(ids(members)),
            DataType::List(inner) | DataType::Map(inner, _) => known.extend(ids(&Fields::from(vec![inner.clone()]))),
            _ => {}
        }
    }
    known
}

fn id(field: &Field) -> Option<i32> {
    field.metadata().get("PARQUET:field_id")?.parse().ok()
}

fn column(field: &FieldRef, numbers: &[i64], ids: &HashSet<i32>) -> ArrayRef {
    let id = id(field).expect("an id");
    if !ids.contains(&id) {
        return new_null_array(field.data_type(), numbers.len());
    }
    // Some are null, each field's others.
    let there = |number: &i64| !field.is_nullable() || (number + i64::from(id)) % 3 != 1;
    let values: Vec<Option<i64>> =
        numbers.iter().map(|number| there(number).then_some(number * 1_000 + i64::from(id))).collect();
    let texts = || values.iter().map(|value| value.map(|value| format!("v{value}")));
    let instants = || values.iter().map(|value| value.map(|value| value * 1_000_003));
    match field.data_type() {
        DataType::Boolean => {
            Arc::new(values.iter().map(|value| value.map(|value| value % 2 == 0)).collect::<BooleanArray>())
        }
        DataType::Int32 => Arc::new(values.iter().map(|value| value.map(|value| value as i32)).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(values.iter().copied().collect::<Int64Array>()),
        DataType::Float32 => {
            Arc::new(values.iter().map(|value| value.map(|value| value as f32 / 4.0)).collect::<Float32Array>())
        }
        DataType::Float64 => {
            Arc::new(values.iter().map(|value| value.map(|value| value as f64 / 4.0)).collect::<Float64Array>())
        }
        DataType::Decimal128(precision, scale) => {
            let all = values.iter().map(|value| value.map(i128::from)).collect::<Decimal128Array>();
            Arc::new(all.with_precision_and_scale(*precision, *scale).expect("a decimal"))
        }
        DataType::Date32 => {
            Arc::new(values.iter().map(|value| value.map(|value| value as i32 - 4_000)).collect::<Date32Array>())
        }
        DataType::Time64(_) => {
            Arc::new(instants().map(|at| at.map(|at| at % 86_400_000_000)).collect::<Time64MicrosecondArray>())
        }
        DataType::Timestamp(_, zone) => {
            Arc::new(instants().collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
        }
        DataType::Utf8 => Arc::new(texts().collect::<StringArray>()),
        DataType::LargeBinary => {
            let mut all = LargeBinaryBuilder::new();
            texts().for_each(|text| all.append_option(text.map(|text| [text.as_bytes(), &[0, 0xff]].concat())));
            Arc::new(all.finish())
        }
        DataType::FixedSizeBinary(length) => {
            let mut all = FixedSizeBinaryBuilder::new(*length);
            for value in &values {
                let bytes = value.map(|value| value.to_be_bytes().repeat(2)[16 - *length as usize..].to_vec());
                match bytes {
                    Some(bytes) => all.append_value(bytes).expect("bytes"),
                    None => all.append_null(),
                }
            }
            Arc::new(all.finish())
        }
        DataType::Struct(members) => {
            let columns = members.iter().map(|member| column(member, numbers, ids)).collect();
            let nulls = values.iter().map(Option::is_some).collect::<Vec<bool>>();
            Arc::new(StructArray::try_new(members.clone(), columns, Some(nulls.into())).expect("a struct"))
        }
        DataType::List(element) => {
            let (lengths, elements) = inside(&values);
            let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
            let nulls = values.iter().map(Option::is_some).collect::<Vec<bool>>();
            let elements = column(element, &elements, ids);
            Arc::new(ListArray::try_new(element.clone(), offsets, elements, Some(nulls.into())).expect("a list"))
        }
        DataType::Map(entries, ordered) => {
            let DataType::Struct(pair) = entries.data_type() else { panic!("no entries") };
            let (lengths, numbers) = inside(&values);
            let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
            let nulls = values.iter().map(Option::is_some).collect::<Vec<bool>>();
            let columns = pair.iter().map(|part| column(part, &numbers, ids)).collect();
            let all = StructArray::try_new(pair.clone(), columns, None).expect("entries");
            Arc::new(MapArray::try_new(entries.clone(), offsets, all, Some(nulls.into()), *ordered).expect("a map"))
        }
        other => panic!("no values of {other}"),
    }
}

/// How many elements lists have, none, one or two, and the elements' numbers.
fn inside(values: &[Option<i64>]) -> (Vec<usize>, Vec<i64>) {
    let lengths = values.iter().map(|value| value.map_or(0, |value| (value / 1_000 % 3) as usize));
    let lengths: Vec<usize> = lengths.collect();
    let elements = values.iter().flatten().zip(lengths.iter().zip(values).filter(|(_, value)| value.is_some()));
    let elements =
        elements.flat_map(|(value, (length, _))| (0..*length as i64).map(move |place| value / 1_000 + place));
    let elements = elements.collect();
    (lengths, elements)
}
