//! Only on our log: records copied in transactions while the broker is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::executor::block_on;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{self, PATIENCE};
use crate::crash::is_real;
use crate::support::{Ours, eventually};
use crate::transactions::{producer_with, values};

/// Copies records and their offsets in transactions until all `wanted` are copied, whatever happens to the broker.
fn copy(address: &str, input: &str, output: &str, group: &str, wanted: i64, progress: &AtomicI64) {
    let mut producer = None;
    let consumer = clients::reader(address, group);
    'restart: loop {
        // What doesn't end well is forgotten: the next round begins where the last committed transaction ended.
        let made = producer.take().unwrap_or_else(|| producer_with(address, group, "60000"));
        let Some(mut next) = position(&consumer, input) else {
            producer = Some(made);
            continue;
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(input, 0, Offset::Offset(next)).unwrap();
        consumer.assign(&list).unwrap();
        while next < wanted {
            let mut records = Vec::new();
            while records.len() < 10 && next < wanted {
                let Some(Ok(message)) = consumer.poll(PATIENCE) else { continue };
                assert_eq!(message.offset(), next);
                next += 1;
                records.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
            }
            let run = || -> Result<(), KafkaError> {
                made.begin_transaction()?;
                for value in &records {
                    let record = FutureRecord::<str, str>::to(output).partition(0).payload(value);
                    drop(made.send_result(record).map_err(|(error, _)| error)?);
                }
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(input, 0, Offset::Offset(next))?;
                let metadata = consumer.group_metadata().unwrap();
                again(|| made.send_offsets_to_transaction(&list, &metadata, PATIENCE))?;
                again(|| made.commit_transaction(PATIENCE))
            };
            match run() {
                Ok(()) => progress.store(next, Ordering::Relaxed),
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    if again(|| made.abort_transaction(PATIENCE)).is_ok() {
                        producer = Some(made);
                    }
                    continue 'restart;
                }
                Err(error) => panic!("{error}"),
            }
        }
        return;
    }
}

fn again(call: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    loop {
        match call() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
            other => return other,
        }
    }
}

/// Where a group goes on; none while the broker is away.
fn position(consumer: &BaseConsumer, topic: &str) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    match consumer.committed_offsets(list, PATIENCE).ok()?.elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => Some(0),
    }
}

#[test]
fn kill_9_in_mid_transaction_copies_each_record_once() {
    const RECORDS: i64 = 400;
    if is_real() {
        return;
    }
    let mut broker = Ours::start();
    let address = broker.address.clone();
    for topic in ["input", "output"] {
        clients::create(&address, topic, 1, &[]).unwrap();
    }
    let producer = clients::producer(&address);
    let expected: Vec<_> = (0..RECORDS).map(|number| format!("record {number}")).collect();
    let deliveries = expected.iter().map(|value| {
        let record = FutureRecord::<str, str>::to("input").partition(0).payload(value);
        producer.send_result(record).map_err(|(error, _)| error).unwrap()
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        block_on(delivery).unwrap().unwrap();
    }
    let progress = Arc::new(AtomicI64::new(0));
    let copying = {
        let (address, progress) = (address.clone(), progress.clone());
        std::thread::spawn(move || copy(&address, "input", "output", "copies", RECORDS, &progress))
    };
    let kills = if std::env::var("LAKEWRIGHT_LONG").is_ok() { 8 } else { 1 };
    for kill in 1..=kills {
        let reached = kill * RECORDS / (kills + 1);
        eventually("progress", || (progress.load(Ordering::Relaxed) > reached).then_some(()));
        broker.kill();
        broker.restart();
    }
    copying.join().unwrap();
    assert_eq!(values(&address, "output", "read_committed"), expected);
}
