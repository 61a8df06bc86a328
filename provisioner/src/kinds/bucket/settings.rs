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
use super::{Spec, enforced};
use crate::kind::Context;
use crate::kinds::{policy, wait};

/// How long a principal that was made may stay unknown to S3.
const KNOWN: Duration = Duration::from_secs(60);

/// The settings of a bucket that lives; access logs and notifications only if somebody asks for them.
pub(super) async fn read(context: &Context, name: &str, logs: bool, notifications: bool) -> Result<Spec> {
    let s3 = &context.aws.s3_client();
    let logs = async { if logs { access_logs(s3, name).await } else { Ok(None) } };
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
    Ok(Spec {
        name: name.to_owned(),
        versioning,
        key,
        block_public_access,
        lifecycle,
        policy,
        ownership,
        access_logs,
        notifications,
    })
}

async fn versioning(s3: &Client, bucket: &str) -> Result<bool> {
    // Every bucket has this setting: what isn't found is the bucket.
    let answer = ask(s3.get_bucket_versioning().bucket(bucket).send()).await?;
    // A bucket that never had versions has no status.
    Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
}

async fn key(s3: &Client, bucket: &str) -> Result<Option<String>> {
    let answer = wait::found(ask(s3.get_bucket_encryption().bucket(bucket).send()).await)?;
    let Some(answer) = answer else { return Ok(None) };
    let configuration = answer.server_side_encryption_configuration();
    let configuration = configuration.needed("s3", "GetBucketEncryption.ServerSideEncryptionConfiguration")?;
    // A rule may stand for other things than the default.
    let Some(default) = configuration.rules().iter().find_map(|rule| rule.apply_server_side_encryption_by_default())
    else {
        return Ok(None);
    };
    Ok(match default.sse_algorithm() {
        ServerSideEncryption::Aes256 => None,
        // Without a key, it is the one of AWS that the account has for the service.
        other => Some(default.kms_master_key_id().unwrap_or(other.as_str()).to_owned()),
    })
}

async fn block_public_access(s3: &Client, bucket: &str) -> Result<bool> {
    let answer = wait::found(ask(s3.get_public_access_block().bucket(bucket).send()).await)?;
    let block = answer.and_then(|answer| answer.public_access_block_configuration);
    // What the configuration leaves out is off.
    let parts = block.map(|block| {
        [
            block.block_public_acls(),
            block.ignore_public_acls(),
            block.block_public_policy(),
            block.restrict_public_buckets(),
        ]
    });
    Ok(parts.is_some_and(|parts| parts.iter().all(|part| *part == Some(true))))
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

async fn ownership(s3: &Client, bucket: &str) -> Result<String> {
    let answer = wait::found(ask(s3.get_bucket_ownership_controls().bucket(bucket).send()).await)?;
    let controls = answer.and_then(|answer| answer.ownership_controls);
    let ownership =
        controls.as_ref().and_then(|controls| controls.rules().first()).map(OwnershipControlsRule::object_ownership);
    // A bucket without controls is one from before there were any: whoever writes an object owns it.
    Ok(ownership.unwrap_or(&ObjectOwnership::ObjectWriter).as_str().to_owned())
}

async fn access_logs(s3: &Client, bucket: &str) -> Result<Option<AccessLogs>> {
    let answer = wait::found(ask(s3.get_bucket_logging().bucket(bucket).send()).await)?;
    let Some(enabled) = answer.and_then(|answer| answer.logging_enabled) else { return Ok(None) };
    let target = enabled.target_bucket().needed("s3", "LoggingEnabled.TargetBucket")?;
    Ok(Some(AccessLogs { bucket: target.to_owned(), prefix: enabled.target_prefix().to_owned() }))
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
    if is_due("ownership", spec.ownership != enforced()) {
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
    ask(s3.put_bucket_versioning().bucket(&spec.name).versioning_configuration(versioning).send()).await?;
    Ok(())
}

async fn set_key(s3: &Client, spec: &Spec) -> Result<()> {
    let algorithm = if spec.key.is_some() { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
    let default = ServerSideEncryptionByDefault::builder().sse_algorithm(algorithm);
    let default = default.set_kms_master_key_id(spec.key.clone()).build().expect("the algorithm is given");
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
    let rule = rule.set_bucket_key_enabled(spec.key.is_some().then_some(true)).build();
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("a rule is given");
    let call = s3.put_bucket_encryption().bucket(&spec.name);
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
    ask(s3.put_public_access_block().bucket(&spec.name).public_access_block_configuration(block).send()).await?;
    Ok(())
}

async fn set_rules(s3: &Client, spec: &Spec) -> Result<()> {
    if spec.lifecycle.is_empty() {
        wait::found(ask(s3.delete_bucket_lifecycle().bucket(&spec.name).send()).await)?;
        return Ok(());
    }
    let rules = spec.lifecycle.iter().map(lifecycle::written).collect::<Result<_>>()?;
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().expect("rules are given");
    ask(s3.put_bucket_lifecycle_configuration().bucket(&spec.name).lifecycle_configuration(rules).send()).await?;
    Ok(())
}

async fn set_ownership(s3: &Client, spec: &Spec) -> Result<()> {
    let ownership = ObjectOwnership::from(spec.ownership.as_str());
    let rule = OwnershipControlsRule::builder().object_ownership(ownership).build().expect("the ownership is given");
    let controls = OwnershipControls::builder().rules(rule).build().expect("a rule is given");
    ask(s3.put_bucket_ownership_controls().bucket(&spec.name).ownership_controls(controls).send()).await?;
    Ok(())
}

async fn set_access_logs(s3: &Client, spec: &Spec) -> Result<()> {
    let enabled = spec.access_logs.as_ref().map(|logs| {
        let enabled = LoggingEnabled::builder().target_bucket(&logs.bucket).target_prefix(&logs.prefix);
        enabled.build().expect("bucket and prefix are given")
    });
    let status = BucketLoggingStatus::builder().set_logging_enabled(enabled).build();
    ask(s3.put_bucket_logging().bucket(&spec.name).bucket_logging_status(status).send()).await?;
    Ok(())
}

async fn set_notifications(context: &Context, s3: &Client, spec: &Spec) -> Result<()> {
    let set = telling(&spec.notifications.clone().unwrap_or_default())?;
    let call = s3.put_bucket_notification_configuration().bucket(&spec.name).notification_configuration(set);
    // A permission that a function was just given may be unknown to S3.
    wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
    Ok(())
}

async fn set_policy(context: &Context, s3: &Client, spec: &Spec) -> Result<()> {
    match &spec.policy {
        None => {
            wait::found(ask(s3.delete_bucket_policy().bucket(&spec.name).send()).await)?;
        }
        Some(policy) => {
            let call = s3.put_bucket_policy().bucket(&spec.name).policy(policy.to_string());
            wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
        }
    }
    Ok(())
}
