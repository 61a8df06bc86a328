//! The order of a plan's work: which task waits for which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::{Action, Plan, Step};
use crate::resource::{Address, Live};

/// What each resource of a stack needs.
pub type Needs = BTreeMap<Address, BTreeSet<Address>>;

/// One call of a kind that a step takes; a replacement takes two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The step's place in the plan.
    pub step: usize,
    /// The call.
    pub work: Work,
    /// The tasks that must have succeeded before, by their place in the list.
    pub after: BTreeSet<usize>,
}

/// A call of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Makes the resource.
    Create,
    /// Changes it in place, or waits for it.
    Update,
    /// Deletes it.
    Delete,
}

/// How long it takes from the begin of each task to the end of all that waits for it, when nothing else holds it up:
/// what has the longest way to go should begin first.
pub fn remaining(tasks: &[Task], expected: &dyn Fn(usize) -> Duration) -> Vec<Duration> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (index, task) in tasks.iter().enumerate() {
        for before in &task.after {
            users[*before].push(index);
        }
    }
    let mut known: Vec<Option<Duration>> = vec![None; tasks.len()];
    let mut open: Vec<usize> = (0..tasks.len()).collect();
    while let Some(index) = open.pop() {
        if known[index].is_some() {
            continue;
        }
        let waiting: Vec<usize> = users[index].iter().copied().filter(|user| known[*user].is_none()).collect();
        if waiting.is_empty() {
            let longest = users[index].iter().filter_map(|user| known[*user]).max().unwrap_or_default();
            known[index] = Some(longest + expected(index));
        } else {
            open.push(index);
            open.extend(waiting);
        }
    }
    known.into_iter().map(Option::unwrap_or_default).collect()
}

/// The tasks of a plan. A list in which every task stands behind those that it waits for exists always.
pub fn tasks(plan: &Plan) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (step, Step { action, .. }) in plan.steps.iter().enumerate() {
        let works: &[Work] = match action {
            Action::Create => &[Work::Create],
            Action::Update => &[Work::Update],
            Action::Replace if plan.steps[step].leaves => &[Work::Create],
            Action::Replace if plan.steps[step].create_first => &[Work::Create, Work::Delete],
            Action::Replace => &[Work::Delete, Work::Create],
            Action::Delete => &[Work::Delete],
        };
        for work in works {
            tasks.push(Task { step, work: *work, after: BTreeSet::new() });
        }
    }
    let forward = place(plan, &tasks, |work| work != Work::Delete);
    let backward = place(plan, &tasks, |work| work == Work::Delete);
    let step_of = |task: &Task| &plan.steps[task.step];

    for task in tasks.iter_mut().filter(|task| task.work != Work::Delete) {
        let step = step_of(task);
        let mut after: BTreeSet<usize> = step.needs.iter().filter_map(|need| forward.get(need).copied()).collect();
        let deletes_first = step.action == Action::Replace && !step.create_first;
        after.extend(backward.get(&step.address).copied().filter(|_| deletes_first));
        task.after = after;
    }
    // What is replaced by a new one that exists beside it goes when everything has moved over, also in a later plan.
    for (index, task) in tasks.clone().iter().enumerate().filter(|(_, task)| task.work == Work::Delete) {
        let Some(address) = step_of(task).succeeded_at() else { continue };
        let users = users(&plan.needs, &address);
        for before in [&address].into_iter().chain(users).filter_map(|one| forward.get(one)) {
            wait(&mut tasks, index, *before);
        }
    }
    // What the file says always holds; what was guessed from live resources gives way where both can't be had.
    for guessed in [false, true] {
        for index in backward.values() {
            let step = step_of(&tasks[*index]);
            let targets = if step.in_file == guessed { BTreeSet::new() } else { deleted(plan, step, &backward) };
            for target in targets {
                wait(&mut tasks, target, *index);
            }
        }
    }
    detach_before_deleting(plan, &mut tasks);
    order_by_rank(plan, &mut tasks, &backward);
    tasks
}

/// What needs a resource by the file, also by way of others, whatever is done to those: a group starts hosts of its template,
/// which names their profile.
pub fn users<'a>(needs: &'a Needs, address: &Address) -> BTreeSet<&'a Address> {
    let (mut found, mut open) = (BTreeSet::new(), vec![address]);
    while let Some(one) = open.pop() {
        for (user, _) in needs.iter().filter(|(_, needs)| needs.contains(one)) {
            if found.insert(user) {
                open.push(user);
            }
        }
    }
    found
}

