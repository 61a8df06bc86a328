//! Random stack files, and random edits of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lakewright::stack::ModelFile;
use rand::Rng;
use rand::rngs::StdRng;

/// What a stack file says, as far as it varies.
#[derive(Debug, Clone)]
pub struct Model {
    zones: usize,
    /// The NAT gateways of private subnets; none for public ones.
    nat: Option<&'static str>,
    flow_logs: bool,
    endpoints: Vec<&'static str>,
    retention_days: u32,
    kafka: Option<Kafka>,
    keys: BTreeMap<String, (String, bool)>,
    secrets: BTreeMap<String, (String, String)>,
    buckets: BTreeMap<String, Bucket>,
    topics: BTreeMap<String, (u32, u32)>,
    tables: BTreeMap<String, Table>,
    hosts: BTreeMap<String, Host>,
    batch: Option<u32>,
    scan_limit: Option<u32>,
    saved: Option<&'static str>,
    alarms: Option<Alarms>,
    budget: Option<u32>,
}

#[derive(Debug, Clone)]
struct Alarms {
    errors: u32,
    addresses: usize,
    dashboard: bool,
}

#[derive(Debug, Clone)]
struct Kafka {
    brokers_a_zone: usize,
    scram: bool,
    storage_gib: u32,
    compression: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Bucket {
    key: Option<String>,
    versioning: bool,
    expire_days: Option<u32>,
    notify: bool,
    logs: bool,
}

#[derive(Debug, Clone)]
struct Table {
    topic: String,
    columns: Vec<(String, &'static str)>,
    /// By a column's name the one before.
    was: BTreeMap<String, String>,
    partition: bool,
    description: String,
}

#[derive(Debug, Clone)]
struct Host {
    instance_type: &'static str,
    count: u32,
    volume_gib: u32,
    stream: bool,
    data_gib: Option<u32>,
    rolling: bool,
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
const NAMES: [&str; 6] = ["ash", "birch", "cedar", "elm", "fir", "oak"];

fn one_of<T: Copy>(rng: &mut StdRng, all: &[T]) -> T {
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
            nat: None,
            flow_logs: false,
            endpoints: Vec::new(),
            retention_days: one_of(rng, &[1, 7, 30]),
            kafka: None,
            keys: [("main".to_owned(), (String::new(), true))].into(),
            secrets: BTreeMap::new(),
            buckets: BTreeMap::new(),
            topics: BTreeMap::new(),
            tables: BTreeMap::new(),
            hosts: BTreeMap::new(),
            batch: None,
            scan_limit: None,
            saved: None,
            alarms: None,
            budget: None,
        };
        for _ in 0..rng.random_range(3..20) {
            model.edit(rng);
        }
        model
    }

    /// Changes something, anything, and keeps the file sound.
    pub fn edit(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..22) {
            0 => self.network(rng),
            1 => self.retention_days = one_of(rng, &[1, 7, 30]),
            2 => self.kafka = None,
            3..=5 => {
                self.kafka = Some(Kafka {
                    brokers_a_zone: rng.random_range(1..=2),
                    scram: rng.random(),
                    storage_gib: one_of(rng, &[100, 120, 200]),
                    compression: one_of(rng, &[None, Some("zstd"), Some("lz4")]),
                });
            }
            6 => drop(self.keys.insert(name(rng), (name(rng), rng.random()))),
            7 => drop(self.secrets.insert(name(rng), (name(rng), self.key(rng)))),
            8 | 9 => {
                let key = rng.random::<bool>().then(|| self.key(rng));
                let expire_days = rng.random::<bool>().then(|| rng.random_range(1..90));
                let (notify, logs) = (rng.random(), rng.random());
                let bucket = Bucket { key, versioning: rng.random(), expire_days, notify, logs };
                self.buckets.insert(name(rng), bucket);
            }
            10 | 11 => {
                let (name, retention) = (name(rng), one_of(rng, &[1, 3, 7]));
                let partitions = self.topics.get(&name).map_or(1, |topic| topic.0) + rng.random_range(0..3);
                self.topics.insert(name, (partitions, retention));
            }
            12 | 13 => self.table(rng),
            14 => {
                let host = Host {
                    instance_type: one_of(rng, &["t3.small", "t3.medium", "m7g.large"]),
                    count: rng.random_range(0..3),
                    volume_gib: one_of(rng, &[20, 40]),
                    stream: rng.random(),
                    data_gib: one_of(rng, &[None, Some(20), Some(30)]),
                    rolling: rng.random(),
                };
                self.hosts.insert(name(rng), host);
            }
            15 => self.batch = rng.random::<bool>().then(|| one_of(rng, &[8, 16])),
            18 => {
                let alarms = Alarms {
                    errors: rng.random_range(0..3),
                    addresses: rng.random_range(1..=3),
                    dashboard: rng.random(),
                };
                self.alarms = rng.random_ratio(2, 3).then_some(alarms);
            }
            19 => self.budget = rng.random_ratio(2, 3).then(|| one_of(rng, &[50, 500])),
            16 => self.scan_limit = rng.random::<bool>().then(|| one_of(rng, &[10, 100])),
            17 => self.saved = rng.random::<bool>().then(|| one_of(rng, &["id", "at", "count(*)"])),
            _ => self.remove(rng),
        }
        self.mend();
    }

