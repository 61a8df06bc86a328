//! What is wrong with a declared transform.

use std::fmt;
use std::ops::Range;

/// One mistake of a list of transforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which transform, counted from 0.
    pub index: usize,
    /// The setting, as `when`; of a list or table, the item or key stands in `item`.
    pub setting: &'static str,
    /// The item of the setting's list, or the key of its table.
    pub item: Option<String>,
    /// Where in the setting's text, in bytes.
    pub at: Option<Range<usize>>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

impl Mistake {
    /// A mistake in a setting; [`Mistake::of`] says of which transform.
    pub(crate) fn new(setting: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { index: 0, setting, item: None, at: None, what: what.into(), fix: fix.into() }
    }

    /// The same at an item of the setting.
    pub(crate) fn item(mut self, item: &str) -> Self {
        self.item = Some(item.to_owned());
        self
    }

    /// The same at a place of the setting's text.
    pub(crate) fn at(mut self, at: Range<usize>) -> Self {
        self.at = Some(at);
        self
    }

    /// The same of a transform.
    pub(crate) fn of(mut self, index: usize) -> Self {
        self.index = index;
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transform {}, `{}`", self.index + 1, self.setting)?;
        if let Some(item) = &self.item {
            write!(f, ", `{item}`")?;
        }
        if let Some(at) = &self.at {
            write!(f, ", column {}", at.start + 1)?;
        }
        write!(f, ": {}; {}", self.what, self.fix)
    }
}
