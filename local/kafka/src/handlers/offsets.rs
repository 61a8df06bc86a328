//! Groups commit offsets and ask for them.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};

use super::text;
use crate::broker::Broker;
use crate::ledger::{Committed, Place};
use crate::topic::Topic;

/// Kafka's own limit of a client's note.
const LONGEST_NOTE: usize = 4096;

/// Stores offsets; durable before the answer.
pub async fn commit(broker: &Arc<Broker>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let may = broker.groups.may_commit(
        &request.group_id,
        &request.member_id,
        request.group_instance_id.as_deref(),
        request.generation_id_or_member_epoch,
    );
    let mut commits = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for wanted in &request.topics {
        let topic = broker.topic(&wanted.name);
        let mut partitions = Vec::with_capacity(wanted.partitions.len());
        for part in &wanted.partitions {
            let note = part.committed_metadata.as_deref().unwrap_or_default();
            let (offset, epoch) = (part.committed_offset, part.committed_leader_epoch);
            let judged = may.and_then(|()| judge(topic.as_deref(), part.partition_index, offset, epoch, note));
            let code = judged.map(|commit| commits.push(commit)).err().map_or(0, |error| error.code());
            let partition = OffsetCommitResponsePartition::default().with_partition_index(part.partition_index);
            partitions.push(partition.with_error_code(code));
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(wanted.name.clone()).with_partitions(partitions));
    }
    if let Err(error) = broker.coordinator.commit(&request.group_id, commits).await {
        tracing::error!(group = request.group_id.as_str(), %error, "offsets weren't stored");
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code == 0) {
            partition.error_code = ResponseError::CoordinatorNotAvailable.code();
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// What a commit stores, if the partition is there and the note isn't too long.
pub fn judge(
    topic: Option<&Topic>,
    partition: i32,
    offset: i64,
    epoch: i32,
    note: &str,
) -> Result<(Place, Committed), ResponseError> {
    let topic = topic.filter(|topic| topic.partition(partition).is_some());
    let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
    if note.len() > LONGEST_NOTE {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(((topic.id, partition), Committed { offset, epoch, metadata: note.to_owned() }))
}

/// Topics with the partitions asked for; none: all that the group committed.
type Wanted = Option<Vec<(TopicName, Vec<i32>)>>;
type Found = Vec<(TopicName, Vec<(i32, Stands)>)>;
/// What a group committed; an error while a transaction may change it and the client waits for that.
type Stands = Result<Option<Committed>, ResponseError>;

/// Returns what groups committed.
pub fn fetch(broker: &Broker, version: i16, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    if version >= 8 {
        let groups = request.groups.iter().map(|group| {
            let wanted = group.topics.as_ref().map(|topics| {
                topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect()
            });
            let stable = request.require_stable;
            let topics = find(broker, &group.group_id, wanted, stable).into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, committed)| {
                    let ((offset, epoch, note), code) = answered(committed);
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(index)
                        .with_committed_offset(offset)
                        .with_committed_leader_epoch(epoch)
                        .with_metadata(Some(text(note)))
                        .with_error_code(code)
                });
                OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
            });
            OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone()).with_topics(topics.collect())
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let wanted = request
        .topics
        .as_ref()
        .map(|topics| topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect());
    let stable = request.require_stable;
    let topics = find(broker, &request.group_id, wanted, stable).into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, committed)| {
            let ((offset, epoch, note), code) = answered(committed);
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(if version >= 5 { epoch } else { -1 })
                .with_metadata(Some(text(note)))
                .with_error_code(code)
        });
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn answered(stands: Stands) -> ((i64, i32, String), i16) {
    let code = stands.as_ref().err().map_or(0, ResponseError::code);
    let committed = stands.ok().flatten();
    (committed.map_or((-1, -1, String::new()), |c| (c.offset, c.epoch, c.metadata)), code)
}

fn find(broker: &Broker, group: &str, wanted: Wanted, stable: bool) -> Found {
    let settled = |place, committed| {
        let is_unstable = stable && broker.coordinator.is_pending(group, place);
        if is_unstable { Err(ResponseError::UnstableOffsetCommit) } else { Ok(committed) }
    };
    let Some(wanted) = wanted else {
        let mut found = Found::new();
        for ((id, partition), committed) in broker.coordinator.all(group) {
            let Some(topic) = broker.topic_by_id(id) else { continue };
            let name = TopicName(text(topic.name.as_str()));
            let committed = settled((id, partition), Some(committed));
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, partitions)) => partitions.push((partition, committed)),
                None => found.push((name, vec![(partition, committed)])),
            }
        }
        return found;
    };
    let find = |(name, partitions): (TopicName, Vec<i32>)| {
        let topic = broker.topic(&name);
        let get = |partition| match &topic {
            Some(topic) => settled((topic.id, partition), broker.coordinator.get(group, (topic.id, partition))),
            None => Ok(None),
        };
        let partitions = partitions.into_iter().map(|partition| (partition, get(partition))).collect();
        (name, partitions)
    };
    wanted.into_iter().map(find).collect()
}
