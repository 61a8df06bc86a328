//! The thread that reads: batches of records, as many as there is room for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use lakewright_platform::Backoff;
use lakewright_runtime::CancellationToken;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::buffers::Buffers;
use crate::kafka::filling::{Filling, RECORD};
use crate::kafka::topics::Topics;
use crate::kafka::{GAPS, Gap, Held, Partition, Shared, stream};
use crate::source::{Batch, Stream};

/// The longest wait for a record, after which the reader looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// After so long without room partitions are paused: a member that doesn't ask for records loses its place in the group.
const PAUSE: Duration = Duration::from_secs(1);
/// How long Kafka may take to return committed offsets.
const COMMITTED: Duration = Duration::from_secs(10);
/// So many buffers of batches are kept.
const KEPT: usize = 4;
/// A batch may be longer than it should be by the last record, which mostly has no more than these bytes.
const OVER: usize = 64 << 10;
/// After so many records that were there the reader looks at the clock.
const CLOCK: usize = 16;

/// A partition as the reader knows it.
struct Known {
    partition: Partition,
    stream: Arc<Stream>,
    next: i64,
}

/// Reads for one pipe.
pub struct Reader {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    batches: mpsc::Sender<Result<Batch>>,
    stop: CancellationToken,
    handle: Handle,
    known: Vec<Known>,
    /// The place in `known` of the record before.
    last: usize,
    filling: Filling,
    buffers: Buffers,
}

impl Reader {
    /// Called within the async runtime.
    pub fn new(
        shared: Arc<Shared>,
        room: Arc<Semaphore>,
        batches: mpsc::Sender<Result<Batch>>,
        stop: CancellationToken,
    ) -> Self {
        let (known, filling) = (Vec::new(), Filling::default());
        let bytes = shared.reading.bytes;
        let buffers = Buffers::new(KEPT, bytes * 2);
        Self { shared, room, batches, stop, handle: Handle::current(), known, last: 0, filling, buffers }
    }

    /// Reads until it is stopped, or a topic was made again.
    pub fn run(mut self) {
        while let Some(room) = self.wait_for_room() {
            let read = self.fill().map(|()| self.batch(room));
            let ends = read.is_err();
            if matches!(&read, Ok(batch) if batch.events.is_empty()) {
                continue;
            }
            if self.batches.blocking_send(read).is_err() || ends {
                return;
            }
        }
    }

    /// How much room so many bytes take, in KiB.
    fn weight(&self, bytes: usize) -> u32 {
        let kib = (bytes * self.shared.reading.weight).div_ceil(1024).clamp(1, self.shared.reading.room);
        u32::try_from(kib).unwrap_or(u32::MAX)
    }

    /// Room for a batch; none when it is to end. Meanwhile the member keeps its place in the group.
    fn wait_for_room(&mut self) -> Option<OwnedSemaphorePermit> {
        let wanted = self.weight(self.shared.reading.bytes);
        let begun = Instant::now();
        let mut paused = false;
        let room = loop {
            if self.stop.is_cancelled() {
                break None;
            }
            if paused {
                // Nothing comes but news of the group.
                self.poll(LOOK);
                if self.shared.consumer.context().changed.load(Ordering::Acquire) {
                    self.look_at_partitions();
                    self.pause();
                }
            } else if begun.elapsed() > PAUSE {
                self.pause();
                paused = true;
            }
            let wait = if paused { Duration::ZERO } else { LOOK };
            let room = Arc::clone(&self.room).acquire_many_owned(wanted);
            match self.handle.block_on(async { tokio::time::timeout(wait, room).await }) {
                Ok(Ok(room)) => break Some(room),
                Ok(Err(_)) => break None,
                Err(_) => {}
            }
        };
        if paused {
            let resumed = self.shared.consumer.assignment().and_then(|all| self.shared.consumer.resume(&all));
            if let Err(error) = resumed {
                self.shared.metrics.trouble.of("read").begins(format!("go on to read from Kafka: {error}"));
            }
        }
        room
    }

