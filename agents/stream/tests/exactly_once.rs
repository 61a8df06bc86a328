//! The agent against a Kafka log and a catalog that loses answers: every record ends up in one table, once.

#[path = "../../lake/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every fault is needed here")]
mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use futures::TryStreamExt;
use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use lakewright_aws::{Client, S3Request, Service};
use lakewright_config::{Column, KafkaConnection, StreamConfig, Table, raw_columns};
use lakewright_lake::{Change, create_table, load_table};
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{Access, client_config, ledger};
use lakewright_stream::{OffsetMap, run_with};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};
use support::{Fake, Fault};
use tokio::task::JoinHandle;

const TOPIC: &str = "facts";
const TABLES: [&str; 3] = ["users", "sales", "dead_letters"];

fn columns(name: &str) -> Vec<Column> {
    let column = |name: &str, kind: &str| Column {
        name: name.into(),
        column_type: kind.parse().expect("a type"),
        required: true,
        doc: None,
        was: None,
    };
    match name {
        "users" => vec![column("user_id", "string")],
        "sales" => vec![column("sale_id", "string"), column("amount", "decimal(12,2)")],
        _ => vec![],
    }
}

fn declaration(name: &str) -> Table {
    Table {
        name: name.into(),
        database: "raw".into(),
        topic: TOPIC.into(),
        location: format!("s3://bucket/raw/{name}"),
        columns: columns(name),
        key: vec![],
        partition: vec![],
    }
}

async fn make_table(aws: &Client, name: &str) {
    let mut fields: Vec<(String, PrimitiveType)> =
        columns(name)
            .into_iter()
            .map(|column| (column.name, PrimitiveType::String))
            .map(|(name, kind)| {
                if name == "amount" { (name, PrimitiveType::Decimal { precision: 12, scale: 2 }) } else { (name, kind) }
            })
            .collect();
    if name == "dead_letters" {
        fields = vec![
            ("topic".into(), PrimitiveType::String),
            ("reason".into(), PrimitiveType::String),
            ("payload".into(), PrimitiveType::Binary),
        ];
    }
    let kinds = [PrimitiveType::String, PrimitiveType::Int, PrimitiveType::Long, PrimitiveType::Timestamptz];
    fields.extend(raw_columns().into_iter().map(|column| column.name).zip(kinds));
    let fields = fields
        .into_iter()
        .zip(1..)
        .map(|((name, kind), id)| Arc::new(NestedField::required(id, name, Type::Primitive(kind))));
    let schema = Schema::builder().with_fields(fields).build().expect("a schema");
    create_table(aws, "raw", name, &format!("s3://bucket/raw/{name}"), schema, None).await.expect("created");
}

struct World {
    fake: Arc<Fake>,
    aws: Client,
    _kafka: lakewright_kafka::Running,
    _data: tempfile::TempDir,
    connection: KafkaConnection,
    client: Access,
    sent: u64,
    agents: Mutex<Vec<Agent>>,
}

/// Ends the agents that a failed test leaves running: the test's runtime waits for their polling threads.
impl Drop for World {
    fn drop(&mut self) {
        for agent in self.agents.lock().expect("unpoisoned").iter() {
            agent.shutdown.cancel();
        }
    }
}

