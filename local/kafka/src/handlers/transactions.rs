//! Transactional producers begin, add to and end their transactions.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

use super::offsets::{Judged, Wish};
use crate::acl::Operation;
use crate::broker::Broker;
use crate::caller::Caller;
use crate::transactions;

/// The first versions of these requests whose clients know that a producer may be fenced.
const KNOWS_FENCED: i16 = 2;

fn known_to(version: i16, error: ResponseError) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if version < KNOWS_FENCED => ResponseError::InvalidProducerEpoch,
        error => error,
    }
}

/// Adds partitions to a transaction: all of them, or none when one isn't there or isn't the client's to write to.
pub async fn add_partitions(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let producer = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
    let id = &request.v3_and_below_transactional_id;
    let may = caller.rights.transactional_id(Operation::Write, id);
    let mut found = Vec::new();
    let mut places = Vec::new();
    for wanted in &request.v3_and_below_topics {
        let topic = may.and_then(|()| caller.rights.topic(Operation::Write, &wanted.name));
        let topic = topic.map(|()| broker.topic(&wanted.name));
        for &partition in &wanted.partitions {
            let place = topic.as_ref().map_err(|denied| *denied).and_then(|topic| {
                let topic = topic.as_ref().filter(|topic| topic.partition(partition).is_some());
                topic.map(|topic| (topic.id, partition)).ok_or(ResponseError::UnknownTopicOrPartition)
            });
            places.extend(place.ok());
            found.push(place.err());
        }
    }
    let result = if found.iter().all(Option::is_none) {
        transactions::enlist(broker, id, producer, &places, None).await
    } else {
        Err(ResponseError::OperationNotAttempted)
    };
    let code = result.err().map_or(0, |error| known_to(version, error).code());
    let mut found = found.into_iter();
    let topics = request.v3_and_below_topics.into_iter().map(|wanted| {
        let results = wanted.partitions.iter().map(|&partition| {
            let own = found.next().flatten().map(|error| error.code());
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(partition)
                .with_partition_error_code(own.unwrap_or(code))
        });
        let results = results.collect();
        AddPartitionsToTxnTopicResult::default().with_name(wanted.name).with_results_by_partition(results)
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
}

/// Adds a group to a transaction.
pub async fn add_offsets(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: &AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let (id, group) = (&request.transactional_id, &request.group_id);
    let rights = &caller.rights;
    let may = rights.transactional_id(Operation::Write, id).and_then(|()| rights.group(Operation::Read, group));
    let added = match may {
        Ok(()) => transactions::enlist(broker, id, producer, &[], Some(group)).await,
        Err(denied) => Err(denied),
    };
    AddOffsetsToTxnResponse::default().with_error_code(added.err().map_or(0, |error| known_to(version, error).code()))
}

/// Keeps a group's offsets until the transaction ends.
pub async fn commit_offsets(
    broker: &Arc<Broker>,
    caller: &Caller,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let instance = request.group_instance_id.as_deref();
    // A producer that knows of no members may commit for them; its own fencing stands for theirs.
    let rights = &caller.rights;
    let may = rights
        .transactional_id(Operation::Write, &request.transactional_id)
        .and_then(|()| rights.group(Operation::Read, &request.group_id))
        .and_then(|()| match request.generation_id {
            ..0 => Ok(()),
            generation => broker.groups.may_commit(&request.group_id, &request.member_id, instance, generation),
        });
    let mut judged = Judged::default();
    for topic in &request.topics {
        let may = may.and_then(|()| rights.topic(Operation::Read, &topic.name));
        let wishes = topic.partitions.iter().map(|part| Wish {
            partition: part.partition_index,
            offset: part.committed_offset,
            epoch: part.committed_leader_epoch,
            note: part.committed_metadata.as_ref(),
        });
        judged.add(broker, may, &topic.name, wishes);
    }
    let commits = std::mem::take(&mut judged.commits);
    if !commits.is_empty() {
        let producer = (request.producer_id.0, request.producer_epoch);
        let (id, group) = (&request.transactional_id, &request.group_id);
        if let Err(error) = transactions::keep_offsets(broker, id, producer, group, commits).await {
            // No version of this request knows of fenced producers.
            judged.refuse(known_to(0, error));
        }
    }
    let topics = judged.topics.into_iter().map(|(name, partitions)| {
        let part = |(index, code)| {
            TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        };
        TxnOffsetCommitResponseTopic::default()
            .with_name(name)
            .with_partitions(partitions.into_iter().map(part).collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

/// Commits or aborts a transaction.
pub async fn end(broker: &Arc<Broker>, caller: &Caller, version: i16, request: &EndTxnRequest) -> EndTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let ended = match caller.rights.transactional_id(Operation::Write, &request.transactional_id) {
        Ok(()) => transactions::end(broker, &request.transactional_id, producer, request.committed).await,
        Err(denied) => Err(denied),
    };
    EndTxnResponse::default().with_error_code(ended.err().map_or(0, |error| known_to(version, error).code()))
}
