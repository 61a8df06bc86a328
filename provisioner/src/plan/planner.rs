//! What becomes of each resource: nothing, or a step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::diff::{Difference, differences};
use super::graph::Graph;
use super::reference::{Reference, escaped, plain, references, resolve, tidy};
use super::tags::{self, Tagging};
use super::{Action, Blocked, Cause, Change, Kinds, Options, Problem, Step, Unchanged};
use crate::kind::{AnyKind, Changing, Comparing, Facts, Field, Renamed, applied};
use crate::resource::{Address, Condition, Desired, Live, Obstacle, Resource, Unread};

/// Members of a spec.
type Members = Map<String, Value>;

pub(super) enum Decision {
    Step(Box<Step>),
    Unchanged(Box<Unchanged>),
    /// It should be done and can't be.
    Blocked(Box<Blocked>),
    /// What should be done can't be known.
    Unread,
}

/// What the plan does to a resource, as far as what refers to it must know.
pub(super) struct Done {
    /// The outputs that are known before apply.
    pub(super) outputs: BTreeMap<String, String>,
    pub(super) cause: Cause,
    pub(super) replaced: bool,
}

pub(super) struct Planner<'a> {
    pub(super) kinds: Kinds<'a>,
    pub(super) graph: &'a Graph<'a>,
    pub(super) live: &'a BTreeMap<&'a Address, &'a Live>,
    pub(super) moved: &'a BTreeMap<Address, Address>,
    pub(super) unread: &'a BTreeMap<Address, &'a Unread>,
    /// What stands in the way of making something, by address.
    pub(super) claimed: &'a BTreeMap<Address, Obstacle>,
    pub(super) options: &'a Options,
    pub(super) desired: &'a Desired,
    pub(super) done: BTreeMap<Address, Done>,
}

