//! From Elasticsearch's query language to tantivy queries.

use std::cell::Cell;
use std::ops::Bound;

use serde_json::{Map, Value};
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, ExistsQuery, Occur, Query,
    RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DateTime, Index, Term};

use crate::answer::SearchError;
use crate::document::{FIELDS, Layout};
use crate::field::FieldType;
use crate::mapping::Mappings;

type Boxed = Box<dyn Query>;
type Parsed = Result<Boxed, SearchError>;

/// How many clauses and terms a query may have, as Elasticsearch has it for terms.
pub const CLAUSES: usize = 65_536;
/// How deep queries may be nested, as Elasticsearch has it.
const DEEPEST: usize = 30;

/// What queries are understood by.
#[derive(Debug, Clone, Copy)]
pub struct Parser<'a> {
    /// The tantivy index, for its tokenizers.
    pub index: &'a Index,
    /// The fields.
    pub layout: Layout,
    /// The types of the documents' fields.
    pub mappings: &'a Mappings,
    /// The indices that are searched.
    pub indices: &'a [String],
    /// In how many clauses the next one stands.
    pub depth: usize,
    /// How many clauses and terms there may be yet.
    pub left: &'a Cell<usize>,
}

impl Parser<'_> {
    /// The query that finds what the clause describes.
    pub fn clause(&self, clause: &Value) -> Parsed {
        if self.depth > DEEPEST {
            return Err(SearchError::illegal(format!(
                "The nested depth of the query exceeds the maximum nested depth for bool queries: [{DEEPEST}]"
            )));
        }
        self.spend(1)?;
        let (kind, body) = single(clause, "a query")?;
        match kind {
            "match_all" => Ok(Box::new(AllQuery)),
            "match_none" => Ok(Box::new(EmptyQuery)),
            "match" => {
                let (field, value) = single(body, "match")?;
                let (text, all) = text_and_operator(value, field)?;
                self.words(field, &text, all)
            }
            "multi_match" | "query_string" | "simple_query_string" => self.multi_match(body),
            "term" => {
                let (field, value) = single(body, "term")?;
                self.term(field, value.get("value").unwrap_or(value))
            }
            "terms" => {
                let (field, values) = single(body, "terms")?;
                let values = values.as_array().ok_or_else(|| SearchError::parsing("[terms] takes an array"))?;
                let mut any = Vec::with_capacity(values.len());
                for value in values {
                    any.push((Occur::Should, self.term(field, value)?));
                }
                Ok(Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(any)), 1.0)))
            }
            "ids" => {
                let values = body.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
                self.spend(values.len())?;
                let terms = values.iter().filter_map(Value::as_str).map(|id| Term::from_field_text(self.layout.id, id));
                Ok(Box::new(TermSetQuery::new(terms)))
            }
            "exists" => {
                let field = body.get("field").and_then(Value::as_str);
                let field = field.ok_or_else(|| SearchError::parsing("[exists] requires [field]"))?;
                Ok(Box::new(ExistsQuery::new(format!("{FIELDS}.{field}"), true)))
            }
            "range" => {
                let (field, bounds) = single(body, "range")?;
                self.range(field, bounds)
            }
            "bool" => self.boolean(body),
            other => Err(SearchError::parsing(format!("unknown query [{other}]"))),
        }
    }

    /// Takes note of so many clauses or terms.
    fn spend(&self, count: usize) -> Result<(), SearchError> {
        let left = self.left.get().checked_sub(count);
        let left =
            left.ok_or_else(|| SearchError::illegal(format!("too many clauses and terms: more than {CLAUSES}")))?;
        self.left.set(left);
        Ok(())
    }

    fn boolean(&self, body: &Value) -> Parsed {
        let inner = Self { depth: self.depth + 1, ..*self };
        let fields = body.as_object().ok_or_else(|| SearchError::parsing("[bool] takes an object"))?;
        let mut clauses: Vec<(Occur, Boxed)> = Vec::new();
        let (mut should, mut required) = (0, 0);
        for (name, value) in fields {
            let listed: Vec<&Value> = match value {
                Value::Array(values) => values.iter().collect(),
                one => vec![one],
            };
            for clause in listed {
                match name.as_str() {
                    "must" => clauses.push((Occur::Must, inner.clause(clause)?)),
                    "filter" => clauses.push((Occur::Must, Box::new(BoostQuery::new(inner.clause(clause)?, 0.0)))),
                    "should" => clauses.push((Occur::Should, inner.clause(clause)?)),
                    "must_not" => clauses.push((Occur::MustNot, inner.clause(clause)?)),
                    "minimum_should_match" | "boost" => continue,
                    other => return Err(SearchError::parsing(format!("[bool] query does not support [{other}]"))),
                }
                match name.as_str() {
                    "should" => should += 1,
                    "must" | "filter" => required += 1,
                    _ => {}
                }
            }
        }
        if should + required == 0 {
            clauses.push((Occur::Must, Box::new(AllQuery)));
        }
        let minimum = fields.get("minimum_should_match").and_then(Value::as_u64);
        let minimum = minimum.map_or(usize::from(should > 0 && required == 0), |number| number as usize);
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(clauses, minimum)))
    }

    fn multi_match(&self, body: &Value) -> Parsed {
        let text = body.get("query").and_then(Value::as_str);
        let text = text.ok_or_else(|| SearchError::parsing("[multi_match] requires query value"))?;
        let all = operator_is_and(body);
        let fields: Vec<&str> = body
            .get("fields")
            .and_then(Value::as_array)
            .map(|f| f.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        if fields.is_empty() || fields.contains(&"*") {
            return self.tokens(text, self.layout.all, None, all);
        }
        let mut named: Vec<(&str, f32)> = Vec::with_capacity(fields.len());
        for field in fields {
            named.push(match field.split_once('^') {
                Some((name, boost)) => (
                    name,
                    boost.parse().map_err(|_| SearchError::parsing(format!("[{field}] has no number behind its ^")))?,
                ),
                None => (field, 1.0),
            });
        }
        let within = |text: &str| -> Result<Vec<Boxed>, SearchError> {
            let each = named
                .iter()
                .map(|(name, boost)| Ok(Box::new(BoostQuery::new(self.words(name, text, all)?, *boost)) as Boxed));
            each.collect()
        };
        let kind = body.get("type").and_then(Value::as_str);
        if kind == Some("cross_fields") {
            // Each word may stand in another field: the words' scores add up, each taken where it is highest.
            let occur = if all { Occur::Must } else { Occur::Should };
            let mut words: Vec<(Occur, Boxed)> = Vec::new();
            for word in text.split_whitespace() {
                words.push((occur, Box::new(DisjunctionMaxQuery::new(within(word)?))));
            }
            return Ok(Box::new(BooleanQuery::new(words)));
        }
        let tie = body.get("tie_breaker").and_then(Value::as_f64).unwrap_or(0.0) as f32;
        let tie = if kind == Some("most_fields") { 1.0 } else { tie };
        Ok(Box::new(DisjunctionMaxQuery::with_tie_breaker(within(text)?, tie)))
    }

    /// Documents whose field has the words of the text: any of them, or all.
    fn words(&self, field: &str, text: &str, all: bool) -> Parsed {
        match self.mappings.field(self.indices, field) {
            Some(FieldType::Text) => self.tokens(text, self.layout.fields, Some(field), all),
            _ => self.term(field, &Value::String(text.to_owned())),
        }
    }

    fn tokens(&self, text: &str, field: Field, path: Option<&str>, all: bool) -> Parsed {
        let mut terms = Vec::new();
        if let Some(mut analyzer) = self.index.tokenizers().get("default") {
            analyzer.token_stream(text).process(&mut |token| {
                terms.push(match path {
                    Some(path) => text_term(field, path, &token.text),
                    None => Term::from_field_text(field, &token.text),
                });
            });
        }
        self.spend(terms.len())?;
        let occur = if all { Occur::Must } else { Occur::Should };
        let clauses = terms
            .into_iter()
            .map(|term| (occur, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as Boxed))
            .collect();
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    /// Documents whose field is exactly that: the whole text under `.keyword`, one of its words without.
    fn term(&self, field: &str, value: &Value) -> Parsed {
        self.spend(1)?;
        let term_query = |term| Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Boxed;
        if field == "_id" {
            return Ok(term_query(Term::from_field_text(self.layout.id, value.as_str().unwrap_or_default())));
        }
        if field == "_index" {
            return Ok(term_query(Term::from_field_text(self.layout.index, value.as_str().unwrap_or_default())));
        }
        let known = self.mappings.field(self.indices, field);
        if let (None, Some(path)) = (known, field.strip_suffix(".keyword")) {
            if !self.mappings.has_keyword(self.indices, path) {
                return Ok(Box::new(EmptyQuery));
            }
            return Ok(term_query(text_term(self.layout.keywords, path, &plain(value))));
        }
        let Some(field_type) = known else { return Ok(Box::new(EmptyQuery)) };
        match field_type {
            FieldType::Keyword | FieldType::Ip => {
                return Ok(term_query(text_term(self.layout.keywords, field, &plain(value))));
            }
            FieldType::Flattened | FieldType::Disabled | FieldType::Binary | FieldType::GeoPoint => {
                return Ok(Box::new(EmptyQuery));
            }
            _ => {}
        }
        if field_type == FieldType::Text {
            return Ok(term_query(text_term(self.layout.fields, field, &plain(value).to_lowercase())));
        }
        let terms = typed_terms(self.layout.fields, field, field_type, value)?;
        let any = terms.into_iter().map(|term| (Occur::Should, term_query(term))).collect();
        Ok(Box::new(BooleanQuery::new(any)))
    }

    fn range(&self, field: &str, bounds: &Value) -> Parsed {
        let bounds = bounds.as_object().ok_or_else(|| SearchError::parsing("[range] takes an object"))?;
        let Some(field_type) = self.mappings.field(self.indices, field.trim_end_matches(".keyword")) else {
            return Ok(Box::new(EmptyQuery));
        };
        // A whole number may be stored as one or, in another document, as a float: each has its own terms.
        let widths = if matches!(field_type, FieldType::Long | FieldType::Float | FieldType::Double) { 2 } else { 1 };
        let mut any: Vec<(Occur, Boxed)> = Vec::with_capacity(widths);
        for width in 0..widths {
            let term = |value: &Value| -> Result<Term, SearchError> {
                if matches!(field_type, FieldType::Text | FieldType::Keyword | FieldType::Ip) {
                    return Ok(text_term(self.layout.fields, field.trim_end_matches(".keyword"), &plain(value)));
                }
                let terms = typed_terms(self.layout.fields, field, field_type, value)?;
                let last = terms.len() - 1;
                terms.into_iter().nth(width.min(last)).ok_or_else(|| SearchError::parsing("[range] has no bound"))
            };
            let (lower, upper) = limits(bounds, term)?;
            any.push((Occur::Should, Box::new(RangeQuery::new(lower, upper))));
        }
        Ok(Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(any)), 1.0)))
    }
}

