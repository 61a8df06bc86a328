//! A queue whose bad messages come again and again.

use super::{Around, Rule, said, typed};
use crate::kinds::queue::{Queue, Spec};

pub(super) const RULE: Rule = Rule {
    name: "queue-without-dead-letters",
    kinds: &["queue"],
    reason: "a message that nobody can use comes again and again until it is too old, and is then lost unseen",
    fix: "give it `dead_letters` with another queue's ARN, and look into that one",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(queue: &Spec, around: &Around<'_>) -> Vec<String> {
    // Those of dead letters end somewhere.
    let reference = format!("${{{}.arn}}", around.address);
    let own = format!(":{}", queue.name);
    let is_own = |target: &str| target == reference || target.ends_with(&own);
    let takes = |other: &Spec| other.dead_letters.as_ref().is_some_and(|dead| is_own(&dead.queue));
    let is_target = queue.dead_letter_sources.as_ref().is_some_and(|sources| !sources.is_empty())
        || around.of(&Queue).any(|(_, other)| takes(&other));
    said(queue.dead_letters.is_none() && !is_target, "it has no `dead_letters`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::{lines, stack, texts};

    #[test]
    fn a_queue_has_dead_letters_or_takes_those_of_others() {
        let to = |queue: &str| json!({"dead_letters": {"queue": queue, "max_receives": 5}});
        assert_eq!(texts(&RULE, json!({})), ["it has no `dead_letters`"]);
        let failed = "arn:aws:sqs:eu-north-1:123456789012:failed";
        assert_eq!(texts(&RULE, to(failed)), [""; 0]);
        // The one that takes them is known by a reference, by its name, or because it says so.
        let target = ("queue.failed", json!({"name": "failed"}));
        for queue in ["${queue.failed.arn}", failed] {
            assert_eq!(lines(&RULE, &stack(&[("queue.orders", to(queue)), target.clone()])), [""; 0]);
        }
        let other = stack(&[("queue.orders", to("${queue.other.arn}")), target]);
        assert_eq!(lines(&RULE, &other), ["queue.failed: it has no `dead_letters`"]);
        let sources = |sources: &[&str]| json!({"dead_letter_sources": sources});
        assert_eq!(texts(&RULE, sources(&[failed])), [""; 0]);
        assert_eq!(texts(&RULE, sources(&[])), ["it has no `dead_letters`"], "it takes none");
    }
}
