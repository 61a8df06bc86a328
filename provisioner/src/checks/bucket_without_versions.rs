//! A bucket that keeps no older versions of its objects, though it keeps objects.

use super::{Around, Rule, said, typed};
use crate::kinds::bucket::{LifecycleRule, Spec};

/// The days within which all objects of a bucket that forgets are deleted.
const SOON: u32 = 14;

pub(super) const RULE: Rule = Rule {
    name: "bucket-without-versions",
    kinds: &["bucket"],
    reason: "an object that somebody overwrites or deletes by mistake is gone for good",
    fix: "leave `versioning` on; a lifecycle rule can delete older versions",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(bucket: &Spec, _: &Around<'_>) -> Vec<String> {
    // What is deleted within days anyway is worth no older versions.
    let forgets = |rule: &LifecycleRule| rule.prefix.is_empty() && rule.expire_days.is_some_and(|days| days <= SOON);
    said(!bucket.versioning && !bucket.lifecycle.iter().any(forgets), "S3 doesn't keep overwritten and deleted objects")
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
        let expiring =
            |days: u32, prefix: &str| json!({"lifecycle": [{"id": "age", "prefix": prefix, "expire_days": days}]});
        assert_eq!(texts(&RULE, expiring(7, "")), [""; 0]);
        assert_eq!(texts(&RULE, expiring(7, "logs/")).len(), 1);
        assert_eq!(texts(&RULE, expiring(90, "")).len(), 1);
    }
}
