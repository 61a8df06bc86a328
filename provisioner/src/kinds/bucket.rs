//! `bucket`: an S3 bucket with all its settings.

mod contents;
mod destinations;
pub mod name;
mod settings;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, ErrorKind, S3Request, S3Response, list, text, xml};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::destinations::{AccessLogs, Destination, Notifications};
use super::spec::{compared, describes, differs, in_place, replaces, typed, value, yes};
use super::tags::{self, Tags};
use super::{policy, tagged, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::plan::applied::was_applied;
use crate::resource::{Address, Live};

/// A bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique on all of AWS.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub name: String,
    /// Whether overwritten and deleted objects are kept as older versions.
    #[serde(default)]
    pub versioning: bool,
    /// The ARN of the KMS key that encrypts new objects. Without it, S3's own keys do.
    #[serde(default)]
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub key: Option<String>,
    /// Whether everything that would make objects public is refused.
    #[serde(default = "yes")]
    pub block_public_access: bool,
    /// What expires, and when.
    #[serde(default)]
    pub lifecycle: Vec<LifecycleRule>,
    /// The bucket policy.
    #[serde(default)]
    pub policy: Option<Value>,
    /// Whose the objects are that others write: `BucketOwnerEnforced`, the account's, without access control lists;
    /// `BucketOwnerPreferred` or `ObjectWriter`.
    #[serde(default = "enforced")]
    #[schemars(regex(pattern = r"^(BucketOwnerEnforced|BucketOwnerPreferred|ObjectWriter)$"))]
    pub ownership: String,
    /// Where the bucket's access logs go. Without it, logging that the stack didn't switch on is left to others, and isn't
    /// looked at.
    #[serde(default)]
    pub access_logs: Option<AccessLogs>,
    /// Who is told of what happens in the bucket. Without it, notifications that the stack didn't set are left to others, and
    /// aren't looked at.
    #[serde(default)]
    pub notifications: Option<Notifications>,
}

fn enforced() -> String {
    "BucketOwnerEnforced".to_owned()
}

/// What happens to the objects under a prefix as they age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// The rule's name, unique in the bucket.
    pub id: String,
    /// The prefix of the keys that it holds for; all keys without it.
    #[serde(default)]
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
    fn loses(&self, old: &[Self], bucket: &str) -> Vec<String> {
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

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("versioning"),
    in_place("key"),
    in_place("block_public_access"),
    compared(in_place("lifecycle"), Comparing::AsSet),
    compared(in_place("policy"), Comparing::AsSet),
    in_place("ownership"),
    in_place("access_logs"),
    compared(in_place("notifications"), Comparing::AsSet),
];
/// The places among the fields of those that are looked at only where the stack sets them, or has set them: every setting is
/// a request for every bucket of every plan, and most buckets have neither.
const ACCESS_LOGS: usize = FIELDS.len() - 2;
const NOTIFICATIONS: usize = FIELDS.len() - 1;
const OUTPUTS: &[&str] = &["name", "arn"];
const ACTIONS: &[&str] = &[
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutBucketLogging",
    "s3:PutBucketNotification",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:TagResource",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "tag:GetResources",
];

/// The namespace of S3's documents.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The kind.
#[derive(Debug)]
pub struct Bucket;

fn canonical(spec: &mut Spec) -> Result<()> {
    if let Some(mistake) = name::mistake(&spec.name).filter(|_| !spec.name.contains("${")) {
        bail!("a bucket can't be named `{}`: {mistake}", spec.name);
    }
    spec.policy = spec.policy.take().map(policy::canonical);
    // None at all is what a bucket has that nobody set any for.
    spec.notifications = spec.notifications.take().filter(|notifications| *notifications != Notifications::default());
    if !["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"].contains(&spec.ownership.as_str()) {
        bail!(
            "ownership can't be {}; S3 has BucketOwnerEnforced, BucketOwnerPreferred and ObjectWriter",
            spec.ownership
        );
    }
    if spec.access_logs.as_ref().is_some_and(|logs| logs.bucket == spec.name) {
        bail!("the access logs of {0} can't go to {0}: each would be logged again", spec.name);
    }
    spec.notifications.as_ref().map_or(Ok(()), Notifications::check)
}

