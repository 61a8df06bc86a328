//! Measures the stream agent: MB of JSON per CPU-second and peak memory, from Kafka to committed Iceberg tables.
//!
//! `cargo run -p lakewright-stream --example throughput -- [EVENTS] [HOST:PORT of a Kafka]`. The account, and the Kafka
//! log unless another is named, run in processes of their own, so that only the agent's CPU time is counted.

#[path = "../../../tests/bench/roles.rs"]
mod roles;
#[path = "../../../libs/lake/tests/support/mod.rs"]
#[allow(dead_code, reason = "the tests' faults aren't needed here")]
mod support;
#[path = "../../../tests/bench/usage.rs"]
mod usage;

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use iceberg::spec::{NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec};
use lakewright_aws::Aws;
use lakewright_config::agents::{self, stream};
use lakewright_config::{Column, KafkaConnection, Reading, StreamConfig, Table, raw_columns};
use lakewright_lake::create_table;
use lakewright_runtime::Agent;
use lakewright_runtime::kafka::client_config;
use lakewright_stream::run_with;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use roles::{role, serve};
use usage::{cpu_seconds, peak_memory};

const USERS: &str = "user_id string!, email string, full_name string, country string, city string, \
                     marketing_opt_in boolean, loyalty_points int, created_at timestamptz, updated_at timestamptz!";
const SALES: &str = "sale_id string!, user_id string, session_id string, product_id string, quantity int, \
                     unit_price decimal(10,2), amount decimal(12,2), currency string, payment_method string, \
                     channel string, country string, sold_at timestamptz!";
