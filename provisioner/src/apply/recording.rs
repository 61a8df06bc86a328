//! What is recorded of an apply: the signed hashes of what was applied, with each resource or beside the lease.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::StreamExt as _;
use serde_json::Value;

use super::{AT_ONCE, Outputs, Report};
use crate::kind::{ADDRESS, AnyKind, CONTINUED, Context, Outcome, Wanted, applied};
use crate::plan::order::Work;
use crate::plan::{Change, Kinds, Plan, Step};
use crate::reference::{plain, resolve};
use crate::resource::{Address, Live};

/// Records what was applied, signed, where the kind can carry it, and else beside the lease; writes `tags` with it.
pub async fn record(
    kind: &dyn AnyKind,
    context: &Context,
    (address, outcome): (&Address, &Outcome),
    hashes: &str,
    tags: &[(&str, &str)],
) -> Result<Recorded> {
    if kind.is_tagless() {
        if !tags.is_empty() {
            kind.tag(context, outcome, tags).await?;
        }
        context.records.exists(address, &outcome.id, Some(hashes)).await;
        return Ok(Recorded { in_one: true });
    }
    let record = context.records.sign(address, &outcome.id, hashes).await?;
    let record = applied::written(&record);
    kind.tag(context, outcome, &[tags, &record].concat()).await?;
    context.records.exists(address, &outcome.id, None).await;
    Ok(Recorded { in_one: record.len() == 1 })
}

/// How a record was written.
#[derive(Debug)]
pub struct Recorded {
    /// Whether it fits into one tag.
    in_one: bool,
}

impl Recorded {
    /// Takes away the rest of a longer record that stood there before; it counts for nothing any more.
    pub(super) async fn forget_rest(&self, kind: &dyn AnyKind, context: &Context, live: &Live) -> Result<()> {
        let was_longer = live.applied.as_ref().is_some_and(|record| applied::written(record).len() > 1);
        if self.in_one && was_longer && !kind.is_tagless() {
            kind.untag(context, &outcome_of(live), &[CONTINUED]).await?;
        }
        Ok(())
    }
}

/// Takes away what the file named once, and writes what a thing made beside itself is to carry. The thing's own tags are
/// written with its record, afterwards: what is cut off before that is still known to be the stack's.
pub(super) async fn retag(kind: &dyn AnyKind, context: &Context, step: &Step, outcome: &Outcome) -> Result<()> {
    if !step.changes.iter().any(Change::is_of_tag) {
        return Ok(());
    }
    let gone = step.gone_tags();
    if !gone.is_empty() {
        kind.untag(context, outcome, &gone).await?;
    }
    kind.tag_parts(context, outcome, &step.carries, &gone).await
}

pub(super) fn outcome_of(live: &Live) -> Outcome {
    Outcome { id: live.id.clone(), outputs: live.outputs.clone() }
}

/// Gives a thing that exists another address, with the record that it has: signed anew, for it names the address.
pub(super) async fn readdress(kind: &dyn AnyKind, context: &Context, live: &Live, address: &Address) -> Result<()> {
    let hashes = applied::carried(kind.facts(), live.applied.as_deref());
    record(kind, context, (address, &outcome_of(live)), &hashes, &[(ADDRESS, &address.to_string())]).await?;
    Ok(())
}

/// Notes on what exists as it should that the file says so too, and gives records of the former format today's. Returned is what
/// could not be noted: the next plan would miss its record, so this apply isn't complete.
pub(super) async fn record_unchanged(
    kinds: Kinds<'_>,
    context: &Context,
    plan: &Plan,
) -> Vec<(Address, anyhow::Error)> {
    let unchanged = plan.unchanged.iter().filter_map(|one| Some((&one.live, one.record.clone()?)));
    let carried = plan.former.iter().filter_map(|live| {
        let kind = kinds.get(&live.address.kind)?;
        Some((live, applied::carried(kind.facts(), live.applied.as_deref())))
    });
    let all = unchanged.chain(carried).map(async |(live, hashes)| {
        let kind = kinds.get(&live.address.kind)?;
        let recorded = match record(kind, context, (&live.address, &outcome_of(live)), &hashes, &[]).await {
            Ok(recorded) => recorded.forget_rest(kind, context, live).await,
            Err(error) => Err(error),
        };
        let error = recorded.err()?;
        Some((live.address.clone(), error.context(format!("record what was applied to {}", live.address))))
    });
    futures::stream::iter(all).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

/// Remembers by what is known again what was written and carries no tags, so that the next sweep needn't read it. What isn't
/// remembered is read: it is no failure of this apply.
pub(super) async fn seal_written(
    kinds: Kinds<'_>,
    context: &Context,
    plan: &Plan,
    (report, outputs): (&Report, &Outputs),
) {
    for kind in kinds.0.iter().filter(|kind| kind.facts().is_sealed) {
        let steps = plan.steps.iter().filter(|step| step.address.kind == kind.name());
        let is_written = |step: &&Step| {
            let done = |(address, work): &(Address, Work)| *address == step.address && *work != Work::Delete;
            report.done.iter().any(done)
        };
        let written: Vec<_> =
            steps.filter(is_written).filter_map(|step| written(*kind, step, (report, outputs))).collect();
        if written.is_empty() {
            continue;
        }
        let all: Vec<_> =
            written.iter().map(|(address, spec, outcome, _)| (Wanted { address, spec }, outcome)).collect();
        let seals = kind.seals(context, &all).await.unwrap_or_else(|error| {
            tracing::debug!(kind = kind.name(), error = format!("{error:#}"), "what was written could not be sealed");
            BTreeMap::new()
        });
        for (address, _, outcome, hashes) in &written {
            let Some(seal) = seals.get(*address) else { continue };
            let hashes = applied::with_seal(hashes, Some(seal));
            context.records.exists(address, &outcome.id, Some(&hashes)).await;
        }
    }
}

/// What a step wrote: where, the spec with which it did, what came of it, and the hashes that were recorded.
fn written<'a>(
    kind: &dyn AnyKind,
    step: &'a Step,
    (report, outputs): (&Report, &Outputs),
) -> Option<(&'a Address, Value, Outcome, String)> {
    let output = |address: &Address, name: &str| outputs.get(address)?.get(name).cloned();
    let spec = resolve(step.spec.as_ref()?, &|reference| output(&reference.address, &reference.output));
    let spec = plain(&kind.normalise(&spec).ok()?).into_owned();
    let outcome = Outcome { id: report.ids.get(&step.address)?.clone(), outputs: outputs.get(&step.address)?.clone() };
    let hashes = applied::with_tags(applied::hashes(kind.fields(), &spec), &step.tags);
    Some((&step.address, spec, outcome, hashes))
}
