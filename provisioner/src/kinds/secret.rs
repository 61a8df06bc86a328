//! `secret`: a user name and a random password in Secrets Manager, never shown.

mod age;
mod value;

use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::age::{PASSWORD, is_due, overdue};
use self::value::{SecretValue, rename, renew};
use super::spec::{in_place, replaces};
use super::values::{KeyId, text};
use super::{tag_lists, tagging, tags, wait};
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Tagging as _, Wanted};
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
    /// After how many days an apply gives it a new password, 1 to 3650. Default: never.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3650))]
    pub rotate_after_days: Option<u32>,
}

fn recovery_days() -> u32 {
    7
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    in_place("username"),
    in_place("key"),
    in_place("recovery_days"),
    in_place(ROTATION),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecrets",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
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
    billing: Billing::Monthly("secretsmanager.secret.month", 1.0, "requests"),
    tagging: Some(&tagging::SecretsManager),
    ..Facts::of("secret", "a user name and a random password in Secrets Manager", FIELDS, OUTPUTS, ACTIONS)
};

/// The tag that holds the user name, so that no plan has to read the value.
const USERNAME: &str = "lakewright:username";
/// The tag that holds the days of [`Spec::recovery_days`].
const RECOVERY_DAYS: &str = "lakewright:recovery-days";
/// The tag that holds the days of [`Spec::rotate_after_days`], or [`NEVER`].
const ROTATE_AFTER_DAYS: &str = "lakewright:rotate-after-days";
/// What the tag says where nothing rotates any more.
const NEVER: &str = "never";
/// The name of [`Spec::rotate_after_days`].
const ROTATION: &str = "rotate_after_days";
/// The key that encrypts where none is named.
const AWS_KEY: &str = "alias/aws/secretsmanager";

/// The kind.
#[derive(Debug)]
pub struct Secret;

#[async_trait]
impl Kind for Secret {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        match (step.action, step.live) {
            (Action::Delete, Some(Spec { recovery_days, .. })) => {
                vec![format!("its user can't log in any more; it can be restored for {recovery_days} days")]
            }
            (Action::Replace, Some(Spec { recovery_days, .. })) => {
                vec![format!("the new one has another password; the old can be restored for {recovery_days} days")]
            }
            _ => {
                let said = [
                    ("username", "clients that know the old user name can't log in any more"),
                    (PASSWORD, "soon nobody logs in with the password before; the stack's agents follow by themselves"),
                ];
                let said = said.into_iter().filter(|(name, _)| step.updates(name));
                said.map(|(_, sentence)| sentence.to_owned()).collect()
            }
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let mut all = Vec::new();
        for secret in listed(context).await?.iter() {
            let Some(mut found) = read(context, secret)? else { continue };
            // What the file says now counts: one that is to be rotated from now on may be too old already.
            let wanted = wanted.iter().find(|wanted| *wanted.address == found.address);
            let days = wanted.map_or(found.spec.rotate_after_days, |wanted| wanted.spec.rotate_after_days);
            found.departures.extend(overdue(context.clock, secret, days));
            all.push(found);
        }
        Ok(all)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let mut own: Vec<Tag> = tag_lists::owned(context, address);
        own.extend(tag_lists::written(&borrowed(&said(spec, false))));
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

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        let changes = |name: &str| changed.iter().any(|one| one == name);
        if changed.iter().any(|name| name != PASSWORD) {
            settle(context, &live.id, spec, (changes("username"), changes(ROTATION))).await?;
        }
        if changes(PASSWORD) {
            renew_if_due(context, &live.id, spec).await?;
        }
        Ok(outcome(&live.id, spec))
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