fn limits(
    bounds: &Map<String, Value>,
    term: impl Fn(&Value) -> Result<Term, SearchError>,
) -> Result<(Bound<Term>, Bound<Term>), SearchError> {
    let (mut lower, mut upper) = (Bound::Unbounded, Bound::Unbounded);
    for (name, value) in bounds {
        match name.as_str() {
            "gte" | "from" => lower = Bound::Included(term(value)?),
            "gt" => lower = Bound::Excluded(term(value)?),
            "lte" | "to" => upper = Bound::Included(term(value)?),
            "lt" => upper = Bound::Excluded(term(value)?),
            "format" | "time_zone" | "boost" | "relation" => {}
            other => return Err(SearchError::parsing(format!("[range] query does not support [{other}]"))),
        }
    }
    if matches!((&lower, &upper), (Bound::Unbounded, Bound::Unbounded)) {
        return Err(SearchError::parsing("[range] needs gte, gt, lte or lt"));
    }
    Ok((lower, upper))
}

/// The only member of an object, as queries are written.
fn single<'a>(value: &'a Value, what: &str) -> Result<(&'a str, &'a Value), SearchError> {
    match value.as_object() {
        Some(fields) if fields.len() == 1 => {
            fields.iter().next().map(|(name, body)| (name.as_str(), body)).ok_or_else(|| SearchError::parsing(what))
        }
        _ if what == "multi_match" => Err(SearchError::parsing("[multi_match] takes an object")),
        _ => Err(SearchError::parsing(format!("[{what}] takes an object with one member"))),
    }
}

