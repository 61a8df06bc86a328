//! A Kafka log, a catalog that loses answers, and the agents that a test starts between them.

#[path = "../../../../libs/lake/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every fault is needed here")]
pub mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use aws_sdk_glue::types::TableInput;
use futures::TryStreamExt;
use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use lakewright_aws::{Aws, Put, ask, client};
use lakewright_config::agents;
use lakewright_config::agents::stream::{OnGap, OnReject};
use lakewright_config::{Column, KafkaConnection, Reading, StreamConfig, Table, raw_columns};
use lakewright_lake::{create_table, load_table};
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{Access, client_config, ledger};
use lakewright_stream::run_at;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, FutureProducer, FutureRecord, Producer, ThreadedProducer};
use serde_json::Value;
use tokio::task::JoinHandle;

use support::Fake;

pub const TOPIC: &str = "facts";
/// The variable that names a real Kafka, where tests run on one: one after the other, for they share its topics and groups.
const REAL: &str = "LAKEWRIGHT_TEST_KAFKA";
pub const TABLES: [&str; 3] = ["users", "sales", "dead_letters"];

fn columns(name: &str) -> Vec<Column> {
    let column = |name: &str, kind: &str| Column { required: true, ..Column::new(name, kind.parse().expect("a type")) };
    match name {
        "users" => vec![column("user_id", "string")],
        "sales" => vec![column("sale_id", "string"), column("amount", "decimal(12,2)")],
        _ => vec![],
    }
}

