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
    })
}

fn change(change: &Change) -> Value {
    json!({
        "path": change.path,
        "before": change.before,
        "after": change.after,
        "forces_replacement": change.forces_replacement,
    })
}
