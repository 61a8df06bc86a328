//! `plan`, `show`, `apply`, `destroy` and `unlock`.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::check::say_quotas;
use super::cost;
use super::options::{Format, How, Picture, Written};
use super::saved::{save, saved_plan, sha256};
use super::unmoved::{as_agreed, unmoved};
use crate::app::bounds::refuse_forbidden;
use crate::app::carry::{carry_out, conclude, give_back, lease};
use crate::app::connect::{Belonging, connect, stack};
use crate::app::deployers::refuse_stranger;
use crate::app::desired::{all_kinds, unchanging};
use crate::app::{Global, Outcome, Snapshot, StackState, leased, print, refuse_loss, say, until_interrupted};
use crate::kind::Context;
use crate::lease;
use crate::plain;
use crate::plan::{Header, Options, Plan, PlanFile};
use crate::render;

/// `lakewright plan`.
pub async fn plan(global: &Global, options: Options, written: &Written, out: Option<&Path>) -> Result<Outcome> {
    let state = StackState::open(global).await?;
    let Snapshot { live, options, plan } = state.snapshot(&state.context, options).await?;
    show_plan(&plan, &Place::of(&state), written)?;
    if !options.destroy && written.format == Format::Text {
        say_findings(&state);
        say_quotas(&state.context, &plan).await;
        for refusal in
            [state.refuse_unmade(&plan), refuse_stranger(&state, &plan), refuse_forbidden(&state, &plan).await]
        {
            if let Err(error) = refusal {
                say(&format!("warning: {error:#}"));
            }
        }
    }
    if let Some(path) = out {
        state.refuse_unmade(&plan)?;
        let made = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let Context { account, region, state_bucket, .. } = state.context;
        let mut file = PlanFile::new(&account, &region, made, options, state.desired, live);
        (file.header.state_bucket, file.header.role) = (state_bucket, state.role);
        let text = file.text();
        save(path, &text)?;
        say(&format!("Saved: `lakewright apply {}` carries it out.", path.display()));
        say(&format!("SHA-256 of the plan: {}", sha256(&text)));
    }
    Ok(if written.detailed_exitcode && !plan.is_settled() { Outcome::Changes } else { Outcome::Done })
}

/// Says which rules the stack breaks, in a line: `lakewright check` says more.
fn say_findings(state: &StackState) {
    let mut rules: Vec<String> =
        state.findings().iter().map(|one| format!("{} ({})", one.rule.name, one.address)).collect();
    rules.dedup();
    if !rules.is_empty() {
        say(&format!("Checks: {}; `lakewright check` says why and what to do.", rules.join(", ")));
    }
}

/// `lakewright show`.
pub fn show(path: &Path, written: &Written) -> Result<Outcome> {
    let Some((file, sha256)) = saved_plan(Some(path))? else {
        bail!("{} is no saved plan; `lakewright plan --out FILE` makes one", path.display())
    };
    let plan = file.plan(all_kinds())?;
    show_plan(&plan, &Place::of_file(&file.header), written)?;
    say(&format!("SHA-256 of the plan: {sha256}"));
    Ok(if written.detailed_exitcode && !plan.is_settled() { Outcome::Changes } else { Outcome::Done })
}

/// `lakewright graph`.
pub async fn graph(global: &Global, format: Picture, only_changes: bool) -> Result<Outcome> {
    let plan = match saved_plan(global.stack_file.as_deref())? {
        Some((file, _)) => file.plan(all_kinds())?,
        None if only_changes => {
            let state = StackState::open(global).await?;
            state.snapshot(&state.context, Options::default()).await?.plan
        }
        None => unchanging(&stack(global)?)?,
    };
    match format {
        Picture::Svg => print(&render::svg(&plan, only_changes)),
        Picture::Dot => print(&render::dot(&plan, only_changes)),
    }
}

/// Where a plan belongs.
#[derive(Serialize)]
struct Place<'a> {
    account: &'a str,
    region: &'a str,
    /// The ARN of the role that it was made as.
    role: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(state: &'a StackState) -> Self {
        let Context { account, region, .. } = &state.context;
        Self { account, region, role: state.role.as_ref().map(|role| role.arn.as_str()) }
    }

    fn of_file(Header { account, region, role, .. }: &'a Header) -> Self {
        Self { account, region, role: role.as_ref().map(|role| role.arn.as_str()) }
    }

    /// In words: the account and the region, and as whom.
    fn words(&self) -> String {
        let Self { account, region, role } = self;
        let role = role.map_or_else(String::new, |role| format!(", as {role}"));
        plain::line(&format!("account {account}, {region}{role}")).into_owned()
    }
}