fn text_and_operator(value: &Value, field: &str) -> Result<(String, bool), SearchError> {
    match value {
        Value::Object(body) => {
            let query = body.get("query");
            let query = query.ok_or_else(|| SearchError::parsing(format!("[match] on [{field}] requires query")))?;
            Ok((plain(query), operator_is_and(value)))
        }
        scalar => Ok((plain(scalar), false)),
    }
}

fn operator_is_and(body: &Value) -> bool {
    let operator = body.get("operator").or_else(|| body.get("default_operator")).and_then(Value::as_str);
    operator.is_some_and(|name| name.eq_ignore_ascii_case("and"))
}

/// A scalar as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text_term(field: Field, path: &str, text: &str) -> Term {
    let mut term = Term::from_field_json_path(field, path, true);
    term.append_type_and_str(text);
    term
}

/// The terms that stand for a value in a field of that type: one, or two for numbers (whole, floating).
fn typed_terms(field: Field, path: &str, kind: FieldType, value: &Value) -> Result<Vec<Term>, SearchError> {
    let base = || Term::from_field_json_path(field, path, true);
    let text = plain(value);
    let wrong = || SearchError::illegal(format!("failed to create query: [{text}] does not fit the field [{path}]"));
    match kind {
        FieldType::Long | FieldType::Float | FieldType::Double => {
            let number: f64 = text.parse().map_err(|_| wrong())?;
            let mut whole = base();
            whole.append_type_and_fast_value(text.parse::<i64>().unwrap_or(number.floor() as i64));
            let mut floating = base();
            floating.append_type_and_fast_value(number);
            Ok(vec![whole, floating])
        }
        FieldType::Boolean => {
            let mut term = base();
            term.append_type_and_fast_value(text.parse::<bool>().map_err(|_| wrong())?);
            Ok(vec![term])
        }
        FieldType::Date => {
            let mut term = base();
            let time = chrono::DateTime::parse_from_rfc3339(&text)
                .or_else(|_| chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")))
                .map_err(|_| wrong())?;
            let nanos = time.timestamp_nanos_opt().ok_or_else(wrong)?;
            term.append_type_and_fast_value(DateTime::from_timestamp_nanos(nanos));
            Ok(vec![term])
        }
        _ => Ok(vec![text_term(field, path, &text)]),
    }
}