impl Planner<'_> {
    pub(super) fn resource(&mut self, resource: &Resource) -> Result<Decision, Problem> {
        let address = &resource.address;
        let kind = self.kinds.get(&address.kind).expect("the graph was checked: the kind is known");
        if self.unread.contains_key(address) {
            let done = Done { outputs: BTreeMap::new(), cause: Cause::File, replaced: false };
            self.done.insert(address.clone(), done);
            return Ok(Decision::Unread);
        }
        let live = self.live.get(address).copied();
        let decided = self.decide(resource, kind, live);
        if decided.is_err() {
            // Others are still looked at: all problems are shown at once.
            let outputs = live.map(|live| live.outputs.clone()).unwrap_or_default();
            self.done.insert(address.clone(), Done { outputs, cause: Cause::File, replaced: false });
        }
        decided.map_err(|text| Problem { address: address.clone(), span: resource.span.clone(), text, quote: None })
    }

    fn decide(&mut self, resource: &Resource, kind: &dyn AnyKind, live: Option<&Live>) -> Result<Decision, String> {
        let address = &resource.address;
        // The stack's file was judged when it was read; what a reference stands for is new.
        let written = if references(&resource.spec).is_empty() {
            kind.arrange(&tidy(&resource.spec))
        } else {
            kind.normalise(&resolve(&resource.spec, &|reference| self.output(reference)))
        };
        let mut written = written.map_err(|error| format!("{error:#}"))?;
        let mut step = self.step(resource, live);
        let relocated = self.relocated(kind, resource, live, &written);
        for spec in step.spec.iter_mut().chain([&mut written]).filter_map(Value::as_object_mut) {
            spec.extend(relocated.clone());
        }
        let spec = plain(&written);
        let Some(live) = live else {
            step.action = Action::Create;
            step.changes = created(kind, &written);
            step.changes.extend(tags::created(resource));
            if self.options.remembered.contains(address) {
                step.cause = Cause::Drift;
                step.note = Some("it existed after the last apply and is gone".to_owned());
                step.changes.iter_mut().for_each(|change| change.cause = Cause::Drift);
            }
            let done = Done { outputs: kind.given_outputs(&written), cause: step.cause, replaced: false };
            self.done.insert(address.clone(), done);
            step.conclude(kind, &Value::Null, &spec);
            return Ok(match self.claimed.get(address) {
                Some(obstacle) => Decision::Blocked(Box::new(Blocked::of(step, obstacle.clone()))),
                None => Decision::Step(Box::new(step)),
            });
        };
        step.cause = self.compare(kind, live, &written, &mut step.changes);
        self.compare_tags(kind, live, &mut step);
        self.replace_where_needed(kind, live, &mut step);
        if step.action == Action::Update
            && let Some(obstacle) = self.lowered(kind, live, &spec, &mut step.changes)
        {
            let done = Done { outputs: live.outputs.clone(), cause: step.cause, replaced: false };
            self.done.insert(address.clone(), done);
            step.conclude(kind, &live.spec, &spec);
            return Ok(Decision::Blocked(Box::new(Blocked::of(step, obstacle))));
        }
        let is_known = live.whose.fault().is_none();
        let as_it_should =
            step.changes.is_empty() && live.condition == Condition::Ready && step.moved_from.is_none() && is_known;
        if as_it_should && step.action == Action::Update {
            // What isn't known yet can't be recorded.
            let recorded = self.recorded(live);
            let is_known =
                references(&written).is_empty() && tags::are_of_no_concern(kind, live, recorded, &resource.tags);
            let seal = kind.seal(live);
            let hashes = || {
                let hashes = applied::with_tags(applied::hashes(kind.fields(), &spec), &resource.tags);
                applied::with_seal(&hashes, seal.as_deref())
            };
            let is_sealed = seal.is_none() || seal.as_deref() == recorded.and_then(applied::seal);
            let record = is_known.then(hashes).filter(|hashes| !is_sealed || !applied::are_same(recorded, hashes));
            self.done
                .insert(address.clone(), Done { outputs: live.outputs.clone(), cause: Cause::Drift, replaced: false });
            return Ok(Decision::Unchanged(Box::new(Unchanged { live: live.clone(), record })));
        }
        if step.action == Action::Update
            && let Some(obstacle) = kind.refuses(live, &spec)
        {
            let done = Done { outputs: live.outputs.clone(), cause: step.cause, replaced: false };
            self.done.insert(address.clone(), done);
            step.conclude(kind, &live.spec, &spec);
            return Ok(Decision::Blocked(Box::new(Blocked::of(step, obstacle))));
        }
        let outputs = if step.action == Action::Replace {
            if kind.holds_data() && !live.is_empty {
                step.loses.push("replacing it deletes what it holds".to_owned());
            }
            step.create_first = live.condition == Condition::Ready && kind.coexists(&live.spec, &spec);
            step.leaves = step.create_first && kind.outlives(&live.spec, &spec);
            kind.given_outputs(&written)
        } else {
            if !live.is_empty {
                step.loses.extend(kind.loses(&live.spec, &spec));
            }
            let Facts { moving_outputs, unmoving_fields, .. } = kind.facts();
            let moves = |change: &Change| !change.is_of_tag() && !unmoving_fields.contains(&change.field());
            let changed = step.changes.iter().any(moves);
            let stays = |name: &str| !(changed && moving_outputs.contains(&name));
            live.outputs.iter().filter(|(name, _)| stays(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
        };
        self.done
            .insert(address.clone(), Done { outputs, cause: step.cause, replaced: step.action == Action::Replace });
        step.conclude(kind, &live.spec, &spec);
        if let Some(fault) = live.whose.fault() {
            step.consequences.push(format!("{fault}: it is signed anew for what is applied now"));
        }
        Ok(Decision::Step(Box::new(step)))
    }

    /// The members of a spec that are wanted otherwise than the file says, because the one that exists stands elsewhere, or has
    /// another name since it was moved. What an apply left that was killed while it moved one has the name that the file says.
    fn relocated(&self, kind: &dyn AnyKind, resource: &Resource, live: Option<&Live>, written: &Value) -> Members {
        if !kind.facts().relocates {
            return Members::new();
        }
        let left = || self.live.iter().find(|(one, _)| one.before_replaced().as_ref() == Some(&resource.address));
        let kin = live.map(|live| (live, self.options.move_roles)).or_else(|| Some((*left()?.1, true)));
        let spec = plain(written);
        let relocated = kin.and_then(|(kin, moves)| kind.relocated(&kin.spec, &spec, moves));
        let members = relocated.and_then(|relocated| relocated.as_object().cloned()).unwrap_or_default();
        members.into_iter().filter(|(name, value)| spec[name.as_str()] != *value).collect()
    }

    /// The change of a resource, of which nothing is decided yet.
    fn step(&self, resource: &Resource, live: Option<&Live>) -> Step {
        let address = &resource.address;
        Step {
            address: address.clone(),
            action: Action::Update,
            cause: Cause::File,
            changes: Vec::new(),
            spec: Some(resource.spec.clone()),
            tags: resource.tags.clone(),
            carries: tags::meant(self.desired, resource),
            live: live.cloned(),
            needs: self.graph.needs[address].clone(),
            in_file: true,
            loses: Vec::new(),
            note: None,
            moved_from: self.moved.get(address).cloned(),
            create_first: false,
            leaves: false,
            consequences: Vec::new(),
            expected: Duration::ZERO,
            dependents: self.graph.dependents(address),
            rank: self.kinds.rank(&address.kind),
        }
    }

    /// Why nothing is done to what the file wants with less of something than lives, of which nothing can be taken away: that is
    /// no difference where AWS raised it by itself, and a mistake where the file lowered it. Adds what it would change.
    fn lowered(&self, kind: &dyn AnyKind, live: &Live, spec: &Value, changes: &mut Vec<Change>) -> Option<Obstacle> {
        let recorded = self.recorded(live);
        let is_lowered = |field: &&Field| {
            let (lives, wanted) = (live.spec[field.name].as_f64(), spec[field.name].as_f64());
            field.compare == Comparing::AsFloor
                && lives.zip(wanted).is_some_and(|(lives, wanted)| wanted < lives)
                && applied::was_applied(kind.facts(), field, &spec[field.name], recorded) == Some(false)
        };
        let field = kind.fields().iter().find(is_lowered)?;
        let (name, before, after) = (field.name, live.spec[field.name].clone(), spec[field.name].clone());
        let obstacle = Obstacle::new(
            format!("AWS never makes it smaller: its {name} is {before}, the stack says {after}"),
            format!("write `{name} = {before}`, or {before} where its section calls it otherwise"),
        );
        changes.push(Change {
            path: name.to_owned(),
            before,
            after,
            unknown: false,
            forces_replacement: false,
            cause: Cause::File,
            tag: None,
        });
        Some(obstacle)
    }

    /// Adds what its tags differ in, and why.
    fn compare_tags(&self, kind: &dyn AnyKind, live: &Live, step: &mut Step) {
        let recorded = self.recorded(live);
        let tagging = Tagging { desired: self.desired, live, recorded, is_moved: step.moved_from.is_some() };
        let changes = tagging.changes(kind, &step.carries);
        step.cause = changes.iter().map(|change| change.cause).fold(step.cause, Ord::max);
        step.changes.extend(changes);
    }

    /// Replaces what a change in place can't make right: what AWS gave up, what a field says, what stands on something that
    /// goes.
    fn replace_where_needed(&self, kind: &dyn AnyKind, live: &Live, step: &mut Step) {
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
            && let Some(beneath) = self.replaced_beneath(kind, &step.address)
        {
            step.action = Action::Replace;
            step.note = Some(format!("{beneath} can be replaced only while this is away"));
        }
    }

    /// What a reference stands for, when that is known before apply.
    fn output(&self, reference: &Reference) -> Option<String> {
        self.done.get(&reference.address)?.outputs.get(&reference.output).cloned()
    }

    /// The hashes of what was last applied, from the resource or from beside the lease.
    fn recorded<'a>(&'a self, live: &'a Live) -> Option<&'a str> {
        let address = self.moved.get(&live.address).unwrap_or(&live.address);
        live.applied.as_ref().or_else(|| self.options.applied.get(address)).map(String::as_str)
    }

    /// Collects the changes from live to the spec, as the file would write them, and returns why they came about.
    fn compare(&self, kind: &dyn AnyKind, live: &Live, written: &Value, changes: &mut Vec<Change>) -> Cause {
        let mut cause = Cause::Drift;
        let meant = plain(written);
        let spec: &Value = &meant;
        let applied = self.recorded(live);
        let renamed = kind.renamed(&live.spec, spec);
        let lives = renamed.as_ref().map_or(&live.spec, |renamed| &renamed.live);
        for field in kind.fields() {
            let unknown = references(&written[field.name]);
            // What follows from something that can't be read isn't known to differ.
            if unknown.iter().any(|reference| self.unread.contains_key(&reference.address)) {
                continue;
            }
            let mut found = renames(renamed.as_ref(), field.name);
            let before = escaped(&lives[field.name]);
            found.extend(differences(field.name, field.compare, &before, &written[field.name]));
            if found.is_empty() {
                continue;
            }
            let field_cause = if unknown.is_empty() {
                match applied::was_applied(kind.facts(), field, &spec[field.name], applied) {
                    Some(true) => Cause::Drift,
                    // Whoever took the record away, or forged it, may have changed the rest too.
                    _ if live.whose.fault().is_some() => Cause::Drift,
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
                tag: None,
            }));
        }
        // What is written with a field that has drifted itself needs no line of its own.
        let drifted: BTreeSet<String> =
            changes.iter().filter(|one| one.cause == Cause::Drift).map(|one| one.field().to_owned()).collect();
        let changed: BTreeSet<String> = changes.iter().map(|one| one.field().to_owned()).collect();
        let departures = live.departures.iter().filter(|departure| {
            let field = departure.field();
            !(drifted.contains(field) || departure.follows && changed.contains(field))
        });
        changes.extend(departures.map(|departure| Change {
            path: departure.path.clone(),
            before: departure.live.clone(),
            after: departure.meant.clone(),
            unknown: false,
            forces_replacement: false,
            cause: if departure.aged { Cause::Time } else { Cause::Drift },
            tag: None,
        }));
        let only_age = !changes.is_empty() && changes.iter().all(|change| change.cause == Cause::Time);
        if only_age { Cause::Time } else { cause }
    }
}

/// What is renamed within a field.
fn renames(renamed: Option<&Renamed>, field: &str) -> Vec<Difference> {
    let within = |path: &str| path.strip_prefix(field).is_some_and(|rest| rest.starts_with(['[', '.']));
    let names = renamed.map_or(&[][..], |renamed| &renamed.names).iter().filter(|[path, ..]| within(path));
    let difference = |[path, before, after]: &[String; 3]| Difference {
        path: path.clone(),
        before: before.as_str().into(),
        after: after.as_str().into(),
        unknown: false,
    };
    names.map(difference).collect()
}

/// The changes of a creation: every field that has a value.
fn created(kind: &dyn AnyKind, spec: &Value) -> Vec<Change> {
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
            tag: None,
        })
        .collect()
}
