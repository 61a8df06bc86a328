//! What a use case came to.

/// What a command came to; the exit code is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done: 0.
    Done,
    /// There are changes, and somebody wants to know by the exit code: 2.
    Changes,
    /// Something is wrong, and it has been said: 1.
    Wrong,
}
