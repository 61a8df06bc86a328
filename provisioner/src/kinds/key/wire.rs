//! What KMS says of a key, and the parts of it that have calls of their own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use serde_json::{Value, json};

use crate::kind::Context;
use crate::kinds::tags::Tags;
use crate::kinds::{policy, tag_lists, wait};
use crate::services::Services as _;

/// How long a key may take to be usable again.
const ENABLED: Duration = Duration::from_mins(2);

/// An alias as KMS writes it.
pub(super) fn alias(name: &str) -> String {
    format!("alias/{name}")
}

/// The policy that KMS gives to a key made without one.
pub(super) fn default_policy(context: &Context) -> Value {
    let root = context.site().global("iam", "root");
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": root},
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
}

pub(super) async fn describe(context: &Context, key: &str) -> Result<Option<KeyMetadata>> {
    let answer = wait::found(ask(context.aws.kms().describe_key().key_id(key).send()).await)?;
    Ok(answer.map(|answer| answer.key_metadata.needed("kms", "DescribeKey.KeyMetadata")).transpose()?)
}

pub(super) fn arn(key: &KeyMetadata) -> Result<&str, Error> {
    key.arn().needed("kms", "KeyMetadata.Arn")
}

pub(super) fn state(key: &KeyMetadata) -> Result<&KeyState, Error> {
    key.key_state().needed("kms", "KeyMetadata.KeyState")
}

/// Whether a key waits for its end.
pub(super) fn waits(key: &KeyMetadata) -> Result<bool, Error> {
    Ok(matches!(state(key)?, KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

/// Makes a key usable again that somebody disabled or gave up.
pub(super) async fn enable(context: &Context, key: &str) -> Result<()> {
    let kms = context.aws.kms();
    let probe = async || {
        let found = describe(context, key).await?.with_context(|| format!("the key {key} is gone"))?;
        match state(&found)? {
            KeyState::Enabled => Ok(Some(())),
            KeyState::PendingDeletion | KeyState::PendingReplicaDeletion => {
                // It comes back disabled.
                ask(kms.cancel_key_deletion().key_id(key).send()).await?;
                Ok(None)
            }
            KeyState::Disabled => {
                ask(kms.enable_key().key_id(key).send()).await?;
                Ok(None)
            }
            _ => Ok(None),
        }
    };
    wait::until(context, ENABLED, "the key can't be used", probe).await
}

pub(super) async fn tags_of(context: &Context, key: &str) -> Result<Tags> {
    let answer = ask(context.aws.kms().list_resource_tags().key_id(key).limit(50).send()).await?;
    Ok(tag_lists::read(answer.tags()))
}

pub(super) async fn aliases(context: &Context, key: &str) -> Result<Vec<String>> {
    let call = context.aws.kms().list_aliases().key_id(key);
    let aliases = wait::found(ask_all(call.into_paginator().items().send()).await)?.unwrap_or_default();
    let names = aliases.into_iter().map(|alias| alias.alias_name.needed("kms", "AliasListEntry.AliasName"));
    Ok(names.collect::<Result<_, _>>()?)
}

/// Takes an alias away; that it was missing is success.
pub(super) async fn drop_alias(context: &Context, alias: &str) -> Result<()> {
    wait::found(ask(context.aws.kms().delete_alias().alias_name(alias).send()).await)?;
    Ok(())
}

pub(super) async fn rotates(context: &Context, key: &str) -> Result<bool> {
    Ok(ask(context.aws.kms().get_key_rotation_status().key_id(key).send()).await?.key_rotation_enabled())
}

/// The key's policy; none if it is KMS's default.
pub(super) async fn policy_of(context: &Context, key: &str) -> Result<Option<Value>> {
    let answer = ask(context.aws.kms().get_key_policy().key_id(key).policy_name("default").send()).await?;
    let found = policy::parse(answer.policy().needed("kms", "GetKeyPolicy.Policy")?)?;
    let statements = |policy: &Value| policy["Statement"].clone();
    let default = policy::canonical(default_policy(context));
    Ok((statements(&found) != statements(&default)).then_some(found))
}

/// Gives the alias to the key, unless it names another.
pub(super) async fn name(context: &Context, key: &str, name: &str) -> Result<()> {
    match ask(context.aws.kms().create_alias().alias_name(alias(name)).target_key_id(key).send()).await {
        Err(error) if error.is_already_exists() => {
            let other = target(context, &alias(name)).await?.context("the alias is there, its key isn't")?;
            if other == key {
                return Ok(());
            }
            Err(anyhow::Error::new(error).context(format!("the alias {name} already names the key {other}")))
        }
        answer => Ok(answer.map(|_| ())?),
    }
}

/// The ARN of the key that an alias stands for. The list has it, of others' keys too, which nobody may look at.
async fn target(context: &Context, alias: &str) -> Result<Option<String>> {
    let aliases = ask_all(context.aws.kms().list_aliases().into_paginator().items().send()).await?;
    let own = aliases.into_iter().find(|one| one.alias_name() == Some(alias));
    Ok(own.and_then(|one| one.target_key_id).map(|id| context.site().arn("kms", &format!("key/{id}"))))
}
