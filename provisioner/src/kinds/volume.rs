//! `volume`: an EBS volume that outlives the hosts that it is attached to.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, in_place, replaces, typed, value, yes};
use super::wire::{flag, number, some_text};
use super::{tagged, tags, wait};
use crate::cost::{Charge, Cost};
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

/// What a type takes.
struct Type {
    name: &'static str,
    /// Smallest and greatest size in GiB.
    gib: (u32, u32),
    /// Fewest and most operations each second, and the most for each GiB; none where AWS sets them.
    iops: Option<(u32, u32, u32)>,
}

/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
const TYPES: [Type; 7] = [
    Type { name: "gp3", gib: (1, 65_536), iops: Some((3000, 80_000, 500)) },
    Type { name: "gp2", gib: (1, 16_384), iops: None },
    Type { name: "io1", gib: (4, 16_384), iops: Some((100, 64_000, 50)) },
    Type { name: "io2", gib: (4, 65_536), iops: Some((100, 256_000, 1000)) },
    Type { name: "st1", gib: (125, 16_384), iops: None },
    Type { name: "sc1", gib: (125, 16_384), iops: None },
    Type { name: "standard", gib: (1, 1024), iops: None },
];
/// What a `gp3` volume has without being asked.
const GP3_IOPS: u32 = 3000;
const GP3_THROUGHPUT: u32 = 125;
const MOST_THROUGHPUT: u32 = 2000;

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
        let mut live: Vec<Live> = found.iter().filter_map(|volume| read(context, volume)).collect();
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
        let id = match found.iter().find(|volume| is_there(volume)) {
            Some(volume) => text(volume, "volumeId").to_owned(),
            None => {
                let mut input = json!({
                    "AvailabilityZone": spec.zone,
                    "Size": spec.gib,
                    "VolumeType": spec.kind,
                    "Encrypted": spec.encrypted,
                    "ClientToken": tags::client_token(context, address, &spec),
                    "TagSpecification": tags::specification(context, address, "volume"),
                });
                spec.write_performance(&mut input);
                if let Some(key) = &spec.key {
                    input["KmsKeyId"] = json!(key);
                }
                let made = context.aws.call(Service::Ec2, "CreateVolume", input).await?;
                text(&made, "volumeId").to_owned()
            }
        };
        let volume = wait::until(context, MADE, &format!("the volume {id} is not available"), || async {
            let Some(volume) = described(context, &id).await? else { return Ok(None) };
            match text(&volume, "status") {
                "available" | "in-use" => Ok(Some(volume)),
                // AWS makes it although it may not use the key, and tells only so.
                "error" => bail!("EBS gave the volume {id} up: is the key {:?} there and may it be used?", spec.key),
                _ => Ok(None),
            }
        })
        .await?;
        Ok(outcome(context, &volume))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let (old, new): (Spec, Spec) = (typed(&live.spec)?, typed(spec)?);
        let mut input = json!({"VolumeId": live.id});
        if new.gib > old.gib {
            input["Size"] = json!(new.gib);
        }
        if new.kind != old.kind {
            input["VolumeType"] = json!(new.kind);
        }
        if (&new.kind, new.iops, new.throughput) != (&old.kind, old.iops, old.throughput) {
            new.write_performance(&mut input);
        }
        if input.as_object().is_some_and(|members| members.len() > 1) {
            let call = || context.aws.call(Service::Ec2, "ModifyVolume", input.clone());
            wait::while_refused(context, CHANGED, Error::is_busy, call).await?;
            wait::until(context, CHANGED, &format!("the volume {} is still being changed", live.id), || async {
                let asked = json!({"VolumeId": [live.id]});
                let answer = context.aws.call(Service::Ec2, "DescribeVolumesModifications", asked).await;
                // The list learns of a change late.
                let Some(answer) = wait::found(answer)? else { return Ok(None) };
                let Some(change) = list(&answer, "volumeModificationSet").first() else { return Ok(None) };
                match text(change, "modificationState") {
                    "optimizing" | "completed" => Ok(Some(())),
                    "failed" => bail!("EBS couldn't change it: {}", text(change, "statusMessage")),
                    _ => Ok(None),
                }
            })
            .await?;
        }
        let Some(volume) = described(context, &live.id).await? else { bail!("the volume {} is gone", live.id) };
        Ok(outcome(context, &volume))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"VolumeId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteVolume", input.clone())).await?;
        wait::until(context, MADE, &format!("the volume {} is still there", live.id), || async {
            let volume = described(context, &live.id).await?;
            Ok(volume.is_none_or(|volume| !is_there(&volume)).then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let id = id.rsplit('/').next().unwrap_or(id);
        let one = tags::claim_one(context, address, ("DescribeVolumes", "volumeSet"), ("VolumeId", id)).await?;
        Ok(one.and_then(|volume| read(context, &volume)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

impl Spec {
    fn write_performance(&self, input: &mut Value) {
        if let Some(iops) = self.iops {
            input["Iops"] = json!(iops);
        }
        if let Some(throughput) = self.throughput {
            input["Throughput"] = json!(throughput);
        }
    }
}

fn canonical(spec: &mut Spec) -> Result<()> {
    let Some(known) = TYPES.iter().find(|known| known.name == spec.kind) else {
        bail!("`{}` is no type of volume; write one of {}", spec.kind, TYPES.map(|known| known.name).join(", "));
    };
    let (least, most) = known.gib;
    if !(least..=most).contains(&spec.gib) {
        bail!("{} GiB: a volume of the type {} has {least} to {most} GiB", spec.gib, known.name);
    }
    if known.name == "gp3" {
        spec.iops.get_or_insert(GP3_IOPS);
        spec.throughput.get_or_insert(GP3_THROUGHPUT);
    }
    match (known.iops, spec.iops) {
        (None, Some(_)) => bail!("`iops`: AWS sets those of the type {}; leave it out", known.name),
        (Some(_), None) => bail!("`iops` is required for the type {}", known.name),
        (Some((least, most, each)), Some(iops)) => {
            // Each volume has the fewest, however small.
            let most = most.min((spec.gib.saturating_mul(each)).max(least));
            if !(least..=most).contains(&iops) {
                bail!("`iops` is {iops}: a {} volume of {} GiB takes {least} to {most}", known.name, spec.gib);
            }
        }
        (None, None) => {}
    }
    match spec.throughput {
        Some(_) if known.name != "gp3" => bail!("`throughput` is taken by the type gp3 only; leave it out"),
        Some(throughput) => {
            let most = MOST_THROUGHPUT.min(spec.iops.unwrap_or(GP3_IOPS) / 4);
            if !(GP3_THROUGHPUT..=most).contains(&throughput) {
                bail!(
                    "`throughput` is {throughput} MiB/s: with {} iops a volume takes {GP3_THROUGHPUT} to {most}",
                    spec.iops.unwrap_or(GP3_IOPS)
                );
            }
        }
        None => {}
    }
    if spec.key.is_some() && !spec.encrypted {
        bail!("`key` encrypts nothing while `encrypted` is false; leave one of them out");
    }
    Ok(())
}

/// What is billed for a volume by being there: its size, and what it has above the free part of `gp3`.
fn charges(spec: &Spec) -> Vec<Charge> {
    let charge = |part: &str, quantity: u32| Charge {
        price: format!("ebs.{}.{part}", spec.kind),
        quantity: f64::from(quantity),
    };
    let mut charges = vec![charge("gib_month", spec.gib)];
    let above = |has: Option<u32>, free: u32| has.unwrap_or_default().saturating_sub(free);
    let iops = match spec.kind.as_str() {
        "gp3" => above(spec.iops, GP3_IOPS),
        "io1" | "io2" => above(spec.iops, 0),
        _ => 0,
    };
    if iops > 0 {
        charges.push(charge("iops_month", iops));
    }
    let throughput = above(spec.throughput, GP3_THROUGHPUT);
    if spec.kind == "gp3" && throughput > 0 {
        charges.push(charge("mibps_month", throughput));
    }
    charges
}

fn by_use(kind: &str) -> &'static str {
    if kind == "standard" { "each million of reads and writes" } else { "" }
}

/// Whether a volume isn't on its way out.
fn is_there(volume: &Value) -> bool {
    !matches!(text(volume, "status"), "deleting" | "deleted" | "error")
}

/// The stack's volumes whose address fits a pattern: those that launches made carry the stack's tag only.
async fn volumes(context: &Context, addresses: &str) -> Result<Vec<Value>> {
    let filter = json!([
        {"Name": format!("tag:{}", tags::STACK), "Value": [context.stack]},
        {"Name": format!("tag:{}", tags::ADDRESS), "Value": [addresses]},
    ]);
    tags::describe(context, "DescribeVolumes", "volumeSet", json!({"Filter": filter})).await
}

async fn described(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Ec2, "DescribeVolumes", json!({"VolumeId": [id]})).await;
    Ok(wait::found(answer)?.and_then(|answer| list(&answer, "volumeSet").first().cloned()))
}

fn outcome(context: &Context, volume: &Value) -> Outcome {
    let id = text(volume, "volumeId");
    let arn = tags::ec2_arn(context, "volume", id);
    tags::outcome(id, &[("id", id), ("arn", &arn), ("zone", text(volume, "availabilityZone"))])
}

fn read(context: &Context, volume: &Value) -> Option<Live> {
    let tags = tags::of(list(volume, "tagSet"));
    let address = tags::address(context, "volume", &tags)?;
    let status = text(volume, "status");
    if matches!(status, "deleting" | "deleted") {
        return None;
    }
    let (id, zone, kind) = (text(volume, "volumeId"), text(volume, "availabilityZone"), text(volume, "volumeType"));
    // AWS tells the operations of every type; only those that can be asked for belong to the spec.
    let asked = |known: &Type| known.name == kind && known.iops.is_some();
    let figure = |name: &str| Some(number(volume, name)).filter(|figure| *figure > 0);
    let encrypted = flag(volume, "encrypted");
    let spec = Spec {
        zone: zone.to_owned(),
        gib: number(volume, "size"),
        kind: kind.to_owned(),
        iops: TYPES.iter().any(asked).then(|| figure("iops")).flatten(),
        throughput: figure("throughput").filter(|_| kind == "gp3"),
        encrypted,
        key: some_text(volume, "kmsKeyId").filter(|_| encrypted),
    };
    let arn = tags::ec2_arn(context, "volume", id);
    let mut live = tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn), ("zone", zone)]);
    match status {
        "creating" => live.condition = Condition::Pending(status.to_owned()),
        "error" => live.condition = Condition::Failed("EBS couldn't make it".to_owned()),
        _ => {}
    }
    Some(live)
}
