//! What happens to the objects of a bucket as they age.

use anyhow::{Result, bail};
use aws_sdk_s3::types::{
    self, AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRuleFilter,
    NoncurrentVersionExpiration, TransitionStorageClass,
};
use lakewright_aws::Needed as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::values::words;

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
    /// How many of an object's newest older versions are kept however old they are, 1 to 100. Only with `expire_versions_days`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub keep_versions: Option<u32>,
    /// Whether markers of deleted objects go as soon as no version is left behind them. A rule with `expire_days` can't say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expire_delete_markers: bool,
    /// After how many days unfinished uploads are given up.
    #[serde(default)]
    pub abort_uploads_days: Option<u32>,
    /// The cheaper storage classes that objects move to as they age. Order means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
}

/// A move of objects to another storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// After how many days objects move: 30 at least for `STANDARD_IA` and `ONEZONE_IA`.
    pub days: u32,
    /// The storage class that they move to.
    pub storage_class: StorageClass,
}

// In the order in which S3 moves objects on:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
/// A storage class that objects move to, as S3 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageClass {
    /// For what is seldom read, at once.
    StandardIa,
    /// Where S3 sees what is seldom read.
    IntelligentTiering,
    /// For what is seldom read and may be lost with one zone.
    OnezoneIa,
    /// For what is hardly ever read, at once.
    GlacierIr,
    /// For what is read after it was restored, within hours.
    Glacier,
    /// The same, within half a day.
    DeepArchive,
}
words!(StorageClass => TransitionStorageClass);

/// How many days an object stays where it is before it moves to a storage class for what is seldom read, and there
/// before it moves on.
const STAYS: u32 = 30;

impl LifecycleRule {
    /// Refuses what S3 would.
    pub(super) fn check(&self) -> Result<()> {
        if self.keep_versions.is_some() && self.expire_versions_days.is_none() {
            bail!("{}: `keep_versions` needs `expire_versions_days`: without it no version is deleted", self.id);
        }
        if self.expire_delete_markers && self.expire_days.is_some() {
            bail!("{}: `expire_delete_markers` and `expire_days` stand in rules of their own", self.id);
        }
        let seldom = |class: StorageClass| matches!(class, StorageClass::StandardIa | StorageClass::OnezoneIa);
        let mut moves = self.transitions.clone();
        moves.sort_by_key(|one| (one.days, one.storage_class));
        if let Some(one) = moves.iter().find(|one| seldom(one.storage_class) && one.days < STAYS) {
            bail!("{}: objects move to {} after {STAYS} days at the earliest", self.id, one.storage_class);
        }
        for pair in moves.windows(2) {
            let [first, next] = [pair[0], pair[1]];
            if first.storage_class >= next.storage_class || first.days == next.days {
                bail!("{}: objects don't move from {} to {}", self.id, first.storage_class, next.storage_class);
            }
            if seldom(first.storage_class) && next.days < first.days + STAYS {
                bail!("{}: objects stay in {} for {STAYS} days at least", self.id, first.storage_class);
            }
        }
        match (moves.last(), self.expire_days) {
            (Some(last), Some(days)) if days <= last.days => {
                bail!("{}: objects are deleted after {days} days, before they move to {}", self.id, last.storage_class)
            }
            _ => Ok(()),
        }
    }

    /// The storage classes that objects are restored from before anybody reads them.
    pub(super) fn restored_from(&self) -> impl Iterator<Item = StorageClass> {
        let classes = self.transitions.iter().map(|one| one.storage_class);
        classes.filter(|class| matches!(class, StorageClass::Glacier | StorageClass::DeepArchive))
    }

