//! Measures the shipper: MB of JSON per CPU-second, MB per second and peak memory, from Kafka to a bulk endpoint and a bucket that
//! answer at once and keep nothing but counts.
//!
//! `cargo run -p lakewright-shipper --example ship -- [RECORDS] [gzip] [transforms] [rsyslog]`. Kafka's log and the two ends run in
//! processes of their own, so that only the shipper's CPU time is counted. The first run ships to the index with the bucket away at its start,
//! the second to both. `transforms` parses, masks and reads the time of each record; `rsyslog` ships the same topic by rsyslog besides.

#[path = "../tests/support/ends.rs"]
#[allow(dead_code, reason = "not every fault is needed here")]
mod ends;
#[path = "../../../tests/bench/roles.rs"]
mod roles;
#[path = "../../../tests/bench/rsyslog.rs"]
mod rsyslog;
#[path = "../../../tests/bench/usage.rs"]
mod usage;

use std::fmt::Write as _;
use std::io::{Read as _, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use lakewright_config::agents::{self, shipper};
use lakewright_config::{KafkaConnection, SearchConnection, ShipperConfig};
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::client_config;
use lakewright_shipper::run_with;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use roles::{role, serve};
use usage::{cpu_seconds, peak_memory};

use ends::{Ends, Mode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `transforms` does.
const TRANSFORMS: &str = r#"[
    { "type": "parse_json" }, { "type": "mask", "what": ["email", "card", "token"] }, { "type": "timestamp", "field": "event_time" }
]"#;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.first().map(String::as_str) {
        Some("ends") => runtime.block_on(async {
            let (ends, url) = Ends::start().await;
            ends.set(Mode::Counts);
            serve(&url)
        }),
        Some("kafka") => runtime.block_on(async {
            let data = tempfile::tempdir()?;
            let mut config = lakewright_kafka::Config::new(data.path());
            config.fsync = lakewright_kafka::Fsync::Every(Duration::from_secs(1));
            let kafka = lakewright_kafka::serve(config).await?;
            serve(&kafka.address().to_string())
        }),
        Some("ship") => runtime.block_on(ship(&arguments[1..])),
        _ => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &[String]) -> Result<()> {
    let records: u64 = arguments.first().map_or(Ok(1_000_000), |text| text.parse())?;
    let is_given = |wanted: &str| arguments.iter().any(|word| word == wanted);
    let (gzip, transforms) = (is_given("gzip"), is_given("transforms"));
    let (_ends, url) = role("ends")?;
    let (_kafka, bootstrap) = role("kafka")?;
    let client = client_config(&KafkaConnection::plaintext(bootstrap.clone())).await?;
    let topic = "actions";
    let bytes = send(&client, topic, records).await?;
    for backup in [false, true] {
        let figures = [records.to_string(), bytes.to_string()];
        let switches = [gzip, transforms, backup].map(|switch| switch.to_string());
        let words = [&bootstrap, &url].into_iter().chain(&figures).chain(&switches);
        // A process of its own, for its own peak; its allocator as the agent has it.
        let status = Command::new(std::env::current_exe()?)
            .arg("ship")
            .args(words)
            .env("MIMALLOC_PURGE_DELAY", "50")
            .status()?;
        anyhow::ensure!(status.success(), "the shipper ended with {status}");
    }
    if is_given("rsyslog") {
        let taken = || -> Result<u64> {
            let mut connection = std::net::TcpStream::connect(url.trim_start_matches("http://"))?;
            connection.write_all(b"GET /_taken HTTP/1.1\r\nHost: ends\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok(answer.rsplit("\r\n").next().unwrap_or_default().trim().parse()?)
        };
        tokio::task::block_in_place(|| rsyslog::measure(topic, &bootstrap, &url, (records, bytes), taken))?;
    }
    Ok(())
}

async fn ship(words: &[String]) -> Result<()> {
    let [bootstrap, url, records, bytes, gzip, transforms, backup] = words else { anyhow::bail!("words are missing") };
    let (records, bytes): (u64, u64) = (records.parse()?, bytes.parse()?);
    let backup = backup == "true";
    let data = tempfile::tempdir()?;
    let agent = Agent::detached(agents::Agent::Shipper, data.path().to_owned());
    let config = ShipperConfig {
        kafka: KafkaConnection::plaintext(bootstrap.clone()),
        group: format!("ship-{backup}-{transforms}"),
        topics: vec!["actions".to_owned()],
        search: SearchConnection::open(url),
        index: "actions".to_owned(),
        time_field: "event_time".to_owned(),
        backup_bucket: "backup".to_owned(),
        account: None,
        backup_prefix: format!("events-{backup}"),
        backup_bytes: shipper::backup_bytes(),
        backup_interval_ms: shipper::backup_interval_ms(),
        backup_records: None,
        bulk_bytes: 5_000_000,
        bulk_interval_ms: 1000,
        gzip: gzip == "true",
        days_back: 30,
        days_ahead: 1,
        max_record: 10_000_000,
        fields: std::collections::BTreeMap::new(),
        keep_days: None,
        transforms: if transforms == "true" { serde_json::from_str(TRANSFORMS)? } else { Vec::new() },
        sources: std::collections::BTreeMap::new(),
        watch: None,
    };
    // Without the bucket the backup's pipe waits for its first look at it, and takes nothing.
    let bucket = if backup { url.as_str() } else { "http://127.0.0.1:9" };
    let aws = Ends::aws(bucket);
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    let running = tokio::spawn(run_with(agent.clone(), config, aws));
    let of_sink = |metric: &agents::Metric, sink: &str| -> u64 {
        let readings = agent.metrics.readings();
        let found = readings.iter().find(|r| r.metric == metric && r.name().contains(&format!("sink=\"{sink}\"")));
        found.map_or(0, |reading| reading.value as u64)
    };
    let is_done = || {
        let indexed = agent.metrics.value(&shipper::INDEXED).unwrap_or_default() as u64;
        let read = of_sink(&shipper::PIPE_BYTES, "backup");
        indexed >= records && (!backup || read >= bytes)
    };
    while !is_done() && !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let megabytes = bytes as f64 / 1e6;
    let what = if backup { "index and backup" } else { "index" };
    writeln!(
        std::io::stdout().lock(),
        "{what}: {records} records, {megabytes:.0} MB: {:.1} MB per CPU-second, {:.1} MB/s in {wall:.1} s, peak memory {} MB, \
         {} requests may be under way, {} objects, last error {:?}",
        megabytes / cpu,
        megabytes / wall,
        peak_memory()?,
        agent.metrics.value(&shipper::CONCURRENCY).unwrap_or_default(),
        agent.metrics.value(&shipper::BACKUP_OBJECTS).unwrap_or_default(),
        agent.health.last_error(),
    )?;
    agent.shutdown.cancel();
    // Without the bucket the backup can't end well.
    let ended = running.await?;
    if backup { ended } else { Ok(()) }
}

/// Sends actions like the shop's; gives their bytes.
#[expect(clippy::disallowed_methods, reason = "the producer runs on a thread of its own")]
async fn send(client: &ClientConfig, topic: &str, records: u64) -> Result<u64> {
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    admin.create_topics([&NewTopic::new(topic, 6, TopicReplication::Fixed(1))], &AdminOptions::new()).await?;
    let mut client = client.clone();
    client.set("linger.ms", "50").set("batch.size", "1000000").set("queue.buffering.max.kbytes", "65536");
    let producer: ThreadedProducer<DefaultProducerContext> = client.create()?;
    let topic = topic.to_owned();
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    tokio::task::spawn_blocking(move || {
        let (mut bytes, mut state, mut message) = (0, 0x9E37_79B9_7F4A_7C15_u64, String::new());
        for record in 0..records {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            action(record, state >> 11, &today, &mut message)?;
            let key = format!("{record:x}");
            bytes += message.len() as u64 + key.len() as u64;
            while let Err((_, _)) = producer.send(BaseRecord::to(&topic).payload(&message).key(&key)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        producer.flush(Duration::from_mins(1))?;
        Ok(bytes)
    })
    .await?
}

fn action(record: u64, random: u64, today: &str, message: &mut String) -> Result<()> {
    const COUNTRIES: [&str; 6] = ["SE", "DE", "FR", "US", "JP", "BR"];
    const ACTIONS: [&str; 5] = ["search", "view_product", "add_to_cart", "checkout", "login"];
    let (hour, minute, second) = (record / 3_600_000 % 24, record / 60_000 % 60, record / 1000 % 60);
    message.clear();
    write!(
        message,
        r#"{{"event_id":"evt-{random:016x}","event_time":"{today}T{hour:02}:{minute:02}:{second:02}.{:03}Z","event_type":"{}","user_id":"usr-{:08x}","session_id":"ses-{:012x}","ip_address":"10.{}.{}.{}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36","location":[{}.{:04},{}.{:04},"City {}","{}","Europe/Stockholm"],"session_duration_seconds":{},"page_views":{},"search_keywords":["lipstick","red {}"],"product_id":"prd-{:06}","referrer":"https://shop.example.org/category/{}/page/{}"}}"#,
        record % 1000,
        ACTIONS[(random % 5) as usize],
        random % 3_000_000,
        random % 1_000_000_000,
        random % 200,
        random % 250,
        random % 251,
        random % 60,
        random % 10_000,
        random % 30,
        random % 9_999,
        random % 300,
        COUNTRIES[(random % 6) as usize],
        random % 3600,
        random % 40,
        random % 100,
        random % 20_000,
        random % 30,
        random % 12,
    )?;
    Ok(())
}
