//! Reads what exists of a stack: all kinds at once, a bounded number of them in flight. What can't be read stops nothing
//! else.

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lakewright_aws::Error;

use crate::kind::{AnyKind, Context, Wanted};
use crate::permissions::allowing;
use crate::plan::Kinds;
use crate::reading::{Missed, Reading, is_of_one};
use crate::resource::{Desired, Live, Obstacle, Unread};

/// How many kinds are read at a time.
const AT_ONCE: usize = 10;

/// What a sweep came to.
#[derive(Debug, Default)]
pub struct Swept {
    /// Everything of the stack that exists and could be read, by kind and address.
    pub live: Vec<Live>,
    /// What couldn't be read.
    pub unread: Vec<Unread>,
}

/// Everything of the stack that exists. An error is one of all: no kind could be read, or nothing at all can be asked.
pub async fn sweep(kinds: Kinds<'_>, context: &Context, desired: &Desired) -> Result<Swept> {
    // Several kinds ask the same, and all see one moment.
    let reading = Reading::of_one_sweep();
    let context = &Context { reading, ..context.clone() };
    let (mut live, mut failed) = (Vec::new(), Vec::new());
    for is_last in [false, true] {
        let mut waiting = kinds.0.iter().copied().filter(|kind| kind.facts().is_sealed == is_last);
        let mut reading: FuturesUnordered<_> =
            waiting.by_ref().take(AT_ONCE).map(|kind| read(kind, context, desired)).collect();
        while let Some((kind, found)) = reading.next().await {
            match found {
                Ok(found) => live.extend(found),
                Err(error) if !is_of_one(&error) => return Err(error),
                Err(error) => failed.push(Missed { kind: kind.to_owned(), address: None, id: None, error }),
            }
            if let Some(kind) = waiting.next() {
                reading.push(read(kind, context, desired));
            }
        }
        context.reading.found(&live);
    }
    if failed.len() == kinds.0.len()
        && let Some(first) = failed.pop()
    {
        return Err(first.error);
    }
    live.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| a.id.cmp(&b.id)));
    let mut unread: Vec<Unread> = failed.into_iter().chain(context.reading.missed()).map(unread_of).collect();
    unread.sort_by(|a, b| (&a.kind, &a.address, &a.id).cmp(&(&b.kind, &b.address, &b.id)));
    // Kinds that share a question note the same.
    unread.dedup_by(|a, b| (&a.kind, &a.address, &a.id) == (&b.kind, &b.address, &b.id));
    Ok(Swept { live, unread })
}

/// What couldn't be read, for people.
pub fn unread_of(missed: Missed) -> Unread {
    let Missed { kind, address, id, error } = missed;
    if let Some(obstacle) = error.downcast_ref::<Obstacle>() {
        return Unread { kind, address, id, obstacle: obstacle.clone() };
    }
    let aws = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    let fix = match aws {
        Some(denied) if denied.is_denied() => allowing(denied),
        _ => "look at it on AWS and set right what is said of it; nothing is done to it before that".to_owned(),
    };
    Unread { kind, address, id, obstacle: Obstacle::new(format!("it can't be read: {error:#}"), fix) }
}

async fn read(kind: &dyn AnyKind, context: &Context, desired: &Desired) -> (&'static str, Result<Vec<Live>>) {
    let asked = |name: &str| name == kind.name() || kind.facts().beside.contains(&name);
    let of_kind = desired.resources.iter().filter(|resource| asked(&resource.address.kind));
    let wanted: Vec<Wanted<'_>> =
        of_kind.map(|resource| Wanted { address: &resource.address, spec: &resource.spec }).collect();
    let found = kind.find(context, &wanted).await;
    (kind.name(), found.with_context(|| format!("read what exists of the kind {}", kind.name())))
}
