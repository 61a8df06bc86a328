//! A log group without a key of the stack.

use super::{Around, Rule, said, typed};
use crate::kinds::log_group::Spec;

pub(super) const RULE: Rule = Rule {
    name: "log-group-without-key",
    kinds: &["log_group"],
    reason: "what programs log may hold what customers wrote; a key of the stack says who reads it, and keeps a log of it",
    fix: "write `keys` in [stack], or name a key that CloudWatch Logs may use, or say why nobody's data stands in it",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(group: &Spec, _: &Around<'_>) -> Vec<String> {
    said(group.key.is_none(), "only CloudWatch's own keys encrypt its entries")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_log_group_has_a_key() {
        assert_eq!(texts(&RULE, json!({})), ["only CloudWatch's own keys encrypt its entries"]);
        assert_eq!(texts(&RULE, json!({"key": "${key.main.arn}"})), [""; 0]);
    }
}
