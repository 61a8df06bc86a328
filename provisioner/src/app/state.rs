//! The state of a stack: what its file wants, what its account holds, and the plan that makes one of the other.

use std::path::Path;

use anyhow::{Context as _, Result};
use futures::future::OptionFuture;

use super::connect::{Belonging, connect, of_stack, stack};
use super::desired::{all_kinds, anywhere, desired, explain, fits};
use super::existing::{Borrowed, not_ours, of_others};
use super::options::Global;
use super::programs::programs_of;
use super::terminal::say;
use crate::checks::{Allowed, Finding, findings};
use crate::kind::Context;
use crate::lease;
use crate::names;
use crate::plan::{AssumedRole, Options, Plan, PlanFile, Step, plan_for};
use crate::resource::{Action, Address, Desired, Live, Whose};
use crate::stack::{Diagnostics, Model, Source, Stack, foreign_boundary, tell_models, unmade, unprogrammed};
use crate::whose::{self, Known};

/// A stack in its account.
pub struct StackState {
    /// How the account is reached.
    pub context: Context,
    /// The role that it is reached as, where the stack names one.
    pub role: Option<AssumedRole>,
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
    /// What can't be published because there is no file of it, and what to do about it.
    unmade: Option<(Address, Diagnostics)>,
}

/// What the account held when it was read, and the plan for that.
pub struct Snapshot {
    /// What exists.
    pub live: Vec<Live>,
    /// What the plan was made for.
    pub options: Options,
    /// What is to be done.
    pub plan: Plan,
}

impl StackState {
    /// The stack that the command line names, and its account.
    pub async fn open(global: &Global) -> Result<Self> {
        let stack = stack(global)?;
        let programs = programs_of(global, &stack)?;
        let lacking = unprogrammed(&stack, &programs);
        if !lacking.is_empty() {
            return Err(Diagnostics::new(stack.sources.clone(), lacking).into());
        }
        // What is wrong with the stack whatever exists is said before anything is asked of AWS.
        fits(&stack, &anywhere(&stack, &programs))?;
        let belonging = Belonging::of(&stack, global);
        let context = leased(connect(global, &belonging).await?, &stack);
        if let Some(mistake) = foreign_boundary(&stack, &context.account) {
            return Err(Diagnostics::new(stack.sources.clone(), vec![mistake]).into());
        }
        let desired = desired(&stack, &context, &programs);
        let unmade = unmade(&stack, &programs)
            .map(|(address, one)| (address, Diagnostics::new(stack.sources.clone(), vec![one])));
        Ok(Self { role: belonging.role, unmade, ..Self::new(context, desired, &stack) })
    }

    /// What a stack means in an account.
    pub fn new(context: Context, desired: Desired, stack: &Stack) -> Self {
        let (sources, models) = (stack.sources.clone(), stack.models.clone());
        let context = of_stack(context, &desired);
        let borrowed = Borrowed::of(stack);
        Self { context, role: None, desired, sources, allowed: allowed(stack), models, borrowed, unmade: None }
    }

    /// A saved plan's stack in the account that the command line leads to, which must be the plan's.
    pub async fn of_plan(global: &Global, path: &Path, file: &PlanFile) -> Result<Self> {
        let named = || format!("the plan {}", path.display());
        let header = &file.header;
        if global.stack_file.is_some() {
            let named_stack = stack(global)?;
            file.is_of("stack", &file.desired.stack, named_stack.name()).with_context(named)?;
            // Nobody is led by a plan to an account, or to a role there, that the file knows nothing of.
            let said = Belonging::of(&named_stack, global);
            let account = said.account.as_deref().unwrap_or(&header.account);
            file.is_of("account", &header.account, account).with_context(named)?;
            let arn = |role: Option<&AssumedRole>| role.map_or_else(|| "nobody".to_owned(), |role| role.arn.clone());
            let planned = arn(header.role.as_ref().filter(|_| global.assumes()));
            file.is_of("role", &planned, &arn(said.role.as_ref())).with_context(named)?;
        }
        let region = global.region.clone().unwrap_or_else(|| header.region.clone());
        let belonging = Belonging {
            stack: file.desired.stack.clone(),
            role: header.role.clone().filter(|_| global.assumes()),
            ..Belonging::default()
        };
        let context = connect(&Global { region: Some(region), ..global.clone() }, &belonging).await?;
        let context = Context { state_bucket: header.state_bucket.clone(), ..context };
        file.is_of("account", &header.account, &context.account).with_context(named)?;
        file.is_of("region", &header.region, &context.region).with_context(named)?;
        Ok(Self {
            context: of_stack(context, &file.desired),
            role: belonging.role,
            desired: file.desired.clone(),
            sources: Vec::new(),
            allowed: Vec::new(),
            models: Vec::new(),
            borrowed: Borrowed::default(),
            unmade: None,
        })
    }