const INVENTORY: &str = "product_id string!, name string, category string, brand string, warehouse string, stock int, \
                         price decimal(10,2), updated_at timestamptz!";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.first().map(String::as_str) {
        Some("account") => runtime.block_on(async {
            let (_fake, _client, endpoint) = support::Fake::listen().await;
            serve(&endpoint)
        }),
        Some("kafka") => runtime.block_on(async {
            let data = tempfile::tempdir()?;
            let mut config = lakewright_kafka::Config::new(data.path());
            config.fsync = lakewright_kafka::Fsync::Every(Duration::from_secs(1));
            let kafka = lakewright_kafka::serve(config).await?;
            serve(&kafka.address().to_string())
        }),
        _ => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &[String]) -> Result<()> {
    let events: u64 = arguments.first().map_or(Ok(600_000), |text| text.parse())?;
    let (_account, endpoint) = role("account")?;
    let aws = Aws::with_keys("eu-north-1", &endpoint, "123456789012", "secret")?;
    let (_kafka, bootstrap) = match arguments.get(1) {
        Some(bootstrap) => (None, bootstrap.clone()),
        None => role("kafka").map(|(child, address)| (Some(child), address))?,
    };
    let connection = KafkaConnection::plaintext(bootstrap);
    let client = client_config(&connection).await?;
    let topic = format!("facts-{}", std::process::id());
    let declared = [("users", USERS), ("sales", SALES), ("inventory", INVENTORY), ("dead_letters", "")];
    let mut tables: Vec<Table> = declared.iter().map(|(name, columns)| table(name, columns, &topic)).collect();
    for table in &tables {
        make(&aws, table).await?;
    }
    let dead_letters = tables.pop().context("the dead letters")?;
    let bytes = send(&client, &topic, events).await?;

    let data = tempfile::tempdir()?;
    let agent = Agent::detached(agents::Agent::Stream, data.path().to_owned());
    let config = StreamConfig {
        kafka: connection,
        group: topic,
        tables,
        dead_letters,
        account: None,
        commit_interval_ms: 5000,
        commit_bytes: 64 << 20,
        on_reject: stream::OnReject::DeadLetters,
        on_gap: stream::OnGap::Skip,
        maintenance: None,
        orphans_elsewhere_ms: None,
        watch: None,
    };
    std::fs::write("/proc/self/clear_refs", "5")?;
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    let running = tokio::spawn(run_with(agent.clone(), config, aws));
    let counted = |metric| agent.metrics.value(metric).unwrap_or_default() as u64;
    while counted(&stream::ROWS) + counted(&stream::DEAD_LETTERS) < events {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if running.is_finished() {
            break;
        }
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    agent.shutdown.cancel();
    running.await??;
    let megabytes = bytes as f64 / 1e6;
    let memory = peak_memory()?;
    writeln!(
        std::io::stdout().lock(),
        "{events} events, {megabytes:.0} MB: {:.1} MB per CPU-second, {:.1} MB/s in {wall:.1} s, {:.0} events per \
         CPU-second, peak memory {memory} MB, {} commits, {} dead letters, last error {:?}",
        megabytes / cpu,
        megabytes / wall,
        events as f64 / cpu,
        counted(&stream::COMMITS),
        counted(&stream::DEAD_LETTERS),
        agent.health.last_error(),
    )?;
    Ok(())
}

fn table(name: &str, columns: &str, topic: &str) -> Table {
    let columns: Vec<Column> = split(columns)
        .map(|(name, kind, required)| Column { required, ..Column::new(name, kind.parse().expect("a type")) })
        .collect();
    Table {
        name: name.into(),
        database: "raw".into(),
        topic: topic.into(),
        location: format!("s3://bucket/raw/{name}"),
        key: columns.first().map(|column| column.name.clone()).into_iter().collect(),
        columns,
        partition: vec![],
        reading: Reading::default(),
        sink: lakewright_config::Sink::default(),
        existing: None,
    }
}

/// Names, types and whether they are required.
fn split(columns: &str) -> impl Iterator<Item = (&str, &str, bool)> {
    columns.split(", ").filter_map(|column| {
        let (name, kind) = column.trim().split_once(' ')?;
        Some((name, kind.trim_end_matches('!'), kind.ends_with('!')))
    })
}

async fn make(aws: &Aws, table: &Table) -> Result<()> {
    let primitive = |kind: &str| match kind {
        "boolean" => PrimitiveType::Boolean,
        "int" => PrimitiveType::Int,
        "long" => PrimitiveType::Long,
        "timestamptz" => PrimitiveType::Timestamptz,
        "decimal(10,2)" => PrimitiveType::Decimal { precision: 10, scale: 2 },
        "decimal(12,2)" => PrimitiveType::Decimal { precision: 12, scale: 2 },
        "binary" => PrimitiveType::Binary,
        _ => PrimitiveType::String,
    };
    let mut fields: Vec<(String, PrimitiveType, bool)> =
        table.columns.iter().map(|c| (c.name.clone(), primitive(&c.column_type.to_string()), c.required)).collect();
    if table.columns.is_empty() {
        for (name, kind) in [("topic", "string"), ("reason", "string"), ("payload", "binary")] {
            fields.push((name.into(), primitive(kind), true));
        }
    }
    fields.extend(raw_columns().into_iter().map(|c| (c.name, primitive(&c.column_type.to_string()), true)));
    let day = fields.iter().position(|(name, ..)| ["updated_at", "sold_at", "ingested_at"].contains(&name.as_str()));
    let source = day.context("a time")? as i32 + 1;
    let name = format!("{}_day", fields[source as usize - 1].0);
    let fields = fields
        .into_iter()
        .zip(1..)
        .map(|((name, kind, required), id)| Arc::new(NestedField::new(id, name, Type::Primitive(kind), required)));
    let schema = Schema::builder().with_fields(fields).build()?;
    let spec = UnboundPartitionSpec::builder().add_partition_field(source, name, Transform::Day)?.build();
    create_table(aws, "raw", &table.name, &table.location, schema, Some(spec)).await?;
    Ok(())
}

/// Sends facts like the shop's; gives their bytes.
#[expect(clippy::disallowed_methods, reason = "the producer runs on a thread of its own")]
async fn send(client: &ClientConfig, topic: &str, events: u64) -> Result<u64> {
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    admin.create_topics([&NewTopic::new(topic, 6, TopicReplication::Fixed(1))], &AdminOptions::new()).await?;
    let mut client = client.clone();
    client.set("linger.ms", "50").set("batch.size", "1000000").set("queue.buffering.max.kbytes", "65536");
    let producer: ThreadedProducer<DefaultProducerContext> = client.create()?;
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let (mut bytes, mut state, mut message) = (0, 0x9E37_79B9_7F4A_7C15_u64, String::new());
        for event in 0..events {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            fact(event, state >> 11, &mut message);
            let key = format!("{event:x}");
            bytes += message.len() as u64;
            while let Err((_, _)) = producer.send(BaseRecord::to(&topic).payload(&message).key(&key)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        producer.flush(Duration::from_mins(1))?;
        Ok(bytes)
    })
    .await?
}

fn fact(event: u64, random: u64, message: &mut String) {
    const COUNTRIES: [&str; 6] = ["SE", "DE", "FR", "US", "JP", "BR"];
    const METHODS: [&str; 4] = ["card", "invoice", "paypal", "swish"];
    let country = COUNTRIES[(random % 6) as usize];
    let second = event / 100 % 60;
    let minute = event / 6000 % 60;
    let time = format!("2026-11-22T20:{minute:02}:{second:02}.{:06}Z", random % 1_000_000);
    message.clear();
    _ = match random % 10 {
        0 => write!(
            message,
            r#"{{"table":"users","data":{{"user_id":"usr-{random:016x}","email":"ana.{random:x}@example.org","full_name":"Ana Lind {}","country":"{country}","city":"City {}","marketing_opt_in":{},"loyalty_points":{},"created_at":"{time}","updated_at":"{time}"}}}}"#,
            random % 5000,
            random % 300,
            random & 1 == 0,
            random % 10_000
        ),
        1..=2 => write!(
            message,
            r#"{{"table":"inventory","data":{{"product_id":"prd-{:06}","name":"Product number {}","category":"category {}","brand":"brand {}","warehouse":"wh-{}","stock":{},"price":{}.{:02},"updated_at":"{time}"}}}}"#,
            random % 20_000,
            random % 20_000,
            random % 30,
            random % 200,
            random % 8,
            random % 900,
            random % 500,
            random % 100
        ),
        _ => write!(
            message,
            r#"{{"table":"sales","data":{{"sale_id":"sal-{random:016x}","user_id":"usr-{:08x}","session_id":"ses-{:012x}","product_id":"prd-{:06}","quantity":{},"unit_price":{}.{:02},"amount":{}.{:02},"currency":"EUR","payment_method":"{}","channel":"web","country":"{country}","sold_at":"{time}"}}}}"#,
            random % 3_000_000,
            random % 1_000_000_000,
            random % 20_000,
            random % 5 + 1,
            random % 500,
            random % 100,
            random % 2500,
            random % 100,
            METHODS[(random % 4) as usize]
        ),
    };
}
