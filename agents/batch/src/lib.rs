//! The batch submitter: runs the stack's models on EMR Serverless, on a schedule.
//!
//! Time is cut into slots of the schedule's length; a slot has one run. Its client token is made of the slot, so that
//! a submitter that was killed after it submitted joins the run that it had started.

mod job;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use lakewright_aws::Aws;
use lakewright_config::BatchConfig;
use lakewright_runtime::Agent;

use crate::job::{Ending, Jobs};

/// How long to wait after a failure before the run is tried again within its slot.
const AGAIN: Duration = Duration::from_secs(10);

/// Checks what the configuration's types don't say.
pub fn check(config: &BatchConfig) -> Result<()> {
    ensure!(config.every_seconds > 0, "`every_seconds` must be at least 1");
    ensure!(config.timeout_minutes > 0, "`timeout_minutes` must be at least 1");
    for (name, location) in [("entry_point", &config.entry_point), ("manifest", &config.manifest)] {
        ensure!(location.starts_with("s3://"), "`{name}` must be a location in S3, s3://…, but is `{location}`");
    }
    Ok(())
}

/// Runs the models once and waits for the end.
///
/// # Errors
/// The run can't be submitted, fails or is cancelled.
pub async fn run_once(agent: Agent, config: BatchConfig) -> Result<()> {
    let latch = agent.health.latch();
    let jobs = Jobs::new(&agent, &connect().await?, config);
    drop(latch);
    let run = jobs.submit(&format!("once-{}", uuid::Uuid::new_v4())).await?;
    match jobs.wait(&run, &agent.shutdown).await? {
        Some(Ending::Success) => Ok(()),
        Some(Ending::Failed(reason)) => bail!("the run {run} failed: {reason}"),
        None => bail!("stopped while the run {run} is still under way; it goes on"),
    }
}

/// Runs the models in every slot until the agent's shutdown; a run under way then goes on by itself.
pub async fn run(agent: Agent, config: BatchConfig) -> Result<()> {
    let latch = agent.health.latch();
    let every = config.every_seconds;
    let jobs = Jobs::new(&agent, &connect().await?, config);
    drop(latch);
    let mut done = None;
    while !agent.shutdown.is_cancelled() {
        let slot = seconds() / every;
        if done == Some(slot) {
            let next = Duration::from_secs(((slot + 1) * every).saturating_sub(seconds()).max(1));
            _ = tokio::time::timeout(next, agent.shutdown.cancelled()).await;
            continue;
        }
        let outcome = async {
            let run = jobs.submit(&format!("slot-{every}-{slot}")).await?;
            jobs.wait(&run, &agent.shutdown).await
        };
        match outcome.await {
            Ok(Some(Ending::Success)) => {
                agent.health.clear_error();
                done = Some(slot);
            }
            // A model that fails will fail again: the next slot comes with other data, or another model.
            Ok(Some(Ending::Failed(reason))) => {
                agent.health.error(format!("the run of the models failed: {reason}"));
                done = Some(slot);
            }
            Ok(None) => break,
            Err(error) => {
                agent.health.error(format!("{error:#}"));
                _ = tokio::time::timeout(AGAIN, agent.shutdown.cancelled()).await;
            }
        }
        agent.health.progress();
    }
    Ok(())
}

async fn connect() -> Result<Aws> {
    Ok(Aws::connect(lakewright_aws::Options::default()).await?)
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
