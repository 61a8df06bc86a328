//! The agent: sets and verifies the lists when it starts and on a schedule, and says in a tag of its user's secret how they are.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use lakewright_aws::{Aws, ask, client};
use lakewright_config::agents::acls;
use lakewright_config::{AclsConfig, Security};
use lakewright_runtime::{Agent, CancellationToken};
use tokio::time::Instant;

use crate::{Clients, Mode, Options, run};

/// How long after a failure the next attempt begins, if the schedule isn't sooner.
const AGAIN: Duration = Duration::from_secs(15);

/// Keeps the lists as they are to be until the agent's shutdown. A cluster that is away, or an entry that is refused, is an error
/// of that round; the next one comes.
///
/// # Errors
/// None: nothing but the shutdown ends it.
pub async fn keep(agent: Agent, config: AclsConfig, patience: Duration) -> Result<()> {
    let mut latch = Some(agent.health.latch());
    let verifications = agent.metrics.counter(&acls::VERIFICATIONS, &[]);
    let failed = agent.metrics.counter(&acls::VERIFICATIONS_FAILED, &[]);
    let last = agent.metrics.gauge(&acls::LAST_VERIFIED, &[]);
    let every = Duration::from_secs(config.every_seconds);
    let mut shown = String::new();
    let mut since = Utc::now();
    while !agent.shutdown.is_cancelled() {
        let began = Instant::now();
        let round = async {
            let done = round(&config, patience, &mut shown, &agent.shutdown).await;
            if done.is_ok() {
                since = Utc::now();
            }
            // A plan closes the cluster by this tag: it says `verified` only of what this round saw.
            let noted = note(&config, done.is_ok(), since).await;
            done.and(noted)
        };
        let Some(done) = agent.shutdown.run_until_cancelled(round).await else { break };
        verifications.increment(1);
        let pause = match done {
            Ok(()) => {
                last.set(since.timestamp_millis() as f64);
                drop(latch.take());
                agent.health.clear_error();
                every
            }
            Err(error) => {
                failed.increment(1);
                agent.health.error(format!("{error:#}"));
                every.min(AGAIN)
            }
        };
        let next = began + pause;
        _ = tokio::time::timeout_at(next.max(Instant::now() + PAUSE), agent.shutdown.cancelled()).await;
    }
    Ok(())
}

/// The least time between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// Sets and verifies the lists once. What it did is logged, and what is as before isn't logged again.
async fn round(config: &AclsConfig, patience: Duration, shown: &mut String, stop: &CancellationToken) -> Result<()> {
    let clients = Clients { stop: stop.clone(), ..Clients::connect(config).await? };
    let options = Options { mode: Mode::Set, prune: config.prune, patience };
    let mut out = Vec::new();
    let done = run(config, &options, &clients, &mut out).await;
    let text = String::from_utf8_lossy(&out).into_owned();
    if text != *shown {
        for line in text.lines() {
            tracing::info!("{line}");
        }
        *shown = text;
    }
    done
}

/// Says in the tag of the user's secret how the lists are.
async fn note(config: &AclsConfig, verified: bool, since: DateTime<Utc>) -> Result<()> {
    // Without a secret nobody logs in by SCRAM, so that there is nobody whom the tag would let close the cluster.
    let Security::Scram { secret } = &config.kafka.security else { return Ok(()) };
    let value = value(verified, since, &config.digest());
    let aws = Aws::connect(lakewright_aws::Options::default()).await?;
    let secrets = client!(aws, "secretsmanager", aws_sdk_secretsmanager);
    let tag = aws_sdk_secretsmanager::types::Tag::builder().key(acls::TAG).value(value).build();
    ask(secrets.tag_resource().secret_id(secret).tags(tag).send()).await.with_context(|| {
        format!("write the tag {} of the secret {secret}, by which a plan knows that the lists are verified", acls::TAG)
    })?;
    Ok(())
}

fn value(verified: bool, since: DateTime<Utc>, digest: &str) -> String {
    let word = if verified { acls::VERIFIED } else { acls::UNVERIFIED };
    format!("{word} {} {digest}", since.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Refuses a schedule by which the tag would be too old before it is written anew.
///
/// # Errors
/// The schedule is too slow, or none.
pub(crate) fn check(config: &AclsConfig) -> Result<()> {
    let most = acls::BELIEVED_SECONDS / 2;
    ensure!(
        (1..=most).contains(&config.every_seconds),
        "`every_seconds` is {}, and must be from 1 to {most}",
        config.every_seconds
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_says_how_the_lists_are_and_since_when() {
        let since = DateTime::from_timestamp(1_800_000_000, 5).expect("a time");
        assert_eq!(value(true, since, "0a1b"), "verified 2027-01-15T08:00:00Z 0a1b");
        assert_eq!(value(false, since, "0a1b"), "unverified 2027-01-15T08:00:00Z 0a1b");
    }
}
