//! The types of volumes: what each takes, and what it costs.

use anyhow::{Result, bail};

use super::Spec;
use crate::cost::Charge;

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

/// Whether operations can be asked for of volumes of that type.
pub(super) fn takes_iops(name: &str) -> bool {
    TYPES.iter().any(|known| known.name == name && known.iops.is_some())
}

/// Refuses what EBS wouldn't make, and fills in what it would choose.
pub(super) fn canonical(spec: &mut Spec) -> Result<()> {
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
pub(super) fn charges(spec: &Spec) -> Vec<Charge> {
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

/// What is billed for a volume by its use.
pub(super) fn by_use(kind: &str) -> &'static str {
    if kind == "standard" { "each million of reads and writes" } else { "" }
}
