//! The plan's own values: its steps, what they change and why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::order::Needs;
use super::{Blocked, Claimed, order};
use crate::kind::AnyKind;
use crate::resource::{Action, Address, Live, Unread};

/// How long AWS takes to write tags.
const TAGGED: Duration = Duration::from_secs(2);

/// What makes live what is desired.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The stack's name.
    pub stack: String,
    /// What is to be done, targets before what refers to them, deletions last and in reverse.
    pub steps: Vec<Step>,
    /// What exists already as it should.
    pub unchanged: Vec<Unchanged>,
    /// What is left as it is, because it can't be read or brought to what the file says, and what waits for that.
    pub blocked: Vec<Blocked>,
    /// What carries the stack's tags and isn't known to be the stack's.
    pub claimed: Vec<Claimed>,
    /// The identifiers of what exists of the stack, by the addresses that the file gives.
    pub exists: BTreeMap<Address, String>,
    /// What exists, or may, and couldn't be read.
    pub unread: Vec<Unread>,
    /// Whether any of that may be the stack's, in whichever part of it.
    pub is_unsure: bool,
    /// What gets nothing but a record of today's format.
    pub former: Vec<Live>,
    /// Why what the stack remembers isn't trusted.
    pub doubt: Option<String>,
    /// Whether something that was left out, because it isn't known to have moved, is otherwise than the file says.
    pub differs: bool,
    /// Things that hold data and are not ours, found within resources of ours: reported, never deleted.
    pub foreign: Vec<Foreign>,
    /// What would be done too, had it not been left out by the command line.
    pub left_out: Vec<(Address, Action)>,
    /// What each resource of the stack refers to.
    pub needs: Needs,
    /// Whether everything is to go.
    pub destroys: bool,
    /// What has given its place up, or does, and stays for a while from the time on at which nothing works by it any more: that is
    /// noted once all that works by it has moved to what stands at the address.
    pub leaving: Vec<(Live, Address)>,
}

impl Plan {
    /// The resource whose deletion takes along what isn't ours.
    pub fn takes_along(&self, foreign: &Foreign) -> Option<&Address> {
        let container = foreign.container?;
        let goes =
            |step: &&Step| step.address.kind == container && matches!(step.action, Action::Delete | Action::Replace);
        self.steps.iter().find(goes).map(|step| &step.address)
    }
}

/// A thing that holds data and is not ours.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// The resource of ours that it was found with.
    pub within: Address,
    /// What it is, for people.
    pub thing: String,
    /// The kind of what that resource stands in, and this with it.
    pub container: Option<&'static str>,
}

/// A live resource that no step touches.
#[derive(Debug, Clone)]
pub struct Unchanged {
    /// As it exists.
    pub live: Live,
    /// The hashes to record when they are not the ones found: the file now says what live had become, or the record is of
    /// the former format.
    pub record: Option<String>,
}

/// The word for a step that gives what is too old a new value.
pub const ROTATE: &str = "rotate";

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
    /// The tags that the stack file gives it, by key.
    pub tags: BTreeMap<String, String>,
    /// The tags that it carries afterwards, with its name, without those that the stack ignores.
    pub carries: BTreeMap<String, String>,
    /// The resource as it exists.
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
    /// Whether it leaves the old one to a later plan, for those that still work by it.
    pub leaves: bool,
    /// What follows from doing it, one sentence each.
    pub consequences: Vec<String>,
    /// How long AWS usually takes.
    pub expected: Duration,
    /// What refers to it directly.
    pub dependents: BTreeSet<Address>,
    /// The kind's place in the order of making.
    pub(super) rank: usize,
}

/// Why a step is in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Live moved away from what was last applied.
    Drift,
    /// What exists is older than the file lets it become.
    Time,
    /// The file changed.
    File,
}

impl Cause {
    /// The word in a JSON plan.
    pub fn word(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Time => "time",
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
    /// The key of the tag that it is of; none for a field.
    pub tag: Option<String>,
}

impl Change {
    /// The top-level field that changes.
    pub fn field(&self) -> &str {
        self.path.split(['.', '[', ' ']).next().unwrap_or_default()
    }
}

impl Step {
    /// The address at which something new has, or gets, the place of what the step deletes; none where nothing does.
    pub fn succeeded_at(&self) -> Option<Address> {
        match self.action {
            Action::Delete => self.address.before_replaced(),
            Action::Replace => Some(self.address.clone()).filter(|_| self.create_first && !self.leaves),
            Action::Create | Action::Update => None,
        }
    }

    /// Whether it takes along what is a part of it, and the plan says so where it says what is lost.
    pub(super) fn takes_along(&self, foreign: &Foreign) -> bool {
        let goes = matches!(self.action, Action::Delete | Action::Replace);
        let is_part = self.live.as_ref().is_some_and(|live| live.holds.contains(&foreign.thing));
        goes && is_part && self.address == foreign.within
    }

    /// Whether all that happens is that what is too old gets a new value.
    pub fn is_rotation(&self) -> bool {
        self.action == Action::Update && self.cause == Cause::Time
    }

    /// The word for what happens, as plans show it.
    pub fn word(&self) -> &'static str {
        if self.is_rotation() { ROTATE } else { self.action.word() }
    }

    /// Whether it is about something that isn't known to be the stack's.
    pub fn is_of_others(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.whose.claim().is_some())
    }

    /// Says what follows from the step, now that it is decided.
    pub(super) fn conclude(&mut self, kind: &dyn AnyKind, live: &Value, spec: &Value) {
        let fields = self.changes.iter().filter(|change| !change.is_of_tag());
        let mut changed: Vec<&str> = fields.map(Change::field).collect();
        changed.dedup();
        let only_tags = self.is_of_tags();
        let follows = || kind.consequences(self.action, &changed, live, spec);
        self.consequences = if only_tags { Vec::new() } else { follows() };
        self.tell_of_parts();
        let [create, update, delete] = kind.expected();
        self.expected = match self.action {
            Action::Create => create,
            Action::Update if only_tags => TAGGED,
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
                    tag: None,
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

    /// Whether records are written although nothing is changed: of what exists as it should, or of the former format.
    fn records_more(&self) -> bool {
        let notes = !self.former.is_empty() || !self.leaving.is_empty();
        notes || self.unchanged.iter().any(|one| one.record.is_some())
    }

    /// Whether an apply has nothing to do, not even a record to write.
    pub fn does_nothing(&self) -> bool {
        self.is_empty() && !self.records_more()
    }

    /// Whether nothing has to be looked at by anybody: all is as the file says, and known to be the stack's.
    pub fn is_settled(&self) -> bool {
        self.is_empty() && self.blocked.is_empty() && self.claimed.is_empty() && self.doubt.is_none() && !self.differs
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

    /// How many steps take that action; those that only rotate are counted apart.
    pub fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action && !step.is_rotation()).count()
    }

    /// How many steps give what is too old a new value, and nothing else.
    pub fn rotations(&self) -> usize {
        self.steps.iter().filter(|step| step.is_rotation()).count()
    }
}
