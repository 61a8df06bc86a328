//! `volume`: an EBS volume that outlives the hosts that it is attached to.

mod types;

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self as wire, ResourceType, VolumeModificationState, VolumeState, VolumeType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::types::{by_use, canonical, charges, takes_iops};
use super::spec::{compared, describes, in_place, replaces, typed, value, yes};
use super::{ec2, tag_lists, tagged, tags, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

/// An EBS volume. It belongs to no host: whoever finds it by its tags attaches it, and it stays when that one goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The availability zone, `eu-north-1a`; only hosts there can attach it.
    #[schemars(regex(pattern = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+([a-z]|(-[a-z0-9]+)+-[0-9]+[a-z]?)$"))]
    pub zone: String,
    /// The size in GiB. EBS never shrinks a volume.
    pub gib: u32,
    /// The type: `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`. Default: `gp3`.
    #[serde(rename = "type", default = "gp3")]
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,
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
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub key: Option<String>,
}

fn gp3() -> String {
    "gp3".to_owned()
}

const FIELDS: &[Field] = &[
    replaces("zone"),
    compared(in_place("gib"), Comparing::AsFloor),
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
    "ec2:CreateTags",
    "tag:GetResources",
    // EBS takes the key in the caller's name.
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

/// How long a volume may take to be made, and to take a change.
const MADE: Duration = Duration::from_mins(5);
const CHANGED: Duration = Duration::from_mins(30);

/// The kind.
#[derive(Debug)]
pub struct Volume;

#[async_trait]
impl Kind for Volume {
    describes!("volume", "an EBS volume that outlives its hosts", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, spec: &Value) -> Cost {
        match typed::<Spec>(spec) {
            Ok(spec) => Cost::Billed { charges: charges(&spec), by_use: by_use(&spec.kind) },
            Err(_) => Cost::Unknown("the spec is no volume's"),
        }
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(10), Duration::from_mins(1), Duration::from_secs(20)]
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let mut sentences = Vec::new();
        if action == Action::Update && changed.contains(&"gib") {
            sentences.push("EBS never shrinks it again; its host grows the file system within ten minutes".to_owned());
        }
        if action == Action::Update && live["gib"].as_u64() > spec["gib"].as_u64() {
            sentences.push("it keeps its size: EBS never shrinks a volume".to_owned());
        }
        if action == Action::Update && changed.iter().any(|name| ["type", "iops", "throughput"].contains(name)) {
            sentences.push("it can be used meanwhile; AWS takes the next change when this one is completed".to_owned());
        }
        if action == Action::Replace {
            sentences.push("the new one begins empty".to_owned());
        }
        sentences
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        if wanted.is_empty() {
            let tagged = tagged::resources(context, "ec2").await?;
            if !tagged.iter().any(|(_, tags)| tags::address(context, "volume", tags).is_some()) {
                return Ok(Vec::new());
            }
        }
        let found = volumes(context, "volume.*").await?;
        let live: Result<Vec<_>> = found.iter().map(|volume| read(context, volume)).collect();
        let mut live: Vec<Live> = live?.into_iter().flatten().collect();
        for volume in &mut live {
            // AWS tells the key of every volume, the account's own too.
            let keyless = |one: &Wanted<'_>| *one.address == volume.address && one.spec["key"].is_null();
            if wanted.iter().any(keyless)
                && let Some(spec) = volume.spec.as_object_mut()
            {
                spec.shift_remove("key");
            }
        }
        Ok(live)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        // A token of an apply that resumes makes no second one; one left by an apply long over is found by its tags.
        let found = volumes(context, &address.to_string()).await?;
        let mut living = None;
        for volume in &found {
            if is_there(volume)? {
                living = Some(id(volume)?.to_owned());
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
                    .availability_zone(&spec.zone)
                    .size(i32::try_from(spec.gib)?)
                    .volume_type(VolumeType::from(spec.kind.as_str()))
                    .encrypted(spec.encrypted)
                    .client_token(tags::client_token(context, address, &spec))
                    .tag_specifications(ec2::specification(context, address, ResourceType::Volume))
                    .set_iops(figure(spec.iops)?)
                    .set_throughput(figure(spec.throughput)?)
                    .set_kms_key_id(spec.key.clone());
                ask(call.send()).await?.volume_id.needed("ec2", "Volume.VolumeId")?
            }
        };
        let volume = wait::until(context, MADE, &format!("the volume {id} is not available"), || async {
            let Some(volume) = described(context, &id).await? else { return Ok(None) };
            match state(&volume)? {
                VolumeState::Available | VolumeState::InUse => Ok(Some(volume)),
                // AWS makes it although it may not use the key, and says only so.
                VolumeState::Error => {
                    bail!("EBS gave the volume {id} up: is the key {:?} there and may it be used?", spec.key)
                }
                _ => Ok(None),
            }
        })
        .await?;
        outcome(context, &volume)
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let (old, new): (Spec, Spec) = (typed(&live.spec)?, typed(spec)?);
        let size = (new.gib > old.gib).then_some(new.gib);
        let kind = (new.kind != old.kind).then(|| VolumeType::from(new.kind.as_str()));
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
        let Some(volume) = described(context, &live.id).await? else { bail!("the volume {} is gone", live.id) };
        outcome(context, &volume)
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let call = context.aws.ec2().delete_volume().volume_id(&live.id);
        wait::released(context, || ask(call.clone().send())).await?;
        wait::until(context, MADE, &format!("the volume {} is still there", live.id), || async {
            Ok(match described(context, &live.id).await? {
                Some(volume) if is_there(&volume)? => None,
                _ => Some(()),
            })
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let id = id.rsplit('/').next().unwrap_or(id);
        let Some(mut volume) = described(context, id).await? else { return Ok(None) };
        volume.tags = ec2::claim(context, address, id, volume.tags())?;
        read(context, &volume)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        ec2::tag(context, &outcome.id, tags).await
    }
}

/// A number as EC2 takes it.
fn figure(number: Option<u32>) -> Result<Option<i32>> {
    Ok(number.map(i32::try_from).transpose()?)
}

fn id(volume: &wire::Volume) -> Result<&str, Error> {
    volume.volume_id().needed("ec2", "Volume.VolumeId")
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

async fn described(context: &Context, id: &str) -> Result<Option<wire::Volume>, Error> {
    let found = wait::found(ask(context.aws.ec2().describe_volumes().volume_ids(id).send()).await)?;
    Ok(found.and_then(|answer| answer.volumes?.into_iter().next()))
}

fn outcome(context: &Context, volume: &wire::Volume) -> Result<Outcome> {
    let id = id(volume)?;
    let arn = ec2::arn(context, "volume", id);
    Ok(tags::outcome(id, &[("id", id), ("arn", &arn), ("zone", zone(volume)?)]))
}

fn read(context: &Context, volume: &wire::Volume) -> Result<Option<Live>> {
    let tags = tag_lists::read(volume.tags());
    let Some(address) = tags::address(context, "volume", &tags) else { return Ok(None) };
    let state = state(volume)?;
    if matches!(state, VolumeState::Deleting | VolumeState::Deleted) {
        return Ok(None);
    }
    let (id, zone) = (id(volume)?, zone(volume)?);
    let kind = volume.volume_type().needed("ec2", "Volume.VolumeType")?.as_str();
    // AWS says the operations and the throughput of every type; only those that can be asked for belong to the spec.
    let asked = |figure: Option<i32>| figure.filter(|figure| *figure > 0).map(u32::try_from).transpose();
    let encrypted = volume.encrypted().needed("ec2", "Volume.Encrypted")?;
    let spec = Spec {
        zone: zone.to_owned(),
        gib: u32::try_from(volume.size().needed("ec2", "Volume.Size")?)?,
        kind: kind.to_owned(),
        iops: asked(volume.iops().filter(|_| takes_iops(kind)))?,
        throughput: asked(volume.throughput().filter(|_| kind == "gp3"))?,
        encrypted,
        key: volume.kms_key_id().filter(|_| encrypted).map(str::to_owned),
    };
    let arn = ec2::arn(context, "volume", id);
    let mut live = tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn), ("zone", zone)]);
    match state {
        VolumeState::Creating => live.condition = Condition::Pending(state.to_string()),
        VolumeState::Error => live.condition = Condition::Failed("EBS couldn't make it".to_owned()),
        _ => {}
    }
    Ok(Some(live))
}
