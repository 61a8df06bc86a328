//! The values of a field, as aggregations read them.

use tantivy::{DocAddress, Searcher};

use super::super::stored::{Stored, column_of, millis};
use crate::answer::SearchError;
use crate::date::Written;
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
    columns: Vec<Option<Stored>>,
}

impl Values {
    /// Those of a field, which an aggregation of some kind asks for.
    ///
    /// # Errors
    /// It has none that can be aggregated so.
    pub(super) fn open(of: Of<'_>, field: &str, aggregation: &str) -> Result<Self, SearchError> {
        let column = column_of(of.mappings, of.indices, field);
        match column {
            Some((_, FieldType::Text)) => {
                return Err(SearchError::illegal(format!(
                    "Fielddata is disabled on [{field}], a text field: aggregate on [{field}.keyword]"
                )));
            }
            Some((_, kind)) if !Stored::has(kind) => {
                let kind = kind.name();
                return Err(SearchError::illegal(format!(
                    "Field [{field}] of type [{kind}] is not supported for aggregation [{aggregation}]"
                )));
            }
            _ => {}
        }
        let columns = of.searcher.segment_readers().iter().map(|segment| match &column {
            Some((path, kind)) => Stored::open(segment, path, *kind),
            None => Ok(None),
        });
        let columns = columns.collect::<tantivy::Result<_>>()?;
        Ok(Self { kind: column.map(|(_, kind)| kind), columns })
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

    fn of(&self, at: DocAddress) -> Option<&Stored> {
        self.columns.get(at.segment_ord as usize)?.as_ref()
    }

    /// The numbers of a document, from the least on: times in milliseconds since 1970, booleans as 0 and 1.
    pub(super) fn each(&self, at: DocAddress, found: &mut Vec<f64>) {
        found.clear();
        let document = at.doc_id;
        match self.of(at) {
            None | Some(Stored::Text(_)) => {}
            Some(Stored::Whole(column)) => found.extend(column.values_for_doc(document).map(|number| number as f64)),
            Some(Stored::Number(column)) => found.extend(column.values_for_doc(document)),
            Some(Stored::Boolean(column)) => found.extend(column.values_for_doc(document).map(f64::from)),
            Some(Stored::Time(column)) => {
                found.extend(column.values_for_doc(document).map(|time| millis(time) as f64));
            }
        }
        found.sort_by(f64::total_cmp);
    }

    /// The same; of a document without any, what stands in for them.
    pub(super) fn each_or(&self, at: DocAddress, missing: Option<f64>, found: &mut Vec<f64>) {
        self.each(at, found);
        if found.is_empty() {
            found.extend(missing);
        }
    }

    /// The whole numbers of a document, of which a double has only those to 2^53.
    pub(super) fn wholes(&self, at: DocAddress, found: &mut Vec<i64>) {
        found.clear();
        if let Some(Stored::Whole(column)) = self.of(at) {
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
        if let Some(Stored::Text(column)) = self.of(at) {
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
        if let Some(Some(Stored::Text(column))) = self.columns.get(segment as usize) {
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
