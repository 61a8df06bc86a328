//! Documents in which words stand side by side or near each other, with their scores.

use std::sync::Arc;

use tantivy::postings::{Postings as _, SegmentPostings};
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

use super::Model;
use super::near;
use super::statistics::Statistics;
use super::term::{Fit, explained};

/// Documents in which words stand side by side or near each other.
#[derive(Debug, Clone)]
pub struct Phrase {
    /// The words, with their places in the phrase.
    pub terms: Vec<(usize, Term)>,
    /// How many moves may bring them side by side.
    pub slop: u32,
    /// The field whose lengths count.
    pub field: String,
    /// What is known of the documents.
    pub statistics: Arc<Statistics>,
}

impl Query for Phrase {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let models = if scoring.is_scoring_enabled() {
            let each = self.terms.iter().map(|(_, term)| self.statistics.frequencies(term));
            let frequencies = each.collect::<tantivy::Result<Vec<_>>>()?;
            let lengths = self.statistics.lengths(&self.field)?;
            let of_index = |index: usize| -> Vec<u64> { frequencies.iter().map(|of_term| of_term[index]).collect() };
            let models = lengths.iter().enumerate();
            models.map(|(index, lengths)| Model::new(lengths.documents, lengths.total, &of_index(index))).collect()
        } else {
            Arc::default()
        };
        Ok(Box::new(PhraseWeight { models, query: self.clone() }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.terms.iter().for_each(|(_, term)| visitor(term, true));
    }
}

struct PhraseWeight {
    /// Empty without scores.
    models: Arc<[Model]>,
    query: Phrase,
}

impl Weight for PhraseWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Phrase { terms, slop, field, statistics } = &self.query;
        let mut words = Vec::with_capacity(terms.len());
        for (offset, term) in terms {
            let inverted = reader.inverted_index(term.field())?;
            let found = inverted.read_postings(term, IndexRecordOption::WithFreqsAndPositions)?;
            let Some(postings) = found else { return Ok(Box::new(EmptyScorer)) };
            let same = terms.iter().position(|(_, other)| other == term).unwrap_or_default();
            words.push(Word { postings, offset: *offset, same, places: Vec::new() });
        }
        let lengths = if self.models.is_empty() { None } else { Statistics::column(reader, field)? };
        let fit = Fit { owners: statistics.owners(reader), models: Arc::clone(&self.models), lengths, boost };
        let mut scorer = PhraseScorer { words, slop: *slop, fit, document: 0, often: 0.0 };
        scorer.settle();
        Ok(Box::new(scorer))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        explained(self.scorer(reader, 1.0)?, document)
    }
}

struct Word {
    postings: SegmentPostings,
    offset: usize,
    /// The first of the words that are the same.
    same: usize,
    /// Where it stands in the document at hand; of the same words the first alone has them.
    places: Vec<u32>,
}

struct PhraseScorer {
    words: Vec<Word>,
    slop: u32,
    fit: Fit,
    document: DocId,
    /// How often the phrase is in the document.
    often: f32,
}

impl PhraseScorer {
    /// Goes to the first document with the phrase, from the place of the first word on.
    fn settle(&mut self) {
        loop {
            let Some(target) = self.words.iter().map(|word| word.postings.doc()).max() else { return };
            if target == TERMINATED {
                self.document = TERMINATED;
                return;
            }
            let mut all = true;
            for word in &mut self.words {
                all &= word.postings.doc() == target || word.postings.seek(target) == target;
            }
            if !all {
                continue;
            }
            self.often = self.frequency();
            if self.often > 0.0 {
                self.document = target;
                return;
            }
            self.words[0].postings.advance();
        }
    }

    fn frequency(&mut self) -> f32 {
        for (number, word) in self.words.iter_mut().enumerate() {
            // The same words share their places.
            if word.same == number {
                word.postings.positions(&mut word.places);
            }
        }
        let places = |word: &Word| self.words[word.same].places.as_slice();
        if self.slop > 0 {
            let words: Vec<_> = self.words.iter().map(|word| (places(word), word.offset, word.same)).collect();
            return near::frequency(&words, self.slop);
        }
        let Some((first, others)) = self.words.split_first() else { return 0.0 };
        let is_begun = |place: &&u32| {
            let begin = i64::from(**place) - first.offset as i64;
            others.iter().all(|word| {
                u32::try_from(begin + word.offset as i64)
                    .is_ok_and(|wanted| places(word).binary_search(&wanted).is_ok())
            })
        };
        first.places.iter().filter(is_begun).count() as f32
    }
}

impl DocSet for PhraseScorer {
    fn advance(&mut self) -> DocId {
        if self.document != TERMINATED {
            self.words[0].postings.advance();
            self.settle();
        }
        self.document
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target > self.document {
            self.words[0].postings.seek(target);
            self.settle();
        }
        self.document
    }

    fn doc(&self) -> DocId {
        self.document
    }

    fn size_hint(&self) -> u32 {
        self.words.iter().map(|word| word.postings.size_hint()).min().unwrap_or(0)
    }
}

impl Scorer for PhraseScorer {
    fn score(&mut self) -> Score {
        self.fit.score(self.document, self.often)
    }
}
