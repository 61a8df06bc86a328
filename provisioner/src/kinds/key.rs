//! `key`: a KMS key with its alias, rotation and policy.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{ErrorKind, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, typed, value, yes};
use super::tags::{self, Tags};
use super::wait::{self, Made};
use super::{policy, tagged};
use crate::cost::{Charge, Cost};
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// A symmetric encryption key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The alias without `alias/`, unique in account and region.
    #[schemars(regex(pattern = r"^alias/[A-Za-z0-9/_-]{1,250}$"))]
    pub alias: String,
    /// What the key is for.
    #[serde(default)]
    #[schemars(length(max = 8192))]
    pub description: String,
    /// Whether AWS makes new key material every year.
    #[serde(default = "yes")]
    pub rotation: bool,
    /// The key policy. Without it, IAM policies of the account decide who may use the key.
    #[serde(default)]
    pub policy: Option<Value>,
    /// How many days a deleted key can be restored, 7 to 30.
    #[serde(default = "deletion_days")]
    pub deletion_days: u32,
}

fn deletion_days() -> u32 {
    30
}

const FIELDS: &[Field] = &[
    in_place("alias"),
    in_place("description"),
    in_place("rotation"),
    compared(in_place("policy"), Comparing::AsSet),
    in_place("deletion_days"),
];
const OUTPUTS: &[&str] = &["arn", "id", "alias"];
const ACTIONS: &[&str] = &[
    "kms:CreateKey",
    "kms:DescribeKey",
    "kms:ScheduleKeyDeletion",
    "kms:CreateAlias",
    "kms:UpdateAlias",
    "kms:DeleteAlias",
    "kms:ListAliases",
    "kms:EnableKeyRotation",
    "kms:DisableKeyRotation",
    "kms:GetKeyRotationStatus",
    "kms:GetKeyPolicy",
    "kms:PutKeyPolicy",
    "kms:UpdateKeyDescription",
    "kms:ListResourceTags",
    "kms:TagResource",
    "kms:UntagResource",
    // Secrets, brokers and volumes are encrypted in the caller's name.
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "tag:GetResources",
];

/// The tag that holds the days of [`Spec::deletion_days`]: KMS asks for them only when a key goes.
const DELETION_DAYS: &str = "lakewright:deletion-days";
/// How long a principal that was made may stay unknown to KMS.
const KNOWN: Duration = Duration::from_secs(60);

/// The kind.
#[derive(Debug)]
pub struct Key;

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.policy = spec.policy.take().map(policy::canonical);
    if !(7..=30).contains(&spec.deletion_days) {
        bail!("deletion_days is {}; KMS takes 7 to 30", spec.deletion_days);
    }
    Ok(())
}

