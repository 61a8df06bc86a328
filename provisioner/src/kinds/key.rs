//! `key`: a KMS key with its alias, rotation and policy.

mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_kms::types::{self, KeyMetadata, KeyState};
use futures::future::try_join_all;
use lakewright_aws::{ErrorKind, Needed as _, ask, ask_once};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::wire::{
    alias, aliases, arn, default_policy, describe, drop_alias, name, policy_of, rotates, state, tag, tags_of, waits,
};
use super::spec::{compared, in_place, yes};
use super::tags::{self, Tags};
use super::values::text;
use super::wait::{self, Made};
use super::{policy, tag_lists, tagged};
use crate::charge::{Charge, Cost};
use crate::kind::{Comparing, Context, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address, Condition};
use crate::services::Services as _;

text!(
    /// A key's alias without `alias/`.
    Alias,
    r"^[A-Za-z0-9/_-]{1,250}$",
    not "^alias/" => "write the alias without `alias/`",
    not "^aws/" => "AWS keeps `aws/` for its own keys: choose another alias"
);

/// A symmetric encryption key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The alias without `alias/`, unique in account and region.
    pub alias: Alias,
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
    #[schemars(range(min = 7, max = 30))]
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
const FACTS: Facts = Facts {
    holds_data: true,
    identified_by: &["alias"],
    tag_types: &["kms:key"],
    ..Facts::of("key", "a KMS key with its alias, rotation and policy", FIELDS, OUTPUTS, ACTIONS)
};

/// The tag that holds the days of [`Spec::deletion_days`]: KMS asks for them only when a key goes.
const DELETION_DAYS: &str = "lakewright:deletion-days";
/// How long a principal that was made may stay unknown to KMS.
const KNOWN: Duration = Duration::from_secs(60);

/// The kind.
#[derive(Debug)]
pub struct Key;

