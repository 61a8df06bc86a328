//! `volume`: an EBS volume that outlives the hosts that it is attached to.

mod types;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self as wire, ResourceType, VolumeModificationState, VolumeState, VolumeType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::types::Type;
use self::types::{by_use, canonical, charges, takes_iops};
use super::ec2::Thing as _;
use super::spec::{compared, in_place, replaces, yes};
use super::values::{KeyId, Zone};
use super::{ec2, holders, tagged, tagging, tags, wait};
use crate::charge::Cost;
use crate::kind::{Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address, Condition};

/// An EBS volume. It belongs to no host: whoever finds it by its tags attaches it, and it stays when that one goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The availability zone, `eu-north-1a`; only hosts there can attach it.
    pub zone: Zone,
    /// The size in GiB. EBS never shrinks a volume.
    pub size_gib: u32,
    /// The type: `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`. Default: `gp3`.
    #[serde(rename = "type", default)]
    pub kind: Type,
    /// The operations each second: 3,000 or more for `gp3`, which has that many by default; required for `io1` and `io2`,
    /// not taken by other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// The throughput in MiB/s of `gp3`, which has 125 by default; not taken by other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// Whether it is encrypted. Default: true.
    #[serde(default = "yes")]
    pub encrypted: bool,
    /// The ARN of the KMS key that encrypts it; absent: the account's own key for EBS. A volume never changes its key: one
    /// whose key leaves the file keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

