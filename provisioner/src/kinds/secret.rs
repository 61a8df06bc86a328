//! `secret`: a user name and a random password in Secrets Manager, never shown.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all, ask_once};
use rand::Rng as _;
use rand::distr::Alphanumeric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{in_place, replaces};
use super::values::{KeyId, text};
use super::{tag_lists, tags, wait};
use crate::charge::{Charge, Cost};
use crate::kind::{Arn, Context, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// A secret's name: letters, digits and `/_+=.@-`, 1 to 512.
    SecretName,
    r"^[A-Za-z0-9/_+=.@-]{1,512}$"
);

/// A secret of the form `{"username": …, "password": …}`; the password is made when the secret is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region; secrets for MSK begin with `AmazonMSK_`.
    pub name: SecretName,
    /// What the secret is for.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub description: String,
    /// The user name that stands beside the password: 256 letters, digits, spaces and `_.:/=+@-` at most, for a tag of the
    /// secret holds it.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[\w .:/=+@-]+$"))]
    pub username: String,
    /// The ARN of the KMS key that encrypts it. Without it, AWS's own key does; MSK takes no such secret.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// How many days a deleted secret can be restored, 7 to 30.
    #[serde(default = "recovery_days")]
    #[schemars(range(min = 7, max = 30))]
    pub recovery_days: u32,
}

fn recovery_days() -> u32 {
    7
}

const FIELDS: &[Field] =
    &[replaces("name"), in_place("description"), in_place("username"), in_place("key"), in_place("recovery_days")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecrets",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UpdateSecret",
];
const ARNS: &[Arn] = &[
    ("secret", "secretsmanager:{region}:{account}:secret:{name}-??????"),
    ("new secret", "secretsmanager:{region}:{account}:secret:{name}"),
];
const FACTS: Facts = Facts {
    holds_data: true,
    identified_by: &["name"],
    rotates: true,
    arns: ARNS,
    rights: super::rights::keys::SECRETS_OF_THE_STACK,
    ..Facts::of("secret", "a user name and a random password in Secrets Manager", FIELDS, OUTPUTS, ACTIONS)
};

/// The tag that holds the user name, so that no plan has to read the value.
const USERNAME: &str = "lakewright:username";
/// The tag that holds the days of [`Spec::recovery_days`].
const RECOVERY_DAYS: &str = "lakewright:recovery-days";
/// The key that encrypts where none is named.
const AWS_KEY: &str = "alias/aws/secretsmanager";
const PASSWORD_LENGTH: usize = 32;

/// The kind.
#[derive(Debug)]
pub struct Secret;

#[async_trait]
impl Kind for Secret {
    type Spec = Spec;
    type Observed = ();

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn cost(&self, _spec: &Spec) -> Cost {
        Cost::Billed { charges: vec![Charge::new("secretsmanager.secret.month", 1.0)], by_use: "requests" }
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.name != spec.name
    }

