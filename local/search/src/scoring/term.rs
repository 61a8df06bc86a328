//! Documents that have a term, with their scores.

use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::postings::{Postings as _, SegmentPostings};
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, TermQuery, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Score, SegmentReader, TantivyError, Term};

use super::blend::Blend;
use super::statistics::{Owners, Statistics};
use super::{Model, rounded};

/// Documents that have a term.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The term.
    pub term: Term,
    /// The field whose lengths count.
    pub field: String,
    /// Whether longer ones fit less well, and whether it counts how often the term is there: so it is for words.
    pub is_text: bool,
    /// The terms that count as equally rare, and which of them it is.
    pub blend: Option<(Arc<Blend>, usize)>,
    /// What is known of the documents.
    pub statistics: Arc<Statistics>,
}

impl Query for Scored {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        if !scoring.is_scoring_enabled() {
            return TermQuery::new(self.term.clone(), IndexRecordOption::Basic).weight(scoring);
        }
        let frequencies = match &self.blend {
            None => self.statistics.frequencies(&self.term)?,
            Some((blend, place)) => blend.frequencies(&self.statistics)?[*place].clone(),
        };
        let lengths = self.statistics.lengths(&self.field)?;
        let models = lengths
            .iter()
            .zip(&frequencies)
            .map(|(lengths, frequency)| Model::new(lengths.documents, lengths.total, std::slice::from_ref(frequency)));
        Ok(Box::new(ScoredWeight { models: models.collect(), query: self.clone() }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        visitor(&self.term, false);
    }
}

struct ScoredWeight {
    models: Arc<[Model]>,
    query: Scored,
}

impl Weight for ScoredWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Scored { term, field, is_text, statistics, .. } = &self.query;
        let option = if *is_text { IndexRecordOption::WithFreqs } else { IndexRecordOption::Basic };
        let Some(postings) = reader.inverted_index(term.field())?.read_postings(term, option)? else {
            return Ok(Box::new(EmptyScorer));
        };
        let lengths = if *is_text { Statistics::column(reader, field)? } else { None };
        let fit = Fit { owners: statistics.owners(reader), models: Arc::clone(&self.models), lengths, boost };
        Ok(Box::new(TermScorer { postings, fit, is_text: *is_text }))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        explained(self.scorer(reader, 1.0)?, document)
    }
}

/// The score of a document without its parts.
pub(super) fn explained(mut scorer: Box<dyn Scorer>, document: DocId) -> tantivy::Result<Explanation> {
    if scorer.doc() > document || scorer.seek(document) != document {
        return Err(TantivyError::InvalidArgument(format!("document {document} doesn't fit")));
    }
    Ok(Explanation::new("BM25", scorer.score()))
}

/// How well the documents of a segment fit.
pub(super) struct Fit {
    pub(super) owners: Owners,
    /// By the numbers of the indices.
    pub(super) models: Arc<[Model]>,
    /// None where lengths don't count.
    pub(super) lengths: Option<Column<i64>>,
    pub(super) boost: Score,
}

impl Fit {
    /// The score of a document that has what is looked for so often.
    pub(super) fn score(&self, document: DocId, often: f32) -> Score {
        let model = self.owners.of(document).and_then(|index| self.models.get(index));
        // What isn't searched isn't shown.
        let Some(model) = model else { return 0.0 };
        let length = self.lengths.as_ref().and_then(|lengths| lengths.first(document)).map_or(1.0, rounded);
        model.score(self.boost, often, length)
    }
}

struct TermScorer {
    postings: SegmentPostings,
    fit: Fit,
    is_text: bool,
}

impl DocSet for TermScorer {
    fn advance(&mut self) -> DocId {
        self.postings.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.postings.seek(target)
    }

    fn doc(&self) -> DocId {
        self.postings.doc()
    }

    fn size_hint(&self) -> u32 {
        self.postings.size_hint()
    }
}

impl Scorer for TermScorer {
    fn score(&mut self) -> Score {
        let often = if self.is_text { self.postings.term_freq() as f32 } else { 1.0 };
        self.fit.score(self.postings.doc(), often)
    }
}
