//! How often stream agents commit and maintain their tables on this machine, whatever a stack file says for AWS.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_config::agents::stream::Maintenance;
use serde_json::Value;

/// How long rows wait for their commit on this machine at most: whoever looks at it wants to see them.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// So often tables are maintained in the time for which snapshots are kept, within these bounds: rows that are committed every two
/// seconds make a small file each.
const ROUNDS: u32 = 15;
const SHORTEST_ROUND: Duration = Duration::from_secs(1);
const LONGEST_ROUND: Duration = Duration::from_mins(1);
/// Orphans are kept so many times as long as snapshots.
const ORPHANS: u32 = 3;

/// Shortens a stream agent's commit interval to the longest one of this machine; returns whether it did.
pub fn commit_soon(config: &mut Value) -> bool {
    let longest = COMMIT_INTERVAL.as_millis() as u64;
    let is_longer = config["commit_interval_ms"].as_u64().is_some_and(|interval| interval > longest);
    if is_longer {
        config["commit_interval_ms"] = longest.into();
    }
    is_longer
}

/// Shortens the times of a stream agent's maintenance to those of this machine; returns whether it did.
pub fn maintain_soon(config: &mut Value, keep: Duration) -> Result<bool> {
    let Some(written) = config.get("maintenance").filter(|written| !written.is_null()) else { return Ok(false) };
    let written: Maintenance = serde_json::from_value(written.clone()).context("read the stream's maintenance")?;
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let kept = milliseconds(keep);
    let least = Maintenance::least_orphans_age_ms(config["commit_interval_ms"].as_u64().unwrap_or_default());
    let sooner = Maintenance {
        every_ms: written.every_ms.min(milliseconds((keep / ROUNDS).clamp(SHORTEST_ROUND, LONGEST_ROUND))),
        snapshots_max_age_ms: Some(written.snapshots_max_age_ms.map_or(kept, |age| age.min(kept))),
        readers_grace_ms: written.readers_grace_ms.min(kept),
        orphans_age_ms: written.orphans_age_ms.min(milliseconds(keep * ORPHANS).max(least)),
        ..written.clone()
    };
    config["maintenance"] = serde_json::to_value(&sooner).context("write the stream's maintenance")?;
    Ok(sooner != written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_kept_small() {
        let of = |maintenance: Option<&Maintenance>, keep| {
            let mut config = json!({"commit_interval_ms": 2000, "maintenance": maintenance});
            let sooner = maintain_soon(&mut config, Duration::from_secs(keep)).expect("a configuration");
            (sooner, serde_json::from_value::<Option<Maintenance>>(config["maintenance"].clone()).expect("settings"))
        };
        let times = |every_ms, kept, orphans_age_ms| Maintenance {
            every_ms,
            snapshots_max_age_ms: Some(kept),
            readers_grace_ms: kept,
            orphans_age_ms,
            ..Maintenance::default()
        };
        let default = Maintenance::default();
        assert_eq!(of(Some(&default), 300), (true, Some(times(20_000, 300_000, 900_000))));
        assert_eq!(of(Some(&default), 10), (true, Some(times(1_000, 10_000, 900_000))));
        assert_eq!(of(Some(&default), 1_800), (true, Some(times(60_000, 1_800_000, 5_400_000))));
        let shorter = times(10_000, 60_000, 900_000);
        assert_eq!(of(Some(&shorter), 300), (false, Some(shorter.clone())));
        assert_eq!(of(None, 300), (false, None));
    }

    #[test]
    fn rows_are_committed_within_seconds() {
        for (written, runs) in [(600_000, 2000), (2001, 2000), (2000, 2000), (500, 500)] {
            let mut config = json!({"group": "shop-stream", "commit_interval_ms": written});
            assert_eq!(commit_soon(&mut config), written != runs);
            assert_eq!(config, json!({"group": "shop-stream", "commit_interval_ms": runs}));
        }
    }
}
