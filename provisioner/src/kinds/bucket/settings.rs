//! The settings of a bucket, read and written.

use std::time::Duration;

use anyhow::Result;
use lakewright_aws::{list, text, xml};
use serde_json::{Value, json};

use super::destinations::{AccessLogs, Notifications, telling, told};
use super::{LifecycleRule, NAMESPACE, Spec, send, setting};
use crate::kind::Context;
use crate::kinds::wire::{flag, number, some_text};
use crate::kinds::{policy, wait};

/// How long a principal that was made may stay unknown to S3.
const KNOWN: Duration = Duration::from_secs(60);

const BLOCKS: [&str; 4] = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];

/// The settings of a bucket that lives; access logs and notifications only if somebody asks for them.
pub(super) async fn read(context: &Context, name: &str, logs: bool, notifications: bool) -> Result<Spec> {
    let asked = async |wanted: bool, setting_name: &str| {
        if wanted { setting(context, name, setting_name).await } else { Ok(None) }
    };
    let (versioning, encryption, block, lifecycle, policy, ownership, logs, notifications) = futures::try_join!(
        setting(context, name, "versioning"),
        setting(context, name, "encryption"),
        setting(context, name, "publicAccessBlock"),
        setting(context, name, "lifecycle"),
        read_policy(context, name),
        setting(context, name, "ownershipControls"),
        asked(logs, "logging"),
        asked(notifications, "notification"),
    )?;
    let ownership = ownership.unwrap_or_default();
    let encryption = encryption.unwrap_or_default();
    let default = &encryption["Rule"]["ApplyServerSideEncryptionByDefault"];
    let block = block.unwrap_or_default();
    Ok(Spec {
        name: name.to_owned(),
        versioning: versioning.is_some_and(|versioning| text(&versioning, "Status") == "Enabled"),
        key: match text(default, "SSEAlgorithm") {
            "AES256" | "" => None,
            other => some_text(default, "KMSMasterKeyID").or_else(|| Some(other.to_owned())),
        },
        block_public_access: BLOCKS.iter().all(|name| flag(&block, name)),
        lifecycle: lifecycle.map(|rules| list(&rules, "Rule").iter().map(rule).collect()).unwrap_or_default(),
        policy,
        // A bucket without controls is one from before there were any: whoever writes an object owns it.
        ownership: some_text(&ownership["Rule"], "ObjectOwnership").unwrap_or_else(|| "ObjectWriter".to_owned()),
        access_logs: logs.and_then(|logs| {
            let enabled = &logs["LoggingEnabled"];
            let bucket = some_text(enabled, "TargetBucket")?;
            Some(AccessLogs { bucket, prefix: text(enabled, "TargetPrefix").to_owned() })
        }),
        notifications: notifications.map(|set| told(&set)).filter(|set| *set != Notifications::default()),
    })
}

async fn read_policy(context: &Context, name: &str) -> Result<Option<Value>> {
    let answer = wait::found(send(context, "GET", name, "policy", String::new()).await)?;
    let Some(answer) = answer.filter(|answer| !answer.body.is_empty()) else { return Ok(None) };
    policy::parse(&String::from_utf8_lossy(&answer.body)).map(Some)
}

fn rule(rule: &Value) -> LifecycleRule {
    let days = |value: &Value, name: &str| Some(number(value, name)).filter(|days| *days > 0);
    let known = [
        "ID",
        "Status",
        "Filter",
        "Prefix",
        "Expiration",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    ];
    let strange = rule.as_object().is_some_and(|rule| rule.keys().any(|name| !known.contains(&name.as_str())));
    // A rule that a spec can't say must differ from every spec.
    let mark = if strange || text(rule, "Status") != "Enabled" { " (changed outside)" } else { "" };
    LifecycleRule {
        id: format!("{}{mark}", text(rule, "ID")),
        prefix: some_text(&rule["Filter"], "Prefix").or_else(|| some_text(rule, "Prefix")).unwrap_or_default(),
        expire_days: days(&rule["Expiration"], "Days"),
        expire_versions_days: days(&rule["NoncurrentVersionExpiration"], "NoncurrentDays"),
        abort_uploads_days: days(&rule["AbortIncompleteMultipartUpload"], "DaysAfterInitiation"),
    }
}

