//! A Kafka cluster in a stack without alarms.

use super::{Around, Rule, said, typed};
use crate::kinds::alarm::Alarm;
use crate::kinds::cluster::Spec;

pub(super) const RULE: Rule = Rule {
    name: "no-alarms",
    kinds: &["cluster"],
    reason: "nobody notices a full disk or a silent agent until rows are missing",
    fix: "add a section `[alarms]` with the address of those who look after it",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(_: &Spec, around: &Around<'_>) -> Vec<String> {
    said(around.of(&Alarm).next().is_none(), "the stack has no alarm")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::{lines, stack};

    #[test]
    fn a_stack_with_a_cluster_has_an_alarm() {
        let cluster = ("cluster.main", json!({}));
        assert_eq!(lines(&RULE, &stack(std::slice::from_ref(&cluster))), ["cluster.main: the stack has no alarm"]);
        assert_eq!(lines(&RULE, &stack(&[cluster, ("alarm.lag", json!({}))])), [""; 0]);
        assert_eq!(lines(&RULE, &stack(&[("bucket.raw", json!({}))])), [""; 0]);
    }
}
