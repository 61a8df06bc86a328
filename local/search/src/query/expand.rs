//! The terms of a field that a query stands for.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use levenshtein_automata::{Distance, LevenshteinAutomatonBuilder};
use tantivy::Term;
use tantivy::schema::Field;

use super::{Parser, text_term};
use crate::answer::SearchError;
use crate::ordered::Ordered;

/// How many terms are looked at between two looks at the clock.
const STEPS: usize = 4096;

impl Parser<'_> {
    /// The terms under a path that begin so and fit.
    ///
    /// # Errors
    /// There are too many, or the time is over.
    pub(super) fn expanded(
        &self,
        (field, path): (Field, &str),
        prefix: &str,
        mut fits: impl FnMut(&str) -> bool,
    ) -> Result<Vec<Term>, SearchError> {
        let mut found = BTreeSet::new();
        self.each_text((field, path), prefix, |text| {
            if fits(text) && found.insert(text.to_owned()) {
                self.spend(1)?;
                self.note(path, text);
            }
            Ok(())
        })?;
        Ok(found.iter().map(|text| text_term(field, path, text)).collect())
    }

    /// The words under a path that are so many changes from a word, with how much they are like it: the likest, at most so many.
    ///
    /// # Errors
    /// The time is over.
    pub(super) fn close_to(
        &self,
        of: (Field, &str),
        word: &str,
        fuzzy: Fuzzy,
    ) -> Result<Vec<(String, f32)>, SearchError> {
        let dfa = builder(fuzzy.distance, fuzzy.transpositions).build_dfa(word);
        let prefix: String = word.chars().take(fuzzy.prefix).collect();
        let length = word.chars().count();
        let mut found = BTreeSet::new();
        self.each_text(of, &prefix, |text| {
            if let Distance::Exact(distance) = dfa.eval(text) {
                // Changes count for more in a short word.
                let shorter = length.min(text.chars().count()).max(1);
                let unlike = Ordered(f64::from(f32::from(distance) / shorter as f32));
                found.insert((unlike, text.to_owned()));
                if found.len() > fuzzy.most {
                    found.pop_last();
                }
            }
            Ok(())
        })?;
        Ok(found.into_iter().map(|(unlike, text)| (text, (1.0 - unlike.0 as f32).max(0.0))).collect())
    }

    /// Calls with each text under a path that begins so; once for each segment.
    fn each_text(
        &self,
        (field, path): (Field, &str),
        prefix: &str,
        mut call: impl FnMut(&str) -> Result<(), SearchError>,
    ) -> Result<(), SearchError> {
        let base = text_term(field, path, "").serialized_value_bytes().to_vec();
        let first = [base.as_slice(), prefix.as_bytes()].concat();
        self.patience.check()?;
        let mut steps = 0;
        for segment in self.searcher.segment_readers() {
            let inverted = segment.inverted_index(field)?;
            let mut terms = inverted.terms().range().ge(&first).into_stream().map_err(SearchError::internal)?;
            while terms.advance() {
                let Some(text) = terms.key().strip_prefix(base.as_slice()) else { break };
                let Ok(text) = std::str::from_utf8(text) else { continue };
                if !text.starts_with(prefix) {
                    break;
                }
                call(text)?;
                steps += 1 + text.len() / 64;
                if steps >= STEPS {
                    steps = 0;
                    self.patience.check()?;
                }
            }
        }
        Ok(())
    }
}

/// What finds words so far from one: made once, for that takes long.
fn builder(distance: u8, transpositions: bool) -> &'static LevenshteinAutomatonBuilder {
    static BUILDERS: [OnceLock<LevenshteinAutomatonBuilder>; 6] = [const { OnceLock::new() }; 6];
    let distance = distance.min(2);
    let place = usize::from(distance) * 2 + usize::from(transpositions);
    BUILDERS[place].get_or_init(|| LevenshteinAutomatonBuilder::new(distance, transpositions))
}

/// How far from a word others may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fuzzy {
    /// In changes of a character.
    pub distance: u8,
    /// How many characters must be the same at the beginning.
    pub prefix: usize,
    /// How many words it stands for at most.
    pub most: usize,
    /// Whether two characters that change places are one change.
    pub transpositions: bool,
}
