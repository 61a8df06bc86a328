//! Queries for words: match, match_phrase, multi_match.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur};

use super::expand::Fuzzy;
use super::wanted::{EXPANSIONS, Wanted, analyzer, slop};
use super::{Boxed, Parsed, Parser, boosted, minimum, text_term};
use crate::analysis::{self, Word};
use crate::answer::SearchError;
use crate::members::{Members, scalar};
use crate::scoring::{Blend, Mixing, Phrase};

/// How many words a phrase has at most: each is looked for beside each place of the first.
const PHRASE_WORDS: usize = 256;

/// Where words are looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields {
    /// The fields, each with its weight.
    pub named: Vec<(String, f32)>,
    /// Whether these are all that there are.
    pub is_all: bool,
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
            return self.each_word(text, wanted, |parser, word| parser.word(field, &word.text, wanted));
        }
        let found = match wanted.fuzziness {
            // A text that is found as a whole may be misspelt too.
            Some(_) if self.terms_of(field).is_some() => self.word(field, text, wanted),
            _ => self.term(field, text),
        };
        found.or_else(|error| unless_lenient(error, wanted.lenient))
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

    /// Documents with a word of a field.
    pub(super) fn word(&self, field: &str, word: &str, wanted: &Wanted) -> Parsed {
        let Some((of, path)) = self.terms_of(field) else { return self.term(field, word) };
        let distance = wanted.fuzziness.map_or(0, |fuzziness| fuzziness.of(word));
        if distance == 0 {
            return self.term(field, word);
        }
        let fuzzy = Fuzzy {
            distance,
            prefix: wanted.prefix,
            most: wanted.most.unwrap_or(EXPANSIONS),
            transpositions: !wanted.no_transpositions,
        };
        let close = self.close_to((of, &path), word, fuzzy)?;
        self.spend(close.len())?;
        let terms: Vec<_> = close.iter().map(|(text, _)| (text_term(of, &path, text), field.to_owned())).collect();
        let blend = Blend::new(terms.clone(), Mixing::Close);
        let each = terms.into_iter().zip(&close).enumerate().map(|(place, ((term, _), (text, likeness)))| {
            self.note(field, text);
            (Occur::Should, boosted(self.scored(term, field, Some((Arc::clone(&blend), place))), *likeness))
        });
        Ok(Box::new(BooleanQuery::new(each.collect())))
    }

    /// Documents in whose field the words stand side by side, with so many others between them at most.
    pub(super) fn phrase(&self, field: &str, text: &str, slop: u32) -> Parsed {
        if !self.is_text(field) {
            return self.term(field, text);
        }
        let words = analysis::words(text);
        self.spend(words.len())?;
        if words.len() > PHRASE_WORDS {
            return Err(SearchError::illegal(format!("a phrase has more than [{PHRASE_WORDS}] words")));
        }
        let mut terms = Vec::with_capacity(words.len());
        for word in &words {
            self.note(field, &word.text);
            terms.push((word.position, text_term(self.layout.fields, field, &word.text)));
        }
        match terms.as_slice() {
            [] => Ok(Box::new(EmptyQuery)),
            [(_, only)] => Ok(self.scored(only.clone(), field, None)),
            _ => {
                let statistics = Arc::clone(self.statistics);
                Ok(Box::new(Phrase { terms, slop, field: field.to_owned(), statistics }))
            }
        }
    }

    /// The fields that names stand for: patterns are those that fit, `^2` is a weight.
    ///
    /// # Errors
    /// A weight is none, or there are too many.
    pub(super) fn fields(&self, names: &[String]) -> Result<Fields, SearchError> {
        let mut named: Vec<(String, f32)> = Vec::new();
        let mut is_all = false;
        let mut known = HashSet::new();
        for name in names {
            let (name, weight) = match name.split_once('^') {
                None => (name.as_str(), 1.0),
                Some((field, weight)) => {
                    let parsed = weight.parse::<f32>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
                    (field, parsed.ok_or_else(|| SearchError::illegal(format!("[{name}] has no weight behind its ^")))?)
                }
            };
            is_all |= name == "*";
            let fitting =
                if name.contains('*') { self.mappings.fitting(self.indices, name) } else { vec![name.to_owned()] };
            self.spend(1 + fitting.len())?;
            for field in fitting {
                if known.insert(field.clone()) {
                    named.push((field, weight));
                }
            }
        }
        Ok(Fields { named, is_all })
    }

    pub(super) fn multi_match(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "multi_match")?;
        let boost = members.boost()?;
        let text =
            members.text("query")?.ok_or_else(|| SearchError::parsing("No text specified for multi_match query"))?;
        let names = names(members.take("fields"), "multi_match")?;
        let fields = self.fields(&if names.is_empty() { everywhere() } else { names })?;
        let kind = members.text("type")?;
        let tie = members.number("tie_breaker")?.map(|tie| tie as f32);
        let slop = slop(&mut members, "slop")?;
        let mut wanted = Wanted::read(&mut members)?;
        members.end()?;
        // Where all fields are looked at, a text is no value of some.
        wanted.lenient = wanted.lenient_said.unwrap_or(fields.is_all);
        let fields = fields.named;
        let words = |field: &str| self.words(field, &text, &wanted);
        let found = match kind.as_deref().unwrap_or("best_fields") {
            "best_fields" => best(each_field(&fields, words)?, tie.unwrap_or(0.0)),
            "most_fields" => best(each_field(&fields, words)?, tie.unwrap_or(1.0)),
            "phrase" => {
                let phrase = |field: &str| {
                    self.phrase(field, &text, slop).or_else(|error| unless_lenient(error, wanted.lenient))
                };
                best(each_field(&fields, phrase)?, tie.unwrap_or(0.0))
            }
            "cross_fields" if wanted.fuzziness.is_some() => {
                return Err(SearchError::parsing("Fuzziness not allowed for type [cross_fields]"));
            }
            "cross_fields" => self.cross_fields(&fields, &text, (&wanted, tie.unwrap_or(0.0)))?,
            other => return Err(unknown_type(other)),
        };
        Ok(boosted(found, boost))
    }

    /// Documents with each word in one of the fields. Those whose texts are found as a whole are taken together apart from the others.
    fn cross_fields(&self, fields: &[(String, f32)], text: &str, (wanted, tie): (&Wanted, f32)) -> Parsed {
        let (texts, wholes): (Vec<_>, Vec<_>) = fields.iter().cloned().partition(|(field, _)| self.is_text(field));
        let mut groups = Vec::new();
        if !texts.is_empty() {
            groups.push(self.each_word(text, wanted, |parser, word| parser.across(&texts, &word.text, (wanted, tie)))?);
        }
        if !wholes.is_empty() {
            groups.push(self.across(&wholes, text, (wanted, tie))?);
        }
        Ok(best(groups, tie))
    }

    /// Documents with a word in one of the fields, in which it counts as equally rare.
    fn across(&self, fields: &[(String, f32)], word: &str, (wanted, tie): (&Wanted, f32)) -> Parsed {
        let (mut terms, mut weights, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (field, weight) in fields {
            match self.terms_of(field) {
                Some((of, path)) => {
                    self.spend(1)?;
                    self.note(field, word);
                    terms.push((text_term(of, &path, word), field.clone()));
                    weights.push(*weight);
                }
                None => {
                    let found = self.term(field, word).or_else(|error| unless_lenient(error, wanted.lenient))?;
                    others.push(boosted(found, *weight));
                }
            }
        }
        let blend = Blend::new(terms.clone(), Mixing::Fields);
        let each = terms.into_iter().zip(weights).enumerate().map(|(place, ((term, field), weight))| {
            boosted(self.scored(term, &field, Some((Arc::clone(&blend), place))), weight)
        });
        others.extend(each);
        Ok(best(others, tie))
    }

    /// Documents with the words in one of the fields.
    pub(super) fn words_in(&self, fields: &Fields, text: &str, (wanted, tie): (&Wanted, f32)) -> Parsed {
        Ok(best(each_field(&fields.named, |field| self.words(field, text, wanted))?, tie))
    }

    /// Documents with the phrase in one of the fields.
    pub(super) fn phrase_in(&self, fields: &Fields, text: &str, (slop, tie): (u32, f32), is_lenient: bool) -> Parsed {
        let phrase = |field: &str| self.phrase(field, text, slop).or_else(|error| unless_lenient(error, is_lenient));
        Ok(best(each_field(&fields.named, phrase)?, tie))
    }
}

/// All fields, as a request names them that names none.
pub(super) fn everywhere() -> Vec<String> {
    vec!["*".to_owned()]
}

/// Whether names are those of all fields.
pub(super) fn is_everywhere(names: &[String]) -> bool {
    names.is_empty() || names.len() == 1 && names[0] == "*"
}

/// Finds nothing where a text is no value of a field, if that is no fault.
///
/// # Errors
/// It is one, or something else is.
pub(super) fn unless_lenient(error: SearchError, is_lenient: bool) -> Parsed {
    if is_lenient && error.kind == "query_shard_exception" { Ok(Box::new(EmptyQuery)) } else { Err(error) }
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
