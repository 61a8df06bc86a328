//! Tests of what is left after a power cut and after a flush that failed, on a disk that a test decides about.

mod fragile;
mod transactions;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, ProduceRequest, TopicName, TransactionalId};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

pub use fragile::{Dice, Fragile};

use crate::Config;
use crate::acl::tests::allow;
use crate::acl::{Operation, Pattern, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::disk::Disk;
use crate::handlers::{offsets, produce, text};
use crate::rights::Rights;
use crate::topic_config::Settings;

/// Kafka's code of a storage error.
const STORAGE_ERROR: i16 = 56;

fn open(data: &Path, disk: Arc<dyn Disk>) -> anyhow::Result<Arc<Broker>> {
    open_with(Config::new(data), disk)
}

fn open_with(config: Config, disk: Arc<dyn Disk>) -> anyhow::Result<Arc<Broker>> {
    Broker::open(config, disk).map(Arc::new)
}

/// A client that may do everything.
pub fn caller() -> Caller {
    Caller { client_id: String::new(), peer: ([127, 0, 0, 1], 9).into(), rights: Rights::everything() }
}

/// A producer's id, its epoch and the sequence of the batch.
pub type Producer = (i64, i16, i32);

/// A batch of one record; one of a transaction when it names its producer.
pub fn batch(value: &str, producer: Option<Producer>) -> Bytes {
    let (producer_id, producer_epoch, sequence) = producer.unwrap_or((-1, -1, -1));
    let record = Record {
        transactional: producer.is_some(),
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence,
        timestamp: crate::broker::now(),
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: IndexMap::default(),
    };
    let mut buffer = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut buffer, [&record], &options).unwrap();
    buffer.freeze()
}

async fn store(broker: &Arc<Broker>, topic: &str, partition: i32, value: &str) -> produce::Pending {
    send(broker, None, topic, partition, batch(value, None)).await
}

async fn send(broker: &Arc<Broker>, id: Option<&str>, topic: &str, partition: i32, batch: Bytes) -> produce::Pending {
    let part = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let data = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![part]);
    let id = id.map(|id| TransactionalId(text(id)));
    let request = ProduceRequest::default().with_acks(-1).with_transactional_id(id).with_topic_data(vec![data]);
    produce::append(broker, &caller(), request).await
}

/// Error code and offset.
async fn stored(pending: produce::Pending) -> (i16, i64) {
    let response = pending.finish().await;
    let part = &response.responses[0].partition_responses[0];
    (part.error_code, part.base_offset)
}

async fn commit(broker: &Arc<Broker>, group: &str, topic: &str, offset: i64, note: &str) -> i16 {
    let part =
        OffsetCommitRequestPartition::default().with_committed_offset(offset).with_committed_metadata(Some(text(note)));
    let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![part]);
    let request = OffsetCommitRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![topic]);
    offsets::commit(broker, &caller(), request).await.topics[0].partitions[0].error_code
}

fn values(broker: &Broker, topic: &str, partition: i32) -> BTreeMap<i64, String> {
    seen(broker, topic, partition, false)
}

/// What a reader sees, of committed records only or of all.
fn seen(broker: &Broker, topic: &str, partition: i32, committed: bool) -> BTreeMap<i64, String> {
    let log = broker.topic(topic).unwrap().partition(partition).unwrap();
    let mut values = BTreeMap::new();
    let end = if committed { log.stable() } else { log.bounds().1 };
    let mut next = log.bounds().0;
    while next < end {
        let read = log.read(next, Some(1 << 20), committed).unwrap().unwrap();
        let mut bytes = read.records;
        for record in RecordBatchDecoder::decode_all(&mut bytes).unwrap().into_iter().flat_map(|set| set.records) {
            next = record.offset + 1;
            let is_aborted = read.aborted.iter().any(|aborted| {
                aborted.producer_id == record.producer_id && (aborted.first..aborted.marker).contains(&record.offset)
            });
            if !record.control && !is_aborted {
                values.insert(record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            }
        }
    }
    values
}

#[tokio::test]
async fn after_a_flush_that_failed_nobody_is_told_that_records_are_stored() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    broker.create_topic("topic", 2, Settings::new(), false).unwrap();
    let (first, second) = (store(&broker, "topic", 0, "first").await, store(&broker, "topic", 0, "second").await);
    disk.fail_after(0);
    let (first, second) = tokio::join!(stored(first), stored(second));
    assert_eq!((first.0, second.0), (STORAGE_ERROR, STORAGE_ERROR));
    assert_eq!(stored(store(&broker, "topic", 0, "third").await).await.0, STORAGE_ERROR);
    assert_eq!(values(&broker, "topic", 0), BTreeMap::new(), "readers see what may be lost");
    assert_eq!(stored(store(&broker, "topic", 1, "elsewhere").await).await, (0, 0), "another partition has to go on");

    let broker = open(data.path(), disk).unwrap();
    let left = values(&broker, "topic", 0).len() as i64;
    assert_eq!(stored(store(&broker, "topic", 0, "after the restart").await).await, (0, left));
}

