//! Secrets Manager: secrets by their whole ARN, and the key that encrypts each.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

/// What the service does with a secret's key in the caller's name, to read and to write a value.
const READ: [&str; 1] = ["kms:Decrypt"];
const WRITE: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let operation = asks.operation();
    let input = asks.input();
    let tags = tags_of(input.list("Tags"), "Key", "Value");
    match operation {
        "ListSecrets" | "GetRandomPassword" | "BatchGetSecretValue" => {
            asks.own("secretsmanager", "*");
            if operation == "BatchGetSecretValue" { each_value(asks) } else { Some(()) }
        }
        "CreateSecret" => {
            let name = asks.text("Name").unwrap_or_default();
            // Six characters are added to the name that nobody knows before.
            let arn = asks.arn("secretsmanager", &format!("secret:{name}-??????"));
            let ask = Ask::on("secretsmanager:CreateSecret", &arn).tags(&tags).key("secretsmanager:Name", Some(name));
            asks.add(ask.key("secretsmanager:KmsKeyId", asks.text("KmsKeyId")));
            asks.tag_made("secretsmanager:TagResource", &arn, &tags);
            let key = asks.text("KmsKeyId").map(str::to_owned);
            use_key(asks, &WRITE, key)
        }
        "ValidateResourcePolicy" => asks.own("secretsmanager", found(asks, asks.text("SecretId").unwrap_or("*")).0),
        _ => {
            lakewright_iam::reference::action(&format!("secretsmanager:{operation}"))?;
            on_secret(asks)
        }
    }
}

/// The ARN of a secret that is given by name or ARN, and its key.
fn found(asks: &Asks<'_, '_>, given: &str) -> (String, Option<String>) {
    let is_it = |secret: &serde_json::Value| {
        let arn = secret.text("ARN").unwrap_or_default();
        secret.text("Name") == Some(given) || arn == given || arn.get(..arn.len().saturating_sub(7)) == Some(given)
    };
    let secret = asks.state.list("secrets/secret").find(|(_, secret)| is_it(secret)).map(|(_, secret)| secret);
    let arn = secret.and_then(|secret| secret.text("ARN")).map(str::to_owned);
    let named = || {
        if given.starts_with("arn:") {
            given.to_owned()
        } else {
            asks.arn("secretsmanager", &format!("secret:{given}"))
        }
    };
    (arn.unwrap_or_else(named), secret.and_then(|secret| secret.text("KmsKeyId")).map(str::to_owned))
}

fn on_secret(asks: &mut Asks<'_, '_>) -> Option<()> {
    let (arn, key) = found(asks, asks.text("SecretId").unwrap_or("*"));
    let action = format!("secretsmanager:{}", asks.operation());
    let input = asks.input();
    let mut ask = Ask::on(&action, &arn).tags(&tags_of(input.list("Tags"), "Key", "Value"));
    if asks.operation() == "UntagResource" {
        ask = ask.tag_keys(input.texts("TagKeys"));
    }
    ask.keys.set("secretsmanager:SecretId", &arn);
    asks.add(ask.key("secretsmanager:VersionStage", asks.text("VersionStage")));
    let writes = input.member("SecretString").is_some() || input.member("SecretBinary").is_some();
    match asks.operation() {
        "GetSecretValue" => use_key(asks, &READ, key),
        "PutSecretValue" => use_key(asks, &WRITE, key),
        "UpdateSecret" if writes => {
            let key = asks.text("KmsKeyId").map(str::to_owned).or(key);
            use_key(asks, &WRITE, key)
        }
        _ => Some(()),
    }
}

fn each_value(asks: &mut Asks<'_, '_>) -> Option<()> {
    for given in asks.input().texts("SecretIdList") {
        let (arn, key) = found(asks, &given);
        asks.on("secretsmanager:GetSecretValue", arn);
        use_key(asks, &READ, key);
    }
    Some(())
}

fn use_key(asks: &mut Asks<'_, '_>, actions: &[&str], key: Option<String>) -> Option<()> {
    match key {
        Some(key) => asks.use_key(actions, &key, "secretsmanager"),
        None => Some(()),
    }
}
