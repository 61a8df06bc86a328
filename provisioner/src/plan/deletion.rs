//! What a plan deletes, and what it replaces so that something else can be deleted.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::{Action, Cause, Kinds, Planner, Step, order};
use crate::kind::Kind;
use crate::resource::{Address, Live};

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
            let holds_data = kinds.get(&one.address.kind).is_some_and(Kind::holds_data);
            Step {
                address: one.address.clone(),
                action: Action::Delete,
                cause: Cause::File,
                changes: Vec::new(),
                spec: None,
                live: Some(one.clone()),
                needs: from_file.cloned().unwrap_or_else(|| order::mentioned(one, live)),
                in_file: from_file.is_some(),
                loses: if holds_data { vec![held(one)] } else { Vec::new() },
                note: None,
                rank: kinds.rank(&one.address.kind),
            }
        })
        .collect();
    steps.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.address.cmp(&b.address)));
    steps
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
    pub(super) fn replaced_beneath(&self, kind: &dyn Kind, address: &Address) -> Option<Address> {
        let occupied = kind.occupies();
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
