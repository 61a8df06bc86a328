//! `rotate`: a new password for a secret that exists.

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::change::ask;
use crate::app::carry::{lease, warn};
use crate::app::desired::all_kinds;
use crate::app::{Global, Outcome, StackState, say, until_interrupted};
use crate::kind::Context;
use crate::resource::{Address, Live, nearest};
use crate::whose::{self, Known};

/// `lakewright rotate`.
pub async fn run(global: &Global, address: &Address, yes: bool) -> Result<Outcome> {
    let state = &StackState::open(global).await?;
    let live = find(state, &state.context, address).await?;
    let rotating: Vec<_> = all_kinds().0.iter().map(|kind| kind.facts()).filter(|facts| facts.rotates).collect();
    if !rotating.iter().any(|facts| facts.name == address.kind) {
        let plurals: Vec<String> = rotating.iter().map(|facts| facts.plural()).collect();
        bail!("{address} has nothing to rotate: only {} have", plurals.join(" and "));
    }
    say(&format!("{address} ({}) gets a new password.", live.id));
    if !yes
        && !ask(
            "Soon nobody logs in with the one before any more; the stack's agents follow by themselves. Type yes:",
            "yes",
        )
        .await?
    {
        say("Nothing was changed.");
        return Ok(Outcome::Wrong);
    }
    until_interrupted(|stop| rotate(state, address, stop)).await
}

/// What exists at the address.
async fn find(state: &StackState, context: &Context, address: &Address) -> Result<Live> {
    let Known { live, unread, .. } = whose::read(all_kinds(), context, &state.desired).await?;
    let (claimed, live): (Vec<Live>, Vec<Live>) = live.into_iter().partition(|live| live.whose.claim().is_some());
    if let Some(found) = live.iter().find(|live| live.address == *address) {
        return Ok(found.clone());
    }
    if let Some(one) = claimed.iter().find(|live| live.address == *address) {
        let reason = one.whose.claim().unwrap_or_default();
        bail!("{} carries the tags of {address} and isn't known to be the stack's: {reason}", one.id);
    }
    if let Some(one) = unread.iter().find(|one| one.means(address)) {
        bail!("{address}: {}; {}", one.obstacle.reason, one.obstacle.fix);
    }
    let near = nearest(&address.to_string(), live.iter().map(|live| &live.address));
    let hint = near.map(|one| format!(" (did you mean `{one}`?)")).unwrap_or_default();
    bail!("nothing of the stack {} exists at `{address}`{hint}; another file is named by --stack", state.named())
}

async fn rotate(state: &StackState, address: &Address, stop: CancellationToken) -> Result<Outcome> {
    let lease = lease(state, "rotate", &stop).await?;
    let done = async {
        let context = lease.context(&state.context).await;
        // Whoever held the lease before may have replaced it meanwhile.
        let live = find(state, &context, address).await?;
        let kind = all_kinds().get(&address.kind).expect("what exists is of a kind that there is");
        kind.rotate(&context, &live, &context.clock.token()).await
    };
    let done = done.await;
    warn(lease.give_back().await);
    say(&format!("Rotated: {}.", done?));
    Ok(Outcome::Done)
}
