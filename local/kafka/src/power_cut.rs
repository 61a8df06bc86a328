//! Tests of what is left after a power cut and after a flush that failed, on a disk that a test decides about.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, ProduceRequest, TopicName};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use parking_lot::Mutex;

use crate::Config;
use crate::broker::Broker;
use crate::disk::Disk;
use crate::handlers::{offsets, produce, text};
use crate::topic_config::Settings;
use crate::transactions;

/// Kafka's code of a storage error.
const STORAGE_ERROR: i16 = 56;

/// A disk of which a test says when it fails; it remembers what a power cut would leave.
#[derive(Debug, Default)]
pub struct Fragile {
    /// Flushes from now on that still succeed before one fails; `usize::MAX`: none fails.
    until_failure: AtomicUsize,
    kept: Mutex<Kept>,
}

/// What was made durable, by inode.
#[derive(Debug, Default)]
struct Kept {
    /// The open file, so that its inode is nobody else's, and its content.
    files: HashMap<u64, (File, Vec<u8>)>,
    /// Names, their inodes, and whether they are directories.
    names: HashMap<u64, BTreeMap<OsString, (u64, bool)>>,
    flushes: usize,
    /// What to do at a flush, before it has an effect.
    watcher: Option<Watcher>,
}

struct Watcher(Box<dyn FnMut(&Kept) + Send>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

impl Fragile {
    /// One that fails at nothing.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { until_failure: AtomicUsize::new(usize::MAX), kept: Mutex::default() })
    }

    /// The next flush but `after` fails, and only that one.
    pub fn fail_after(&self, after: usize) {
        self.until_failure.store(after, Ordering::SeqCst);
    }

    fn flush(&self, keep: impl FnOnce(&mut Kept) -> io::Result<()>) -> io::Result<()> {
        let count = |left: usize| (left != usize::MAX).then(|| left.checked_sub(1).unwrap_or(usize::MAX));
        if self.until_failure.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(0) {
            return Err(io::Error::other("the disk has a bad sector"));
        }
        let mut kept = self.kept.lock();
        if let Some(mut watcher) = kept.watcher.take() {
            (watcher.0)(&kept);
            kept.watcher = Some(watcher);
        }
        kept.flushes += 1;
        keep(&mut kept)
    }
}

