//! What carries the stack's tags and isn't known to be the stack's: shown, and left alone unless somebody names it.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::{Options, PlanError, replaced};
use crate::resource::{Address, Live, Obstacle};

/// A thing that carries the stack's tags and that nothing proves to be the stack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The address that its tags state.
    pub address: Address,
    /// Its identifier on AWS.
    pub id: String,
    /// Why it isn't known to be the stack's.
    pub reason: String,
    /// Whether the plan deletes it, because it was named.
    pub goes: bool,
}

/// What is claimed, for a plan with those options.
pub(super) fn listed(claimed: &[Live], options: &Options) -> Vec<Claimed> {
    let one = |live: &Live| Claimed {
        address: live.address.clone(),
        id: live.id.clone(),
        reason: live.whose.claim().unwrap_or_default().to_owned(),
        goes: options.delete_claimed.contains(&live.address),
    };
    claimed.iter().map(one).collect()
}

/// What of it was named to be deleted. Where its address is in use otherwise it gets one of its own.
pub(super) fn named(
    claimed: &[Live],
    own: &[Live],
    graph: &Graph<'_>,
    options: &Options,
) -> Result<Vec<Live>, PlanError> {
    if let Some(address) = options.delete_claimed.iter().find(|one| !claimed.iter().any(|live| live.address == **one)) {
        return Err(PlanError::NotClaimed { address: address.clone() });
    }
    let mut taken: BTreeSet<Address> = own.iter().map(|live| live.address.clone()).collect();
    taken.extend(graph.needs.keys().cloned());
    let mut named = Vec::new();
    for live in claimed.iter().filter(|live| options.delete_claimed.contains(&live.address)) {
        let mut live = live.clone();
        if !taken.insert(live.address.clone()) {
            live.address = replaced(&live);
        }
        named.push(live);
    }
    Ok(named)
}

/// What stands in the way of making something, by address.
pub(super) fn in_the_way(claimed: &[Live]) -> BTreeMap<Address, Obstacle> {
    let obstacle = |live: &Live| {
        let (address, id) = (&live.address, &live.id);
        let reason = live.whose.claim().unwrap_or_default();
        Obstacle::new(
            format!("{id} carries its tags and isn't known to be the stack's: {reason}"),
            format!(
                "`lakewright adopt {address} {id}` takes it over if it is the stack's; else take its tags lakewright:stack \
                 and lakewright:address away, or let `--delete-claimed {address}` delete it"
            ),
        )
    };
    claimed.iter().map(|live| (live.address.clone(), obstacle(live))).collect()
}
