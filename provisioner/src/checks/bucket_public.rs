//! A bucket that lets policies and access lists open it to the public.

use super::{Around, Rule, said, typed};
use crate::kinds::bucket::Spec;

pub(super) const RULE: Rule = Rule {
    name: "bucket-public",
    kinds: &["bucket"],
    reason: "one wrong policy or access list lets everybody read its objects",
    fix: "leave `block_public_access` on, and serve what is public from another bucket",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(bucket: &Spec, _: &Around<'_>) -> Vec<String> {
    said(!bucket.block_public_access, "public access isn't blocked")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_bucket_blocks_public_access() {
        assert_eq!(texts(&RULE, json!({"block_public_access": false})), ["public access isn't blocked"]);
        assert_eq!(texts(&RULE, json!({})), [""; 0]);
    }
}
