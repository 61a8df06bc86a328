//! Checks of single resources: their kinds' schemas say which values a field takes.

use std::ops::Range;

use super::Checker;
use crate::kind::Mistake;
use crate::kinds;
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
                }
                let mistakes = known.mistakes(&one.value.spec);
                for mistake in &mistakes {
                    self.push(diagnostic(mistake, &kind.name, one));
                }
                if let (true, Err(error)) = (mistakes.is_empty(), known.normalise(&one.value.spec)) {
                    let title = format!("`{}.{}`: {}", kind.name, one.name, error.root_cause());
                    self.push(
                        Diagnostic::new(one.span.clone(), title, format!("no {} can be made of this", kind.name))
                            .help(format!("docs/kinds.md lists the fields of {}", kind.name)),
                    );
                }
            }
        }
    }
}

fn diagnostic(mistake: &Mistake, kind: &str, one: &Entry<Own>) -> Diagnostic {
    let field = mistake.path.split(['.', '[']).next().unwrap_or_default();
    let place: &Range<usize> = one.value.places.get(field).unwrap_or(&one.span);
    let title = match mistake.path.as_str() {
        "" => format!("`{kind}.{}`: {}", one.name, mistake.what),
        path => format!("`{kind}.{}`: `{path}` {}", one.name, mistake.what),
    };
    let fix = mistake.fix.clone().unwrap_or_else(|| format!("docs/kinds.md lists the fields of {kind}"));
    Diagnostic::new(place.clone(), title, format!("no {kind} can be made of this")).help(fix)
}