pub fn declaration(name: &str) -> Table {
    Table {
        name: name.into(),
        database: "raw".into(),
        topic: TOPIC.into(),
        location: format!("s3://bucket/raw/{name}"),
        columns: columns(name),
        key: vec![],
        partition: vec![],
        reading: Reading::default(),
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

async fn make_table(aws: &Aws, name: &str) {
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

/// A copy of a table's current schema that becomes the current one.
pub fn new_schema(metadata: &mut Value) -> &mut Value {
    let current = metadata["current-schema-id"].clone();
    let schemas = metadata["schemas"].as_array_mut().expect("schemas");
    // They are listed in no order.
    let mut schema = schemas.iter().find(|one| one["schema-id"] == current).expect("the current one").clone();
    let id = schemas.len();
    schema["schema-id"] = id.into();
    schemas.push(schema);
    metadata["current-schema-id"] = id.into();
    &mut metadata["schemas"][id]
}

/// Adds an optional column to a table's schema.
#[allow(dead_code, reason = "the tests of schemas use it")]
pub fn add_column(metadata: &mut Value, name: &str, kind: &str) {
    let id = metadata["last-column-id"].as_i64().expect("a number") + 1;
    metadata["last-column-id"] = id.into();
    let field = serde_json::json!({"id": id, "name": name, "type": kind, "required": false});
    new_schema(metadata)["fields"].as_array_mut().expect("fields").push(field);
}

pub struct World {
    pub fake: Arc<Fake>,
    pub aws: Aws,
    kafka: Option<lakewright_kafka::Running>,
    data: tempfile::TempDir,
    /// The state directories of agents, by the names that they have in their group.
    states: tempfile::TempDir,
    connection: KafkaConnection,
    client: Access,
    pub sent: u64,
    /// Of agents that start from now on.
    pub commit_interval_ms: u64,
    /// Of agents that start from now on.
    pub on_reject: OnReject,
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
    pub async fn new() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let (kafka, address) = match std::env::var(REAL) {
            Ok(address) => (None, address),
            Err(_) => {
                let config = lakewright_kafka::Config::new(data.path());
                let kafka = lakewright_kafka::serve(config).await.expect("serves");
                let address = kafka.address().to_string();
                (Some(kafka), address)
            }
        };
        let connection = KafkaConnection::plaintext(address);
        let client = client_config(&connection).await.expect("configured");
        let (fake, aws) = Fake::start().await;
        for table in TABLES {
            make_table(&aws, table).await;
        }
        let world = Self {
            fake,
            aws,
            kafka,
            data,
            states: tempfile::tempdir().expect("a directory"),
            connection,
            client,
            sent: 0,
            commit_interval_ms: 100,
            on_reject: OnReject::DeadLetters,
            agents: Mutex::default(),
        };
        world.make_topic(TOPIC).await;
        world
    }

    /// Ends the broker.
    #[allow(dead_code, reason = "not every test does")]
    pub async fn stop_kafka(&mut self) {
        self.kafka.take().expect("it runs").shutdown().await;
    }

    /// Starts it again, where it was.
    #[allow(dead_code, reason = "not every test does")]
    pub async fn start_kafka(&mut self) {
        let mut config = lakewright_kafka::Config::new(self.data.path());
        let port = self.connection.bootstrap.rsplit_once(':').expect("a port").1;
        config.port = port.parse().expect("a number");
        self.kafka = Some(lakewright_kafka::serve(config).await.expect("serves"));
    }

    /// Cuts half of a partition's newest records off, as an unclean election does; the broker is down.
    #[allow(dead_code, reason = "not every test does")]
    pub fn cut_off(&self, partition: i32) {
        assert!(self.kafka.is_none(), "a running broker has the file open");
        let mut logs = Vec::new();
        let mut folders = vec![self.data.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                match entry.extension() {
                    _ if entry.is_dir() => folders.push(entry),
                    Some(extension) if extension == "log" => logs.push(entry),
                    _ => {}
                }
            }
        }
        let is_of = |log: &&PathBuf| {
            let folder = log.parent().and_then(|folder| folder.file_name()).expect("a partition's folder");
            folder.to_string_lossy().ends_with(&format!("-{partition}")) || folder == partition.to_string().as_str()
        };
        let [log] = logs.iter().filter(is_of).collect::<Vec<_>>()[..] else {
            panic!("not one log of {partition}: {logs:?}")
        };
        let file = std::fs::OpenOptions::new().write(true).open(log).expect("a file");
        file.set_len(file.metadata().expect("a size").len() / 2).expect("cut off");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client.create().expect("an admin client")
    }

    pub async fn make_topic(&self, name: &str) {
        if self.kafka.is_none() {
            // Of the test before.
            self.delete_topic(name).await;
        }
        let topic = NewTopic::new(name, 3, TopicReplication::Fixed(1));
        let made = self.admin().create_topics([&topic], &AdminOptions::new()).await.expect("answered");
        for result in made {
            result.expect("created");
        }
    }

    /// Deletes a topic if it is there, and waits until it is gone.
    pub async fn delete_topic(&self, name: &str) {
        let admin = self.admin();
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let deleted = admin.delete_topics(&[name], &AdminOptions::new()).await.expect("answered");
            match deleted[0] {
                Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => return,
                _ => assert!(Instant::now() < end, "{name} isn't gone: {deleted:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends one record to partition 0 and waits until it is there.
    #[allow(dead_code, reason = "the tests of topics use it")]
    pub async fn send_one(&self, topic: &str, key: Option<&[u8]>, payload: Option<&[u8]>, headers: OwnedHeaders) {
        let producer: FutureProducer = self.client.create().expect("a producer");
        let mut record = FutureRecord::<[u8], [u8]>::to(topic).partition(0).timestamp(1_700_000_000_123);
        (record.key, record.payload) = (key, payload);
        producer
            .send(record.headers(headers), Duration::from_secs(30))
            .await
            .map_err(|(error, _)| error)
            .expect("sent");
    }

    /// Makes a topic that takes large messages, and sends these to it.
    #[allow(dead_code, reason = "not every test does")]
    pub async fn send_large(&self, topic: &str, payloads: &[String]) {
        let most = "20000000";
        let made = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", most);
        for result in self.admin().create_topics([&made], &AdminOptions::new()).await.expect("answered") {
            result.expect("created");
        }
        let mut client = self.client.clone();
        client.set("message.max.bytes", most);
        let producer: FutureProducer = client.create().expect("a producer");
        for payload in payloads {
            let record = FutureRecord::<[u8], str>::to(topic).payload(payload);
            producer.send(record, Duration::from_secs(30)).await.map_err(|(error, _)| error).expect("sent");
        }
    }

    /// Sends facts, every tenth of them broken.
    pub async fn send(&mut self, count: u64) {
        self.send_with(count, "amount").await;
    }

    /// The same with another name of the column of amounts.
    pub async fn send_with(&mut self, count: u64, amount: &str) {
        self.send_sales(count, |number| format!(r#""{amount}":{number}.25"#)).await;
    }

    /// The same with these members of sales besides their ids.
    pub async fn send_sales(&mut self, count: u64, members: impl Fn(u64) -> String) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.client.create().expect("a producer");
        for number in self.sent..self.sent + count {
            let payload = match number % 10 {
                0 => "{\"table\":\"sales\",\"data\":{\"sale_id\":\"a\"".to_owned(),
                1..=3 => format!(r#"{{"table":"users","data":{{"user_id":"u{number}"}}}}"#),
                _ => format!(r#"{{"table":"sales","data":{{"sale_id":"s{number}",{}}}}}"#, members(number)),
            };
            producer.send(BaseRecord::to(TOPIC).payload(&payload).key(&number.to_string())).expect("queued");
        }
        self.sent += count;
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30))).await.expect("ran").expect("sent");
    }

    pub fn start(&self) -> (Agent, JoinHandle<anyhow::Result<()>>) {
        self.start_with(TABLES[..2].iter().map(|name| declaration(name)).collect())
    }

    pub fn start_with(&self, tables: Vec<Table>) -> (Agent, JoinHandle<anyhow::Result<()>>) {
        self.start_as("lake", None, tables)
    }

    /// The state directory of agents that have this name in their group.
    pub fn state(&self, instance: &str) -> PathBuf {
        let folder = self.states.path().join(instance);
        std::fs::create_dir_all(&folder).expect("made");
        folder
    }

    /// Starts a member of a group, under a name if one is given.
    pub fn start_as(
        &self,
        group: &str,
        instance: Option<&str>,
        tables: Vec<Table>,
    ) -> (Agent, JoinHandle<anyhow::Result<()>>) {
        let state = instance.map_or_else(std::env::temp_dir, |instance| self.state(instance));
        self.start_in(group, (instance, state), tables)
    }

    /// The same with a state directory.
    pub fn start_in(
        &self,
        group: &str,
        (instance, state): (Option<&str>, PathBuf),
        tables: Vec<Table>,
    ) -> (Agent, JoinHandle<anyhow::Result<()>>) {
        let mut agent = Agent::detached(agents::Agent::Stream, state);
        agent.instance = instance.map(str::to_owned);
        let config = StreamConfig {
            kafka: self.connection.clone(),
            group: group.into(),
            tables,
            dead_letters: declaration("dead_letters"),
            account: None,
            commit_interval_ms: self.commit_interval_ms,
            commit_bytes: 1 << 20,
            on_reject: self.on_reject,
            on_gap: OnGap::Skip,
            maintenance: None,
            orphans_elsewhere_ms: None,
            watch: None,
        };
        self.agents.lock().expect("unpoisoned").push(agent.clone());
        (agent.clone(), tokio::spawn(run_at(agent, config, self.aws.clone(), crate::DESKS)))
    }

    /// The ids of a group's members, which begin with their identities.
    #[allow(dead_code, reason = "the tests of groups use it")]
    pub async fn members(&self, group: &str) -> Vec<String> {
        let (client, group) = (self.admin(), group.to_owned());
        let ask = move || -> Vec<String> {
            let list =
                client.inner().fetch_group_list(Some(group.as_str()), Duration::from_secs(10)).expect("answered");
            let members = list.groups().iter().flat_map(rdkafka::groups::GroupInfo::members);
            members.map(|member| member.id().to_owned()).collect()
        };
        tokio::task::spawn_blocking(ask).await.expect("ran")
    }

    /// Renames a column in the catalog: a new schema, nothing else.
    pub async fn rename(&self, table: &str, before: &str, now: &str) {
        let rename = |metadata: &mut Value| {
            let mut fields = new_schema(metadata)["fields"].as_array_mut().expect("fields").iter_mut();
            fields.find(|field| field["name"] == before).expect("the column")["name"] = now.into();
        };
        self.alter(table, rename).await;
    }

    /// Changes the metadata of a table in the catalog, as an apply or another engine's `ALTER TABLE` does.
    pub async fn alter(&self, table: &str, change: impl Fn(&mut Value)) {
        let glue = client!(self.aws, "glue", aws_sdk_glue);
        loop {
            let found = ask(glue.get_table().database_name("raw").name(table).send()).await;
            let record = found.expect("found").table.expect("a record");
            let mut parameters = record.parameters.expect("parameters");
            let location = parameters["metadata_location"].clone();
            let key = location.strip_prefix("s3://bucket/").expect("of the bucket");
            let object = self.aws.objects().get("bucket", key, None).await.expect("read");
            let mut metadata: Value = serde_json::from_slice(&object.body).expect("JSON");
            change(&mut metadata);
            let key = format!("{key}-altered");
            let body = metadata.to_string().into();
            self.aws.objects().put("bucket", &key, body, Put::default()).await.expect("written");
            parameters.insert("metadata_location".into(), format!("s3://bucket/{key}"));
            let input = TableInput::builder()
                .name(record.name)
                .set_table_type(record.table_type)
                .set_storage_descriptor(record.storage_descriptor)
                .set_parameters(Some(parameters))
                .build()
                .expect("it has its name");
            let update = glue.update_table().database_name("raw").table_input(input);
            match ask(update.set_version_id(record.version_id).send()).await {
                Ok(_) => return,
                Err(error) => assert_eq!(error.code, "ConcurrentModificationException"),
            }
        }
    }

    /// Where each row of all tables came from, as (topic id, partition, offset).
    pub async fn rows(&self) -> Vec<(String, i32, i64)> {
        let mut rows = Vec::new();
        for name in TABLES {
            rows.extend(self.rows_of(name).await);
        }
        rows
    }

    /// The same of one table.
    pub async fn rows_of(&self, name: &str) -> Vec<(String, i32, i64)> {
        let loaded = load_table(&self.aws, "raw", name).await.expect("loaded");
        let scan = loaded.table.scan().select(["kafka_topic_id", "kafka_partition", "kafka_offset"]).build();
        let batches: Vec<RecordBatch> =
            scan.expect("a scan").to_arrow().await.expect("a stream").try_collect().await.expect("read");
        let mut rows = Vec::new();
        for batch in batches {
            let (ids, partitions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int32Type>());
            let offsets = batch.column(2).as_primitive::<Int64Type>();
            rows.extend(
                (0..batch.num_rows()).map(|row| (ids.value(row).to_owned(), partitions.value(row), offsets.value(row))),
            );
        }
        rows
    }

    /// Waits until all records of the log were taken in, and fails if one is there twice.
    pub async fn settled(&self) {
        let log = ledger(&self.client, &[TOPIC.to_owned()], &[], Duration::from_secs(10)).await.expect("a ledger");
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