#[async_trait]
impl Kind for Key {
    describes!("key", "a KMS key with its alias, rotation and policy", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, spec: &Value) -> Cost {
        let by_use = if spec["rotation"] == true {
            "requests beyond the first 20,000 a month, and as much as the key again for each of the first two rotations"
        } else {
            "requests beyond the first 20,000 a month"
        };
        Cost::Billed { charges: vec![Charge::new("kms.key.month", 1.0)], by_use }
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "alias")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, _spec: &Value) -> Vec<String> {
        let days = live["deletion_days"].as_u64().unwrap_or_default();
        match action {
            Action::Delete | Action::Replace => {
                vec![format!("what it encrypts can't be read any more; the key can be restored for {days} days")]
            }
            Action::Update if changed.contains(&"policy") => {
                vec!["from now on only whom the new policy names can read what it encrypts".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged = tagged::resources(context, "kms").await?.into_iter();
        let mut keys: BTreeMap<String, Option<(Value, String)>> = tagged.map(|(arn, _)| (arn, None)).collect();
        // The tagging API is late with new keys; their aliases aren't.
        let by_alias = wanted.iter().map(|wanted| async {
            let name = text(wanted.spec, "alias");
            Ok::<_, anyhow::Error>(describe(context, &alias(name)).await?.map(|key| (key, name.to_owned())))
        });
        for known in try_join_all(by_alias).await?.into_iter().flatten() {
            keys.insert(text(&known.0, "Arn").to_owned(), Some(known));
        }
        let reads = keys.into_iter().map(|(arn, known)| read(context, arn, known));
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let key = match living(context, address, &spec).await? {
            Some(key) => key,
            None => make(context, address, &spec).await?,
        };
        apply(context, &key, &spec, None).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let before: Spec = typed(&live.spec)?;
        apply(context, &live.id, &typed(spec)?, Some(&before)).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let id = &live.id;
        let Some(key) = describe(context, id).await? else { return Ok(()) };
        if text(&key, "KeyState") == "PendingDeletion" {
            return Ok(());
        }
        for alias in aliases(context, id).await? {
            wait::found(context.aws.call(Service::Kms, "DeleteAlias", json!({"AliasName": alias})).await)?;
        }
        // The tags stay until the end is certain: an interrupted deletion must be found by them. KMS won't take them
        // off a key that waits for its end, and `find` overlooks such keys.
        let input = json!({"KeyId": id, "PendingWindowInDays": spec.deletion_days});
        match context.aws.call(Service::Kms, "ScheduleKeyDeletion", input).await {
            Err(error) if error.lost && error.kind == ErrorKind::WrongState => Ok(()),
            answer => Ok(wait::found(answer).map(|_| ())?),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        // A name that is no id is an alias.
        let key = match describe(context, id).await? {
            None if !id.contains([':', '/']) => describe(context, &alias(id)).await?,
            key => key,
        };
        let Some(key) = key else { return Ok(None) };
        let arn = text(&key, "Arn").to_owned();
        let tags = tags::claimed(context, address, &arn, tags_of(context, &arn).await?)?;
        Box::pin(read_as(context, &key, None, &tags)).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tag(context, &outcome.id, tags).await
    }
}

async fn tag(context: &Context, id: &str, tags: &[(&str, &str)]) -> Result<()> {
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
    let input = json!({"KeyId": id, "Tags": tags});
    context.aws.call(Service::Kms, "TagResource", input).await?;
    Ok(())
}

fn alias(name: &str) -> String {
    format!("alias/{name}")
}

/// The policy that KMS gives to a key made without one.
fn default_policy(context: &Context) -> Value {
    let root = format!("arn:{}:iam::{}:root", tags::partition(&context.region), context.account);
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

async fn describe(context: &Context, key: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Kms, "DescribeKey", json!({"KeyId": key})).await;
    Ok(wait::found(answer)?.map(|mut answer| answer["KeyMetadata"].take()))
}

async fn tags_of(context: &Context, key: &str) -> Result<Tags> {
    let answer = context.aws.call(Service::Kms, "ListResourceTags", json!({"KeyId": key, "Limit": 50})).await?;
    let pair = |tag: &Value| (text(tag, "TagKey").to_owned(), text(tag, "TagValue").to_owned());
    Ok(list(&answer, "Tags").iter().map(pair).collect())
}

async fn aliases(context: &Context, key: &str) -> Result<Vec<String>> {
    let answer = context.aws.call(Service::Kms, "ListAliases", json!({"KeyId": key})).await;
    let Some(answer) = wait::found(answer)? else { return Ok(Vec::new()) };
    Ok(list(&answer, "Aliases").iter().map(|alias| text(alias, "AliasName").to_owned()).collect())
}

async fn rotates(context: &Context, key: &str) -> Result<bool> {
    let answer = context.aws.call(Service::Kms, "GetKeyRotationStatus", json!({"KeyId": key})).await?;
    Ok(answer["KeyRotationEnabled"] == true)
}

/// The key's policy; none if it is KMS's default.
async fn policy_of(context: &Context, key: &str) -> Result<Option<Value>> {
    let input = json!({"KeyId": key, "PolicyName": "default"});
    let answer = context.aws.call(Service::Kms, "GetKeyPolicy", input).await?;
    let found = policy::parse(text(&answer, "Policy"))?;
    let statements = |policy: &Value| policy["Statement"].clone();
    let default = policy::canonical(default_policy(context));
    Ok((statements(&found) != statements(&default)).then_some(found))
}

/// The stack's key of that ARN; `known` are its description and the wanted alias that led to it.
async fn read(context: &Context, key: String, known: Option<(Value, String)>) -> Result<Option<Live>> {
    let (metadata, name) = match known {
        Some((metadata, name)) => (metadata, Some(name)),
        None => match describe(context, &key).await? {
            Some(metadata) => (metadata, None),
            None => return Ok(None),
        },
    };
    if text(&metadata, "KeyState").starts_with("Pending") {
        return Ok(None);
    }
    let tags = tags_of(context, &key).await?;
    Box::pin(read_as(context, &metadata, name, &tags)).await
}

/// The key of that description, with this alias if one led to it, and these tags; none if they aren't the stack's.
async fn read_as(context: &Context, metadata: &Value, name: Option<String>, tags: &Tags) -> Result<Option<Live>> {
    let state = text(metadata, "KeyState");
    if state.starts_with("Pending") {
        return Ok(None);
    }
    let Some(address) = tags::address(context, "key", tags) else { return Ok(None) };
    let key = text(metadata, "Arn");
    let aliases = async {
        match name {
            // Somebody may have given the key further names.
            Some(name) => Ok(vec![alias(&name)]),
            None => aliases(context, key).await,
        }
    };
    let (rotation, policy, aliases) = futures::try_join!(rotates(context, key), policy_of(context, key), aliases)?;
    let name = aliases.first();
    let spec = Spec {
        alias: name.map(|name| name.trim_start_matches("alias/").to_owned()).unwrap_or_default(),
        description: text(metadata, "Description").to_owned(),
        rotation,
        policy,
        deletion_days: tags.get(DELETION_DAYS).and_then(|days| days.parse().ok()).unwrap_or_else(deletion_days),
    };
    let (arn, id) = (key, text(metadata, "KeyId"));
    let mut live = tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("id", id), ("alias", &spec.alias)]);
    if state != "Enabled" {
        live.condition = Condition::Failed(format!("the key is {state}; enable it in KMS"));
    }
    Ok(Some(live))
}

/// The ARN of the key of this address that an earlier attempt made.
async fn living(context: &Context, address: &Address, spec: &Spec) -> Result<Option<String>> {
    let mut candidates: Vec<String> = tagged::resources(context, "kms")
        .await?
        .into_iter()
        .filter(|(_, tags)| tags::address(context, "key", tags).as_ref() == Some(address))
        .map(|(arn, _)| arn)
        .collect();
    candidates.extend(describe(context, &alias(&spec.alias)).await?.map(|key| text(&key, "Arn").to_owned()));
    for candidate in candidates {
        let Some(key) = describe(context, &candidate).await? else { continue };
        if !text(&key, "KeyState").starts_with("Pending")
            && tags::address(context, "key", &tags_of(context, &candidate).await?).as_ref() == Some(address)
        {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Makes the key. KMS knows neither names nor tokens: a repeat would make a second one.
async fn make(context: &Context, address: &Address, spec: &Spec) -> Result<String> {
    let mut own: Vec<Value> =
        tags::own(context, address).into_iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
    own.push(json!({"TagKey": DELETION_DAYS, "TagValue": spec.deletion_days.to_string()}));
    let mut input = json!({"Description": spec.description, "Tags": own});
    if let Some(policy) = &spec.policy {
        input["Policy"] = json!(policy.to_string());
    }
    let probe = || living(context, address, spec);
    if let Some(key) = wait::interrupted(context, address, probe).await? {
        return Ok(key);
    }
    let call = || {
        wait::while_refused(context, KNOWN, wait::not_yet, || {
            context.aws.call_once(Service::Kms, "CreateKey", input.clone())
        })
    };
    match wait::once(context, call, probe).await? {
        Made::Now(answer) => Ok(text(&answer["KeyMetadata"], "Arn").to_owned()),
        Made::Before(key) => Ok(key),
    }
}

/// Makes the key's settings those of the spec; `before` are the known ones, none for a new key.
async fn apply(context: &Context, key: &str, spec: &Spec, before: Option<&Spec>) -> Result<Outcome> {
    if before.is_none_or(|before| before.alias != spec.alias) {
        name(context, key, &spec.alias).await?;
        if let Some(old) = before.filter(|before| !before.alias.is_empty()) {
            let input = json!({"AliasName": alias(&old.alias)});
            wait::found(context.aws.call(Service::Kms, "DeleteAlias", input).await)?;
        }
    }
    if before.is_some_and(|before| before.description != spec.description) {
        let input = json!({"KeyId": key, "Description": spec.description});
        context.aws.call(Service::Kms, "UpdateKeyDescription", input).await?;
    }
    if before.map_or(spec.rotation, |before| before.rotation != spec.rotation) {
        let operation = if spec.rotation { "EnableKeyRotation" } else { "DisableKeyRotation" };
        context.aws.call(Service::Kms, operation, json!({"KeyId": key})).await?;
    }
    if before.is_some_and(|before| before.policy != spec.policy) {
        let policy = spec.policy.clone().unwrap_or_else(|| default_policy(context));
        let input = json!({"KeyId": key, "PolicyName": "default", "Policy": policy.to_string()});
        wait::while_refused(context, KNOWN, wait::not_yet, || {
            context.aws.call(Service::Kms, "PutKeyPolicy", input.clone())
        })
        .await?;
    }
    if before.is_some_and(|before| before.deletion_days != spec.deletion_days) {
        tag(context, key, &[(DELETION_DAYS, &spec.deletion_days.to_string())]).await?;
    }
    let id = key.rsplit('/').next().unwrap_or(key);
    Ok(tags::outcome(key, &[("arn", key), ("id", id), ("alias", &spec.alias)]))
}

/// Gives the alias to the key, unless it names another.
async fn name(context: &Context, key: &str, name: &str) -> Result<()> {
    let input = json!({"AliasName": alias(name), "TargetKeyId": key});
    match context.aws.call(Service::Kms, "CreateAlias", input).await {
        Err(error) if error.is_already_exists() => {
            let other = describe(context, &alias(name)).await?.context("the alias is there, its key isn't")?;
            match text(&other, "Arn") {
                arn if arn == key => Ok(()),
                arn => Err(anyhow::Error::new(error).context(format!("the alias {name} already names the key {arn}"))),
            }
        }
        answer => Ok(answer.map(|_| ())?),
    }
}
