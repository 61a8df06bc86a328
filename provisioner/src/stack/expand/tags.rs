//! Which tags a resource gets: those of the section that it comes from, and of the stack.

use std::collections::BTreeMap;

use super::Expansion;
use crate::kind::AnyKind;
use crate::kinds;
use crate::resource::Address;
use crate::stack::tags::{Tagged, inherited};

impl<'a> Expansion<'a> {
    /// Makes resources of no section.
    pub(super) fn part(&mut self, make: impl FnOnce(&mut Self)) {
        self.section = None;
        make(self);
    }

    /// What is added from now on comes from a section with these tags.
    pub(super) fn within(&mut self, section: &'a Tagged) {
        self.section = Some(section);
    }

    /// What is added from now on comes from no section.
    pub(super) fn within_none(&mut self) {
        self.section = None;
    }

    /// The tags of what is added; none where its kind carries none.
    pub(super) fn tags(&self, address: &Address) -> BTreeMap<String, String> {
        if kinds::named(&address.kind).is_none_or(AnyKind::is_tagless) {
            return BTreeMap::new();
        }
        inherited(&self.file.stack.tags, self.section)
    }
}