    /// What the rule deletes that none of the old ones deletes as early.
    pub(super) fn loses(&self, old: &[Self], bucket: &str) -> Vec<String> {
        let reaching = || old.iter().filter(|rule| self.prefix.starts_with(&rule.prefix));
        let objects = if self.prefix.is_empty() { "objects".to_owned() } else { format!("{}*", self.prefix) };
        let mut lost = Vec::new();
        let is_within = |before: Option<u32>, days: u32| before.is_some_and(|before| before <= days);
        if let Some(days) = self.expire_days.filter(|days| !reaching().any(|old| is_within(old.expire_days, *days))) {
            lost.push(format!("{objects} in {bucket} that are older than {days} days are deleted"));
        }
        let covers = |old: &Self, days| {
            is_within(old.expire_versions_days, days)
                && old.keep_versions.unwrap_or(0) <= self.keep_versions.unwrap_or(0)
        };
        if let Some(days) = self.expire_versions_days.filter(|days| !reaching().any(|old| covers(old, *days))) {
            let kept =
                self.keep_versions.map(|keep| format!(", but for the newest {keep} of each")).unwrap_or_default();
            lost.push(format!(
                "versions of {objects} in {bucket} that were replaced over {days} days ago are deleted{kept}"
            ));
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
        keep_versions: days(versions.and_then(NoncurrentVersionExpiration::newer_noncurrent_versions))?,
        expire_delete_markers: rule.expiration().is_some_and(expires_markers),
        abort_uploads_days: days(uploads.and_then(AbortIncompleteMultipartUpload::days_after_initiation))?,
        transitions: rule.transitions().iter().filter_map(transition).collect(),
    })
}

fn expires_markers(expiration: &LifecycleExpiration) -> bool {
    expiration.expired_object_delete_marker() == Some(true)
}

/// A move as S3 gives it back; none if a spec can't say it.
fn transition(one: &types::Transition) -> Option<Transition> {
    let days = u32::try_from(one.days()?).ok().filter(|_| one.date().is_none())?;
    Some(Transition { days, storage_class: one.storage_class()?.as_str().parse().ok()? })
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
    let expires = rule.expiration().is_none_or(|expiration| expiration.date().is_none());
    filters
        && expires
        && rule.transitions().iter().all(|one| transition(one).is_some())
        && rule.noncurrent_version_transitions().is_empty()
        && *rule.status() == ExpirationStatus::Enabled
}

