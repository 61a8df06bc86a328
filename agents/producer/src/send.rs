//! Delivery to Kafka: idempotent, acknowledged by all replicas, and again whatever failed.
//!
//! Where a rate is kept, the thread that makes messages only hands them over. Another one waits for what Kafka answers, in
//! long waits: a short one would spin, for rdkafka polls without a pause through the last millisecond before its deadline.
//! Without a rate the one thread does both in turn: two of them get in each other's way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lakewright_runtime::kafka::{Access, KafkaContext};
use lakewright_runtime::{Counter, Health, Histogram, client_context};
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig};

/// How long the thread for deliveries waits at a time, and so how long failed messages wait before they are sent again.
const WAIT: Duration = Duration::from_millis(500);
/// How long to wait for what another thread is about to do.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a producer that met a fatal error may take to give its messages back.
const PURGED: Duration = Duration::from_secs(10);
/// The most bytes that wait for acknowledgement, each message with what it costs beside its bytes.
pub const WAITING_MOST: usize = 64 << 20;
/// What a message costs beside its bytes, about: librdkafka's record of it.
const OVERHEAD: usize = 256;

/// What became of a message that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// It will be delivered.
    Taken,
    /// Too much waits already.
    Full,
    /// Kafka never takes it; the reason has been reported.
    Refused,
}

/// What is measured of deliveries.
#[derive(Debug, Clone)]
pub struct Measures {
    /// Messages acknowledged.
    pub acknowledged: Counter,
    /// Messages that Kafka did not take.
    pub errors: Counter,
    /// From when a message was due until it was acknowledged.
    pub delivery: Histogram,
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "the producer's threads are its own: no async task runs on them")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A message that could not be delivered.
#[derive(Debug)]
struct Undelivered {
    /// When it was due, in nanoseconds since the sender began.
    due: usize,
    topic: String,
    key: Vec<u8>,
    payload: Vec<u8>,
}

impl Undelivered {
    fn cost(&self) -> usize {
        cost(&self.key, &self.payload)
    }
}

fn cost(key: &[u8], payload: &[u8]) -> usize {
    key.len() + payload.len() + OVERHEAD
}

/// What deliveries report to.
#[derive(Debug, Clone)]
struct Deliveries {
    context: KafkaContext,
    health: Arc<Health>,
    measures: Measures,
    began: Instant,
    /// The cost of all that was taken and isn't acknowledged.
    waiting: Arc<AtomicUsize>,
    again: Arc<Mutex<VecDeque<Undelivered>>>,
}

impl Deliveries {
    fn done(&self, cost: usize) {
        self.waiting.fetch_sub(cost, Ordering::AcqRel);
    }

    /// Takes note of a message that Kafka refuses for what it is.
    fn refused(&self, error: &KafkaError, topic: &str, bytes: usize) {
        self.measures.errors.increment(1);
        self.health.error(format!("a message of {bytes} bytes for {topic} is left out: {error}"));
    }
}

client_context!(Deliveries, context);

impl ProducerContext for Deliveries {
    /// When the message was due, in nanoseconds since the sender began.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due: usize) {
        let (error, message) = match result {
            Ok(message) => {
                self.measures.acknowledged.increment(1);
                self.measures.delivery.observe(self.began.elapsed().saturating_sub(Duration::from_nanos(due as u64)));
                self.done(cost(message.key().unwrap_or_default(), message.payload().unwrap_or_default()));
                return;
            }
            Err(failed) => failed,
        };
        let failed = Undelivered {
            due,
            topic: message.topic().to_owned(),
            key: message.key().unwrap_or_default().to_vec(),
            payload: message.payload().unwrap_or_default().to_vec(),
        };
        if is_of_the_message(error) {
            self.refused(error, &failed.topic, failed.payload.len());
            self.done(failed.cost());
            return;
        }
        self.measures.errors.increment(1);
        self.health.error(format!("delivery to {} failed and is tried again: {error}", failed.topic));
        self.again.lock().push_back(failed);
    }
}

/// Whether a message is refused for what it is, so that it would be again.
fn is_of_the_message(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{InvalidMessage, InvalidMessageSize, InvalidRecord, MessageSizeTooLarge};
    let code = error.rdkafka_error_code();
    matches!(code, Some(MessageSizeTooLarge | InvalidMessageSize | InvalidMessage | InvalidRecord))
}