impl World {
    async fn new() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let kafka = lakewright_kafka::serve(lakewright_kafka::Config::new(data.path())).await.expect("serves");
        let connection = KafkaConnection::plaintext(kafka.address().to_string());
        let client = client_config(&connection).await.expect("configured");
        let (fake, aws) = Fake::start().await;
        for table in TABLES {
            make_table(&aws, table).await;
        }
        let world =
            Self { fake, aws, _kafka: kafka, _data: data, connection, client, sent: 0, agents: Mutex::default() };
        world.make_topic().await;
        world
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client.create().expect("an admin client")
    }

    async fn make_topic(&self) {
        let topic = NewTopic::new(TOPIC, 3, TopicReplication::Fixed(1));
        let made = self.admin().create_topics([&topic], &AdminOptions::new()).await.expect("answered");
        for result in made {
            result.expect("created");
        }
    }

    /// Sends facts, every tenth of them broken.
    async fn send(&mut self, count: u64) {
        self.send_with(count, "amount").await;
    }

    /// The same with another name of the column of amounts.
    async fn send_with(&mut self, count: u64, amount: &str) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.client.create().expect("a producer");
        for number in self.sent..self.sent + count {
            let payload = match number % 10 {
                0 => "{\"table\":\"sales\",\"data\":{\"sale_id\":\"a\"".to_owned(),
                1..=3 => format!(r#"{{"table":"users","data":{{"user_id":"u{number}"}}}}"#),
                _ => format!(r#"{{"table":"sales","data":{{"sale_id":"s{number}","{amount}":{number}.25}}}}"#),
            };
            producer.send(BaseRecord::to(TOPIC).payload(&payload).key(&number.to_string())).expect("queued");
        }
        self.sent += count;
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30))).await.expect("ran").expect("sent");
    }

    fn start(&self) -> (Agent, JoinHandle<anyhow::Result<()>>) {
        self.start_with(TABLES[..2].iter().map(|name| declaration(name)).collect())
    }

    fn start_with(&self, tables: Vec<Table>) -> (Agent, JoinHandle<anyhow::Result<()>>) {
        let agent = Agent::detached("stream", std::env::temp_dir());
        let config = StreamConfig {
            kafka: self.connection.clone(),
            group: "lake".into(),
            tables,
            dead_letters: declaration("dead_letters"),
            commit_interval_ms: 100,
            commit_bytes: 1 << 20,
            watch: None,
        };
        self.agents.lock().expect("unpoisoned").push(agent.clone());
        (agent.clone(), tokio::spawn(run_with(agent, config, self.aws.clone())))
    }

    /// Renames a column in the catalog, as an apply does: a new schema, nothing else.
    async fn rename(&self, table: &str, before: &str, now: &str) {
        loop {
            let found = self.aws.call(Service::Glue, "GetTable", json!({"DatabaseName": "raw", "Name": table})).await;
            let mut record = found.expect("found")["Table"].take();
            let location = record["Parameters"]["metadata_location"].as_str().expect("a location").to_owned();
            let key = location.strip_prefix("s3://bucket/").expect("of the bucket");
            let object = self.aws.s3().get("bucket", key, None).await.expect("read");
            let mut metadata: Value = serde_json::from_slice(&object.body).expect("JSON");
            let schemas = metadata["schemas"].as_array_mut().expect("schemas");
            let mut schema = schemas.last().expect("a schema").clone();
            schema["schema-id"] = schemas.len().into();
            let mut fields = schema["fields"].as_array_mut().expect("fields").iter_mut();
            fields.find(|field| field["name"] == before).expect("the column")["name"] = now.into();
            let id = schema["schema-id"].clone();
            schemas.push(schema);
            metadata["current-schema-id"] = id;
            let key = format!("{key}-renamed");
            let request = S3Request {
                method: "PUT".parse().expect("a method"),
                bucket: "bucket".into(),
                key: key.clone(),
                body: metadata.to_string().into(),
                ..S3Request::default()
            };
            self.aws.s3().send(request).await.expect("written");
            let version = record["VersionId"].take();
            record["Parameters"]["metadata_location"] = format!("s3://bucket/{key}").into();
            let input = json!({"DatabaseName": "raw", "TableInput": record, "VersionId": version});
            match self.aws.call(Service::Glue, "UpdateTable", input).await {
                Ok(_) => return,
                Err(error) => assert!(error.is_precondition_failed(), "{error}"),
            }
        }
    }

    /// Where each row of all tables came from, as (topic id, partition, offset).
    async fn rows(&self) -> Vec<(String, i32, i64)> {
        let mut rows = Vec::new();
        for name in TABLES {
            let loaded = load_table(&self.aws, "raw", name).await.expect("loaded");
            let scan = loaded.table.scan().select(["kafka_topic_id", "kafka_partition", "kafka_offset"]).build();
            let batches: Vec<RecordBatch> =
                scan.expect("a scan").to_arrow().await.expect("a stream").try_collect().await.expect("read");
            for batch in batches {
                let (ids, partitions) =
                    (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int32Type>());
                let offsets = batch.column(2).as_primitive::<Int64Type>();
                rows.extend(
                    (0..batch.num_rows())
                        .map(|row| (ids.value(row).to_owned(), partitions.value(row), offsets.value(row))),
                );
            }
        }
        rows
    }

    /// Waits until all records of the log were taken in, and fails if one is there twice.
    async fn settled(&self) {
        let log = ledger(&self.client, &[TOPIC.to_owned()], Duration::from_secs(10)).await.expect("a ledger");
        let expected: BTreeSet<(String, i32, i64)> = log
            .iter()
            .flat_map(|row| (row.start..row.end).map(|offset| (row.topic_id.clone(), row.partition, offset)))
            .collect();
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let rows = self.rows().await;
            let found: BTreeSet<_> = rows.iter().cloned().collect();
            assert_eq!(found.len(), rows.len(), "a record is there twice");
            if found.is_superset(&expected) {
                return;
            }
            assert!(Instant::now() < until, "{} of {} records after 90 s", found.len(), expected.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_in_one_table_once_whatever_the_catalog_does() {
    let mut world = World::new().await;
    world.send(2000).await;
    let (first, running) = world.start();
    world.settled().await;
    assert!(first.health.is_ready());
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer] {
        world.fake.fail_next(fault);
        world.send(500).await;
        world.settled().await;
    }
    // Another engine commits in between and carries no offsets on.
    for _ in 0..5 {
        let table = load_table(&world.aws, "raw", "sales").await.expect("loaded");
        _ = table.commit(Change::default()).await;
        world.send(300).await;
    }
    world.settled().await;
    first.shutdown.cancel();
    running.await.expect("ended").expect("ended well");

    // A second life goes on where the first ended, and shares with a third.
    world.send(700).await;
    let (second, second_running) = world.start();
    let (third, third_running) = world.start();
    world.settled().await;
    world.send(700).await;
    second.shutdown.cancel();
    second_running.await.expect("ended").expect("ended well");
    world.send(700).await;
    world.settled().await;
    third.shutdown.cancel();
    third_running.await.expect("ended").expect("ended well");

    let counted = |agent: &Agent, name: &str| agent.metrics.counter(name, &[]).get();
    assert_eq!(counted(&first, "records_total"), 5000);
    assert_eq!(counted(&first, "dead_letters_total"), 500);
    let sales = load_table(&world.aws, "raw", "sales").await.expect("loaded");
    assert_ne!(OffsetMap::committed(sales.table.metadata()).expect("a map"), OffsetMap::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_partitions_were_taken_over_drops_what_it_holds() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    // Somebody else moves this agent's partitions on in one table: as if it had read them itself.
    let table = load_table(&world.aws, "raw", "users").await.expect("loaded");
    let mut map: Value =
        serde_json::from_str(&OffsetMap::committed(table.table.metadata()).expect("a map").to_json()).expect("JSON");
    let topic = map.as_object_mut().and_then(|map| map.values_mut().next()).expect("a topic");
    for next in topic.as_object_mut().expect("partitions").values_mut() {
        *next = (next.as_i64().expect("a number") + 10).into();
    }
    let summary = [("lakewright.offsets".to_owned(), map.to_string())].into();
    table.commit(Change { summary, ..Change::default() }).await.expect("committed");
    world.send(300).await;
    let until = Instant::now() + Duration::from_mins(1);
    while agent.metrics.counter("restarts_total", &[]).get() == 0 {
        assert!(Instant::now() < until, "the agent didn't notice");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It goes on behind what the other one took, and repeats nothing.
    world.send(300).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    let rows = world.rows().await;
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
    let missing = 900 - rows.len();
    assert!((1..=30).contains(&missing), "{missing} rows were the other writer's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_cannot_begin_keeps_nobody_from_joining() {
    let mut world = World::new().await;
    world.send(300).await;
    let (agent, running) = world.start();
    world.settled().await;
    agent.shutdown.cancel();
    running.await.expect("ended").expect("ended well");
    // The table claims more of partition 0 than Kafka has.
    let table = load_table(&world.aws, "raw", "users").await.expect("loaded");
    let mut map: Value =
        serde_json::from_str(&OffsetMap::committed(table.table.metadata()).expect("a map").to_json()).expect("JSON");
    map.as_object_mut().and_then(|map| map.values_mut().next()).expect("a topic")["0"] = 1_000_000.into();
    let summary = [("lakewright.offsets".to_owned(), map.to_string())].into();
    table.commit(Change { summary, ..Change::default() }).await.expect("committed");

    let before = world.rows().await.iter().filter(|row| row.1 == 2).count();
    world.send(300).await;
    let lives = [world.start(), world.start()];
    // One has partitions 0 and 1 and can't begin, the other one has partition 2.
    let until = Instant::now() + Duration::from_secs(60);
    while world.rows().await.iter().filter(|row| row.1 == 2).count() == before {
        assert!(Instant::now() < until, "nobody reads partition 2");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lag = |agent: &Agent| agent.metrics.read().into_iter().any(|(name, _)| name == "lag_records");
    assert_eq!(lives.iter().filter(|(agent, _)| lag(agent)).count(), 1);
    for (agent, running) in lives {
        agent.shutdown.cancel();
        running.await.expect("ended").expect("ended well");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_renamed_under_a_running_agent_loses_no_value() {
    let mut world = World::new().await;
    world.send(500).await;
    let (old, running) = world.start();
    world.settled().await;
    // What is on its way was decoded under the old name; from here on this agent waits for its new configuration.
    world.send(500).await;
    world.rename("sales", "amount", "total").await;
    world.send_with(500, "total").await;
    let until = Instant::now() + Duration::from_mins(1);
    while !old.health.last_error().is_some_and(|error| error.contains("no column `amount`")) {
        assert!(Instant::now() < until, "the agent went on: {:?}", old.health.last_error());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    old.shutdown.cancel();
    running.await.expect("ended").expect("ended well");

    let mut sales = declaration("sales");
    let amount = sales.columns.iter_mut().find(|column| column.name == "amount").expect("declared");
    (amount.name, amount.was) = ("total".into(), Some("amount".into()));
    let (new, running) = world.start_with(vec![declaration("users"), sales]);
    // Somebody still sends the old name.
    world.send(500).await;
    world.settled().await;
    new.shutdown.cancel();
    running.await.expect("ended").expect("ended well");

    let read = async |table: &str, column: &str| -> Vec<RecordBatch> {
        let loaded = load_table(&world.aws, "raw", table).await.expect("loaded");
        let scan = loaded.table.scan().select([column]).build().expect("a scan");
        scan.to_arrow().await.expect("a stream").try_collect().await.expect("read")
    };
    let totals = read("sales", "total").await;
    assert_eq!(totals.iter().map(RecordBatch::num_rows).sum::<usize>(), 1200);
    assert!(totals.iter().all(|batch| batch.column(0).null_count() == 0), "a value was lost");
    assert_eq!(read("dead_letters", "reason").await.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
}