/// Whether a step takes away what something else has the place of, and must leave it while nothing is done at an address: the new
/// one isn't made there, or what stands there may work by the old one.
pub(super) fn waits_for_move(needs: &Needs, step: &Step, address: &Address) -> bool {
    let Some(place) = step.succeeded_at() else { return false };
    // What only claims to be the stack's has nothing of it working by it, and may be what stands in the new one's way.
    if step.is_of_others() {
        return false;
    }
    step.action == Action::Delete && place == *address || users(needs, &place).contains(address)
}

/// The deletions of what a step needs, also by way of what is only changed: hosts use their template's groups.
fn deleted(plan: &Plan, step: &Step, deletions: &BTreeMap<&Address, usize>) -> BTreeSet<usize> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&Address> = step.needs.iter().collect();
    while let Some(need) = open.pop() {
        match deletions.get(need) {
            Some(deletion) => drop(found.insert(*deletion)),
            None if seen.insert(need) => {
                let between = plan.steps.iter().find(|step| step.address == *need);
                open.extend(between.into_iter().flat_map(|step| &step.needs));
            }
            None => {}
        }
    }
    found
}

fn place<'a>(plan: &'a Plan, tasks: &[Task], which: impl Fn(Work) -> bool) -> BTreeMap<&'a Address, usize> {
    let chosen = tasks.iter().enumerate().filter(|(_, task)| which(task.work));
    chosen.map(|(index, task)| (&plan.steps[task.step].address, index)).collect()
}

/// What goes for good is deleted only after what still mentions it was changed.
fn detach_before_deleting(plan: &Plan, tasks: &mut [Task]) {
    for index in 0..tasks.len() {
        let gone = &plan.steps[tasks[index].step];
        let (Action::Delete, Some(live)) = (gone.action, &gone.live) else {
            continue;
        };
        for other in 0..tasks.len() {
            let user = &plan.steps[tasks[other].step];
            let mentions = user.live.as_ref().is_some_and(|user| mentions(user, live));
            if user.action == Action::Update && mentions {
                wait(tasks, index, other);
            }
        }
    }
}

/// Deletions of what the file no longer says anything about go in the reverse order of making, as far as no other
/// order is known.
fn order_by_rank(plan: &Plan, tasks: &mut [Task], deletions: &BTreeMap<&Address, usize>) {
    for (one, index) in deletions {
        for (other, before) in deletions {
            let (step, earlier) = (&plan.steps[tasks[*index].step], &plan.steps[tasks[*before].step]);
            let both_known = step.in_file && earlier.in_file;
            if !both_known && one != other && earlier.rank > step.rank {
                wait(tasks, *index, *before);
            }
        }
    }
}

/// Makes a task wait for another one, unless that one waits for it already.
fn wait(tasks: &mut [Task], task: usize, before: usize) {
    if !reaches(tasks, before, task) {
        tasks[task].after.insert(before);
    }
}

/// Whether `task` waits for `target`, at any remove.
fn reaches(tasks: &[Task], task: usize, target: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![task];
    while let Some(index) = open.pop() {
        if index == target {
            return true;
        }
        if seen.insert(index) {
            open.extend(&tasks[index].after);
        }
    }
    false
}

/// The live resources whose identifiers stand in the spec of `one`.
pub fn mentioned(one: &Live, all: &[Live]) -> BTreeSet<Address> {
    let mentions_it = |other: &&Live| other.address != one.address && mentions(one, other);
    // Two that mention each other, as a key's policy and a role's do, leave the order to the kinds' ranks.
    all.iter().filter(mentions_it).filter(|other| !mentions(other, one)).map(|other| other.address.clone()).collect()
}

/// Whether an identifier of `target` stands in the spec of `user`.
fn mentions(user: &Live, target: &Live) -> bool {
    let outputs = target.outputs.values().map(String::as_str);
    let identifiers: Vec<&str> = outputs.chain([target.id.as_str()]).filter(|text| is_identifier(text)).collect();
    !identifiers.is_empty() && holds(&user.spec, &identifiers)
}

/// Whether the text is made by AWS to mean one thing only: an ARN or an identifier such as `vpc-0a1b2c3d4e5f`.
fn is_identifier(text: &str) -> bool {
    let generated = |(prefix, id): (&str, &str)| {
        prefix.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            && id.len() >= 8
            && id.chars().all(|c| c.is_ascii_hexdigit())
    };
    text.starts_with("arn:") || text.rsplit_once('-').is_some_and(generated)
}

fn holds(value: &Value, identifiers: &[&str]) -> bool {
    match value {
        Value::String(text) => identifiers.iter().any(|identifier| text.contains(identifier)),
        Value::Array(items) => items.iter().any(|item| holds(item, identifiers)),
        Value::Object(members) => members.values().any(|member| holds(member, identifiers)),
        _ => false,
    }
}
