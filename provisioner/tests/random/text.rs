//! Random stacks as stack files.

use std::fmt::Write as _;

use lakewright::stack::ModelFile;

use super::model::{Function, Host, Kafka, Login, Model, NAMES, Queue, Search, Spark};

/// A network that others made.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Its id.
    pub vpc: String,
    /// A subnet in each of three zones.
    pub subnets: Vec<String>,
}

impl Model {
    /// The stack file.
    pub fn text(&self, others: &Network) -> String {
        let mut out = format!(
            "[stack]\nname = \"random\"\nregion = \"eu-north-1\"\nlog_retention = \"{}d\"\n",
            self.retention_days,
        );
        let mut line = |text: String| writeln!(out, "{text}").expect("a string takes everything");
        line(self.network_text(others));
        if let Some(kafka) = &self.kafka {
            line(kafka.text(self.zones));
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
        if self.glue {
            line("[agents.stream]\nmaintenance = \"glue\"".to_owned());
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
            if host.key {
                line("key = \"main\"".to_owned());
            }
        }
        if let Some(search) = &self.search {
            line(search.text());
        }
        if let Some(queue) = &self.queue {
            line(queue.text());
        }
        if let Some(spark) = &self.spark {
            line(spark.text());
        }
        for (name, function) in &self.functions {
            line(function.text(name));
        }
        if let Some(branch) = &self.pipeline {
            let connection = "arn:aws:codeconnections:eu-north-1:123456789012:connection/a";
            line(format!("[pipeline]\nrepository = \"a/b\"\nbranch = \"{branch}\"\nconnection = \"{connection}\""));
            line("stack = \"random.toml\"".to_owned());
        }
        if let Some((branch, existing)) = &self.ci {
            line(format!("[ci]\nrepository = \"a/b\"\nbranch = \"{branch}\"\nexisting = {existing}"));
        }
        out
    }

    fn network_text(&self, others: &Network) -> String {
        let letters = &["a", "b", "c"][..self.zones];
        let mut out = format!("[network]\nflow_logs = {}\nendpoints = {:?}\n", self.flow_logs, self.endpoints);
        if self.nat.is_some() {
            out.push_str("subnets = \"private\"\n");
        }
        if self.existing {
            let subnets = letters.iter().zip(&others.subnets).map(|(zone, id)| format!("{zone} = \"{id}\""));
            let subnets = subnets.collect::<Vec<_>>().join(", ");
            return out + &format!("[network.existing]\nvpc = \"{}\"\nsubnets = {{ {subnets} }}", others.vpc);
        }
        if let Some(nat) = self.nat {
            out += &format!("nat = \"{nat}\"\n");
        }
        out + &format!("zones = {letters:?}")
    }

    /// The models beside it.
    pub fn models(&self) -> Option<Vec<ModelFile>> {
        self.batch?;
        let table = self.tables.keys().next().expect("models read a table");
        let text = format!("-- materialization: replace\n\nSELECT id, at FROM raw.{table}\n");
        Some(vec![ModelFile { name: "ids".to_owned(), path: "models/ids.sql".to_owned(), text }])
    }
}

impl Kafka {
    fn text(&self, zones: usize) -> String {
        if self.login == Login::Serverless {
            return "[kafka]\ntype = \"serverless\"".to_owned();
        }
        let brokers = self.brokers_a_zone * zones;
        let mut out = format!("[kafka]\nbrokers = {brokers}\nstorage_gib = {}\n", self.storage_gib);
        // IAM is what a file says nothing of.
        out.push_str(match self.login {
            // A user for each agent, and the one that they shared.
            Login::Scram if self.grows => "authentication = \"scram\"\nformer_secret = \"kafka\"\n",
            Login::Scram => "secret = \"kafka\"\n",
            Login::Open => "authentication = \"none\"\n",
            Login::Iam | Login::Serverless => "",
        });
        if self.grows {
            out.push_str("storage_max_gib = 1000\n");
        }
        if self.logs {
            out.push_str("log_bucket = \"logs\"\n");
        }
        if let Some(compression) = self.compression {
            out += &format!("configuration = {{ \"compression.type\" = \"{compression}\" }}\n");
        }
        out
    }
}

impl Search {
    fn text(&self) -> String {
        let mut out = format!("[hosts.search]\nagents = []\n[search]\nhost = \"search\"\nport = {}\n", self.port);
        if let Some((address, renamed)) = self.record {
            let name = if renamed { "kibana" } else { "search-ui" };
            out += &format!(
                "[resource.record.ui]\nzone = \"${{private_zone.search.id}}\"\nname = \"{name}.random.internal\"\n\
                 type = \"A\"\nvalues = [\"10.0.0.{address}\"]\n"
            );
        }
        out
    }
}

impl Queue {
    /// No section makes queues.
    fn text(&self) -> String {
        let Self { fifo, delay, .. } = self;
        let suffix = if *fifo { ".fifo" } else { "" };
        let mut out =
            format!("[resource.queue.work]\nname = \"random-work{suffix}\"\nfifo = {fifo}\ndelay_seconds = {delay}\n");
        if let Some(key) = &self.key {
            out += &format!("key = \"${{key.{key}.arn}}\"\n");
        }
        let retries = self.receives.unwrap_or_default();
        let parameter = format!(
            "[resource.parameter.work]\nname = \"/random/work\"\ntype = \"StringList\"\n\
             value = \"${{queue.work.url}},{retries}\"\n"
        );
        if let Some(receives) = self.receives {
            out += &format!(
                "dead_letters = {{ queue = \"${{queue.failed.arn}}\", max_receives = {receives} }}\n\
                 [resource.queue.failed]\nname = \"random-failed{suffix}\"\nfifo = {fifo}\n"
            );
        }
        out + &parameter
    }
}

impl Spark {
    /// No section makes such jobs.
    fn text(&self) -> String {
        let Self { cores, vcpu, arm } = self;
        let architecture = if *arm { "ARM64" } else { "X86_64" };
        format!(
            "[resource.object.spark]\nbucket = \"${{bucket.artifacts.name}}\"\nkey = \"jobs/spark.py\"\ncontent = \"# a job\"\n\
             [resource.role.spark]\nname = \"random-spark\"\ntrust = {{ Version = \"2012-10-17\", Statement = [{{ \
             Effect = \"Allow\", Principal = {{ Service = \"emr-serverless.amazonaws.com\" }}, Action = \"sts:AssumeRole\" }}] }}\n\
             [resource.emr_application.spark]\nname = \"random-spark\"\narchitecture = \"{architecture}\"\n\
             max_capacity = {{ vcpu = {vcpu} }}\n\
             [resource.job_run.spark]\napplication = \"${{emr_application.spark.id}}\"\nname = \"random-spark\"\n\
             execution_role = \"${{role.spark.arn}}\"\nentry_point = \"${{object.spark.url}}\"\n\
             arguments = [\"--cores\", \"{cores}\"]\n\
             spark_parameters = \"--conf spark.lakewright.settings=${{emr_application.spark.settings}}\"\n"
        )
    }
}

impl Function {
    fn text(&self, name: &str) -> String {
        let mut out = format!(
            "[functions.{name}]\nruntime = \"python3.13\"\nhandler = \"index.answer\"\nmemory_mb = {}\n\
             inline = \"def answer(event, context):\\n    return {}\\n\"\n",
            self.memory_mb, self.answer
        );
        if let Some(hours) = self.hours {
            out += &format!("every = \"{hours}h\"\n");
        }
        if let Some((bucket, prefix, suffix)) = &self.upload {
            out += &format!("on_upload = {{ bucket = \"{bucket}\", prefix = \"{prefix}\", suffix = \"{suffix}\" }}\n");
        }
        if let Some(bucket) = &self.told {
            out += &format!("environment = {{ BUCKET = \"${{bucket.{bucket}.name}}\" }}\n");
        }
        if self.counted {
            // No section makes such filters.
            out += &format!(
                "[resource.metric_filter.{name}]\nname = \"errors\"\nlog_group = \"${{log_group.function-{name}.name}}\"\n\
                 pattern = \"ERROR\"\nnamespace = \"Random\"\nmetric = \"{name}\"\n"
            );
        }
        out
    }
}
