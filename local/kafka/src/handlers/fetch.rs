//! Records are read; a reader at the end waits for more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::check_epoch;
use crate::acl::Operation;
use crate::blocking::blocking;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::rights::Rights;

/// Records in one answer, whatever the client allows: what it costs in memory.
const LARGEST_ANSWER: u64 = 32 << 20;
/// The isolation level of a reader that leaves out what isn't committed.
pub const READ_COMMITTED: i8 = 1;

/// Reads once or until there is enough or the client's patience ends.
pub async fn fetch(broker: &Arc<Broker>, caller: &Caller, request: FetchRequest) -> FetchResponse {
    let patience = Duration::from_millis(request.max_wait_ms.clamp(0, 300_000) as u64);
    let deadline = Instant::now() + patience;
    let enough = request.min_bytes.max(0) as u64;
    let request = Arc::new(request);
    loop {
        let notify = Arc::new(Notify::new());
        // Watch first, then look: what comes in between isn't missed.
        for topic in &request.topics {
            let Some(known) = broker.topic(&topic.topic) else { continue };
            for partition in &topic.partitions {
                if let Some(log) = known.partition(partition.partition) {
                    log.watch(&notify);
                }
            }
        }
        let (worker, wanted, rights) = (broker.clone(), request.clone(), caller.rights.clone());
        let (response, bytes, failed) = blocking(move || read(&worker, &rights, &wanted)).await;
        if bytes >= enough || failed || Instant::now() >= deadline {
            return response;
        }
        let _ = tokio::time::timeout_at(deadline, notify.notified()).await;
    }
}

/// The answer as of now, its bytes of records, and whether a partition has an error that shouldn't wait.
fn read(broker: &Broker, rights: &Rights, request: &FetchRequest) -> (FetchResponse, u64, bool) {
    let allowed = u64::try_from(request.max_bytes).unwrap_or(0).clamp(1, LARGEST_ANSWER);
    let committed = request.isolation_level == READ_COMMITTED;
    let mut total = 0;
    let mut failed = false;
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let known = rights.topic(Operation::Read, &topic.topic).map(|()| broker.topic(&topic.topic));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let data = PartitionData::default()
                .with_partition_index(wanted.partition)
                .with_preferred_read_replica(BrokerId(-1))
                .with_aborted_transactions(Some(Vec::new()))
                .with_records(Some(Bytes::new()));
            let log = known.as_ref().map_err(|denied| *denied).and_then(|topic| {
                let log = topic.as_ref().and_then(|topic| topic.partition(wanted.partition));
                let log = log.ok_or(ResponseError::UnknownTopicOrPartition)?;
                check_epoch(wanted.current_leader_epoch, log.epoch()).map(|()| log)
            });
            let log = match log {
                Ok(log) => log,
                Err(error) => {
                    failed = true;
                    let data = data.with_error_code(error.code());
                    partitions.push(data.with_high_watermark(-1).with_last_stable_offset(-1));
                    continue;
                }
            };
            let most = u64::try_from(wanted.partition_max_bytes).unwrap_or(0).min(allowed.saturating_sub(total));
            // The first batch of the answer comes whatever its size, or a client with a small limit would never go on.
            let read = log.read(wanted.fetch_offset, (total == 0 || most > 0).then_some(most), committed);
            partitions.push(match read {
                Ok(Some(read)) => {
                    total += read.records.len() as u64;
                    let aborted = read.aborted.iter().map(|aborted| {
                        AbortedTransaction::default()
                            .with_producer_id(ProducerId(aborted.producer_id))
                            .with_first_offset(aborted.first)
                    });
                    data.with_high_watermark(read.high)
                        .with_last_stable_offset(read.stable)
                        .with_log_start_offset(read.start)
                        .with_aborted_transactions(Some(aborted.collect()))
                        .with_records(Some(read.records))
                }
                Ok(None) => {
                    failed = true;
                    let (start, high) = log.bounds();
                    data.with_error_code(ResponseError::OffsetOutOfRange.code())
                        .with_high_watermark(high)
                        .with_last_stable_offset(log.stable())
                        .with_log_start_offset(start)
                }
                Err(error) => {
                    failed = true;
                    tracing::error!(topic = topic.topic.as_str(), partition = wanted.partition, %error, "read failed");
                    data.with_error_code(ResponseError::KafkaStorageError.code())
                }
            });
        }
        responses.push(FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions));
    }
    (FetchResponse::default().with_responses(responses), total, failed)
}
