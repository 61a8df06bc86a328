//! The first start of the backup's own group.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_runtime::kafka::{Access, Client, TopicIdentity, with_client};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

/// How long Kafka may take for each request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets a group that has no position in a topic begin where another one stands: until the backup had a position of its own, an offset was
/// committed when index and backup both had it. Once the group has a position in a topic, it goes its own way; so all partitions of a
/// topic get one at once, those without a record too.
///
/// Blocks.
///
/// # Errors
/// Kafka doesn't answer, or takes no offset.
pub fn adopt(access: &Access, topics: &BTreeMap<String, TopicIdentity>, (own, other): (&str, &str)) -> Result<()> {
    let member = |group: &str| {
        let mut access = access.clone();
        access.set("group.id", group).set("enable.auto.commit", "false");
        access
    };
    with_client(&member(own), |own_client| {
        with_client(&member(other), |other_client| begin_there(topics, (own_client, own), (other_client, other)))
    })
}

fn begin_there(
    topics: &BTreeMap<String, TopicIdentity>,
    (own_client, own): (&Client, &str),
    (other_client, other): (&Client, &str),
) -> Result<()> {
    for (topic, identity) in topics {
        let mut asked = TopicPartitionList::new();
        for partition in &identity.partitions {
            asked.add_partition(topic, *partition);
        }
        let committed = |client: &Client, group: &str| {
            let found = client.committed_offsets(asked.clone(), PATIENCE);
            found.with_context(|| format!("ask for the offsets of the group {group} in {topic}"))
        };
        let has_any = committed(own_client, own)?.elements().iter().any(|element| is_offset(element.offset()));
        if has_any {
            continue;
        }
        let mut begin = TopicPartitionList::new();
        let mut adopted = 0;
        for element in committed(other_client, other)?.elements() {
            let partition = element.partition();
            let offset = if is_offset(element.offset()) {
                adopted += 1;
                element.offset()
            } else {
                let low = own_client.fetch_watermarks(topic, partition, PATIENCE);
                Offset::Offset(low.with_context(|| format!("ask for the begin of {topic}/{partition}"))?.0)
            };
            begin.add_partition_offset(topic, partition, offset).context("name the offsets to commit")?;
        }
        own_client
            .commit(&begin, CommitMode::Sync)
            .with_context(|| format!("let the group {own} begin in {topic} where {other} stands"))?;
        tracing::info!(
            topic,
            group = own,
            partitions = adopted,
            "the backup goes on from where index and backup stood together"
        );
    }
    Ok(())
}

fn is_offset(offset: Offset) -> bool {
    matches!(offset, Offset::Offset(_))
}
