//! What can be done to the index, and what became of it.

use serde_json::{Map, Value};

use crate::aliases::Change;
use crate::answer::SearchError;
use crate::mapping::Policy;
use crate::stamp::{Condition, Stamp};

/// A change of the index.
#[derive(Debug)]
pub enum Operation {
    /// Puts a document.
    Put(Put),
    /// Deletes a document.
    Delete { index: String, id: String, condition: Option<Condition> },
    /// Deletes what a request's query finds in the indices of an expression, in which names may be missing or not.
    DeleteFound { indices: String, is_lenient: bool, body: Value },
    /// Makes an index, by its template and a request.
    CreateIndex { index: String, body: Value },
    /// Deletes an index with its documents.
    DeleteIndex { index: String },
    /// Gives indices more fields, or says more of those that they have.
    SetMapping { indices: Vec<String>, body: Value },
    /// Gives indices other names and takes such away, all at once.
    SetAliases(Vec<Change>),
    /// Keeps an index template, or lets one go.
    SetTemplate { name: String, body: Option<Value> },
    /// Keeps a policy, or lets one go.
    SetPolicy { name: String, policy: Option<Policy> },
}

/// A document that is put in place of the one with its id.
#[derive(Debug)]
pub struct Put {
    /// Its index.
    pub index: String,
    /// Its id.
    pub id: String,
    /// What it is.
    pub source: Map<String, Value>,
    /// Whether there must be none with its id.
    pub only_new: bool,
    /// The change that the one there must be of.
    pub condition: Option<Condition>,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The document is new.
    Created(Stamp),
    /// It took another's place.
    Updated(Stamp),
    /// It is gone.
    Deleted(Stamp),
    /// There was none.
    NotFound(Stamp),
    /// So many documents are gone.
    DeletedSome(usize),
    /// What isn't a document is as it should be.
    Acknowledged,
}

/// What became of an operation, or why nothing did.
pub type Outcome = Result<Done, SearchError>;