#[tokio::test]
async fn a_segment_that_cannot_be_ended_takes_nothing_more() {
    // The ended segment's content, and the next one's name.
    for flush in [0, 1] {
        let data = tempfile::tempdir().unwrap();
        let disk = Fragile::new();
        let broker = open(data.path(), disk.clone()).unwrap();
        let settings = Settings::from([("segment.bytes".to_owned(), "1048576".to_owned())]);
        broker.create_topic("topic", 1, settings, false).unwrap();
        let large = "x".repeat(700_000);
        assert_eq!(stored(store(&broker, "topic", 0, &large).await).await, (0, 0));
        disk.fail_after(flush);
        assert_eq!(stored(store(&broker, "topic", 0, &large).await).await.0, STORAGE_ERROR, "flush {flush}");
        assert_eq!(stored(store(&broker, "topic", 0, "small").await).await.0, STORAGE_ERROR, "flush {flush}");
        assert_eq!(values(&broker, "topic", 0).len(), 1);
        let broker = open(data.path(), disk).unwrap();
        assert_eq!(stored(store(&broker, "topic", 0, "small").await).await, (0, 1));
    }
}

#[tokio::test]
async fn after_a_flush_that_failed_no_offset_is_committed() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    broker.create_topic("topic", 1, Settings::new(), false).unwrap();
    assert_eq!(commit(&broker, "group", "topic", 1, "").await, 0);
    disk.fail_after(0);
    assert_ne!(commit(&broker, "group", "topic", 2, "").await, 0);
    assert_ne!(commit(&broker, "group", "topic", 4, "").await, 0);
    let broker = open(data.path(), disk).unwrap();
    assert_eq!(commit(&broker, "group", "topic", 5, "").await, 0);
}

#[tokio::test]
async fn after_a_flush_that_failed_no_topic_is_created() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    // The new log's file and names come before: partition, topic, logs, then the catalogue's content and its name.
    disk.fail_after(5);
    assert!(broker.create_topic("unsure", 1, Settings::new(), false).is_err());
    assert!(broker.create_topic("later", 1, Settings::new(), false).is_err());
    let broker = open(data.path(), disk).unwrap();
    broker.create_topic("later", 1, Settings::new(), false).unwrap();
}

#[tokio::test]
async fn after_a_flush_that_failed_no_access_control_list_counts() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    let acl = |user| allow(ResourceType::Topic, Pattern::Literal, "topic", user, Operation::Read);
    broker.change_acls(|acls| acls.push(acl("first"))).unwrap();
    // The catalogue's content is on disk, its name may not be.
    disk.fail_after(1);
    for user in ["unsure", "later"] {
        assert_eq!(broker.change_acls(|acls| acls.push(acl(user))).unwrap_err().0.code(), STORAGE_ERROR);
    }
    assert_eq!(*broker.acls(), [acl("first")]);
    let broker = open(data.path(), disk).unwrap();
    assert!(broker.acls().contains(&acl("first")) && !broker.acls().contains(&acl("later")));
    broker.change_acls(Vec::clear).unwrap();
    assert!(open(data.path(), Fragile::new()).unwrap().acls().is_empty());
}

/// A copy of a directory as a power cut left it, and what clients had been answered by then.
type Cut<T> = (PathBuf, T);

