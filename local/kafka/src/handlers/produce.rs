//! Records are stored, in order and once, and acknowledged when they are as durable as promised.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId, TopicName,
};

use super::text;
use crate::acl::Operation;
use crate::blocking::blocking;
use crate::broker::{Broker, now};
use crate::caller::Caller;
use crate::log::{AppendError, Appended, Log};
use crate::rights::refusal;
use crate::transactions;

/// Stored, perhaps not yet durable.
pub struct Pending {
    silent: bool,
    topics: Vec<(TopicName, Vec<Part>)>,
}

struct Part {
    index: i32,
    stored: Result<(Arc<Log>, Appended), (ResponseError, String)>,
}

/// Stores a request's batches. A transaction can't end between the look at it and the records' place in the log.
pub async fn append(broker: &Arc<Broker>, caller: &Caller, request: ProduceRequest) -> Pending {
    let (broker, rights) = (broker.clone(), caller.rights.clone());
    let turn = match &request.transactional_id {
        Some(id) => Some(broker.transactions.turn(id).await),
        None => None,
    };
    blocking(move || {
        let _turn = turn;
        let transaction = request.transactional_id.as_ref().map_or(Ok(None), |id| broker.coordinator.transaction(id));
        let refused = refuse(&request).or_else(|| {
            let id = request.transactional_id.as_ref()?;
            rights.transactional_id(Operation::Write, id).err().map(refusal)
        });
        let mut topics = Vec::with_capacity(request.topic_data.len());
        for data in request.topic_data {
            let topic = broker.topic(&data.name);
            let denied = rights.topic(Operation::Write, &data.name).err().map(refusal);
            let parts = data.partition_data.into_iter().map(|part| {
                let stored = match (refused.as_ref().or(denied.as_ref()), &topic) {
                    (Some(error), _) => Err(error.clone()),
                    (None, None) => Err((ResponseError::UnknownTopicOrPartition, "there is no such topic".into())),
                    (None, Some(topic)) => match topic.partition(part.index) {
                        None => Err((ResponseError::UnknownTopicOrPartition, "there is no such partition".into())),
                        Some(log) => {
                            let records = part.records.unwrap_or_default();
                            transactions::admit(&transaction, (topic.id, part.index), &records)
                                .and_then(|()| store(log, &records, &topic.limits()))
                        }
                    },
                };
                Part { index: part.index, stored }
            });
            topics.push((data.name, parts.collect()));
        }
        Pending { silent: request.acks == 0, topics }
    })
    .await
}

fn refuse(request: &ProduceRequest) -> Option<(ResponseError, String)> {
    if !matches!(request.acks, -1..=1) {
        return Some((ResponseError::InvalidRequiredAcks, format!("acks {} is none of -1, 0 and 1", request.acks)));
    }
    None
}

fn store(
    log: Arc<Log>,
    batch: &Bytes,
    limits: &crate::log::Limits,
) -> Result<(Arc<Log>, Appended), (ResponseError, String)> {
    match log.append(batch, limits, now()) {
        Ok(appended) => Ok((log, appended)),
        Err(error) => Err((code(&error), error.to_string())),
    }
}

fn code(error: &AppendError) -> ResponseError {
    match error {
        AppendError::Corrupt => ResponseError::CorruptMessage,
        AppendError::Invalid(_) => ResponseError::InvalidRecord,
        AppendError::TooLarge => ResponseError::MessageTooLarge,
        AppendError::Gap => ResponseError::OutOfOrderSequenceNumber,
        AppendError::Old => ResponseError::DuplicateSequenceNumber,
        AppendError::Fenced => ResponseError::InvalidProducerEpoch,
        AppendError::Deleted => ResponseError::UnknownTopicOrPartition,
        AppendError::Storage(error) => {
            tracing::error!(%error, "records weren't stored");
            ResponseError::KafkaStorageError
        }
    }
}

impl Pending {
    /// Whether the producer wants no answer.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The answer, once everything stored is durable.
    pub async fn finish(self) -> ProduceResponse {
        let mut responses = Vec::with_capacity(self.topics.len());
        for (name, parts) in self.topics {
            let partitions = join_all(parts.into_iter().map(Part::finish)).await;
            responses.push(TopicProduceResponse::default().with_name(name).with_partition_responses(partitions));
        }
        ProduceResponse::default().with_responses(responses)
    }
}

/// Whether something was refused.
pub fn has_error(response: &ProduceResponse) -> bool {
    response.responses.iter().flat_map(|topic| &topic.partition_responses).any(|part| part.error_code != 0)
}

impl Part {
    async fn finish(self) -> PartitionProduceResponse {
        let response = PartitionProduceResponse::default().with_index(self.index).with_base_offset(-1);
        let stored = match self.stored {
            Ok((log, appended)) => match log.flushed(appended.next_offset).await {
                Ok(()) => Ok(appended),
                Err(error) => Err((ResponseError::KafkaStorageError, error.to_string())),
            },
            Err(refused) => Err(refused),
        };
        match stored {
            Ok(appended) => response
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.timestamp)
                .with_log_start_offset(appended.start),
            // Versions before 8 have no message; the code that encodes leaves it out.
            Err((error, message)) => response.with_error_code(error.code()).with_error_message(Some(text(message))),
        }
    }
}

/// Gives a producer an id, or the next epoch of the one that it has.
pub async fn init_producer_id(
    broker: &Arc<Broker>,
    caller: &Caller,
    version: i16,
    request: &InitProducerIdRequest,
) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    let may = match &request.transactional_id {
        Some(id) => caller.rights.transactional_id(Operation::Write, id),
        None => caller.rights.idempotent_writes(),
    };
    if let Err(denied) = may {
        return response.with_error_code(denied.code());
    }
    if let Some(id) = &request.transactional_id {
        let given = (request.producer_id.0 >= 0).then_some((request.producer_id.0, request.producer_epoch));
        return match transactions::begin_producer(broker, id, request.transaction_timeout_ms, given).await {
            Ok((id, epoch)) => response.with_producer_id(ProducerId(id)).with_producer_epoch(epoch),
            // Version 4 is the first whose clients know that they may be fenced.
            Err(ResponseError::ProducerFenced) if version < 4 => {
                response.with_error_code(ResponseError::InvalidProducerEpoch.code())
            }
            Err(error) => response.with_error_code(error.code()),
        };
    }
    if request.producer_id.0 >= 0 && (0..i16::MAX - 1).contains(&request.producer_epoch) {
        return response.with_producer_id(request.producer_id).with_producer_epoch(request.producer_epoch + 1);
    }
    let broker = broker.clone();
    match blocking(move || broker.producer_id()).await {
        Ok(id) => response.with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => {
            tracing::error!(%error, "no producer id");
            response.with_error_code(ResponseError::CoordinatorNotAvailable.code())
        }
    }
}
