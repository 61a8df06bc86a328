//! What is recorded of an apply: the signed hashes of what was applied, with each resource or beside the lease.

use anyhow::Result;
use futures::StreamExt as _;

use super::AT_ONCE;
use crate::kind::{ADDRESS, APPLIED, AnyKind, Context, Outcome, applied};
use crate::plan::{Kinds, Plan};
use crate::resource::{Address, Live};

/// Records what was applied, signed, where the kind can carry it, and else beside the lease; writes `tags` with it.
pub(super) async fn record(
    kind: &dyn AnyKind,
    context: &Context,
    (address, outcome): (&Address, &Outcome),
    hashes: &str,
    tags: &[(&str, &str)],
) -> Result<()> {
    if kind.is_tagless() {
        if !tags.is_empty() {
            kind.tag(context, outcome, tags).await?;
        }
        context.records.exists(address, &outcome.id, Some(hashes)).await;
        return Ok(());
    }
    let record = context.records.sign(address, &outcome.id, hashes).await?;
    kind.tag(context, outcome, &[tags, &[(APPLIED, &record)]].concat()).await?;
    context.records.exists(address, &outcome.id, None).await;
    Ok(())
}

/// Gives a thing that exists another address, with the record that it has: signed anew, for it names the address.
pub(super) async fn readdress(kind: &dyn AnyKind, context: &Context, live: &Live, address: &Address) -> Result<()> {
    let outcome = Outcome { id: live.id.clone(), outputs: live.outputs.clone() };
    let hashes = applied::carried(kind.facts(), live.applied.as_deref());
    record(kind, context, (address, &outcome), &hashes, &[(ADDRESS, &address.to_string())]).await
}

/// Notes on what lives as it should that the file says so too, and gives records of the former format today's. A record that
/// isn't written is missed by the next plan, which says so: it is no failure of this apply.
pub(super) async fn record_unchanged(kinds: Kinds<'_>, context: &Context, plan: &Plan) {
    let unchanged = plan.unchanged.iter().filter_map(|one| Some((&one.live, one.record.clone()?)));
    let carried = plan.former.iter().filter_map(|live| {
        let kind = kinds.get(&live.address.kind)?;
        Some((live, applied::carried(kind.facts(), live.applied.as_deref())))
    });
    let all = futures::stream::iter(unchanged.chain(carried));
    all.for_each_concurrent(AT_ONCE, |(live, hashes)| async move {
        let Some(kind) = kinds.get(&live.address.kind) else { return };
        let outcome = Outcome { id: live.id.clone(), outputs: live.outputs.clone() };
        if let Err(error) = record(kind, context, (&live.address, &outcome), &hashes, &[]).await {
            tracing::debug!(address = %live.address, %error, "what was applied could not be recorded");
        }
    })
    .await;
}
