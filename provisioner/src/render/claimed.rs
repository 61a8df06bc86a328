//! What is claimed: the stack's by its tags, and by nothing else.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::spans::{code, prose};
use crate::plain;
use crate::plan::{Claimed, Plan};

/// What is to be known of all of it.
const TITLE: &str = "Claimed: these carry the stack's tags, which anybody may write, and aren't known to be its own";
/// What can be done about it.
const FIX: &str = "Nothing changes or deletes them unless they are named: `lakewright adopt ADDRESS ID` takes one over, \
                   `--delete-claimed ADDRESS` deletes it";
/// What is said where the document beside the lease isn't what the last apply wrote.
const RECOVER: &str = "`lakewright recover` puts the last one back that is signed, or asks for each thing whose it is";

/// The claimed things as text, and what isn't trusted of what the stack remembers; empty where there is nothing of that.
pub(super) fn text(plan: &Plan, mark: &str) -> String {
    let mut out = String::new();
    if let Some(doubt) = &plan.doubt {
        let _ = writeln!(out, "  {mark} {}; {RECOVER}", plain::line(doubt));
    }
    if plan.claimed.is_empty() {
        return out;
    }
    let _ = writeln!(out, "{TITLE}.");
    for Claimed { address, id, reason, goes } in &plan.claimed {
        let goes = if *goes { " (deleted by this plan)" } else { "" };
        let (address, id, reason) = (address.to_string(), plain::line(id), plain::line(reason));
        let _ = writeln!(out, "  {mark} {} {id}: {reason}{goes}", plain::line(&address));
    }
    let _ = writeln!(out, "{FIX}.");
    out
}

/// The claimed things for who doesn't look at a plan, and what isn't trusted of what the stack remembers.
pub fn list(plan: &Plan) -> String {
    text(plan, "!")
}

/// The same as Markdown.
pub(super) fn markdown(plan: &Plan) -> String {
    let mut out = String::new();
    if let Some(doubt) = &plan.doubt {
        let _ = writeln!(out, "\n**{}**; {RECOVER}.", prose(doubt));
    }
    if plan.claimed.is_empty() {
        return out;
    }
    let _ = writeln!(out, "\n**{TITLE}**:\n");
    for Claimed { address, id, reason, goes } in &plan.claimed {
        let goes = if *goes { " **deleted by this plan**" } else { "" };
        let _ = writeln!(out, "- {} ({}): {}{goes}", code(&address.to_string()), code(id), prose(reason));
    }
    let _ = writeln!(out, "\n{FIX}.");
    out
}

/// The same for programs.
pub(super) fn json(plan: &Plan) -> Value {
    let one = |one: &Claimed| json!({"address": one.address, "id": one.id, "reason": one.reason, "deleted": one.goes});
    plan.claimed.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use crate::plan::testing::{desired, kinds, live};
    use crate::plan::{self, Options};
    use crate::resource::Whose;

    fn plan(goes: bool) -> plan::Plan {
        let spec = serde_json::json!({ "cidr": "10.0.0.0/16", "dns": true });
        let mut foreign = live("network.x", "network-0000000f\u{1b}[2J", spec.clone(), &spec);
        foreign.whose = Whose::Claimed("it has no record".to_owned());
        let delete_claimed = if goes { [foreign.address.clone()].into() } else { [].into() };
        let options = Options { delete_claimed, doubt: Some("it is lost".to_owned()), ..Options::default() };
        plan::plan_for(kinds(), &desired(&[]), &[foreign], &options).expect("a plan")
    }

    #[test]
    fn what_is_claimed_is_said_in_every_form() {
        let plan = plan(false);
        let shown = r"network.x network-0000000f\x1b[2J: it has no record";
        assert!(super::text(&plan, "!").contains(shown), "{}", super::text(&plan, "!"));
        assert!(super::text(&plan, "!").starts_with("  ! it is lost; `lakewright recover`"));
        assert!(super::markdown(&plan).contains(r"- `network.x` (`network-0000000f\x1b[2J`): it has no record"));
        assert_eq!(super::json(&plan)[0]["reason"], "it has no record");
        assert!(plan.is_empty() && !plan.is_settled());
    }

    #[test]
    fn what_is_named_goes_and_is_said_to() {
        let plan = plan(true);
        assert_eq!(plan.steps.len(), 1);
        assert!(super::text(&plan, "!").contains("(deleted by this plan)"));
        assert!(super::markdown(&plan).contains("**deleted by this plan**"));
    }
}
