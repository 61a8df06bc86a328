//! `adopt`: takes over what exists already.

use anyhow::{Context as _, Result, bail};
use tokio_util::sync::CancellationToken;

use super::change::ask;
use crate::app::carry::{lease, warn};
use crate::app::desired::all_kinds;
use crate::app::{Global, Outcome, StackState, of_others, print, say, until_interrupted};
use crate::apply::record;
use crate::kind::applied::{FORMAT, hashes};
use crate::kind::{ADDRESS, Outcome as Kept, STACK};
use crate::lease::Lease;
use crate::plan::Options;
use crate::render;
use crate::resource::{Address, Live, nearest};
use crate::whose::{self, Known};

/// `lakewright adopt`.
pub async fn run(global: &Global, address: &Address, id: &str, yes: bool) -> Result<Outcome> {
    // What is claimed beside another thing is listed under an address of its own.
    let address = &address.before_replaced().unwrap_or_else(|| address.clone());
    let state = &StackState::open(global).await?;
    if !state.desired.resources.iter().any(|resource| resource.address == *address) {
        let known = state.desired.resources.iter().map(|resource| &resource.address);
        let near = nearest(&address.to_string(), known);
        let hint = near.map(|one| format!(" (did you mean `{one}`?)")).unwrap_or_default();
        bail!(
            "the stack {} has no `{address}`{hint}; declare it first, then adopt what is to be it, or name another file by --stack",
            state.named()
        );
    }
    let (found, text, _) = look(state, address, id).await?;
    say(&format!("Adopting {address} ({})\n", found.id));
    print(&text)?;
    if !yes && !ask("Take it over as it is? The next apply makes the changes above. Type yes:", "yes").await? {
        say("Nothing was changed.");
        return Ok(Outcome::Wrong);
    }
    until_interrupted(|stop| take_over(state, address, id, stop)).await
}

/// The resource, as text what an apply would make of it, and whether what the stack remembers isn't trusted.
async fn look(state: &StackState, address: &Address, id: &str) -> Result<(Live, String, bool)> {
    let context = &state.context;
    let kind = all_kinds().get(&address.kind).expect("the stack holds only kinds that there are");
    let Known { mut live, unread, memory, doubt, .. } = whose::read(all_kinds(), context, &state.desired).await?;
    // What is claimed may be the very thing that is to be taken over.
    live.retain(|one| one.whose.claim().is_none());
    let theirs = of_others(&state.desired, &live, &memory);
    live.retain(|one| !theirs.contains(&one.address));
    if let Some(own) = live.iter().find(|live| live.address == *address) {
        bail!("{address} exists already: it is {}", own.id);
    }
    if let Some(one) = unread.iter().find(|one| one.means(address)) {
        bail!("whether {address} exists already isn't known: {}; {}", one.obstacle.reason, one.obstacle.fix);
    }
    let Some(found) = kind.read(context, address, id).await? else {
        bail!("there is no {} {id} in account {}, {}", address.kind, context.account, context.region)
    };
    // What carries no tags is found by what the stack says of it.
    let spec = &state.desired.resources.iter().find(|one| one.address == *address).expect("it was looked for").spec;
    for field in kind.facts().identified_by.iter().filter(|_| kind.is_tagless()) {
        let text = |of: &serde_json::Value| of[*field].as_str().unwrap_or_default().to_owned();
        let (wanted, is) = (text(spec), text(&found.spec));
        if wanted != is && !wanted.contains("${") {
            bail!("{} isn't what the stack calls {address}: its {field} is {is}, the stack says {wanted}", found.id);
        }
    }
    if let Some(own) = live.iter().find(|live| live.id == found.id) {
        bail!("{} belongs to the stack already: it is {}", found.id, own.address);
    }
    live.push(found.clone());
    let plan = state.plan(&live, &Options::default())?;
    let mut only = plan.clone();
    only.steps.retain(|step| step.address == *address);
    only.foreign.clear();
    let text = if only.steps.is_empty() {
        "It is as the stack file says: an apply will change nothing of it.\n".to_owned()
    } else {
        render::text(&only, render::Detail::Short)
    };
    Ok((found, text, doubt.is_some()))
}

async fn take_over(state: &StackState, address: &Address, id: &str, stop: CancellationToken) -> Result<Outcome> {
    let lease = lease(state, "adopt", &stop).await?;
    // Whoever held the lease before may have made it meanwhile.
    let done = match look(state, address, id).await {
        Ok((_, _, is_doubted)) => {
            lease.judged(is_doubted).await;
            tag(state, &lease, address, id).await
        }
        Err(error) => Err(error),
    };
    let given_back = lease.give_back().await;
    let id = done?;
    say(&format!("Adopted: {address} is {id}. `lakewright plan` shows what an apply makes of it."));
    warn(given_back);
    Ok(Outcome::Done)
}

/// Gives it the stack's tags with a record that says nothing of what was applied, and returns its identifier; of what can't
/// carry a record it is remembered how it is.
async fn tag(state: &StackState, lease: &Lease, address: &Address, id: &str) -> Result<String> {
    let context = lease.context(&state.context).await;
    let kind = all_kinds().get(&address.kind).expect("the stack holds only kinds that there are");
    let Some(found) = kind.read(&context, address, id).await? else { bail!("{id} has gone") };
    lease.begin([address.clone()].into(), true).await?;
    let applied = if kind.is_tagless() { hashes(kind.fields(), &found.spec) } else { FORMAT.to_owned() };
    let kept = Kept { id: found.id.clone(), outputs: found.outputs };
    let text = address.to_string();
    let tags = [(STACK, context.stack.as_str()), (ADDRESS, &text)];
    record(kind, &context, (address, &kept), &applied, &tags).await?;
    // What can't carry a record is the stack's only once that is remembered, and signed.
    lease.keep().await.with_context(|| format!("remember that {} is {address}", found.id))?;
    Ok(found.id)
}
