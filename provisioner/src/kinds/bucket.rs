//! `bucket`: an S3 bucket with all its settings.

mod contents;
mod destinations;
mod lifecycle;
pub mod name;
mod ownership;
mod rights;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, Tagging};
use lakewright_aws::{ErrorKind, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::destinations::{AccessLogs, Destination, Notifications};
pub use self::lifecycle::{LifecycleRule, StorageClass, Transition};
pub use self::ownership::Ownership;
use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces, yes};
use super::tags::{self, Tags};
use super::values::{BucketName, KeyId};
use super::{policy, statement, tag_lists, tagged};
use crate::kind::applied::{self, was_applied};
use crate::kind::{
    Arn, Billing, Clash, Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Step, Wanted,
};
use crate::resource::{Action, Address};

/// A bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique on all of AWS.
    pub name: BucketName,
    /// Whether overwritten and deleted objects are kept as older versions.
    #[serde(default)]
    pub versioning: bool,
    /// The ARN of the KMS key that encrypts new objects. Without it, S3's own keys do.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// Whether everything that would make objects public is refused.
    #[serde(default = "yes")]
    pub block_public_access: bool,
    /// What expires, and when.
    #[serde(default)]
    pub lifecycle: Vec<LifecycleRule>,
    /// The bucket policy.
    #[serde(default)]
    pub policy: Option<Value>,
    /// Whose the objects are that others write.
    #[serde(default)]
    pub ownership: Ownership,
    /// Where the bucket's access logs go. Without it, logging that the stack didn't switch on is left to others, and
    /// isn't looked at.
    #[serde(default)]
    pub access_logs: Option<AccessLogs>,
    /// Who is notified of what happens in the bucket. Without it, notifications that the stack didn't set are left to
    /// others, and aren't looked at.
    #[serde(default)]
    pub notifications: Option<Notifications>,
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("versioning"),
    in_place("key"),
    in_place("block_public_access"),
    compared(in_place("lifecycle"), Comparing::AsSet),
    compared(in_place("policy"), Comparing::AsSet),
    in_place("ownership"),
    in_place(ACCESS_LOGS),
    compared(in_place(NOTIFICATIONS), Comparing::AsSet),
];
/// The fields that are looked at only where the stack sets them, or has set them: every setting is a request for every
/// bucket of every plan, and most buckets have neither.
const ACCESS_LOGS: &str = "access_logs";
const NOTIFICATIONS: &str = "notifications";
const OUTPUTS: &[&str] = &["name", "arn"];
const ACTIONS: &[&str] = &[
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketLifecycle",
    "s3:DeleteBucketPolicy",
    "s3:GetBucketEncryption",
    "s3:GetBucketLifecycleConfiguration",
    "s3:GetBucketLogging",
    "s3:GetBucketNotificationConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetPublicAccessBlock",
    "s3:ListBucket",
    "s3:ListMultipartUploads",
    "s3:ListObjectVersions",
    "s3:AbortMultipartUpload",
    "s3:DeleteObjects",
    // No operations: what `DeleteObjects` asks for with versions, and `CreateBucket` with tags.
    "s3:DeleteObjectVersion",
    "s3:TagResource",
    "s3:PutBucketEncryption",
    "s3:PutBucketLifecycleConfiguration",
    "s3:PutBucketLogging",
    "s3:PutBucketNotificationConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutPublicAccessBlock",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("bucket", "s3:::{name}"), ("content", "s3:::{name}/*")];
