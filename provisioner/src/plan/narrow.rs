//! Parts of a plan: only what drifted, only some addresses, everything but some.

use super::graph::Graph;
use super::reference::escaped;
use super::tags::is_like;
use super::{Action, Blocked, Cause, Change, Kinds, Options, Plan, PlanError, Step, blocked, order};
use crate::kind::Comparing;
use crate::resource::{Address, Condition, nearest};

/// Keeps what brings live back to what was last applied; of a step whose file changed too, only that part.
pub fn to_drift(kinds: Kinds<'_>, plan: &mut Plan, options: &Options) {
    blocked_by_drift(kinds, plan, options);
    let mut kept: Vec<Option<Step>> = plan.steps.iter().map(|step| of_drift(kinds, step)).collect();
    // What needs something that isn't made can't be made either.
    let mut keep: Vec<bool> = kept.iter().map(Option::is_some).collect();
    let steps = plan.steps.clone();
    let made = |step: &Step| matches!(step.action, Action::Create | Action::Replace);
    spread(&steps, &mut keep, false, |steps, dropped, other| {
        made(&steps[dropped]) && needed(&steps[other], &steps[dropped])
    });
    for (index, step) in std::mem::take(&mut plan.steps).into_iter().enumerate() {
        match kept[index].take().filter(|_| keep[index]) {
            Some(kept) => plan.steps.push(kept),
            None => {
                plan.differs |= targeted(options, &step.address);
                plan.left_out.push((step.address, step.action));
            }
        }
    }
}

/// Keeps of what can't be done what would bring live back. What can't be done for the file's sake alone may be done as far
/// as it heals.
fn blocked_by_drift(kinds: Kinds<'_>, plan: &mut Plan, options: &Options) {
    for one in std::mem::take(&mut plan.blocked) {
        let Some(step) = one.step.clone() else {
            plan.blocked.push(one);
            continue;
        };
        let refused = |healing: &Step| {
            let (kind, live, spec) =
                (kinds.get(&healing.address.kind)?, healing.live.as_ref()?, healing.spec.as_ref()?);
            kind.refuses(live, spec)
        };
        match of_drift(kinds, &step).map(|healing| (refused(&healing), healing)) {
            Some((Some(obstacle), healing)) => plan.blocked.push(Blocked::of(healing, obstacle)),
            Some((None, healing)) => plan.steps.push(healing),
            None => {
                plan.differs |= targeted(options, &one.address);
                plan.left_out.push((one.address, step.action));
            }
        }
    }
}

/// Whether a plan is about an address.
fn targeted(options: &Options, address: &Address) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, address));
    (options.targets.is_empty() || any(&options.targets)) && !any(&options.excludes)
}

fn of_drift(kinds: Kinds<'_>, step: &Step) -> Option<Step> {
    let drifted = |step: &Step| step.changes.iter().any(|change| change.cause == Cause::Drift);
    match step.action {
        Action::Create if step.cause == Cause::Drift => Some(step.clone()),
        // What somebody named goes, whatever else is done.
        Action::Delete if step.is_of_others() => Some(step.clone()),
        Action::Update | Action::Replace if step.changes.is_empty() => Some(step.clone()),
        Action::Update | Action::Replace if drifted(step) => {
            let mut kept = step.clone();
            kept.moved_from = None;
            let stays = step.changes.iter().filter(|change| change.cause != Cause::Drift);
            stays.for_each(|change| kept.keep_tag(change));
            kept.changes.retain(|change| change.cause == Cause::Drift);
            kept.cause = Cause::Drift;
            // Fields that only the file changed stay as they live; those that can't be read back are as the file says.
            let (Some(spec), Some(live)) = (&mut kept.spec, &kept.live) else { return Some(kept) };
            let fields = kinds.get(&step.address.kind)?.fields().iter();
            // What departs beside a field is written with it, and is no reason to change the field.
            let departs = |change: &Change| live.departures.iter().any(|departure| departure.path == change.path);
            for field in fields.filter(|field| field.compare != Comparing::Never) {
                let heals = kept.changes.iter().any(|change| change.field() == field.name && !departs(change));
                let known = live.spec.get(field.name).filter(|_| !heals);
                if let (Some(value), Some(members)) = (known, spec.as_object_mut()) {
                    members.insert(field.name.to_owned(), escaped(value).into_owned());
                }
            }
            // What exists and no spec can say isn't written again beside what is healed.
            if kinds.get(&step.address.kind)?.normalise(spec).is_err() {
                return None;
            }
            let ready = !matches!(live.condition, Condition::Failed(_));
            if step.action == Action::Replace && ready && !kept.changes.iter().any(|change| change.forces_replacement) {
                let kind = kinds.get(&step.address.kind)?;
                if kind.refuses(live, spec).is_some() {
                    return None;
                }
                kept.action = Action::Update;
                kept.create_first = false;
                kept.loses = if live.is_empty { Vec::new() } else { kind.loses(&live.spec, spec) };
                let (live, spec) = (live.spec.clone(), spec.clone());
                kept.conclude(kind, &live, &spec);
            }
            Some(kept)
        }
        _ => None,
    }
}