    fn network(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..4) {
            0 => self.zones = rng.random_range(1..=3),
            1 => self.nat = one_of(rng, &[None, Some("none"), Some("single"), Some("per-zone")]),
            2 => self.flow_logs = rng.random(),
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
        let Some(topic) = self.topics.keys().next().cloned() else { return };
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
        match rng.random_range(0..6) {
            0 => drop(self.keys.remove(&name)),
            1 => drop(self.secrets.remove(&name)),
            2 => drop(self.buckets.remove(&name)),
            3 => drop(self.topics.remove(&name)),
            4 => drop(self.tables.remove(&name)),
            _ => drop(self.hosts.remove(&name)),
        }
    }

    /// Takes away what has lost what it stands on, and adds what something stands on.
    fn mend(&mut self) {
        if self.kafka.is_some() {
            self.zones = self.zones.max(2);
        } else {
            self.topics.clear();
        }
        if self.kafka.as_ref().is_some_and(|kafka| kafka.scram) {
            self.secrets.entry("kafka".to_owned()).or_insert_with(|| ("user".to_owned(), "main".to_owned()));
        }
        let Self { keys, topics, tables, buckets, .. } = self;
        for secret in self.secrets.values_mut().filter(|secret| !keys.contains_key(&secret.1)) {
            secret.1 = "main".to_owned();
        }
        for bucket in buckets.values_mut() {
            bucket.key = bucket.key.take().filter(|key| keys.contains_key(key));
        }
        tables.retain(|_, table| topics.contains_key(&table.topic));
        let plain = Bucket { key: None, versioning: true, expire_days: None, notify: false, logs: false };
        if buckets.values().any(|bucket| bucket.logs) {
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
    }

    /// The stack file.
    pub fn text(&self) -> String {
        let zones: Vec<String> = ["a", "b", "c"][..self.zones].iter().map(|zone| format!("\"{zone}\"")).collect();
        let mut out = format!(
            "[stack]\nname = \"random\"\nregion = \"eu-north-1\"\nlog_retention = \"{}d\"\n[network]\nzones = [{}]\n",
            self.retention_days,
            zones.join(", ")
        );
        let mut line = |text: String| writeln!(out, "{text}").expect("a string takes everything");
        line(format!("flow_logs = {}\nendpoints = {:?}", self.flow_logs, self.endpoints));
        if let Some(nat) = self.nat {
            line(format!("subnets = \"private\"\nnat = \"{nat}\""));
        }
        if let Some(kafka) = &self.kafka {
            let brokers = kafka.brokers_a_zone * self.zones;
            line(format!("[kafka]\nbrokers = {brokers}\nstorage_gib = {}", kafka.storage_gib));
            line(if kafka.scram { "secret = \"kafka\"" } else { "authentication = \"none\"" }.to_owned());
            if let Some(compression) = kafka.compression {
                line(format!("configuration = {{ \"compression.type\" = \"{compression}\" }}"));
            }
        }
        for (name, (description, rotation)) in &self.keys {
            line(format!("[keys.{name}]\ndescription = \"{description}\"\nrotation = {rotation}"));
        }
        for (name, (username, key)) in &self.secrets {
            line(format!("[secrets.{name}]\nusername = \"{username}\"\nkey = \"{key}\""));
        }
        for (name, bucket) in &self.buckets {
            line(format!("[buckets.{name}]\nversioning = {}", bucket.versioning));
            if let Some(key) = &bucket.key {
                line(format!("key = \"{key}\""));
            }
            if let Some(days) = bucket.expire_days {
                line(format!("expire_after = \"{days}d\""));
            }
            line(format!("notify = {}", bucket.notify));
            if bucket.logs {
                line("access_logs = \"logs\"".to_owned());
            }
        }
        for (name, (partitions, days)) in &self.topics {
            line(format!("[topics.{name}]\npartitions = {partitions}\nretention = \"{days}d\""));
        }
        for (name, table) in &self.tables {
            let column = |(name, kind): &(String, &str)| match table.was.get(name) {
                Some(was) => format!(", {name} = {{ type = \"{kind}\", was = \"{was}\" }}"),
                None => format!(", {name} = \"{kind}\""),
            };
            let columns = table.columns.iter().map(column).collect::<String>();
            line(format!("[tables.{name}]\ntopic = \"{}\"\ndescription = \"{}\"", table.topic, table.description));
            line(format!("key = [\"id\"]\ncolumns = {{ id = \"string\", at = \"timestamptz\"{columns} }}"));
            if table.partition {
                line("partition = [\"day(at)\"]".to_owned());
            }
        }
        if let Some(vcpu) = self.batch {
            line(format!("[batch]\nmax_vcpu = {vcpu}"));
        }
        if let Some(limit) = self.scan_limit {
            line(format!("[query]\nscan_limit = \"{limit} GB\""));
        }
        if let (Some(what), Some(table)) = (self.saved, self.tables.keys().next()) {
            line(format!("[queries.one]\ndatabase = \"raw\"\nsql = \"SELECT {what} FROM raw.{table}\""));
        }
        if let Some(alarms) = &self.alarms {
            let addresses: Vec<String> =
                NAMES[..alarms.addresses].iter().map(|name| format!("\"{name}@b.cd\"")).collect();
            line(format!("[alarms]\nerrors = {}\nemail = [{}]", alarms.errors, addresses.join(", ")));
            line(format!("dashboard = {}", alarms.dashboard));
        }
        if let Some(limit) = self.budget {
            line(format!("[budget]\nmonthly_usd = {limit}\nemail = [\"ops@b.cd\"]"));
        }
        for (name, host) in &self.hosts {
            let agents = if host.stream { "\"stream\"" } else { "" };
            let Host { instance_type, count, volume_gib, .. } = host;
            line(format!("[hosts.{name}]\ninstance_type = \"{instance_type}\"\ncount = {count}"));
            line(format!("volume_gib = {volume_gib}\nagents = [{agents}]"));
            if let Some(gib) = host.data_gib {
                line(format!("data_volume_gib = {gib}"));
            }
            if host.rolling {
                line("refresh = \"rolling\"".to_owned());
            }
        }
        out
    }

    /// The models beside it.
    pub fn models(&self) -> Option<Vec<ModelFile>> {
        self.batch?;
        let table = self.tables.keys().next().expect("models read a table");
        let text = format!("-- materialization: replace\n\nSELECT id, at FROM raw.{table}\n");
        Some(vec![ModelFile { name: "ids".to_owned(), path: "models/ids.sql".to_owned(), text }])
    }
}

/// Fault rules of a bad day; `bad` from 0 to 3 says how bad.
pub fn faults(rng: &mut StdRng, bad: u32) -> String {
    let mut out = format!("seed = {}\n", rng.random::<u32>());
    for _ in 0..rng.random_range(0..=bad) {
        let times = rng.random_range(1..=2 * bad);
        let chance = one_of(rng, &[0.02, 0.05, 0.1]);
        let effect = match rng.random_range(0..7) {
            0 => "error = \"InternalFailure\"\nstatus = 500",
            1 => "throttle = true",
            2 => "error = \"AccessDenied\"\nstatus = 403\nmutating = true",
            3 => "lost = true",
            4 => "lost = \"request\"",
            5 => "latency = \"20ms\"",
            _ => "invisible = \"150ms\"\noperation = \"Create*\"",
        };
        write!(out, "[[fault]]\nprobability = {chance}\ntimes = {times}\n{effect}\n")
            .expect("a string takes everything");
    }
    out
}
