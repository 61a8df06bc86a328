//! From Elasticsearch's query language to tantivy queries.
//!
//! Whatever isn't understood is refused by its name: nothing of a request is left out without a word.

mod address;
mod exact;
mod expand;
mod geo;
mod line;
mod minimum;
mod range;
mod simple;
mod syntax;
mod wanted;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tantivy::Searcher;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, Query};

use crate::answer::SearchError;
use crate::document::Layout;
use crate::mapping::Mappings;
use crate::members::Members;
use crate::patience::Patience;
use crate::scoring::Statistics;

pub use exact::text_term;

type Boxed = Box<dyn Query>;
type Parsed = Result<Boxed, SearchError>;

/// How many clauses and terms a query may have, as Elasticsearch has it for terms.
pub const CLAUSES: usize = 65_536;
/// How deep queries may be nested, as Elasticsearch has it.
const DEEPEST: usize = 30;

/// A word that is looked for, and the field in which it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note {
    /// The field.
    pub field: String,
    /// The word.
    pub text: String,
}

/// What a query says beside what it finds.
#[derive(Debug, Default)]
pub struct Marks {
    /// The words that are looked for, to highlight them.
    pub notes: HashSet<Note>,
    /// The queries that have names.
    pub named: Vec<(String, Box<dyn Query>)>,
}

/// What queries are understood by.
#[derive(Debug, Clone, Copy)]
pub struct Parser<'a> {
    /// What is searched, for its words.
    pub searcher: &'a Searcher,
    /// What scores are made of.
    pub statistics: &'a Arc<Statistics>,
    /// The fields.
    pub layout: Layout,
    /// The types of the documents' fields.
    pub mappings: &'a Mappings,
    /// The indices that are searched.
    pub indices: &'a [String],
    /// When it is now.
    pub now: DateTime<Utc>,
    /// How long it may take.
    pub patience: &'a Patience,
    /// In how many clauses the next one stands.
    pub depth: usize,
    /// How many clauses and terms there may be yet.
    pub left: &'a Cell<usize>,
    /// The words that are looked for; none where what is found mustn't fit.
    pub notes: Option<&'a RefCell<HashSet<Note>>>,
    /// The queries that have names.
    pub named: &'a RefCell<Vec<(String, Box<dyn Query>)>>,
}

