//! The settings of a bucket, read and written.

use std::time::Duration;

use anyhow::Result;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLoggingStatus, BucketVersioningStatus, LoggingEnabled, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};
use lakewright_aws::{Needed as _, ask};
use serde_json::Value;

use super::destinations::{AccessLogs, Notifications, telling, told};
use super::lifecycle::{self, LifecycleRule};
use super::{Ownership, Spec};
use crate::kind::{Context, Departure};
use crate::kinds::values::KeyId;
use crate::kinds::{policy, wait};

/// How long a principal that was made may stay unknown to S3.
const KNOWN: Duration = Duration::from_secs(60);

/// The settings of a bucket that exists, and what no spec says of them; access logs and notifications only if somebody
/// asks for them.
pub(super) async fn read(
    context: &Context,
    name: &str,
    logs: bool,
    notifications: bool,
) -> Result<(Spec, Vec<Departure>)> {
    let s3 = &context.aws.s3_client();
    let logs = async { if logs { access_logs(s3, name).await } else { Ok((None, Vec::new())) } };
    let notifications = async { if notifications { notified(s3, name).await } else { Ok(None) } };
    let (versioning, key, block_public_access, lifecycle, policy, ownership, access_logs, notifications) = futures::try_join!(
        versioning(s3, name),
        key(s3, name),
        block_public_access(s3, name),
        rules(s3, name),
        bucket_policy(s3, name),
        ownership(s3, name),
        logs,
        notifications,
    )?;
    let ((key, of_key), (block_public_access, of_block), (access_logs, of_logs)) =
        (key, block_public_access, access_logs);
    let departures = [of_key, of_block, of_logs].into_iter().flatten().collect();
    let spec = Spec {
        name: name.into(),
        versioning,
        key,
        block_public_access,
        lifecycle,
        policy,
        ownership,
        access_logs,
        notifications,
    };
    Ok((spec, departures))
}

async fn versioning(s3: &Client, bucket: &str) -> Result<bool> {
    // Every bucket has this setting: what isn't found is the bucket.
    let answer = ask(s3.get_bucket_versioning().bucket(bucket).send()).await?;
    // A bucket that never had versions has no status.
    Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
}

/// A setting, and what of it no spec says.
type Setting<T> = Result<(T, Vec<Departure>)>;

async fn key(s3: &Client, bucket: &str) -> Setting<Option<KeyId>> {
    let answer = wait::found(ask(s3.get_bucket_encryption().bucket(bucket).send()).await)?;
    let Some(answer) = answer else { return Ok((None, Vec::new())) };
    let configuration = answer.server_side_encryption_configuration();
    let configuration = configuration.needed("s3", "GetBucketEncryption.ServerSideEncryptionConfiguration")?;
    // A rule may stand for other things than the default.
    let mut rules = configuration.rules().iter();
    let rule = rules.find_map(|rule| Some((rule, rule.apply_server_side_encryption_by_default()?)));
    let Some((rule, default)) = rule.filter(|(_, default)| *default.sse_algorithm() != ServerSideEncryption::Aes256)
    else {
        return Ok((None, Vec::new()));
    };
    let algorithm = default.sse_algorithm().as_str();
    let departures = [
        Departure::of("key.algorithm", algorithm, ServerSideEncryption::AwsKms.as_str()),
        Departure::of("key.bucket_key", rule.bucket_key_enabled().unwrap_or_default(), true),
    ];
    // Without a key, it is the one of AWS that the account has for the service.
    let key = default.kms_master_key_id().unwrap_or(algorithm);
    Ok((Some(key.into()), departures.into_iter().flatten().collect()))
}

async fn block_public_access(s3: &Client, bucket: &str) -> Setting<bool> {
    let answer = wait::found(ask(s3.get_public_access_block().bucket(bucket).send()).await)?;
    let block = answer.and_then(|answer| answer.public_access_block_configuration);
    let Some(block) = block else { return Ok((false, Vec::new())) };
    // What the configuration leaves out is off.
    let parts = [
        ("block_public_acls", block.block_public_acls()),
        ("ignore_public_acls", block.ignore_public_acls()),
        ("block_public_policy", block.block_public_policy()),
        ("restrict_public_buckets", block.restrict_public_buckets()),
    ]
    .map(|(name, part)| (name, part.unwrap_or_default()));
    if parts.iter().all(|(_, part)| *part) {
        return Ok((true, Vec::new()));
    }
    // A part alone is neither on nor off. Where the file wants all of them on, it is no departure.
    let departs =
        |(name, part)| Departure::of(format!("block_public_access.{name}"), part, false).map(Departure::following);
    Ok((false, parts.into_iter().filter_map(departs).collect()))
}

