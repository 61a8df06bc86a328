//! The values of fields as segments have them, for sorting and aggregations.

use tantivy::columnar::{Column, DynamicColumn, StrColumn};
use tantivy::{DateTime, SegmentReader};

use crate::document::{FIELDS, WHOLES};
use crate::field::FieldType;
use crate::mapping::Mappings;

/// The values of a field in a segment.
pub(super) enum Stored {
    Whole(Column<i64>),
    Number(Column<f64>),
    Boolean(Column<bool>),
    Time(Column<DateTime>),
    Text(StrColumn),
}

impl Stored {
    /// Whether values of a type can be sorted and aggregated.
    pub(super) fn has(kind: FieldType) -> bool {
        use FieldType::{Boolean, Date, Double, Float, Ip, Keyword, Long};
        matches!(kind, Long | Float | Double | Boolean | Date | Keyword | Ip)
    }

    /// Those of a column; none where the segment has none of the type.
    ///
    /// # Errors
    /// The segment can't be read.
    pub(super) fn open(segment: &SegmentReader, path: &str, kind: FieldType) -> tantivy::Result<Option<Self>> {
        for handle in segment.fast_fields().dynamic_column_handles(path)? {
            use FieldType::{Boolean, Date, Double, Float, Ip, Keyword, Long};
            return Ok(Some(match (handle.open()?, kind) {
                (DynamicColumn::I64(column), Long | Float | Double) => Self::Whole(column),
                (DynamicColumn::F64(column), Long | Float | Double) => Self::Number(column),
                (DynamicColumn::Bool(column), Boolean) => Self::Boolean(column),
                (DynamicColumn::DateTime(column), Date) => Self::Time(column),
                (DynamicColumn::Str(column), Keyword | Ip) => Self::Text(column),
                _ => continue,
            }));
        }
        Ok(None)
    }
}

/// A stored time, in milliseconds since 1970.
pub(super) fn millis(time: DateTime) -> i64 {
    time.into_timestamp_nanos().div_euclid(1_000_000)
}

/// The column of a field, or of the keyword below one, and its type; none where no index has it.
pub(super) fn column_of(mappings: &Mappings, indices: &[String], name: &str) -> Option<(String, FieldType)> {
    if matches!(name, "_index" | "_id") {
        return Some((name.to_owned(), FieldType::Keyword));
    }
    if let Some(kind) = mappings.field(indices, name) {
        return Some((format!("{FIELDS}.{name}"), kind));
    }
    let whole = name.strip_suffix(".keyword").filter(|path| mappings.has_keyword(indices, path))?;
    Some((format!("{WHOLES}.{whole}"), FieldType::Keyword))
}
