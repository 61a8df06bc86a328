//! KMS: an action on a key is one on the key's ARN, by whatever name the request calls it.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::services::kms::{key_arn, key_of};
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let operation = asks.operation();
    let action = format!("kms:{operation}");
    let tags = tags_of(asks.input().list("Tags"), "TagKey", "TagValue");
    let given = asks.text("KeyId");
    match operation {
        "CreateKey" => {
            let ask = Ask::on(&action, "*").tags(&tags).key("kms:KeyUsage", asks.text("KeyUsage"));
            asks.add(ask.key("kms:KeySpec", asks.text("KeySpec")));
            asks.tag_made("kms:TagResource", asks.arn("kms", "key/*"), &tags)
        }
        "ListKeys" | "ListAliases" => asks.plain(&action),
        "CreateAlias" | "UpdateAlias" => {
            let alias = asks.arn("kms", asks.text("AliasName").unwrap_or_default());
            asks.on(&action, alias);
            if operation == "UpdateAlias" {
                on_old_target(asks, &action);
            }
            let target = asks.text("TargetKeyId");
            on_key(asks, &action, target)
        }
        "DeleteAlias" => {
            let alias = asks.arn("kms", asks.text("AliasName").unwrap_or_default());
            asks.on(&action, alias);
            on_old_target(asks, &action)
        }
        "TagResource" => {
            on_key(asks, &action, given);
            if let Some(ask) = asks.last() {
                *ask = ask.clone().tags(&tags);
            }
            Some(())
        }
        "UntagResource" => {
            let keys = asks.input().texts("TagKeys");
            on_key(asks, &action, given);
            if let Some(ask) = asks.last() {
                ask.keys.set_all("aws:TagKeys", keys);
            }
            Some(())
        }
        "Decrypt" => {
            let key = given.map(str::to_owned).or_else(|| key_of(asks.input()));
            on_key(asks, &action, key.as_deref())
        }
        _ => {
            lakewright_iam::reference::action(&action)?;
            on_key(asks, &action, given)
        }
    }
}

/// An action on a key. What a request calls it by, and the context of the encryption, stand in keys.
fn on_key(asks: &mut Asks<'_, '_>, action: &str, given: Option<&str>) -> Option<()> {
    let Some(given) = given else { return Some(()) };
    let (account, region) = (asks.request.account.clone(), asks.request.region.clone());
    let Some(arn) = key_arn(asks.state, &account, &region, given) else { return Some(()) };
    let alias = given.rsplit_once(':').map_or(given, |(_, name)| name);
    let mut ask = Ask::on(action, arn).key("kms:RequestAlias", alias.starts_with("alias/").then_some(alias));
    let context = asks.input()["EncryptionContext"].as_object();
    for (key, value) in context.into_iter().flatten() {
        ask.keys.set(&format!("kms:EncryptionContext:{key}"), value.as_str().unwrap_or_default());
    }
    ask.keys.set_all("kms:EncryptionContextKeys", context.into_iter().flatten().map(|(key, _)| key.clone()));
    ask.keys.set("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    if let Some(days) = asks.input().number("PendingWindowInDays") {
        ask.keys.set("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string());
    }
    asks.add(ask)
}

/// The key that an alias stands for now.
fn on_old_target(asks: &mut Asks<'_, '_>, action: &str) -> Option<()> {
    let alias = asks.text("AliasName").unwrap_or_default();
    let target = asks.state.get("kms/alias", alias).and_then(|alias| alias.text("TargetKeyId")).map(str::to_owned);
    on_key(asks, action, target.as_deref())
}
