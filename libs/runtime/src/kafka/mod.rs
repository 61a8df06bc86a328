//! Kafka clients: their configuration, their context, their topics, and what a cluster says of those.

mod acls;
mod client;
mod epochs;
mod iam;
mod ledger;
mod native;
mod native_acls;
mod offsets;
mod secret;
mod spans;
mod topic_ids;
mod topics;

pub use acls::{Acl, AclError, Acls, CLUSTER, Known, Operation, Pattern, Permission, ResourceType, principal};
pub use client::{Access, KafkaContext, access, client_config};
pub use epochs::leader_epoch;
pub use ledger::{
    Client, ClusterTopics, LedgerRow, TopicIdentity, describe, describe_using, has_topic, ledger, with_client,
};
pub use offsets::{ByPartition, offsets_using};
pub use spans::spans;
pub use topic_ids::TopicRefused;
pub use topics::ensure;
