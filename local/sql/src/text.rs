//! Values and types as Athena writes them.

use anyhow::Result;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DFSchema;

/// Name and Athena type of each column.
pub fn columns(schema: &DFSchema) -> Vec<(String, String)> {
    schema.fields().iter().map(|field| (field.name().clone(), type_name(field.data_type()))).collect()
}

/// An Arrow type as Athena names it.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "unknown".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "integer".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".into(),
        DataType::Float16 | DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "varbinary".into()
        }
        DataType::List(_) | DataType::LargeList(_) => "array".into(),
        DataType::Struct(_) => "row".into(),
        DataType::Map(..) => "map".into(),
        _ => "varchar".into(),
    }
}

/// Appends a batch's rows.
pub fn append(batch: &RecordBatch, rows: &mut Vec<Vec<Option<String>>>) -> Result<()> {
    let options = FormatOptions::new()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.6f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.6f UTC"));
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()?;
    // A column of nothing but NULL has no type and no map of its nulls.
    let nulls: Vec<_> = batch.columns().iter().map(Array::logical_nulls).collect();
    for row in 0..batch.num_rows() {
        let mut cells = Vec::with_capacity(formatters.len());
        for (formatter, nulls) in formatters.iter().zip(&nulls) {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            cells.push(if is_null { None } else { Some(formatter.value(row).try_to_string()?) });
        }
        rows.push(cells);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, NullArray};

    use super::*;

    #[test]
    fn a_null_without_a_type_is_a_null() {
        let columns: [(&str, Arc<dyn Array>); 2] =
            [("a", Arc::new(Int32Array::from(vec![Some(1), None]))), ("b", Arc::new(NullArray::new(2)))];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let mut rows = Vec::new();
        append(&batch, &mut rows).expect("text");
        assert_eq!(rows, [vec![Some("1".to_owned()), None], vec![None, None]]);
        assert_eq!(type_name(&DataType::Null), "unknown");
    }
}
