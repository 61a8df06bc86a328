//! What came of trying something.

use std::fmt;

/// What came of trying something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It went well.
    Done,
    /// It wasn't tried, and why.
    Skipped(String),
    /// It didn't go well, and why.
    Failed(String),
}

impl Tried {
    /// Why, as it stands behind what was tried.
    pub fn reason(&self) -> String {
        match self {
            Self::Done => String::new(),
            Self::Skipped(why) | Self::Failed(why) => format!(": {why}"),
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "tried",
            Self::Skipped(_) => "not tried",
            Self::Failed(_) => "failed",
        })
    }
}
