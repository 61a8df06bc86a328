//! What a command compares: the stack file and the account, or a saved plan.

use std::path::Path;

use anyhow::{Context as _, Error, Result};
use clap::Args;
use futures::future::OptionFuture;

use super::check::allowed;
use super::connect::{connect, desired, programs, stack};
use super::existing::{Borrowed, not_ours, of_others};
use super::{Global, say};
use crate::checks::{Allowed, Finding, findings};
use crate::kind::Context;
use crate::kinds;
use crate::lease::{self, Document};
use crate::plan::{Kinds, Options, Plan, PlanError, PlanFile, Step, check, plan_for};
use crate::resource::{Desired, Live};
use crate::stack::{Diagnostic, Diagnostics, Model, Programs, Source, Stack, Target, expand, unprogrammed};
use crate::sweep::sweep;

/// Stands for the account while none is asked for.
const NO_ACCOUNT: &str = "000000000000";

/// Every kind that there is.
pub fn all_kinds() -> Kinds<'static> {
    Kinds(kinds::all())
}

/// What the stack means in an account that nobody has asked about.
pub fn anywhere(stack: &Stack, programs: &Programs) -> Desired {
    anywhere_in(stack, programs, stack.file.stack.region.as_deref().map_or("us-east-1", String::as_str))
}

/// The same in a region.
pub fn anywhere_in(stack: &Stack, programs: &Programs, region: &str) -> Desired {
    expand(stack, &Target { account: NO_ACCOUNT.to_owned(), region: region.to_owned() }, programs)
}

/// An error where resources of a stack don't fit together, whatever lives: a reference that leads nowhere, a circle.
pub fn fits(stack: &Stack, desired: &Desired) -> Result<()> {
    check(all_kinds(), desired).map_err(|error| explain(error, &stack.sources))
}

/// The plan of a stack in which nothing happens: what refers to what, whatever lives.
pub fn unchanging(stack: &Stack) -> Result<Plan> {
    // Nothing refers to an agents' program by what is in it.
    let desired = anywhere(stack, &Programs::default());
    let plan = plan_for(all_kinds(), &desired, &[], &Options::default());
    let plan = plan.map_err(|error| explain(error, &stack.sources))?;
    Ok(Plan { steps: Vec::new(), ..plan })
}

/// Which part of a stack a command is about.
#[derive(Debug, Clone, Default, Args)]
pub struct Part {
    /// Only this address and what it needs, as in `table.sales` or `topic.*`; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// Not this address, nor what needs it; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
}

impl Part {
    /// The options of a plan for that part.
    pub fn options(self) -> Options {
        Options { targets: self.target, excludes: self.exclude, ..Options::default() }
    }
}

/// A stack in its account.
pub struct Stacked {
    /// How the account is reached.
    pub context: Context,
    /// What is to live.
    pub desired: Desired,
    /// The files that it comes from, for messages.
    sources: Vec<Source>,
    /// The rules of `lakewright check` that it may break.
    allowed: Vec<Allowed>,
    /// Its models, which a change of a table may concern.
    models: Vec<Model>,
    /// What it says is there already.
    borrowed: Borrowed,
}

/// What a stack and its account came to.
pub struct Look {
    /// What lives.
    pub live: Vec<Live>,
    /// What the plan was made for.
    pub options: Options,
    /// What is to be done.
    pub plan: Plan,
}

impl Stacked {
    /// The stack that the command line names, and its account.
    pub async fn open(global: &Global) -> Result<Self> {
        let stack = stack(global)?;
        let region = stack.file.stack.region.as_deref().map(String::as_str);
        let programs = programs(global)?;
        let lacking = unprogrammed(&stack, &programs);
        if !lacking.is_empty() {
            return Err(Diagnostics::new(stack.sources.clone(), lacking).into());
        }
        // What is wrong with the stack whatever lives is said before anything is asked of AWS.
        fits(&stack, &anywhere(&stack, &programs))?;
        let context = connect(global, stack.name(), region).await?;
        let desired = desired(&stack, &context, &programs)?;
        Ok(Self::new(context, desired, &stack))
    }

    /// What a stack means in an account.
    pub fn new(context: Context, desired: Desired, stack: &Stack) -> Self {
        let (sources, models) = (stack.sources.clone(), stack.models.clone());
        let borrowed = Borrowed::of(stack);
        Self { context, desired, sources, allowed: allowed(stack), models, borrowed }
    }

    /// A saved plan's stack in the account that the command line leads to, which must be the plan's.
    pub async fn of_plan(global: &Global, path: &Path, file: &PlanFile) -> Result<Self> {
        let named = || format!("the plan {}", path.display());
        let header = &file.header;
        if global.stack_file.is_some() {
            let named_stack = stack(global)?;
            file.is_of("stack", &file.desired.stack, named_stack.name()).with_context(named)?;
        }
        let region = global.region.clone().unwrap_or_else(|| header.region.clone());
        let context = connect(&Global { region: Some(region), ..global.clone() }, &file.desired.stack, None).await?;
        file.is_of("account", &header.account, &context.account).with_context(named)?;
        file.is_of("region", &header.region, &context.region).with_context(named)?;
        Ok(Self {
            context,
            desired: file.desired.clone(),
            sources: Vec::new(),
            allowed: Vec::new(),
            models: Vec::new(),
            borrowed: Borrowed::default(),
        })
    }

