//! A plan as JSON, for programs.

use serde_json::{Value, json};

use super::claimed;
use super::value::{facts, masked};
use crate::plan::{Action, Blocked, Change, Plan, Step};
use crate::resource::Address;

/// The version of the shape below; it grows when a member changes its meaning or goes.
const FORMAT_VERSION: &str = "1";

/// The plan as a JSON document. What is known only after apply stands as its reference, `${kind.name.output}`; what can hold
/// a secret is hidden.
pub fn json(plan: &Plan) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "stack": plan.stack,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "blocked": plan.blocked.iter().map(blocked).collect::<Vec<_>>(),
        "left_out": plan.left_out.iter().map(|(address, action)| json!({
            "address": address, "action": action.word(),
        })).collect::<Vec<_>>(),
        "claimed": claimed::json(plan),
        "doubt": plan.doubt,
        "foreign": plan.foreign.iter().map(|one| json!({"within": one.within, "thing": one.thing})).collect::<Vec<_>>(),
        "expected_seconds": plan.expected().as_secs(),
        "summary": {
            "create": plan.count(Action::Create),
            "update": plan.count(Action::Update),
            "replace": plan.count(Action::Replace),
            "delete": plan.count(Action::Delete),
            "rotate": plan.rotations(),
            "blocked": plan.blocked.len(),
        },
    })
}

fn step(step: &Step) -> Value {
    json!({
        "address": step.address.to_string(),
        "kind": step.address.kind,
        "action": step.word(),
        "cause": step.cause.word(),
        "changes": step.changes.iter().map(|one| change(&step.address, one)).collect::<Vec<_>>(),
        "id": step.live.as_ref().map(|live| &live.id),
        "note": step.note,
        "loses_data": step.loses,
        "consequences": step.consequences,
        "expected_seconds": step.expected.as_secs(),
        "needed_by": step.dependents,
        "create_first": step.create_first,
    })
}

fn blocked(one: &Blocked) -> Value {
    let changes = one.step.iter().flat_map(|step| &step.changes);
    json!({
        "address": one.address.to_string(),
        "kind": one.address.kind,
        "action": one.action().map(Action::word),
        "reason": one.obstacle.reason,
        "fix": one.obstacle.fix,
        "id": one.id,
        "waits_for": one.by,
        "changes": changes.map(|each| change(&one.address, each)).collect::<Vec<_>>(),
    })
}

fn change(address: &Address, change: &Change) -> Value {
    let (before, after) = masked(address, change);
    json!({
        "path": change.path,
        "before": before,
        "after": after,
        "sensitive": facts(address).is_some_and(|facts| facts.is_sensitive(&change.path)),
        "forces_replacement": change.forces_replacement,
        "cause": change.cause.word(),
    })
}
