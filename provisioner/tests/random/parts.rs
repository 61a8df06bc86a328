//! What random stacks are made of.

use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct Queue {
    pub fifo: bool,
    pub delay: u32,
    pub key: Option<String>,
    /// After how many receives messages go to another queue, if they do.
    pub receives: Option<u32>,
}

#[derive(Debug, Clone)]
pub struct Search {
    pub port: u32,
    /// The last part of another record's address, and whether it is called otherwise.
    pub record: Option<(u8, bool)>,
}

/// A Spark job that goes on, on an application of its own.
#[derive(Debug, Clone)]
pub struct Spark {
    pub cores: u32,
    /// What takes no stop of the application, and what takes one.
    pub vcpu: u32,
    pub arm: bool,
}

#[derive(Debug, Clone)]
pub struct Alarms {
    pub errors: u32,
    pub addresses: usize,
    pub dashboard: bool,
}

#[derive(Debug, Clone)]
pub struct Kafka {
    pub login: Login,
    pub brokers_a_zone: usize,
    pub storage_gib: u32,
    pub grows: bool,
    pub logs: bool,
    pub compression: Option<&'static str>,
}

/// How clients log in, and who runs the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Open,
    Scram,
    Iam,
    Serverless,
}

#[derive(Debug, Clone)]
pub struct Bucket {
    pub key: Option<String>,
    pub versioning: bool,
    pub expire_days: Option<u32>,
    pub notify: bool,
    pub logs: bool,
}

#[derive(Debug, Clone)]
pub struct Table {
    pub topic: String,
    pub columns: Vec<(String, &'static str)>,
    /// By a column's name the one before.
    pub was: BTreeMap<String, String>,
    pub partition: bool,
    pub description: String,
}

#[derive(Debug, Clone)]
pub struct Host {
    pub instance_type: &'static str,
    pub count: u32,
    pub volume_gib: u32,
    pub stream: bool,
    pub data_gib: Option<u32>,
    pub rolling: bool,
    /// Whether a key of the stack encrypts the volumes.
    pub key: bool,
}

#[derive(Debug, Clone)]
pub struct Function {
    /// What its code answers.
    pub answer: u32,
    pub memory_mb: u32,
    pub hours: Option<u32>,
    /// Whether errors in its log are counted.
    pub counted: bool,
    /// The bucket whose uploads call it, and what their keys begin and end with.
    pub upload: Option<(String, &'static str, &'static str)>,
    /// A bucket whose name stands in its environment.
    pub told: Option<String>,
}
