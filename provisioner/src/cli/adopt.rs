//! `adopt`: takes over what lives already.

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;

use super::carry::{lease, warn};
use super::change::ask;
use super::existing::of_others;
use super::look::{Stacked, all_kinds};
use super::run::until_interrupted;
use super::{Global, Outcome, print, say};
use crate::kind::{ADDRESS, Outcome as Kept, STACK};
use crate::lease::{self, Lease};
use crate::plan::Options;
use crate::plan::applied::hashes;
use crate::render;
use crate::resource::{Address, Live, nearest};
use crate::sweep::sweep;

/// `lakewright adopt`.
pub async fn run(global: &Global, address: &Address, id: &str, yes: bool) -> Result<Outcome> {
    let stacked = &Stacked::open(global).await?;
    if !stacked.desired.resources.iter().any(|resource| resource.address == *address) {
        let known = stacked.desired.resources.iter().map(|resource| &resource.address);
        let near = nearest(&address.to_string(), known);
        let hint = near.map(|one| format!(" (did you mean `{one}`?)")).unwrap_or_default();
        bail!("the stack has no `{address}`{hint}; declare it first, then adopt what is to be it");
    }
    let found = look(stacked, address, id).await?;
    say(&format!("Adopting {address} ({})\n", found.0.id));
    print(&found.1)?;
    if !yes && !ask("Take it over as it is? The next apply makes the changes above. Type yes:", "yes").await? {
        say("Nothing was changed.");
        return Ok(Outcome::Wrong);
    }
    until_interrupted(|stop| take_over(stacked, address, id, stop)).await
}

/// The resource and, as text, what an apply would make of it.
async fn look(stacked: &Stacked, address: &Address, id: &str) -> Result<(Live, String)> {
    let context = &stacked.context;
    let kind = all_kinds().get(&address.kind).expect("the stack holds only kinds that there are");
    let mut live = sweep(all_kinds(), context, &stacked.desired).await?;
    let lease = lease::look(context).await?;
    let theirs = of_others(&stacked.desired, &live, lease.as_ref());
    live.retain(|one| !theirs.contains(&one.address));
    if let Some(own) = live.iter().find(|live| live.address == *address) {
        bail!("{address} lives already: it is {}", own.id);
    }
    let Some(found) = kind.read(context, address, id).await? else {
        bail!("there is no {} {id} in account {}, {}", address.kind, context.account, context.region)
    };
    // What carries no tags is found by what the stack says of it.
    let spec = &stacked.desired.resources.iter().find(|one| one.address == *address).expect("it was looked for").spec;
    for field in ["cluster", "name"].into_iter().filter(|_| kind.is_tagless()) {
        let text = |of: &serde_json::Value| of[field].as_str().unwrap_or_default().to_owned();
        let (wanted, is) = (text(spec), text(&found.spec));
        if wanted != is && !wanted.contains("${") {
            bail!("{} isn't what the stack calls {address}: its {field} is {is}, the stack says {wanted}", found.id);
        }
    }
    if let Some(own) = live.iter().find(|live| live.id == found.id) {
        bail!("{} belongs to the stack already: it is {}", found.id, own.address);
    }
    live.push(found.clone());
    let plan = stacked.plan(&live, &Options::default())?;
    let mut only = plan.clone();
    only.steps.retain(|step| step.address == *address);
    only.foreign.clear();
    let text = if only.steps.is_empty() {
        "It is as the stack file says: an apply will change nothing of it.\n".to_owned()
    } else {
        render::text(&only, render::Detail::Short)
    };
    Ok((found, text))
}

async fn take_over(stacked: &Stacked, address: &Address, id: &str, stop: CancellationToken) -> Result<Outcome> {
    let lease = lease(stacked, "adopt", &stop).await?;
    // Whoever held the lease before may have made it meanwhile.
    let done = match look(stacked, address, id).await {
        Ok(_) => tag(stacked, &lease, address, id).await,
        Err(error) => Err(error),
    };
    let given_back = match &done {
        Ok((_, applied)) => lease.give_back_with(address, applied.as_deref()).await,
        Err(_) => lease.give_back().await,
    };
    let (id, _) = done?;
    say(&format!("Adopted: {address} is {id}. `lakewright plan` shows what an apply makes of it."));
    warn(given_back);
    Ok(Outcome::Done)
}

/// The identifier, and the hashes of what lives if it can't carry them.
async fn tag(stacked: &Stacked, lease: &Lease, address: &Address, id: &str) -> Result<(String, Option<String>)> {
    let context = lease.context(&stacked.context).await;
    let kind = all_kinds().get(&address.kind).expect("the stack holds only kinds that there are");
    let Some(found) = kind.read(&context, address, id).await? else { bail!("{id} has gone") };
    let applied = kind.is_tagless().then(|| hashes(kind.fields(), &found.spec));
    let kept = Kept { id: found.id.clone(), outputs: found.outputs };
    kind.tag(&context, &kept, &[(STACK, &context.stack), (ADDRESS, &address.to_string())]).await?;
    Ok((found.id, applied))
}
