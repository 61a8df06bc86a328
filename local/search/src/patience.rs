//! Searches that end: after a time, or when nobody waits for the answer any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

use crate::answer::SearchError;

/// How many steps are taken between two looks at the clock.
const STEPS: u32 = 1_024;

/// How long a search may go on.
#[derive(Debug, Clone)]
pub struct Patience {
    until: Instant,
    longest: Duration,
    is_alone: Arc<AtomicBool>,
}

/// Who waits for an answer; dropped, nobody does.
#[derive(Debug)]
pub struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Patience {
    /// A search that may take so long, and somebody who waits for it.
    pub fn new(longest: Duration) -> (Self, Waiting) {
        let is_alone = Arc::new(AtomicBool::new(false));
        let waiting = Waiting(Arc::clone(&is_alone));
        (Self { until: Instant::now() + longest, longest, is_alone }, waiting)
    }

    fn is_over(&self) -> bool {
        self.is_alone.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Refuses what a search has found when its time is over.
    ///
    /// # Errors
    /// It is over: what was found isn't all.
    pub fn check(&self) -> Result<(), SearchError> {
        if !self.is_over() {
            return Ok(());
        }
        let reason = format!("the search took longer than {} s: ask for less", self.longest.as_secs_f64());
        Err(SearchError { status: 503, kind: "search_timeout_exception", reason })
    }

    /// The query, which finds nothing more when the time is over.
    pub fn limit(&self, query: Box<dyn Query>) -> Limited {
        Limited { query, patience: self.clone() }
    }
}

/// A query that finds nothing more when its time is over.
#[derive(Debug)]
pub struct Limited {
    query: Box<dyn Query>,
    patience: Patience,
}

impl Clone for Limited {
    fn clone(&self) -> Self {
        Self { query: self.query.box_clone(), patience: self.patience.clone() }
    }
}

impl Query for Limited {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(LimitedWeight { weight: self.query.weight(scoring)?, patience: self.patience.clone() }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.query.query_terms(visitor);
    }
}

struct LimitedWeight {
    weight: Box<dyn Weight>,
    patience: Patience,
}

impl Weight for LimitedWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let scorer = self.weight.scorer(reader, boost)?;
        let is_over = self.patience.is_over();
        Ok(Box::new(LimitedScorer { scorer, patience: self.patience.clone(), steps: 0, is_over }))
    }

    fn explain(&self, reader: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        self.weight.explain(reader, document)
    }
}

struct LimitedScorer {
    scorer: Box<dyn Scorer>,
    patience: Patience,
    steps: u32,
    is_over: bool,
}

impl LimitedScorer {
    /// Takes note of so many steps; whether they were the last.
    fn ends(&mut self, steps: u32) -> bool {
        self.steps += steps;
        if self.steps >= STEPS {
            self.steps = 0;
            self.is_over |= self.patience.is_over();
        }
        self.is_over
    }
}

impl DocSet for LimitedScorer {
    fn advance(&mut self) -> DocId {
        if self.ends(1) { TERMINATED } else { self.scorer.advance() }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.ends(1) { TERMINATED } else { self.scorer.seek(target) }
    }

    fn fill_buffer(&mut self, buffer: &mut [DocId; COLLECT_BLOCK_BUFFER_LEN]) -> usize {
        if self.ends(COLLECT_BLOCK_BUFFER_LEN as u32) { 0 } else { self.scorer.fill_buffer(buffer) }
    }

    fn doc(&self) -> DocId {
        if self.is_over { TERMINATED } else { self.scorer.doc() }
    }

    fn size_hint(&self) -> u32 {
        self.scorer.size_hint()
    }

    fn cost(&self) -> u64 {
        self.scorer.cost()
    }
}

impl Scorer for LimitedScorer {
    fn score(&mut self) -> Score {
        self.scorer.score()
    }
}

#[cfg(test)]
mod tests {
    use tantivy::collector::Count;
    use tantivy::query::AllQuery;
    use tantivy::schema::{Schema, TEXT};
    use tantivy::{Index, IndexWriter, Searcher, doc};

    use super::*;

    /// An index of 10,000 documents.
    fn searcher() -> Searcher {
        let mut schema = Schema::builder();
        let text = schema.add_text_field("text", TEXT);
        let index = Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 20_000_000).expect("a writer");
        for _ in 0..10_000 {
            writer.add_document(doc!(text => "word")).expect("added");
        }
        writer.commit().expect("committed");
        index.reader().expect("a reader").searcher()
    }

    /// How many documents a search finds, and whether it may say that these are all.
    fn found(patience: &Patience) -> (usize, bool) {
        let found = searcher().search(&patience.limit(Box::new(AllQuery)), &Count).expect("searched");
        (found, patience.check().is_ok())
    }

    #[test]
    fn a_search_ends_with_its_time_or_with_who_waits_for_it() {
        let (patience, waiting) = Patience::new(Duration::from_hours(1));
        assert_eq!(found(&patience), (10_000, true));
        drop(waiting);
        assert_eq!(found(&patience), (0, false));
        let (patience, _waiting) = Patience::new(Duration::ZERO);
        assert_eq!(found(&patience), (0, false));
        let error = patience.check().expect_err("its time is over");
        assert_eq!((error.status, error.kind), (503, "search_timeout_exception"));
    }

    #[test]
    fn it_looks_at_the_clock_on_its_way() {
        let (patience, waiting) = Patience::new(Duration::from_hours(1));
        let searcher = searcher();
        let query = patience.limit(Box::new(AllQuery));
        let weight = query.weight(EnableScoring::disabled_from_searcher(&searcher)).expect("a weight");
        let mut scorer = weight.scorer(searcher.segment_reader(0), 1.0).expect("a scorer");
        let mut waiting = Some(waiting);
        let mut steps = 0;
        while scorer.advance() != TERMINATED {
            steps += 1;
            if steps == 100 {
                waiting = None;
            }
        }
        assert!(waiting.is_none() && (100..=2 * STEPS).contains(&steps), "{steps}");
    }
}
