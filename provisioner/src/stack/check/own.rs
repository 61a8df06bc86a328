//! Checks of single resources: their kinds' schemas say which values a field takes.

use std::ops::Range;

use lakewright_iam::is_account;
use serde_json::Value;

use super::Checker;
use crate::kind::{AnyKind, Clash, Comparing, Mistake};
use crate::kinds;
use crate::names;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::resource::Own;

impl Checker<'_> {
    /// Single resources are of a kind that there is, and as their kind wants them.
    pub(super) fn own_resources(&mut self) {
        for kind in &self.file.resource {
            let Some(known) = kinds::named(&kind.name) else {
                self.no_kind(&kind.name, &kind.span);
                continue;
            };
            for one in kind.value.iter().filter(|one| !one.value.spec.is_null()) {
                if one.name.chars().any(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
                    let title = format!("`{}` can't be the name of a resource", one.name);
                    self.push(Diagnostic::new(one.span.clone(), title, "only letters, digits, `-` and `_`"));
                } else if !(1..=128).contains(&one.name.len()) {
                    let title = format!("`{}` can't be the name of a resource", one.name);
                    self.push(Diagnostic::new(one.span.clone(), title, "1 to 128 characters"));
                }
                let mistakes = known.mistakes(&one.value.spec);
                for mistake in &mistakes {
                    self.push(diagnostic(mistake, &kind.name, one));
                }
                if let Some((field, what)) = self.kept(&kind.name, &one.value.spec) {
                    let title = format!("`{}.{}`: `{field}` is {what}", kind.name, one.name);
                    self.push(
                        Diagnostic::new(one.span.clone(), title, "not the stack's")
                            .help("name it otherwise: whoever applies a stack may write what its file names"),
                    );
                    continue;
                }
                if !mistakes.is_empty() {
                    continue;
                }
                let made = known.arrange(&one.value.spec);
                let clash = made.as_ref().err().and_then(|error| error.downcast_ref::<Clash>()).cloned();
                // What the kind makes into one by itself is no mistake.
                let still = made.as_ref().ok().and_then(|made| twice(known, made).err());
                let clash = clash.or_else(|| still.map(|still| twice(known, &one.value.spec).err().unwrap_or(still)));
                if let Some(clash) = clash {
                    self.push(both(&clash, &kind.name, one));
                } else if let Err(error) = made {
                    let title = format!("`{}.{}`: {}", kind.name, one.name, error.root_cause());
                    self.push(
                        Diagnostic::new(one.span.clone(), title, format!("not a valid {}", kind.name))
                            .help(format!("docs/kinds.md lists the fields of {}", kind.name)),
                    );
                }
            }
        }
    }
}

impl Checker<'_> {
    /// A field by which a resource would be what Lakewright keeps for all stacks of an account, or another stack's.
    fn kept(&self, kind: &str, spec: &Value) -> Option<(&'static str, &'static str)> {
        let section = &self.file.stack;
        let own = names::log_groups(&section.name.value);
        let is_leases = |name: &str| {
            let by_default = name.strip_prefix("lakewright-").and_then(|rest| rest.split('-').next());
            by_default.is_some_and(is_account) || section.state_bucket.as_ref().is_some_and(|state| state.value == name)
        };
        ["bucket", "name", "path"].into_iter().find_map(|field| {
            let text = spec[field].as_str()?;
            let names_bucket = field == "bucket" || (kind == "bucket" && field == "name");
            if names_bucket && is_leases(text) {
                return Some((field, "the bucket of the account's leases"));
            }
            let is_others = text.starts_with("/lakewright/") && !text.starts_with(&own);
            is_others.then_some((field, "under the path of another stack"))
        })
    }
}

/// An error for what stands twice in a list whose order says nothing.
fn twice(kind: &dyn AnyKind, spec: &Value) -> Result<(), Clash> {
    let fields = kind.facts().fields.iter().filter(|field| field.compare == Comparing::AsSet);
    for field in fields {
        if let Some(items) = spec[field.name].as_array() {
            Clash::within(field.name, items, |one, other| one == other, "say the same")?;
        }
    }
    Ok(())
}

/// Two parts that can't stand beside each other, with both places.
fn both(clash: &Clash, kind: &str, one: &Entry<Own>) -> Diagnostic {
    let place = |path: &str| one.value.places.get(path).unwrap_or(&one.span).clone();
    let title = format!("`{kind}.{}`: `{}` and `{}` {}", one.name, clash.first, clash.second, clash.why);
    let mut diagnostic = Diagnostic::new(place(&clash.second), title, "it stands here again");
    diagnostic.also.push((place(&clash.first), "it stands here first".to_owned()));
    diagnostic.help(clash.fix)
}

fn diagnostic(mistake: &Mistake, kind: &str, one: &Entry<Own>) -> Diagnostic {
    let field = mistake.path.split(['.', '[']).next().unwrap_or_default();
    let place: &Range<usize> = one.value.places.get(field).unwrap_or(&one.span);
    let title = match mistake.path.as_str() {
        "" => format!("`{kind}.{}`: {}", one.name, mistake.what),
        path => format!("`{kind}.{}`: `{path}` {}", one.name, mistake.what),
    };
    let fix = mistake.fix.clone().unwrap_or_else(|| format!("docs/kinds.md lists the fields of {kind}"));
    let what = if field.is_empty() { kind } else { field };
    Diagnostic::new(place.clone(), title, format!("not a valid {what}")).help(fix)
}
