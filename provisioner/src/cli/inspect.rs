//! `status`, `outputs` and `explain`: what exists, what it is called on AWS, and what an address means.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde_json::Value;

use crate::app::connect::stack;
use crate::app::desired::{all_kinds, anywhere};
use crate::app::programs::programs_of;
use crate::app::{Global, Outcome, Snapshot, StackState, print, say};
use crate::kind::AnyKind;
use crate::lease;
use crate::plain;
use crate::plan::{Action, Blocked, Options, Step};
use crate::render;
use crate::resource::{Address, Condition, Live, Resource, Unread, nearest};
use crate::stack::suggest;
use crate::whose;

/// How outputs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// One `address.output = value` a line.
    Text,
    /// `NAME="value"` lines for a shell.
    Env,
    /// One object of objects.
    Json,
}

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// `lakewright status`.
pub async fn status(global: &Global) -> Result<Outcome> {
    let state = StackState::open(global).await?;
    let Snapshot { mut live, plan, .. } = state.snapshot(&state.context, Options::default()).await?;
    live.retain(|live| live.whose.claim().is_none());
    if live.is_empty() && plan.blocked.is_empty() {
        let claimed = render::claimed_text(&plan);
        if !claimed.is_empty() {
            print(&claimed)?;
        }
        say(&format!("Nothing of the stack {} exists.", plan.stack));
        return Ok(Outcome::Wrong);
    }
    let lease = lease::look(&state.context).await.ok().flatten();
    let width = plan.needs.keys().chain(live.iter().map(|live| &live.address)).map(|a| a.to_string().len()).max();
    let mut out = String::new();
    let mut well = true;
    let blocked = plan.blocked.iter().map(|one| &one.address);
    let mut addresses: Vec<&Address> =
        plan.needs.keys().chain(live.iter().map(|live| &live.address)).chain(blocked).collect();
    addresses.sort();
    addresses.dedup();
    for address in addresses {
        let one = live.iter().find(|live| live.address == *address);
        let step = plan.steps.iter().find(|step| step.address == *address);
        let blocked = plan.blocked.iter().find(|blocked| blocked.address == *address);
        let (style, word) = match blocked {
            Some(Blocked { step: None, .. }) => (AnsiColor::Red, "unread"),
            Some(_) => (AnsiColor::Red, "blocked"),
            None => health(one, step),
        };
        well &= style != AnsiColor::Red;
        let style = style.on_default();
        let address = address.to_string();
        let id = plain::line(one.map(|live| live.id.as_str()).unwrap_or_default());
        let _ =
            writeln!(out, "  {address:width$}  {style}{word:9}{style:#}  {DIM}{id}{DIM:#}", width = width.unwrap_or(0));
    }
    let claimed = render::claimed_text(&plan);
    if !claimed.is_empty() {
        let _ = write!(out, "\n{claimed}");
    }
    let _ = write!(out, "\n{BOLD}{}{BOLD:#} ", render::summary(&plan));
    let _ = match lease {
        Some(document) => match document.held(state.context.aws.now()) {
            Some((holder, until)) => writeln!(out, "{holder} is at work until {until} at least."),
            None => writeln!(out, "Nobody is at work on it."),
        },
        None => writeln!(out, "It was never applied."),
    };
    print(&out)?;
    Ok(if well { Outcome::Done } else { Outcome::Wrong })
}

/// How a resource is, in a word and a colour; red is what somebody has to look at.
fn health(live: Option<&Live>, step: Option<&Step>) -> (AnsiColor, &'static str) {
    match (live.map(|live| &live.condition), step.map(|step| step.action)) {
        (None, _) => (AnsiColor::Red, "missing"),
        (Some(Condition::Failed(_)), _) => (AnsiColor::Red, "failed"),
        (Some(Condition::Pending(_)), _) => (AnsiColor::Yellow, "pending"),
        (Some(Condition::Ready), Some(Action::Delete)) => (AnsiColor::Yellow, "left over"),
        (Some(Condition::Ready), Some(_)) => (AnsiColor::Yellow, "differs"),
        (Some(Condition::Ready), None) => (AnsiColor::Green, "ready"),
    }
}