const FACTS: Facts = Facts {
    holds_data: true,
    expected: [Duration::from_secs(4), Duration::from_secs(2), Duration::from_secs(10)],
    identified_by: &["name"],
    tag_types: &["s3"],
    review: &["block_public_access", "policy", "ownership", "access_logs", "notifications"],
    arns: ARNS,
    rights: rights::RIGHTS,
    billing: Billing::ByUse("the bytes stored, older versions among them, and requests"),
    ..Facts::of("bucket", "an S3 bucket with all its settings", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Bucket;

#[async_trait]
impl Kind for Bucket {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if let Some(mistake) = name::mistake(&spec.name).filter(|_| !spec.name.contains("${")) {
            bail!("a bucket can't be named `{}`: {mistake}", spec.name);
        }
        spec.lifecycle.iter().try_for_each(LifecycleRule::check)?;
        let same = |one: &LifecycleRule, other: &LifecycleRule| one.id == other.id;
        Clash::within("lifecycle", &spec.lifecycle, same, "have one id, by which S3 distinguishes rules")?;
        spec.policy = spec.policy.take().map(|policy| policy::arranged("policy", policy)).transpose()?;
        // None at all is what a bucket has that nobody set any for.
        spec.notifications = spec.notifications.take().filter(|set| *set != Notifications::default());
        if spec.access_logs.as_ref().is_some_and(|logs| spec.name == *logs.bucket) {
            bail!("the access logs of {0} can't go to {0}: each would be logged again", spec.name);
        }
        spec.notifications.as_ref().map_or(Ok(()), Notifications::check)
    }

    fn loses(&self, live: &Spec, spec: &Spec) -> Vec<String> {
        spec.lifecycle.iter().flat_map(|rule| rule.loses(&live.lifecycle, &spec.name)).collect()
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let mut said = Vec::new();
        if step.updates("key") {
            said.push(
                "objects that are there keep the key that they were written with: `former_keys` of the bucket's section lets \
                 readers use it"
                    .to_owned(),
            );
        }
        if step.action == Action::Create || step.changed.contains(&"lifecycle") {
            let rules = step.spec.into_iter().flat_map(|spec| &spec.lifecycle);
            let classes: BTreeSet<StorageClass> = rules.flat_map(LifecycleRule::restored_from).collect();
            let sentence = |class| format!("objects that move to {class} must be restored before anybody reads them");
            said.extend(classes.iter().map(sentence));
        }
        said
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        spec.policy.iter().flat_map(|policy| statement::grants(policy, "it")).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "s3").await?.into_iter().collect();
        let claimed = tagged::claimed_buckets(context).await?;
        let mut names: BTreeSet<String> = claimed.into_iter().map(|(_, name, _)| name).collect();
        names.extend(wanted.iter().map(|wanted| wanted.spec.name.to_string()));
        let reads = names.iter().map(|name| {
            let spec = wanted.iter().find(|one| one.spec.name == **name).map(|one| one.spec);
            let tags = tagged.get(&arn(context, name));
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name == **name);
            One { address, id: name.clone(), read: read(context, name, spec, tags) }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        make(context, address, &spec.name).await?;
        settings::write(context, spec, None).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        settings::write(context, spec, Some(changed)).await?;
        Ok(outcome(context, &live.id))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        if live.is_empty {
            return contents::delete_empty_bucket(context, &live.id).await;
        }
        contents::delete_bucket(context, &live.id).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        // A name, or an ARN of any partition.
        let id = id.rsplit_once(":::").map_or(id, |(_, name)| name);
        let Some(tags) = tags_of(context, id).await? else { return Ok(None) };
        Box::pin(read_as(context, id, &tags::claimed(context, address, id, tags)?, None)).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        write_tags(context, &outcome.id, |all| {
            all.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        })
        .await
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        write_tags(context, &outcome.id, |all| all.retain(|key, _| !keys.contains(&key.as_str()))).await
    }
}

fn outcome(context: &Context, name: &str) -> Outcome {
    tags::outcome(name, &[("name", name), ("arn", &arn(context, name))])
}

fn arn(context: &Context, name: &str) -> String {
    context.site().unowned("s3", name)
}

/// Changes a bucket's tags, which S3 takes as a whole.
async fn write_tags(context: &Context, name: &str, change: impl FnOnce(&mut Tags)) -> Result<()> {
    let mut all = tags_of(context, name).await?.unwrap_or_default();
    change(&mut all);
    // Tags of AWS itself can't be written; they stay.
    all.retain(|key, _| !key.starts_with("aws:"));
    let tagging = Tagging::builder().set_tag_set(Some(tag_lists::listed(&all))).build().expect("tags are given");
    ask(context.aws.s3_client().put_bucket_tagging().bucket(name).tagging(tagging).send()).await?;
    Ok(())
}

/// A bucket's tags; none if there is no such bucket.
async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    match ask(context.aws.s3_client().get_bucket_tagging().bucket(name).send()).await {
        Ok(answer) => Ok(Some(tag_lists::read(answer.tag_set()))),
        Err(error) if error.kind == ErrorKind::NotSet => Ok(Some(Tags::new())),
        Err(error) if error.is_not_found() => Ok(None),
        // S3 answers so for one of another account too.
        Err(error) if error.is_denied() => Err(anyhow::Error::new(error).context(format!(
            "S3 doesn't say whose the bucket {name} is: the credentials may not read its tags, or it belongs to another \
             account, and then only another name helps"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// The bucket of that name; `tagged` are the tags that the tagging API returns, if it does.
async fn read(
    context: &Context,
    name: &str,
    wanted: Option<&Spec>,
    tagged: Option<&Tags>,
) -> Result<Option<Found<Spec>>> {
    if let Some(tags) = tagged {
        // It lists a bucket for a while after it is gone: what can't be read is asked for its own tags first.
        let read = Box::pin(read_as(context, name, tags, wanted)).await;
        if read.is_ok() {
            return read;
        }
    }
    match tags_of(context, name).await? {
        Some(tags) => Box::pin(read_as(context, name, &tags, wanted)).await,
        None => Ok(None),
    }
}

/// The bucket with these tags; none if they aren't the stack's.
async fn read_as(context: &Context, name: &str, tags: &Tags, wanted: Option<&Spec>) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "bucket", tags) else { return Ok(None) };
    // What the stack set once and sets no more is seen by what was applied last, and taken back.
    let applied = applied::read(tags);
    let applied = applied.as_deref();
    let was_set = |name: &str| {
        let field = FIELDS.iter().find(|field| field.name == name);
        field.is_some_and(|field| was_applied(&FACTS, field, &Value::Null, applied) == Some(false))
    };
    let logs = wanted.is_some_and(|spec| spec.access_logs.is_some()) || was_set(ACCESS_LOGS);
    let notifications = wanted.is_some_and(|spec| spec.notifications.is_some()) || was_set(NOTIFICATIONS);
    let (spec, departures) = Box::pin(settings::read(context, name, logs, notifications)).await?;
    let mut found = tags::found(address, tags, name, spec, &[("name", name), ("arn", &arn(context, name))]);
    found.departures = departures;
    // One that an interrupted apply left half made is completed without asking anybody whether what it holds may go.
    if found.applied.is_none() {
        found.is_empty = contents::is_empty(context, name).await?;
    }
    Ok(Some(found))
}

async fn make(context: &Context, address: &Address, name: &str) -> Result<()> {
    let elsewhere = context.region != "us-east-1";
    let configuration = CreateBucketConfiguration::builder()
        .set_location_constraint(elsewhere.then(|| BucketLocationConstraint::from(context.region.as_str())))
        .set_tags(Some(tag_lists::owned(context, address)))
        .build();
    let call = context.aws.s3_client().create_bucket().bucket(name).create_bucket_configuration(configuration);
    let made = ask(call.object_ownership(ObjectOwnership::BucketOwnerEnforced).send()).await;
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
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expiry_that_comes_or_shortens_loses_objects() {
        let bucket = |rules: Value| {
            serde_json::from_value::<Spec>(json!({"name": "raw", "lifecycle": rules})).expect("a bucket")
        };
        let rule = |prefix: &str, days: u32| json!({"id": "old", "prefix": prefix, "expire_days": days});
        let lost = |old: Value, new: Value| Bucket.loses(&bucket(old), &bucket(new)).len();
        assert_eq!(lost(json!([]), json!([rule("logs/", 30)])), 1, "comes");
        assert_eq!(lost(json!([rule("logs/", 30)]), json!([rule("logs/", 7)])), 1, "shortens");
        assert_eq!(lost(json!([rule("logs/", 7)]), json!([rule("logs/", 30)])), 0, "lengthens");
        assert_eq!(lost(json!([rule("logs/", 7)]), json!([rule("", 7)])), 1, "reaches further");
        assert_eq!(lost(json!([rule("", 7)]), json!([rule("logs/", 7)])), 0, "reaches less far");
        let versions = json!([{"id": "old", "expire_versions_days": 3}]);
        assert_eq!(lost(json!([]), versions.clone()), 1);
        let keeping = |keep: u32| json!([{"id": "old", "expire_versions_days": 3, "keep_versions": keep}]);
        assert_eq!(lost(keeping(5), keeping(2)), 1, "keeps fewer");
        assert_eq!(lost(keeping(2), versions.clone()), 1, "keeps none");
        assert_eq!(lost(versions.clone(), keeping(2)), 0, "keeps more");
        assert_eq!(lost(json!([]), json!([{"id": "uploads", "abort_uploads_days": 3}])), 0);
    }
}
