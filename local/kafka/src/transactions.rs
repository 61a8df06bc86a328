//! Transactions of producers: begun, written to, ended, and aborted when their producer is gone.

use std::io;
use std::sync::Arc;

use futures::future::join_all;
use kafka_protocol::error::ResponseError;

use crate::blocking::blocking;
use crate::broker::{Broker, now};
use crate::ledger::{Committed, Phase, Place, Transaction};
use crate::log::AppendError;
use crate::log::batch::Header;
use crate::refusal::Refusal;

/// Kafka's own limit of a transaction's time, ms (`transaction.max.timeout.ms`).
const LONGEST: i32 = 15 * 60 * 1000;
/// Kafka's own time after which a silent transactional id is forgotten, ms (`transactional.id.expiration.ms`).
const FORGOTTEN: i64 = 7 * 24 * 60 * 60 * 1000;

/// Gives a transactional id its producer: an id and an epoch, durable, with which it fences all before it. What they
/// left open is aborted. `given` is what the producer had until now.
pub async fn begin_producer(
    broker: &Arc<Broker>,
    id: &str,
    timeout_ms: i32,
    given: Option<(i64, i16)>,
) -> Result<(i64, i16), ResponseError> {
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    if !(1..=LONGEST).contains(&timeout_ms) {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    let _turn = broker.transactions.turn(id).await;
    let mut next = match look(broker, id)? {
        None if given.is_some() => return Err(ResponseError::InvalidProducerIdMapping),
        None => empty(new_producer(broker).await?),
        Some(known) => {
            let is_repeated = given.is_some() && given == known.renewed && known.phase != Phase::Ongoing;
            if given.is_some_and(|given| given != (known.producer_id, known.epoch)) && !is_repeated {
                return Err(ResponseError::ProducerFenced);
            }
            let was_open = known.phase == Phase::Ongoing;
            let mut next = match known.phase {
                Phase::Ongoing => fence(broker, id, known, given).await?,
                _ => finish(broker, id, known).await?,
            };
            if !was_open && !is_repeated {
                next.epoch += 1;
                next.renewed = given;
            }
            next
        }
    };
    // One more is left to fence this producer with.
    if next.epoch >= i16::MAX - 1 {
        next = Transaction { renewed: given, ..empty(new_producer(broker).await?) };
    }
    next.timeout_ms = timeout_ms;
    next.phase = Phase::Empty;
    next.since = now();
    let producer = (next.producer_id, next.epoch);
    put(broker, id, Some(next)).await?;
    Ok(producer)
}

/// Adds partitions, or a group whose offsets it will commit, to a producer's transaction, which they begin.
pub async fn enlist(
    broker: &Arc<Broker>,
    id: &str,
    producer: (i64, i16),
    places: &[Place],
    group: Option<&str>,
) -> Result<(), ResponseError> {
    let _turn = broker.transactions.turn(id).await;
    let mut transaction = known(broker, id, producer)?;
    if !matches!(transaction.phase, Phase::Ongoing) {
        transaction = finish(broker, id, transaction).await?;
        transaction.phase = Phase::Ongoing;
        transaction.since = now();
    } else if places.iter().all(|place| transaction.partitions.contains(place))
        && group.is_none_or(|group| transaction.groups.contains(group))
    {
        return Ok(());
    }
    transaction.partitions.extend(places);
    transaction.groups.extend(group.map(str::to_owned));
    put(broker, id, Some(transaction)).await
}

/// Keeps offsets that a group will have committed once the producer's transaction is.
pub async fn keep_offsets(
    broker: &Arc<Broker>,
    id: &str,
    producer: (i64, i16),
    group: &str,
    commits: Vec<(Place, Committed)>,
) -> Result<(), ResponseError> {
    let _turn = broker.transactions.turn(id).await;
    let mut transaction = known(broker, id, producer)?;
    if transaction.phase != Phase::Ongoing || !transaction.groups.contains(group) {
        return Err(ResponseError::InvalidTxnState);
    }
    let is_replaced = |(other, place, _): &(String, Place, Committed)| {
        other == group && commits.iter().any(|(committed, _)| committed == place)
    };
    transaction.offsets.retain(|kept| !is_replaced(kept));
    transaction.offsets.extend(commits.into_iter().map(|(place, committed)| (group.to_owned(), place, committed)));
    put(broker, id, Some(transaction)).await
}

/// Ends a producer's transaction. The decision is durable when this returns; what is left to be done of it is done
/// before the producer's next transaction, whatever fails.
pub async fn end(broker: &Arc<Broker>, id: &str, producer: (i64, i16), commit: bool) -> Result<(), ResponseError> {
    let _turn = broker.transactions.turn(id).await;
    let mut transaction = known(broker, id, producer)?;
    match (transaction.phase, commit) {
        (Phase::Ongoing, _) => {
            transaction.phase = if commit { Phase::Committing } else { Phase::Aborting };
            if !commit {
                transaction.offsets.clear();
            }
            put(broker, id, Some(transaction.clone())).await?;
            if let Err(error) = finish(broker, id, transaction).await {
                tracing::warn!(id, ?error, "a transaction's markers are written later");
            }
            Ok(())
        }
        // Its answer was lost.
        (Phase::Committing, true) | (Phase::Aborting, false) => finish(broker, id, transaction).await.map(drop),
        (Phase::Committed, true) | (Phase::Aborted, false) => Ok(()),
        _ => Err(ResponseError::InvalidTxnState),
    }
}

/// Whether a batch may be stored: one of a transaction only while that is open and knows of the partition. The caller
/// holds the turn of the transactional id until the batch has its place.
pub fn admit(transaction: &io::Result<Option<Transaction>>, place: Place, batch: &[u8]) -> Result<(), Refusal> {
    let Some(header) = Header::parse(batch).filter(Header::is_transactional) else {
        return Ok(());
    };
    let refuse = |error, text: &str| Err((error, text.to_owned()));
    match transaction {
        Err(error) => refuse(ResponseError::KafkaStorageError, &error.to_string()),
        Ok(Some(known)) if known.producer_id == header.producer_id => {
            if known.epoch != header.producer_epoch {
                return refuse(ResponseError::InvalidProducerEpoch, "a newer producer has this transactional id");
            }
            if known.phase != Phase::Ongoing || !known.partitions.contains(&place) {
                return refuse(ResponseError::InvalidTxnState, "the partition isn't part of an open transaction");
            }
            Ok(())
        }
        _ => refuse(ResponseError::InvalidProducerIdMapping, "the transactional id has another producer"),
    }
}

/// Ends transactions that are open in a log and not in the journal: nobody else would, and readers of committed records
/// would wait for ever. One that the journal says was committed has lost its marker; any other is aborted.
pub async fn recover(broker: &Arc<Broker>) -> io::Result<()> {
    for topic in broker.topics() {
        for (partition, log) in (0..).zip(topic.partitions()) {
            for producer in log.open_transactions() {
                let (place, is_its) = ((topic.id, partition), |t: &Transaction| t.producer_id == producer.0);
                if !broker.coordinator.transactions(|t| is_its(t) && t.partitions.contains(&place))?.is_empty() {
                    continue;
                }
                let is_committed = |t: &Transaction| is_its(t) && t.epoch == producer.1 && t.phase == Phase::Committed;
                let commit = !broker.coordinator.transactions(is_committed)?.is_empty();
                tracing::warn!(
                    topic = topic.name,
                    partition,
                    producer = producer.0,
                    commit,
                    "a transaction without an end is ended"
                );
                if let Err(error) = mark(broker, place, producer, commit).await {
                    tracing::error!(topic = topic.name, partition, %error, "a transaction's marker wasn't written");
                }
            }
        }
    }
    Ok(())
}

/// Ends what is left open: decided transactions whose markers aren't all written, open ones whose time is over; forgets
/// ids that nobody uses.
pub async fn tick(broker: &Arc<Broker>) {
    let is_due = |t: &Transaction| match t.phase {
        Phase::Committing | Phase::Aborting => true,
        Phase::Ongoing => now() - t.since > i64::from(t.timeout_ms),
        Phase::Empty | Phase::Committed | Phase::Aborted => now() - t.since > FORGOTTEN,
    };
    // After a flush that failed, which was logged, a restart ends them by what the journal then says.
    for id in broker.coordinator.transactions(is_due).unwrap_or_default() {
        let _turn = broker.transactions.turn(&id).await;
        let known = broker.coordinator.transaction(&id).ok().flatten();
        let Some(transaction) = known.filter(is_due) else { continue };
        let ended = match transaction.phase {
            Phase::Committing | Phase::Aborting => finish(broker, &id, transaction).await.map(drop),
            Phase::Ongoing => {
                tracing::warn!(id, "a transaction took longer than its producer allows; it is aborted");
                fence(broker, &id, transaction, None).await.map(drop)
            }
            Phase::Empty | Phase::Committed | Phase::Aborted => put(broker, &id, None).await,
        };
        if let Err(error) = ended {
            tracing::warn!(id, ?error, "a transaction isn't ended yet");
        }
    }
}

fn look(broker: &Broker, id: &str) -> Result<Option<Transaction>, ResponseError> {
    broker.coordinator.transaction(id).map_err(|_| ResponseError::CoordinatorNotAvailable)
}

/// What is known of a transactional id whose producer asks.
fn known(broker: &Broker, id: &str, (producer_id, epoch): (i64, i16)) -> Result<Transaction, ResponseError> {
    match look(broker, id)? {
        Some(known) if known.producer_id != producer_id => Err(ResponseError::InvalidProducerIdMapping),
        Some(known) if known.epoch != epoch => Err(ResponseError::ProducerFenced),
        Some(known) => Ok(known),
        None => Err(ResponseError::InvalidProducerIdMapping),
    }
}

/// Aborts an open transaction by an epoch that fences its producer.
async fn fence(
    broker: &Arc<Broker>,
    id: &str,
    mut open: Transaction,
    given: Option<(i64, i16)>,
) -> Result<Transaction, ResponseError> {
    open.epoch += 1;
    open.renewed = given;
    open.phase = Phase::Aborting;
    open.offsets.clear();
    put(broker, id, Some(open.clone())).await?;
    finish(broker, id, open).await
}

/// Writes the markers of a decided transaction. What it wrote to is forgotten then; nothing happens to one that has
/// ended.
async fn finish(broker: &Arc<Broker>, id: &str, mut decided: Transaction) -> Result<Transaction, ResponseError> {
    let commit = match decided.phase {
        Phase::Committing => true,
        Phase::Aborting => false,
        _ => return Ok(decided),
    };
    let producer = (decided.producer_id, decided.epoch);
    let markers = decided.partitions.iter().map(|&place| mark(broker, place, producer, commit));
    if let Some(error) = join_all(markers).await.into_iter().find_map(Result::err) {
        tracing::error!(id, %error, "a transaction's marker wasn't written");
        return Err(ResponseError::ConcurrentTransactions);
    }
    decided.phase = if commit { Phase::Committed } else { Phase::Aborted };
    decided.partitions.clear();
    decided.groups.clear();
    decided.offsets.clear();
    decided.since = now();
    put(broker, id, Some(decided.clone())).await?;
    Ok(decided)
}

/// Writes one marker; durable when this returns. A repeated one changes nothing, and a deleted topic needs none.
async fn mark(broker: &Arc<Broker>, place: Place, producer: (i64, i16), commit: bool) -> Result<(), AppendError> {
    let Some(topic) = broker.topic_by_id(place.0) else { return Ok(()) };
    let Some(log) = topic.partition(place.1) else { return Ok(()) };
    let worker = log.clone();
    match blocking(move || worker.append_marker(producer, commit, &topic.limits(), now())).await {
        // The coordinator's journal, which forgets the partitions then, is flushed whatever the policy for records is.
        Ok(next) => Ok(log.flush(next).await?),
        Err(AppendError::Deleted) => Ok(()),
        Err(error) => Err(error),
    }
}

fn empty(producer_id: i64) -> Transaction {
    Transaction {
        producer_id,
        epoch: 0,
        renewed: None,
        timeout_ms: 0,
        phase: Phase::Empty,
        partitions: std::collections::BTreeSet::new(),
        groups: std::collections::BTreeSet::new(),
        offsets: Vec::new(),
        since: 0,
    }
}

async fn new_producer(broker: &Arc<Broker>) -> Result<i64, ResponseError> {
    let broker = broker.clone();
    blocking(move || broker.producer_id()).await.map_err(|error| {
        tracing::error!(%error, "no producer id");
        ResponseError::CoordinatorNotAvailable
    })
}

async fn put(broker: &Arc<Broker>, id: &str, transaction: Option<Transaction>) -> Result<(), ResponseError> {
    broker.coordinator.put_transaction(id, transaction).await.map_err(|error| {
        tracing::error!(id, %error, "a transaction's state wasn't stored");
        ResponseError::CoordinatorNotAvailable
    })
}
