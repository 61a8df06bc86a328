//! What a stack stands for: its resources, in its account or in one that nobody has asked about.

use anyhow::{Context as _, Error, Result};

use crate::kind::Context;
use crate::kinds;
use crate::plan::{Kinds, Options, Plan, PlanError, Problem, check, plan_for};
use crate::resource::Desired;
use crate::stack::{Diagnostic, Diagnostics, Programs, Source, Stack, Target, expand, locate};

/// Stands for the account while none is asked for.
const NO_ACCOUNT: &str = "000000000000";

/// Every kind that there is.
pub fn all_kinds() -> Kinds<'static> {
    Kinds(kinds::all())
}

/// Every resource that the stack stands for in this account.
pub fn desired(stack: &Stack, context: &Context, programs: &Programs) -> Desired {
    let target = Target { account: context.account.clone(), region: context.region.clone() };
    expand(stack, &target, programs)
}

/// The bucket that hosts read their configurations from.
pub fn artifacts_bucket(desired: &Desired) -> Result<String> {
    let bucket = desired.resources.iter().find(|r| r.address.kind == "bucket" && r.address.name == "artifacts");
    let name = bucket.and_then(|bucket| bucket.spec["name"].as_str());
    Ok(name.context("the stack has no artifacts bucket: this is a bug in lakewright")?.to_owned())
}

/// What the stack means in an account that nobody has asked about.
pub fn anywhere(stack: &Stack, programs: &Programs) -> Desired {
    anywhere_in(stack, programs, stack.file.stack.region.as_deref().map_or("us-east-1", String::as_str))
}

/// The same in a region.
pub fn anywhere_in(stack: &Stack, programs: &Programs, region: &str) -> Desired {
    expand(stack, &Target { account: NO_ACCOUNT.to_owned(), region: region.to_owned() }, programs)
}

/// An error where resources of a stack don't fit together, whatever exists: a reference that leads nowhere, a circle.
pub fn fits(stack: &Stack, desired: &Desired) -> Result<()> {
    check(all_kinds(), desired).map_err(|error| explain(error, &stack.sources))
}

/// The plan of a stack in which nothing happens: what refers to what, whatever exists.
pub fn unchanging(stack: &Stack) -> Result<Plan> {
    // Nothing refers to an agents' program by what is in it.
    let desired = anywhere(stack, &Programs::default());
    let plan = plan_for(all_kinds(), &desired, &[], &Options::default());
    let plan = plan.map_err(|error| explain(error, &stack.sources))?;
    Ok(Plan { steps: Vec::new(), ..plan })
}

/// A problem at its place: the first in its section that reads as it says.
fn told(problem: Problem, sources: &[Source]) -> Diagnostic {
    let (span, address) = (problem.span.unwrap_or_default(), problem.address.to_string());
    let Some(quote) = problem.quote else { return Diagnostic::new(span, problem.text, address) };
    let (source, section) = locate(sources, &span);
    let text = sources[source].text.get(section.start..).unwrap_or_default();
    let diagnostic = match text.find(&quote).map(|at| section.start + at) {
        Some(start) => Diagnostic::new(start..start + quote.len(), problem.text, address).within(source),
        None => Diagnostic::new(span, problem.text, address),
    };
    diagnostic.help(format!("where the text itself is meant, write `${quote}`"))
}

/// The problems with the lines of the stack file where they stand.
pub(super) fn explain(error: PlanError, sources: &[Source]) -> Error {
    match error {
        PlanError::Stack(problems) if !sources.is_empty() && problems.iter().all(|one| one.span.is_some()) => {
            let list = problems.into_iter().map(|problem| told(problem, sources));
            Diagnostics::new(sources.to_vec(), list.collect()).into()
        }
        other => other.into(),
    }
}