    fn consequences(&self, action: Action, changed: &[&str], live: Option<&Spec>, _spec: Option<&Spec>) -> Vec<String> {
        match (action, live) {
            (Action::Delete, Some(Spec { recovery_days, .. })) => {
                vec![format!("its user can't log in any more; it can be restored for {recovery_days} days")]
            }
            (Action::Replace, Some(Spec { recovery_days, .. })) => {
                vec![format!("the new one has another password; the old can be restored for {recovery_days} days")]
            }
            (Action::Update, _) if changed.contains(&"username") => {
                vec!["clients that know the old user name can't log in any more".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let secrets = listed(context).await?;
        secrets.iter().filter_map(|secret| read(context, secret).transpose()).collect()
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let mut own: Vec<Tag> = tag_lists::owned(context, address);
        own.extend(tag_lists::written(&[(USERNAME, &spec.username), (RECOVERY_DAYS, &spec.recovery_days.to_string())]));
        let call = context.aws.secrets_manager().create_secret().name(spec.name.as_str());
        let call = call
            .client_request_token(tags::client_token(context, address, spec))
            .description(&spec.description)
            .secret_string(SecretValue::made(&spec.username).0)
            .set_tags(Some(own))
            .set_kms_key_id(spec.key.clone().map(Into::into));
        match ask(call.send()).await {
            Ok(answer) => Ok(outcome(answer.arn().needed("secretsmanager", "CreateSecret.ARN")?, spec)),
            // There already, made by an attempt whose answer was lost, or waiting for its deletion.
            Err(error) if error.is_already_exists() || error.kind == ErrorKind::WrongState => {
                regain(context, address, spec, error).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(&self, context: &Context, live: &Found<Spec>, spec: &Spec, changed: &[String]) -> Result<Outcome> {
        settle(context, &live.id, spec, changed.iter().any(|name| name == "username")).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.secrets_manager().delete_secret().secret_id(&live.id);
        match ask(call.recovery_window_in_days(live.spec.recovery_days.into()).send()).await {
            // It may wait for its deletion already.
            Err(error) if error.kind == ErrorKind::WrongState => match describe(context, &live.id).await? {
                Some(secret) if !waits(&secret) => Err(error.into()),
                _ => Ok(()),
            },
            answer => Ok(wait::found(answer).map(|_| ())?),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(mut secret) = describe(context, id).await? else { return Ok(None) };
        if waits(&secret) {
            bail!("the secret {id} waits for its deletion; restore it in Secrets Manager first");
        }
        let tags = tags::claimed(context, address, id, tag_lists::read(secret.tags()))?;
        secret.tags = Some(tag_lists::listed(&tags));
        read(context, &secret)
    }

    /// The version that was current becomes AWSPREVIOUS by itself.
    async fn rotate(&self, context: &Context, live: &Found<Spec>, nonce: &str) -> Result<String> {
        let username = &live.spec.username;
        let call = context.aws.secrets_manager().put_secret_value().secret_id(&live.id);
        let call = call.secret_string(SecretValue::made(username).0).client_request_token(nonce);
        match ask_once(call.send()).await {
            Ok(_) => {}
            // An answer that got lost may have made the version: another value under its token would be refused.
            Err(error) if error.lost => {
                let described = describe(context, &live.id).await?.context("the secret is gone")?;
                let stages = described.secret_versions_to_stages().and_then(|versions| versions.get(nonce));
                if !stages.is_some_and(|stages| stages.iter().any(|stage| stage == "AWSCURRENT")) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(format!(
            "{username} has a new password, the one before is AWSPREVIOUS; MSK takes it over within minutes, and \
             agents that run read it when MSK no longer takes theirs"
        ))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tag(context, &outcome.id, tags).await
    }
}

/// A secret's value: a JSON object with a user name and a password. Nothing prints, compares or stores it.
struct SecretValue(String);

impl SecretValue {
    /// A new one: the user name and 32 random letters and digits, some 190 bits.
    fn made(username: &str) -> Self {
        let password: String = rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect();
        Self(json!({"username": username, "password": password}).to_string())
    }

    /// The same with that user name; none if it has it already.
    fn renamed(&self, username: &str) -> Result<Option<Self>> {
        // Without its text the error names nothing of the value.
        let parsed = serde_json::from_str::<Value>(&self.0).ok();
        let mut value = parsed.filter(Value::is_object).context("the secret's value is no JSON object")?;
        if value["username"] == username {
            return Ok(None);
        }
        value["username"] = json!(username);
        Ok(Some(Self(value.to_string())))
    }
}

async fn tag(context: &Context, id: &str, tags: &[(&str, &str)]) -> Result<()> {
    let call = context.aws.secrets_manager().tag_resource().secret_id(id);
    ask(call.set_tags(Some(tag_lists::written(tags))).send()).await?;
    Ok(())
}

/// The secrets that carry the stack's tag, those waiting for their deletion too. Several kinds ask for them.
pub(super) async fn listed(context: &Context) -> Result<Arc<Vec<SecretListEntry>>, Error> {
    let filter = |key: FilterNameStringType, value: &str| Filter::builder().key(key).values(value).build();
    let call = context.aws.secrets_manager().list_secrets().include_planned_deletion(true).max_results(100);
    let call = call
        .filters(filter(FilterNameStringType::TagKey, tags::STACK))
        .filters(filter(FilterNameStringType::TagValue, &context.stack));
    let list = async {
        let pages = ask_all(call.into_paginator().send()).await?;
        let secrets = pages.into_iter().flat_map(|page| page.secret_list.unwrap_or_default());
        // The filters match prefixes, and key and value of different tags.
        let ours = secrets.filter(|one| tag_lists::read(one.tags()).get(tags::STACK) == Some(&context.stack));
        Ok(ours.collect())
    };
    context.reading.of(|queries| &queries.secrets, (), list).await
}

/// The secret of an ARN or a name, in the form in which lists have it.
async fn describe(context: &Context, id: &str) -> Result<Option<SecretListEntry>> {
    let answer = wait::found(ask(context.aws.secrets_manager().describe_secret().secret_id(id).send()).await)?;
    Ok(answer.map(|secret| {
        SecretListEntry::builder()
            .set_arn(secret.arn)
            .set_name(secret.name)
            .set_description(secret.description)
            .set_kms_key_id(secret.kms_key_id)
            .set_deleted_date(secret.deleted_date)
            .set_tags(secret.tags)
            .set_secret_versions_to_stages(secret.version_ids_to_stages)
            .build()
    }))
}

/// Whether a secret waits for its deletion: it lives no more, and keeps its name and value.
pub(super) fn waits(secret: &SecretListEntry) -> bool {
    secret.deleted_date().is_some()
}

fn arn(secret: &SecretListEntry) -> Result<&str, Error> {
    secret.arn().needed("secretsmanager", "SecretListEntry.ARN")
}

fn outcome(arn: &str, spec: &Spec) -> Outcome {
    tags::outcome(arn, &[("arn", arn), ("name", &spec.name)])
}

fn read(context: &Context, secret: &SecretListEntry) -> Result<Option<Found<Spec>>> {
    if waits(secret) {
        return Ok(None);
    }
    let tags = tag_lists::read(secret.tags());
    let Some(address) = tags::address(context, "secret", &tags) else { return Ok(None) };
    let (arn, name) = (arn(secret)?, secret.name().needed("secretsmanager", "SecretListEntry.Name")?);
    let spec = Spec {
        name: name.into(),
        // Secrets Manager leaves out an empty description, and its own key.
        description: secret.description().unwrap_or_default().to_owned(),
        username: tags.get(USERNAME).cloned().unwrap_or_default(),
        key: secret.kms_key_id().filter(|key| !key.is_empty() && *key != AWS_KEY).map(Into::into),
        recovery_days: tags.get(RECOVERY_DAYS).and_then(|days| days.parse().ok()).unwrap_or_else(recovery_days),
    };
    Ok(Some(tags::found(address, &tags, arn, spec, &[("arn", arn), ("name", name)])))
}

/// Takes the secret of that name if it is the stack's own; one that waits for its deletion comes back with its value.
async fn regain(context: &Context, address: &Address, spec: &Spec, refusal: Error) -> Result<Outcome> {
    let Some(secret) = describe(context, &spec.name).await? else { return Err(refusal.into()) };
    let arn = arn(&secret)?;
    let tags = tag_lists::read(secret.tags());
    if tags::address(context, "secret", &tags).as_ref() != Some(address) {
        return Err(tags::taken(refusal, &format!("the secret {} ({arn})", spec.name), &tags));
    }
    if waits(&secret) {
        ask(context.aws.secrets_manager().restore_secret().secret_id(arn).send()).await?;
    }
    settle(context, arn, spec, true).await
}

/// A token of one change: Secrets Manager asks for it wherever a value could be written.
fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Makes a living secret's settings those of the spec; the password stays.
async fn settle(context: &Context, id: &str, spec: &Spec, username: bool) -> Result<Outcome> {
    let secrets = context.aws.secrets_manager();
    let call = secrets.update_secret().secret_id(id).description(&spec.description).client_request_token(token());
    ask(call.kms_key_id(spec.key.as_deref().unwrap_or(AWS_KEY)).send()).await?;
    if username {
        let current = ask(secrets.get_secret_value().secret_id(id).send()).await?;
        let current = SecretValue(current.secret_string.context("the secret's value is no text")?);
        if let Some(SecretValue(renamed)) = current.renamed(&spec.username)? {
            let call = secrets.put_secret_value().secret_id(id).secret_string(renamed).client_request_token(token());
            ask(call.send()).await?;
        }
    }
    tag(context, id, &[(USERNAME, &spec.username), (RECOVERY_DAYS, &spec.recovery_days.to_string())]).await?;
    Ok(outcome(id, spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::testing::context;

    #[test]
    fn another_user_name_keeps_the_password() {
        let value = SecretValue::made("app");
        assert!(value.renamed("app").expect("it is an object").is_none());
        let renamed = value.renamed("shop").expect("it is an object").expect("it has another name");
        let password = |value: &SecretValue| serde_json::from_str::<Value>(&value.0).expect("JSON")["password"].clone();
        assert!(password(&value) == password(&renamed), "the password changed");
        let error = SecretValue("hunter2".to_owned()).renamed("app").err().expect("it is no object");
        assert!(!format!("{error:#}").contains("hunter2"));
    }

    #[test]
    fn one_that_waits_for_its_deletion_is_not_found() {
        let context = context();
        let tags = tag_lists::owned(&context, &Address::new("secret", "app"));
        let mut secret = SecretListEntry::builder().arn("arn:s").name("AmazonMSK_app").set_tags(Some(tags)).build();
        assert_eq!(read(&context, &secret).expect("it has a name").expect("it lives").id, "arn:s");
        secret.deleted_date = Some(aws_sdk_secretsmanager::primitives::DateTime::from_secs(1));
        assert!(read(&context, &secret).expect("it has a name").is_none());
    }
}
