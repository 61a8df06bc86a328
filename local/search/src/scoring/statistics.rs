//! What is known of the documents of each index: how many have a field, how long they are, how many have a term.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tantivy::columnar::Column;
use tantivy::index::SegmentId;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet as _, Searcher, SegmentReader, TERMINATED, Term};

use crate::document::LENGTHS;
use crate::patience::Patience;

/// How many documents are looked at between two looks at the clock.
const STEPS: u32 = 16_384;

/// What is known of the documents of each index.
pub struct Statistics {
    searcher: Searcher,
    patience: Patience,
    /// How many indices are searched.
    indices: usize,
    owners: HashMap<SegmentId, Owners>,
    lengths: Mutex<HashMap<String, Arc<Vec<Lengths>>>>,
}

/// How many documents of an index have a field, and how long all are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) documents: u64,
    pub(super) total: u64,
}

/// Which index each document of a segment is of.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    names: Option<Column<u64>>,
    /// The numbers of the indices that are searched, by the numbers that the segment has for them.
    numbers: Arc<Vec<Option<usize>>>,
}

impl Owners {
    fn open(segment: &SegmentReader, (indices, together): (&[String], bool)) -> tantivy::Result<Self> {
        let Some(column) = segment.fast_fields().str("_index")? else { return Ok(Self::default()) };
        let mut numbers = Vec::new();
        for number in 0..column.dictionary().num_terms() {
            let mut name = String::new();
            column.ord_to_str(number as u64, &mut name)?;
            let number = indices.iter().position(|index| *index == name);
            numbers.push(if together { number.map(|_| 0) } else { number });
        }
        let (_, names) = column.into_parts();
        Ok(Self { names: Some(names), numbers: Arc::new(numbers) })
    }

    /// The number of the index that a document is of; none where it isn't searched.
    pub(super) fn of(&self, document: DocId) -> Option<usize> {
        let name = self.names.as_ref()?.first(document)?;
        self.numbers.get(usize::try_from(name).ok()?).copied().flatten()
    }
}

impl std::fmt::Debug for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics").finish_non_exhaustive()
    }
}

impl Statistics {
    /// Those of some indices: of each, or of all together.
    ///
    /// # Errors
    /// The segments can't be read.
    pub fn new(
        searcher: &Searcher,
        (indices, together): (&[String], bool),
        patience: &Patience,
    ) -> tantivy::Result<Self> {
        let each = searcher.segment_readers().iter();
        let owners = each.map(|segment| Ok((segment.segment_id(), Owners::open(segment, (indices, together))?)));
        Ok(Self {
            searcher: searcher.clone(),
            patience: patience.clone(),
            indices: if together { 1 } else { indices.len() },
            owners: owners.collect::<tantivy::Result<_>>()?,
            lengths: Mutex::default(),
        })
    }

    /// Which index each document of a segment is of.
    pub(super) fn owners(&self, segment: &SegmentReader) -> Owners {
        self.owners.get(&segment.segment_id()).cloned().unwrap_or_default()
    }

    /// The lengths of the documents of a segment in a field; none where no document has it.
    pub(super) fn column(segment: &SegmentReader, field: &str) -> tantivy::Result<Option<Column<i64>>> {
        segment.fast_fields().column_opt(&format!("{LENGTHS}.{field}"))
    }

    /// What is known of a field's lengths in each index.
    pub(super) fn lengths(&self, field: &str) -> tantivy::Result<Arc<Vec<Lengths>>> {
        if let Some(known) = self.lengths.lock().get(field) {
            return Ok(Arc::clone(known));
        }
        let mut all = vec![Lengths::default(); self.indices];
        for segment in self.searcher.segment_readers() {
            let Some(column) = Self::column(segment, field)? else { continue };
            self.each(segment, |document, index| {
                if let Some(length) = column.first(document) {
                    all[index].documents += 1;
                    all[index].total += u64::try_from(length).unwrap_or(0);
                }
            });
        }
        let all = Arc::new(all);
        self.lengths.lock().insert(field.to_owned(), Arc::clone(&all));
        Ok(all)
    }

    /// How many documents each index has.
    pub(super) fn documents(&self) -> Vec<u64> {
        let mut all = vec![0; self.indices];
        for segment in self.searcher.segment_readers() {
            self.each(segment, |_, index| all[index] += 1);
        }
        all
    }

    /// Calls with each document of a segment and the number of its index.
    fn each(&self, segment: &SegmentReader, mut call: impl FnMut(DocId, usize)) {
        let owners = self.owners(segment);
        let alive = segment.alive_bitset();
        for document in 0..segment.max_doc() {
            // What is found is refused then.
            if document % STEPS == 0 && self.patience.check().is_err() {
                return;
            }
            if alive.is_none_or(|alive| alive.is_alive(document))
                && let Some(index) = owners.of(document)
            {
                call(document, index);
            }
        }
    }

    /// How many documents of each index have a term.
    pub(super) fn frequencies(&self, term: &Term) -> tantivy::Result<Vec<u64>> {
        let mut all = vec![0; self.indices];
        for segment in self.searcher.segment_readers() {
            let inverted = segment.inverted_index(term.field())?;
            let Some(mut postings) = inverted.read_postings(term, IndexRecordOption::Basic)? else { continue };
            let owners = self.owners(segment);
            let alive = segment.alive_bitset();
            let mut steps = 0;
            while postings.doc() != TERMINATED {
                let document = postings.doc();
                if alive.is_none_or(|alive| alive.is_alive(document))
                    && let Some(index) = owners.of(document)
                {
                    all[index] += 1;
                }
                steps += 1;
                if steps % STEPS == 0 && self.patience.check().is_err() {
                    return Ok(all);
                }
                postings.advance();
            }
        }
        Ok(all)
    }
}
