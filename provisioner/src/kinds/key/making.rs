//! Making a key: KMS knows neither names nor tokens, so that one of an earlier attempt is looked for first.

use anyhow::Result;
use aws_sdk_kms::types;
use lakewright_aws::{Needed as _, ask_once};
use serde_json::Value;

use super::wire::{alias, arn, describe, tags_of, waits};
use super::{DELETION_DAYS, KNOWN, Spec};
use crate::kind::Context;
use crate::kinds::wait::{self, Made};
use crate::kinds::{tag_lists, tagged, tags};
use crate::resource::Address;
use crate::services::Services as _;

/// The ARN of the key of this address that an earlier attempt made.
pub(super) async fn living(context: &Context, address: &Address, spec: &Spec) -> Result<Option<String>> {
    let mut candidates: Vec<String> = tagged::resources(context, "kms")
        .await?
        .into_iter()
        .filter(|(_, tags)| tags::address(context, "key", tags).as_ref() == Some(address))
        .map(|(arn, _)| arn)
        .collect();
    if let Some(key) = describe(context, &alias(&spec.alias)).await? {
        candidates.push(arn(&key)?.to_owned());
    }
    for candidate in candidates {
        let Some(key) = describe(context, &candidate).await? else { continue };
        if !waits(&key)?
            && tags::address(context, "key", &tags_of(context, &candidate).await?).as_ref() == Some(address)
        {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Makes the key.
pub(super) async fn make(context: &Context, address: &Address, spec: &Spec) -> Result<String> {
    let mut own: Vec<types::Tag> = tag_lists::owned(context, address);
    own.extend(tag_lists::written(&[(DELETION_DAYS, &spec.deletion_days.to_string())]));
    let call = context.aws.kms().create_key().description(&spec.description).set_tags(Some(own));
    let call = call.set_policy(spec.policy.as_ref().map(Value::to_string));
    let probe = || living(context, address, spec);
    if let Some(key) = wait::interrupted(context, address, probe).await? {
        return Ok(key);
    }
    let create = || wait::while_refused(context, KNOWN, wait::not_yet, || ask_once(call.clone().send()));
    match wait::once(context, create, probe).await? {
        Made::Now(answer) => Ok(arn(answer.key_metadata().needed("kms", "CreateKey.KeyMetadata")?)?.to_owned()),
        Made::Before(key) => Ok(key),
    }
}
