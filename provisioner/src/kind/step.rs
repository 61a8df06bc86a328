//! What is done with a resource, as far as its kind has to know it.

use super::Found;
use crate::resource::Action;

/// A step of a plan, as far as consequences follow from it.
#[derive(Debug)]
pub struct Step<'a, S> {
    /// What is done.
    pub action: Action,
    /// The top-level fields that differ.
    pub changed: &'a [&'a str],
    /// What exists; a creation has none.
    pub live: Option<&'a S>,
    /// What is wanted; a deletion has none.
    pub spec: Option<&'a S>,
}

impl<S> Step<'_, S> {
    /// Whether it changes the field in place.
    pub fn updates(&self, field: &str) -> bool {
        self.action == Action::Update && self.changed.contains(&field)
    }
}

/// An update: what exists, and what it becomes.
#[derive(Debug, Clone, Copy)]
pub struct Delta<'a, S, O = ()> {
    /// What exists.
    pub live: &'a Found<S, O>,
    /// What it becomes, references resolved.
    pub spec: &'a S,
    /// The names of the top-level fields that differ, and those of [`Departure::field`](super::Departure::field).
    pub changed: &'a [String],
}
