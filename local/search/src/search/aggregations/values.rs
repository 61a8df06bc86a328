//! The values of a field, as aggregations read them.

use tantivy::columnar::{Column, DynamicColumn, StrColumn};
use tantivy::{DateTime, DocAddress, Searcher, SegmentReader};

use crate::answer::SearchError;
use crate::date::Written;
use crate::document::{FIELDS, WHOLES};
use crate::field::FieldType;
use crate::mapping::Mappings;

/// What is aggregated: the documents' segments and their fields.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// The segments.
    pub searcher: &'a Searcher,
    /// The types of fields.
    pub mappings: &'a Mappings,
    /// The indices that are searched.
    pub indices: &'a [String],
}

/// The values of a field.
pub(super) struct Values {
    /// The field's type; none where no index has it.
    pub(super) kind: Option<FieldType>,
    columns: Vec<Stored>,
}

enum Stored {
    Nothing,
    Whole(Column<i64>),
    Number(Column<f64>),
    Boolean(Column<bool>),
    Time(Column<DateTime>),
    Text(StrColumn),
}

impl Stored {
    fn open(segment: &SegmentReader, path: &str, kind: FieldType) -> tantivy::Result<Self> {
        for handle in segment.fast_fields().dynamic_column_handles(path)? {
            use FieldType::{Boolean, Date, Double, Float, Ip, Keyword, Long};
            return Ok(match (handle.open()?, kind) {
                (DynamicColumn::I64(column), Long | Float | Double) => Self::Whole(column),
                (DynamicColumn::F64(column), Long | Float | Double) => Self::Number(column),
                (DynamicColumn::Bool(column), Boolean) => Self::Boolean(column),
                (DynamicColumn::DateTime(column), Date) => Self::Time(column),
                (DynamicColumn::Str(column), Keyword | Ip) => Self::Text(column),
                _ => continue,
            });
        }
        Ok(Self::Nothing)
    }
}

impl Values {
    /// Those of a field, which an aggregation of some kind asks for.
    ///
    /// # Errors
    /// It has none that can be aggregated so.
    pub(super) fn open(of: Of<'_>, field: &str, aggregation: &str) -> Result<Self, SearchError> {
        let (path, kind) = match of.mappings.field(of.indices, field) {
            _ if matches!(field, "_index" | "_id") => (field.to_owned(), Some(FieldType::Keyword)),
            Some(FieldType::Text) => {
                return Err(SearchError::illegal(format!(
                    "Fielddata is disabled on [{field}], a text field: aggregate on [{field}.keyword]"
                )));
            }
            Some(
                kind @ (FieldType::GeoPoint
                | FieldType::Binary
                | FieldType::Object
                | FieldType::Flattened
                | FieldType::Disabled),
            ) => {
                let kind = kind.name();
                return Err(SearchError::illegal(format!(
                    "Field [{field}] of type [{kind}] is not supported for aggregation [{aggregation}]"
                )));
            }
            Some(kind) => (format!("{FIELDS}.{field}"), Some(kind)),
            None => match field.strip_suffix(".keyword").filter(|path| of.mappings.has_keyword(of.indices, path)) {
                Some(path) => (format!("{WHOLES}.{path}"), Some(FieldType::Keyword)),
                None => (String::new(), None),
            },
        };
        let mut columns = Vec::new();
        for segment in of.searcher.segment_readers() {
            columns.push(match kind {
                Some(kind) => Stored::open(segment, &path, kind)?,
                None => Stored::Nothing,
            });
        }
        Ok(Self { kind, columns })
    }

    /// The same, of numbers, times or booleans.
    ///
    /// # Errors
    /// It has others.
    pub(super) fn numbers(of: Of<'_>, field: &str, aggregation: &str) -> Result<Self, SearchError> {
        let values = Self::open(of, field, aggregation)?;
        match values.kind {
            Some(FieldType::Keyword | FieldType::Ip) => Err(SearchError::illegal(format!(
                "Field [{field}] of type [keyword] is not supported for aggregation [{aggregation}]"
            ))),
            _ => Ok(values),
        }
    }

    /// Whether these are times.
    pub(super) fn are_times(&self) -> bool {
        self.kind == Some(FieldType::Date)
    }

    /// Whether these are texts.
    pub(super) fn are_texts(&self) -> bool {
        matches!(self.kind, Some(FieldType::Keyword | FieldType::Ip))
    }

    /// The numbers of a document, from the least on: times in milliseconds since 1970, booleans as 0 and 1.
    pub(super) fn each(&self, at: DocAddress, found: &mut Vec<f64>) {
        found.clear();
        match self.columns.get(at.segment_ord as usize) {
            None | Some(Stored::Nothing | Stored::Text(_)) => {}
            Some(Stored::Whole(column)) => {
                found.extend(column.values_for_doc(at.doc_id).map(|number| number as f64));
            }
            Some(Stored::Number(column)) => found.extend(column.values_for_doc(at.doc_id)),
            Some(Stored::Boolean(column)) => {
                found.extend(column.values_for_doc(at.doc_id).map(|is| if is { 1.0 } else { 0.0 }));
            }
            Some(Stored::Time(column)) => found.extend(
                column.values_for_doc(at.doc_id).map(|time| time.into_timestamp_nanos().div_euclid(1_000_000) as f64),
            ),
        }
        found.sort_by(f64::total_cmp);
    }

    /// The whole numbers of a document, of which a double has only those to 2^53.
    pub(super) fn wholes(&self, at: DocAddress, found: &mut Vec<i64>) {
        found.clear();
        if let Some(Stored::Whole(column)) = self.columns.get(at.segment_ord as usize) {
            found.extend(column.values_for_doc(at.doc_id));
            return;
        }
        let mut numbers = Vec::new();
        self.each(at, &mut numbers);
        found.extend(numbers.into_iter().map(|number| number as i64));
    }

    /// The texts of a document as its segment numbers them, each once.
    pub(super) fn ordinals(&self, at: DocAddress, found: &mut Vec<u64>) {
        found.clear();
        if let Some(Stored::Text(column)) = self.columns.get(at.segment_ord as usize) {
            found.extend(column.term_ords(at.doc_id));
            found.sort_unstable();
            found.dedup();
        }
    }

    /// A text by its number in a segment.
    ///
    /// # Errors
    /// The segment can't be read.
    pub(super) fn text(&self, segment: u32, ordinal: u64) -> Result<String, SearchError> {
        let mut text = String::new();
        if let Some(Stored::Text(column)) = self.columns.get(segment as usize) {
            column.ord_to_str(ordinal, &mut text).map_err(SearchError::internal)?;
        }
        Ok(text)
    }

    /// How a value is written beside its number: times and booleans are.
    pub(super) fn shown(&self, value: f64, written: &Written) -> Option<String> {
        match self.kind {
            Some(FieldType::Date) => Some(written.text(value as i64)),
            Some(FieldType::Boolean) => Some((value != 0.0).to_string()),
            _ => None,
        }
    }
}
