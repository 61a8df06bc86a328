//! The agent against a Kafka log that goes away: what is due stays due, and all that was taken arrives once.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use lakewright_config::agents::{self, producer};
use lakewright_config::{KafkaConnection, KafkaTopic, ProducerConfig};
use lakewright_kafka::{Config, Running};
use lakewright_runtime::{Agent, Histogram, kafka};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

async fn log(data: &Path, port: u16) -> Running {
    lakewright_kafka::serve(Config { port, ..Config::new(data) }).await.expect("a log")
}

fn config(bootstrap: String) -> ProducerConfig {
    let topic = |name: &str| KafkaTopic { name: name.to_owned(), partitions: 3, configuration: BTreeMap::new() };
    let topics = vec![topic("facts"), topic("actions"), topic("logs")];
    let written = json!({
        "kafka": KafkaConnection { topics, ..KafkaConnection::plaintext(bootstrap) },
        "facts_topic": "facts",
        "actions_topic": "actions",
        "rate": "1000/s",
        "seed": 1,
        "tables": [],
        "log": { "file": "shop.log", "rotate_bytes": 1_000_000, "keep": 1, "format": "json", "topic": "logs" },
    });
    serde_json::from_value(written).expect("a configuration")
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "no {what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_while_the_broker_is_away_arrives_once_when_it_is_back() {
    let (data, state) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let running = log(data.path(), 0).await;
    let address = running.address();
    let agent = Agent::detached(agents::Agent::Producer, state.path().to_owned());
    let work = tokio::spawn(lakewright_producer::run(agent.clone(), config(address.to_string())));
    let count = |metric| agent.metrics.value(metric).unwrap_or_default();
    until("acknowledgement", || count(&producer::ACKNOWLEDGED) > 200.0).await;

    running.shutdown().await;
    let before = count(&producer::EVENTS);
    until("message made without a broker", || count(&producer::EVENTS) >= before + 1_000.0).await;
    let running = log(data.path(), address.port()).await;
    let made = count(&producer::EVENTS);
    until("acknowledgement of what waited", || count(&producer::ACKNOWLEDGED) > made + 200.0).await;
    agent.shutdown.cancel();
    work.await.expect("no panic").expect("delivered");

    let sent = (count(&producer::EVENTS) + count(&producer::LOGGED)) as i64;
    assert_eq!(count(&producer::ACKNOWLEDGED) as i64, sent);
    let access = kafka::client_config(&KafkaConnection::plaintext(address.to_string())).await.expect("configured");
    let topics = ["facts", "actions", "logs"].map(str::to_owned);
    let held = kafka::ledger(&access, &topics, &[], PATIENCE).await.expect("a ledger");
    assert_eq!(held.iter().map(|row| row.end - row.start).sum::<i64>(), sent);
    let delivery: Histogram = agent.metrics.histogram(&producer::DELIVERY, &[]);
    assert_eq!(delivery.count() as i64, sent);
    // A thousand were due over a second in which none could be delivered.
    assert!(delivery.quantile(1.0).expect("deliveries") >= 1.0);
    running.shutdown().await;
}
