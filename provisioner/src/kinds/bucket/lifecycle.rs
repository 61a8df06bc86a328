//! What happens to the objects of a bucket as they age.

use anyhow::Result;
use aws_sdk_s3::types::{
    self, AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRuleFilter,
    NoncurrentVersionExpiration,
};
use lakewright_aws::Needed as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to the objects under a prefix as they age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// The rule's name, unique in the bucket, at most 255 characters.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// The prefix of the keys that it holds for; all keys without it.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub prefix: String,
    /// After how many days objects are deleted.
    #[serde(default)]
    pub expire_days: Option<u32>,
    /// After how many days older versions are deleted.
    #[serde(default)]
    pub expire_versions_days: Option<u32>,
    /// After how many days unfinished uploads are given up.
    #[serde(default)]
    pub abort_uploads_days: Option<u32>,
}

impl LifecycleRule {
    /// What the rule deletes that none of the old ones deletes as early.
    pub(super) fn loses(&self, old: &[Self], bucket: &str) -> Vec<String> {
        let covering = |days: fn(&Self) -> Option<u32>, limit: u32| {
            let covers = |rule: &&Self| self.prefix.starts_with(&rule.prefix);
            old.iter().filter(covers).filter_map(days).any(|before| before <= limit)
        };
        let objects = if self.prefix.is_empty() { "objects".to_owned() } else { format!("{}*", self.prefix) };
        let mut lost = Vec::new();
        if let Some(days) = self.expire_days.filter(|days| !covering(|rule| rule.expire_days, *days)) {
            lost.push(format!("{objects} in {bucket} that are older than {days} days are deleted"));
        }
        let versions = self.expire_versions_days;
        if let Some(days) = versions.filter(|days| !covering(|rule| rule.expire_versions_days, *days)) {
            lost.push(format!("versions of {objects} in {bucket} that were replaced over {days} days ago are deleted"));
        }
        lost
    }
}

/// A rule as S3 gives it back.
pub(super) fn read(rule: &types::LifecycleRule) -> Result<LifecycleRule> {
    let days =
        |days: Option<i32>| Ok::<_, anyhow::Error>(days.map(u32::try_from).transpose()?.filter(|days| *days > 0));
    // A rule that a spec can't say must differ from every spec.
    let mark = if is_sayable(rule) { "" } else { " (changed outside)" };
    let versions = rule.noncurrent_version_expiration();
    let uploads = rule.abort_incomplete_multipart_upload();
    Ok(LifecycleRule {
        id: format!("{}{mark}", rule.id().needed("s3", "LifecycleRule.ID")?),
        prefix: prefix(rule).to_owned(),
        expire_days: days(rule.expiration().and_then(LifecycleExpiration::days))?,
        expire_versions_days: days(versions.and_then(NoncurrentVersionExpiration::noncurrent_days))?,
        abort_uploads_days: days(uploads.and_then(AbortIncompleteMultipartUpload::days_after_initiation))?,
    })
}

/// The prefix of a rule's keys; empty for all keys.
#[expect(deprecated, reason = "rules of old have the prefix beside the filter")]
fn prefix(rule: &types::LifecycleRule) -> &str {
    let filtered = rule.filter().and_then(LifecycleRuleFilter::prefix).filter(|prefix| !prefix.is_empty());
    filtered.or(rule.prefix()).unwrap_or_default()
}

/// Whether a spec can say all that the rule does.
fn is_sayable(rule: &types::LifecycleRule) -> bool {
    let filters = rule.filter().is_none_or(|filter| {
        filter.and().is_none()
            && filter.tag().is_none()
            && filter.object_size_greater_than().is_none()
            && filter.object_size_less_than().is_none()
    });
    let expires = rule.expiration().is_none_or(|expiration| {
        expiration.date().is_none() && expiration.expired_object_delete_marker() != Some(true)
    });
    let versions = rule.noncurrent_version_expiration();
    filters
        && expires
        && versions.is_none_or(|versions| versions.newer_noncurrent_versions().is_none())
        && rule.transitions().is_empty()
        && rule.noncurrent_version_transitions().is_empty()
        && *rule.status() == ExpirationStatus::Enabled
}

/// The same as S3 takes it.
pub(super) fn written(rule: &LifecycleRule) -> Result<types::LifecycleRule> {
    let days = |days: Option<u32>| days.map(i32::try_from).transpose();
    let expiration = days(rule.expire_days)?.map(|days| LifecycleExpiration::builder().days(days).build());
    let versions = days(rule.expire_versions_days)?
        .map(|days| NoncurrentVersionExpiration::builder().noncurrent_days(days).build());
    let uploads = days(rule.abort_uploads_days)?
        .map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
    let written = types::LifecycleRule::builder()
        .id(&rule.id)
        .filter(LifecycleRuleFilter::builder().prefix(&rule.prefix).build())
        .status(ExpirationStatus::Enabled)
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(versions)
        .set_abort_incomplete_multipart_upload(uploads);
    Ok(written.build().expect("the status is given"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{LifecycleRuleAndOperator, Tag, Transition, TransitionStorageClass};

    use super::*;

    fn spec() -> LifecycleRule {
        LifecycleRule {
            id: "age".into(),
            prefix: "raw/".into(),
            expire_days: Some(30),
            expire_versions_days: None,
            abort_uploads_days: Some(7),
        }
    }

    #[test]
    fn rules_round_trip() {
        let there = written(&spec()).expect("days fit");
        assert_eq!(read(&there).expect("readable"), spec());
        let everything = LifecycleRule { prefix: String::new(), expire_versions_days: Some(3), ..spec() };
        assert_eq!(read(&written(&everything).expect("days fit")).expect("readable"), everything);
    }

    #[test]
    fn rules_that_no_spec_says_differ_from_every_spec() {
        let there = written(&spec()).expect("days fit");
        let (mut moves, mut off, mut small) = (there.clone(), there.clone(), there.clone());
        let (mut tagged, mut markers) = (there.clone(), there);
        let tag = Tag::builder().key("keep").value("no").build().expect("key and value are given");
        tagged.filter = Some(LifecycleRuleFilter::builder().tag(tag).build());
        markers.expiration = Some(LifecycleExpiration::builder().expired_object_delete_marker(true).build());
        let transition = Transition::builder().days(3).storage_class(TransitionStorageClass::Glacier).build();
        moves.transitions = Some(vec![transition]);
        off.status = ExpirationStatus::Disabled;
        let and = LifecycleRuleAndOperator::builder().prefix("raw/").object_size_less_than(9).build();
        small.filter = Some(LifecycleRuleFilter::builder().and(and).build());
        for rule in [moves, off, small, tagged, markers] {
            let read = read(&rule).expect("readable");
            assert_eq!(read.id, "age (changed outside)", "{rule:?}");
        }
    }
}
