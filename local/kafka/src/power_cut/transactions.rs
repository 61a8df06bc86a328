//! Tests of what a power cut and a flush that failed leave of transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, TopicName};
use parking_lot::Mutex;

use super::{Dice, Fragile, STORAGE_ERROR, batch, caller, cut, open, open_with, seen, send, store, stored, taken};
use crate::broker::Broker;
use crate::handlers::{offsets, text};
use crate::ledger::{Committed, Phase, Transaction};
use crate::topic::Topic;
use crate::topic_config::Settings;
use crate::transactions::{begin_producer, end, enlist, keep_offsets, recover, tick};
use crate::{Config, Fsync};

/// Kafka's code of a coordinator that can't serve now.
const COORDINATOR_NOT_AVAILABLE: i16 = 15;

fn create(broker: &Broker, partitions: i32) -> Arc<Topic> {
    broker.create_topic("topic", partitions, Settings::new(), false).unwrap().unwrap()
}

/// Begins a transaction of a new producer in some partitions.
async fn begin(broker: &Arc<Broker>, id: &str, topic: &Topic, partitions: i32) -> (i64, i16) {
    let producer = begin_producer(broker, id, 60_000, None).await.unwrap();
    let places: Vec<_> = (0..partitions).map(|partition| (topic.id, partition)).collect();
    enlist(broker, id, producer, &places, None).await.unwrap();
    producer
}

/// Error code and offset of a transaction's first record in a partition.
async fn first(broker: &Arc<Broker>, id: &str, producer: (i64, i16), partition: i32, value: &str) -> (i16, i64) {
    let batch: Bytes = batch(value, Some((producer.0, producer.1, 0)));
    stored(send(broker, Some(id), "topic", partition, batch).await).await
}

fn ends(topic: &Topic, partition: i32) -> (i64, i64) {
    let log = topic.partition(partition).unwrap();
    (log.stable(), log.bounds().1)
}

/// Error code and what a group committed for the topic's first partition.
async fn committed(broker: &Arc<Broker>, group: &str) -> (i16, i64) {
    let topic = OffsetFetchRequestTopic::default().with_name(TopicName(text("topic"))).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let response = offsets::fetch(broker, &caller(), 7, &request).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, response.error_code);
    (response.error_code, partition.committed_offset)
}

#[tokio::test]
async fn after_a_flush_that_failed_no_partition_is_added() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    let topic = create(&broker, 1);
    let producer = begin_producer(&broker, "id", 60_000, None).await.unwrap();
    disk.fail_after(0);
    for attempt in ["the flush fails", "the client tries again"] {
        let added = enlist(&broker, "id", producer, &[(topic.id, 0)], None).await;
        assert_eq!(added.unwrap_err().code(), COORDINATOR_NOT_AVAILABLE, "{attempt}");
    }
    assert_eq!(first(&broker, "id", producer, 0, "value").await.0, STORAGE_ERROR);
    assert_eq!(topic.partition(0).unwrap().bounds(), (0, 0), "records of a transaction that may be lost");
}

#[tokio::test]
async fn after_a_flush_that_failed_no_transaction_ends() {
    for commit in [true, false] {
        let data = tempfile::tempdir().unwrap();
        let disk = Fragile::new();
        let broker = open(data.path(), disk.clone()).unwrap();
        let topic = create(&broker, 1);
        let producer = begin(&broker, "id", &topic, 1).await;
        enlist(&broker, "id", producer, &[], Some("group")).await.unwrap();
        let offset = Committed { offset: 7, epoch: 0, metadata: String::new() };
        keep_offsets(&broker, "id", producer, "group", vec![((topic.id, 0), offset)]).await.unwrap();
        assert_eq!(first(&broker, "id", producer, 0, "value").await, (0, 0));
        disk.fail_after(0);
        for _ in 0..2 {
            end(&broker, "id", producer, commit).await.unwrap_err();
            begin_producer(&broker, "id", 60_000, None).await.unwrap_err();
            tick(&broker).await;
        }
        assert_eq!(ends(&topic, 0), (0, 1), "a marker of a decision that may be lost");
        assert_eq!(committed(&broker, "group").await, (COORDINATOR_NOT_AVAILABLE, -1));
    }
}