    fn pause(&self) {
        let paused = self.shared.consumer.assignment().and_then(|all| self.shared.consumer.pause(&all));
        if let Err(error) = paused {
            tracing::debug!(%error, "not paused; what comes is kept");
        }
    }

    /// Reads until there are enough records, or some have waited for as long as they may.
    fn fill(&mut self) -> Result<()> {
        let (bytes, interval) = (self.shared.reading.bytes, self.shared.reading.interval);
        while self.filling.size() < bytes {
            let mut came = self.poll(Duration::ZERO);
            // Asking for the time costs as much as taking a record that is there.
            if !came || self.filling.records.len().is_multiple_of(CLOCK) {
                let wait = match self.filling.began {
                    Some(began) => interval.saturating_sub(began.elapsed()).min(LOOK),
                    None => LOOK,
                };
                if wait.is_zero() || self.stop.is_cancelled() {
                    break;
                }
                came = came || self.poll(wait);
            }
            if self.shared.consumer.context().changed.load(Ordering::Acquire) {
                self.look_at_partitions();
            }
            if !came && self.filling.began.is_none() {
                break;
            }
        }
        if std::mem::take(&mut self.filling.begins_anew) {
            self.compare_topics()?;
        }
        Ok(())
    }

    /// An error when a topic was made again. It is asked until Kafka answers.
    fn compare_topics(&self) -> Result<()> {
        let names: Vec<String> = self.shared.topics.keys().cloned().collect();
        let trouble = self.shared.metrics.trouble.of("topics");
        let mut backoff = Backoff::default();
        loop {
            match self.shared.compare(&names) {
                Ok(Topics::Same) => {
                    trouble.ends();
                    return Ok(());
                }
                Ok(Topics::Other(sentence)) => return Err(anyhow!(sentence)),
                Err(error) => {
                    trouble.begins(format!("{error:#}"));
                    if !self.handle.block_on(backoff.wait(&self.stop)) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits for one record and takes it; whether one came.
    fn poll(&mut self, wait: Duration) -> bool {
        let shared = Arc::clone(&self.shared);
        let consumer = &shared.consumer;
        consumer.context().kafka.keep_logged_in(consumer.client());
        let trouble = || shared.metrics.trouble.of("read");
        match consumer.poll(wait) {
            Some(Ok(message)) => {
                // The consumer takes partitions away only within `poll`: a message of such a one that comes after is of its
                // next assignment and stays.
                if consumer.context().changed.load(Ordering::Acquire) {
                    self.look_at_partitions();
                }
                self.take(&message);
                true
            }
            None | Some(Err(KafkaError::PartitionEOF(_))) => false,
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::PartitionEOF))) => false,
            Some(Err(error)) => {
                trouble().begins(format!("read from Kafka: {error}"));
                _ = self.handle.block_on(async { tokio::time::timeout(LOOK, self.stop.cancelled()).await });
                false
            }
        }
    }

    /// Forgets partitions that were taken away, and what was read of them and isn't given yet.
    fn look_at_partitions(&mut self) {
        self.shared.consumer.context().changed.store(false, Ordering::Release);
        self.known.retain(|known| !known.stream.is_ended());
        self.filling.records.retain(|record| !record.stream.is_ended());
        self.last = 0;
    }

    /// Takes a record into the batch.
    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let place = self.place(message);
        if self.filling.records.is_empty() && self.filling.arena.capacity() == 0 {
            self.filling.arena = self.buffers.take(self.shared.reading.bytes + OVER);
        }
        let known = &mut self.known[place];
        let offset = message.offset();
        if offset > known.next {
            let mut gaps = self.shared.consumer.context().gaps.lock();
            if gaps.len() < GAPS {
                gaps.push(Gap { partition: known.partition.clone(), from: known.next, to: offset });
            }
        }
        known.next = offset + 1;
        self.filling.take(message, Arc::clone(&known.stream));
    }

