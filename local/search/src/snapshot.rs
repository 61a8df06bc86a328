//! What is searched: the documents and their fields as they were at some time.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use serde_json::{Value, json};
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermSetQuery};
use tantivy::{Searcher, Term};

use crate::answer::SearchError;
use crate::document::Layout;
use crate::mapping::Mappings;
use crate::members::Members;
use crate::patience::Patience;
use crate::pattern::matches;
use crate::query::{CLAUSES, Marks, Parser};
use crate::scoring::Statistics;

/// The existing indices that an expression names: names, other names and patterns with `*`, separated by commas.
///
/// # Errors
/// A name without `*` that doesn't exist.
pub fn resolve(mappings: &Mappings, expression: &str) -> Result<Vec<String>, SearchError> {
    resolved(mappings, expression, false)
}

/// The existing indices that an expression names by their own names.
///
/// # Errors
/// A name without `*` that doesn't exist, or is another name of one.
pub fn concrete(mappings: &Mappings, expression: &str) -> Result<Vec<String>, SearchError> {
    let mut found: Vec<String> = Vec::new();
    for part in expression.split(',').map(str::trim) {
        if part.is_empty() || part == "_all" || part.contains('*') {
            let pattern = if part.contains('*') { part } else { "*" };
            found.extend(mappings.names().filter(|name| matches(pattern, name)).map(str::to_owned));
        } else if mappings.aliases.contains(part) {
            return Err(SearchError::illegal(format!(
                "The provided expression [{part}] matches an alias, specify the corresponding concrete indices instead."
            )));
        } else if mappings.contains(part) {
            found.push(part.to_owned());
        } else {
            return Err(SearchError::no_index(part));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The same; names that don't exist are left out if that is no fault.
fn resolved(mappings: &Mappings, expression: &str, is_lenient: bool) -> Result<Vec<String>, SearchError> {
    let mut found: Vec<String> = Vec::new();
    for part in expression.split(',').map(str::trim) {
        if part.is_empty() || part == "_all" || part == "*" {
            found.extend(mappings.names().map(str::to_owned));
        } else if part.contains('*') {
            found.extend(mappings.names().filter(|name| matches(part, name)).map(str::to_owned));
            found.extend(mappings.aliases.fitting(part).map(str::to_owned));
        } else if let Some(indices) = mappings.aliases.of(part) {
            found.extend(indices.map(str::to_owned));
        } else if mappings.contains(part) {
            found.push(part.to_owned());
        } else if !is_lenient {
            return Err(SearchError::no_index(part));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// What is searched: as it was at some time.
#[derive(Clone)]
pub struct Snapshot {
    /// The documents.
    pub searcher: Searcher,
    /// The types of their fields.
    pub mappings: Arc<Mappings>,
    /// The indices.
    pub indices: Vec<String>,
    /// Whether it counts in all of them together how rare words are.
    pub together: bool,
}

impl Snapshot {
    /// The indices that an expression names, among these documents.
    ///
    /// # Errors
    /// One doesn't exist.
    pub fn of(
        mappings: Arc<Mappings>,
        searcher: Searcher,
        expression: &str,
        is_lenient: bool,
    ) -> Result<Self, SearchError> {
        let indices = resolved(&mappings, expression, is_lenient)?;
        Ok(Self { searcher, mappings, indices, together: false })
    }

    /// The query, limited to the indices, and what it says beside.
    ///
    /// # Errors
    /// The query can't be.
    pub fn query(
        &self,
        layout: Layout,
        query: Option<&Value>,
        patience: &Patience,
    ) -> Result<(Box<dyn Query>, Marks), SearchError> {
        let (left, notes, named) = (Cell::new(CLAUSES), RefCell::default(), RefCell::default());
        let statistics = Arc::new(Statistics::new(&self.searcher, (&self.indices, self.together), patience)?);
        let parser = Parser {
            searcher: &self.searcher,
            statistics: &statistics,
            layout,
            mappings: &self.mappings,
            indices: &self.indices,
            now: chrono::Utc::now(),
            patience,
            depth: 0,
            left: &left,
            notes: Some(&notes),
            named: &named,
        };
        let all = json!({ "match_all": {} });
        let wanted = parser.clause(query.unwrap_or(&all))?;
        let within = TermSetQuery::new(self.indices.iter().map(|name| Term::from_field_text(layout.index, name)));
        let query = BooleanQuery::new(vec![
            (Occur::Must, wanted),
            (Occur::Must, Box::new(BoostQuery::new(Box::new(within), 0.0))),
        ]);
        Ok((Box::new(query), Marks { notes: notes.into_inner(), named: named.into_inner() }))
    }

    /// The query of a request to delete what it finds.
    ///
    /// # Errors
    /// The query is missing or can't be.
    pub fn doomed(&self, layout: Layout, body: &Value, patience: &Patience) -> Result<Box<dyn Query>, SearchError> {
        let mut members = Members::of(body, "delete_by_query")?;
        let query = members.take("query").ok_or_else(|| SearchError::validation("query is missing"))?;
        members.end()?;
        self.query(layout, Some(query), patience).map(|(query, _)| query)
    }
}
