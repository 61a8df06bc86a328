//! Trying what users may do, in ways that leave no trace: nothing is written, committed or joined.

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use lakewright_config::{AclUser, AclsConfig};
use lakewright_runtime::kafka::{Access, KafkaContext, principal};
use lakewright_runtime::{CancellationToken, Health};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;

use crate::Clients;
use crate::settle::PAUSE;
use crate::tried::Tried;

/// How long Kafka may take for each request.
const REQUEST: Duration = Duration::from_secs(10);

/// Tries the rights of all users whose passwords are known.
pub async fn users(config: &AclsConfig, clients: &Clients, deadline: Instant) -> Vec<(String, Tried)> {
    let mut lines = Vec::new();
    for (user, rights) in &config.users {
        if rights.reads.is_empty() && rights.writes.is_empty() && rights.groups.is_empty() {
            continue;
        }
        match clients.users.get(user) {
            Some(Ok(access)) => lines.extend(one(user, access, rights, deadline, &clients.stop).await),
            Some(Err(why)) => lines.push((principal(user), Tried::Failed(why.clone()))),
            None => {
                let why = format!("its password isn't known here; `users.{user}.secret` would name it");
                lines.push((principal(user), Tried::Skipped(why)));
            }
        }
    }
    lines
}

/// A broker may hear of an entry, or of a password, later than the one that was asked.
async fn one(
    user: &str,
    access: &Access,
    rights: &AclUser,
    deadline: Instant,
    stop: &CancellationToken,
) -> Vec<(String, Tried)> {
    loop {
        let (user, access, rights, stopped) = (user.to_owned(), access.clone(), rights.clone(), stop.clone());
        let name = user.clone();
        let tried = tokio::task::spawn_blocking(move || attempt(&user, &access, &rights, &stopped)).await;
        let tried = tried.unwrap_or_else(|_| vec![(principal(&name), Tried::Failed("it was cut short".to_owned()))]);
        if !tried.iter().any(|(_, tried)| matches!(tried, Tried::Failed(_))) || Instant::now() >= deadline {
            return tried;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tries each right once; blocks.
fn attempt(user: &str, access: &Access, rights: &AclUser, stop: &CancellationToken) -> Vec<(String, Tried)> {
    let who = principal(user);
    // librdkafka reads for no client without a group, but doesn't join one.
    let own = rights.groups.first().map_or(user, String::as_str);
    let client = match Client::new(access, own, stop) {
        Ok(client) => client,
        Err(error) => return vec![(who, Tried::Failed(error.to_string()))],
    };
    let mut lines = Vec::new();
    for topic in rights.writes.iter().filter(|topic| !rights.reads.contains(topic)) {
        lines.push((format!("{who} sees topic {topic}, which it writes"), client.sees(topic)));
    }
    for topic in &rights.reads {
        let tried = match client.sees(topic) {
            Tried::Done => client.reads(topic),
            other => other,
        };
        lines.push((format!("{who} reads topic {topic}"), tried));
    }
    for group in &rights.groups {
        let tried = match rights.reads.first() {
            Some(topic) => Client::new(access, group, stop)
                .map_or_else(|error| Tried::Failed(error.to_string()), |client| client.sees_group(topic)),
            None => Tried::Skipped("it reads no topic".to_owned()),
        };
        lines.push((format!("{who} sees group {group}"), tried));
    }
    lines
}

struct Client {
    consumer: BaseConsumer<KafkaContext>,
    health: Arc<Health>,
    stop: CancellationToken,
}

impl Client {
    fn new(access: &Access, group: &str, stop: &CancellationToken) -> Result<Self, KafkaError> {
        let health = Arc::new(Health::default());
        let mut access = access.clone();
        access.set("enable.partition.eof", "true").set("enable.auto.commit", "false").set("group.id", group);
        let consumer = access.create_with_context(access.context(&health))?;
        Ok(Self { consumer, health, stop: stop.clone() })
    }

    /// An error, with what the client's log says besides, for instance that a password is wrong.
    fn failed(&self, error: &KafkaError) -> Tried {
        _ = self.consumer.poll(Duration::ZERO);
        let more = self.health.last_error().map_or(String::new(), |more| format!(" ({more})"));
        Tried::Failed(format!("{error}{more}"))
    }

    fn sees(&self, topic: &str) -> Tried {
        if self.stop.is_cancelled() {
            return Tried::Skipped("the agent is stopping".to_owned());
        }
        let metadata = match self.consumer.fetch_metadata(Some(topic), REQUEST) {
            Ok(metadata) => metadata,
            Err(error) => return self.failed(&error),
        };
        let error = metadata.topics().iter().find(|found| found.name() == topic).and_then(MetadataTopic::error);
        match error.map(RDKafkaErrorCode::from) {
            None => Tried::Done,
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Tried::Skipped("there is no such topic yet".to_owned()),
            Some(code) => self.failed(&KafkaError::MetadataFetch(code)),
        }
    }

    /// Reads at a partition's end, where there is nothing.
    fn reads(&self, topic: &str) -> Tried {
        let mut end = TopicPartitionList::new();
        let assigned = end.add_partition_offset(topic, 0, Offset::End).and_then(|()| self.consumer.assign(&end));
        if let Err(error) = assigned {
            return self.failed(&error);
        }
        let start = Clock::now();
        let mut last = None;
        while start.elapsed() < REQUEST && !self.stop.is_cancelled() {
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Tried::Done,
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                    return self.failed(&error);
                }
                Some(Err(error)) => last = Some(error),
                None => {}
            }
        }
        last.map_or_else(|| Tried::Failed("Kafka didn't answer".to_owned()), |error| self.failed(&error))
    }

    fn sees_group(&self, topic: &str) -> Tried {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, 0);
        let committed = self.consumer.committed_offsets(list, REQUEST);
        let judged = committed.and_then(|list| list.elements().iter().try_for_each(TopicPartitionListElem::error));
        judged.map_or_else(|error| self.failed(&error), |()| Tried::Done)
    }
}