/// Writes the changed settings; all that differ from a new bucket's if `changed` is none.
pub(super) async fn write(context: &Context, spec: &Spec, changed: Option<&[String]>) -> Result<()> {
    let bucket = &spec.name;
    let is_due = |field: &str, set: bool| changed.map_or(set, |changed| changed.iter().any(|name| name == field));
    let put = async |name: &str, root: &str, body: Value| {
        send(context, "PUT", bucket, name, xml::document(root, NAMESPACE, &body)).await
    };
    if is_due("versioning", spec.versioning) {
        let status = if spec.versioning { "Enabled" } else { "Suspended" };
        put("versioning", "VersioningConfiguration", json!({"Status": status})).await?;
    }
    if is_due("key", spec.key.is_some()) {
        let rule = match &spec.key {
            Some(key) => json!({
                "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
                "BucketKeyEnabled": true,
            }),
            None => json!({"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}),
        };
        put("encryption", "ServerSideEncryptionConfiguration", json!({"Rule": rule})).await?;
    }
    if is_due("block_public_access", true) {
        let blocks: Value = BLOCKS.iter().map(|name| ((*name).to_owned(), json!(spec.block_public_access))).collect();
        put("publicAccessBlock", "PublicAccessBlockConfiguration", blocks).await?;
    }
    if is_due("lifecycle", !spec.lifecycle.is_empty()) {
        if spec.lifecycle.is_empty() {
            wait::found(send(context, "DELETE", bucket, "lifecycle", String::new()).await)?;
        } else {
            let rules: Vec<Value> = spec.lifecycle.iter().map(rule_body).collect();
            put("lifecycle", "LifecycleConfiguration", json!({"Rule": rules})).await?;
        }
    }
    // The call that makes a bucket says who owns what is written into it.
    if is_due("ownership", spec.ownership != super::enforced()) {
        put("ownershipControls", "OwnershipControls", json!({"Rule": {"ObjectOwnership": spec.ownership}})).await?;
    }
    if is_due("access_logs", spec.access_logs.is_some()) {
        let body = match &spec.access_logs {
            Some(logs) => json!({"LoggingEnabled": {"TargetBucket": logs.bucket, "TargetPrefix": logs.prefix}}),
            None => json!({}),
        };
        put("logging", "BucketLoggingStatus", body).await?;
    }
    if is_due("notifications", spec.notifications.is_some()) {
        let body = telling(&spec.notifications.clone().unwrap_or_default());
        // A permission that a function was just given may be unknown to S3.
        wait::while_refused(context, KNOWN, wait::not_yet, || {
            put("notification", "NotificationConfiguration", body.clone())
        })
        .await?;
    }
    if is_due("policy", spec.policy.is_some()) {
        match &spec.policy {
            None => {
                wait::found(send(context, "DELETE", bucket, "policy", String::new()).await)?;
            }
            Some(policy) => {
                wait::while_refused(context, KNOWN, wait::not_yet, || {
                    send(context, "PUT", bucket, "policy", policy.to_string())
                })
                .await?;
            }
        }
    }
    Ok(())
}

fn rule_body(rule: &LifecycleRule) -> Value {
    let mut body = json!({"ID": rule.id, "Filter": {"Prefix": rule.prefix}, "Status": "Enabled"});
    if let Some(days) = rule.expire_days {
        body["Expiration"] = json!({"Days": days});
    }
    if let Some(days) = rule.expire_versions_days {
        body["NoncurrentVersionExpiration"] = json!({"NoncurrentDays": days});
    }
    if let Some(days) = rule.abort_uploads_days {
        body["AbortIncompleteMultipartUpload"] = json!({"DaysAfterInitiation": days});
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_round_trip() {
        let spec = LifecycleRule {
            id: "age".into(),
            prefix: "raw/".into(),
            expire_days: Some(30),
            expire_versions_days: None,
            abort_uploads_days: Some(7),
        };
        let document = xml::document("LifecycleConfiguration", NAMESPACE, &json!({"Rule": [rule_body(&spec)]}));
        let (_, back) = xml::parse(document.as_bytes()).expect("well formed");
        assert_eq!(list(&back, "Rule").iter().map(rule).collect::<Vec<_>>(), std::slice::from_ref(&spec));
        let mut transition = rule_body(&spec);
        transition["Transition"] = json!({"Days": 3, "StorageClass": "GLACIER"});
        assert_ne!(rule(&transition), spec);
    }
}
