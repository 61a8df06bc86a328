//! `secret`: a user name and a random password in Secrets Manager, never shown.

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, ErrorKind, Service, list, text};
use rand::Rng as _;
use rand::distr::Alphanumeric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, in_place, replaces, typed, value};
use super::tags::{self, Tags};
use super::wait;
use super::wire::some_text;
use crate::cost::{Charge, Cost};
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// A secret of the form `{"username": …, "password": …}`; the password is made when the secret is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region; secrets for MSK begin with `AmazonMSK_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9/_+=.@-]{1,512}$"))]
    pub name: String,
    /// What the secret is for.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub description: String,
    /// The user name that stands beside the password.
    #[schemars(length(min = 1, max = 4096))]
    pub username: String,
    /// The ARN of the KMS key that encrypts it. Without it, AWS's own key does; MSK takes no such secret.
    #[serde(default)]
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub key: Option<String>,
    /// How many days a deleted secret can be restored, 7 to 30.
    #[serde(default = "recovery_days")]
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

fn canonical(spec: &mut Spec) -> Result<()> {
    if !(7..=30).contains(&spec.recovery_days) {
        bail!("recovery_days is {}; Secrets Manager takes 7 to 30", spec.recovery_days);
    }
    Ok(())
}

#[async_trait]
impl Kind for Secret {
    describes!("secret", "a user name and a random password in Secrets Manager", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: vec![Charge::new("secretsmanager.secret.month", 1.0)], by_use: "requests" }
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, _spec: &Value) -> Vec<String> {
        let days = live["recovery_days"].as_u64().unwrap_or_default();
        match action {
            Action::Delete => vec![format!("its user can't log in any more; it can be restored for {days} days")],
            Action::Replace => {
                vec![format!("the new one has another password; the old can be restored for {days} days")]
            }
            Action::Update if changed.contains(&"username") => {
                vec!["clients that know the old user name can't log in any more".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        Ok(listed(context).await?.iter().filter_map(|secret| read(context, secret)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut own = tags::pairs(context, address);
        own.as_array_mut().expect("tags are a list").extend([
            json!({"Key": USERNAME, "Value": spec.username}),
            json!({"Key": RECOVERY_DAYS, "Value": spec.recovery_days.to_string()}),
        ]);
        let mut input = json!({
            "Name": spec.name,
            "ClientRequestToken": tags::client_token(context, address, &spec),
            "Description": spec.description,
            "SecretString": made(&spec.username),
            "Tags": own,
        });
        if let Some(key) = &spec.key {
            input["KmsKeyId"] = json!(key);
        }
        match context.aws.call(Service::SecretsManager, "CreateSecret", input).await {
            Ok(answer) => Ok(outcome(text(&answer, "ARN"), &spec)),
            // There already, made by an attempt whose answer was lost, or waiting for its deletion.
            Err(error) if error.is_already_exists() || error.kind == ErrorKind::WrongState => {
                regain(context, address, &spec, error).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        settle(context, &live.id, &spec, changed.iter().any(|name| name == "username")).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let input = json!({"SecretId": live.id, "RecoveryWindowInDays": spec.recovery_days});
        match context.aws.call(Service::SecretsManager, "DeleteSecret", input).await {
            // It may wait for its deletion already.
            Err(error) if error.kind == ErrorKind::WrongState => match describe(context, &live.id).await? {
                Some(secret) if !waits(&secret) => Err(error.into()),
                _ => Ok(()),
            },
            answer => Ok(wait::found(answer).map(|_| ())?),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let Some(secret) = describe(context, id).await? else { return Ok(None) };
        if waits(&secret) {
            bail!("the secret {id} waits for its deletion; restore it in Secrets Manager first");
        }
        Ok(read(context, &tags::claim(context, address, id, secret, "Tags")?))
    }

    /// The version that was current becomes AWSPREVIOUS by itself.
    async fn rotate(&self, context: &Context, live: &Live, nonce: &str) -> Result<String> {
        let spec: Spec = typed(&live.spec)?;
        let input = json!({
            "SecretId": live.id,
            "SecretString": made(&spec.username),
            "ClientRequestToken": nonce,
        });
        match context.aws.call_once(Service::SecretsManager, "PutSecretValue", input).await {
            Ok(_) => {}
            // An answer that got lost may have made the version: another value under its token would be refused.
            Err(error) if error.lost => {
                let described = describe(context, &live.id).await?.context("the secret is gone")?;
                let stages = &described["VersionIdsToStages"][nonce];
                if !stages.as_array().is_some_and(|stages| stages.iter().any(|stage| stage == "AWSCURRENT")) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(format!(
            "{} has a new password, the one before is AWSPREVIOUS; MSK takes it over within minutes, and agents that run \
             read it when MSK no longer takes theirs",
            spec.username
        ))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tag(context, &outcome.id, tags).await
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value> {
    Ok(context.aws.call(Service::SecretsManager, operation, input).await?)
}

async fn tag(context: &Context, id: &str, pairs: &[(&str, &str)]) -> Result<()> {
    let tags: Vec<Value> = pairs.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    call(context, "TagResource", json!({"SecretId": id, "Tags": tags})).await?;
    Ok(())
}

/// The secrets that carry the stack's tag, those waiting for their deletion too.
pub(super) async fn listed(context: &Context) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut input = json!({
        "IncludePlannedDeletion": true,
        "Filters": [{"Key": "tag-key", "Values": [tags::STACK]}, {"Key": "tag-value", "Values": [context.stack]}],
        "MaxResults": 100,
    });
    loop {
        let page = call(context, "ListSecrets", input.clone()).await?;
        // The filters match prefixes, and key and value of different tags.
        let ours = |secret: &&Value| tags::of(list(secret, "Tags")).get(tags::STACK) == Some(&context.stack);
        found.extend(list(&page, "SecretList").iter().filter(ours).cloned());
        match text(&page, "NextToken") {
            "" => return Ok(found),
            next => input["NextToken"] = json!(next),
        }
    }
}

/// A new value: the user name and 32 random letters and digits, some 190 bits.
fn made(username: &str) -> String {
    let password: String = rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect();
    json!({"username": username, "password": password}).to_string()
}

async fn describe(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::SecretsManager, "DescribeSecret", json!({"SecretId": id})).await;
    Ok(wait::found(answer)?)
}

/// Whether a secret waits for its deletion: it lives no more, and keeps its name and value.
fn waits(secret: &Value) -> bool {
    secret.get("DeletedDate").is_some_and(|date| !date.is_null())
}

fn outcome(arn: &str, spec: &Spec) -> Outcome {
    tags::outcome(arn, &[("arn", arn), ("name", &spec.name)])
}

fn read(context: &Context, secret: &Value) -> Option<Live> {
    if waits(secret) {
        return None;
    }
    let tags: Tags = tags::of(list(secret, "Tags"));
    let address = tags::address(context, "secret", &tags)?;
    let (arn, name) = (text(secret, "ARN"), text(secret, "Name"));
    let spec = Spec {
        name: name.to_owned(),
        description: text(secret, "Description").to_owned(),
        username: tags.get(USERNAME).cloned().unwrap_or_default(),
        key: some_text(secret, "KmsKeyId").filter(|key| key != AWS_KEY),
        recovery_days: tags.get(RECOVERY_DAYS).and_then(|days| days.parse().ok()).unwrap_or_else(recovery_days),
    };
    Some(tags::live(address, &tags, arn, value(&spec), &[("arn", arn), ("name", name)]))
}

/// Takes the secret of that name if it is the stack's own; one that waits for its deletion comes back with its value.
async fn regain(context: &Context, address: &Address, spec: &Spec, refusal: Error) -> Result<Outcome> {
    let Some(secret) = describe(context, &spec.name).await? else { return Err(refusal.into()) };
    let arn = text(&secret, "ARN").to_owned();
    let tags = tags::of(list(&secret, "Tags"));
    if tags::address(context, "secret", &tags).as_ref() != Some(address) {
        return Err(tags::taken(refusal, &format!("the secret {} ({arn})", spec.name), &tags));
    }
    if waits(&secret) {
        call(context, "RestoreSecret", json!({"SecretId": arn})).await?;
    }
    settle(context, &arn, spec, true).await
}

/// A token of one change: Secrets Manager asks for it wherever a value could be written.
fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Makes a living secret's settings those of the spec; the password stays.
async fn settle(context: &Context, id: &str, spec: &Spec, username: bool) -> Result<Outcome> {
    let mut input = json!({"SecretId": id, "Description": spec.description, "ClientRequestToken": token()});
    input["KmsKeyId"] = json!(spec.key.as_deref().unwrap_or(AWS_KEY));
    call(context, "UpdateSecret", input).await?;
    if username {
        let current = call(context, "GetSecretValue", json!({"SecretId": id})).await?;
        // Without its text the error names nothing of the value.
        let parsed = serde_json::from_str::<Value>(text(&current, "SecretString")).ok();
        let mut current = parsed.filter(Value::is_object).context("the secret's value is no JSON object")?;
        if text(&current, "username") != spec.username {
            current["username"] = json!(spec.username);
            let value = current.to_string();
            let input = json!({"SecretId": id, "SecretString": value, "ClientRequestToken": token()});
            call(context, "PutSecretValue", input).await?;
        }
    }
    tag(context, id, &[(USERNAME, &spec.username), (RECOVERY_DAYS, &spec.recovery_days.to_string())]).await?;
    Ok(outcome(id, spec))
}
