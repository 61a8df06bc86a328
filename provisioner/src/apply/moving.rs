//! What has given its place up: who takes that over, and since when nothing works by the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, Utc};

use super::recording::{outcome_of, readdress};
use super::{PATIENCE, Report, look, took};
use crate::kind::{AnyKind, Context, LEFT, Wanted};
use crate::plan::order::users;
use crate::plan::{Kinds, Plan, Step, replaced};
use crate::record::Heir;
use crate::resource::Address;

/// Gives the address of a living resource up to its replacement; whatever happens then, it is found as what is to go.
pub(super) async fn retire(kind: &dyn AnyKind, context: &Context, step: &Step) -> Result<()> {
    let live = step.live.as_ref().expect("what is replaced exists");
    readdress(kind, context, live, &replaced(live)).await?;
    // Until the lists show it under its new address it would be taken for its own replacement.
    let started = Instant::now();
    loop {
        let wanted = step.spec.as_ref().map(|spec| Wanted { address: &step.address, spec });
        let found = look(kind, context, wanted.as_slice()).await?;
        if !found.iter().any(|found| found.id == live.id && found.address == step.address) {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("{} still carries its address {}", live.id, took(PATIENCE));
        }
        tokio::time::sleep(context.pace.poll).await;
    }
}

/// What has the place of what a step deletes: what this apply made or changed at its address, by `ids`, or what was there when the plan
/// was made.
pub(super) fn heir(plan: &Plan, step: &Step, ids: &BTreeMap<Address, String>) -> Heir {
    let wanted = |address: &Address| !plan.destroys && plan.needs.contains_key(address);
    let Some(address) = step.succeeded_at().filter(wanted) else { return Heir::Nobody };
    let is_another = |id: &&String| step.live.as_ref().is_none_or(|live| live.id != **id);
    match ids.get(&address).or_else(|| plan.exists.get(&address)).filter(is_another) {
        Some(id) => Heir::Known(id.clone()),
        None => Heir::Missing(address),
    }
}

/// Notes since when nothing works by what stays for a while, where all that worked by it has moved. What can't be noted stays until an
/// apply can.
pub(super) async fn note_left(kinds: Kinds<'_>, context: &Context, plan: &Plan, report: &Report) {
    let now = DateTime::<Utc>::from(context.aws.now()).to_rfc3339_opts(SecondsFormat::Secs, true);
    for (live, _) in plan.leaving.iter().filter(|(_, address)| has_moved(plan, report, address)) {
        let Some(kind) = kinds.get(&live.address.kind) else { continue };
        if let Err(error) = kind.tag(context, &outcome_of(live), &[(LEFT, &now)]).await {
            tracing::warn!(address = %live.address, error = format!("{error:#}"), "that it is left could not be noted");
        }
    }
}

/// Whether everything that works by what stands at an address is as the file says, and so is that.
fn has_moved(plan: &Plan, report: &Report, address: &Address) -> bool {
    let undone = report.failed.iter().map(|(one, ..)| one).chain(report.not_done.iter().map(|(one, _)| one));
    let undone = undone.chain(plan.blocked.iter().map(|one| &one.address));
    let undone: BTreeSet<&Address> = undone.chain(plan.left_out.iter().map(|(one, _)| one)).collect();
    let users = users(&plan.needs, address);
    // What is left of a user has yet to give to the new one what works by it.
    let is_of_user = |one: &Address| one.before_replaced().is_some_and(|before| users.contains(&before));
    !undone.iter().any(|&one| one == address || users.contains(one) || is_of_user(one))
}
