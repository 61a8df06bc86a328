//! A plan as text for people and machines.

mod claimed;
mod cost;
mod graph;
mod json;
mod kinds;
mod markdown;
mod rights;
mod schemas;
mod spans;
mod table;
mod takes;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use claimed::list as claimed_text;
pub use cost::{cost_json, cost_line, cost_markdown, cost_report_json, cost_text};
pub use graph::{dot, svg};
pub use json::json;
pub use kinds::{one as kind_text, page as kinds_page};
pub use markdown::markdown;
pub use schemas::json as kinds_json;
pub use spans::code;
pub use table::aligned;
pub use text::{Detail, text};

use crate::plan::{Action, Plan, ROTATE};

/// The plan's last line, `Plan: 2 to create, 1 to update.`
pub fn summary(plan: &Plan) -> String {
    let is_told = !plan.claimed.is_empty() || plan.doubt.is_some();
    if plan.is_empty() && plan.blocked.is_empty() && plan.left_out.is_empty() && is_told {
        return "Nothing to do, apart from what is said above.".to_owned();
    }
    if plan.is_empty() && plan.blocked.is_empty() && !plan.left_out.is_empty() {
        return "Nothing to do, apart from what is left out.".to_owned();
    }
    if plan.is_settled() {
        return format!("No changes: stack {} is as its file says.", plan.stack);
    }
    let mut counts: Vec<String> = [Action::Create, Action::Update, Action::Replace, Action::Delete]
        .into_iter()
        .map(|action| (plan.count(action), action.word()))
        .chain([(plan.rotations(), ROTATE)])
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} to {word}"))
        .collect();
    if !plan.blocked.is_empty() {
        counts.push(format!("{} blocked", plan.blocked.len()));
    }
    format!("Plan: {}.", counts.join(", "))
}
