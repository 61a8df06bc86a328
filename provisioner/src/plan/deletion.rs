//! What a plan deletes, and what it replaces so that something else can be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::graph::Graph;
use super::{Action, Blocked, Cause, Change, Kinds, Plan, Planner, Step, order};
use crate::kind::AnyKind;
use crate::resource::{Address, Live, Obstacle, REPLACED};

/// The address of a resource once its replacement has taken its own: of the name, so that the file can't mean it.
pub fn replaced(live: &Live) -> Address {
    let hash = hex::encode(&Sha256::digest(&live.id)[..3]);
    Address::new(&live.address.kind, format!("{}{REPLACED}{hash}", live.address.name))
}

/// What of these deletions is to be done beside the other steps, without what has to stay for a while: that is blocked, with the
/// reason.
pub fn due(kinds: Kinds<'_>, steps: Vec<Step>, others: &[Step], live: &[Live]) -> (Vec<Step>, Vec<Blocked>) {
    let (mut due, mut stays) = (Vec::new(), Vec::new());
    for step in steps {
        match kept(kinds, &step, others, live) {
            Some(obstacle) => stays.push(Blocked::of(step, obstacle)),
            None => due.push(step),
        }
    }
    (due, stays)
}

fn kept(kinds: Kinds<'_>, step: &Step, others: &[Step], live: &[Live]) -> Option<Obstacle> {
    let (kind, old) = (kinds.get(&step.address.kind)?, step.live.as_ref()?);
    kind.stays(old).or_else(|| {
        let heir = heir(old, live).filter(|heir| kind.outlives(&old.spec, &heir.spec))?;
        let user = others.iter().find(|user| moves_off(user, old, heir))?;
        Some(Obstacle::new(
            format!("{} works by it until it is changed, and what it began goes on for a while", user.address),
            "apply again when the time is over that a plan shows after this apply: it goes then",
        ))
    })
}

/// What stands at the address that something had before it was replaced.
fn heir<'a>(old: &Live, live: &'a [Live]) -> Option<&'a Live> {
    let address = old.address.before_replaced()?;
    live.iter().find(|one| one.address == address)
}

/// Whether a step takes something off what was replaced: it names the new one where it named the old one.
fn moves_off(step: &Step, old: &Live, heir: &Live) -> bool {
    let outputs = || old.outputs.iter().filter_map(|(output, was)| Some((was, heir.outputs.get(output)?)));
    let moves = |change: &Change| {
        outputs().any(|(was, is)| was != is && names(&change.before, was) && names(&change.after, is))
    };
    step.changes.iter().any(moves)
}

/// Whether a text stands in a value by itself, or within others if it is an ARN, which means one thing only.
fn names(value: &Value, text: &str) -> bool {
    match value {
        Value::String(other) => other == text || text.starts_with("arn:") && other.contains(text),
        Value::Array(items) => items.iter().any(|item| names(item, text)),
        Value::Object(members) => members.values().any(|member| names(member, text)),
        _ => false,
    }
}

/// What is noted to be left once all that works by it has moved: what a step leaves, and what stays without such a note or with
/// one that is older than what is moved now.
pub fn leaving(kinds: Kinds<'_>, plan: &Plan, live: &[Live]) -> Vec<(Live, Address)> {
    let left = plan.steps.iter().filter(|step| step.leaves);
    let left = left.filter_map(|step| Some((step.live.clone()?, step.address.clone())));
    let stays = plan.blocked.iter().filter(|one| one.action() == Some(Action::Delete)).filter_map(|one| {
        let (kind, old) = (kinds.get(&one.address.kind)?, one.step.as_ref()?.live.as_ref()?);
        let address = old.address.before_replaced()?;
        let unnoted = kind.stays(old).is_some() && !kind.is_left(old);
        let moves = |heir: &Live| {
            kind.outlives(&old.spec, &heir.spec) && plan.steps.iter().any(|step| moves_off(step, old, heir))
        };
        (unnoted || heir(old, live).is_some_and(moves)).then(|| (old.clone(), address))
    });
    left.chain(stays).collect()
}

/// The steps that delete, what refers to others before these.
pub fn deletions<'a>(
    kinds: Kinds<'_>,
    graph: &Graph<'_>,
    gone: impl Iterator<Item = &'a Live>,
    live: &[Live],
) -> Vec<Step> {
    let mut steps: Vec<Step> = gone
        .map(|one| {
            let from_file = graph.needs.get(&one.address);
            let kind = kinds.get(&one.address.kind);
            let holds_data = kind.is_some_and(AnyKind::holds_data) && !one.is_empty;
            let mut step = Step {
                address: one.address.clone(),
                action: Action::Delete,
                cause: Cause::File,
                changes: Vec::new(),
                spec: None,
                tags: BTreeMap::new(),
                carries: BTreeMap::new(),
                live: Some(one.clone()),
                needs: from_file.cloned().unwrap_or_else(|| order::mentioned(one, live)),
                in_file: from_file.is_some(),
                loses: if holds_data { vec![held(one)] } else { Vec::new() },
                note: remark(one),
                moved_from: None,
                create_first: false,
                leaves: false,
                consequences: Vec::new(),
                expected: Duration::ZERO,
                dependents: BTreeSet::new(),
                rank: kinds.rank(&one.address.kind),
            };
            if let Some(kind) = kind {
                step.conclude(kind, &one.spec, &Value::Null);
            }
            step
        })
        .collect();
    steps.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.address.cmp(&b.address)));
    steps
}

/// Why it goes, where that isn't plain.
fn remark(live: &Live) -> Option<String> {
    if live.whose.claim().is_some() {
        return Some("not known to be the stack's, and named by --delete-claimed".to_owned());
    }
    live.address.name.contains(REPLACED).then(|| "left by a replacement".to_owned())
}

/// What deleting it loses.
fn held(live: &Live) -> String {
    match live.holds.as_slice() {
        [] => "it holds data".to_owned(),
        all => format!("it holds data, and with it go {}", all.join(", ")),
    }
}

impl Planner<'_> {
    /// Something that is replaced and that AWS deletes only when the resource has left it.
    pub(super) fn replaced_beneath(&self, kind: &dyn AnyKind, address: &Address) -> Option<Address> {
        let occupied = kind.facts().occupies;
        let mut seen = BTreeSet::new();
        let mut open = if occupied.is_empty() { Vec::new() } else { vec![address] };
        while let Some(one) = open.pop() {
            if occupied.contains(&one.kind.as_str()) && self.done.get(one).is_some_and(|done| done.replaced) {
                return Some(one.clone());
            }
            open.extend(self.graph.needs.get(one).into_iter().flatten().filter(|need| seen.insert(*need)));
        }
        None
    }
}
