//! Offsets are found: the first, the next, by time, by leader epoch.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::check_epoch;
use super::fetch::READ_COMMITTED;
use crate::acl::Operation;
use crate::blocking::blocking;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::log::Log;
use crate::topic::Topic;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const GREATEST_TIME: i64 = -3;

/// Finds offsets by time.
pub async fn list_offsets(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let (broker, rights) = (broker.clone(), caller.rights.clone());
    let committed = request.isolation_level == READ_COMMITTED;
    let topics = blocking(move || {
        let topic = |wanted: &kafka_protocol::messages::list_offsets_request::ListOffsetsTopic| {
            let known = rights.topic(Operation::Describe, &wanted.name).map(|()| broker.topic(&wanted.name));
            let partition = |p: &kafka_protocol::messages::list_offsets_request::ListOffsetsPartition| {
                let response = ListOffsetsPartitionResponse::default()
                    .with_partition_index(p.partition_index)
                    .with_timestamp(-1)
                    .with_offset(-1)
                    .with_leader_epoch(-1);
                let log = match log(&known, p.partition_index, p.current_leader_epoch) {
                    Ok(log) => log,
                    Err(error) => return response.with_error_code(error.code()),
                };
                match find(&log, p.timestamp, committed) {
                    Ok(Some((offset, time))) => {
                        // A field that older versions lack must be empty.
                        let epoch = if version >= 4 { log.epoch_at(offset) } else { -1 };
                        response.with_offset(offset).with_timestamp(time).with_leader_epoch(epoch)
                    }
                    Ok(None) => response,
                    Err(error) => {
                        tracing::error!(topic = wanted.name.as_str(), %error, "looking for a time failed");
                        response.with_error_code(ResponseError::KafkaStorageError.code())
                    }
                }
            };
            let partitions = wanted.partitions.iter().map(partition).collect();
            ListOffsetsTopicResponse::default().with_name(wanted.name.clone()).with_partitions(partitions)
        };
        request.topics.iter().map(topic).collect()
    })
    .await;
    ListOffsetsResponse::default().with_topics(topics)
}

/// A topic that the client may see, if there is one.
type Known = Result<Option<Arc<Topic>>, ResponseError>;

/// The log of a partition for a client that names a leader epoch.
fn log(known: &Known, partition: i32, epoch: i32) -> Result<Arc<Log>, ResponseError> {
    let topic = known.as_ref().map_err(|denied| *denied)?;
    let log = topic.as_ref().and_then(|topic| topic.partition(partition));
    let log = log.ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(epoch, log.epoch()).map(|()| log)
}

/// Offset and timestamp. For who reads `committed` records only the log ends at the last stable offset.
fn find(log: &Log, timestamp: i64, committed: bool) -> std::io::Result<Option<(i64, i64)>> {
    let (start, high) = log.bounds();
    let end = if committed { log.stable() } else { high };
    match timestamp {
        LATEST => Ok(Some((end, -1))),
        EARLIEST => Ok(Some((start, -1))),
        GREATEST_TIME => Ok(log.latest_time()),
        time => Ok(log.find_time(time)?.filter(|&(offset, _)| offset < end)),
    }
}

/// The ends of leader epochs: a reader that has come further reads what was cut off.
pub fn leader_epochs(
    broker: &Broker,
    caller: &Caller,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let known = caller.rights.topic(Operation::Describe, &wanted.topic).map(|()| broker.topic(&wanted.topic));
        let partitions = wanted.partitions.iter().map(|p| {
            let end = EpochEndOffset::default().with_partition(p.partition).with_leader_epoch(-1).with_end_offset(-1);
            let log = match log(&known, p.partition, p.current_leader_epoch) {
                Ok(log) => log,
                Err(error) => return end.with_error_code(error.code()),
            };
            match log.epoch_end(p.leader_epoch) {
                Some((epoch, offset)) => end.with_leader_epoch(epoch).with_end_offset(offset),
                None => end,
            }
        });
        OffsetForLeaderTopicResult::default().with_topic(wanted.topic.clone()).with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}