const FIELDS: &[Field] = &[
    replaces("zone"),
    compared(in_place("size_gib"), Comparing::AsFloor),
    in_place("type"),
    in_place("iops"),
    in_place("throughput"),
    replaces("encrypted"),
    replaces("key"),
];
const OUTPUTS: &[&str] = &["id", "arn", "zone"];
const ACTIONS: &[&str] = &[
    "ec2:CreateVolume",
    "ec2:ModifyVolume",
    "ec2:DeleteVolume",
    "ec2:DescribeVolumes",
    "ec2:DescribeVolumesModifications",
    "tag:GetResources",
    // EBS takes the key in the caller's name.
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];
const FACTS: Facts = Facts {
    holds_data: true,
    expected: [Duration::from_secs(10), Duration::from_mins(1), Duration::from_secs(20)],
    renamed_fields: &[("gib", "size_gib")],
    tag_types: &["ec2:volume"],
    follows: &[(&[Action::Replace], "the new one begins empty")],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("volume", "an EBS volume that outlives its hosts", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a volume may take to be made, and to take a change.
const MADE: Duration = Duration::from_mins(5);
const CHANGED: Duration = Duration::from_mins(30);

/// The kind.
#[derive(Debug)]
pub struct Volume;

#[async_trait]
impl Kind for Volume {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        canonical(spec)
    }

    fn cost(&self, spec: &Spec) -> Cost {
        Cost::Billed { charges: charges(spec), by_use: by_use(&spec.kind) }
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let mut sentences = Vec::new();
        if step.updates("size_gib") {
            sentences.push("EBS never shrinks it again; its host grows the file system within ten minutes".to_owned());
        }
        let shrinks = |(live, spec): (&Spec, &Spec)| live.size_gib > spec.size_gib;
        if step.action == Action::Update && step.live.zip(step.spec).is_some_and(shrinks) {
            sentences.push("it keeps its size: EBS never shrinks a volume".to_owned());
        }
        if ["type", "iops", "throughput"].iter().any(|name| step.updates(name)) {
            sentences.push("it can be used meanwhile; AWS takes the next change when this one is completed".to_owned());
        }
        sentences
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        if wanted.is_empty() {
            let tagged = tagged::resources(context, "ec2").await?;
            if !tagged.iter().any(|(_, tags)| tags::address(context, "volume", tags).is_some()) {
                return Ok(Vec::new());
            }
        }
        let found = volumes(context, "volume.*").await?;
        let found: Result<Vec<_>> = found.iter().map(|volume| read(context, volume)).collect();
        let mut found: Vec<Found<Spec>> = found?.into_iter().flatten().collect();
        for volume in &mut found {
            // AWS returns the key of every volume, the account's own too.
            if wanted.iter().any(|one| *one.address == volume.address && one.spec.key.is_none()) {
                volume.spec.key = None;
            }
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        // A token of an apply that resumes makes no second one; one left by an apply long over is found by its tags.
        let found = volumes(context, &address.to_string()).await?;
        let mut living = None;
        for volume in &found {
            if is_there(volume)? {
                living = Some(volume.id()?.to_owned());
                break;
            }
        }
        let id = match living {
            Some(id) => id,
            None => {
                let call = context
                    .aws
                    .ec2()
                    .create_volume()
                    .availability_zone(spec.zone.as_str())
                    .size(i32::try_from(spec.size_gib)?)
                    .volume_type((&spec.kind).into())
                    .encrypted(spec.encrypted)
                    .client_token(tags::client_token(context, address, spec))
                    .tag_specifications(ec2::specification(context, address, ResourceType::Volume))
                    .set_iops(figure(spec.iops)?)
                    .set_throughput(figure(spec.throughput)?)
                    .set_kms_key_id(spec.key.clone().map(String::from));
                ask(call.send()).await?.volume_id.needed("ec2", "Volume.VolumeId")?
            }
        };
        let volume = wait::until(context, MADE, &format!("the volume {id} is not available"), || async {
            let Some(volume) = wire::Volume::described(context, &id).await? else { return Ok(None) };
            match state(&volume)? {
                VolumeState::Available | VolumeState::InUse => Ok(Some(volume)),
                // AWS makes it although it may not use the key, and says only so.
                VolumeState::Error => {
                    let key = spec.key.as_deref().unwrap_or("of the account");
                    bail!("EBS gave the volume {id} up: is the key {key} there and may it be used?")
                }
                _ => Ok(None),
            }
        })
        .await?;
        outcome(context, &volume)
    }

    async fn update(&self, context: &Context, Delta { live, spec: new, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let old = &live.spec;
        let size = (new.size_gib > old.size_gib).then_some(new.size_gib);
        let kind = (new.kind != old.kind).then(|| VolumeType::from(&new.kind));
        let performs = (&new.kind, new.iops, new.throughput) != (&old.kind, old.iops, old.throughput);
        let (iops, throughput) = if performs { (new.iops, new.throughput) } else { (None, None) };
        if kind.is_some() || [size, iops, throughput].iter().any(Option::is_some) {
            let call = context.aws.ec2().modify_volume().volume_id(&live.id).set_size(figure(size)?);
            let call = call.set_volume_type(kind).set_iops(figure(iops)?).set_throughput(figure(throughput)?);
            wait::while_refused(context, CHANGED, Error::is_busy, || ask(call.clone().send())).await?;
            let call = context.aws.ec2().describe_volumes_modifications().volume_ids(&live.id);
            wait::until(context, CHANGED, &format!("the volume {} is still being changed", live.id), || async {
                // The list learns of a change late.
                let Some(answer) = wait::found(ask(call.clone().send()).await)? else { return Ok(None) };
                let Some(change) = answer.volumes_modifications().first() else { return Ok(None) };
                match change.modification_state().needed("ec2", "VolumeModification.ModificationState")? {
                    VolumeModificationState::Optimizing | VolumeModificationState::Completed => Ok(Some(())),
                    VolumeModificationState::Failed => {
                        bail!("EBS couldn't change it: {}", change.status_message().unwrap_or_default())
                    }
                    _ => Ok(None),
                }
            })
            .await?;
        }
        let Some(volume) = wire::Volume::described(context, &live.id).await? else {
            bail!("the volume {} is gone", live.id)
        };
        outcome(context, &volume)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.ec2().delete_volume().volume_id(&live.id);
        let holders = async || {
            let volume = wire::Volume::described(context, &live.id).await?;
            Ok::<_, anyhow::Error>(volume.as_ref().map(holders::of_volume).unwrap_or_default())
        };
        wait::released(context, holders, || ask(call.clone().send())).await?;
        wait::until(context, MADE, &format!("the volume {} is still there", live.id), || async {
            Ok(match wire::Volume::described(context, &live.id).await? {
                Some(volume) if is_there(&volume)? => None,
                _ => Some(()),
            })
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let id = id.rsplit('/').next().unwrap_or(id);
        let Some(volume) = wire::Volume::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, volume)?)
    }
}

/// A number as EC2 takes it.
fn figure(number: Option<u32>) -> Result<Option<i32>> {
    Ok(number.map(i32::try_from).transpose()?)
}

fn state(volume: &wire::Volume) -> Result<&VolumeState, Error> {
    volume.state().needed("ec2", "Volume.State")
}

fn zone(volume: &wire::Volume) -> Result<&str, Error> {
    volume.availability_zone().needed("ec2", "Volume.AvailabilityZone")
}

/// Whether a volume isn't on its way out.
fn is_there(volume: &wire::Volume) -> Result<bool, Error> {
    Ok(!matches!(state(volume)?, VolumeState::Deleting | VolumeState::Deleted | VolumeState::Error))
}

/// The stack's volumes whose address fits a pattern: those that launches made carry the stack's tag only.
async fn volumes(context: &Context, addresses: &str) -> Result<Vec<wire::Volume>, Error> {
    let of_addresses = ec2::filter(&format!("tag:{}", tags::ADDRESS), addresses);
    let call = context.aws.ec2().describe_volumes().filters(ec2::of_stack(context)).filters(of_addresses);
    ask_all(call.into_paginator().items().send()).await
}

fn outcome(context: &Context, volume: &wire::Volume) -> Result<Outcome> {
    let id = volume.id()?;
    let arn = ec2::arn(context, "volume", id);
    Ok(tags::outcome(id, &[("id", id), ("arn", &arn), ("zone", zone(volume)?)]))
}

fn read(context: &Context, volume: &wire::Volume) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "volume", volume) else { return Ok(None) };
    let state = state(volume)?;
    if matches!(state, VolumeState::Deleting | VolumeState::Deleted) {
        return Ok(None);
    }
    let (id, zone) = (volume.id()?, zone(volume)?);
    let kind = volume.volume_type().needed("ec2", "Volume.VolumeType")?.as_str();
    let kind: Type = kind.parse().with_context(|| format!("read the type of the volume {id}"))?;
    // AWS says the operations and the throughput of every type; only those that can be asked for belong to the spec.
    let asked = |figure: Option<i32>| figure.filter(|figure| *figure > 0).map(u32::try_from).transpose();
    let encrypted = volume.encrypted().needed("ec2", "Volume.Encrypted")?;
    let iops = asked(volume.iops().filter(|_| takes_iops(&kind)))?;
    let throughput = asked(volume.throughput().filter(|_| kind == Type::Gp3))?;
    let spec = Spec {
        zone: zone.into(),
        size_gib: u32::try_from(volume.size().needed("ec2", "Volume.Size")?)?,
        kind,
        iops,
        throughput,
        encrypted,
        key: volume.kms_key_id().filter(|_| encrypted).map(KeyId::from),
    };
    let arn = ec2::arn(context, "volume", id);
    let mut found = tags::found(address, &tags, id, spec, &[("id", id), ("arn", &arn), ("zone", zone)]);
    match state {
        VolumeState::Creating => found.condition = Condition::Pending(state.to_string()),
        VolumeState::Error => found.condition = Condition::Failed("EBS couldn't make it".to_owned()),
        _ => {}
    }
    Ok(Some(found))
}