    /// Where the message's partition stands among those that are known; begins it if it is new, or goes back.
    fn place(&mut self, message: &BorrowedMessage<'_>) -> usize {
        let (topic, number) = (message.topic(), message.partition());
        let is_meant = |known: &Known| known.partition.1 == number && known.partition.0 == topic;
        if self.known.get(self.last).is_some_and(is_meant) && message.offset() >= self.known[self.last].next {
            return self.last;
        }
        let found = self.known.iter().position(is_meant);
        self.last = match found {
            Some(found) if message.offset() >= self.known[found].next => found,
            Some(found) => {
                // The log lost its end, or is another one's.
                let gone = self.known.swap_remove(found);
                gone.stream.end();
                self.begin((topic.to_owned(), number), message.offset(), message.offset())
            }
            None => {
                let partition = (topic.to_owned(), number);
                let committed = self.committed(&partition).unwrap_or(message.offset());
                self.begin(partition, message.offset(), committed.min(message.offset()))
            }
        };
        self.last
    }

    /// The group's offset of a partition, if it has one.
    fn committed(&self, (topic, number): &Partition) -> Option<i64> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, *number);
        match self.shared.consumer.committed_offsets(asked, COMMITTED) {
            Ok(found) => {
                match found.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
                    Some(Offset::Offset(offset)) => Some(offset),
                    _ => None,
                }
            }
            Err(error) => {
                tracing::warn!(topic, number, %error, "the committed offset is unknown: records that retention took before aren't counted");
                None
            }
        }
    }

    /// Begins to read a partition at an offset; `expected` is the one that should come.
    fn begin(&mut self, partition: Partition, offset: i64, expected: i64) -> usize {
        let (topic, number) = &partition;
        let id = self.shared.topics.get(topic).map(String::as_str).unwrap_or_default();
        let stream = stream(topic, id, *number);
        let held = Held { stream: Arc::clone(&stream), read: offset, settled: expected, committed: expected };
        self.shared.consumer.context().held.lock().insert(partition.clone(), held);
        self.filling.begins_anew = true;
        self.known.push(Known { partition, stream, next: expected });
        self.known.len() - 1
    }

    /// What was read, as a batch that holds as much of the room as it needs.
    fn batch(&mut self, mut room: OwnedSemaphorePermit) -> Batch {
        let Filling { arena, records, .. } = std::mem::take(&mut self.filling);
        let bytes = arena.len();
        self.shared.mean.count(bytes, records.len());
        let arena = self.buffers.share(arena);
        let needed = self.weight(bytes + records.len() * RECORD) as usize;
        if let Some(rest) = room.num_permits().checked_sub(needed).filter(|rest| *rest > 0) {
            drop(room.split(rest));
        }
        // Records of a stream stand together.
        let mut reached: Vec<(*const Stream, i64)> = Vec::new();
        let mut events = Vec::with_capacity(records.len());
        let most = self.shared.reading.max_record.unwrap_or(usize::MAX);
        for record in records {
            let (stream, next) = (Arc::as_ptr(&record.stream), record.offset + 1);
            match reached.last_mut() {
                Some(last) if last.0 == stream => last.1 = next,
                _ => reached.push((stream, next)),
            }
            record.append_to(&mut events, &arena, most);
        }
        let reached: HashMap<*const Stream, i64> = reached.into_iter().collect();
        for held in self.shared.consumer.context().held.lock().values_mut() {
            if let Some(next) = reached.get(&Arc::as_ptr(&held.stream)) {
                held.read = *next;
            }
        }
        self.shared.metrics.bytes.increment(bytes as u64);
        if !self.shared.reading.waits_for_settling && !events.is_empty() {
            self.shared.metrics.moved();
        }
        if !events.is_empty() {
            self.shared.metrics.trouble.of("read").ends();
        }
        Batch { events, bytes, room: Some(room) }
    }
}
