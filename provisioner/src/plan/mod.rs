//! The planner: what is desired and what lives go in, one plan comes out. Nothing here does input or output.

pub mod applied;
mod deletion;
mod diff;
mod file;
mod graph;
mod loss;
mod moved;
mod narrow;
pub mod order;
pub mod reference;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::{Changing, Kind};
use crate::resource::{Address, Condition, Desired, Live, Resource};
use deletion::deletions;
pub use deletion::replaced;
use diff::differences;
pub use file::{FileError, Header, PlanFile, moved as moved_since};
use graph::Graph;
pub use loss::AllowDataLoss;
use reference::{Reference, references, resolve};

/// The resource kinds, in the order in which a stack's resources are made.
#[derive(Clone, Copy)]
pub struct Kinds<'a>(pub &'a [&'a dyn Kind]);

impl<'a> Kinds<'a> {
    /// The kind of that name.
    pub fn get(&self, name: &str) -> Option<&'a dyn Kind> {
        self.0.iter().copied().find(|kind| kind.name() == name)
    }

    /// The kind's place in the order of making; kinds that are not known come last.
    fn rank(&self, name: &str) -> usize {
        self.0.iter().position(|kind| kind.name() == name).unwrap_or(self.0.len())
    }
}

/// What makes live what is desired.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stack's name.
    pub stack: String,
    /// What is to be done, targets before what refers to them, deletions last and in reverse.
    pub steps: Vec<Step>,
    /// What lives already as it should.
    pub unchanged: Vec<Unchanged>,
    /// Things that hold data and are not ours, found within resources of ours: reported, never deleted.
    pub foreign: Vec<(Address, String)>,
    /// What would be done too, had it not been left out by the command line.
    pub left_out: Vec<(Address, Action)>,
    /// What each resource of the stack refers to.
    pub needs: BTreeMap<Address, BTreeSet<Address>>,
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
    /// What lived after the last apply: its absence is drift.
    pub remembered: BTreeSet<Address>,
    /// The hashes of what was last applied to what carries no tags.
    pub applied: BTreeMap<Address, String>,
}

/// A live resource that no step touches.
#[derive(Debug, Clone)]
pub struct Unchanged {
    /// As it lives.
    pub live: Live,
    /// The hashes to record when they are not the ones found: the file now says what live had become.
    pub record: Option<String>,
}

/// One change to one resource.
#[derive(Debug, Clone)]
pub struct Step {
    /// The resource.
    pub address: Address,
    /// What happens to it.
    pub action: Action,
    /// Why.
    pub cause: Cause,
    /// What differs, in the order of the kind's fields; empty for a deletion.
    pub changes: Vec<Change>,
    /// The desired spec, references as they are written; none for a deletion.
    pub spec: Option<Value>,
    /// The resource as it lives.
    pub live: Option<Live>,
    /// The resources that it needs.
    pub needs: BTreeSet<Address>,
    /// Whether the needs come from the file; otherwise they were guessed from identifiers in the live spec.
    pub in_file: bool,
    /// Why doing this loses data.
    pub loses: Vec<String>,
    /// What people should know besides the changes.
    pub note: Option<String>,
    /// Its address before, when it is renamed.
    pub moved_from: Option<Address>,
    /// Whether a replacement makes the new one before the old one goes.
    pub create_first: bool,
    /// What follows from doing it, one sentence each.
    pub consequences: Vec<String>,
    /// How long AWS usually takes.
    pub expected: Duration,
    /// What refers to it directly.
    pub dependents: BTreeSet<Address>,
    /// The kind's place in the order of making.
    rank: usize,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed in place, or waited for.
    Update,
    /// It is deleted and made again, or made again and then deleted.
    Replace,
    /// It is deleted.
    Delete,
}

impl Action {
    /// The word in a JSON plan.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

/// Why a step is in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Live moved away from what was last applied.
    Drift,
    /// The file changed.
    File,
}

