//! Checks of the shipper's transforms: what their types don't say.

use std::ops::Range;

use lakewright_transform::{Mistake, Transforms, mistakes};

use super::Checker;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::transforms::TransformSection;

impl Checker<'_> {
    /// Transforms can be applied, in their order, to records of the sources that they name.
    pub(super) fn transforms(&mut self) {
        let shipper = &self.file.agents.shipper;
        let sections: Vec<&TransformSection> =
            shipper.transforms.iter().filter(|section| section.value.is_some()).collect();
        let list: Vec<_> = sections.iter().filter_map(|section| section.value.clone()).collect();
        // What follows one that can't be read may rest on it.
        let found = if sections.len() == shipper.transforms.len() {
            mistakes(&list, &shipper.topics(), &shipper.logs())
        } else {
            Transforms::new(&list).err().unwrap_or_default()
        };
        for mistake in found {
            let Some(section) = sections.get(mistake.index) else { continue };
            let place = section.place(mistake.setting, mistake.item.as_deref());
            let place = within(section, &mistake, place);
            let label = format!("not a valid {}", mistake.setting);
            self.push(Diagnostic::new(place, mistake.what, label).help(mistake.fix));
        }
    }
}

/// The place within a setting's text, where that is written without escapes on one line.
fn within(section: &TransformSection, mistake: &Mistake, place: Range<usize>) -> Range<usize> {
    let Some(at) = &mistake.at else { return place };
    match section.written[mistake.setting].as_str() {
        Some(text) if place.len() == text.len() + 2 => {
            let begin = place.start + 1;
            begin + at.start..begin + at.end.max(at.start + usize::from(at.start < text.len()))
        }
        _ => place,
    }
}
