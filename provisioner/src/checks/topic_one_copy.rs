//! A topic whose records stand on one broker only.

use super::{Around, Rule, said, typed};
use crate::kinds::topic::Spec;

pub(super) const RULE: Rule = Rule {
    name: "topic-one-copy",
    kinds: &["topic"],
    reason: "the loss of one broker's disk loses records",
    fix: "keep at least two copies, three where there are three zones",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(topic: &Spec, _: &Around<'_>) -> Vec<String> {
    said(topic.replication_factor == 1, "one broker holds the only copy of each partition")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_topic_has_more_than_one_copy() {
        let found = texts(&RULE, json!({"replication_factor": 1}));
        assert_eq!(found, ["one broker holds the only copy of each partition"]);
        assert_eq!(texts(&RULE, json!({"replication_factor": 2})), [""; 0]);
    }
}