impl Parser<'_> {
    /// The query that finds what the clause describes. Its name, if it has one, is kept.
    pub fn clause(&self, clause: &Value) -> Parsed {
        let found = self.nameless(clause)?;
        if let Some(name) = name_of(clause)? {
            self.named.borrow_mut().push((name.to_owned(), found.box_clone()));
        }
        Ok(found)
    }

    fn nameless(&self, clause: &Value) -> Parsed {
        if self.depth > DEEPEST {
            return Err(SearchError::illegal(format!(
                "The nested depth of the query exceeds the maximum nested depth for bool queries: [{DEEPEST}]"
            )));
        }
        self.spend(1)?;
        let members = Members::of(clause, "query")?;
        let (kind, body) = match members.rest().as_slice() {
            [one] => *one,
            [] => return Err(SearchError::illegal("query malformed, empty clause found")),
            [(first, _), (second, _), ..] => {
                return Err(SearchError::parsing(format!(
                    "[{first}] malformed query, expected [END_OBJECT] but found [{second}]"
                )));
            }
        };
        match kind {
            "match_all" => {
                let boost = alone(body, kind)?;
                Ok(boosted(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0)), boost))
            }
            "match_none" => alone(body, kind).map(|_| Box::new(EmptyQuery) as Boxed),
            "match" => self.match_words(body),
            "match_phrase" => self.match_phrase(body),
            "multi_match" => self.multi_match(body),
            "query_string" => self.query_string(body),
            "simple_query_string" => self.simple_query_string(body),
            "term" => self.term_query(body),
            "terms" => self.terms_query(body),
            "prefix" => self.prefix_query(body),
            "wildcard" => self.wildcard_query(body),
            "ids" => self.ids_query(body),
            "exists" => self.exists_query(body),
            "range" => self.range_query(body),
            "geo_bounding_box" => self.geo_bounding_box(body),
            "geo_distance" => self.geo_distance(body),
            "constant_score" => {
                let mut members = Members::of(body, kind)?;
                let boost = members.boost()?;
                let filter = members.take("filter");
                members.end()?;
                let filter =
                    filter.ok_or_else(|| SearchError::parsing("[constant_score] requires a 'filter' element"))?;
                Ok(Box::new(ConstScoreQuery::new(self.deeper().clause(filter)?, boost)))
            }
            "bool" => self.boolean(body),
            other => Err(SearchError::parsing(format!("unknown query [{other}]"))),
        }
    }

    fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, ..*self }
    }

    /// The same for what mustn't fit.
    fn excluding(&self) -> Self {
        Self { notes: None, ..*self }
    }

    /// Takes note of a word that is looked for.
    fn note(&self, field: &str, text: &str) {
        if let Some(notes) = self.notes {
            notes.borrow_mut().insert(Note { field: field.to_owned(), text: text.to_owned() });
        }
    }

    /// Takes note of so many clauses or terms, and looks at the clock.
    fn spend(&self, count: usize) -> Result<(), SearchError> {
        self.patience.check()?;
        let left = self.left.get().checked_sub(count);
        let left =
            left.ok_or_else(|| SearchError::illegal(format!("too many clauses and terms: more than {CLAUSES}")))?;
        self.left.set(left);
        Ok(())
    }

    fn boolean(&self, body: &Value) -> Parsed {
        let inner = self.deeper();
        let mut members = Members::of(body, "bool")?;
        let boost = members.boost()?;
        let minimum = members.take("minimum_should_match");
        if members.flag("adjust_pure_negative")? == Some(false) {
            return Err(SearchError::parsing("[bool] query does not support [adjust_pure_negative] false here"));
        }
        let mut clauses: Vec<(Occur, Boxed)> = Vec::new();
        let (mut should, mut required) = (0, 0);
        for name in ["must", "filter", "should", "must_not"] {
            let listed: Vec<&Value> = match members.take(name) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(values)) => values.iter().collect(),
                Some(one) => vec![one],
            };
            for clause in listed {
                let query = if name == "must_not" { inner.excluding() } else { inner }.clause(clause)?;
                clauses.push(match name {
                    "must" => (Occur::Must, query),
                    "filter" => (Occur::Must, Box::new(BoostQuery::new(query, 0.0))),
                    "should" => (Occur::Should, query),
                    _ => (Occur::MustNot, query),
                });
                match name {
                    "should" => should += 1,
                    "must" | "filter" => required += 1,
                    _ => {}
                }
            }
        }
        members.end()?;
        let minimum = match minimum {
            Some(minimum) => minimum::required(minimum, should)?,
            None => usize::from(should > 0 && required == 0),
        };
        if minimum > should {
            return Ok(Box::new(EmptyQuery));
        }
        if should + required == 0 {
            let all = Box::new(ConstScoreQuery::new(Box::new(AllQuery), if clauses.is_empty() { 1.0 } else { 0.0 }));
            clauses.push((Occur::Must, all));
        }
        Ok(boosted(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum)), boost))
    }
}

/// The name of a query: of its own, or beside what is looked for in its field.
fn name_of(clause: &Value) -> Result<Option<&str>, SearchError> {
    let Some((kind, body)) = clause.as_object().and_then(|members| members.iter().next()) else { return Ok(None) };
    let within = ["match", "match_phrase", "term", "prefix", "wildcard", "range"].contains(&kind.as_str());
    let inner = || body.as_object()?.values().find_map(|value| value.get("_name").filter(|_| within));
    let name = body.get("_name").or_else(inner);
    name.map(|name| name.as_str().ok_or_else(|| SearchError::parsing(format!("[{kind}] [_name] must be a text"))))
        .transpose()
}

/// The boost of a query that has no other members.
fn alone(body: &Value, kind: &str) -> Result<f32, SearchError> {
    let mut members = Members::of(body, kind)?;
    let boost = members.boost()?;
    members.end()?;
    Ok(boost)
}

fn boosted(query: Boxed, boost: f32) -> Boxed {
    if (boost - 1.0).abs() < f32::EPSILON { query } else { Box::new(BoostQuery::new(query, boost)) }
}

/// Documents that one of the queries finds, all alike.
fn any(queries: Vec<Boxed>) -> Boxed {
    let clauses = queries.into_iter().map(|query| (Occur::Should, query)).collect();
    Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(clauses)), 1.0))
}