#[tokio::test]
async fn a_partition_that_takes_no_marker_lets_the_others_be() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    let topic = create(&broker, 2);
    let producer = begin(&broker, "id", &topic, 2).await;
    for partition in [0, 1] {
        assert_eq!(first(&broker, "id", producer, partition, "value").await, (0, 0));
    }
    disk.fail_after(0);
    assert_eq!(stored(store(&broker, "topic", 1, "breaks").await).await.0, STORAGE_ERROR);
    end(&broker, "id", producer, true).await.unwrap();
    for _ in 0..10 {
        tick(&broker).await;
    }
    assert_eq!(ends(&topic, 0), (2, 2), "a record and one marker");
    assert_eq!(ends(&topic, 1), (0, 1));

    let broker = open(data.path(), disk).unwrap();
    tick(&broker).await;
    let topic = broker.topic("topic").unwrap();
    assert_eq!(ends(&topic, 0), (2, 2));
    let (stable, high) = ends(&topic, 1);
    assert_eq!((stable, seen(&broker, "topic", 1, true)[&0].as_str()), (high, "value"));
}

#[tokio::test]
async fn a_marker_is_durable_whatever_the_policy_is() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let config = Config { fsync: Fsync::Every(Duration::from_secs(3600)), ..Config::new(data.path()) };
    let broker = open_with(config, disk.clone()).unwrap();
    let topic = create(&broker, 1);
    let producer = begin(&broker, "id", &topic, 1).await;
    assert_eq!(first(&broker, "id", producer, 0, "value").await, (0, 0));
    topic.partition(0).unwrap().flush_all().await.unwrap();
    end(&broker, "id", producer, true).await.unwrap();
    for seed in 1..=8 {
        let image = tempfile::tempdir().unwrap();
        disk.image(data.path(), image.path(), &mut Dice(seed));
        let broker = open(image.path(), Fragile::new()).unwrap();
        // Nothing is decided any more: what readers see they owe to the marker in the image.
        assert_eq!(ends(&broker.topic("topic").unwrap(), 0), (2, 2), "seed {seed}");
        assert_eq!(seen(&broker, "topic", 0, true), BTreeMap::from([(0, "value".to_owned())]), "seed {seed}");
    }
}

#[tokio::test]
async fn a_transaction_that_only_the_log_knows_is_ended() {
    let forget: fn(Transaction) -> Option<Transaction> = |_| None;
    let commit: fn(Transaction) -> Option<Transaction> =
        |known| Some(Transaction { phase: Phase::Committed, partitions: BTreeSet::new(), ..known });
    for (what, change, expected, is_ended) in [
        ("forgotten", forget, 0, true),
        ("committed, its marker lost", commit, 1, true),
        ("open", Some as fn(Transaction) -> Option<Transaction>, 0, false),
    ] {
        let data = tempfile::tempdir().unwrap();
        let disk = Fragile::new();
        let broker = open(data.path(), disk.clone()).unwrap();
        let topic = create(&broker, 1);
        let producer = begin(&broker, "id", &topic, 1).await;
        assert_eq!(first(&broker, "id", producer, 0, "value").await, (0, 0));
        let known = broker.coordinator.transaction("id").unwrap().unwrap();
        broker.coordinator.put_transaction("id", change(known)).await.unwrap();
        let broker = open(data.path(), disk).unwrap();
        recover(&broker).await.unwrap();
        tick(&broker).await;
        let (stable, high) = ends(&broker.topic("topic").unwrap(), 0);
        assert_eq!(stable == high, is_ended, "{what}: {stable} of {high}");
        assert_eq!(seen(&broker, "topic", 0, true).len(), expected, "{what}");
    }
}

#[tokio::test]
async fn a_reader_hears_of_the_aborted_transactions_that_it_reads() {
    let data = tempfile::tempdir().unwrap();
    let broker = open(data.path(), Fragile::new()).unwrap();
    let topic = create(&broker, 1);
    let mut producers = Vec::new();
    for id in ["first", "second"] {
        let producer = begin(&broker, id, &topic, 1).await;
        assert_eq!(first(&broker, id, producer, 0, id).await.0, 0);
        end(&broker, id, producer, false).await.unwrap();
        producers.push(producer.0);
    }
    let log = topic.partition(0).unwrap();
    let heard = |offset, most| -> Vec<i64> {
        let aborted = log.read(offset, Some(most), true).unwrap().unwrap().aborted;
        aborted.iter().map(|aborted| aborted.producer_id).collect()
    };
    assert_eq!(heard(0, 1), producers[..1], "one batch");
    assert_eq!(heard(2, 1), producers[1..], "one batch");
    assert_eq!(heard(0, 1 << 20), producers);
}

