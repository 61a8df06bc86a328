//! Kafka clients: their configuration, their context, and what a cluster says of its topics.

mod client;
mod ledger;
mod secret;
mod topic_ids;

pub use client::{KafkaContext, client_config};
pub use ledger::{ClusterTopics, LedgerRow, TopicIdentity, describe, describe_using, ledger};