/// The same as S3 takes it.
pub(super) fn written(rule: &LifecycleRule) -> Result<types::LifecycleRule> {
    let days = |days: Option<u32>| days.map(i32::try_from).transpose();
    // S3 takes a number of days or the markers.
    let markers = rule.expire_delete_markers.then_some(true);
    let expiration = (rule.expire_days.is_some() || rule.expire_delete_markers).then(|| {
        let expiration = LifecycleExpiration::builder().set_days(days(rule.expire_days)?);
        Ok::<_, anyhow::Error>(expiration.set_expired_object_delete_marker(markers).build())
    });
    let expiration = expiration.transpose()?;
    let kept = days(rule.keep_versions)?;
    let versions = days(rule.expire_versions_days)?.map(|days| {
        NoncurrentVersionExpiration::builder().noncurrent_days(days).set_newer_noncurrent_versions(kept).build()
    });
    let uploads = days(rule.abort_uploads_days)?
        .map(|days| AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
    let transition = |one: &Transition| {
        let written = types::Transition::builder().days(i32::try_from(one.days)?);
        Ok::<_, anyhow::Error>(written.storage_class((&one.storage_class).into()).build())
    };
    let transitions = rule.transitions.iter().map(transition).collect::<Result<Vec<_>>>()?;
    let written = types::LifecycleRule::builder()
        .id(&rule.id)
        .set_transitions((!transitions.is_empty()).then_some(transitions))
        .filter(LifecycleRuleFilter::builder().prefix(&rule.prefix).build())
        .status(ExpirationStatus::Enabled)
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(versions)
        .set_abort_incomplete_multipart_upload(uploads);
    Ok(written.build().expect("the status is given"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;
    use aws_sdk_s3::types::{LifecycleRuleAndOperator, Tag};

    use super::*;

    fn spec() -> LifecycleRule {
        LifecycleRule {
            id: "age".into(),
            prefix: "raw/".into(),
            expire_days: Some(30),
            expire_versions_days: None,
            keep_versions: None,
            expire_delete_markers: false,
            abort_uploads_days: Some(7),
            transitions: Vec::new(),
        }
    }

    fn moving(moves: &[(u32, StorageClass)]) -> LifecycleRule {
        let transitions = moves.iter().map(|&(days, storage_class)| Transition { days, storage_class }).collect();
        LifecycleRule { expire_days: None, transitions, ..spec() }
    }

    #[test]
    fn moves_that_s3_refuses_are_refused() {
        use StorageClass::{DeepArchive, Glacier, GlacierIr, IntelligentTiering, OnezoneIa, StandardIa};

        for right in [
            moving(&[(30, StandardIa), (60, GlacierIr), (61, DeepArchive)]),
            moving(&[(90, GlacierIr), (30, OnezoneIa)]),
            moving(&[(0, IntelligentTiering)]),
            LifecycleRule { expire_days: Some(31), ..moving(&[(30, StandardIa)]) },
        ] {
            right.check().expect("S3 takes it");
        }
        let deleted = LifecycleRule { expire_days: Some(30), ..moving(&[(30, StandardIa)]) };
        let both = LifecycleRule { expire_delete_markers: true, ..spec() };
        let kept = LifecycleRule { keep_versions: Some(3), ..spec() };
        for (wrong, part) in [
            (moving(&[(29, StandardIa)]), "move to STANDARD_IA after 30 days at the earliest"),
            (moving(&[(30, StandardIa), (59, GlacierIr)]), "stay in STANDARD_IA for 30 days at least"),
            (moving(&[(1, Glacier), (90, GlacierIr)]), "don't move from GLACIER to GLACIER_IR"),
            (moving(&[(1, Glacier), (1, DeepArchive)]), "don't move from GLACIER to DEEP_ARCHIVE"),
            (deleted, "are deleted after 30 days, before they move to STANDARD_IA"),
            (both, "stand in rules of their own"),
            (kept, "`keep_versions` needs `expire_versions_days`"),
        ] {
            let said = wrong.check().expect_err("S3 refuses it").to_string();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_rule_without_moves_is_written_as_before_there_were_any() {
        let written = serde_json::to_value(spec()).expect("JSON");
        for new in ["transitions", "expire_delete_markers", "keep_versions"] {
            assert!(written.get(new).is_none(), "what was recorded of it would be another thing: {written}");
        }
    }

    #[test]
    fn rules_round_trip() {
        let there = written(&spec()).expect("days fit");
        assert_eq!(read(&there).expect("readable"), spec());
        let everything = LifecycleRule { prefix: String::new(), expire_versions_days: Some(3), ..spec() };
        let kept = LifecycleRule { keep_versions: Some(100), ..everything.clone() };
        assert_eq!(read(&written(&kept).expect("days fit")).expect("readable"), kept);
        assert_eq!(read(&written(&everything).expect("days fit")).expect("readable"), everything);
        let markers = LifecycleRule { expire_days: None, expire_delete_markers: true, ..everything };
        assert_eq!(read(&written(&markers).expect("days fit")).expect("readable"), markers);
        let moves = moving(&[(30, StorageClass::StandardIa), (90, StorageClass::GlacierIr)]);
        assert_eq!(read(&written(&moves).expect("days fit")).expect("readable"), moves);
    }

    #[test]
    fn rules_that_no_spec_says_differ_from_every_spec() {
        let there = written(&spec()).expect("days fit");
        let (mut moves, mut off, mut small) = (there.clone(), there.clone(), there.clone());
        let (mut tagged, mut dated) = (there.clone(), there);
        let tag = Tag::builder().key("keep").value("no").build().expect("key and value are given");
        tagged.filter = Some(LifecycleRuleFilter::builder().tag(tag).build());
        dated.expiration = Some(LifecycleExpiration::builder().date(DateTime::from_secs(0)).build());
        let transition = types::Transition::builder().date(DateTime::from_secs(0));
        moves.transitions = Some(vec![transition.storage_class(TransitionStorageClass::Glacier).build()]);
        off.status = ExpirationStatus::Disabled;
        let and = LifecycleRuleAndOperator::builder().prefix("raw/").object_size_less_than(9).build();
        small.filter = Some(LifecycleRuleFilter::builder().and(and).build());
        for rule in [moves, off, small, tagged, dated] {
            let read = read(&rule).expect("readable");
            assert_eq!(read.id, "age (changed outside)", "{rule:?}");
        }
    }
}
