//! Files that were written before a column was widened, described with the column's type of today.
//!
//! A manifest says of its partition values which types they have. One that takes in entries of others must give all
//! of them its own types; the Iceberg crate takes them as they are and then refuses them (apache/iceberg-rust,
//! `PartitionFieldStats::update`: "value is not compatible with type"), and its scans leave out files whose partition
//! has the type of before (apache/iceberg-rust, `PartialOrd for Datum`: values of two types aren't compared).

use std::collections::HashMap;

use iceberg::Result;
use iceberg::spec::{
    DataFile, DataFileBuilder, Datum, Literal, ManifestFile, PrimitiveLiteral, PrimitiveType, Schema, Struct,
    StructType, Type,
};
use iceberg::{Error, ErrorKind};

/// Whether a manifest's partition values have a type that their column doesn't have any more, as far as its entry in
/// the manifest list says. Nulls have no type.
pub(crate) fn is_outdated(manifest: &ManifestFile, partition: &StructType) -> bool {
    let summaries = manifest.partitions.iter().flatten();
    summaries.zip(partition.fields()).any(|(summary, field)| {
        let wide = matches!(*field.field_type, Type::Primitive(PrimitiveType::Long | PrimitiveType::Double));
        wide && summary.lower_bound.as_ref().is_some_and(|bound| bound.len() == 4)
    })
}

/// A file as a manifest of the types `partition` and `schema` describes it.
///
/// # Errors
/// The file lacks a member that every file has.
pub(crate) fn promoted(file: &DataFile, spec_id: i32, partition: &StructType, schema: &Schema) -> Result<DataFile> {
    let mut builder = copied(file);
    builder
        .partition(partition_values(file.partition(), partition))
        .lower_bounds(bounds(file.lower_bounds(), schema))
        .upper_bounds(bounds(file.upper_bounds(), schema))
        .partition_spec_id(spec_id);
    built(&builder, file)
}

/// A file whose rows are sorted by the table's sort order of this number.
///
/// # Errors
/// As [`promoted`].
pub(crate) fn sorted(file: &DataFile, order: i32, spec_id: i32) -> Result<DataFile> {
    let mut builder = copied(file);
    builder.sort_order_id(order).partition_spec_id(spec_id);
    built(&builder, file)
}

/// Partition values in the types of today.
pub(crate) fn partition_values(values: &Struct, partition: &StructType) -> Struct {
    let values = values.iter().zip(partition.fields());
    values.map(|(value, field)| value.map(|value| literal(value, &field.field_type))).collect()
}

fn built(builder: &DataFileBuilder, file: &DataFile) -> Result<DataFile> {
    builder.build().map_err(|error| Error::new(ErrorKind::DataInvalid, format!("{}: {error}", file.file_path())))
}

fn copied(file: &DataFile) -> DataFileBuilder {
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_owned())
        .file_format(file.file_format())
        .partition(file.partition().clone())
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(file.lower_bounds().clone())
        .upper_bounds(file.upper_bounds().clone())
        .key_metadata(file.key_metadata().map(<[u8]>::to_vec))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .equality_ids(file.equality_ids())
        .first_row_id(file.first_row_id())
        .referenced_data_file(file.referenced_data_file())
        .content_offset(file.content_offset())
        .content_size_in_bytes(file.content_size_in_bytes());
    if let Some(order) = file.sort_order_id() {
        builder.sort_order_id(order);
    }
    builder
}

/// A partition value in the type of today.
fn literal(value: &Literal, kind: &Type) -> Literal {
    match (value, kind) {
        (Literal::Primitive(PrimitiveLiteral::Int(number)), Type::Primitive(PrimitiveType::Long)) => {
            Literal::long(*number)
        }
        (Literal::Primitive(PrimitiveLiteral::Float(number)), Type::Primitive(PrimitiveType::Double)) => {
            Literal::double(number.0)
        }
        _ => value.clone(),
    }
}

/// Bounds in the types of today; those of columns that are gone stay as they are.
fn bounds(bounds: &HashMap<i32, Datum>, schema: &Schema) -> HashMap<i32, Datum> {
    let today = |id: i32, bound: &Datum| {
        let kind = schema.field_by_id(id)?.field_type.as_primitive_type()?;
        // The shorter forms are read as the wider types.
        (kind != bound.data_type()).then(|| Datum::try_from_bytes(&bound.to_bytes().ok()?, kind.clone()).ok())?
    };
    bounds.iter().map(|(id, bound)| (*id, today(*id, bound).unwrap_or_else(|| bound.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{DataContentType, DataFileFormat, NestedField, NestedFieldRef};

    use super::*;

    #[test]
    fn values_and_bounds_take_the_wider_types() {
        let wide = [PrimitiveType::Long, PrimitiveType::Double, PrimitiveType::Decimal { precision: 18, scale: 2 }];
        let fields = wide.into_iter().zip(1..);
        let fields = fields.map(|(kind, id)| NestedField::optional(id, format!("c{id}"), Type::Primitive(kind)).into());
        let fields: Vec<NestedFieldRef> = fields.collect();
        let schema = Schema::builder().with_fields(fields.clone()).build().unwrap();
        let partition = StructType::new(fields);
        let values = [Some(Literal::int(-5)), Some(Literal::float(1.5_f32)), None];
        let narrow = PrimitiveType::Decimal { precision: 9, scale: 2 };
        let decimal = |kind| Datum::try_from_bytes(&[0xff, 0x38], kind).unwrap();
        let lower = HashMap::from([(1, Datum::int(-5)), (2, Datum::float(1.5_f32)), (3, decimal(narrow))]);
        let file = DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path("s3://b/f.parquet".to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::from_iter(values))
            .record_count(3)
            .file_size_in_bytes(99)
            .lower_bounds(lower)
            .split_offsets(Some(vec![4]))
            .sort_order_id(1)
            .build()
            .unwrap();
        let promoted = promoted(&file, 7, &partition, &schema).unwrap();
        let expected = [Some(Literal::long(-5)), Some(Literal::double(1.5)), None];
        assert_eq!(promoted.partition(), &Struct::from_iter(expected));
        assert_eq!(promoted.lower_bounds()[&1], Datum::long(-5));
        assert_eq!(promoted.lower_bounds()[&2], Datum::double(1.5));
        assert_eq!(promoted.lower_bounds()[&3], decimal(PrimitiveType::Decimal { precision: 18, scale: 2 }));
        assert_eq!((promoted.split_offsets(), promoted.sort_order_id()), (Some(&[4][..]), Some(1)));
    }
}
