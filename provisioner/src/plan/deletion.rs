//! What a plan deletes, and what it replaces so that something else can be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::graph::Graph;
use super::{Action, Blocked, Cause, Kinds, Planner, Step, order};
use crate::kind::AnyKind;
use crate::resource::{Address, Live, Obstacle, REPLACED};

/// The address of a resource once its replacement has taken its own: of the name, so that the file can't mean it.
pub fn replaced(live: &Live) -> Address {
    let hash = hex::encode(&Sha256::digest(&live.id)[..3]);
    Address::new(&live.address.kind, format!("{}{REPLACED}{hash}", live.address.name))
}

/// What is to be deleted, without what has to stay for a while: that is blocked, with the reason.
pub fn due(kinds: Kinds<'_>, steps: Vec<Step>) -> (Vec<Step>, Vec<Blocked>) {
    let (mut due, mut stays) = (Vec::new(), Vec::new());
    for step in steps {
        match kept(kinds, &step) {
            Some(obstacle) => stays.push(Blocked::of(step, obstacle)),
            None => due.push(step),
        }
    }
    (due, stays)
}

fn kept(kinds: Kinds<'_>, step: &Step) -> Option<Obstacle> {
    kinds.get(&step.address.kind)?.stays(step.live.as_ref()?)
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
