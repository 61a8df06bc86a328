//! The types of volumes: what each takes, and what it costs.

use anyhow::{Result, bail};
use lakewright_ec2::sdk::types::VolumeType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spec;
use crate::charge::Charge;
use crate::kinds::values::words;

/// A type of volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// An SSD whose operations and throughput are asked for apart from its size.
    #[default]
    Gp3,
    /// An SSD whose operations grow with its size.
    Gp2,
    /// An SSD with as many operations as are asked for.
    Io1,
    /// The same, more durable.
    Io2,
    /// A hard disk for throughput.
    St1,
    /// A hard disk for what is seldom read.
    Sc1,
    /// A hard disk of the first generation.
    Standard,
    /// What else somebody made a volume; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Type => VolumeType);

/// What a type takes.
struct Limits {
    /// Smallest and greatest size in GiB.
    gib: (u32, u32),
    /// Fewest and most operations each second, and the most for each GiB; none where AWS sets them.
    iops: Option<(u32, u32, u32)>,
}

/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
const fn limits(kind: &Type) -> Limits {
    match kind {
        Type::Gp3 => Limits { gib: (1, 65_536), iops: Some((3000, 80_000, 500)) },
        Type::Gp2 => Limits { gib: (1, 16_384), iops: None },
        Type::Io1 => Limits { gib: (4, 16_384), iops: Some((100, 64_000, 50)) },
        Type::Io2 => Limits { gib: (4, 65_536), iops: Some((100, 256_000, 1000)) },
        Type::St1 | Type::Sc1 => Limits { gib: (125, 16_384), iops: None },
        Type::Standard => Limits { gib: (1, 1024), iops: None },
        Type::Other(_) => Limits { gib: (1, 65_536), iops: None },
    }
}

/// What a `gp3` volume has without being asked.
const GP3_IOPS: u32 = 3000;
const GP3_THROUGHPUT: u32 = 125;
const MOST_THROUGHPUT: u32 = 2000;

/// Whether operations can be asked for of volumes of that type.
pub(super) fn takes_iops(kind: &Type) -> bool {
    limits(kind).iops.is_some()
}

/// Refuses what EBS wouldn't make, and fills in what it would choose.
pub(super) fn canonical(spec: &mut Spec) -> Result<()> {
    let (kind, Limits { gib: (least, most), iops }) = (spec.kind.clone(), limits(&spec.kind));
    if !(least..=most).contains(&spec.size_gib) {
        bail!("{} GiB: a volume of the type {kind} has {least} to {most} GiB", spec.size_gib);
    }
    if kind == Type::Gp3 {
        spec.iops.get_or_insert(GP3_IOPS);
        spec.throughput.get_or_insert(GP3_THROUGHPUT);
    }
    match (iops, spec.iops) {
        (None, Some(_)) => bail!("`iops`: AWS sets those of the type {kind}; leave it out"),
        (Some(_), None) => bail!("`iops` is required for the type {kind}"),
        (Some((least, most, each)), Some(iops)) => {
            // Each volume has the fewest, however small.
            let most = most.min((spec.size_gib.saturating_mul(each)).max(least));
            if !(least..=most).contains(&iops) {
                bail!("`iops` is {iops}: a {kind} volume of {} GiB takes {least} to {most}", spec.size_gib);
            }
        }
        (None, None) => {}
    }
    match spec.throughput {
        Some(_) if kind != Type::Gp3 => bail!("`throughput` is taken by the type gp3 only; leave it out"),
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
pub(super) fn charges(spec: &Spec) -> Vec<Charge> {
    let charge = |part: &str, quantity: u32| Charge {
        price: format!("ebs.{}.{part}", spec.kind),
        quantity: f64::from(quantity),
    };
    let mut charges = vec![charge("gib_month", spec.size_gib)];
    let above = |has: Option<u32>, free: u32| has.unwrap_or_default().saturating_sub(free);
    let iops = match spec.kind {
        Type::Gp3 => above(spec.iops, GP3_IOPS),
        Type::Io1 | Type::Io2 => above(spec.iops, 0),
        _ => 0,
    };
    if iops > 0 {
        charges.push(charge("iops_month", iops));
    }
    let throughput = above(spec.throughput, GP3_THROUGHPUT);
    if spec.kind == Type::Gp3 && throughput > 0 {
        charges.push(charge("mibps_month", throughput));
    }
    charges
}

/// What is billed for a volume by its use.
pub(super) fn by_use(kind: &Type) -> &'static str {
    if *kind == Type::Standard { "each million of reads and writes" } else { "" }
}
