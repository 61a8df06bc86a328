//! `lakewright-agent restore`: records of a shipper's backup go into the index or a topic once more.

use std::io::BufRead as _;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use lakewright_aws::{Aws, Options};
use lakewright_config::ShipperConfig;
use lakewright_config::agents;
use lakewright_config::restoring::{Order, Reached, Refusal, Restored, Said};
use lakewright_runtime::{Agent, directory, shutdown};
use lakewright_shipper::Wanted;

use crate::print;

/// Restores what is wanted of a shipper's backup.
///
/// # Errors
/// Something can't be read or takes nothing; a [`Refusal`] where the backup has nothing of it.
pub async fn run(config: &ShipperConfig, wanted: &Wanted) -> Result<Restored> {
    restored(config, wanted, false, &mut |_| {}).await
}

async fn restored(
    config: &ShipperConfig,
    wanted: &Wanted,
    until_stdin_closes: bool,
    tell: &mut (dyn FnMut(Reached) + Send),
) -> Result<Restored> {
    // Not under the agent's name: the shipper may run beside it.
    let mut agent = Agent::detached(agents::Agent::Shipper, directory("STATE_DIRECTORY")?);
    agent.shutdown = shutdown::token(until_stdin_closes)?;
    let aws = Aws::connect(Options::default()).await?;
    lakewright_shipper::restore(&agent, config, aws, wanted, tell).await
}

/// Restores what the order names that is the first line of standard input, and says on standard output how far it is and what became of
/// it. When standard input closes, whoever ordered it is gone: it finishes the object in hand and ends.
///
/// # Errors
/// The order can't be read, or something takes nothing. That there is nothing to restore is said.
pub async fn ordered() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).context("read the order from standard input")?;
    let order: Order = serde_json::from_str(&text).context("read the order on standard input")?;
    lakewright_shipper::check(&order.config).context("the configuration is wrong")?;
    let time = |ms: Option<i64>| ms.and_then(DateTime::from_timestamp_millis);
    let wanted = Wanted {
        from: time(order.from_ms).unwrap_or(DateTime::<Utc>::MIN_UTC),
        to: time(order.to_ms).unwrap_or(DateTime::<Utc>::MAX_UTC),
        only: order.only,
        into: order.into,
        dry_run: order.dry_run,
    };
    // Whoever reads may be gone: then the end says it.
    let mut tell = |reached| drop(print(&Said::Reached(reached)));
    match restored(&order.config, &wanted, true, &mut tell).await {
        Ok(restored) => print(&Said::Restored(restored)),
        Err(error) => print(&Said::Refused(error.downcast::<Refusal>()?)),
    }
}
