//! Queries for words: match, match_phrase, multi_match.

use std::collections::HashSet;

use serde_json::Value;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::expand::Fuzzy;
use super::wanted::{EXPANSIONS, Wanted, analyzer, slop};
use super::{Boxed, Parsed, Parser, boosted, minimum, text_term};
use crate::analysis::{self, Word};
use crate::answer::SearchError;
use crate::members::{Members, scalar};

/// Where words are looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fields {
    /// Anywhere.
    All,
    /// In fields, each with its weight.
    Named(Vec<(String, f32)>),
}

impl Parser<'_> {
    pub(super) fn match_words(&self, body: &Value) -> Parsed {
        let (field, value) = Members::of(body, "match")?.only()?;
        if !value.is_object() {
            let text = scalar(value).ok_or_else(|| SearchError::parsing("[match] unknown token for a query text"))?;
            return self.words(field, &text, &Wanted::default());
        }
        let mut members = Members::of(value, "match")?;
        let boost = members.boost()?;
        let text = members.text("query")?.ok_or_else(|| SearchError::parsing("No text specified for text query"))?;
        let wanted = Wanted::read(&mut members)?;
        members.end()?;
        Ok(boosted(self.words(field, &text, &wanted)?, boost))
    }

    pub(super) fn match_phrase(&self, body: &Value) -> Parsed {
        let (field, value) = Members::of(body, "match_phrase")?.only()?;
        if !value.is_object() {
            let text =
                scalar(value).ok_or_else(|| SearchError::parsing("[match_phrase] unknown token for a query text"))?;
            return self.phrase(field, &text, 0);
        }
        let mut members = Members::of(value, "match_phrase")?;
        let boost = members.boost()?;
        let text = members.text("query")?.ok_or_else(|| SearchError::parsing("No text specified for text query"))?;
        let slop = slop(&mut members, "slop")?;
        analyzer(&mut members)?;
        members.end()?;
        Ok(boosted(self.phrase(field, &text, slop)?, boost))
    }

    /// Documents whose field has the words of the text.
    pub(super) fn words(&self, field: &str, text: &str, wanted: &Wanted) -> Parsed {
        if self.is_text(field) {
            return self.each_word(text, wanted, |parser, word| parser.word(Some(field), word, wanted));
        }
        match self.term(field, text) {
            Err(_) if wanted.lenient => Ok(Box::new(EmptyQuery)),
            found => found,
        }
    }

    /// Documents with the words of the text anywhere.
    fn anywhere(&self, text: &str, wanted: &Wanted) -> Parsed {
        self.each_word(text, wanted, |parser, word| parser.word(None, word, wanted))
    }

    fn each_word(&self, text: &str, wanted: &Wanted, query: impl Fn(&Self, &Word) -> Parsed) -> Parsed {
        let words = analysis::words(text);
        self.spend(words.len())?;
        let mut queries = Vec::with_capacity(words.len());
        for word in &words {
            queries.push(query(self, word)?);
        }
        if queries.is_empty() {
            return Ok(if wanted.none_is_all {
                Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))
            } else {
                Box::new(EmptyQuery)
            });
        }
        // One word alone must fit, whatever else is asked for.
        if queries.len() == 1 {
            return Ok(queries.remove(0));
        }
        let minimum = match &wanted.minimum {
            Some(minimum) if !wanted.all => minimum::required(minimum, queries.len())?,
            _ => 0,
        };
        if minimum > queries.len() {
            return Ok(Box::new(EmptyQuery));
        }
        let occur = if wanted.all { Occur::Must } else { Occur::Should };
        let clauses = queries.into_iter().map(|query| (occur, query)).collect();
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum)))
    }

    /// Documents with a word, in a field or anywhere.
    pub(super) fn word(&self, field: Option<&str>, word: &Word, wanted: &Wanted) -> Parsed {
        let exact = |text: &str| {
            self.note(field, text);
            let term = match field {
                Some(path) => text_term(self.layout.fields, path, text),
                None => Term::from_field_text(self.layout.all, text),
            };
            Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as Boxed
        };
        let distance = wanted.fuzziness.map_or(0, |fuzziness| fuzziness.of(&word.text));
        if distance == 0 {
            return Ok(exact(&word.text));
        }
        let fuzzy = Fuzzy {
            distance,
            prefix: wanted.prefix,
            most: wanted.most.unwrap_or(EXPANSIONS),
            transpositions: !wanted.no_transpositions,
        };
        let of = field.map(|path| (self.layout.fields, path));
        let close = self.close_to(of, &word.text, fuzzy)?;
        self.spend(close.len())?;
        let length = word.text.chars().count();
        // The score of the best, which counts for less with each change.
        let each = close.iter().map(|(text, changes)| {
            let shorter = length.min(text.chars().count()).max(1);
            boosted(exact(text), (1.0 - f32::from(*changes) / shorter as f32).max(0.0))
        });
        Ok(Box::new(DisjunctionMaxQuery::new(each.collect::<Vec<_>>())))
    }

    /// Documents in whose field the words stand side by side, with so many others between them at most.
    pub(super) fn phrase(&self, field: &str, text: &str, slop: u32) -> Parsed {
        if !self.is_text(field) {
            return self.term(field, text);
        }
        self.side_by_side(text, slop, |text| {
            self.note(Some(field), text);
            text_term(self.layout.fields, field, text)
        })
    }

    fn side_by_side(&self, text: &str, slop: u32, term: impl Fn(&str) -> Term) -> Parsed {
        let words = analysis::words(text);
        self.spend(words.len())?;
        let terms: Vec<(usize, Term)> = words.iter().map(|word| (word.position, term(&word.text))).collect();
        match terms.as_slice() {
            [] => Ok(Box::new(EmptyQuery)),
            [(_, only)] => Ok(Box::new(TermQuery::new(only.clone(), IndexRecordOption::WithFreqs))),
            _ => Ok(Box::new(PhraseQuery::new_with_offset_and_slop(terms, slop))),
        }
    }

    /// The fields that names stand for: patterns are those that fit, `^2` is a weight.
    pub(super) fn fields(&self, names: &[String]) -> Result<Fields, SearchError> {
        let mut named: Vec<(String, f32)> = Vec::new();
        let mut known = HashSet::new();
        for name in names {
            let (name, weight) = match name.split_once('^') {
                None => (name.as_str(), 1.0),
                Some((field, weight)) => {
                    let parsed = weight.parse::<f32>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
                    (field, parsed.ok_or_else(|| SearchError::illegal(format!("[{name}] has no weight behind its ^")))?)
                }
            };
            if name == "*" {
                return Ok(Fields::All);
            }
            let fitting =
                if name.contains('*') { self.mappings.fitting(self.indices, name) } else { vec![name.to_owned()] };
            self.spend(1 + fitting.len())?;
            for field in fitting {
                if known.insert(field.clone()) {
                    named.push((field, weight));
                }
            }
        }
        Ok(Fields::Named(named))
    }

    pub(super) fn multi_match(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "multi_match")?;
        let boost = members.boost()?;
        let text =
            members.text("query")?.ok_or_else(|| SearchError::parsing("No text specified for multi_match query"))?;
        let fields = self.fields(&names(members.take("fields"), "multi_match")?)?;
        let kind = members.text("type")?;
        let tie = members.number("tie_breaker")?.map(|tie| tie as f32);
        let slop = slop(&mut members, "slop")?;
        let mut wanted = Wanted::read(&mut members)?;
        members.end()?;
        // Words in numbers' fields and the like find nothing, for the fields are of many kinds.
        wanted.lenient |= true;
        let kind = kind.as_deref().unwrap_or("best_fields");
        let fields = match fields {
            Fields::Named(fields) if !fields.is_empty() => fields,
            _ => {
                return match kind {
                    "best_fields" | "most_fields" | "cross_fields" => {
                        Ok(boosted(self.anywhere(&text, &wanted)?, boost))
                    }
                    "phrase" => Ok(boosted(self.phrase_in(&Fields::All, &text, slop)?, boost)),
                    other => Err(unknown_type(other)),
                };
            }
        };
        let found = match kind {
            "best_fields" => best(each_field(&fields, |field| self.words(field, &text, &wanted))?, tie.unwrap_or(0.0)),
            "most_fields" => best(each_field(&fields, |field| self.words(field, &text, &wanted))?, 1.0),
            "phrase" => best(each_field(&fields, |field| self.phrase(field, &text, slop))?, tie.unwrap_or(0.0)),
            "cross_fields" if wanted.fuzziness.is_some() => {
                return Err(SearchError::parsing("Fuzziness not allowed for type [cross_fields]"));
            }
            // Each word may stand in another field: the words' scores add up, each taken where it is highest.
            "cross_fields" => self.each_word(&text, &wanted, |parser, word| {
                let within = each_field(&fields, |field| {
                    if parser.is_text(field) {
                        parser.word(Some(field), word, &wanted)
                    } else {
                        parser.words(field, &word.text, &wanted)
                    }
                });
                Ok(best(within?, tie.unwrap_or(0.0)))
            })?,
            other => return Err(unknown_type(other)),
        };
        Ok(boosted(found, boost))
    }

    /// Documents with the words in one of the fields, or anywhere.
    pub(super) fn words_in(&self, fields: &Fields, text: &str, (wanted, tie): (&Wanted, f32)) -> Parsed {
        match fields {
            Fields::All => self.anywhere(text, wanted),
            Fields::Named(fields) => Ok(best(each_field(fields, |field| self.words(field, text, wanted))?, tie)),
        }
    }

    /// Documents with the phrase in one of the fields, or anywhere.
    pub(super) fn phrase_in(&self, fields: &Fields, text: &str, slop: u32) -> Parsed {
        match fields {
            Fields::All => self.side_by_side(text, slop, |text| {
                self.note(None, text);
                Term::from_field_text(self.layout.all, text)
            }),
            Fields::Named(fields) => Ok(best(each_field(fields, |field| self.phrase(field, text, slop))?, 0.0)),
        }
    }
}

fn each_field(fields: &[(String, f32)], query: impl Fn(&str) -> Parsed) -> Result<Vec<Boxed>, SearchError> {
    let each = fields.iter().map(|(field, weight)| Ok(Box::new(BoostQuery::new(query(field)?, *weight)) as Boxed));
    each.collect()
}

/// The score of the best, and a share of the others'.
fn best(mut queries: Vec<Boxed>, tie: f32) -> Boxed {
    if queries.len() == 1 { queries.remove(0) } else { Box::new(DisjunctionMaxQuery::with_tie_breaker(queries, tie)) }
}

fn unknown_type(kind: &str) -> SearchError {
    SearchError::parsing(format!("failed to parse [multi_match] query type [{kind}]. unknown type."))
}

/// Names of fields: one, or some in an array.
pub(super) fn names(value: Option<&Value>, kind: &str) -> Result<Vec<String>, SearchError> {
    let wrong = || SearchError::parsing(format!("[{kind}] [fields] must be names of fields"));
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(one) => Ok(vec![one.as_str().map(str::to_owned).ok_or_else(wrong)?]),
    }
}
