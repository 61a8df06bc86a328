//! What is searched: the documents and their fields as they were at some time.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
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
use crate::query::{CLAUSES, Note, Parser};

/// The existing indices that an expression names: names and patterns with `*`, separated by commas.
///
/// # Errors
/// A name without `*` that doesn't exist.
pub fn resolve(mappings: &Mappings, expression: &str) -> Result<Vec<String>, SearchError> {
    resolved(mappings, expression, false)
}

/// The same; names that don't exist are left out if that is no fault.
fn resolved(mappings: &Mappings, expression: &str, is_lenient: bool) -> Result<Vec<String>, SearchError> {
    let mut found: Vec<String> = Vec::new();
    for part in expression.split(',').map(str::trim) {
        if part.is_empty() || part == "_all" || part == "*" {
            found.extend(mappings.names().map(str::to_owned));
        } else if part.contains('*') {
            found.extend(mappings.names().filter(|name| matches(part, name)).map(str::to_owned));
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
        Ok(Self { searcher, mappings, indices })
    }

    /// The query, limited to the indices, and the words that it looks for.
    ///
    /// # Errors
    /// The query can't be.
    pub fn query(
        &self,
        layout: Layout,
        query: Option<&Value>,
        patience: &Patience,
    ) -> Result<(Box<dyn Query>, HashSet<Note>), SearchError> {
        let (left, notes) = (Cell::new(CLAUSES), RefCell::default());
        let parser = Parser {
            searcher: &self.searcher,
            layout,
            mappings: &self.mappings,
            indices: &self.indices,
            now: chrono::Utc::now(),
            patience,
            depth: 0,
            left: &left,
            notes: Some(&notes),
        };
        let all = json!({ "match_all": {} });
        let wanted = parser.clause(query.unwrap_or(&all))?;
        let within = TermSetQuery::new(self.indices.iter().map(|name| Term::from_field_text(layout.index, name)));
        let query = BooleanQuery::new(vec![
            (Occur::Must, wanted),
            (Occur::Must, Box::new(BoostQuery::new(Box::new(within), 0.0))),
        ]);
        Ok((Box::new(query), notes.into_inner()))
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
