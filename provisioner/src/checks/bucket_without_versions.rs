//! A bucket that keeps no older versions of its objects.

use super::{Around, Rule, said, typed};
use crate::kinds::bucket::Spec;

pub(super) const RULE: Rule = Rule {
    name: "bucket-without-versions",
    kind: "bucket",
    reason: "an object that somebody overwrites or deletes by mistake is gone for good",
    fix: "leave `versioning` on; a lifecycle rule can delete older versions",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(bucket: &Spec, _: &Around<'_>) -> Vec<String> {
    said(!bucket.versioning, "S3 doesn't keep overwritten and deleted objects")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn a_bucket_keeps_versions() {
        assert_eq!(texts(&RULE, json!({"versioning": false})), ["S3 doesn't keep overwritten and deleted objects"]);
        assert_eq!(texts(&RULE, json!({"versioning": true})), [""; 0]);
    }
}
