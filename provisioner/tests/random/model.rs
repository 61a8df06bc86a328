//! Random stacks, and random edits of them.

#[path = "parts.rs"]
mod parts;

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

pub use parts::{Alarms, Bucket, Function, Host, Kafka, Login, Queue, Search, Spark, Table};

/// What a stack file says, as far as it varies.
#[derive(Debug, Clone)]
pub struct Model {
    pub zones: usize,
    /// Whether the network is one that others made.
    pub existing: bool,
    /// The NAT gateways of private subnets; none for public ones.
    pub nat: Option<&'static str>,
    pub flow_logs: bool,
    pub endpoints: Vec<&'static str>,
    pub retention_days: u32,
    pub kafka: Option<Kafka>,
    /// MSK never shrinks storage nor takes brokers away, and a cluster that was taken out and put in again between two applies
    /// is the same one.
    storage_gib: u32,
    brokers_a_zone: usize,
    pub keys: BTreeMap<String, (String, bool)>,
    pub secrets: BTreeMap<String, (String, String)>,
    pub buckets: BTreeMap<String, Bucket>,
    pub topics: BTreeMap<String, (u32, u32)>,
    pub tables: BTreeMap<String, Table>,
    pub hosts: BTreeMap<String, Host>,
    pub functions: BTreeMap<String, Function>,
    /// The branch of a pipeline of CodePipeline's.
    pub pipeline: Option<String>,
    /// The branch of a workflow, and whether the account knows its provider by others.
    pub ci: Option<(String, bool)>,
    pub batch: Option<u32>,
    pub scan_limit: Option<u32>,
    pub saved: Option<&'static str>,
    pub alarms: Option<Alarms>,
    pub budget: Option<u32>,
    pub search: Option<Search>,
    pub queue: Option<Queue>,
    pub spark: Option<Spark>,
    /// Whether Glue maintains the tables.
    pub glue: bool,
}

const TYPES: [&str; 8] = ["string", "int", "long", "boolean", "double", "decimal(12,2)", "date", "timestamptz"];
/// The services that a network without a way out may need.
const SERVICES: [&str; 11] = [
    "ec2",
    "ec2messages",
    "emr-serverless",
    "glue",
    "kms",
    "logs",
    "monitoring",
    "secretsmanager",
    "ssm",
    "ssmmessages",
    "sts",
];
pub const NAMES: [&str; 6] = ["ash", "birch", "cedar", "elm", "fir", "oak"];

pub fn one_of<T: Copy>(rng: &mut StdRng, all: &[T]) -> T {
    all[rng.random_range(0..all.len())]
}

fn name(rng: &mut StdRng) -> String {
    one_of(rng, &NAMES).to_owned()
}

impl Model {
    /// Any stack.
    pub fn any(rng: &mut StdRng) -> Self {
        let mut model = Self {
            zones: rng.random_range(1..=3),
            existing: false,
            nat: one_of(rng, &[None, None, Some("single"), Some("per-zone")]),
            flow_logs: false,
            endpoints: Vec::new(),
            retention_days: one_of(rng, &[1, 7, 30]),
            kafka: None,
            storage_gib: 100,
            brokers_a_zone: 1,
            keys: [("main".to_owned(), (String::new(), true))].into(),
            secrets: BTreeMap::new(),
            buckets: BTreeMap::new(),
            topics: BTreeMap::new(),
            tables: BTreeMap::new(),
            hosts: BTreeMap::new(),
            functions: BTreeMap::new(),
            pipeline: None,
            ci: None,
            batch: None,
            scan_limit: None,
            saved: None,
            alarms: None,
            budget: None,
            search: None,
            queue: None,
            spark: None,
            glue: false,
        };
        for _ in 0..rng.random_range(5..35) {
            model.edit(rng);
        }
        model
    }