async fn rules(s3: &Client, bucket: &str) -> Result<Vec<LifecycleRule>> {
    let answer = wait::found(ask(s3.get_bucket_lifecycle_configuration().bucket(bucket).send()).await)?;
    let rules = answer.and_then(|answer| answer.rules).unwrap_or_default();
    rules.iter().map(lifecycle::read).collect()
}

async fn bucket_policy(s3: &Client, bucket: &str) -> Result<Option<Value>> {
    let answer = wait::found(ask(s3.get_bucket_policy().bucket(bucket).send()).await)?;
    let document = answer.and_then(|answer| answer.policy).filter(|policy| !policy.is_empty());
    document.map(|document| policy::parse(&document)).transpose()
}

async fn ownership(s3: &Client, bucket: &str) -> Result<Ownership> {
    let answer = wait::found(ask(s3.get_bucket_ownership_controls().bucket(bucket).send()).await)?;
    let controls = answer.and_then(|answer| answer.ownership_controls);
    let ownership =
        controls.as_ref().and_then(|controls| controls.rules().first()).map(OwnershipControlsRule::object_ownership);
    // A bucket without controls is one from before there were any: whoever writes an object owns it.
    Ok(ownership.unwrap_or(&ObjectOwnership::ObjectWriter).into())
}

async fn access_logs(s3: &Client, bucket: &str) -> Setting<Option<AccessLogs>> {
    let answer = wait::found(ask(s3.get_bucket_logging().bucket(bucket).send()).await)?;
    let Some(enabled) = answer.and_then(|answer| answer.logging_enabled) else { return Ok((None, Vec::new())) };
    let target = enabled.target_bucket().needed("s3", "LoggingEnabled.TargetBucket")?;
    let by_date = enabled.target_object_key_format().is_some_and(|format| format.partitioned_prefix().is_some());
    let departures = [
        Departure::of("access_logs.keys_by_date", by_date, false),
        Departure::of("access_logs.grants", enabled.target_grants().len(), 0),
    ];
    let logs = AccessLogs { bucket: target.to_owned(), prefix: enabled.target_prefix().to_owned() };
    Ok((Some(logs), departures.into_iter().flatten().collect()))
}

async fn notified(s3: &Client, bucket: &str) -> Result<Option<Notifications>> {
    let answer = wait::found(ask(s3.get_bucket_notification_configuration().bucket(bucket).send()).await)?;
    let set = answer.map(|answer| told(&answer)).transpose()?;
    Ok(set.filter(|set| *set != Notifications::default()))
}

/// Writes the changed settings; all that differ from a new bucket's if `changed` is none.
pub(super) async fn write(context: &Context, spec: &Spec, changed: Option<&[String]>) -> Result<()> {
    let s3 = &context.aws.s3_client();
    let is_due = |field: &str, set: bool| changed.map_or(set, |changed| changed.iter().any(|name| name == field));
    if is_due("versioning", spec.versioning) {
        set_versioning(s3, spec).await?;
    }
    if is_due("key", spec.key.is_some()) {
        set_key(s3, spec).await?;
    }
    if is_due("block_public_access", true) {
        set_block_public_access(s3, spec).await?;
    }
    if is_due("lifecycle", !spec.lifecycle.is_empty()) {
        set_rules(s3, spec).await?;
    }
    // The call that makes a bucket says who owns what is written into it.
    if is_due("ownership", spec.ownership != Ownership::default()) {
        set_ownership(s3, spec).await?;
    }
    if is_due("access_logs", spec.access_logs.is_some()) {
        set_access_logs(s3, spec).await?;
    }
    if is_due("notifications", spec.notifications.is_some()) {
        set_notifications(context, s3, spec).await?;
    }
    if is_due("policy", spec.policy.is_some()) {
        set_policy(context, s3, spec).await?;
    }
    Ok(())
}