    /// Reads the account and plans.
    pub async fn look(&self, context: &Context, mut options: Options) -> Result<Look> {
        // What is to go goes, whatever has become of what others have.
        let borrowed = (!options.destroy).then_some(&self.borrowed);
        let (live, lease, mistakes) = tokio::join!(
            sweep(all_kinds(), context, &self.desired),
            lease::look(context),
            OptionFuture::from(borrowed.map(|borrowed| Box::pin(borrowed.mistakes(context))))
        );
        let mistakes = mistakes.transpose()?.unwrap_or_default();
        if !mistakes.is_empty() {
            return Err(Diagnostics::new(self.sources.clone(), mistakes).into());
        }
        let mut live = live?;
        let theirs = |lease: &Result<Option<Document>>| match lease {
            Ok(document) => of_others(&self.desired, &live, document.as_ref()),
            // Whose they are can't be told: the warning below says it.
            Err(_) => Vec::new(),
        };
        // Another apply of the stack may have made them since the lease was read.
        let lease = if theirs(&lease).is_empty() { lease } else { lease::look(context).await };
        let theirs = theirs(&lease);
        let mistakes: Vec<_> = theirs.iter().filter_map(|address| not_ours(&self.desired, address)).collect();
        if !options.destroy && !mistakes.is_empty() {
            return Err(Diagnostics::new(self.sources.clone(), mistakes).into());
        }
        live.retain(|one| !theirs.contains(&one.address));
        match lease {
            Ok(Some(document)) => {
                if let Some((holder, until)) = document.held(context.aws.now()) {
                    let own = document.holder.as_ref().is_some_and(|holder| holder.process == lease::Process::this());
                    if !own {
                        say(&format!("{holder} is at work on this stack right now (until {until} at least)."));
                    }
                }
                options.remembered = document.lived;
                options.applied = document.applied;
            }
            Ok(None) => {}
            // A plan without the lease is a plan all the same.
            Err(error) => say(&format!("warning: {error:#}; what was deleted by others is taken for new")),
        }
        tracing::debug!(
            requests = context.aws.requests(),
            resources = self.desired.resources.len(),
            "the account was read"
        );
        let plan = self.plan(&live, &options)?;
        Ok(Look { live, options, plan })
    }

    /// The rules that the stack breaks and isn't allowed to.
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.desired, &self.allowed).into_iter().filter(|one| one.allowed.is_none()).collect()
    }

    /// The plan for what lives.
    pub fn plan(&self, live: &[Live], options: &Options) -> Result<Plan> {
        let mut plan = plan_for(all_kinds(), &self.desired, live, options);
        for step in plan.iter_mut().flat_map(|plan| &mut plan.steps) {
            concerned(step, &self.models);
        }
        plan.map_err(|error| explain(error, &self.sources))
    }
}

/// Says which models name a column that a step takes away or renames.
fn concerned(step: &mut Step, models: &[Model]) {
    if step.address.kind != "table" {
        return;
    }
    for change in &step.changes {
        let Some(path) = change.path.strip_prefix("columns[") else { continue };
        let old = match path.split_once(']') {
            Some((name, "")) if change.after.is_null() => name,
            Some((_, ".name")) => change.before.as_str().unwrap_or_default(),
            _ => continue,
        };
        let concerned = models.iter().filter(|model| model.may_read(&step.address.name, old));
        let names: Vec<&str> = concerned.map(|model| model.name.as_str()).collect();
        if let [one] = names[..] {
            step.consequences.push(format!("the model {one} names the column {old}: change it too"));
        } else if !names.is_empty() {
            step.consequences.push(format!("the models {} name the column {old}: change them too", names.join(", ")));
        }
    }
}

/// The problems with the lines of the stack file where they stand.
fn explain(error: PlanError, sources: &[Source]) -> Error {
    match error {
        PlanError::Stack(problems) if !sources.is_empty() && problems.iter().all(|one| one.span.is_some()) => {
            let list = problems.into_iter().map(|problem| {
                let span = problem.span.unwrap_or_default();
                Diagnostic::new(span, problem.text, problem.address.to_string())
            });
            Diagnostics::new(sources.to_vec(), list.collect()).into()
        }
        other => other.into(),
    }
}

/// The saved plan that a command line names in place of a stack file.
pub fn saved_plan(path: Option<&Path>) -> Result<Option<PlanFile>> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if !PlanFile::is_plan(&text) {
        return Ok(None);
    }
    PlanFile::read(&text).map(Some).with_context(|| format!("read the plan {}", path.display()))
}