    /// Changes something, anything, and keeps the file sound.
    pub fn edit(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..37) {
            0 | 30 => self.network(rng),
            1 => self.retention_days = one_of(rng, &[1, 7, 30]),
            2 => self.kafka = None,
            3..=5 => self.cluster(rng),
            6 => drop(self.keys.insert(name(rng), (name(rng), rng.random()))),
            7 => drop(self.secrets.insert(name(rng), (name(rng), self.key(rng)))),
            8..=10 => self.bucket(rng),
            11 | 12 => self.topic(rng),
            13 | 14 => self.table(rng),
            15 => self.host(rng),
            16..=18 => self.function(rng),
            19 => self.pipeline = rng.random_ratio(2, 3).then(|| name(rng)),
            20 => self.ci = rng.random_ratio(2, 3).then(|| (name(rng), rng.random())),
            21 | 29 => self.batch = rng.random_ratio(2, 3).then(|| one_of(rng, &[8, 16])),
            22 | 26 => {
                let alarms = Alarms {
                    errors: rng.random_range(0..3),
                    addresses: rng.random_range(1..=3),
                    dashboard: rng.random(),
                };
                self.alarms = rng.random_ratio(2, 3).then_some(alarms);
            }
            23 => self.budget = rng.random_ratio(2, 3).then(|| one_of(rng, &[50, 500])),
            24 => self.scan_limit = rng.random::<bool>().then(|| one_of(rng, &[10, 100])),
            25 | 27 | 28 => self.saved = rng.random_ratio(2, 3).then(|| one_of(rng, &["id", "at", "count(*)"])),
            31 | 32 => {
                let record = rng.random_ratio(2, 3).then(|| (rng.random_range(1..4), rng.random()));
                let port = one_of(rng, &[9200, 9201]);
                self.search = rng.random_ratio(2, 3).then_some(Search { port, record });
            }
            33 => {
                let key = rng.random::<bool>().then(|| self.key(rng));
                let receives = rng.random_ratio(2, 3).then(|| rng.random_range(1..5));
                let queue = Queue { fifo: rng.random_ratio(1, 3), delay: one_of(rng, &[0, 60]), key, receives };
                self.queue = rng.random_ratio(3, 4).then_some(queue);
            }
            34 => self.glue = rng.random_ratio(2, 3),
            35 => {
                let spark = Spark { cores: rng.random_range(1..3), vcpu: one_of(rng, &[8, 16]), arm: rng.random() };
                self.spark = rng.random_ratio(3, 4).then_some(spark);
            }
            _ => self.remove(rng),
        }
        self.mend();
    }

    fn cluster(&mut self, rng: &mut StdRng) {
        self.storage_gib = self.storage_gib.max(one_of(rng, &[100, 120, 200]));
        self.brokers_a_zone = self.brokers_a_zone.max(rng.random_range(1..=2));
        self.kafka = Some(Kafka {
            login: one_of(rng, &[Login::Open, Login::Scram, Login::Iam, Login::Serverless]),
            brokers_a_zone: self.brokers_a_zone,
            storage_gib: self.storage_gib,
            grows: rng.random(),
            logs: rng.random(),
            compression: one_of(rng, &[None, Some("zstd"), Some("lz4")]),
        });
    }

    fn topic(&mut self, rng: &mut StdRng) {
        if self.kafka.is_none() {
            self.cluster(rng);
        }
        let (name, retention) = (name(rng), one_of(rng, &[1, 3, 7]));
        let partitions = self.topics.get(&name).map_or(1, |topic| topic.0) + rng.random_range(0..3);
        self.topics.insert(name, (partitions, retention));
    }

    fn bucket(&mut self, rng: &mut StdRng) {
        let key = rng.random::<bool>().then(|| self.key(rng));
        let expire_days = rng.random::<bool>().then(|| rng.random_range(1..90));
        let (notify, logs) = (rng.random(), rng.random());
        let bucket = Bucket { key, versioning: rng.random(), expire_days, notify, logs };
        // The one that is always made can have a section too.
        let name = if rng.random_ratio(1, 8) { "artifacts".to_owned() } else { name(rng) };
        self.buckets.insert(name, bucket);
    }

    fn host(&mut self, rng: &mut StdRng) {
        let mut host = Host {
            instance_type: one_of(rng, &["t3.small", "t3.medium", "m7g.large"]),
            count: rng.random_range(0..3),
            volume_gib: one_of(rng, &[20, 40]),
            stream: rng.random(),
            data_gib: one_of(rng, &[None, Some(20), Some(30)]),
            rolling: rng.random(),
            key: rng.random(),
        };
        let name = name(rng);
        // EBS never shrinks a volume: less of it blocks the volume.
        let before = self.hosts.get(&name).and_then(|host| host.data_gib).unwrap_or_default();
        host.data_gib = host.data_gib.map(|gib| gib.max(before));
        self.hosts.insert(name, host);
    }

    fn function(&mut self, rng: &mut StdRng) {
        let buckets: Vec<String> = self.buckets.keys().cloned().collect();
        let any = |rng: &mut StdRng| Some(buckets.get(rng.random_range(0..=buckets.len()))?.clone());
        let upload = any(rng).map(|bucket| (bucket, one_of(rng, &["", "in/", "out/"]), one_of(rng, &["", ".csv"])));
        let function = Function {
            answer: rng.random_range(0..10),
            memory_mb: one_of(rng, &[128, 512]),
            hours: rng.random::<bool>().then(|| rng.random_range(1..4)),
            counted: rng.random(),
            upload,
            told: any(rng),
        };
        self.functions.insert(name(rng), function);
    }

    fn network(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..5) {
            0 => self.zones = rng.random_range(1..=3),
            1 => self.nat = one_of(rng, &[None, Some("none"), Some("single"), Some("per-zone")]),
            2 => self.flow_logs = rng.random(),
            3 => self.existing = rng.random_ratio(1, 3),
            _ => self.endpoints = SERVICES.iter().filter(|_| rng.random_ratio(1, 5)).copied().collect(),
        }
        if self.nat == Some("none") {
            // Nothing else leads out of such a network.
            self.endpoints = SERVICES.to_vec();
        }
    }

    fn key(&self, rng: &mut StdRng) -> String {
        let all: Vec<&String> = self.keys.keys().collect();
        all[rng.random_range(0..all.len())].clone()
    }

    fn table(&mut self, rng: &mut StdRng) {
        if self.topics.is_empty() {
            self.topic(rng);
        }
        let topic = self.topics.keys().next().expect("there is one now").clone();
        let name = name(rng);
        if let Some(table) = self.tables.get_mut(&name) {
            // Columns are added and taken away at the end, described anew in between.
            if table.columns.len() > 1 && rng.random_ratio(1, 3) {
                let gone = table.columns.pop();
                table.was.retain(|name, _| gone.as_ref().is_none_or(|gone| gone.0 != *name));
            } else if !table.columns.is_empty() && rng.random_ratio(1, 3) {
                let at = rng.random_range(0..table.columns.len());
                let now = format!("r{}", rng.random_range(10..100_000));
                let before = std::mem::replace(&mut table.columns[at].0, now.clone());
                table.was.remove(&before);
                table.was.insert(now, before);
            } else {
                let column = format!("c{}", rng.random_range(10..1000));
                if table.columns.iter().all(|(name, _)| *name != column) {
                    table.columns.push((column, one_of(rng, &TYPES)));
                }
            }
            table.description = one_of(rng, &NAMES).to_owned();
            return;
        }
        let columns = (0..rng.random_range(0..4)).map(|at| (format!("c{at}"), one_of(rng, &TYPES))).collect();
        self.tables.insert(
            name,
            Table { topic, columns, was: BTreeMap::new(), partition: rng.random(), description: String::new() },
        );
    }

    fn remove(&mut self, rng: &mut StdRng) {
        let name = name(rng);
        match rng.random_range(0..7) {
            0 => drop(self.keys.remove(&name)),
            1 => drop(self.secrets.remove(&name)),
            2 => drop(self.buckets.remove(&name)),
            3 => drop(self.topics.remove(&name)),
            4 => drop(self.tables.remove(&name)),
            5 => drop(self.functions.remove(&name)),
            _ => drop(self.hosts.remove(&name)),
        }
    }

    /// Takes away what has lost what it stands on, and adds what something stands on.
    fn mend(&mut self) {
        self.search = self.search.take().filter(|_| self.existing || self.nat != Some("none"));
        if self.kafka.is_some() {
            self.zones = self.zones.max(2);
        } else {
            self.topics.clear();
        }
        if self.kafka.as_ref().is_some_and(|kafka| kafka.login == Login::Scram) {
            self.secrets.entry("kafka".to_owned()).or_insert_with(|| ("user".to_owned(), "main".to_owned()));
        }
        if self.kafka.as_ref().is_some_and(|kafka| kafka.login == Login::Serverless) {
            // Its topics are made by the agents that use them.
            let streams = self.hosts.values().any(|host| host.stream);
            let Self { topics, tables, .. } = self;
            topics.retain(|name, _| streams && tables.values().any(|table| table.topic == *name));
        }
        let Self { keys, topics, tables, buckets, .. } = self;
        for secret in self.secrets.values_mut().filter(|secret| !keys.contains_key(&secret.1)) {
            secret.1 = "main".to_owned();
        }
        for bucket in buckets.values_mut() {
            bucket.key = bucket.key.take().filter(|key| keys.contains_key(key));
        }
        if let Some(queue) = &mut self.queue {
            queue.key = queue.key.take().filter(|key| keys.contains_key(key));
        }
        tables.retain(|_, table| topics.contains_key(&table.topic));
        let plain = Bucket { key: None, versioning: true, expire_days: None, notify: false, logs: false };
        let of_brokers = self.kafka.as_ref().is_some_and(|kafka| kafka.logs);
        if of_brokers || buckets.values().any(|bucket| bucket.logs) {
            let logs = buckets.entry("logs".to_owned()).or_insert_with(|| plain.clone());
            (logs.key, logs.logs) = (None, false);
        }
        for table in tables.values_mut() {
            let Table { columns, was, .. } = table;
            was.retain(|_, before| columns.iter().all(|(name, _)| name != before));
        }
        if !tables.is_empty() {
            buckets.entry("raw".to_owned()).or_insert_with(|| plain.clone());
        }
        if tables.is_empty() {
            self.batch = None;
            self.saved = None;
            self.hosts.values_mut().for_each(|host| host.stream = false);
        }
        if self.batch.is_some() {
            self.buckets.entry("warehouse".to_owned()).or_insert(plain);
        }
        self.mend_functions();
    }

    /// Functions are called by buckets that there are, one for an upload.
    fn mend_functions(&mut self) {
        let mut taken: Vec<(String, &str, &str)> = Vec::new();
        for function in self.functions.values_mut() {
            function.told = function.told.take().filter(|bucket| self.buckets.contains_key(bucket));
            function.upload = function.upload.take().filter(|(bucket, prefix, suffix)| {
                let meets = |one: &str, other: &str| one == other || one.is_empty() || other.is_empty();
                let free = taken
                    .iter()
                    .all(|(other, begins, ends)| other != bucket || !meets(begins, prefix) || !meets(ends, suffix));
                free && self.buckets.contains_key(bucket)
            });
            taken.extend(function.upload.clone());
        }
    }
}
