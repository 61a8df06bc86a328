//! A plan as JSON, for programs.

use serde_json::{Value, json};

use crate::plan::{Action, Change, Plan, Step};

/// The version of the shape below; it grows when a member changes its meaning or goes.
const FORMAT_VERSION: &str = "1";

/// The plan as a JSON document. What is known only after apply stands as its reference, `${kind.name.output}`.
pub fn json(plan: &Plan) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "stack": plan.stack,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "left_out": plan.left_out.iter().map(|(address, action)| json!({
            "address": address, "action": action.word(),
        })).collect::<Vec<_>>(),
        "foreign": plan.foreign.iter().map(|one| json!({"within": one.within, "thing": one.thing})).collect::<Vec<_>>(),
        "expected_seconds": plan.expected().as_secs(),
        "summary": {
            "create": plan.count(Action::Create),
            "update": plan.count(Action::Update),
            "replace": plan.count(Action::Replace),
            "delete": plan.count(Action::Delete),
        },
    })
}

fn step(step: &Step) -> Value {
    json!({
        "address": step.address.to_string(),
        "kind": step.address.kind,
        "action": step.action.word(),
        "cause": step.cause.word(),
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
        "id": step.live.as_ref().map(|live| &live.id),
        "note": step.note,
        "loses_data": step.loses,
        "consequences": step.consequences,
        "expected_seconds": step.expected.as_secs(),
        "needed_by": step.dependents,
        "create_first": step.create_first,
    })
}

fn change(change: &Change) -> Value {
    json!({
        "path": change.path,
        "before": change.before,
        "after": change.after,
        "forces_replacement": change.forces_replacement,
        "cause": change.cause.word(),
    })
}
