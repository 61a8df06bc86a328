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
use kafka_protocol::protocol::StrBytes;

use super::text;
use crate::acl::{Operation, ResourceType};
use crate::broker::Broker;
use crate::caller::Caller;
use crate::ledger::{Committed, Place};
use crate::rights::Rights;
use crate::topic::Topic;

/// Kafka's own limit of a client's note.
const LONGEST_NOTE: usize = 4096;

/// What a request wants to have committed for a partition.
pub struct Wish<'a> {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch, as the client gave it.
    pub epoch: i32,
    /// The client's own note.
    pub note: Option<&'a StrBytes>,
}

/// A request's commits: those that can be stored, and an error code for each partition.
#[derive(Default)]
pub struct Judged {
    /// To be stored.
    pub commits: Vec<(Place, Committed)>,
    /// In the order of the request.
    pub topics: Vec<(TopicName, Vec<(i32, i16)>)>,
}

impl Judged {
    /// Judges the commits for a topic; an error in `may` is the answer to all of them.
    pub fn add<'a>(
        &mut self,
        broker: &Broker,
        may: Result<(), ResponseError>,
        name: &TopicName,
        wishes: impl Iterator<Item = Wish<'a>>,
    ) {
        let topic = broker.topic(name);
        let judged = wishes.map(|wish| {
            let judged = may.and_then(|()| judge(topic.as_deref(), &wish));
            (wish.partition, judged.map(|commit| self.commits.push(commit)).err().map_or(0, |error| error.code()))
        });
        let judged = judged.collect();
        self.topics.push((name.clone(), judged));
    }

    /// Makes an error the answer to everything that was to be stored.
    pub fn refuse(&mut self, error: ResponseError) {
        let codes = self.topics.iter_mut().flat_map(|(_, partitions)| partitions).map(|(_, code)| code);
        codes.filter(|code| **code == 0).for_each(|code| *code = error.code());
    }
}

/// What a commit stores, if the partition is there and the note isn't too long.
fn judge(topic: Option<&Topic>, wish: &Wish<'_>) -> Result<(Place, Committed), ResponseError> {
    let topic = topic.filter(|topic| topic.partition(wish.partition).is_some());
    let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let metadata = wish.note.map(ToString::to_string).unwrap_or_default();
    if metadata.len() > LONGEST_NOTE {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(((topic.id, wish.partition), Committed { offset: wish.offset, epoch: wish.epoch, metadata }))
}

/// Stores offsets; durable before the answer.
pub async fn commit(broker: &Arc<Broker>, caller: &Caller, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let may = caller.rights.group(Operation::Read, &request.group_id).and_then(|()| {
        broker.groups.may_commit(
            &request.group_id,
            &request.member_id,
            request.group_instance_id.as_deref(),
            request.generation_id_or_member_epoch,
        )
    });
    let mut judged = Judged::default();
    for topic in &request.topics {
        let may = may.and_then(|()| caller.rights.topic(Operation::Read, &topic.name));
        let wishes = topic.partitions.iter().map(|part| Wish {
            partition: part.partition_index,
            offset: part.committed_offset,
            epoch: part.committed_leader_epoch,
            note: part.committed_metadata.as_ref(),
        });
        judged.add(broker, may, &topic.name, wishes);
    }
    let commits = std::mem::take(&mut judged.commits);
    if let Err(error) = broker.coordinator.commit(&request.group_id, commits).await {
        tracing::error!(group = request.group_id.as_str(), %error, "offsets weren't stored");
        judged.refuse(ResponseError::CoordinatorNotAvailable);
    }
    let topics = judged.topics.into_iter().map(|(name, partitions)| {
        let part =
            |(index, code)| OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code);
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.into_iter().map(part).collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Topics with the partitions asked for; none: all that the group committed.
type Wanted = Option<Vec<(TopicName, Vec<i32>)>>;
type Found = Vec<(TopicName, Vec<(i32, Stands)>)>;
/// What a group committed; an error while a transaction may change it and the client waits for that.
type Stands = Result<Option<Committed>, ResponseError>;

/// Returns what groups committed, once that is durable: a consumer goes on from there, past records that a power cut
/// would otherwise leave unread.
pub async fn fetch(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: &OffsetFetchRequest,
) -> OffsetFetchResponse {
    let found = found(broker, &caller.rights, version, request);
    match broker.coordinator.settled().await {
        Ok(()) => found,
        Err(_) => unavailable(found),
    }
}

/// The same answer without what it told.
fn unavailable(mut response: OffsetFetchResponse) -> OffsetFetchResponse {
    let code = ResponseError::CoordinatorNotAvailable.code();
    response.error_code = code;
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        (partition.committed_offset, partition.error_code) = (-1, code);
    }
    for group in &mut response.groups {
        group.error_code = code;
        for partition in group.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            (partition.committed_offset, partition.error_code) = (-1, code);
        }
    }
    response
}

fn found(broker: &Broker, rights: &Rights, version: i16, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    if version >= 8 {
        let groups = request.groups.iter().map(|group| {
            if let Err(denied) = rights.group(Operation::Describe, &group.group_id) {
                let group = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
                return group.with_error_code(denied.code());
            }
            let wanted = group.topics.as_ref().map(|topics| {
                topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect()
            });
            let stable = request.require_stable;
            let topics = find(broker, rights, &group.group_id, wanted, stable).into_iter().map(|(name, partitions)| {
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
    let may = rights.group(Operation::Describe, &request.group_id);
    if let (Err(denied), 2..) = (may, version) {
        return OffsetFetchResponse::default().with_error_code(denied.code());
    }
    let wanted = request
        .topics
        .as_ref()
        .map(|topics| topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect());
    let stable = request.require_stable;
    let found = find(broker, rights, &request.group_id, wanted, stable);
    let topics = found.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, committed)| {
            let ((offset, epoch, note), code) = answered(may.and(committed));
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

/// What the group committed, as far as the client may see the topics: of one that is asked for by name it hears that it
/// may not.
fn find(broker: &Broker, rights: &Rights, group: &str, wanted: Wanted, stable: bool) -> Found {
    let settled = |place, committed| {
        let is_unstable = stable && broker.coordinator.is_pending(group, place);
        if is_unstable { Err(ResponseError::UnstableOffsetCommit) } else { Ok(committed) }
    };
    let Some(wanted) = wanted else {
        let mut found = Found::new();
        for ((id, partition), committed) in broker.coordinator.all(group) {
            let Some(topic) = broker.topic_by_id(id) else { continue };
            if !rights.may(Operation::Describe, ResourceType::Topic, &topic.name) {
                continue;
            }
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
        let topic = rights.topic(Operation::Describe, &name).map(|()| broker.topic(&name));
        let get = |partition| match &topic {
            Ok(Some(topic)) => settled((topic.id, partition), broker.coordinator.get(group, (topic.id, partition))),
            Ok(None) => Ok(None),
            Err(denied) => Err(*denied),
        };
        let partitions = partitions.into_iter().map(|partition| (partition, get(partition))).collect();
        (name, partitions)
    };
    wanted.into_iter().map(find).collect()
}