/// Keeps the targets with what they need, and drops the excluded ones with what needs them.
pub fn to_addresses(plan: &mut Plan, graph: &Graph<'_>, options: &Options) -> Result<(), PlanError> {
    for pattern in options.targets.iter().chain(&options.excludes) {
        let steps = plan.steps.iter().map(|step| &step.address);
        let known = graph.needs.keys().chain(steps).chain(plan.blocked.iter().map(|one| &one.address));
        if !known.clone().any(|address| fits(pattern, address)) {
            let hint = nearest(pattern, known).map(|address| format!("; did you mean `{address}`?"));
            let hint = hint.unwrap_or_default();
            return Err(PlanError::NoSuchAddress { pattern: pattern.clone(), hint });
        }
    }
    let any = |patterns: &[String], address: &Address| patterns.iter().any(|pattern| fits(pattern, address));
    let targeted = |address: &Address| options.targets.is_empty() || any(&options.targets, address);
    let excluded = |address: &Address| any(&options.excludes, address);
    let destroys = plan.destroys;
    let needed = |step: &Step, other: &Step| {
        needed(step, other) || !destroys && order::waits_for_move(&graph.needs, step, &other.address)
    };
    blocked::narrow(plan, &targeted, &excluded);
    let mut keep: Vec<bool> = plan.steps.iter().map(|step| targeted(&step.address)).collect();
    spread(&plan.steps, &mut keep, true, |steps, kept, other| needed(&steps[kept], &steps[other]));
    for (index, step) in plan.steps.iter().enumerate() {
        keep[index] &= !excluded(&step.address);
    }
    spread(&plan.steps, &mut keep, false, |steps, dropped, other| needed(&steps[other], &steps[dropped]));
    let mut keep = keep.into_iter();
    for step in std::mem::take(&mut plan.steps) {
        if keep.next().unwrap_or_default() {
            plan.steps.push(step);
        } else {
            plan.left_out.push((step.address, step.action));
        }
    }
    Ok(())
}

/// Gives the `value` of some steps to all that `leads` from them reaches.
fn spread(steps: &[Step], keep: &mut [bool], value: bool, leads: impl Fn(&[Step], usize, usize) -> bool) {
    let mut open: Vec<usize> = (0..steps.len()).filter(|index| keep[*index] == value).collect();
    while let Some(one) = open.pop() {
        for (other, kept) in keep.iter_mut().enumerate() {
            if *kept != value && leads(steps, one, other) {
                *kept = value;
                open.push(other);
            }
        }
    }
}

/// Whether a step can't be done without the other one.
fn needed(step: &Step, other: &Step) -> bool {
    let goes = |step: &Step| matches!(step.action, Action::Delete | Action::Replace);
    let comes = |step: &Step| step.action != Action::Delete;
    // What it refers to is made first, and what refers to it goes first.
    (comes(step) && comes(other) && step.needs.contains(&other.address))
        || (goes(step) && goes(other) && other.needs.contains(&step.address))
        || (goes(step) && step.action == Action::Replace && other.needs.contains(&step.address))
}

/// Whether the address fits a pattern, in which `*` stands for any text.
fn fits(pattern: &str, address: &Address) -> bool {
    is_like(pattern, &address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let address = Address::new("table", "sales_raw");
        for pattern in ["table.sales_raw", "table.*", "*raw", "*sales*", "t*.s*w", "*"] {
            assert!(fits(pattern, &address), "{pattern}");
        }
        for pattern in ["table.sales", "*.sales", "bucket.*", "table.sales_raw_*", ""] {
            assert!(!fits(pattern, &address), "{pattern}");
        }
    }
}
