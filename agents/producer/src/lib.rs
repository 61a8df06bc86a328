//! The producer agent: simulates an e-commerce shop and sends its events to Kafka.
//!
//! Business facts (`users`, `sales`, `inventory`, and whatever other tables the stack declares) go to one topic, user
//! actions to another; the application's log goes to a file with rotation.

mod browsers;
mod catalogue;
mod events;
mod facts;
mod json;
mod log;
mod pace;
mod places;
mod sample;
mod send;
mod shop;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lakewright_config::agents::producer;
use lakewright_config::{ProducerConfig, Rate};
use lakewright_runtime::{Agent, Counter, kafka};

pub use events::{Destination, Events, Message};

use crate::log::RotatingLog;
use crate::pace::Pace;
use crate::send::Sender;

/// How many messages are sent between two looks at the clock.
const BURST: usize = 256;
/// The most lines that the application logs a second.
const LOG_LINES: f64 = 1_000.0;
/// The longest time without a look at the shutdown.
const NAP: Duration = Duration::from_millis(50);
/// How long the stop waits for acknowledgements.
const FLUSH: Duration = Duration::from_secs(30);

/// Checks what the configuration's types don't say.
pub fn check(config: &ProducerConfig) -> Result<()> {
    for (name, share) in [("duplicates", config.duplicates), ("broken", config.broken)] {
        ensure!((0.0..=1.0).contains(&share), "`{name}` is a share between 0 and 1, but {share} was given");
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
    let latch = agent.health.latch();
    let access = kafka::access(&config.kafka).await?;
    kafka::ensure(&access, &config.kafka.topics).await?;
    let metrics = Metrics::new(&agent);
    let sender = Sender::new(access, &agent.health, metrics.acknowledged.clone(), metrics.errors.clone())?;
    let log = RotatingLog::open(&agent.logs_dir, &config.log)?;
    drop(latch);
    let worker = tokio::task::spawn_blocking(move || produce(&agent, &config, &metrics, sender, log));
    worker.await.context("the producing thread ended in a panic")?
}

struct Metrics {
    events: Counter,
    bytes: Counter,
    acknowledged: Counter,
    errors: Counter,
    duplicates: Counter,
    broken: Counter,
}

impl Metrics {
    fn new(agent: &Agent) -> Self {
        let counter = |metric| agent.metrics.counter(metric, &[]);
        Self {
            events: counter(&producer::EVENTS),
            bytes: counter(&producer::BYTES),
            acknowledged: counter(&producer::ACKNOWLEDGED),
            errors: counter(&producer::DELIVERY_ERRORS),
            duplicates: counter(&producer::DUPLICATES),
            broken: counter(&producer::BROKEN),
        }
    }
}

/// The simulated time: the real one, or one that starts where the configuration says and goes on with each event.
struct Clock {
    start: Option<i64>,
    step: i64,
}

impl Clock {
    fn at(&self, count: u64) -> i64 {
        match self.start {
            Some(start) => start + count as i64 * self.step,
            None => chrono::Utc::now().timestamp_micros(),
        }
    }
}

fn produce(
    agent: &Agent,
    config: &ProducerConfig,
    metrics: &Metrics,
    mut sender: Sender,
    mut log: RotatingLog,
) -> Result<()> {
    let step = if let Rate::Events(per_second) = config.rate { (1e6 / per_second) as i64 } else { 1_000 };
    let clock = Clock { start: start_micros(config)?, step };
    let seed = config.seed.unwrap_or_else(rand::random);
    let mut events = Events::new(&config.tables, seed, clock.at(0), config.duplicates, config.broken);
    let mut message = Message::default();
    let mut pace = Pace::new(config.rate, Instant::now());
    let mut log_pace = Pace::new(Rate::Events(LOG_LINES), Instant::now());
    let mut count = 0;
    tracing::info!(rate = %config.rate, seed, facts = config.facts_topic, actions = config.actions_topic, "producing");
    while !agent.shutdown.is_cancelled() {
        let now = Instant::now();
        pace.advance(now);
        log_pace.advance(now);
        let time = clock.at(count);
        let mut bytes = 0;
        let mut sent = 0;
        while sent < BURST && pace.allows() {
            events.logs = log_pace.allows();
            events.next(if clock.start.is_some() { clock.at(count) } else { time }, &mut message);
            let topic = match message.destination {
                Destination::Facts => &config.facts_topic,
                Destination::Actions => &config.actions_topic,
            };
            if !sender.send(topic, &message.key, &message.payload, || agent.shutdown.is_cancelled())? {
                break;
            }
            if !events.log.is_empty() {
                log_pace.spend(1);
                log.append(&events.log)?;
            }
            metrics.duplicates.increment(u64::from(message.duplicate));
            metrics.broken.increment(u64::from(message.broken));
            pace.spend(message.payload.len());
            bytes += message.payload.len();
            sent += 1;
            count += 1;
        }
        metrics.events.increment(sent as u64);
        metrics.bytes.increment(bytes as u64);
        agent.health.progress();
        if pace.allows() {
            sender.poll(Duration::ZERO)?;
        } else {
            log.flush()?;
            sender.poll(pace.wait().min(NAP))?;
        }
    }
    log.flush()?;
    sender.finish(FLUSH)
}