/// What the two threads share.
struct Shared {
    access: Access,
    deliveries: Deliveries,
    /// The producer in use; another takes its place after a fatal error.
    producer: Mutex<Arc<BaseProducer<Deliveries>>>,
    closing: AtomicBool,
}

impl Shared {
    fn current(&self) -> Arc<BaseProducer<Deliveries>> {
        Arc::clone(&self.producer.lock())
    }

    /// Serves deliveries for so long, then sends again what failed.
    fn serve(&self, time: Duration) {
        let mut producer = self.current();
        self.deliveries.context.keep_logged_in(producer.client());
        producer.poll(time);
        if let Some((code, reason)) = producer.client().fatal_error() {
            match self.renew(&producer, &format!("{code}: {reason}")) {
                Ok(another) => producer = another,
                Err(error) => self.deliveries.health.error(format!("{error:#}")),
            }
        }
        self.send_again(&producer);
    }

    /// An idempotent producer that met a fatal error can't go on: another takes its place and its messages.
    fn renew(&self, failed: &BaseProducer<Deliveries>, reason: &str) -> Result<Arc<BaseProducer<Deliveries>>> {
        self.deliveries.health.error(format!("the Kafka producer is made anew: {reason}"));
        failed.purge(PurgeConfig::default().queue().inflight());
        // What it had comes back as failed, and is sent again by the other one.
        let end = Instant::now() + PURGED;
        while failed.in_flight_count() > 0 && Instant::now() < end {
            failed.poll(PAUSE);
        }
        let another = self.access.create_with_context(self.deliveries.clone());
        let another = Arc::new(another.context("make another Kafka producer after a fatal error")?);
        *self.producer.lock() = Arc::clone(&another);
        Ok(another)
    }

    fn send_again(&self, producer: &BaseProducer<Deliveries>) {
        loop {
            // A statement of its own: the lock must be free again before the next one takes it.
            let Some(failed) = self.deliveries.again.lock().pop_front() else { return };
            let record =
                BaseRecord::with_opaque_to(&failed.topic, failed.due).key(&failed.key).payload(&failed.payload);
            let Err((error, _)) = producer.send(record) else { continue };
            if is_of_the_message(&error) {
                self.deliveries.refused(&error, &failed.topic, failed.payload.len());
                self.deliveries.done(failed.cost());
            } else {
                self.deliveries.again.lock().push_front(failed);
                return;
            }
        }
    }
}

/// A producer that delivers every message it took, or says how many bytes it could not.
pub struct Sender {
    shared: Arc<Shared>,
    producer: Arc<BaseProducer<Deliveries>>,
    /// The thread that serves deliveries; without it, whoever sends does.
    server: Option<JoinHandle<()>>,
    /// The most bytes that wait.
    most: usize,
}

impl Sender {
    /// A sender with the cluster's client configuration; `most` is how many bytes may wait for acknowledgement.
    pub fn new(mut access: Access, health: &Arc<Health>, measures: Measures, most: usize) -> Result<Self> {
        access
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A broker may be away for long: what waits is bounded by bytes, not by time.
            .set("message.timeout.ms", "0")
            // Messages of few events a second share a request: each costs more than what it carries.
            .set("linger.ms", "50")
            .set("batch.size", "524288")
            // Above what is taken here.
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", "131072");
        let deliveries = Deliveries {
            context: access.context(health),
            health: Arc::clone(health),
            measures,
            began: Instant::now(),
            waiting: Arc::default(),
            again: Arc::default(),
        };
        let producer = access.create_with_context(deliveries.clone()).context("make the Kafka producer")?;
        let producer = Arc::new(producer);
        let shared = Arc::new(Shared {
            access,
            deliveries,
            producer: Mutex::new(Arc::clone(&producer)),
            closing: AtomicBool::new(false),
        });
        Ok(Self { shared, producer, server: None, most })
    }