#[async_trait]
impl Kind for Key {
    type Spec = Spec;
    type Observed = ();

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.policy = spec.policy.take().map(policy::canonical);
        Ok(())
    }

    fn cost(&self, spec: &Spec) -> Cost {
        let by_use = if spec.rotation {
            "requests beyond the first 20,000 a month, and as much as the key again for each of the first two rotations"
        } else {
            "requests beyond the first 20,000 a month"
        };
        Cost::Billed { charges: vec![Charge::new("kms.key.month", 1.0)], by_use }
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        live.alias != spec.alias
    }

    fn consequences(&self, action: Action, changed: &[&str], live: Option<&Spec>, _spec: Option<&Spec>) -> Vec<String> {
        match (action, live) {
            (Action::Delete | Action::Replace, Some(Spec { deletion_days, .. })) => vec![format!(
                "what it encrypts can't be read any more; the key can be restored for {deletion_days} days"
            )],
            (Action::Update, _) if changed.contains(&"policy") => {
                vec!["from now on only whom the new policy names can read what it encrypts".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // The tagging API knows the tags of many at once; of those that it doesn't list yet each is asked.
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "kms").await?.into_iter().collect();
        let mut keys: BTreeMap<String, Option<(KeyMetadata, Alias)>> =
            tagged.keys().map(|arn| (arn.clone(), None)).collect();
        // The tagging API is late with new keys; their aliases aren't.
        let by_alias = wanted.iter().map(|wanted| async {
            let name = &wanted.spec.alias;
            Ok::<_, anyhow::Error>(describe(context, &alias(name)).await?.map(|key| (key, name.clone())))
        });
        for known in try_join_all(by_alias).await?.into_iter().flatten() {
            keys.insert(arn(&known.0)?.to_owned(), Some(known));
        }
        let reads = keys.into_iter().map(|(arn, known)| {
            let tags = tagged.get(&arn).cloned();
            read(context, arn, known, tags)
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let key = match living(context, address, spec).await? {
            Some(key) => key,
            None => make(context, address, spec).await?,
        };
        apply(context, &key, spec, None).await
    }

    async fn update(&self, context: &Context, live: &Found<Spec>, spec: &Spec, _changed: &[String]) -> Result<Outcome> {
        apply(context, &live.id, spec, Some(&live.spec)).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let id = &live.id;
        let Some(key) = describe(context, id).await? else { return Ok(()) };
        if *state(&key)? == KeyState::PendingDeletion {
            return Ok(());
        }
        for alias in aliases(context, id).await? {
            drop_alias(context, &alias).await?;
        }
        // The tags stay until the end is certain: an interrupted deletion must be found by them. KMS won't take them
        // off a key that waits for its end, and `find` overlooks such keys.
        let call = context.aws.kms().schedule_key_deletion().key_id(id);
        match ask(call.pending_window_in_days(i32::try_from(live.spec.deletion_days)?).send()).await {
            Err(error) if error.lost && error.kind == ErrorKind::WrongState => Ok(()),
            answer => Ok(wait::found(answer).map(|_| ())?),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        // A name that is no id is an alias.
        let key = match describe(context, id).await? {
            None if !id.contains([':', '/']) => describe(context, &alias(id)).await?,
            key => key,
        };
        let Some(key) = key else { return Ok(None) };
        let arn = arn(&key)?;
        let tags = tags::claimed(context, address, arn, tags_of(context, arn).await?)?;
        Box::pin(read_as(context, &key, None, &tags)).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tag(context, &outcome.id, tags).await
    }
}

/// The stack's key of that ARN; `known` are its description and the wanted alias that led to it, `tags` what the
/// tagging API says.
async fn read(
    context: &Context,
    key: String,
    known: Option<(KeyMetadata, Alias)>,
    tags: Option<Tags>,
) -> Result<Option<Found<Spec>>> {
    let (metadata, name) = match known {
        Some((metadata, name)) => (metadata, Some(name)),
        None => match describe(context, &key).await? {
            Some(metadata) => (metadata, None),
            None => return Ok(None),
        },
    };
    if waits(&metadata)? {
        return Ok(None);
    }
    let tags = match tags {
        Some(tags) => tags,
        None => tags_of(context, &key).await?,
    };
    Box::pin(read_as(context, &metadata, name, &tags)).await
}

/// The key of that description, with this alias if one led to it, and these tags; none if they aren't the stack's.
async fn read_as(
    context: &Context,
    metadata: &KeyMetadata,
    name: Option<Alias>,
    tags: &Tags,
) -> Result<Option<Found<Spec>>> {
    if waits(metadata)? {
        return Ok(None);
    }
    let Some(address) = tags::address(context, "key", tags) else { return Ok(None) };
    let key = arn(metadata)?;
    let aliases = async {
        match name {
            // Somebody may have given the key further names.
            Some(name) => Ok(vec![alias(&name)]),
            None => aliases(context, key).await,
        }
    };
    let (rotation, policy, aliases) = futures::try_join!(rotates(context, key), policy_of(context, key), aliases)?;
    let name = aliases.first().map(|name| name.strip_prefix("alias/").unwrap_or(name)).unwrap_or_default();
    let spec = Spec {
        alias: name.into(),
        // KMS leaves an empty one out.
        description: metadata.description().unwrap_or_default().to_owned(),
        rotation,
        policy,
        deletion_days: tags.get(DELETION_DAYS).and_then(|days| days.parse().ok()).unwrap_or_else(deletion_days),
    };
    let id = metadata.key_id().needed("kms", "KeyMetadata.KeyId")?;
    let mut found = tags::found(address, tags, key, spec, &[("arn", key), ("id", id), ("alias", name)]);
    let state = state(metadata)?;
    if *state != KeyState::Enabled {
        found.condition = Condition::Failed(format!("the key is {state}; enable it in KMS"));
    }
    Ok(Some(found))
}

/// The ARN of the key of this address that an earlier attempt made.
async fn living(context: &Context, address: &Address, spec: &Spec) -> Result<Option<String>> {
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

/// Makes the key. KMS knows neither names nor tokens: a repeat would make a second one.
async fn make(context: &Context, address: &Address, spec: &Spec) -> Result<String> {
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

/// Makes the key's settings those of the spec; `before` are the known ones, none for a new key.
async fn apply(context: &Context, key: &str, spec: &Spec, before: Option<&Spec>) -> Result<Outcome> {
    if before.is_none_or(|before| before.alias != spec.alias) {
        name(context, key, &spec.alias).await?;
        if let Some(old) = before.filter(|before| !before.alias.is_empty()) {
            drop_alias(context, &alias(&old.alias)).await?;
        }
    }
    let kms = context.aws.kms();
    if before.is_some_and(|before| before.description != spec.description) {
        ask(kms.update_key_description().key_id(key).description(&spec.description).send()).await?;
    }
    if before.map_or(spec.rotation, |before| before.rotation != spec.rotation) {
        if spec.rotation {
            ask(kms.enable_key_rotation().key_id(key).send()).await?;
        } else {
            ask(kms.disable_key_rotation().key_id(key).send()).await?;
        }
    }
    if before.is_some_and(|before| before.policy != spec.policy) {
        let policy = spec.policy.clone().unwrap_or_else(|| default_policy(context));
        let call = kms.put_key_policy().key_id(key).policy_name("default").policy(policy.to_string());
        wait::while_refused(context, KNOWN, wait::not_yet, || ask(call.clone().send())).await?;
    }
    if before.is_some_and(|before| before.deletion_days != spec.deletion_days) {
        tag(context, key, &[(DELETION_DAYS, &spec.deletion_days.to_string())]).await?;
    }
    let id = key.rsplit('/').next().unwrap_or(key);
    Ok(tags::outcome(key, &[("arn", key), ("id", id), ("alias", &spec.alias)]))
}
