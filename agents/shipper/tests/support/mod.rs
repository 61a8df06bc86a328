//! A Kafka log, a search cluster and a bucket, and the shippers that a test starts between them.

#[allow(dead_code, reason = "the measurement uses the rest")]
pub mod ends;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lakewright_config::agents;
use lakewright_config::restoring::Restored;
use lakewright_config::{KafkaConnection, SearchConnection, ShipperConfig};
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{Access, client_config};
use lakewright_shipper::{Wanted, restore, run_with};
use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use tokio::task::JoinHandle;

use ends::Ends;

pub const TOPIC: &str = "actions";
pub const GROUP: &str = "shop-shipper";
/// How many partitions the topic has.
pub const PARTITIONS: i32 = 3;

pub struct World {
    pub ends: Arc<Ends>,
    pub url: String,
    _kafka: lakewright_kafka::Running,
    pub data: tempfile::TempDir,
    connection: KafkaConnection,
    pub client: Access,
    pub sent: u64,
    agents: Mutex<Vec<Agent>>,
}

/// Ends the agents that a failed test leaves running: the test's runtime waits for their polling threads.
impl Drop for World {
    fn drop(&mut self) {
        self.agents.lock().iter().for_each(|agent| agent.shutdown.cancel());
    }
}

/// A shipper that runs.
pub struct Running {
    pub agent: Agent,
    pub task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Ends it as a signal does.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.agent.shutdown.cancel();
        self.task.await.expect("no panic")
    }

    pub fn value(&self, metric: &agents::Metric) -> u64 {
        self.agent.metrics.value(metric).unwrap_or_default() as u64
    }
}

