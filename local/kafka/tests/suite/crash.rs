//! Only on our log: restarts, kill -9 in mid-write, torn files, a full disk.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{self, PATIENCE};
use crate::produce::{batch, produce, producer_id};
use crate::support::{Ours, ask, eventually};
use crate::{admin, groups};

pub fn is_real() -> bool {
    std::env::var("LAKEWRIGHT_TEST_KAFKA").is_ok()
}

#[test]
fn a_restart_keeps_everything() {
    if is_real() {
        return;
    }
    let mut broker = Ours::start();
    let address = broker.address.clone();
    clients::create(&address, "kept", 2, &[("retention.ms", "86400000")]).unwrap();
    clients::create(&address, "gone", 1, &[]).unwrap();
    clients::delete(&address, "gone").unwrap();
    let id = admin::by_name(&address, "kept").topic_id;
    let cluster = ask(&address, 1, &kafka_protocol::messages::DescribeClusterRequest::default()).cluster_id;
    let idempotent = producer_id(&address);
    assert_eq!(produce(&address, "kept", batch(idempotent, 0, &["a", "b"])), (0, 0));
    let consumer = clients::reader(&address, "group");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("kept", 0, Offset::Offset(1)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();

    for graceful in [true, false] {
        if graceful {
            broker.terminate();
        } else {
            broker.kill();
        }
        broker.restart();
        let kept = admin::by_name(&address, "kept");
        assert_eq!((kept.topic_id, kept.partitions.len()), (id, 2));
        assert_eq!(admin::by_name(&address, "gone").error_code, 3);
        let again = ask(&address, 1, &kafka_protocol::messages::DescribeClusterRequest::default()).cluster_id;
        assert_eq!(again, cluster);
        assert_eq!(groups::committed(&clients::reader(&address, "group"), "kept"), Offset::Offset(1));
        assert_eq!(produce(&address, "kept", batch(idempotent, 0, &["a", "b"])), (0, 0), "a repeated batch");
        assert_ne!(producer_id(&address).0, idempotent.0, "a producer id was given out again");
        let read = clients::read_all(&address, "kept");
        assert_eq!(read[&0], [(0, "a".to_owned()), (1, "b".to_owned())]);
    }
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    if is_real() {
        return;
    }
    let mut broker = Ours::start();
    let address = broker.address.clone();
    clients::create(&address, "crashed", 3, &[("segment.bytes", "1048576")]).unwrap();
    let producer: Arc<FutureProducer> = Arc::new(clients::producer(&address));
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let senders: Vec<_> = (0..3)
        .map(|partition| {
            let (producer, stop, acknowledged) = (producer.clone(), stop.clone(), acknowledged.clone());
            std::thread::spawn(move || {
                let mut offsets = BTreeMap::new();
                let mut waiting = std::collections::VecDeque::new();
                let mut number = 0;
                loop {
                    let stopping = stop.load(Ordering::Relaxed);
                    if !stopping && waiting.len() < 200 {
                        let value = format!("{number:0300}");
                        let record = FutureRecord::<str, str>::to("crashed").partition(partition).payload(&value);
                        let delivery = producer.send_result(record).map_err(|(error, _)| error).unwrap();
                        waiting.push_back((value, delivery));
                        number += 1;
                        continue;
                    }
                    let Some((value, delivery)) = waiting.pop_front() else { return offsets };
                    let delivery = block_on(delivery).unwrap().unwrap();
                    assert_eq!(delivery.partition, partition);
                    assert!(offsets.insert(delivery.offset, value).is_none(), "an offset was given twice");
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..6 {
        let before = acknowledged.load(Ordering::Relaxed);
        eventually("progress", || (acknowledged.load(Ordering::Relaxed) > before + 500).then_some(()));
        std::thread::sleep(Duration::from_millis(7 * round));
        broker.kill();
        for segment in broker.last_segments() {
            // What a power cut leaves of a write: a header and less than it promises, or noise.
            let torn = batch((-1, -1), -1, &["never acknowledged"]);
            let torn = if round % 2 == 0 { &torn[..torn.len() - 5] } else { &[7; 100] };
            OpenOptions::new().append(true).open(segment).unwrap().write_all(torn).unwrap();
        }
        broker.restart();
    }
    stop.store(true, Ordering::Relaxed);
    let sent: Vec<BTreeMap<i64, String>> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    producer.flush(PATIENCE).unwrap();
    let read = clients::read_all(&address, "crashed");
    for (partition, acknowledged) in sent.iter().enumerate() {
        let read: BTreeMap<i64, String> = read[&(partition as i32)].iter().cloned().collect();
        assert_eq!(&read, acknowledged, "partition {partition}");
        let values: Vec<_> = read.values().collect();
        assert!(values.is_sorted() && values.windows(2).all(|pair| pair[0] != pair[1]), "partition {partition}");
    }
}

#[test]
fn a_full_disk_refuses_records_and_loses_none() {
    if is_real() {
        return;
    }
    let mut broker = Ours::start_limited(512);
    let address = broker.address.clone();
    clients::create(&address, "full", 1, &[]).unwrap();
    let value = "x".repeat(100_000);
    let mut stored = 0;
    let refused = loop {
        let (code, offset) = produce(&address, "full", batch((-1, -1), -1, &[&value]));
        if code != 0 {
            break code;
        }
        assert_eq!(offset, stored);
        stored += 1;
        assert!(stored < 10, "the limit has no effect");
    };
    assert_eq!(refused, 56);
    assert_eq!(produce(&address, "full", batch((-1, -1), -1, &["a small one still fits"])), (0, stored));
    assert_eq!(clients::read_all(&address, "full")[&0].len() as i64, stored + 1);
    broker.kill();
    broker.restart();
    assert_eq!(clients::read_all(&address, "full")[&0].len() as i64, stored + 1);
    assert_eq!(produce(&address, "full", batch((-1, -1), -1, &[&value])), (0, stored + 1));
}

#[test]
fn a_data_directory_has_one_owner() {
    if is_real() {
        return;
    }
    let broker = Ours::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = runtime.block_on(lakewright_kafka::serve(lakewright_kafka::Config::new(broker.data.path())));
    let error = second.unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
}
