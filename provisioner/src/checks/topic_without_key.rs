//! An SNS topic whose messages nothing encrypts at rest.

use super::{Around, Rule, said, typed};
use crate::kinds::sns_topic::Spec;

pub(super) const RULE: Rule = Rule {
    name: "topic-without-key",
    kinds: &["sns_topic"],
    reason: "alarms name hosts, buckets and what is wrong with them; a key of the stack says who reads them, and keeps a log of it",
    fix: "name a key: `key = \"${key.main.arn}\"`, and let those who publish use it",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(topic: &Spec, _: &Around<'_>) -> Vec<String> {
    said(topic.key.is_none(), "its messages aren't encrypted at rest")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_topic_has_a_key() {
        assert_eq!(texts(&RULE, json!({})), ["its messages aren't encrypted at rest"]);
        assert_eq!(texts(&RULE, json!({"key": "${key.main.arn}"})), [""; 0]);
    }
}
