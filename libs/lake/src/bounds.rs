//! Statistics of a data file as Iceberg's metadata holds them, from what the Parquet writer counted.
//!
//! Queries skip files by these bounds, so a wrong one hides rows without an error. The Iceberg crate passes over the
//! minimum or maximum of a row group that Parquet had to cut, and so gives bounds that hold for the file's other row
//! groups only (apache/iceberg-rust, `MinMaxColAggregator`: inexact statistics are skipped instead of used). What
//! Parquet cuts still is a bound, for it counts a cut maximum up; so it is used here like any other.
//!
//! `docs/decisions/data-files.md` says which bounds are left out and why.

use std::collections::HashMap;

use iceberg::spec::{Datum, PrimitiveLiteral, PrimitiveType, Schema, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;
use uuid::Uuid;

use crate::metrics::{Metrics, Mode};

/// Statistics of a file's columns, by field id.
#[derive(Debug, Default)]
pub(crate) struct ColumnStatistics {
    /// Bytes in the file.
    pub(crate) sizes: HashMap<i32, u64>,
    /// Values, with nulls and NaN.
    pub(crate) values: HashMap<i32, u64>,
    /// Nulls.
    pub(crate) nulls: HashMap<i32, u64>,
    /// No value that is neither null nor NaN is below.
    pub(crate) lower: HashMap<i32, Datum>,
    /// No value that is neither null nor NaN is above.
    pub(crate) upper: HashMap<i32, Datum>,
}

impl ColumnStatistics {
    /// The statistics of a file that was written with the columns of `schema`, whose field ids the file has, as far as
    /// the table's metrics modes ask for them.
    pub(crate) fn read(metadata: &ParquetMetaData, schema: &Schema, metrics: &Metrics) -> Self {
        let mut found = Self::default();
        for (index, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
            let basic = column.self_type().get_basic_info();
            if !basic.has_id() {
                continue;
            }
            let id = basic.id();
            let Some(Type::Primitive(kind)) = schema.field_by_id(id).map(|field| field.field_type.as_ref()) else {
                continue;
            };
            let mode = metrics.mode(id);
            if mode == Mode::None {
                continue;
            }
            let chunks: Vec<_> = metadata.row_groups().iter().map(|group| group.column(index)).collect();
            found.sizes.insert(id, chunks.iter().map(|chunk| chunk.compressed_size() as u64).sum());
            found.values.insert(id, chunks.iter().map(|chunk| chunk.num_values() as u64).sum());
            if let Some(nulls) = chunks.iter().map(|chunk| chunk.statistics()?.null_count_opt()).sum::<Option<u64>>() {
                found.nulls.insert(id, nulls);
            }
            // Nothing reads bounds of what is in lists and maps; Iceberg's Java writes none either.
            let Some(length) = mode.length().filter(|_| column.max_rep_level() == 0) else { continue };
            if let Some((low, high)) = range(kind, &chunks) {
                let (low, high) = cut(kind, low, high, length);
                found.lower.extend(low.map(|low| (id, low)));
                found.upper.extend(high.map(|high| (id, high)));
            }
        }
        found
    }
}

/// What is known of the values of one row group's column.
enum Range {
    /// There is none that a bound has to hold for.
    Empty,
    Between(Datum, Datum),
    Unknown,
}

/// The least and the greatest value of a column over all row groups; `None` when a row group doesn't say.
fn range(kind: &PrimitiveType, chunks: &[&ColumnChunkMetaData]) -> Option<(Datum, Datum)> {
    let mut whole: Option<(Datum, Datum)> = None;
    for chunk in chunks {
        let (low, high) = match range_of(kind, chunk) {
            Range::Empty => continue,
            Range::Unknown => return None,
            Range::Between(low, high) => (low, high),
        };
        whole = Some(match whole {
            None => (low, high),
            Some((least, greatest)) => (
                if low.literal() < least.literal() { low } else { least },
                if high.literal() > greatest.literal() { high } else { greatest },
            ),
        });
    }
    whole
}

fn range_of(kind: &PrimitiveType, chunk: &ColumnChunkMetaData) -> Range {
    let Some(statistics) = chunk.statistics() else { return Range::Unknown };
    match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
        (Some(low), Some(high)) => match (datum(kind, statistics, low), datum(kind, statistics, high)) {
            (Some(low), Some(high)) => Range::Between(low, high),
            _ => Range::Unknown,
        },
        // Parquet's writer leaves NaN out of both.
        (None, None) if matches!(kind, PrimitiveType::Float | PrimitiveType::Double) => Range::Empty,
        (None, None) if statistics.null_count_opt() == Some(chunk.num_values() as u64) => Range::Empty,
        _ => Range::Unknown,
    }
}

/// A value as Parquet's statistics have it, which differs from Iceberg's form for decimals.
fn datum(kind: &PrimitiveType, statistics: &Statistics, bytes: &[u8]) -> Option<Datum> {
    let unscaled: Option<i128> = match (kind, statistics) {
        (PrimitiveType::Decimal { .. }, Statistics::Int32(_)) => {
            Some(i32::from_le_bytes(bytes.try_into().ok()?).into())
        }
        (PrimitiveType::Decimal { .. }, Statistics::Int64(_)) => {
            Some(i64::from_le_bytes(bytes.try_into().ok()?).into())
        }
        _ => None,
    };
    let datum = match unscaled {
        Some(unscaled) => Datum::try_from_bytes(&unscaled.to_be_bytes(), kind.clone()),
        None => Datum::try_from_bytes(bytes, kind.clone()),
    };
    datum.ok().filter(|datum| !datum.is_nan())
}

