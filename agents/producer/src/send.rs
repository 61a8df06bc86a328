//! Delivery to Kafka: idempotent, acknowledged by all replicas, and again whatever failed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_runtime::kafka::{Access, KafkaContext};
use lakewright_runtime::{Counter, Health, client_context};
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

/// How long to wait for room in the queue or before failed messages are sent again.
const PAUSE: Duration = Duration::from_millis(20);

/// A message that could not be delivered.
#[derive(Debug)]
struct Undelivered {
    topic: String,
    key: Vec<u8>,
    payload: Vec<u8>,
}

/// What deliveries report to.
#[derive(Debug, Clone)]
struct Deliveries {
    context: KafkaContext,
    health: Arc<Health>,
    acknowledged: Counter,
    errors: Counter,
    again: Arc<Mutex<VecDeque<Undelivered>>>,
}

client_context!(Deliveries, context);

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.acknowledged.increment(1),
            Err((error, message)) => {
                self.errors.increment(1);
                self.health.error(format!("delivery to {} failed and is tried again: {error}", message.topic()));
                self.again.lock().push_back(Undelivered {
                    topic: message.topic().to_owned(),
                    key: message.key().unwrap_or_default().to_vec(),
                    payload: message.payload().unwrap_or_default().to_vec(),
                });
            }
        }
    }
}

/// A producer that delivers every message it took, or says how many it could not.
pub struct Sender {
    access: Access,
    deliveries: Deliveries,
    producer: BaseProducer<Deliveries>,
}

impl Sender {
    /// A sender with the cluster's client configuration.
    pub fn new(mut access: Access, health: &Arc<Health>, acknowledged: Counter, errors: Counter) -> Result<Self> {
        access
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A broker may be away for long: the queue is what bounds memory, not time.
            .set("message.timeout.ms", "0")
            .set("linger.ms", "10")
            .set("batch.size", "524288")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536");
        let deliveries = Deliveries {
            context: access.context(health),
            health: Arc::clone(health),
            acknowledged,
            errors,
            again: Arc::default(),
        };
        let producer = access.create_with_context(deliveries.clone()).context("make the Kafka producer")?;
        Ok(Self { access, deliveries, producer })
    }

    /// Takes a message; waits while the queue is full, unless `give_up` says not to. False when it gave up.
    pub fn send(&mut self, topic: &str, key: &[u8], payload: &[u8], give_up: impl Fn() -> bool) -> Result<bool> {
        loop {
            match self.producer.send(BaseRecord::to(topic).key(key).payload(payload)) {
                Ok(()) => return Ok(true),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.poll(PAUSE)?;
                    if give_up() {
                        return Ok(false);
                    }
                }
                Err((error, _)) if self.producer.client().fatal_error().is_some() => self.renew(&error)?,
                Err((error, _)) => {
                    self.deliveries.errors.increment(1);
                    return Err(error).with_context(|| format!("send a message of {} bytes to {topic}", payload.len()));
                }
            }
        }
    }

    /// Serves deliveries for at most that long, then sends again what failed.
    pub fn poll(&mut self, time: Duration) -> Result<()> {
        self.deliveries.context.keep_logged_in(self.producer.client());
        self.producer.poll(time);
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            self.renew(&format!("{code}: {reason}"))?;
        }
        if !self.deliveries.again.lock().is_empty() {
            // Whatever made them fail needs a moment to pass.
            self.producer.poll(PAUSE);
            loop {
                // A statement of its own: the lock must be free again before the next one takes it.
                let Some(failed) = self.deliveries.again.lock().pop_front() else { break };
                let record = BaseRecord::to(&failed.topic).key(&failed.key).payload(&failed.payload);
                if self.producer.send(record).is_err() {
                    self.deliveries.again.lock().push_front(failed);
                    break;
                }
            }
        }
        Ok(())
    }

    /// An idempotent producer that met a fatal error can't go on: another takes its place and its messages.
    fn renew(&mut self, reason: &dyn std::fmt::Display) -> Result<()> {
        self.deliveries.health.error(format!("the Kafka producer is made anew: {reason}"));
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
        self.producer.poll(PAUSE);
        self.producer = self
            .access
            .create_with_context(self.deliveries.clone())
            .context("make another Kafka producer after a fatal error")?;
        Ok(())
    }

    /// Delivers everything taken, within the time.
    ///
    /// # Errors
    /// Some messages could not be delivered; the error says how many.
    pub fn finish(mut self, time: Duration) -> Result<()> {
        let end = std::time::Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(std::time::Instant::now());
            let flushed = self.producer.flush(left);
            if flushed.is_ok() && self.deliveries.again.lock().is_empty() {
                return Ok(());
            }
            if left.is_zero() {
                let count = self.producer.in_flight_count().max(0) as usize + self.deliveries.again.lock().len();
                bail!("{count} messages could not be delivered within {} s of the stop", time.as_secs());
            }
            self.poll(PAUSE)?;
        }
    }
}