/// Cuts the power at some of the flushes to come.
fn cut<T: Clone + Send + 'static>(
    disk: &Fragile,
    data: &Path,
    images: &Path,
    answered: &Arc<Mutex<T>>,
) -> Arc<Mutex<Vec<Cut<T>>>> {
    let cuts = Arc::new(Mutex::new(Vec::new()));
    let (root, folder) = (std::fs::metadata(data).unwrap().ino(), images.to_owned());
    let (watched, taken) = (answered.clone(), cuts.clone());
    let mut dice = Dice(0x5eed);
    let mut next = 0;
    disk.watch(move |kept| {
        if kept.flushes < next {
            return;
        }
        next = kept.flushes + 1 + dice.below(60) as usize;
        // What was answered before is durable before: no flush ends while this looks.
        let answered = watched.lock().clone();
        let path = folder.join(kept.flushes.to_string());
        kept.image(root, &path, &mut dice);
        taken.lock().push((path, answered));
    });
    cuts
}

/// The power cuts that were taken while the workers worked, which have come to their end.
async fn taken<T>(workers: Vec<JoinHandle<()>>, disk: &Fragile, cuts: &Mutex<Vec<Cut<T>>>) -> Vec<Cut<T>> {
    for worker in workers {
        worker.await.unwrap();
    }
    disk.unwatch();
    let cuts = std::mem::take(&mut *cuts.lock());
    assert!(cuts.len() > 10, "only {} power cuts", cuts.len());
    cuts
}

/// What clients were answered, by place.
#[derive(Clone, Debug, Default)]
struct Answered {
    records: BTreeMap<(String, i32, i64), String>,
    /// The last offset of each group.
    offsets: BTreeMap<String, i64>,
    topics: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    const WORKERS: u64 = 6;
    const ROUNDS: i64 = 120;
    let data = tempfile::tempdir().unwrap();
    let images = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let answered = Arc::new(Mutex::new(Answered::default()));
    let cuts = cut(&disk, data.path(), images.path(), &answered);
    let broker = open(data.path(), disk.clone()).unwrap();
    let workers = (0..WORKERS).map(|worker| {
        let (broker, answered) = (broker.clone(), answered.clone());
        tokio::spawn(async move {
            let mut dice = Dice(0xd1ce + worker);
            let (topic, group) = (format!("topic-{}", worker % 3), format!("group-{worker}"));
            if worker < 3 {
                let settings = Settings::from([("segment.bytes".to_owned(), "1048576".to_owned())]);
                broker.create_topic(&topic, 2, settings, false).unwrap();
                answered.lock().topics.push(topic.clone());
            }
            while broker.topic(&topic).is_none() {
                tokio::task::yield_now().await;
            }
            for round in 1..=ROUNDS {
                let partition = dice.below(2) as i32;
                let value = format!("{worker} {round} {}", "x".repeat(dice.below(60_000) as usize));
                let (code, offset) = stored(store(&broker, &topic, partition, &value).await).await;
                assert_eq!(code, 0);
                answered.lock().records.insert((topic.clone(), partition, offset), value);
                assert_eq!(commit(&broker, &group, &topic, round, &"n".repeat(3000)).await, 0);
                answered.lock().offsets.insert(group.clone(), round);
            }
        })
    });
    for (path, answered) in taken(workers.collect(), &disk, &cuts).await {
        let broker = open(&path, Fragile::new()).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        for topic in &answered.topics {
            assert!(broker.topic(topic).is_some(), "{}: {topic} is lost", path.display());
        }
        let mut read = BTreeMap::new();
        for ((topic, partition, offset), value) in &answered.records {
            let place = (topic.clone(), *partition);
            let values = read.entry(place).or_insert_with(|| values(&broker, topic, *partition));
            assert!(values.get(offset) == Some(value), "{}: {topic} {partition} {offset}", path.display());
        }
        for (group, offset) in &answered.offsets {
            let committed = broker.coordinator.all(group).into_iter().map(|(_, committed)| committed.offset).max();
            assert!(committed >= Some(*offset), "{}: {group} {offset} {committed:?}", path.display());
        }
    }
}