/// Bounds as they are written: cut to a length in characters (of text) or bytes, and such that they hold in every reader's order.
fn cut(kind: &PrimitiveType, low: Datum, high: Datum, length: usize) -> (Option<Datum>, Option<Datum>) {
    match (low.literal(), high.literal()) {
        (PrimitiveLiteral::String(low), PrimitiveLiteral::String(high)) => {
            (Some(Datum::string(text_below(low, length))), text_above(high, length).map(Datum::string))
        }
        (PrimitiveLiteral::Binary(low), PrimitiveLiteral::Binary(high)) => {
            let bound = |bytes: &[u8]| Datum::try_from_bytes(bytes, kind.clone()).ok();
            (bound(&low[..low.len().min(length)]), bytes_above(high, length).and_then(|bytes| bound(&bytes)))
        }
        (PrimitiveLiteral::UInt128(low), PrimitiveLiteral::UInt128(high)) => match uuids_around(*low, *high) {
            Some((low, high)) => (Some(Datum::uuid(Uuid::from_u128(low))), Some(Datum::uuid(Uuid::from_u128(high)))),
            None => (None, None),
        },
        _ => (Some(low), Some(high)),
    }
}

/// The first characters of a text: not above the text.
fn text_below(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])
}

/// A text of so many characters that isn't below the given one; `None` when there is none.
fn text_above(text: &str, length: usize) -> Option<String> {
    let Some((end, _)) = text.char_indices().nth(length) else { return Some(text.to_owned()) };
    let mut kept = text[..end].to_owned();
    while let Some(last) = kept.pop() {
        let next = match last {
            // What follows are halves of characters above 0xFFFF in UTF-16, and no characters.
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// So many bytes that aren't below the given ones; `None` when there are none.
fn bytes_above(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    if bytes.len() <= length {
        return Some(bytes.to_vec());
    }
    let mut kept = bytes[..length].to_vec();
    while let Some(last) = kept.pop() {
        if let Some(next) = last.checked_add(1) {
            kept.push(next);
            return Some(kept);
        }
    }
    None
}

/// Bounds of UUIDs that hold in Parquet's order (by unsigned bytes) and in that of Iceberg's Java
/// (`java.util.UUID.compareTo`: by two signed halves). `None` when the first halves differ in sign: then no two
/// values are around all others in both orders. Otherwise the first half is moved by one, so that the second, whose
/// sign may differ among the values, doesn't count.
fn uuids_around(low: u128, high: u128) -> Option<(u128, u128)> {
    let (low, high) = ((low >> 64) as u64, (high >> 64) as u64);
    let (below, above) = (low.checked_sub(1)?, high.checked_add(1)?);
    let sign = |half: u64| half >> 63;
    let same = [low, high, above].into_iter().all(|half| sign(half) == sign(below));
    same.then(|| (u128::from(below) << 64, u128::from(above) << 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_text_is_around_the_text() {
        let z = "z".repeat(90);
        assert_eq!((text_below(&z, 16), text_above(&z, 16).unwrap()), (&z[..16], "z".repeat(15) + "{"));
        assert_eq!(text_above("short", 16).unwrap(), "short");
        // Sixteen characters, not bytes.
        let accents = "é".repeat(17);
        assert_eq!(text_below(&accents, 16).chars().count(), 16);
        assert_eq!(text_above(&accents, 16).unwrap(), "é".repeat(15) + "ê");
        assert_eq!(text_above(&("a".to_owned() + &"\u{10ffff}".repeat(20)), 16).unwrap(), "b");
        assert_eq!(text_above(&"\u{10ffff}".repeat(17), 16), None);
        assert_eq!(text_above(&"\u{d7ff}".repeat(17), 16).unwrap(), "\u{d7ff}".repeat(15) + "\u{e000}");
    }

    #[test]
    fn cut_bytes_are_around_the_bytes() {
        assert_eq!(bytes_above(&[0xff; 16], 16).unwrap(), [0xff; 16]);
        assert_eq!(bytes_above(&[0xff; 17], 16), None);
        let mut bytes = vec![7; 15];
        bytes.extend([0xff, 1]);
        let mut above = vec![7; 14];
        above.push(8);
        assert_eq!(bytes_above(&bytes, 16).unwrap(), above);
    }

    #[test]
    fn bounds_of_uuids_hold_in_both_orders() {
        let signed = |value: u128| ((value >> 64) as i64, value as i64);
        // Version 7: the first half grows with time, the second has its highest bit set in every value.
        let values: [u128; 3] = [
            0x0190_0000_0000_7000_8000_0000_0000_0000,
            0x0190_0000_0000_7001_0000_0000_0000_0001,
            0x0190_0000_0000_7001_bfff_0000_0000_0000,
        ];
        let (low, high) = uuids_around(values[0], values[2]).unwrap();
        for value in values {
            assert!(low <= value && value <= high);
            assert!(signed(low) <= signed(value) && signed(value) <= signed(high));
        }
        assert_eq!(uuids_around(0x10 << 120, 0x90 << 120), None);
        assert_eq!(uuids_around(0, 1 << 64), None);
        assert_eq!(uuids_around(1 << 120, u128::MAX >> 1), None);
        assert_eq!(uuids_around(u128::MAX, u128::MAX), None);
    }
}
