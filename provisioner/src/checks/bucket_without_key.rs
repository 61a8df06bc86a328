//! A bucket without a key of the stack.

use super::{Around, Rule, said, typed};
use crate::kinds::bucket::Spec;

pub(super) const RULE: Rule = Rule {
    name: "bucket-without-key",
    kinds: &["bucket"],
    reason: "S3's own keys open objects to all who may read the bucket; a key of the stack is a second lock with a log",
    fix: "name a key: `key = \"main\"`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(bucket: &Spec, _: &Around<'_>) -> Vec<String> {
    said(bucket.key.is_none(), "only S3's own keys encrypt its objects")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_bucket_has_a_key() {
        assert_eq!(texts(&RULE, json!({})), ["only S3's own keys encrypt its objects"]);
        assert_eq!(texts(&RULE, json!({"key": "${key.main.arn}"})), [""; 0]);
    }
}
