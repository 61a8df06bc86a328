//! Checks of the types that members of shipped records are declared with: what the types don't say.

use std::collections::BTreeMap;

use lakewright_config::agents::shipper::fields::{MOST, name_mistake, taken_by};

use super::Checker;
use crate::stack::decode::{At, Named};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::fields::FieldType;

impl Checker<'_> {
    /// Members have names that documents can have, and none stands in another one that isn't an object of members with types.
    pub(super) fn fields(&mut self) {
        let shipper = &self.file.agents.shipper;
        self.declared(&shipper.fields);
        for source in &shipper.sources {
            self.declared(&source.value.fields);
        }
    }

    fn declared(&mut self, fields: &Named<At<FieldType>>) {
        let names: BTreeMap<String, FieldType> =
            fields.iter().map(|field| (field.name.clone(), field.value.value)).collect();
        for field in fields {
            let name = field.name.escape_default();
            if let Some((mistake, fix)) = name_mistake(&field.name) {
                let title = format!("`{name}` can't be a declared member");
                self.push(Diagnostic::new(field.span.clone(), title, mistake).help(fix));
            } else if let Some(parent) = taken_by(&names, &field.name) {
                let title = format!("`{name}` can't have a type of its own");
                let label = format!("stands in `{parent}`, which is declared as {}", names[parent].word());
                let help = format!("remove the line of `{parent}`, or this one");
                self.push(Diagnostic::new(field.span.clone(), title, label).help(help));
            }
        }
        if let Some(first) = fields.0.get(MOST) {
            let title = format!("more than {MOST} members are declared");
            let diagnostic = Diagnostic::new(first.span.clone(), title, "one too many");
            self.push(
                diagnostic
                    .help("an index takes a thousand, and other members want room: declare those that are searched by"),
            );
        }
    }
}
