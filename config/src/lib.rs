//! What the provisioner and the agents both know: the table of the agents, the configuration of each, declarations of
//! tables, and how sizes, spans of time and places in S3 are written.
//!
//! The provisioner derives configurations from a stack and publishes them as JSON; an agent reads exactly one of
//! them. Nothing here does input or output.

pub mod agents;
mod column;
mod column_type;
mod connections;
mod evolved;
pub mod maintenance;
mod rate;
mod reading;
pub mod reports;
pub mod restoring;
pub mod s3;
mod scenario;
mod size;
mod sort;
mod span;
mod tables;
mod written;

pub use agents::acls::{AclUser, AclsConfig};
pub use agents::batch::{BatchConfig, Manifest, Materialization, Model, ModelMaintenance};
pub use agents::producer::{LogConfig, LogFormat, ProducerConfig};
pub use agents::shipper::ShipperConfig;
pub use agents::stream::StreamConfig;
pub use column::{CONTROL, Column};
pub use column_type::{ColumnType, ColumnTypeError, StructField};
pub use connections::{KafkaConnection, KafkaTopic, SearchConnection, SearchLogin, Security, WatchConfig};
pub use evolved::{EVOLVED, Evolved, evolved_name, own_names};
pub use rate::{Rate, RateError};
pub use reading::{
    Filling, Format, KafkaPart, MOST_NEW_COLUMNS, MemberPath, NEW_COLUMNS, OnTombstone, Reading, Registry, TimeUnit,
    UNKNOWN_COLUMN, Unknown,
};
pub use scenario::{Bots, Late, Outage, Repeats, SalesDay, Scenario};
pub use size::size;
pub use sort::SortField;
pub use span::span;
pub use tables::{DECLARATION, PartitionField, Sink, Table, Transform, raw_columns};