impl Cause {
    /// The word in a JSON plan.
    pub fn word(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::File => "file",
        }
    }
}

/// One changed value of a spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where in the spec, `rules[2].port`.
    pub path: String,
    /// The live value; null when there is none.
    pub before: Value,
    /// The desired value; null when there is none. What is known only after apply stands as a reference.
    pub after: Value,
    /// Whether `after` is known only after apply, wholly or in part.
    pub unknown: bool,
    /// Whether it takes a new resource.
    pub forces_replacement: bool,
    /// Why it differs.
    pub cause: Cause,
}

impl Change {
    /// The top-level field that changes.
    pub fn field(&self) -> &str {
        self.path.split(['.', '[', ' ']).next().unwrap_or_default()
    }
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
    /// Two live things claim one address.
    #[error(
        "{address} lives twice: {} and {}; lakewright can't tell which one the stack means, so delete one of them or \
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

/// The plan that deletes everything that lives of a stack.
pub fn plan_destroy(kinds: Kinds<'_>, desired: &Desired, live: &[Live]) -> Result<Plan, PlanError> {
    plan_for(kinds, desired, live, &Options { destroy: true, ..Options::default() })
}

/// Whether the resources of a stack fit together: kinds, references, circles. Needs nothing of what lives.
pub fn check(kinds: Kinds<'_>, desired: &Desired) -> Result<(), PlanError> {
    graph::graph(kinds, desired).map(|_| ()).map_err(PlanError::Stack)
}

/// The plan for those options.
pub fn plan_for(kinds: Kinds<'_>, desired: &Desired, live: &[Live], options: &Options) -> Result<Plan, PlanError> {
    let graph = graph::graph(kinds, desired).map_err(PlanError::Stack)?;
    let (live, moved) = moved::renamed(desired, live).map_err(PlanError::Stack)?;
    let by_address = index(&live)?;
    let mut plan = Plan {
        stack: desired.stack.clone(),
        steps: Vec::new(),
        unchanged: Vec::new(),
        foreign: foreign(&live),
        left_out: Vec::new(),
        needs: graph.needs.clone(),
    };
    if options.destroy {
        plan.steps = deletions(kinds, &graph, live.iter(), &live);
    } else {
        let mut planner =
            Planner { kinds, graph: &graph, live: &by_address, moved: &moved, options, done: BTreeMap::new() };
        let mut problems = Vec::new();
        for resource in &graph.ordered {
            match planner.resource(resource) {
                Ok(Decision::Step(step)) => plan.steps.push(*step),
                Ok(Decision::Unchanged(unchanged)) => plan.unchanged.push(*unchanged),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(PlanError::Stack(problems));
        }
        let gone = live.iter().filter(|live| !graph.needs.contains_key(&live.address));
        plan.steps.extend(deletions(kinds, &graph, gone, &live));
    }
    if options.only_drift {
        narrow::to_drift(kinds, &mut plan);
    }
    narrow::to_addresses(&mut plan, &graph, options)?;
    Ok(plan)
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

fn foreign(live: &[Live]) -> Vec<(Address, String)> {
    live.iter().flat_map(|one| one.foreign.iter().map(|thing| (one.address.clone(), thing.clone()))).collect()
}

enum Decision {
    Step(Box<Step>),
    Unchanged(Box<Unchanged>),
}

/// What the plan does to a resource, as far as what refers to it must know.
struct Done {
    /// The outputs that are known before apply.
    outputs: BTreeMap<String, String>,
    cause: Cause,
    replaced: bool,
}

struct Planner<'a> {
    kinds: Kinds<'a>,
    graph: &'a Graph<'a>,
    live: &'a BTreeMap<&'a Address, &'a Live>,
    moved: &'a BTreeMap<Address, Address>,
    options: &'a Options,
    done: BTreeMap<Address, Done>,
}

impl Planner<'_> {
    fn resource(&mut self, resource: &Resource) -> Result<Decision, Problem> {
        let address = &resource.address;
        let kind = self.kinds.get(&address.kind).expect("the graph was checked: the kind is known");
        let live = self.live.get(address).copied();
        let decided = self.decide(resource, kind, live);
        if decided.is_err() {
            // Others are still looked at: all problems are told at once.
            let outputs = live.map(|live| live.outputs.clone()).unwrap_or_default();
            self.done.insert(address.clone(), Done { outputs, cause: Cause::File, replaced: false });
        }
        decided.map_err(|text| Problem { address: address.clone(), span: resource.span.clone(), text })
    }

    fn decide(&mut self, resource: &Resource, kind: &dyn Kind, live: Option<&Live>) -> Result<Decision, String> {
        let address = &resource.address;
        let spec = kind.normalise(&resolve(&resource.spec, &|reference| self.output(reference)));
        let spec = spec.map_err(|error| format!("{error:#}"))?;
        let mut step = Step {
            address: address.clone(),
            action: Action::Update,
            cause: Cause::File,
            changes: Vec::new(),
            spec: Some(resource.spec.clone()),
            live: live.cloned(),
            needs: self.graph.needs[address].clone(),
            in_file: true,
            loses: Vec::new(),
            note: None,
            moved_from: self.moved.get(address).cloned(),
            create_first: false,
            consequences: Vec::new(),
            expected: Duration::ZERO,
            dependents: self.graph.dependents(address),
            rank: self.kinds.rank(&address.kind),
        };
        let Some(live) = live else {
            step.action = Action::Create;
            step.changes = created(kind, &spec);
            if self.options.remembered.contains(address) {
                step.cause = Cause::Drift;
                step.note = Some("it lived after the last apply and is gone".to_owned());
                step.changes.iter_mut().for_each(|change| change.cause = Cause::Drift);
            }
            let done = Done { outputs: BTreeMap::new(), cause: step.cause, replaced: false };
            self.done.insert(address.clone(), done);
            step.conclude(kind, &Value::Null, &spec);
            return Ok(Decision::Step(Box::new(step)));
        };
        step.cause = self.compare(kind, live, &spec, &mut step.changes);
        match &live.condition {
            Condition::Failed(reason) => {
                step.action = Action::Replace;
                step.note = Some(format!("AWS gave it up: {reason}"));
            }
            _ if step.changes.iter().any(|change| change.forces_replacement) => step.action = Action::Replace,
            Condition::Pending(state) => step.note = Some(format!("it is {state}; apply waits until it is ready")),
            Condition::Ready => {}
        }
        if step.action == Action::Update
            && let Some(beneath) = self.replaced_beneath(kind, address)
        {
            step.action = Action::Replace;
            step.note = Some(format!("{beneath} can be replaced only while this is away"));
        }
        let as_it_should = step.changes.is_empty() && live.condition == Condition::Ready && step.moved_from.is_none();
        if as_it_should && step.action == Action::Update {
            let hashes = applied::hashes(kind.fields(), &spec);
            let record = (live.applied.as_ref() != Some(&hashes)).then_some(hashes);
            self.done
                .insert(address.clone(), Done { outputs: live.outputs.clone(), cause: Cause::Drift, replaced: false });
            return Ok(Decision::Unchanged(Box::new(Unchanged { live: live.clone(), record })));
        }
        let outputs = if step.action == Action::Replace {
            if kind.holds_data() && !live.is_empty {
                step.loses.push("replacing it deletes what it holds".to_owned());
            }
            step.create_first = live.condition == Condition::Ready && kind.coexists(&live.spec, &spec);
            BTreeMap::new()
        } else {
            if let Some(reason) = kind.refuses(&live.spec, &spec) {
                return Err(reason);
            }
            if !live.is_empty {
                step.loses.extend(kind.loses(&live.spec, &spec));
            }
            let moving = kind.moving_outputs();
            let changed = !step.changes.is_empty();
            let stays = |name: &str| !(changed && moving.contains(&name));
            live.outputs.iter().filter(|(name, _)| stays(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
        };
        self.done
            .insert(address.clone(), Done { outputs, cause: step.cause, replaced: step.action == Action::Replace });
        step.conclude(kind, &live.spec, &spec);
        Ok(Decision::Step(Box::new(step)))
    }

    /// What a reference stands for, when that is known before apply.
    fn output(&self, reference: &Reference) -> Option<String> {
        self.done.get(&reference.address)?.outputs.get(&reference.output).cloned()
    }

    /// Collects the changes from live to the spec and returns why they came about.
    fn compare(&self, kind: &dyn Kind, live: &Live, spec: &Value, changes: &mut Vec<Change>) -> Cause {
        let mut cause = Cause::Drift;
        let address = self.moved.get(&live.address).unwrap_or(&live.address);
        let applied = live.applied.as_ref().or_else(|| self.options.applied.get(address)).map(String::as_str);
        for (index, field) in kind.fields().iter().enumerate() {
            let found = differences(field.name, field.compare, &live.spec[field.name], &spec[field.name]);
            if found.is_empty() {
                continue;
            }
            let unknown = references(&spec[field.name]);
            let field_cause = if unknown.is_empty() {
                match applied::was_applied(kind.fields(), index, &spec[field.name], applied) {
                    Some(true) => Cause::Drift,
                    _ => Cause::File,
                }
            } else {
                let causes = unknown.iter().filter_map(|reference| self.done.get(&reference.address));
                causes.map(|done| done.cause).max().unwrap_or(Cause::File)
            };
            cause = cause.max(field_cause);
            changes.extend(found.into_iter().map(|difference| Change {
                path: difference.path,
                before: difference.before,
                after: difference.after,
                unknown: difference.unknown,
                forces_replacement: field.change == Changing::Replaces,
                cause: field_cause,
            }));
        }
        cause
    }
}

/// The changes of a creation: every field that has a value.
fn created(kind: &dyn Kind, spec: &Value) -> Vec<Change> {
    kind.fields()
        .iter()
        .map(|field| (field.name, &spec[field.name]))
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| Change {
            path: name.to_owned(),
            before: Value::Null,
            after: value.clone(),
            unknown: !references(value).is_empty(),
            forces_replacement: false,
            cause: Cause::File,
        })
        .collect()
}

impl Step {
    /// Says what follows from the step, now that it is decided.
    fn conclude(&mut self, kind: &dyn Kind, live: &Value, spec: &Value) {
        let mut changed: Vec<&str> = self.changes.iter().map(Change::field).collect();
        changed.dedup();
        self.consequences = kind.consequences(self.action, &changed, live, spec);
        let [create, update, delete] = kind.expected();
        self.expected = match self.action {
            Action::Create => create,
            Action::Update => update,
            Action::Delete => delete,
            Action::Replace => create + delete,
        };
        if let Some(from) = &self.moved_from {
            self.changes.insert(
                0,
                Change {
                    path: "address".to_owned(),
                    before: Value::from(from.to_string()),
                    after: Value::from(self.address.to_string()),
                    unknown: false,
                    forces_replacement: false,
                    cause: Cause::File,
                },
            );
            self.cause = Cause::File;
        }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How long AWS usually takes for all of it, independent steps at the same time.
    pub fn expected(&self) -> Duration {
        let tasks = order::tasks(self);
        let time = |index: usize| self.steps[tasks[index].step].expected;
        let halves = |index: usize| match self.steps[tasks[index].step].action {
            Action::Replace => time(index) / 2,
            _ => time(index),
        };
        order::remaining(&tasks, &halves).into_iter().max().unwrap_or_default()
    }

    /// How many steps take that action.
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }
}
