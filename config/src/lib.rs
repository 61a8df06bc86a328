//! What the provisioner writes and the agents read: table declarations and the configuration of each agent.
//!
//! The provisioner derives these values from a stack and publishes them as JSON; an agent reads exactly one of
//! them. Nothing here does input or output.

mod agents;
mod tables;

pub use agents::{
    BatchConfig, KafkaConnection, KafkaTopic, LogConfig, Manifest, Materialization, Model, ProducerConfig, Rate,
    RateError, SearchConnection, Security, ShipperConfig, StreamConfig, WatchConfig,
};
pub use tables::{Column, ColumnType, ColumnTypeError, PartitionField, Table, Transform, raw_columns};
