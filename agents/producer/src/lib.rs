//! The producer agent: simulates an e-commerce shop and sends its events to Kafka.
//!
//! Business facts (`users`, `sales`, `inventory`, and whatever other tables the stack declares) go to one topic, user
//! actions to another; the application's log goes to a file with rotation.

mod application;
mod browsers;
mod catalogue;
mod curve;
mod events;
mod facts;
mod json;
mod log;
mod places;
mod produce;
mod review_texts;
mod reviews;
mod sample;
mod schedule;
mod send;
mod shop;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lakewright_config::agents::producer;
use lakewright_config::{Bots, Late, Outage, ProducerConfig, Rate, Repeats, SalesDay};
use lakewright_runtime::{Agent, kafka};

use crate::log::RotatingLog;
use crate::produce::Producing;
use crate::send::{Measures, Sender, WAITING_MOST};

/// The most bots.
const BOTS_MOST: u32 = 1_000;
/// The longest span of a scenario.
const SPAN_MOST: Duration = Duration::from_hours(24 * 365);

/// Checks what the configuration's types don't say.
pub fn check(config: &ProducerConfig) -> Result<()> {
    let scenario = &config.scenario;
    let shares = [
        ("duplicates", Some(config.duplicates)),
        ("broken", Some(config.broken)),
        ("log.errors", Some(config.log.errors)),
        ("scenario.bots.share", scenario.bots.as_ref().map(|bots| bots.share)),
        ("scenario.late.share", scenario.late.as_ref().map(|late| late.share)),
        ("scenario.repeats.share", scenario.repeats.as_ref().map(|repeats| repeats.share)),
    ];
    for (name, share) in shares {
        let share = share.unwrap_or_default();
        ensure!((0.0..=1.0).contains(&share), "`{name}` is a share between 0 and 1, but {share} was given");
    }
    let most = SPAN_MOST.as_secs();
    if let Some(SalesDay { length_seconds, peak }) = &scenario.sales_day {
        ensure!((1..=most).contains(length_seconds), "`scenario.sales_day.length_seconds` is from 1 to {most}");
        ensure!((2..=12).contains(peak), "`scenario.sales_day.peak` is from 2 to 12");
        ensure!(config.rate != Rate::Max, "`scenario.sales_day` needs a rate: `max` has no hours");
    }
    if let Some(Outage { every_seconds: every, lasts_seconds: lasts }) = &scenario.outage {
        ensure!((1..=most).contains(every), "`scenario.outage.every_seconds` is from 1 to {most}");
        ensure!((1..*every).contains(lasts), "`scenario.outage.lasts_seconds` is shorter than the time between two");
    }
    if let Some(Bots { count, .. }) = &scenario.bots {
        ensure!((1..=BOTS_MOST).contains(count), "`scenario.bots.count` is from 1 to {BOTS_MOST}");
    }
    if let Some(Late { least_seconds: least, most_seconds, .. }) = &scenario.late {
        ensure!((1..=most).contains(most_seconds), "`scenario.late.most_seconds` is from 1 to {most}");
        ensure!((1..=*most_seconds).contains(least), "`scenario.late.least_seconds` is from 1 to its `most_seconds`");
    }
    if let Some(Repeats { after_seconds, .. }) = &scenario.repeats {
        ensure!((1..=most).contains(after_seconds), "`scenario.repeats.after_seconds` is from 1 to {most}");
    }
    log::check_name(&config.log.file)?;
    start_micros(config)?;
    Ok(())
}

fn start_micros(config: &ProducerConfig) -> Result<Option<i64>> {
    let Some(text) = &config.start_time else { return Ok(None) };
    let time = chrono::DateTime::parse_from_rfc3339(text)
        .with_context(|| format!("`start_time` is no RFC 3339 time: `{text}`; write it as 2026-01-31T12:00:00Z"))?;
    Ok(Some(time.timestamp_micros()))
}

/// Runs until the agent's shutdown; returns when every message taken is acknowledged.
pub async fn run(agent: Agent, config: ProducerConfig) -> Result<()> {
    check(&config)?;
    let start = start_micros(&config)?;
    let latch = agent.health.latch();
    let access = kafka::access(&config.kafka).await?;
    kafka::ensure(&access, &config.kafka.topics).await?;
    let measures = Measures {
        acknowledged: agent.metrics.counter(&producer::ACKNOWLEDGED, &[]),
        errors: agent.metrics.counter(&producer::DELIVERY_ERRORS, &[]),
        delivery: agent.metrics.histogram(&producer::DELIVERY, &[]),
    };
    let sender = Sender::new(access, &agent.health, measures, WAITING_MOST)?;
    let sender = if config.rate == Rate::Max { sender } else { sender.served_apart()? };
    let log = RotatingLog::open(&agent.logs_dir, &config.log)?;
    drop(latch);
    let worker = tokio::task::spawn_blocking(move || Producing::new(&agent, &config, start, sender, log).run());
    worker.await.context("the producing thread ended in a panic")?
}
