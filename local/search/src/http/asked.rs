//! The parameters of a request's address: each is read, or the request is refused with its name.

use std::collections::BTreeMap;

use axum::extract::Query;

use crate::answer::SearchError;

/// The parameters of an address.
pub(super) type Parameters = Query<Vec<(String, String)>>;

/// What every request may say and nothing here depends on.
const ANYWHERE: [&str; 3] = ["pretty", "human", "error_trace"];
/// What a search may say besides and nothing here depends on: there is one shard and one node.
const NO_MATTER: [&str; 8] = [
    "expand_wildcards",
    "preference",
    "routing",
    "request_cache",
    "batched_reduce_size",
    "max_concurrent_shard_requests",
    "ccs_minimize_roundtrips",
    "allow_partial_search_results",
];

/// The parameters of a request's address that are not read yet.
pub(super) struct Asked {
    path: String,
    left: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn new(path: impl Into<String>, parameters: Vec<(String, String)>) -> Self {
        let left = parameters.into_iter().filter(|(name, _)| !ANYWHERE.contains(&name.as_str())).collect();
        Self { path: path.into(), left }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.left.remove(name)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(|value| value != "false")
    }

    /// The same for a search, an index of which may be missing.
    pub(super) fn end_of_search(mut self) -> Result<(), SearchError> {
        for name in NO_MATTER {
            self.take(name);
        }
        if self.take("allow_no_indices").is_some_and(|allowed| allowed == "false") {
            return Err(SearchError::illegal("[allow_no_indices] is true here"));
        }
        self.end()
    }

    /// Refuses what was not read.
    pub(super) fn end(self) -> Result<(), SearchError> {
        match self.left.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                Err(SearchError::illegal(format!("request [{}] contains unrecognized parameter: [{name}]", self.path)))
            }
        }
    }
}
