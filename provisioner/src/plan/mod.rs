//! The planner: what is desired and what exists go in, one plan comes out. Nothing here does input or output.

mod blocked;
mod claimed;
mod deletion;
mod diff;
mod file;
mod graph;
mod loss;
mod moved;
mod narrow;
pub mod order;
mod planner;
mod step;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::kind::AnyKind;
pub use crate::reference;
pub use crate::resource::Action;
use crate::resource::{Address, Desired, Live, Unread, Whose};
pub use blocked::Blocked;
pub use claimed::{Claimed, to_delete};
use deletion::deletions;
pub use deletion::replaced;
pub use file::{AssumedRole, FileError, Header, PlanFile, moved as moved_since, unlike};
pub use loss::AllowDataLoss;
use planner::{Decision, Planner};
pub use step::{Cause, Change, Foreign, Plan, ROTATE, Step, Unchanged};
pub use tags::is_like;

/// The resource kinds, in the order in which a stack's resources are made.
#[derive(Clone, Copy)]
pub struct Kinds<'a>(pub &'a [&'a dyn AnyKind]);

impl<'a> Kinds<'a> {
    /// The kind of that name.
    pub fn get(&self, name: &str) -> Option<&'a dyn AnyKind> {
        self.0.iter().copied().find(|kind| kind.name() == name)
    }

    /// The kind's place in the order of making; kinds that are not known come last.
    fn rank(&self, name: &str) -> usize {
        self.0.iter().position(|kind| kind.name() == name).unwrap_or(self.0.len())
    }
}

/// What a plan is made for besides making live what is desired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Everything is to go.
    pub destroy: bool,
    /// Only what moved away from what was last applied is to be brought back.
    pub only_drift: bool,
    /// Only these addresses, and what they need: patterns with `*`.
    pub targets: Vec<String>,
    /// Not these addresses, nor what needs them: patterns with `*`.
    pub excludes: Vec<String>,
    /// What stands elsewhere than its file says, and no call moves, is made there and takes the place of the old one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub move_roles: bool,
    /// What lived after the last apply: its absence is drift.
    pub remembered: BTreeSet<Address>,
    /// The hashes of what was last applied to what carries no tags.
    pub applied: BTreeMap<Address, String>,
    /// What exists, or may, and couldn't be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// What is claimed at these addresses is to be deleted.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub delete_claimed: BTreeSet<Address>,
    /// Why what the stack remembers isn't trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// Something wrong with a stack's resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The resource.
    pub address: Address,
    /// Its place in the stack file, in bytes.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub text: String,
    /// The reference that is wrong, as it is written.
    pub quote: Option<String>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The stack's resources don't fit together.
    #[error("{}", lines(.0))]
    Stack(Vec<Problem>),
    /// A pattern of the command line fits nothing.
    #[error("`{pattern}` fits no address of the stack{hint}")]
    NoSuchAddress {
        /// The pattern.
        pattern: String,
        /// What may be meant.
        hint: String,
    },
    /// What is to be deleted because somebody else's tags claim the address, and nothing does.
    #[error("nothing is claimed at {address}; `lakewright plan` shows what is")]
    NotClaimed {
        /// The address.
        address: Address,
    },
    /// What is to be deleted because it claims the address, which something else has too.
    #[error("`{address}` doesn't say which one: name what goes as it is listed, {}", claimed.join(", "))]
    SeveralThere {
        /// The address.
        address: Address,
        /// What is claimed there, each by an address of its own.
        claimed: Vec<String>,
    },
    /// Two live things claim one address.
    #[error(
        "{address} exists twice: {} and {}; lakewright can't know which one the stack means, so delete one of them or \
         remove its lakewright:address tag", ids[0], ids[1]
    )]
    Twice {
        /// The address.
        address: Address,
        /// The identifiers of both.
        ids: [String; 2],
    },
}

fn lines(problems: &[Problem]) -> impl fmt::Display {
    problems.iter().map(|problem| format!("{}: {}", problem.address, problem.text)).collect::<Vec<_>>().join("\n")
}

/// The plan that makes `live` what is `desired`.
pub fn plan(kinds: Kinds<'_>, desired: &Desired, live: &[Live]) -> Result<Plan, PlanError> {
    plan_for(kinds, desired, live, &Options::default())
}

/// Whether the resources of a stack fit together: kinds, references, circles. Needs nothing of what exists.
pub fn check(kinds: Kinds<'_>, desired: &Desired) -> Result<(), PlanError> {
    graph::graph(kinds, desired).map(|_| ()).map_err(PlanError::Stack)
}