impl Disk for Fragile {
    fn sync(&self, file: &File) -> io::Result<()> {
        let content = content(file)?;
        self.flush(|kept| {
            kept.files.insert(file.metadata()?.ino(), (file.try_clone()?, content));
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut names = BTreeMap::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // A file may have got its final name in between; a later flush stands for that.
            let Ok(metadata) = entry.metadata() else { continue };
            names.insert(entry.file_name(), (metadata.ino(), metadata.is_dir()));
        }
        self.flush(|kept| {
            kept.names.insert(std::fs::metadata(path)?.ino(), names);
            Ok(())
        })
    }
}

fn content(file: &File) -> io::Result<Vec<u8>> {
    let mut content = vec![0; file.metadata()?.len() as usize];
    let mut read = 0;
    while read < content.len() {
        match file.read_at(&mut content[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    content.truncate(read);
    Ok(content)
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

impl Kept {
    /// Writes what a power cut leaves of a directory: what was made durable, and of what was appended since then a
    /// part, with zeros where the blocks never came.
    fn image(&self, directory: u64, to: &Path, dice: &mut Dice) {
        std::fs::create_dir_all(to).unwrap();
        for (name, &(inode, is_directory)) in self.names.get(&directory).into_iter().flatten() {
            let to = to.join(name);
            if is_directory {
                self.image(inode, &to, dice);
                continue;
            }
            let mut left = Vec::new();
            if let Some((file, durable)) = self.files.get(&inode) {
                left.clone_from(durable);
                let now = content(file).unwrap();
                if let Some(tail) = now.get(durable.len()..) {
                    left.extend_from_slice(&tail[..dice.below(tail.len() as u64 + 1) as usize]);
                    let zeros = match dice.below(3) {
                        0 => left.len(),
                        1 => durable.len(),
                        _ => durable.len() + dice.below((left.len() - durable.len()) as u64 + 1) as usize,
                    };
                    left[zeros..].fill(0);
                }
            }
            std::fs::write(to, left).unwrap();
        }
    }
}

fn open(data: &Path, disk: Arc<dyn Disk>) -> anyhow::Result<Arc<Broker>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    Broker::open(Config::new(data), address, disk).map(Arc::new)
}

fn batch(value: &str) -> Bytes {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
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
    let part = PartitionProduceData::default().with_index(partition).with_records(Some(batch(value)));
    let data = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![part]);
    produce::append(broker, ProduceRequest::default().with_acks(-1).with_topic_data(vec![data])).await
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
    offsets::commit(broker, request).await.topics[0].partitions[0].error_code
}

fn values(broker: &Broker, topic: &str, partition: i32) -> BTreeMap<i64, String> {
    let log = broker.topic(topic).unwrap().partition(partition).unwrap();
    let mut read = BTreeMap::new();
    let (mut next, high) = log.bounds();
    while next < high {
        let mut bytes = log.read(next, Some(1 << 20), false).unwrap().unwrap().records;
        for record in RecordBatchDecoder::decode_all(&mut bytes).unwrap().into_iter().flat_map(|set| set.records) {
            next = record.offset + 1;
            read.insert(record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        }
    }
    read
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
async fn after_a_flush_that_failed_no_transaction_ends() {
    let data = tempfile::tempdir().unwrap();
    let disk = Fragile::new();
    let broker = open(data.path(), disk.clone()).unwrap();
    let topic = broker.create_topic("topic", 1, Settings::new(), false).unwrap().unwrap();
    let producer = transactions::begin_producer(&broker, "id", 60_000, None).await.unwrap();
    transactions::enlist(&broker, "id", producer, &[(topic.id, 0)], None).await.unwrap();
    disk.fail_after(0);
    transactions::end(&broker, "id", producer, true).await.unwrap_err();
    transactions::tick(&broker).await;
    assert_eq!(topic.partition(0).unwrap().bounds(), (0, 0), "a marker of a decision that may be lost");
}

/// What clients were told, by place.
#[derive(Clone, Debug, Default)]
struct Told {
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
    let told = Arc::new(Mutex::new(Told::default()));
    let cuts = Arc::new(Mutex::new(Vec::new()));
    let (root, folder) = (std::fs::metadata(data.path()).unwrap().ino(), images.path().to_owned());
    let (watched, taken) = (told.clone(), cuts.clone());
    let mut dice = Dice(0x5eed);
    let mut next = 0;
    disk.kept.lock().watcher = Some(Watcher(Box::new(move |kept| {
        if kept.flushes < next {
            return;
        }
        next = kept.flushes + 1 + dice.below(60) as usize;
        // What was told before is durable before: no flush ends while this looks.
        let told = watched.lock().clone();
        let path = folder.join(kept.flushes.to_string());
        kept.image(root, &path, &mut dice);
        taken.lock().push((path, told));
    })));
    let broker = open(data.path(), disk.clone()).unwrap();
    let workers = (0..WORKERS).map(|worker| {
        let (broker, told) = (broker.clone(), told.clone());
        tokio::spawn(async move {
            let mut dice = Dice(0xd1ce + worker);
            let (topic, group) = (format!("topic-{}", worker % 3), format!("group-{worker}"));
            if worker < 3 {
                let settings = Settings::from([("segment.bytes".to_owned(), "1048576".to_owned())]);
                broker.create_topic(&topic, 2, settings, false).unwrap();
                told.lock().topics.push(topic.clone());
            }
            while broker.topic(&topic).is_none() {
                tokio::task::yield_now().await;
            }
            for round in 1..=ROUNDS {
                let partition = dice.below(2) as i32;
                let value = format!("{worker} {round} {}", "x".repeat(dice.below(60_000) as usize));
                let (code, offset) = stored(store(&broker, &topic, partition, &value).await).await;
                assert_eq!(code, 0);
                told.lock().records.insert((topic.clone(), partition, offset), value);
                assert_eq!(commit(&broker, &group, &topic, round, &"n".repeat(3000)).await, 0);
                told.lock().offsets.insert(group.clone(), round);
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    disk.kept.lock().watcher = None;
    let cuts = std::mem::take(&mut *cuts.lock());
    assert!(cuts.len() > 10, "only {} power cuts", cuts.len());
    for (path, told) in cuts {
        let broker = open(&path, Fragile::new()).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        for topic in &told.topics {
            assert!(broker.topic(topic).is_some(), "{}: {topic} is lost", path.display());
        }
        let mut read = BTreeMap::new();
        for ((topic, partition, offset), value) in &told.records {
            let place = (topic.clone(), *partition);
            let values = read.entry(place).or_insert_with(|| values(&broker, topic, *partition));
            assert!(values.get(offset) == Some(value), "{}: {topic} {partition} {offset}", path.display());
        }
        for (group, offset) in &told.offsets {
            let committed = broker.coordinator.all(group).into_iter().map(|(_, committed)| committed.offset).max();
            assert!(committed >= Some(*offset), "{}: {group} {offset} {committed:?}", path.display());
        }
    }
}