    async fn rotate(&self, context: &Context, live: &Found<Spec>, nonce: &str) -> Result<String> {
        let username = &live.spec.username;
        renew(context, &live.id, username, nonce).await?;
        // Only secrets with such a name are MSK's.
        let whose = if live.spec.name.starts_with("AmazonMSK_") { "MSK" } else { "whoever it logs in to" };
        Ok(format!(
            "{username} has a new password, the one before is AWSPREVIOUS; {whose} takes it over within minutes, and \
             agents that run read it when theirs is no longer taken"
        ))
    }
}

/// Gives a secret a new password if it is too old still. Lists may be minutes behind: what they call old may have been
/// rotated just now.
async fn renew_if_due(context: &Context, id: &str, spec: &Spec) -> Result<()> {
    let secret = describe(context, id).await?;
    if secret.is_some_and(|secret| is_due(context.clock, &secret, spec.rotate_after_days)) {
        renew(context, id, &spec.username, &context.clock.token()).await?;
    }
    Ok(())
}

/// The tags that say what no call of Secrets Manager's does. That nothing rotates is said where something did.
fn said(spec: &Spec, rotation: bool) -> Vec<(&'static str, String)> {
    let mut said = vec![(USERNAME, spec.username.clone()), (RECOVERY_DAYS, spec.recovery_days.to_string())];
    match spec.rotate_after_days {
        Some(days) => said.push((ROTATE_AFTER_DAYS, days.to_string())),
        None if rotation => said.push((ROTATE_AFTER_DAYS, NEVER.to_owned())),
        None => {}
    }
    said
}

fn borrowed<'a>(tags: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    tags.iter().map(|(key, value)| (*key, value.as_str())).collect()
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
            .set_created_date(secret.created_date)
            .set_last_rotated_date(secret.last_rotated_date)
            .set_deleted_date(secret.deleted_date)
            .set_tags(secret.tags)
            .set_secret_versions_to_stages(secret.version_ids_to_stages)
            .build()
    }))
}

/// Whether a secret waits for its deletion: it no longer exists, and keeps its name and value.
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
        rotate_after_days: tags.get(ROTATE_AFTER_DAYS).and_then(|days| days.parse().ok()),
    };
    Ok(Some(tags::found(address, &tags, arn, spec, &[("arn", arn), ("name", name)])))
}

/// Takes the secret of that name if it is the stack's own; one that waits for its deletion comes back with its value.
async fn regain(context: &Context, address: &Address, spec: &Spec, refusal: Error) -> Result<Outcome> {
    let Some(secret) = describe(context, &spec.name).await? else { return Err(refusal.into()) };
    let arn = arn(&secret)?;
    let tags = tag_lists::read(secret.tags());
    tags::own_or_taken(context, address, refusal, &format!("the secret {} ({arn})", spec.name), &tags)?;
    if waits(&secret) {
        ask(context.aws.secrets_manager().restore_secret().secret_id(arn).send()).await?;
    }
    // It has the tags that the file gave it then.
    let own: Vec<Tag> = tag_lists::owned(context, address);
    ask(context.aws.secrets_manager().tag_resource().secret_id(arn).set_tags(Some(own)).send()).await?;
    settle(context, arn, spec, (true, true)).await?;
    renew_if_due(context, arn, spec).await?;
    Ok(outcome(arn, spec))
}

/// A token of one change: Secrets Manager asks for it wherever a value could be written.
fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Makes a living secret's settings those of the spec, among them those that changed: the user name, and whether it rotates.
/// The password stays.
async fn settle(context: &Context, id: &str, spec: &Spec, (username, rotation): (bool, bool)) -> Result<()> {
    let secrets = context.aws.secrets_manager();
    let call = secrets.update_secret().secret_id(id).description(&spec.description).client_request_token(token());
    ask(call.kms_key_id(spec.key.as_deref().unwrap_or(AWS_KEY)).send()).await?;
    if username {
        rename(context, id, &spec.username).await?;
    }
    tagging::SecretsManager.write(context, &tags::outcome(id, &[]), &borrowed(&said(spec, rotation))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::testing::context;

    #[test]
    fn one_that_waits_for_its_deletion_is_not_found() {
        let context = context();
        let tags = tag_lists::owned(&context, &Address::new("secret", "app"));
        let mut secret = SecretListEntry::builder().arn("arn:s").name("AmazonMSK_app").set_tags(Some(tags)).build();
        assert_eq!(read(&context, &secret).expect("it has a name").expect("it exists").id, "arn:s");
        secret.deleted_date = Some(aws_sdk_secretsmanager::primitives::DateTime::from_secs(1));
        assert!(read(&context, &secret).expect("it has a name").is_none());
    }
}