impl World {
    pub async fn new() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let kafka =
            lakewright_kafka::serve(lakewright_kafka::Config::new(data.path().join("kafka"))).await.expect("serves");
        let connection = KafkaConnection::plaintext(kafka.address().to_string());
        let client = client_config(&connection).await.expect("configured");
        let (ends, url) = Ends::start().await;
        let world = Self { ends, url, _kafka: kafka, data, connection, client, sent: 0, agents: Mutex::default() };
        world.make_topic(&[]).await;
        world
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client.create().expect("an admin client")
    }

    pub async fn make_topic(&self, settings: &[(&str, &str)]) {
        self.make_topic_named(TOPIC, settings).await;
    }

    pub async fn make_topic_named(&self, name: &str, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        for (name, value) in settings {
            topic = topic.set(name, value);
        }
        for result in self.admin().create_topics([&topic], &AdminOptions::new()).await.expect("answered") {
            result.expect("created");
        }
    }

    pub async fn remove_topic(&self) {
        for result in self.admin().delete_topics(&[TOPIC], &AdminOptions::new()).await.expect("answered") {
            result.expect("deleted");
        }
    }

    /// Sends actions of today, every tenth of them none.
    pub async fn send(&mut self, count: u64) {
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let payload = |number: u64| match number % 10 {
            3 => format!("{{\"n\":{number}"),
            _ => format!(r#"{{"event_time":"{now}","n":{number},"text":"{}"}}"#, "lipstick ".repeat(20)),
        };
        self.send_these(&(self.sent..self.sent + count).map(payload).collect::<Vec<_>>()).await;
    }

    /// Sends these, one partition after the other.
    pub async fn send_these(&mut self, payloads: &[String]) {
        let mut client = self.client.clone();
        client.set("message.max.bytes", "60000000");
        let producer: ThreadedProducer<DefaultProducerContext> = client.create().expect("a producer");
        for (number, payload) in payloads.iter().enumerate() {
            let partition = ((self.sent + number as u64) % PARTITIONS as u64) as i32;
            let record = BaseRecord::to(TOPIC).partition(partition).payload(payload.as_bytes()).key("key");
            producer.send(record).map_err(|(error, _)| error).expect("queued");
        }
        self.sent += payloads.len() as u64;
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30))).await.expect("ran").expect("sent");
    }

    pub fn config(&self) -> ShipperConfig {
        ShipperConfig {
            kafka: self.connection.clone(),
            group: GROUP.to_owned(),
            topics: vec![TOPIC.to_owned()],
            search: SearchConnection::open(&self.url),
            index: "actions".to_owned(),
            time_field: "event_time".to_owned(),
            backup_bucket: "backup".to_owned(),
            account: None,
            backup_prefix: "events".to_owned(),
            backup_bytes: 100_000,
            backup_interval_ms: 200,
            backup_records: None,
            bulk_bytes: 50_000,
            bulk_interval_ms: 20,
            gzip: false,
            days_back: 30,
            days_ahead: 1,
            max_record: 10_000_000,
            fields: BTreeMap::new(),
            keep_days: None,
            transforms: Vec::new(),
            sources: BTreeMap::new(),
            watch: None,
        }
    }

    pub fn start(&self) -> Running {
        self.start_with(self.config())
    }

    pub fn start_with(&self, config: ShipperConfig) -> Running {
        let agent = Agent::detached(agents::Agent::Shipper, self.data.path().to_owned());
        self.agents.lock().push(agent.clone());
        let task = tokio::spawn(run_with(agent.clone(), config, Ends::aws(&self.url)));
        Running { agent, task }
    }

    /// Restores what is wanted of the backup.
    pub async fn restore(&self, wanted: &Wanted) -> anyhow::Result<Restored> {
        self.restore_with(&self.config(), wanted).await
    }

    pub async fn restore_with(&self, config: &ShipperConfig, wanted: &Wanted) -> anyhow::Result<Restored> {
        let agent = Agent::detached(agents::Agent::Shipper, self.data.path().to_owned());
        restore(&agent, config, Ends::aws(&self.url), wanted, &mut |_| {}).await
    }

    /// So many records of a topic.
    pub async fn records_of(&self, topic: &str, count: u64) -> Vec<OwnedMessage> {
        let client = self.member_of("reader");
        let topic = topic.to_owned();
        let read = move || {
            let mut assigned = TopicPartitionList::new();
            for partition in 0..PARTITIONS {
                assigned.add_partition_offset(&topic, partition, Offset::Beginning).expect("an offset");
            }
            client.assign(&assigned).expect("assigned");
            let mut records = Vec::new();
            while (records.len() as u64) < count {
                let record = client.poll(Duration::from_secs(30)).expect("a record in time").expect("a record");
                records.push(record.detach());
            }
            records
        };
        tokio::task::spawn_blocking(read).await.expect("ran")
    }

    /// The places of all records of the backup, and how many lines are of a place that has one already.
    pub fn backed_up(&self) -> (BTreeSet<(i64, i64)>, u64) {
        let (mut places, mut twice) = (BTreeSet::new(), 0);
        for line in self.lines() {
            let number = |name: &str| line[name].as_i64().expect("a number");
            twice += u64::from(!places.insert((number("kafka_partition"), number("kafka_offset"))));
        }
        (places, twice)
    }

    /// All lines of the backup.
    pub fn lines(&self) -> Vec<Value> {
        let objects: Vec<_> = self.ends.objects.lock().values().cloned().collect();
        let mut lines = Vec::new();
        for object in objects {
            let mut text = String::new();
            zstd::stream::read::Decoder::new(&object[..]).expect("zstd").read_to_string(&mut text).expect("whole");
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
        }
        lines
    }

    /// How many documents each index has.
    pub fn indices(&self) -> BTreeMap<String, u64> {
        let mut indices = BTreeMap::new();
        for (index, _) in self.ends.documents.lock().keys() {
            *indices.entry(index.clone()).or_default() += 1;
        }
        indices
    }

    /// Every record stands once in an index and once in the backup.
    pub fn assert_exact(&self) {
        let documents = self.ends.documents.lock();
        let ids: BTreeSet<&String> = documents.keys().map(|(_, id)| id).collect();
        assert_eq!((ids.len() as u64, documents.len() as u64), (self.sent, self.sent), "documents");
        assert_eq!(self.ends.changed.load(std::sync::atomic::Ordering::Relaxed), 0, "documents of one id that differ");
        drop(documents);
        let (places, twice) = self.backed_up();
        assert_eq!((places.len() as u64, twice), (self.sent, 0), "records of the backup");
    }

    /// What a group has committed, by partition.
    pub async fn committed(&self, group: &str) -> Vec<Option<i64>> {
        let client = self.member_of(group);
        let ask = move || -> Vec<Option<i64>> {
            let mut asked = TopicPartitionList::new();
            (0..PARTITIONS).for_each(|partition| _ = asked.add_partition(TOPIC, partition));
            let found = client.committed_offsets(asked, Duration::from_secs(10)).expect("answered");
            let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
            found.elements().iter().map(|element| offset(element.offset())).collect()
        };
        tokio::task::spawn_blocking(ask).await.expect("ran")
    }

    /// A client that asks for what a group has, and is none of its members.
    pub fn member_of(&self, group: &str) -> BaseConsumer {
        let mut client = self.client.clone();
        client.set("group.id", group).set("enable.auto.commit", "false");
        client.create().expect("a client")
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