fn show_plan(plan: &Plan, place: &Place<'_>, written: &Written) -> Result<()> {
    let region = place.region;
    let detail = if written.full { render::Detail::Full } else { render::Detail::Short };
    match written.format {
        Format::Text => show_text(plan, place, detail)?,
        Format::Json => {
            let mut json = render::json(plan);
            let place = serde_json::to_value(place).context("write where the plan belongs as JSON")?;
            for (name, member) in place.as_object().into_iter().flatten() {
                json[name.as_str()] = member.clone();
            }
            json["cost"] = render::cost_json(&cost::of_plan(plan, region));
            let json = serde_json::to_string_pretty(&json).context("write the plan as JSON")?;
            print(&format!("{}\n", plain::json(&json)))?;
        }
        Format::Markdown => {
            let cost = render::cost_line(&cost::of_plan(plan, region));
            let place = render::code(&place.words());
            print(&format!("{}\n{cost}\n\nIn {place}.\n", render::markdown(plan)))?;
        }
    }
    Ok(())
}

/// Shows a plan to people, and in a line what it costs when it changes something.
fn show_text(plan: &Plan, place: &Place<'_>, detail: render::Detail) -> Result<()> {
    say(&heading(plan, place));
    let mut text = render::text(plan, detail);
    if !plan.is_empty() {
        let _ = writeln!(text, "{}", render::cost_line(&cost::of_plan(plan, place.region)));
    }
    print(&text).map(drop)
}

fn heading(plan: &Plan, place: &Place<'_>) -> String {
    format!("Stack {} in {}\n", plan.stack, place.words())
}

/// What a command is about to do.
struct Doing<'a> {
    how: &'a How,
    command: &'static str,
    options: Options,
    /// The question, and the answer that lets it go on.
    question: String,
    answer: String,
    /// What is said when the answer is another one.
    refused: &'static str,
}

/// `lakewright apply`; `expected` is the hash of the saved plan that was approved, and `beside` the stack file that is named
/// beside it.
pub async fn apply(
    global: &Global,
    how: &How,
    options: Options,
    expected: Option<&str>,
    beside: Option<PathBuf>,
) -> Result<Outcome> {
    let path = global.stack_file.clone();
    if let Some((file, sha256)) = saved_plan(path.as_deref())? {
        let path = path.unwrap_or_default();
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            bail!(
                "{} isn't the plan that was approved, and nothing was applied: its SHA-256 is {sha256}, and \
                 --expect-sha256 says {expected}; apply the file that was reviewed, or have this one reviewed",
                path.display()
            );
        }
        let part = options != Options::default();
        let global = Global { stack_file: beside, ..global.clone() };
        return apply_saved(&global, &path, file, how, part).await;
    }
    if expected.is_some() {
        bail!("--expect-sha256 is for a saved plan: name the file that `lakewright plan --out` wrote");
    }
    let state = StackState::open(global).await?;
    let doing = Doing {
        how,
        command: "apply",
        options,
        question: "Make these changes? Type yes:".to_owned(),
        answer: "yes".to_owned(),
        refused: "Nothing was changed.",
    };
    change(&state, &doing).await
}

/// `lakewright destroy`.
pub async fn destroy(global: &Global, how: &How, options: Options) -> Result<Outcome> {
    let state = StackState::open(global).await?;
    let name = &state.desired.stack;
    let doing = Doing {
        how,
        command: "destroy",
        options: Options { destroy: true, ..options },
        question: format!("Delete all of it? Type the stack's name, {name}:"),
        answer: name.clone(),
        refused: "Nothing was deleted.",
    };
    change(&state, &doing).await
}

/// Plans, asks and carries out. The lease isn't held while somebody thinks: what has moved meanwhile is refused.
async fn change(state: &StackState, doing: &Doing<'_>) -> Result<Outcome> {
    let mut agreed = None;
    if !doing.how.yes {
        let snapshot = state.snapshot(&state.context, doing.options.clone()).await?;
        present(state, &snapshot.plan, doing).await?;
        if snapshot.plan.does_nothing() {
            return Ok(done(&snapshot.plan));
        }
        // Records alone change nothing that anybody has to agree to.
        if !snapshot.plan.is_empty() && !ask(&doing.question, &doing.answer).await? {
            say(doing.refused);
            return Ok(Outcome::Wrong);
        }
        agreed = Some(snapshot);
    }
    until_interrupted(|stop| async move {
        let lease = lease(state, doing.command, &stop).await?;
        let context = lease.context(&state.context).await;
        let decided = async {
            let snapshot = state.snapshot(&context, doing.options.clone()).await?;
            match &agreed {
                Some(before) => {
                    unmoved(&before.live, &snapshot)?;
                    as_agreed(state, (&before.live, &before.options), &snapshot, &snapshot.plan)?;
                    // What a deletion loses may have come into it since.
                    refuse_loss(&snapshot.plan, &doing.how.allow_data_loss)?;
                }
                None => present(state, &snapshot.plan, doing).await?,
            }
            Ok(snapshot.plan)
        };
        finish(context.clone(), lease, decided.await, doing.command, &stop).await
    })
    .await
}

