//! `rotate`: a new password for a secret that lives.

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::carry::{lease, warn};
use super::change::ask;
use super::look::{Stacked, all_kinds};
use super::run::until_interrupted;
use super::{Global, Outcome, say};
use crate::kind::Context;
use crate::resource::{Address, Live, nearest};
use crate::sweep::sweep;

/// `lakewright rotate`.
pub async fn run(global: &Global, address: &Address, yes: bool) -> Result<Outcome> {
    let stacked = &Stacked::open(global).await?;
    let live = find(stacked, &stacked.context, address).await?;
    if address.kind != "secret" {
        bail!("{address} has nothing to rotate: only secrets have");
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
    until_interrupted(|stop| rotate(stacked, address, stop)).await
}

/// What lives at the address.
async fn find(stacked: &Stacked, context: &Context, address: &Address) -> Result<Live> {
    let live = sweep(all_kinds(), context, &stacked.desired).await?;
    if let Some(found) = live.iter().find(|live| live.address == *address) {
        return Ok(found.clone());
    }
    let near = nearest(&address.to_string(), live.iter().map(|live| &live.address));
    let hint = near.map(|one| format!(" (did you mean `{one}`?)")).unwrap_or_default();
    bail!("nothing of the stack lives at `{address}`{hint}")
}

async fn rotate(stacked: &Stacked, address: &Address, stop: CancellationToken) -> Result<Outcome> {
    let lease = lease(stacked, "rotate", &stop).await?;
    let done = async {
        let context = lease.context(&stacked.context).await;
        // Whoever held the lease before may have replaced it meanwhile.
        let live = find(stacked, &context, address).await?;
        let kind = all_kinds().get(&address.kind).expect("what lives is of a kind that there is");
        kind.rotate(&context, &live, &uuid::Uuid::new_v4().to_string()).await
    };
    let done = done.await;
    warn(lease.give_back().await);
    say(&format!("Rotated: {}.", done?));
    Ok(Outcome::Done)
}