/// The plan for those options.
pub fn plan_for(kinds: Kinds<'_>, desired: &Desired, live: &[Live], options: &Options) -> Result<Plan, PlanError> {
    let graph = graph::graph(kinds, desired).map_err(PlanError::Stack)?;
    let (claimed, own): (Vec<Live>, Vec<Live>) = live.iter().cloned().partition(|live| live.whose.claim().is_some());
    let (live, moved) = moved::renamed(desired, &own).map_err(PlanError::Stack)?;
    let by_address = index(&live)?;
    let unread = blocked::unread(&graph, desired, &live, options);
    let in_the_way = claimed::in_the_way(&claimed, &live);
    let mut plan = Plan {
        stack: desired.stack.clone(),
        steps: Vec::new(),
        unchanged: Vec::new(),
        blocked: Vec::new(),
        claimed: claimed::listed(&claimed, &live),
        exists: live.iter().map(|live| (live.address.clone(), live.id.clone())).collect(),
        unread: options.unread.clone(),
        is_unsure: !unread.is_empty(),
        former: Vec::new(),
        doubt: options.doubt.clone(),
        differs: false,
        foreign: foreign(kinds, &live),
        left_out: Vec::new(),
        needs: graph.needs.clone(),
        destroys: options.destroy,
        leaving: Vec::new(),
    };
    if options.destroy {
        plan.steps = deletions(kinds, &graph, live.iter(), &live);
    } else {
        let mut planner = Planner {
            kinds,
            graph: &graph,
            live: &by_address,
            moved: &moved,
            unread: &unread,
            claimed: &in_the_way,
            options,
            desired,
            done: BTreeMap::new(),
        };
        let mut problems = Vec::new();
        for resource in &graph.ordered {
            match planner.resource(resource) {
                Ok(Decision::Step(step)) => plan.steps.push(*step),
                Ok(Decision::Unchanged(unchanged)) => plan.unchanged.push(*unchanged),
                Ok(Decision::Blocked(blocked)) => plan.blocked.push(*blocked),
                // What can't be read is reported below, whether the file has it or not.
                Ok(Decision::Unread) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(PlanError::Stack(problems));
        }
        let gone = live.iter().filter(|live| !graph.needs.contains_key(&live.address));
        let (due, stays) = deletion::due(kinds, deletions(kinds, &graph, gone, &live), &plan.steps, &live);
        plan.steps.extend(due);
        plan.blocked.extend(stays);
    }
    let named = claimed::named(&claimed, &live, &graph, options)?;
    plan.steps.extend(deletions(kinds, &graph, named.iter(), &live));
    if options.only_drift {
        narrow::to_drift(kinds, &mut plan, options);
    }
    let lived = |address: &Address| options.remembered.contains(address);
    let unread = unread.iter().map(|(address, unread)| Blocked::unread(address, unread, lived(address)));
    plan.blocked.extend(unread);
    blocked::spread(kinds, &mut plan, &graph);
    narrow::to_addresses(&mut plan, &graph, options)?;
    let of_others = plan.steps.iter().filter(|step| step.is_of_others());
    let deleted: BTreeSet<String> = of_others.filter_map(|step| Some(step.live.as_ref()?.id.clone())).collect();
    plan.claimed.iter_mut().for_each(|one| one.goes = deleted.contains(&one.id));
    let goes = |one: &Foreign| plan.steps.iter().any(|step| step.takes_along(one));
    plan.foreign = plan.foreign.iter().filter(|one| !goes(one)).cloned().collect();
    plan.former = former(&live, &plan);
    plan.leaving = deletion::leaving(kinds, &plan, &live);
    Ok(plan)
}

/// What keeps a record of the former format, unless it gets today's with a step or because it is as it should be.
fn former(live: &[Live], plan: &Plan) -> Vec<Live> {
    let gets_one = |address: &Address| {
        let unchanged = plan.unchanged.iter().any(|one| one.live.address == *address);
        unchanged || plan.steps.iter().any(|step| step.address == *address)
    };
    let former = live.iter().filter(|live| live.whose == Whose::Former);
    former.filter(|live| !gets_one(&live.address)).cloned().collect()
}

fn index(live: &[Live]) -> Result<BTreeMap<&Address, &Live>, PlanError> {
    let mut by_address: BTreeMap<&Address, &Live> = BTreeMap::new();
    for one in live {
        if let Some(other) = by_address.insert(&one.address, one) {
            let ids = [other.id.clone(), one.id.clone()];
            return Err(PlanError::Twice { address: one.address.clone(), ids });
        }
    }
    Ok(by_address)
}

fn foreign(kinds: Kinds<'_>, live: &[Live]) -> Vec<Foreign> {
    let of_one = |one: &Live| {
        let container = kinds.get(&one.address.kind).and_then(|kind| kind.facts().contained_in);
        let container = container.map(|(container, _)| container);
        let foreign = one.foreign.iter();
        foreign
            .map(|thing| Foreign { within: one.address.clone(), thing: thing.clone(), container })
            .collect::<Vec<_>>()
    };
    live.iter().flat_map(of_one).collect()
}
