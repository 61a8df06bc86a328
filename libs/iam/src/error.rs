//! Why a document is no policy.

/// Why a document is no policy: the place in it and a reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PolicyError {
    /// Such as `Statement[1].Condition.StringEquals`, counted from 0.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

impl PolicyError {
    pub(crate) fn new(place: &str, reason: impl Into<String>) -> Self {
        Self { place: place.to_owned(), reason: reason.into() }
    }
}