async fn set_versioning(s3: &Client, spec: &Spec) -> Result<()> {
    let status = if spec.versioning { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
    let versioning = VersioningConfiguration::builder().status(status).build();
    ask(s3.put_bucket_versioning().bucket(spec.name.as_str()).versioning_configuration(versioning).send()).await?;
    Ok(())
}

async fn set_key(s3: &Client, spec: &Spec) -> Result<()> {
    let algorithm = if spec.key.is_some() { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
    let default = ServerSideEncryptionByDefault::builder().sse_algorithm(algorithm);
    let default = default.set_kms_master_key_id(spec.key.clone().map(Into::into));
    let default = default.build().expect("the algorithm is given");
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
    let rule = rule.set_bucket_key_enabled(spec.key.is_some().then_some(true));
    // S3 takes the rule whole: what no spec says stays as somebody made it.
    let live = wait::found(ask(s3.get_bucket_encryption().bucket(spec.name.as_str()).send()).await)?;
    let live = live.and_then(|answer| answer.server_side_encryption_configuration);
    let blocked = live.and_then(|live| live.rules.into_iter().find_map(|rule| rule.blocked_encryption_types));
    let rule = rule.set_blocked_encryption_types(blocked).build();
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("a rule is given");
    let call = s3.put_bucket_encryption().bucket(spec.name.as_str());
    ask(call.server_side_encryption_configuration(encryption).send()).await?;
    Ok(())
}

async fn set_block_public_access(s3: &Client, spec: &Spec) -> Result<()> {
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(spec.block_public_access)
        .ignore_public_acls(spec.block_public_access)
        .block_public_policy(spec.block_public_access)
        .restrict_public_buckets(spec.block_public_access)
        .build();
    ask(s3.put_public_access_block().bucket(spec.name.as_str()).public_access_block_configuration(block).send())
        .await?;
    Ok(())
}

async fn set_rules(s3: &Client, spec: &Spec) -> Result<()> {
    if spec.lifecycle.is_empty() {
        wait::found(ask(s3.delete_bucket_lifecycle().bucket(spec.name.as_str()).send()).await)?;
        return Ok(());
    }
    let rules = spec.lifecycle.iter().map(lifecycle::written).collect::<Result<_>>()?;
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().expect("rules are given");
    // S3 takes the configuration whole: what no spec says stays as somebody made it.
    let live = wait::found(ask(s3.get_bucket_lifecycle_configuration().bucket(spec.name.as_str()).send()).await)?;
    let smallest = live.and_then(|answer| answer.transition_default_minimum_object_size);
    let call = s3.put_bucket_lifecycle_configuration().bucket(spec.name.as_str());
    let call = call.set_transition_default_minimum_object_size(smallest);
    ask(call.lifecycle_configuration(rules).send()).await?;
    Ok(())
}

async fn set_ownership(s3: &Client, spec: &Spec) -> Result<()> {
    let rule = OwnershipControlsRule::builder().object_ownership((&spec.ownership).into());
    let rule = rule.build().expect("the ownership is given");
    let controls = OwnershipControls::builder().rules(rule).build().expect("a rule is given");
    ask(s3.put_bucket_ownership_controls().bucket(spec.name.as_str()).ownership_controls(controls).send()).await?;
    Ok(())
}

async fn set_access_logs(s3: &Client, spec: &Spec) -> Result<()> {
    let enabled = spec.access_logs.as_ref().map(|logs| {
        let enabled = LoggingEnabled::builder().target_bucket(&logs.bucket).target_prefix(&logs.prefix);
        enabled.build().expect("bucket and prefix are given")
    });
    let status = BucketLoggingStatus::builder().set_logging_enabled(enabled).build();
    ask(s3.put_bucket_logging().bucket(spec.name.as_str()).bucket_logging_status(status).send()).await?;
    Ok(())
}

async fn set_notifications(context: &Context, s3: &Client, spec: &Spec) -> Result<()> {
    let set = telling(&spec.notifications.clone().unwrap_or_default())?;
    let call = s3.put_bucket_notification_configuration().bucket(spec.name.as_str()).notification_configuration(set);
    // A permission that a function was just given may be unknown to S3.
    wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
    Ok(())
}

async fn set_policy(context: &Context, s3: &Client, spec: &Spec) -> Result<()> {
    match &spec.policy {
        None => {
            wait::found(ask(s3.delete_bucket_policy().bucket(spec.name.as_str()).send()).await)?;
        }
        Some(policy) => {
            let call = s3.put_bucket_policy().bucket(spec.name.as_str()).policy(policy.to_string());
            wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
        }
    }
    Ok(())
}
