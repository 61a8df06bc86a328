//! Measures the producer: what share of a core a rate takes, and events per CPU-second.
//!
//! `cargo run -p lakewright-producer --example cost -- [RATE] [SECONDS] [HOST:PORT of a Kafka]`, as in `500/s 20` or
//! `max 10`. The Kafka log, unless another is named, runs in a process of its own, so that only the agent's CPU time is
//! counted; what starting takes is left out.

#[path = "../../../tests/bench/usage.rs"]
mod usage;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lakewright_config::agents::{self, producer};
use lakewright_config::{Column, KafkaConnection, KafkaTopic, ProducerConfig, Table};
use lakewright_runtime::Agent;
use usage::{cpu_seconds, peak_memory};

const USERS: &str = "user_id string, email string, full_name string, country string, city string, \
                     marketing_opt_in boolean, loyalty_points int, created_at timestamptz, updated_at timestamptz";
const SALES: &str = "sale_id string, user_id string, session_id string, product_id string, quantity int, \
                     unit_price decimal(10,2), amount decimal(12,2), currency string, payment_method string, \
                     channel string, country string, sold_at timestamptz";
const INVENTORY: &str = "product_id string, name string, category string, brand string, warehouse string, stock int, \
                         price decimal(10,2), updated_at timestamptz";
/// What is left out at the start: connecting, and asking for topics and a producer id.
const START: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As many threads as the agents' program has.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.first().is_some_and(|argument| argument == "kafka") {
        return runtime.block_on(serve());
    }
    runtime.block_on(measure(&arguments))
}

/// Serves a Kafka log; prints its address and waits until standard input closes.
async fn serve() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut config = lakewright_kafka::Config::new(data.path());
    config.fsync = lakewright_kafka::Fsync::Every(Duration::from_secs(1));
    let kafka = lakewright_kafka::serve(config).await?;
    writeln!(std::io::stdout().lock(), "{}", kafka.address())?;
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Starts this program as a Kafka log; gives its address.
fn kafka() -> Result<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.arg("kafka").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start Kafka")?;
    let mut address = String::new();
    BufReader::new(child.stdout.take().context("its output")?).read_line(&mut address)?;
    Ok((child, address.trim().to_owned()))
}

async fn measure(arguments: &[String]) -> Result<()> {
    let rate = arguments.first().map_or("500/s", String::as_str);
    let seconds: u64 = arguments.get(1).map_or(Ok(20), |text| text.parse())?;
    let (_kafka, bootstrap) = match arguments.get(2) {
        Some(bootstrap) => (None, bootstrap.clone()),
        None => kafka().map(|(child, address)| (Some(child), address))?,
    };
    let data = tempfile::tempdir()?;
    let agent = Agent::detached(agents::Agent::Producer, data.path().to_owned());
    let running = tokio::spawn(lakewright_producer::run(agent.clone(), config(bootstrap, rate)?));
    let counted = |metric| agent.metrics.value(metric).unwrap_or_default();
    while counted(&producer::ACKNOWLEDGED) < 1.0 && !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(START).await;
    let read = || -> Result<[f64; 3]> { Ok([counted(&producer::EVENTS), counted(&producer::BYTES), cpu_seconds()?]) };
    let (began, before) = (Instant::now(), read()?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (wall, after) = (began.elapsed().as_secs_f64(), read()?);
    agent.shutdown.cancel();
    running.await??;
    let [events, bytes, cpu] = [0, 1, 2].map(|at| after[at] - before[at]);
    writeln!(
        std::io::stdout().lock(),
        "{rate}: {events:.0} events in {wall:.1} s ({:.0}/s), {:.2} % of a core, {:.0} events and {:.0} MB per \
         CPU-second, peak memory {} MB, last error {:?}",
        events / wall,
        100.0 * cpu / wall,
        events / cpu,
        bytes / 1e6 / cpu,
        peak_memory()?,
        agent.health.last_error(),
    )?;
    Ok(())
}

fn config(bootstrap: String, rate: &str) -> Result<ProducerConfig> {
    let topic = |name: &str| KafkaTopic { name: name.to_owned(), partitions: 6, configuration: BTreeMap::new() };
    let topics = vec![topic("facts"), topic("actions")];
    let written = serde_json::json!({
        "kafka": KafkaConnection { topics, ..KafkaConnection::plaintext(bootstrap) },
        "facts_topic": "facts",
        "actions_topic": "actions",
        "rate": rate,
        "seed": 1,
        "tables": [table("users", USERS), table("sales", SALES), table("inventory", INVENTORY)],
        "log": { "file": "shop.log", "rotate_bytes": 64_000_000, "keep": 1 },
    });
    serde_json::from_value(written).context("read the configuration")
}

fn table(name: &str, columns: &str) -> Table {
    let columns: Vec<Column> = columns
        .split(", ")
        .filter_map(|column| column.trim().split_once(' '))
        .map(|(name, kind)| Column {
            name: name.into(),
            column_type: kind.parse().expect("a type"),
            required: true,
            doc: None,
            was: None,
        })
        .collect();
    Table {
        name: name.into(),
        database: "raw".into(),
        topic: "facts".into(),
        location: format!("s3://bucket/raw/{name}"),
        key: columns.first().map(|column| column.name.clone()).into_iter().collect(),
        columns,
        partition: vec![],
        reading: lakewright_config::Reading::default(),
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}
