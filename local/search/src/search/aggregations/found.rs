//! The documents that a filter finds: a bit for each of the index's.

use tantivy::DocAddress;

/// Documents, a bit each, by segment.
#[derive(Debug, Default)]
pub struct Found(Vec<Vec<u64>>);

impl Found {
    /// Whether a document is one of them.
    pub fn contains(&self, at: DocAddress) -> bool {
        let bits = self.0.get(at.segment_ord as usize).and_then(|segment| segment.get(at.doc_id as usize / 64));
        bits.is_some_and(|bits| bits & (1 << (at.doc_id % 64)) != 0)
    }
}

impl FromIterator<DocAddress> for Found {
    fn from_iter<T: IntoIterator<Item = DocAddress>>(documents: T) -> Self {
        let mut found = Self::default();
        for at in documents {
            let (segment, place) = (at.segment_ord as usize, at.doc_id as usize / 64);
            if found.0.len() <= segment {
                found.0.resize_with(segment + 1, Vec::new);
            }
            let segment = &mut found.0[segment];
            if segment.len() <= place {
                segment.resize(place + 1, 0);
            }
            segment[place] |= 1 << (at.doc_id % 64);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_there_and_nothing_else() {
        let places = [(0, 0), (0, 63), (0, 64), (2, 1_000)];
        let found: Found = places.into_iter().map(|(segment, document)| DocAddress::new(segment, document)).collect();
        for segment in 0..4 {
            for document in 0..1_100 {
                let is_found = found.contains(DocAddress::new(segment, document));
                assert_eq!(is_found, places.contains(&(segment, document)), "{segment} {document}");
            }
        }
    }
}
