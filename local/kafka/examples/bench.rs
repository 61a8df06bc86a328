//! Throughput of a log: `bench [HOST:PORT] [MESSAGES]`; without an address it starts one of its own in a process
//! beside it. Prints MB/s and the CPU seconds of both sides.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const PARTITIONS: i32 = 6;
const PAYLOAD: usize = 1000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, data] = arguments.as_slice()
        && word == "serve"
    {
        let running = lakewright_kafka::serve(lakewright_kafka::Config::new(data)).await?;
        writeln!(std::io::stdout(), "{}", running.address())?;
        return std::future::pending().await;
    }
    let given = arguments.first().filter(|address| address.contains(':')).cloned();
    let messages: usize = arguments.last().and_then(|number| number.parse().ok()).unwrap_or(500_000);
    let data = tempfile::tempdir()?;
    let mut own = None;
    let address = if let Some(address) = given {
        address
    } else {
        let mut child =
            Command::new(std::env::current_exe()?).arg("serve").arg(data.path()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?).read_line(&mut line)?;
        own = Some(child);
        line.trim().to_owned()
    };
    let measured = measure(&address, messages, own.as_ref()).await;
    if let Some(mut child) = own {
        child.kill()?;
        child.wait()?;
    }
    measured
}

async fn measure(address: &str, messages: usize, own: Option<&Child>) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", "bench");
    let topic = format!("bench-{}", std::process::id());
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
    admin.create_topics([&new], &AdminOptions::new()).await?;
    let mut producing = config.clone();
    producing
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("batch.size", "262144")
        .set("queue.buffering.max.messages", "200000");
    let producer: ThreadedProducer<DefaultProducerContext> = producing.create()?;
    let payload = vec![b'x'; PAYLOAD];
    let megabytes = (messages * PAYLOAD) as f64 / 1e6;

    let (start, client, server) = (Instant::now(), cpu(std::process::id())?, cpu_of(own)?);
    for number in 0..messages {
        let partition = (number / 100) as i32 % PARTITIONS;
        let mut record = BaseRecord::<[u8], [u8]>::to(&topic).partition(partition).payload(&payload);
        while let Err((error, back)) = producer.send(record) {
            anyhow::ensure!(error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull), error);
            tokio::time::sleep(Duration::from_millis(1)).await;
            record = back;
        }
    }
    producer.flush(Duration::from_mins(5))?;
    report("produce", megabytes, start, cpu(std::process::id())? - client, cpu_of(own)? - server)?;

    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    let (start, client, server) = (Instant::now(), cpu(std::process::id())?, cpu_of(own)?);
    consumer.assign(&list)?;
    let mut read = 0;
    while read < messages {
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            message?;
            read += 1;
        }
    }
    report("consume", megabytes, start, cpu(std::process::id())? - client, cpu_of(own)? - server)?;
    admin.delete_topics(&[&topic], &AdminOptions::new()).await?;
    Ok(())
}

fn report(what: &str, megabytes: f64, start: Instant, client: f64, server: f64) -> anyhow::Result<()> {
    let rate = megabytes / start.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{what}: {megabytes:.0} MB, {rate:.0} MB/s, CPU s: client {client:.2}, broker {server:.2}"
    )?;
    Ok(())
}

fn cpu_of(child: Option<&Child>) -> anyhow::Result<f64> {
    child.map_or(Ok(0.0), |child| cpu(child.id()))
}

/// CPU seconds of a process so far.
fn cpu(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}
