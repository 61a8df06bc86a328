//! Reads what lives of a stack: all kinds at once, a bounded number of them in flight.

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::kind::{AnyKind, Context, Wanted};
use crate::plan::Kinds;
use crate::reading::Reading;
use crate::resource::{Desired, Live};

/// How many kinds are read at a time.
const AT_ONCE: usize = 10;

/// Everything of the stack that lives, by kind and address.
pub async fn sweep(kinds: Kinds<'_>, context: &Context, desired: &Desired) -> Result<Vec<Live>> {
    // Several kinds ask the same, and all see one moment.
    let reading = Reading::of_one_sweep();
    let context = &Context { reading, ..context.clone() };
    let mut waiting = kinds.0.iter().copied();
    let mut reading: FuturesUnordered<_> =
        waiting.by_ref().take(AT_ONCE).map(|kind| read(kind, context, desired)).collect();
    let mut live = Vec::new();
    while let Some(found) = reading.next().await {
        live.extend(found?);
        if let Some(kind) = waiting.next() {
            reading.push(read(kind, context, desired));
        }
    }
    live.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| a.id.cmp(&b.id)));
    Ok(live)
}

async fn read(kind: &dyn AnyKind, context: &Context, desired: &Desired) -> Result<Vec<Live>> {
    let asked = |name: &str| name == kind.name() || kind.facts().beside.contains(&name);
    let of_kind = desired.resources.iter().filter(|resource| asked(&resource.address.kind));
    let wanted: Vec<Wanted<'_>> =
        of_kind.map(|resource| Wanted { address: &resource.address, spec: &resource.spec }).collect();
    kind.find(context, &wanted).await.with_context(|| format!("read what exists of the kind {}", kind.name()))
}
