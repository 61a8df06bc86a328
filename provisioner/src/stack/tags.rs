//! The tags of a stack file: those of the whole stack, of a section and of a single resource.

use std::collections::BTreeMap;

use super::decode::{At, Named};

/// Tags by key.
pub type Tagged = Named<At<String>>;

/// The tags of what stands in a section, those that the stack gives everything among them: the nearer one wins.
pub(super) fn inherited(stack: &Tagged, section: Option<&Tagged>) -> BTreeMap<String, String> {
    let all = stack.iter().chain(section.into_iter().flat_map(Named::iter));
    all.filter(|one| one.value.sound).map(|one| (one.name.clone(), one.value.value.clone())).collect()
}
