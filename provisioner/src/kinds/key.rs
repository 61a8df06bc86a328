//! `key`: a KMS key with its alias, rotation and policy.

mod iam;
mod making;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use lakewright_aws::{ErrorKind, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::iam::leaves_it_to_iam;
use self::making::{living, make};
use self::wire::{
    alias, aliases, arn, default_policy, describe, drop_alias, enable, name, policy_of, rotates, state, tags_of, waits,
};
use super::each::{self, One, each};
use super::spec::{compared, in_place, yes};
use super::tags::{self, Tags};
use super::values::text;
use super::{policy, statement, tagged, tagging, wait};
use crate::charge::{Charge, Cost};
use crate::kind::applied::{self, was_applied};
use crate::kind::{
    Arn, Comparing, Context, Delta, Departure, Facts, Field, Found, Grant, Kind, Outcome, Step, Tagging as _, Wanted,
};
use crate::resource::{Action, Address, Condition, Obstacle};
use crate::services::Services as _;

text!(
    /// A key's alias without `alias/`.
    Alias,
    r"^[A-Za-z0-9/_-]{1,250}$",
    not "^alias/" => "write the alias without `alias/`",
    not "^aws/" => "AWS keeps `aws/` for its own keys: choose another alias",
    not "^lakewright/" => "`lakewright/` is kept for the keys that sign what stacks know of themselves: choose another alias"
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
    "kms:CancelKeyDeletion",
    "kms:EnableKey",
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
    // Secrets, brokers and volumes are encrypted in the caller's name.
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("alias", "kms:{region}:{account}:alias/{alias}"), ("arn", "kms:{region}:{account}:key/*")];
const FACTS: Facts = Facts {
    holds_data: true,
    identified_by: &["alias"],
    tag_types: &["kms:key"],
    review: &["policy"],
    arns: ARNS,
    rights: super::rights::keys::KEYS_OF_THE_STACK,
    tagging: Some(&tagging::Kms),
    ..Facts::of("key", "a KMS key with its alias, rotation and policy", FIELDS, OUTPUTS, ACTIONS)
};

/// The places of [`Spec::alias`] and [`Spec::rotation`] in [`FIELDS`].
const ALIAS: usize = 0;
const ROTATION: usize = 2;

/// What KMS lets nobody use a key for, as a change of it.
const STATE: &str = "state";

/// What only a key that exists has.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Observed {
    /// KMS's word for its state, `Disabled`; empty for one that can be used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
}

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
    type Observed = Observed;
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.policy = spec.policy.take().map(|policy| policy::arranged("policy", policy)).transpose()?;
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

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        match (step.action, step.live) {
            (Action::Delete | Action::Replace, Some(Spec { deletion_days, .. })) => vec![format!(
                "what it encrypts can't be read any more; the key can be restored for {deletion_days} days"
            )],
            _ if step.updates("policy") => {
                let by_iam = step.spec.is_none_or(|spec| spec.policy.as_ref().is_none_or(leaves_it_to_iam));
                let readers = if by_iam {
                    "whom IAM policies of the account let use the key, and whom the new policy names,"
                } else {
                    "only whom the new policy names"
                };
                vec![format!("from now on {readers} can read what it encrypts")]
            }
            _ => Vec::new(),
        }
    }

    fn refuses(&self, _live: &Spec, observed: &Observed, _spec: &Spec) -> Option<Obstacle> {
        // What is encrypted with the key is lost with it, so that nothing takes its place.
        let fix = match KeyState::from(observed.state.as_str()) {
            KeyState::Unavailable => "connect its custom key store to its cluster again",
            KeyState::PendingImport => "import its key material again",
            _ => return None,
        };
        Some(Obstacle::new(format!("the key is {}, which no call of KMS ends", observed.state), fix))
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        match &spec.policy {
            Some(policy) => statement::grants(policy, "it"),
            None => vec![Grant::to("whomever the account's IAM policies name", "kms:*")],
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec, Observed>>> {
        // The tagging API knows the tags of many at once; of those that it doesn't list yet each is asked.
        let mut tagged: BTreeMap<String, Tags> = tagged::resources(context, "kms").await?.into_iter().collect();
        // The key that signs the stack's records has no address.
        tagged.retain(|_, tags| tags.contains_key(tags::ADDRESS));
        let mut keys: BTreeMap<String, Option<(KeyMetadata, Alias)>> =
            tagged.keys().map(|arn| (arn.clone(), None)).collect();
        // The tagging API is late with new keys; their aliases aren't.
        let by_alias = wanted.iter().map(|wanted| {
            let name = &wanted.spec.alias;
            let read = async move { Ok(describe(context, &alias(name)).await?.map(|key| (key, name.clone()))) };
            One { address: Some(wanted.address.clone()), id: alias(name), read }
        });
        for known in each(context, FACTS.name, by_alias).await? {
            keys.insert(arn(&known.0)?.to_owned(), Some(known));
        }
        let reads = keys.into_iter().map(|(arn, known)| {
            let tags = tagged.get(&arn).cloned();
            let by_alias = known.as_ref().map(|(_, name)| name.clone());
            let means = |spec: &Spec| by_alias.as_ref() == Some(&spec.alias);
            let address = each::address(context, FACTS.name, tags.as_ref(), wanted, means);
            One { address, id: arn.clone(), read: read(context, arn, known, tags) }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let key = match living(context, address, spec).await? {
            Some(key) => key,
            None => make(context, address, spec).await?,
        };
        apply(context, &key, spec, None).await
    }

    async fn update(&self, context: &Context, delta: Delta<'_, Spec, Observed>) -> Result<Outcome> {
        let Delta { live, spec, changed } = delta;
        if changed.iter().any(|field| field == STATE) {
            enable(context, &live.id).await?;
        }
        apply(context, &live.id, spec, Some(&live.spec)).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec, Observed>) -> Result<()> {
        let id = &live.id;
        let Some(key) = describe(context, id).await? else { return Ok(()) };
        // Others' names of it go with the key when its time is over; until then they find it again if it is kept.
        let own = alias(&live.spec.alias);
        if aliases(context, id).await?.contains(&own) {
            drop_alias(context, &own).await?;
        }
        if waits(&key)? {
            return Ok(());
        }
        // The tags stay until the end is certain: an interrupted deletion must be found by them. KMS won't take them
        // off a key that waits for its end, and `find` overlooks such keys.
        let call = context.aws.kms().schedule_key_deletion().key_id(id);
        match ask(call.pending_window_in_days(i32::try_from(live.spec.deletion_days)?).send()).await {
            Err(error) if error.lost && error.kind == ErrorKind::WrongState => Ok(()),
            answer => Ok(wait::found(answer).map(|_| ())?),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec, Observed>>> {
        // A name that is no id is an alias.
        let (key, name) = match describe(context, id).await? {
            None if !id.contains([':', '/']) => (describe(context, &alias(id)).await?, Some(id.into())),
            key => (key, None),
        };
        let Some(key) = key else { return Ok(None) };
        let arn = arn(&key)?;
        let tags = tags::claimed(context, address, arn, tags_of(context, arn).await?)?;
        Box::pin(read_as(context, &key, name, &tags)).await
    }
}

/// The stack's key of that ARN; `known` are its description and the wanted alias that led to it, `tags` what the
/// tagging API says.
async fn read(
    context: &Context,
    key: String,
    known: Option<(KeyMetadata, Alias)>,
    tags: Option<Tags>,
) -> Result<Option<Found<Spec, Observed>>> {
    let (metadata, name) = match known {
        Some((metadata, name)) => (metadata, Some(name)),
        None => match describe(context, &key).await? {
            Some(metadata) => (metadata, None),
            None => return Ok(None),
        },
    };
    let tags = match tags {
        Some(tags) => tags,
        None => tags_of(context, &key).await?,
    };
    let going = waits(&metadata)?;
    let found = Box::pin(read_as(context, &metadata, name, &tags)).await?;
    // The stack takes its name off a key before it gives that up: one that has it still was given up by somebody else.
    Ok(found.filter(|found| !(going && found.spec.alias.is_empty())))
}

/// The key of that description, with this alias if one led to it, and these tags; none if they aren't the stack's.
async fn read_as(
    context: &Context,
    metadata: &KeyMetadata,
    name: Option<Alias>,
    tags: &Tags,
) -> Result<Option<Found<Spec, Observed>>> {
    let Some(address) = tags::address(context, "key", tags) else { return Ok(None) };
    let key = arn(metadata)?;
    let aliases = async {
        match &name {
            // Somebody may have given the key further names.
            Some(name) => Ok(vec![alias(name)]),
            None => aliases(context, key).await,
        }
    };
    let (rotation, policy, aliases) = futures::try_join!(rotates(context, key), policy_of(context, key), aliases)?;
    let names: Vec<&str> = aliases.iter().map(|name| name.strip_prefix("alias/").unwrap_or(name)).collect();
    let applied = applied::read(tags);
    let applied = applied.as_deref();
    let name = name.as_ref().map_or_else(|| own_name(&names, applied), Alias::as_str);
    // Of one that waits for its end KMS says no, and has it again once the end is cancelled.
    let was_on = || was_applied(&FACTS, &FIELDS[ROTATION], &Value::from(true), applied) == Some(true);
    let rotation = rotation || waits(metadata)? && was_on();
    let spec = Spec {
        alias: name.into(),
        // KMS leaves an empty one out.
        description: metadata.description().unwrap_or_default().to_owned(),
        rotation,
        policy,
        deletion_days: tags.get(DELETION_DAYS).and_then(|days| days.parse().ok()).unwrap_or_else(deletion_days),
    };
    let id = metadata.key_id().needed("kms", "KeyMetadata.KeyId")?;
    let mut found: Found<Spec, Observed> =
        tags::found(address, tags, key, spec, &[("arn", key), ("id", id), ("alias", name)]);
    found.holds = names.iter().filter(|other| **other != name).map(|other| format!("the alias {other}")).collect();
    match state(metadata)? {
        KeyState::Enabled => {}
        KeyState::Creating | KeyState::Updating => found.condition = Condition::Pending(state(metadata)?.to_string()),
        state => {
            found.observed.state = state.to_string();
            found.departures.extend(Departure::of(STATE, state.as_str(), KeyState::Enabled.as_str()));
        }
    }
    Ok(Some(found))
}

/// Which of a key's names is the stack's: the one that was given to it last, and where nothing says which that is, the
/// only one; empty if others gave it all that it has.
fn own_name<'a>(names: &[&'a str], applied: Option<&str>) -> &'a str {
    let was_given = |name: &str| was_applied(&FACTS, &FIELDS[ALIAS], &Value::from(name), applied);
    match names {
        [only] if was_given(only).is_none() => only,
        _ => names.iter().copied().find(|name| was_given(name) == Some(true)).unwrap_or_default(),
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
        let days = spec.deletion_days.to_string();
        tagging::Kms.write(context, &tags::outcome(key, &[]), &[(DELETION_DAYS, &days)]).await?;
    }
    let id = key.rsplit('/').next().unwrap_or(key);
    Ok(tags::outcome(key, &[("arn", key), ("id", id), ("alias", &spec.alias)]))
}