/// Carries out a saved plan if what it was made from is still so.
async fn apply_saved(global: &Global, path: &Path, file: PlanFile, how: &How, part: bool) -> Result<Outcome> {
    if part || !global.var.is_empty() {
        bail!(
            "a saved plan is applied as it is: give --var, --target, --exclude, --delete-claimed, --move-roles and --drift-only to `lakewright plan --out`"
        );
    }
    let state = &StackState::of_plan(global, path, &file).await?;
    let plan = state.plan(&file.live, &file.options)?;
    show_text(&plan, &Place::of_file(&file.header), render::Detail::Short)?;
    say_quotas(&state.context, &plan).await;
    if !file.options.destroy {
        refuse_stranger(state, &plan)?;
    }
    refuse_forbidden(state, &plan).await?;
    refuse_loss(&plan, &how.allow_data_loss)?;
    if plan.does_nothing() {
        return Ok(done(&plan));
    }
    if !plan.is_empty() && !how.yes && !ask("Make these changes? Type yes:", "yes").await? {
        say("Nothing was changed.");
        return Ok(Outcome::Wrong);
    }
    let file = &file;
    until_interrupted(|stop| async move {
        let lease = lease(state, "apply", &stop).await?;
        let context = lease.context(&state.context).await;
        let decided = async {
            let snapshot = state.snapshot(&context, file.options.clone()).await?;
            unmoved(&file.live, &snapshot)?;
            // As it was reviewed, even if the memory of the last apply has changed since.
            let mut plan = state.plan(&snapshot.live, &file.options)?;
            as_agreed(state, (&file.live, &file.options), &snapshot, &plan)?;
            // What is to be remembered afterwards is judged by what is so now.
            plan.doubt = plan.doubt.or(snapshot.plan.doubt);
            let since = snapshot.plan.unread.into_iter().filter(|one| !plan.unread.contains(one));
            let since: Vec<_> = since.collect();
            plan.unread.extend(since);
            plan.is_unsure |= snapshot.plan.is_unsure;
            refuse_loss(&plan, &how.allow_data_loss)?;
            Ok(plan)
        };
        finish(context.clone(), lease, decided.await, "apply", &stop).await
    })
    .await
}

async fn finish(
    context: Context,
    lease: lease::Lease,
    decided: Result<Plan>,
    command: &str,
    stop: &CancellationToken,
) -> Result<Outcome> {
    let plan = match decided {
        Ok(plan) => plan,
        Err(error) => {
            give_back(lease).await;
            return Err(error);
        }
    };
    let report = carry_out(&context, lease, &plan, stop).await?;
    if !plan.is_empty() {
        conclude(&report, &plan, command);
    }
    Ok(if report.complete() { done(&plan) } else { Outcome::Wrong })
}

/// What a plan came to of which everything was done that could be.
fn done(plan: &Plan) -> Outcome {
    let is_left = plan.claimed.iter().any(|one| !one.goes);
    if plan.blocked.is_empty() && !is_left { Outcome::Done } else { Outcome::Blocked }
}

/// Shows a plan before it is carried out, with what `lakewright plan` says below it, and refuses what would lose data.
async fn present(state: &StackState, plan: &Plan, doing: &Doing<'_>) -> Result<()> {
    if doing.options.destroy && plan.is_settled() {
        say(&heading(plan, &Place::of(state)));
        say(&format!("Nothing of the stack {} exists.", plan.stack));
        return Ok(());
    }
    show_text(plan, &Place::of(state), render::Detail::Short)?;
    if !doing.options.destroy {
        say_findings(state);
        say_quotas(&state.context, plan).await;
        state.refuse_unmade(plan)?;
        refuse_stranger(state, plan)?;
        refuse_forbidden(state, plan).await?;
    }
    refuse_loss(plan, &doing.how.allow_data_loss)
}

/// `lakewright unlock`.
pub async fn unlock(global: &Global, yes: bool) -> Result<Outcome> {
    let stack = stack(global)?;
    let context = leased(connect(global, &Belonging::of(&stack, global)).await?, &stack);
    let document = lease::look(&context).await.ok().flatten();
    let held = document.as_ref().and_then(|document| document.holder.as_ref());
    if let (Some(document), None) = (&document, held) {
        say(&format!(
            "Nobody holds the lease of {} (the last apply left {} resources).",
            context.stack,
            document.memory.addresses().len()
        ));
        return Ok(Outcome::Done);
    }
    if let (Some(holder), Some(document)) = (held, &document) {
        say(&format!("{holder} holds the lease until {}.", document.expires));
    }
    if !yes && !ask("Take it away? An apply that still runs stops in the middle. Type yes:", "yes").await? {
        say("Nothing was changed.");
        return Ok(Outcome::Wrong);
    }
    match lease::unlock(&context).await? {
        Some(holder) => say(&format!("Taken from {holder}.")),
        None => say(&format!("Nobody holds the lease of {}.", context.stack)),
    }
    Ok(Outcome::Done)
}

/// Whether the answer on the terminal is the wanted one.
pub async fn ask(question: &str, wanted: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on; --yes answers the question");
    }
    Ok(answer(question).await? == wanted)
}

/// What is typed on the terminal.
pub async fn answer(question: &str) -> Result<String> {
    write!(anstream::stderr().lock(), "{question} ").context("ask")?;
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = read.await.context("read the answer")?.context("read the answer")?;
    Ok(line.trim().to_owned())
}
