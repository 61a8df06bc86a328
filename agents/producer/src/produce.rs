//! The producing thread: makes what is due and hands it over.

use std::time::{Duration, Instant};

use anyhow::Result;
use lakewright_config::ProducerConfig;
use lakewright_config::agents::producer;
use lakewright_runtime::{Agent, Counter};

use crate::application::Allowance;
use crate::events::{Destination, Events, Message};
use crate::log::RotatingLog;
use crate::schedule::{Due, Next, Now, Schedule};
use crate::send::{Handed, Sender};

/// How many messages are made between two looks at the clock.
const BURST: usize = 256;
/// The shortest pause: what falls due within it is sent together.
const TICK: Duration = Duration::from_millis(20);
/// The longest pause without a look at the shutdown.
const NAP: Duration = Duration::from_millis(50);
/// How long to wait for room when too much waits.
const ROOM: Duration = Duration::from_millis(20);
/// How long the stop waits for acknowledgements.
const FLUSH: Duration = Duration::from_secs(30);

struct Metrics {
    events: Counter,
    bytes: Counter,
    duplicates: Counter,
    broken: Counter,
    late: Counter,
    logged: Counter,
    dropped: Counter,
}

/// What the producing thread works with.
pub struct Producing<'a> {
    agent: &'a Agent,
    config: &'a ProducerConfig,
    metrics: Metrics,
    sender: Sender,
    log: RotatingLog,
    log_allowance: Allowance,
    events: Events,
    schedule: Schedule,
    message: Message,
}

impl<'a> Producing<'a> {
    /// A thread's work that begins now; `start` is where the simulated clock starts, in microseconds since 1970.
    pub fn new(
        agent: &'a Agent,
        config: &'a ProducerConfig,
        start: Option<i64>,
        sender: Sender,
        log: RotatingLog,
    ) -> Self {
        let counter = |metric| agent.metrics.counter(metric, &[]);
        let seed = config.seed.unwrap_or_else(rand::random);
        let opened = start.unwrap_or_else(|| chrono::Utc::now().timestamp_micros());
        tracing::info!(
            rate = %config.rate, seed, facts = config.facts_topic, actions = config.actions_topic, "producing"
        );
        Self {
            agent,
            config,
            metrics: Metrics {
                events: counter(&producer::EVENTS),
                bytes: counter(&producer::BYTES),
                duplicates: counter(&producer::DUPLICATES),
                broken: counter(&producer::BROKEN),
                late: counter(&producer::LATE),
                logged: counter(&producer::LOGGED),
                dropped: counter(&producer::DROPPED),
            },
            sender,
            log,
            log_allowance: Allowance::new(Instant::now()),
            events: Events::new(config, seed, opened),
            schedule: Schedule::new(config.rate, &config.scenario, start),
            message: Message::default(),
        }
    }

    /// Produces until the agent's shutdown, and delivers what was taken until then.
    pub fn run(mut self) -> Result<()> {
        let began = self.sender.began();
        while !self.agent.shutdown.is_cancelled() {
            let now = Now::since(began);
            self.log_allowance.advance(Instant::now());
            self.metrics.dropped.increment(self.schedule.drop_old(now));
            let wait = self.burst(now)?;
            self.agent.health.progress();
            match wait {
                Some(wait) => {
                    self.log.flush()?;
                    self.sender.rest(wait.clamp(TICK, NAP))?;
                }
                None => self.sender.tend(),
            }
        }
        self.log.flush()?;
        self.sender.finish(FLUSH)
    }

    /// Makes what is due; gives how long nothing is, or none when there may be more.
    fn burst(&mut self, now: Now) -> Result<Option<Duration>> {
        let (mut sent, mut bytes, mut logged, mut dropped) = (0, 0, 0, 0);
        let mut wait = None;
        for _ in 0..BURST {
            let due = match self.schedule.next(now) {
                Next::Due(due) => due,
                Next::Wait(pause) => {
                    wait = Some(pause);
                    break;
                }
            };
            self.events.logs = self.log_allowance.allows();
            self.events.next(due.time, &mut self.message);
            let topic = match self.message.destination {
                Destination::Facts => &self.config.facts_topic,
                Destination::Actions => &self.config.actions_topic,
            };
            let Message { key, payload, .. } = &self.message;
            match hand_over(&mut self.sender, self.agent, due, (topic, key, payload))? {
                Handed::Taken => {
                    sent += 1;
                    bytes += payload.len() as u64;
                }
                Handed::Full => dropped += 1,
                Handed::Refused => {}
            }
            if !self.events.log.is_empty() {
                self.log_allowance.spend();
                self.log.append(&self.events.log)?;
                if let Some(topic) = &self.config.log.topic {
                    let entry = self.events.log.trim_ascii_end();
                    match hand_over(&mut self.sender, self.agent, due, (topic, key, entry))? {
                        Handed::Taken => logged += 1,
                        Handed::Full => dropped += 1,
                        Handed::Refused => {}
                    }
                }
            }
            self.metrics.duplicates.increment(u64::from(self.message.duplicate));
            self.metrics.broken.increment(u64::from(self.message.broken));
            self.metrics.late.increment(u64::from(self.message.late));
            self.schedule.made(self.message.payload.len());
        }
        self.metrics.events.increment(sent);
        self.metrics.bytes.increment(bytes);
        self.metrics.logged.increment(logged);
        self.metrics.dropped.increment(dropped);
        Ok(wait)
    }
}

/// Hands a message over, of a topic, a key and a payload; one that is patient waits for room until the shutdown.
fn hand_over(
    sender: &mut Sender,
    agent: &Agent,
    due: Due,
    (topic, key, payload): (&str, &[u8], &[u8]),
) -> Result<Handed> {
    loop {
        let handed = sender.send(topic, key, payload, due.at)?;
        if handed != Handed::Full || !due.patient || agent.shutdown.is_cancelled() {
            return Ok(handed);
        }
        agent.health.progress();
        sender.rest(ROOM)?;
    }
}
