//! Topics that agents make sure of: a serverless cluster's can't be made from outside its network.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use lakewright_config::KafkaTopic;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::client::Access;
use super::ledger::{describe, reach};
use super::native;

/// How long Kafka may take for each request.
const REQUEST: Duration = Duration::from_secs(30);
/// What is said only when a topic is made.
const AT_CREATION: &str = "cleanup.policy";

type Admin = AdminClient<DefaultClientContext>;

/// Makes the topics that aren't there, gives partitions to those that have too few and sets the settings that differ.
/// Agents that do so at the same time don't disturb each other.
///
/// # Errors
/// The cluster doesn't answer, or refuses a topic, its partitions or a setting.
pub async fn ensure(access: &Access, topics: &[KafkaTopic]) -> Result<()> {
    if topics.is_empty() {
        return Ok(());
    }
    // An admin client doesn't know why it doesn't get through.
    reach(access, REQUEST).await.context("reach the Kafka cluster")?;
    let admin: Admin = access.create().context("make a Kafka client for topics")?;
    if let Some(tokens) = access.tokens() {
        native::set_token(admin.inner().native_client(), &tokens.token().await?)?;
    }
    let mut there = Vec::new();
    for (topic, made) in topics.iter().zip(create(&admin, topics).await?) {
        match made {
            Ok(_) => tracing::info!(topic = topic.name, partitions = topic.partitions, "topic made"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => there.push(topic.clone()),
            Err((_, error)) => bail!("Kafka refuses to make the topic {}: {error}", topic.name),
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    grow(access, &admin, &there).await?;
    configure(admin, there).await
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST))
}

async fn create(admin: &Admin, topics: &[KafkaTopic]) -> Result<Vec<rdkafka::admin::TopicResult>> {
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| {
            // The cluster's own number of copies.
            let new = NewTopic::new(&topic.name, topic.partitions as i32, TopicReplication::Fixed(-1));
            topic.configuration.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    admin.create_topics(&new, &options()).await.context("ask Kafka to make topics")
}

async fn grow(access: &Access, admin: &Admin, topics: &[KafkaTopic]) -> Result<()> {
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let known = describe(access, &names, REQUEST).await.context("ask Kafka for the topics")?.topics;
    for topic in topics {
        let has = known.get(&topic.name).map_or(0, |topic| topic.partitions.len());
        let wanted = topic.partitions as usize;
        if has >= wanted {
            continue;
        }
        let grown = admin.create_partitions([&NewPartitions::new(&topic.name, wanted)], &options()).await;
        for result in grown.with_context(|| format!("ask Kafka for more partitions of {}", topic.name))? {
            match result {
                Ok(_) => tracing::info!(topic = topic.name, from = has, to = wanted, "partitions added"),
                // Another agent was there first: as many partitions as it has can't be asked for.
                Err((_, RDKafkaErrorCode::InvalidPartitions)) => {}
                Err((_, error)) => bail!("Kafka refuses {wanted} partitions of {}: {error}", topic.name),
            }
        }
    }
    Ok(())
}

async fn configure(admin: Admin, topics: Vec<KafkaTopic>) -> Result<()> {
    let resources: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|topic| ResourceSpecifier::Topic(&topic.name)).collect();
    let found = admin.describe_configs(&resources, &options()).await.context("ask Kafka for the topics' settings")?;
    drop(resources);
    let found: Vec<ConfigResource> = found
        .into_iter()
        .zip(&topics)
        .map(|(found, topic)| found.map_err(|error| anyhow!("ask Kafka for the settings of {}: {error}", topic.name)))
        .collect::<Result<_>>()?;
    let change = move || -> Result<()> {
        for (topic, found) in topics.iter().zip(&found) {
            let current = |name: &str| found.get(name).and_then(|entry| entry.value.as_deref());
            let settings = topic.configuration.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let differ: BTreeMap<&str, &str> = settings.filter(|(name, value)| current(name) != Some(value)).collect();
            if let Some(policy) = differ.get(AT_CREATION) {
                bail!(
                    "the topic {} has {AT_CREATION}={} and is to have {policy}: a serverless cluster takes that only when \
                     a topic is made; delete the topic, or give it another name",
                    topic.name,
                    current(AT_CREATION).unwrap_or_default()
                );
            }
            if !differ.is_empty() {
                native::set_settings(admin.inner().native_client(), &topic.name, &differ, REQUEST)
                    .with_context(|| format!("set the settings of the topic {}", topic.name))?;
                tracing::info!(topic = topic.name, settings = ?differ, "settings changed");
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(change).await.context("a Kafka request was cut short")?
}