    /// The same with a thread of its own for deliveries.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn served_apart(mut self) -> Result<Self> {
        let served = Arc::clone(&self.shared);
        let serve = move || {
            while !served.closing.load(Ordering::Acquire) {
                served.serve(WAIT);
            }
        };
        let thread = std::thread::Builder::new().name("deliveries".to_owned());
        self.server = Some(thread.spawn(serve).context("start the thread for deliveries")?);
        Ok(self)
    }

    /// When it began: messages are due so long after it.
    pub fn began(&self) -> Instant {
        self.shared.deliveries.began
    }

    /// Hands a message over that was due then, in nanoseconds since the sender began. It waits only while a producer that
    /// met a fatal error is made anew.
    ///
    /// # Errors
    /// The thread that serves deliveries has ended.
    pub fn send(&mut self, topic: &str, key: &[u8], payload: &[u8], due: u64) -> Result<Handed> {
        let deliveries = &self.shared.deliveries;
        let cost = cost(key, payload);
        if deliveries.waiting.load(Ordering::Acquire) + cost > self.most {
            return Ok(Handed::Full);
        }
        // Before it is sent: it may be acknowledged at once.
        deliveries.waiting.fetch_add(cost, Ordering::AcqRel);
        loop {
            let record = BaseRecord::with_opaque_to(topic, due as usize).key(key).payload(payload);
            let Err((error, _)) = self.producer.send(record) else {
                return Ok(Handed::Taken);
            };
            if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull)) {
                deliveries.done(cost);
                return Ok(Handed::Full);
            }
            if self.producer.client().fatal_error().is_none() {
                deliveries.refused(&error, topic, payload.len());
                deliveries.done(cost);
                return Ok(Handed::Refused);
            }
            self.rest(PAUSE)?;
            self.producer = self.shared.current();
        }
    }

    /// Lets time pass in which deliveries are served; without a thread of their own they are only then.
    ///
    /// # Errors
    /// The thread that serves deliveries has ended.
    pub fn rest(&self, time: Duration) -> Result<()> {
        match &self.server {
            None => self.shared.serve(time),
            Some(server) if server.is_finished() => {
                bail!("the thread that serves deliveries has ended: this is a bug in lakewright")
            }
            Some(_) => pause(time),
        }
        Ok(())
    }

    /// Serves a delivery that is there, where no thread does.
    pub fn tend(&self) {
        if self.server.is_none() {
            self.shared.serve(Duration::ZERO);
        }
    }

    /// Delivers everything taken, within the time.
    ///
    /// # Errors
    /// Some messages could not be delivered; the error says how much.
    pub fn finish(self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let waiting = self.shared.deliveries.waiting.load(Ordering::Acquire);
            if waiting == 0 {
                return Ok(());
            }
            if Instant::now() >= end {
                bail!("{waiting} bytes of messages could not be delivered within {} s of the stop", time.as_secs());
            }
            self.rest(PAUSE)?;
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // The thread ends by itself, when its wait is over.
        self.shared.closing.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::KafkaConnection;
    use lakewright_config::agents::producer;
    use lakewright_runtime::{Metrics, kafka};

    use super::*;

    async fn sender(most: usize) -> (Sender, Metrics) {
        let metrics = Metrics::default();
        let measures = Measures {
            acknowledged: metrics.counter(&producer::ACKNOWLEDGED, &[]),
            errors: metrics.counter(&producer::DELIVERY_ERRORS, &[]),
            delivery: metrics.histogram(&producer::DELIVERY, &[]),
        };
        // Nobody listens there.
        let access = kafka::client_config(&KafkaConnection::plaintext("127.0.0.1:9")).await.expect("configured");
        (Sender::new(access, &Arc::default(), measures, most).expect("a sender"), metrics)
    }

    #[tokio::test]
    async fn without_a_broker_no_more_waits_than_may() {
        let (mut sender, metrics) = sender(100_000).await;
        let payload = vec![b'x'; 744];
        let mut taken = 0;
        while sender.send("facts", b"", &payload, 0).expect("served") == Handed::Taken {
            taken += 1;
        }
        assert_eq!(taken, 100, "each of 744 bytes, and 256 of librdkafka's");
        assert_eq!(metrics.value(&producer::ACKNOWLEDGED), Some(0.0));
        let error = sender.finish(Duration::ZERO).expect_err("nothing is delivered").to_string();
        assert!(error.starts_with("100000 bytes of messages could not be delivered"), "{error}");
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_is_left_out_and_the_rest_goes_on() {
        let (mut sender, metrics) = sender(WAITING_MOST).await;
        assert_eq!(sender.send("facts", b"", &vec![0; 2_000_000], 0).expect("served"), Handed::Refused);
        assert_eq!(sender.send("facts", b"", b"small", 0).expect("served"), Handed::Taken);
        assert_eq!(metrics.value(&producer::DELIVERY_ERRORS), Some(1.0));
        assert_eq!(sender.shared.deliveries.waiting.load(Ordering::Acquire), 5 + OVERHEAD);
    }
}