    /// Reads the account and plans.
    pub async fn snapshot(&self, context: &Context, mut options: Options) -> Result<Snapshot> {
        // What is to go goes, whatever has become of what others have.
        let borrowed = (!options.destroy).then_some(&self.borrowed);
        let (known, mistakes) = tokio::join!(
            whose::read(all_kinds(), context, &self.desired),
            OptionFuture::from(borrowed.map(|borrowed| Box::pin(borrowed.mistakes(context))))
        );
        let mistakes = mistakes.transpose()?.unwrap_or_default();
        if !mistakes.is_empty() {
            return Err(Diagnostics::new(self.sources.clone(), mistakes).into());
        }
        let known = known?;
        tell(context, &known);
        let Known { mut live, unread, memory, doubt, untold, .. } = known;
        options.unread = unread;
        // Where the memory can't be read, whose they are isn't known: a warning says it.
        let mut theirs = if untold.is_none() { of_others(&self.desired, &live, &memory) } else { Vec::new() };
        if !theirs.is_empty() {
            // Another apply of the stack may have made them since its memory was read.
            theirs = of_others(&self.desired, &live, &whose::memory(context).await?);
        }
        let mistakes: Vec<_> = theirs.iter().filter_map(|address| not_ours(&self.desired, address)).collect();
        if !options.destroy && !mistakes.is_empty() {
            return Err(Diagnostics::new(self.sources.clone(), mistakes).into());
        }
        live.retain(|one| !theirs.contains(&one.address));
        options.remembered = memory.addresses();
        options.applied = memory.applied;
        options.doubt = doubt;
        tracing::debug!(
            requests = context.aws.requests(),
            resources = self.desired.resources.len(),
            "the account was read"
        );
        let plan = self.plan(&live, &options)?;
        Ok(Snapshot { live, options, plan })
    }

    /// Refuses a plan that would publish what there is no file of.
    ///
    /// # Errors
    /// It would: what to do about it.
    pub fn refuse_unmade(&self, plan: &Plan) -> Result<()> {
        let Some((address, lacking)) = &self.unmade else { return Ok(()) };
        let publishes = |step: &Step| step.address == *address && step.action != Action::Delete;
        if plan.steps.iter().any(publishes) { Err(lacking.clone().into()) } else { Ok(()) }
    }

    /// The stack's name with the file that it stands in, for messages.
    pub fn named(&self) -> String {
        match self.sources.first() {
            Some(source) => format!("{} ({})", self.desired.stack, source.path),
            None => self.desired.stack.clone(),
        }
    }

    /// The rules that the stack breaks and isn't allowed to.
    pub fn findings(&self) -> Vec<Finding> {
        findings(&self.desired, &self.allowed).into_iter().filter(|one| one.allowed.is_none()).collect()
    }

    /// The plan for what exists.
    pub fn plan(&self, live: &[Live], options: &Options) -> Result<Plan> {
        let mut plan = plan_for(all_kinds(), &self.desired, live, options);
        for step in plan.iter_mut().flat_map(|plan| &mut plan.steps) {
            tell_models(step, &self.models);
        }
        plan.map_err(|error| explain(error, &self.sources))
    }
}

/// The context, with the bucket of the leases that the stack names.
pub fn leased(context: Context, stack: &Stack) -> Context {
    let named = stack.file.stack.state_bucket.as_ref();
    Context { state_bucket: named.map(|bucket| bucket.value.clone()), ..context }
}

/// Says who is at work on the stack, and by what its things couldn't be distinguished from others'.
fn tell(context: &Context, known: &Known) {
    if let Some(document) = &known.document
        && let Some((holder, until)) = document.held(context.aws.now())
    {
        let own = document.holder.as_ref().is_some_and(|holder| holder.process == lease::Process::this());
        if !own {
            say(&format!("{holder} is at work on this stack right now (until {until} at least)."));
        }
    }
    if let Some(untold) = &known.untold {
        say(&format!("warning: {untold}; what was deleted by others is taken for new"));
    }
    if known.denied {
        let alias = names::record_key(&context.stack);
        say(&format!(
            "warning: these credentials may not read the public key {alias} (kms:GetPublicKey): no record is verified, and \
             only what the stack remembers counts as its own"
        ));
    }
    let former = known.live.iter().filter(|live| live.whose == Whose::Former).count();
    if former > 0 {
        say(&format!("{former} resources have records of the former format; the next apply signs them anew."));
    }
}

/// What the stack file allows.
pub fn allowed(stack: &Stack) -> Vec<Allowed> {
    let of_rule = stack.file.allow.iter().flat_map(|rule| {
        rule.value
            .iter()
            .filter_map(|kind| Some((rule.name.clone(), kind.name.parse().ok()?, kind.value.value.clone())))
    });
    of_rule.map(|(rule, address, reason)| Allowed { rule, address, reason }).collect()
}
