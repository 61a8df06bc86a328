//! A Kafka log, a catalog that loses answers, and the agents that a test starts between them.

#[path = "../../../../libs/lake/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every fault is needed here")]
pub mod support;

mod log;
mod tables;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lakewright_aws::Aws;
use lakewright_config::agents;
use lakewright_config::agents::stream::{OnGap, OnReject};
use lakewright_config::{KafkaConnection, StreamConfig, Table};
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::{Access, client_config, ledger};
use lakewright_stream::run_at;
use tokio::task::JoinHandle;

use self::support::Fake;
use self::tables::make_table;
pub use self::tables::{add_column, declaration, new_schema};

pub const TOPIC: &str = "facts";
/// The variable that names a real Kafka, where tests run on one: one after the other, for they share its topics and groups.
const REAL: &str = "LAKEWRIGHT_TEST_KAFKA";
pub const TABLES: [&str; 3] = ["users", "sales", "dead_letters"];

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
