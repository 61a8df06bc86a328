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
use crate::offsets::Committed;

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
            let code = match (&may, &topic) {
                (Err(error), _) => error.code(),
                (_, Some(topic)) if topic.partition(part.partition_index).is_some() => {
                    if note.len() > LONGEST_NOTE {
                        ResponseError::OffsetMetadataTooLarge.code()
                    } else {
                        let committed = Committed {
                            offset: part.committed_offset,
                            epoch: part.committed_leader_epoch,
                            metadata: note.to_owned(),
                        };
                        commits.push(((topic.id, part.partition_index), committed));
                        0
                    }
                }
                _ => ResponseError::UnknownTopicOrPartition.code(),
            };
            let partition = OffsetCommitResponsePartition::default().with_partition_index(part.partition_index);
            partitions.push(partition.with_error_code(code));
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(wanted.name.clone()).with_partitions(partitions));
    }
    if let Err(error) = broker.offsets.commit(&request.group_id, commits).await {
        tracing::error!(group = request.group_id.as_str(), %error, "offsets weren't stored");
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code == 0) {
            partition.error_code = ResponseError::CoordinatorNotAvailable.code();
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

/// Topics with the partitions asked for; none: all that the group committed.
type Wanted = Option<Vec<(TopicName, Vec<i32>)>>;
type Found = Vec<(TopicName, Vec<(i32, Option<Committed>)>)>;

/// Returns what groups committed.
pub fn fetch(broker: &Broker, version: i16, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    if version >= 8 {
        let groups = request.groups.iter().map(|group| {
            let wanted = group.topics.as_ref().map(|topics| {
                topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect()
            });
            let topics = find(broker, &group.group_id, wanted).into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, committed)| {
                    let (offset, epoch, note) = answered(committed);
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(index)
                        .with_committed_offset(offset)
                        .with_committed_leader_epoch(epoch)
                        .with_metadata(Some(text(note)))
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
    let topics = find(broker, &request.group_id, wanted).into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, committed)| {
            let (offset, epoch, note) = answered(committed);
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(if version >= 5 { epoch } else { -1 })
                .with_metadata(Some(text(note)))
        });
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn answered(committed: Option<Committed>) -> (i64, i32, String) {
    committed.map_or((-1, -1, String::new()), |c| (c.offset, c.epoch, c.metadata))
}

fn find(broker: &Broker, group: &str, wanted: Wanted) -> Found {
    let Some(wanted) = wanted else {
        let mut found = Found::new();
        for ((id, partition), committed) in broker.offsets.all(group) {
            let Some(topic) = broker.topic_by_id(id) else { continue };
            let name = TopicName(text(topic.name.as_str()));
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, partitions)) => partitions.push((partition, Some(committed))),
                None => found.push((name, vec![(partition, Some(committed))])),
            }
        }
        return found;
    };
    let find = |(name, partitions): (TopicName, Vec<i32>)| {
        let topic = broker.topic(&name);
        let get = |partition| topic.as_ref().and_then(|topic| broker.offsets.get(group, (topic.id, partition)));
        let partitions = partitions.into_iter().map(|partition| (partition, get(partition))).collect();
        (name, partitions)
    };
    wanted.into_iter().map(find).collect()
}
