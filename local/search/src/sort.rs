//! Sorting hits by a member that some of the index's segments have no document with.

use tantivy::collector::sort_key::{NaturalComparator, SortByErasedType};
use tantivy::collector::{SegmentSortKeyComputer, SortKeyComputer};
use tantivy::schema::OwnedValue;
use tantivy::{DocId, Score, SegmentReader};

/// The value of a member; documents without it have none, which tantivy's own key is an error for where a whole segment has none.
pub struct ByMember {
    field: String,
    key: SortByErasedType,
}

impl ByMember {
    /// The value of a field.
    pub fn new(field: String) -> Self {
        Self { key: SortByErasedType::for_field(&field), field }
    }
}

/// The values of a segment, if it has any.
pub struct OfSegment(Option<<SortByErasedType as SortKeyComputer>::Child>);

impl SortKeyComputer for ByMember {
    type SortKey = OwnedValue;
    type Child = OfSegment;
    type Comparator = NaturalComparator;

    fn segment_sort_key_computer(&self, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        let has_any = segment.fast_fields().u64_lenient(&self.field)?.is_some();
        let own = has_any.then(|| self.key.segment_sort_key_computer(segment));
        own.transpose().map(OfSegment)
    }
}

impl SegmentSortKeyComputer for OfSegment {
    type SortKey = OwnedValue;
    type SegmentSortKey = Option<u64>;
    type SegmentComparator = NaturalComparator;

    fn segment_sort_key(&mut self, document: DocId, score: Score) -> Option<u64> {
        self.0.as_mut().and_then(|own| own.segment_sort_key(document, score))
    }

    fn convert_segment_sort_key(&self, key: Option<u64>) -> OwnedValue {
        self.0.as_ref().map_or(OwnedValue::Null, |own| own.convert_segment_sort_key(key))
    }
}
