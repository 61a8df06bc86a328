//! What a use case came to.

/// What a command came to; the exit code is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done: 0.
    Done,
    /// There are changes, and somebody wants to know by the exit code: 2.
    Changes,
    /// Done, but for what nothing could be done to, which has been said: 3.
    Blocked,
    /// Something is wrong, and it has been said: 1.
    Wrong,
}