#[async_trait]
impl Kind for Bucket {
    describes!("bucket", "an S3 bucket with all its settings", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use("the bytes stored, older versions among them, and requests")
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn loses(&self, live: &Value, spec: &Value) -> Vec<String> {
        let (Ok(live), Ok(spec)) = (typed::<Spec>(live), typed::<Spec>(spec)) else { return Vec::new() };
        spec.lifecycle.iter().flat_map(|rule| rule.loses(&live.lifecycle, &spec.name)).collect()
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(4), Duration::from_secs(2), Duration::from_secs(10)]
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update if changed.contains(&"key") => {
                vec!["objects that are there keep the key that they were written with".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let mut names: BTreeSet<String> = tagged::buckets(context).await?.into_values().collect();
        names.extend(wanted.iter().map(|wanted| text(wanted.spec, "name").to_owned()));
        let spec = |name: &String| wanted.iter().find(|one| text(one.spec, "name") == name).map(|one| one.spec);
        Ok(try_join_all(names.iter().map(|name| read(context, name, spec(name))))
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        make(context, address, &spec.name).await?;
        settings::write(context, &spec, None).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        settings::write(context, &spec, Some(changed)).await?;
        Ok(outcome(context, &live.id))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        if live.is_empty {
            return contents::delete_empty_bucket(context, &live.id).await;
        }
        contents::delete_bucket(context, &live.id).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let id = id.trim_start_matches("arn:aws:s3:::");
        let Some(tags) = tags_of(context, id).await? else { return Ok(None) };
        Box::pin(read_as(context, id, &tags::claimed(context, address, id, tags)?, None)).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let mut all = tags_of(context, &outcome.id).await?.unwrap_or_default();
        all.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        // Tags of AWS itself can't be written; they stay.
        let pairs = all.iter().filter(|(key, _)| !key.starts_with("aws:"));
        let pairs: Vec<Value> = pairs.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let body = xml::document("Tagging", NAMESPACE, &json!({"TagSet": {"Tag": pairs}}));
        send(context, "PUT", &outcome.id, "tagging", body).await?;
        Ok(())
    }
}

/// A request to a setting of a bucket.
async fn send(context: &Context, method: &str, bucket: &str, setting: &str, body: String) -> Result<S3Response, Error> {
    let request = S3Request {
        method: method.parse().expect("a method"),
        bucket: bucket.to_owned(),
        query: if setting.is_empty() { Vec::new() } else { vec![(setting.to_owned(), None)] },
        body: body.into(),
        ..S3Request::default()
    };
    context.aws.s3().send(request).await
}

/// A setting's value; none if it isn't set.
async fn setting(context: &Context, bucket: &str, name: &str) -> Result<Option<Value>> {
    let Some(answer) = wait::found(send(context, "GET", bucket, name, String::new()).await)? else { return Ok(None) };
    Ok(Some(answer.xml().map_err(anyhow::Error::msg)?))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    tags::outcome(name, &[("name", name), ("arn", &arn(context, name))])
}

fn arn(context: &Context, name: &str) -> String {
    format!("arn:{}:s3:::{name}", tags::partition(&context.region))
}

/// A bucket's tags; none if there is no such bucket, or it belongs to another account.
async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    match send(context, "GET", name, "tagging", String::new()).await {
        Ok(answer) => {
            let answer = answer.xml().map_err(anyhow::Error::msg)?;
            Ok(Some(tags::of(list(&answer["TagSet"], "Tag"))))
        }
        Err(error) if error.kind == ErrorKind::NotSet => Ok(Some(Tags::new())),
        Err(error) if error.is_not_found() || error.is_denied() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn read(context: &Context, name: &str, wanted: Option<&Value>) -> Result<Option<Live>> {
    match tags_of(context, name).await? {
        Some(tags) => Box::pin(read_as(context, name, &tags, wanted)).await,
        None => Ok(None),
    }
}

/// The bucket with these tags; none if they aren't the stack's.
async fn read_as(context: &Context, name: &str, tags: &Tags, wanted: Option<&Value>) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "bucket", tags) else { return Ok(None) };
    // What the stack set once and sets no more is seen by what was applied last, and taken back.
    let applied = tags.get(tags::APPLIED).map(String::as_str);
    let looks = |index: usize| {
        let set = wanted.is_some_and(|spec| !spec[FIELDS[index].name].is_null());
        set || was_applied(FIELDS, index, &Value::Null, applied) == Some(false)
    };
    let spec = Box::pin(settings::read(context, name, looks(ACCESS_LOGS), looks(NOTIFICATIONS))).await?;
    let mut live = tags::live(address, tags, name, value(&spec), &[("name", name), ("arn", &arn(context, name))]);
    // One that an interrupted apply left half made is completed without asking anybody whether what it holds may go.
    if live.applied.is_none() {
        live.is_empty = contents::is_empty(context, name).await?;
    }
    Ok(Some(live))
}

async fn make(context: &Context, address: &Address, name: &str) -> Result<()> {
    let mut configuration = json!({});
    if context.region != "us-east-1" {
        configuration["LocationConstraint"] = json!(context.region);
    }
    configuration["Tags"] = json!({"Tag": tags::pairs(context, address)});
    let request = S3Request {
        method: "PUT".parse().expect("a method"),
        bucket: name.to_owned(),
        headers: vec![("x-amz-object-ownership".into(), "BucketOwnerEnforced".into())],
        body: xml::document("CreateBucketConfiguration", NAMESPACE, &configuration).into(),
        ..S3Request::default()
    };
    let made = context.aws.s3().send(request).await;
    let refusal = match made {
        // In us-east-1 S3 answers so for a bucket that the account has already.
        Ok(_) if context.region == "us-east-1" => None,
        Ok(_) => return Ok(()),
        Err(error) if error.kind == ErrorKind::OwnedAlready => Some(error),
        Err(error) if error.is_already_exists() => {
            bail!(
                "the bucket name {name} belongs to another account; bucket names are unique on all of AWS: choose another"
            )
        }
        Err(error) => return Err(error.into()),
    };
    let tags = tags_of(context, name).await?.unwrap_or_default();
    if tags::address(context, "bucket", &tags).as_ref() == Some(address) {
        return Ok(());
    }
    match refusal {
        Some(refusal) => Err(tags::taken(refusal, &format!("the bucket {name}"), &tags)),
        None => bail!(
            "the bucket {name} is there already and isn't this stack's; `lakewright adopt {address} {name}` takes it \
             over, another name leaves it alone"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_that_comes_or_shortens_loses_objects() {
        let bucket = |rules: Value| json!({"name": "raw", "lifecycle": rules});
        let rule = |prefix: &str, days: u32| json!({"id": "old", "prefix": prefix, "expire_days": days});
        let lost = |old: Value, new: Value| Bucket.loses(&bucket(old), &bucket(new)).len();
        assert_eq!(lost(json!([]), json!([rule("logs/", 30)])), 1, "comes");
        assert_eq!(lost(json!([rule("logs/", 30)]), json!([rule("logs/", 7)])), 1, "shortens");
        assert_eq!(lost(json!([rule("logs/", 7)]), json!([rule("logs/", 30)])), 0, "lengthens");
        assert_eq!(lost(json!([rule("logs/", 7)]), json!([rule("", 7)])), 1, "reaches further");
        assert_eq!(lost(json!([rule("", 7)]), json!([rule("logs/", 7)])), 0, "reaches less far");
        let versions = json!([{"id": "old", "expire_versions_days": 3}]);
        assert_eq!(lost(json!([]), versions), 1);
        assert_eq!(lost(json!([]), json!([{"id": "uploads", "abort_uploads_days": 3}])), 0);
    }
}
