//! A log group without a key of the stack.

use super::{Rule, said};

pub(super) const RULE: Rule = Rule {
    name: "log-group-without-key",
    kinds: &["log_group"],
    reason: "what programs log may hold what customers wrote; a key of the stack says who reads it, and keeps a log of it",
    fix: "encrypt it with a key of the stack that CloudWatch Logs may use, or say why nobody's data stands in it",
    breaks: |spec, _| said(spec["key"].is_null(), "only CloudWatch's own keys encrypt its entries"),
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::Around;
    use crate::checks::tests::{stack, texts};

    #[test]
    fn a_log_group_has_a_key() {
        assert_eq!(texts(&RULE, json!({})), ["only CloudWatch's own keys encrypt its entries"]);
        let desired = stack(&[("log_group.one", json!({}))]);
        let around = Around { address: &desired.resources[0].address, desired: &desired };
        assert_eq!((RULE.breaks)(&json!({"key": "${key.main.arn}"}), &around), [""; 0]);
    }
}