/// `lakewright outputs`.
pub async fn outputs(global: &Global, format: OutputFormat) -> Result<Outcome> {
    let state = StackState::open(global).await?;
    let whose::Known { mut live, unread, .. } = whose::read(all_kinds(), &state.context, &state.desired).await?;
    live.retain(|live| live.whose.claim().is_none());
    for Unread { kind, address, obstacle, .. } in &unread {
        let what = address.as_ref().map_or_else(|| format!("the kind {kind}"), ToString::to_string);
        say(&format!("warning: nothing is shown of {what}: {}", obstacle.reason));
    }
    if live.is_empty() && unread.is_empty() {
        say(&format!("Nothing of the stack {} exists.", state.desired.stack));
    }
    let mut out = String::new();
    for one in &live {
        for (name, value) in &one.outputs {
            let _ = match format {
                OutputFormat::Text => writeln!(out, "{}.{name} = {}", one.address, plain::line(value)),
                OutputFormat::Env => writeln!(out, "{}={}", variable(&one.address, name), quoted(value)),
                OutputFormat::Json => Ok(()),
            };
        }
    }
    if format == OutputFormat::Json {
        let all: BTreeMap<String, &BTreeMap<String, String>> =
            live.iter().map(|live| (live.address.to_string(), &live.outputs)).collect();
        out = serde_json::to_string_pretty(&all).context("write the outputs")? + "\n";
        out = plain::json(&out).into_owned();
    }
    print(&out)
}

/// The name of an output as a shell variable, `VPC_MAIN_ID`.
fn variable(address: &Address, output: &str) -> String {
    let name = format!("{}_{}_{output}", address.kind, address.name);
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// A value that a shell takes as it is.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// `lakewright explain`.
pub fn explain(global: &Global, what: &str) -> Result<Outcome> {
    let kinds = all_kinds();
    if let Some(kind) = kinds.get(what) {
        return print(&render::kind_text(kind));
    }
    let Ok(address) = what.parse::<Address>() else {
        let names = kinds.0.iter().map(|kind| kind.name());
        bail!("`{what}` is neither an address such as bucket.raw nor a kind; {}", suggest(what, names, "kinds"))
    };
    let stack = stack(global)?;
    let desired = anywhere(&stack, &programs_of(global, &stack)?);
    let Some(resource) = desired.resources.iter().find(|resource| resource.address == address) else {
        let near = nearest(what, desired.resources.iter().map(|resource| &resource.address));
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        bail!(
            "the stack {} has no `{address}`; {near}`lakewright plan` and `lakewright status` list its addresses",
            stack.name()
        )
    };
    let kind = kinds.get(&address.kind).context("every resource of a stack has a kind")?;
    let mut out = format!("{BOLD}{address}{BOLD:#}: {}\n", kind.summary());
    if let Some(line) = resource.span.as_ref().and_then(|span| stack.line(span)) {
        let _ = writeln!(out, "{DIM}from {line}{DIM:#}");
    }
    fields(&mut out, kind, resource);
    let needs: Vec<String> = crate::plan::reference::references(&resource.spec)
        .into_iter()
        .map(|reference| reference.address)
        .chain(resource.after.iter().cloned())
        .map(|address| address.to_string())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let users = desired.resources.iter().filter(|user| {
        user.after.contains(&address)
            || crate::plan::reference::references(&user.spec).iter().any(|reference| reference.address == address)
    });
    let users: Vec<String> = users.map(|user| user.address.to_string()).collect();
    for (title, list) in [("needs", needs), ("is needed by", users)] {
        if !list.is_empty() {
            let _ = writeln!(out, "\n{BOLD}{title}{BOLD:#} {}", list.join(", "));
        }
    }
    let _ = writeln!(out, "\n{BOLD}outputs{BOLD:#} {}", kind.outputs().join(", "));
    if kind.holds_data() {
        out.push_str("\nIt holds data: deleting or replacing it takes --allow-data-loss.\n");
    }
    print(&out)
}

/// The fields with their values and what they mean.
fn fields(out: &mut String, kind: &dyn AnyKind, resource: &Resource) {
    let schema = kind.schema();
    for field in kind.fields() {
        let value = &resource.spec[field.name];
        let shown = match plain::line(&kind.facts().masked(field.name, value).to_string()).into_owned() {
            text if text.chars().count() > 100 => format!("{}…", text.chars().take(100).collect::<String>()),
            text => text,
        };
        if *value != Value::Null {
            let about = schema["properties"][field.name]["description"].as_str().unwrap_or_default();
            let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "\n  {BOLD}{}{BOLD:#} = {shown}\n    {DIM}{about}{DIM:#}", field.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_variables_of_a_shell() {
        assert_eq!(variable(&Address::new("bucket", "raw-1"), "arn"), "BUCKET_RAW_1_ARN");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
