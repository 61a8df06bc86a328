//! Scores by BM25 as Elasticsearch and OpenSearch compute them: of one field, in one index, with that field's own lengths.
//!
//! tantivy keeps all fields of all indices in one and would take them together: a field's lengths stand beside the documents, and what
//! is known of a term is counted for each index.

mod blend;
mod near;
mod phrase;
mod statistics;
mod term;

pub use blend::{Blend, Mixing};
pub use phrase::Phrase;
pub use statistics::Statistics;
pub use term::Scored;

use tantivy::fieldnorm::FieldNormReader;

/// How soon more of a word counts for less.
const K1: f32 = 1.2;
/// How much a text's length counts.
const B: f32 = 0.75;

/// How well a document fits that has some words of a field, in one index.
#[derive(Debug, Clone, Copy)]
struct Model {
    /// What words that are so rare add at most.
    weight: f32,
    /// The average length.
    average: f32,
}

impl Model {
    /// Of words of which each is found in so many of the documents that have the field, and how long these are on average.
    fn new(documents: u64, total: u64, frequencies: &[u64]) -> Self {
        let rarity = |found: &u64| {
            let (documents, found) = (documents.max(*found) as f64, *found as f64);
            ((documents - found + 0.5) / (found + 0.5)).ln_1p()
        };
        let average = if documents == 0 { 1.0 } else { (total as f64 / documents as f64) as f32 };
        let rarity = frequencies.iter().map(rarity).sum::<f64>() as f32;
        // The factor of `LegacyBM25Similarity`, which both servers have.
        Self { weight: (1.0 + K1) * rarity, average: average.max(f32::MIN_POSITIVE) }
    }

    /// The score of a document that has them so often and is so long.
    fn score(self, boost: f32, often: f32, length: f32) -> f32 {
        let weight = boost * self.weight;
        let norm = 1.0 / (K1 * ((1.0 - B) + B * length / self.average));
        weight - weight / (1.0 + often * norm)
    }
}

/// A length as Lucene keeps it, in one byte.
fn rounded(length: i64) -> f32 {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(length)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_lucene() {
        // As `explain` of OpenSearch has them: 3 documents of 8 with a word once, of 2 words where 3 are the average.
        let model = Model::new(8, 24, &[3]);
        let rarity = (1.0_f32 + 5.5 / 3.5).ln();
        let often = 1.0 / (1.0 + 1.2 * (0.25 + 0.75 * 2.0 / 3.0));
        assert!((model.score(1.0, 1.0, 2.0) - 2.2 * rarity * often).abs() < 1e-6);
        assert!((model.score(3.0, 1.0, 2.0) - 6.6 * rarity * often).abs() < 1e-5);
        // Without lengths, as keywords are, it is the rarity alone.
        assert!((Model::new(8, 8, &[3]).score(1.0, 1.0, 1.0) - rarity).abs() < 1e-6);
        assert_eq!([0, 7, 40, 41, 43, 100].map(|length| rounded(length) as u32), [0, 7, 40, 40, 42, 96]);
    }
}
