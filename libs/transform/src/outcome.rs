//! What becomes of an event.

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Keep,
    /// It is left out.
    Drop {
        /// By which transform, counted from 0 in the list as it was declared.
        by: usize,
        /// Why.
        why: Dropped,
    },
    /// It goes to the dead letters.
    Refuse {
        /// By which transform.
        by: usize,
        /// The reason.
        reason: String,
    },
}

/// Why an event is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropped {
    /// It met the condition of a `drop`.
    Condition,
    /// It isn't in the share that a `sample` keeps.
    Sample,
    /// A transform with `on_error = "drop"` couldn't be applied.
    Error(String),
}
