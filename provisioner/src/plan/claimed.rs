//! What carries the stack's tags and isn't known to be the stack's: shown, and left alone unless somebody names it.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::{Options, PlanError, replaced};
use crate::resource::{Address, Live, Obstacle};

/// A thing that carries the stack's tags and that nothing proves to be the stack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The address that its tags state, or one of its own where something else has that.
    pub address: Address,
    /// Its identifier on AWS.
    pub id: String,
    /// Why it isn't known to be the stack's.
    pub reason: String,
    /// Whether the plan deletes it, because it was named.
    pub goes: bool,
}

/// What is claimed, beside what is the stack's own.
pub(super) fn listed(claimed: &[Live], own: &[Live]) -> Vec<Claimed> {
    let one = |live: &Live| Claimed {
        address: exact(live, claimed, own),
        id: live.id.clone(),
        reason: live.whose.claim().unwrap_or_default().to_owned(),
        goes: false,
    };
    claimed.iter().map(one).collect()
}

/// The address by which a claimed thing is named, and nothing else.
fn exact(live: &Live, claimed: &[Live], own: &[Live]) -> Address {
    let is_there = |other: &Live| other.address == live.address && other.id != live.id;
    if own.iter().chain(claimed).any(is_there) { replaced(live) } else { live.address.clone() }
}

/// Whether an address of the command line means a claimed thing: as the list of claimed things has it, or as the step that
/// deletes it.
fn is_meant(address: &Address, live: &Live, claimed: &[Live], own: &[Live]) -> bool {
    *address == replaced(live) || *address == exact(live, claimed, own)
}

/// Those of what exists that are claimed and were named to be deleted.
pub fn to_delete<'a>(all: &'a [Live], options: &Options) -> Vec<&'a Live> {
    let (claimed, own): (Vec<Live>, Vec<Live>) = all.iter().cloned().partition(|live| live.whose.claim().is_some());
    let meant = |live: &&Live| options.delete_claimed.iter().any(|address| is_meant(address, live, &claimed, &own));
    all.iter().filter(|live| live.whose.claim().is_some()).filter(meant).collect()
}

/// What of it was named to be deleted. Where its address is in use otherwise it gets one of its own.
pub(super) fn named(
    claimed: &[Live],
    own: &[Live],
    graph: &Graph<'_>,
    options: &Options,
) -> Result<Vec<Live>, PlanError> {
    for address in &options.delete_claimed {
        if claimed.iter().any(|live| is_meant(address, live, claimed, own)) {
            continue;
        }
        let there = claimed.iter().filter(|live| live.address == *address);
        let there: Vec<String> = there.map(|live| format!("{} ({})", exact(live, claimed, own), live.id)).collect();
        return Err(if there.is_empty() {
            PlanError::NotClaimed { address: address.clone() }
        } else {
            PlanError::SeveralThere { address: address.clone(), claimed: there }
        });
    }
    let mut taken: BTreeSet<Address> = own.iter().map(|live| live.address.clone()).collect();
    taken.extend(graph.needs.keys().cloned());
    let mut named = Vec::new();
    let meant = |live: &&Live| options.delete_claimed.iter().any(|address| is_meant(address, live, claimed, own));
    for live in claimed.iter().filter(meant) {
        let mut live = live.clone();
        if !taken.insert(live.address.clone()) {
            live.address = replaced(&live);
        }
        named.push(live);
    }
    Ok(named)
}

/// What stands in the way of making something, by address.
pub(super) fn in_the_way(claimed: &[Live], own: &[Live]) -> BTreeMap<Address, Obstacle> {
    let obstacle = |live: &Live| {
        let (address, id) = (&live.address, &live.id);
        let exact = exact(live, claimed, own);
        let reason = live.whose.claim().unwrap_or_default();
        Obstacle::new(
            format!("{id} carries its tags and isn't known to be the stack's: {reason}"),
            format!(
                "`lakewright adopt {address} {id}` takes it over if it is the stack's; else take its tags lakewright:stack \
                 and lakewright:address away, or let `--delete-claimed {exact}` delete it"
            ),
        )
    };
    claimed.iter().map(|live| (live.address.clone(), obstacle(live))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{desired, kinds, live};
    use super::super::{Plan, plan_for};
    use super::*;
    use crate::resource::Whose;

    fn store(id: &str, is_claimed: bool) -> Live {
        let spec = json!({ "name": id, "size": 1, "uses": null });
        let whose = if is_claimed { Whose::Claimed("it has no record".to_owned()) } else { Whose::Own };
        Live { whose, ..live("store.raw", id, spec.clone(), &spec) }
    }

    fn planned(lives: &[Live], delete: &[&Address], excludes: &[&str]) -> Result<Plan, PlanError> {
        let spec = json!({ "name": "raw", "size": 1, "uses": null });
        let options = Options {
            delete_claimed: delete.iter().map(|address| (*address).clone()).collect(),
            excludes: excludes.iter().map(|one| (*one).to_owned()).collect(),
            ..Options::default()
        };
        plan_for(kinds(), &desired(&[("store.raw", spec)]), lives, &options)
    }

    #[test]
    fn each_claimed_thing_has_an_address_that_means_it_alone() {
        let lives = [store("raw", false), store("one", true), store("two", true)];
        let all = planned(&lives, &[], &[]).expect("a plan");
        let [one, two] = &all.claimed[..] else { panic!("two are claimed") };
        assert!(one.address != two.address && one.address == replaced(&lives[1]), "{one:?}");
        // The one that is named goes, and nothing else.
        let plan = planned(&lives, &[&one.address], &[]).expect("a plan");
        let gone: Vec<&str> = plan.steps.iter().filter_map(|step| Some(step.live.as_ref()?.id.as_str())).collect();
        assert_eq!((gone, plan.claimed[0].goes, plan.claimed[1].goes), (vec!["one"], true, false));
        let options = Options { delete_claimed: [one.address.clone()].into(), ..Options::default() };
        let ids: Vec<&str> = to_delete(&lives, &options).iter().map(|live| live.id.as_str()).collect();
        assert_eq!(ids, ["one"]);
        // What means several says so, and names them.
        let said = planned(&lives, &[&lives[0].address], &[]).expect_err("which one?").to_string();
        assert!(said.contains(&format!("{} (one)", one.address)), "{said}");
        assert!(said.contains(&format!("{} (two)", two.address)), "{said}");
        // Beside nothing else its own address is enough, and that of the step is too.
        let alone = [store("one", true)];
        let plan = planned(&alone, &[&alone[0].address], &[]).expect("a plan");
        assert_eq!((&plan.claimed[0].address, plan.claimed[0].goes), (&alone[0].address, true));
        assert!(planned(&alone, &[&replaced(&alone[0])], &[]).expect("a plan").claimed[0].goes);
    }

    #[test]
    fn what_is_excluded_doesnt_go() {
        let lives = [store("raw", false), store("one", true)];
        let one = replaced(&lives[1]);
        let plan = planned(&lives, &[&one], &[&one.to_string()]).expect("a plan");
        assert!(plan.steps.is_empty() && !plan.claimed[0].goes);
    }
}