/// What clients were answered of their transactions, by worker and round.
#[derive(Clone, Default)]
struct Answered {
    /// Partition, offset and value of each record.
    committed: BTreeMap<(u64, i64), Vec<(i32, i64, String)>>,
    aborted: BTreeSet<(u64, i64)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_power_cut_leaves_whole_transactions() {
    const WORKERS: u64 = 3;
    const ROUNDS: i64 = 60;
    let data = tempfile::tempdir().unwrap();
    let images = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    let topic = create(&broker, 2);
    let answered = Arc::new(Mutex::new(Answered::default()));
    let cuts = cut(&disk, data.path(), images.path(), &answered);
    let workers = (0..WORKERS).map(|worker| {
        let (broker, topic, answered) = (broker.clone(), topic.clone(), answered.clone());
        tokio::spawn(async move {
            let mut dice = Dice(0xd1ce + worker);
            let (id, group) = (format!("id-{worker}"), format!("group-{worker}"));
            let producer = begin_producer(&broker, &id, 60_000, None).await.unwrap();
            for round in 1..=ROUNDS {
                enlist(&broker, &id, producer, &[(topic.id, 0), (topic.id, 1)], None).await.unwrap();
                enlist(&broker, &id, producer, &[], Some(&group)).await.unwrap();
                let mut records = Vec::new();
                for partition in [0, 1] {
                    let value = format!("{worker} {round} {}", "x".repeat(dice.below(20_000) as usize));
                    let batch = batch(&value, Some((producer.0, producer.1, round as i32 - 1)));
                    let (code, offset) = stored(send(&broker, Some(&id), "topic", partition, batch).await).await;
                    assert_eq!(code, 0);
                    records.push((partition, offset, value));
                }
                let offset = Committed { offset: round, epoch: 0, metadata: "n".repeat(1000) };
                keep_offsets(&broker, &id, producer, &group, vec![((topic.id, 0), offset)]).await.unwrap();
                let commit = dice.below(4) > 0;
                end(&broker, &id, producer, commit).await.unwrap();
                let mut answered = answered.lock();
                if commit {
                    answered.committed.insert((worker, round), records);
                } else {
                    answered.aborted.insert((worker, round));
                }
            }
        })
    });
    for (path, answered) in taken(workers.collect(), &disk, &cuts).await {
        let broker = open(&path, Fragile::new()).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        let topic = broker.topic("topic").unwrap();
        recover(&broker).await.unwrap();
        tick(&broker).await;
        // What is still open is aborted when its producer comes back.
        for worker in 0..WORKERS {
            begin_producer(&broker, &format!("id-{worker}"), 60_000, None).await.unwrap();
        }
        let mut found: BTreeMap<(u64, i64), Vec<(i32, i64, String)>> = BTreeMap::new();
        for partition in [0, 1] {
            let (stable, high) = ends(&topic, partition);
            assert_eq!(stable, high, "{}: partition {partition}", path.display());
            for (offset, value) in seen(&broker, "topic", partition, true) {
                let mut words = value.split(' ');
                let transaction = (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
                found.entry(transaction).or_default().push((partition, offset, value));
            }
        }
        for (transaction, records) in &found {
            assert_eq!(records.len(), 2, "{}: {transaction:?} is seen in part", path.display());
            assert!(!answered.aborted.contains(transaction), "{}: {transaction:?} was aborted", path.display());
        }
        for (transaction, records) in &answered.committed {
            assert!(found.get(transaction) == Some(records), "{}: {transaction:?} isn't what it was", path.display());
        }
        for worker in 0..WORKERS {
            let last = found.keys().filter(|(other, _)| *other == worker).map(|&(_, round)| round).max();
            let group = format!("group-{worker}");
            assert_eq!(committed(&broker, &group).await, (0, last.unwrap_or(-1)), "{}: {group}", path.display());
        }
    }
}
