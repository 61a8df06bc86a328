//! Checks of the stream agent's work on Spark: what its job reads as the agent does, and what the job itself needs.

use std::ops::Range;

use lakewright_config::agents::stream::OnReject;
use lakewright_config::{Format, OnTombstone, Unknown};

use super::Checker;
use crate::stack::agents::{MaintainedBy, SparkJob};
use crate::stack::decode::{At, Entry};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::engine::{OWN_SETTINGS, emr_release};
use crate::stack::expand::used_topics;
use crate::stack::hosts::Agent;
use crate::stack::kafka::Kafka;
use crate::stack::tables::TableSection;
use crate::stack::values::Whole;

/// The first release of EMR that starts streams again by itself.
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark-streaming.html>
const FIRST_RELEASE: [u32; 3] = [7, 1, 0];
impl Checker<'_> {
    pub(super) fn spark(&mut self) {
        let file = self.file;
        let stream = &file.agents.stream;
        if !file.streams_on_spark() {
            if !stream.spark.span.is_empty() {
                let title = "`[agents.stream.spark]` has no use while the agent does the work";
                self.push(
                    Diagnostic::new(stream.spark.span.clone(), title, "nothing is started by it")
                        .help("write `engine = \"spark\"` in [agents.stream], or remove the section"),
                );
            }
            return;
        }
        let engine = stream.engine.span.clone();
        for host in &file.hosts {
            for agent in host.value.agents.iter().filter(|agent| agent.sound && agent.value == Agent::Stream) {
                let title = format!("`{}` would run the stream agent beside Spark", host.name);
                self.push(
                    Diagnostic::new(agent.span.clone(), title, "Spark does its work").help(
                        "take `stream` off the host's `agents`, or write `engine = \"agent\"` in [agents.stream]",
                    ),
                );
            }
        }
        if file.network.existing.is_none() && !file.network.is_private() {
            let title = "Spark's workers reach neither S3's and Glue's addresses nor anything else from public subnets";
            self.push(
                Diagnostic::new(engine, title, "its workers have no public addresses")
                    .help("write `subnets = \"private\"` in [network]; a change of it makes a new network"),
            );
        }
        if stream.on_reject.sound && OnReject::from(stream.on_reject.value).stops() {
            let title = "Spark doesn't stop a partition before a record that no table takes";
            let span = stream.on_reject.span.clone();
            self.push(Diagnostic::new(span, title, "the agent does").help("write \"dead_letters\" or \"skip\""));
        }
        if stream.maintenance.sound && stream.maintenance.value == MaintainedBy::Agent {
            let title = "nobody would maintain the raw tables: the agent isn't there, and Spark's job doesn't";
            self.push(
                Diagnostic::new(stream.maintenance.span.clone(), title, "no agent runs")
                    .help("write \"glue\", or \"off\" and run `lakewright maintain` by the clock"),
            );
        }
        let used = used_topics(Agent::Stream, file);
        let made = file.topics.iter().find(|topic| !*topic.value.existing && used.contains(topic.name.as_str()));
        if let Some(topic) = made.filter(|_| file.kafka.as_ref().is_some_and(Kafka::is_serverless)) {
            let title = format!("nobody would make the topic `{}`", topic.name);
            self.push(
                Diagnostic::new(topic.span.clone(), title, "agents make those of a serverless cluster, and Spark's job doesn't")
                    .help("make it by other means and write `existing = true`, or let the agent do the work: `engine = \"agent\"`"),
            );
        }
        for table in &file.tables {
            self.read_by_spark(table);
        }
        self.spark_job();
    }

    /// What Spark's job would read otherwise than the agent.
    fn read_by_spark(&mut self, table: &Entry<TableSection>) {
        let section = &table.value;
        let reading = section.reading();
        let mut wrong = Vec::new();
        if section.sink.sound && !section.is_in_catalog() {
            wrong.push((section.sink.span_or(&table.span), "sink", "writes Iceberg tables alone"));
        }
        if let Some(existing) = &section.existing {
            wrong.push((existing.span.clone(), "existing", "writes the stack's own tables alone"));
        }
        if reading.format == Format::Debezium {
            wrong.push((section.format.span_or(&table.span), "format", "reads JSON and Avro"));
        }
        if let Some(part) = section.kafka.first() {
            wrong.push((part.span.clone(), "kafka", "reads a record's value alone"));
        }
        if matches!(reading.unknown, Unknown::Keep | Unknown::Evolve) {
            let does = "drops or rejects members that no column takes";
            wrong.push((section.unknown.span_or(&table.span), "unknown", does));
        }
        if reading.on_tombstone == OnTombstone::Row {
            wrong.push((section.on_tombstone.span_or(&table.span), "on_tombstone", "makes no rows of them"));
        }
        for column in section.columns.iter().filter(|column| column.value.sound) {
            if column.value.column_type.is_nested() {
                wrong.push((column.span.clone(), column.name.as_str(), "reads columns of plain types"));
            }
        }
        for (span, name, does) in wrong {
            let title = format!("Spark's job can't fill the table `{}`: `{name}`", table.name);
            self.push(
                Diagnostic::new(span, title, format!("it {does}"))
                    .help("change it, or let the agent do the work: `engine = \"agent\"` in [agents.stream]"),
            );
        }
    }

    /// The job's release, size and settings.
    fn spark_job(&mut self) {
        let job = &self.file.agents.stream.spark;
        let fits = |release: [u32; 3]| release >= FIRST_RELEASE && release[0] == FIRST_RELEASE[0];
        if job.release.sound && !emr_release(&job.release).is_some_and(fits) {
            let title = format!("the job doesn't run on the release `{}` of EMR", job.release.value);
            self.push(
                Diagnostic::new(job.release.span.clone(), title, "not of Spark 3.5, or without streams")
                    .help("write emr-7.1.0 or a later one of EMR 7, as in `emr-7.9.0`"),
            );
        }
        self.spark_settings(job);
        self.spark_size(job);
        self.statements(&job.statements);
    }

    /// The settings that the file gives the job.
    fn spark_settings(&mut self, job: &SparkJob) {
        for setting in job.settings.iter().filter(|setting| setting.value.sound) {
            let (name, value) = (setting.name.as_str(), setting.value.0.as_str());
            let is_plain =
                |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "'\"\\`$=".contains(c));
            let lower = name.to_ascii_lowercase();
            let is_secret = ["password", "secret", "token"].iter().any(|word| lower.contains(word))
                && !value.starts_with("EMR.secret@");
            let is_value = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || "'\"\\`$".contains(c));
            let mistake = if OWN_SETTINGS.contains(&name) {
                Some((
                    "set by Lakewright",
                    "write `executors` for how many there are; the others are what the job needs",
                ))
            } else if !name.starts_with("spark.") || !is_plain(name) {
                Some(("no setting of Spark", "names begin with `spark.`, as in `\"spark.executor.cores\" = 8`"))
            } else if is_secret {
                Some((
                    "would stand in plans, and with the run",
                    "name a secret, `EMR.secret@ARN`, which EMR reads itself",
                ))
            } else if !is_value {
                Some(("can't be handed on", "values go to `spark-submit` without spaces, quotes, `$` and backslashes"))
            } else {
                None
            };
            if let Some((label, help)) = mistake {
                let title = format!("the job can't be started with `{name}`");
                self.push(Diagnostic::new(setting.span.clone(), title, label).help(help));
            }
        }
    }

    /// How large driver and executors are, and whether the application has room for them.
    fn spark_size(&mut self, job: &SparkJob) {
        for who in ["driver", "executor"] {
            for (setting, _) in job.sizes(who).into_iter().filter(|(_, number)| number.is_none()) {
                let Some(given) = job.settings.get(&setting) else { continue };
                let title = format!("no {who} of EMR Serverless has `{setting} = {}`", given.value.0);
                self.push(
                    Diagnostic::new(given.span.clone(), title, "can't be started")
                        .help("write 1, 2, 4, 8 or 16 cores, and memory and disk in GB, as in \"14g\""),
                );
            }
        }
        let taken = job.size();
        let limits = [
            ("max_vcpu", written(job.max_vcpu.as_ref()), taken.vcpu, "virtual processors"),
            ("max_memory_gb", written(job.max_memory_gb.as_ref()), taken.memory_gb, "GB of memory"),
            ("max_disk_gb", written(job.max_disk_gb.as_ref()), taken.disk_gb, "GB of disk"),
        ];
        for (name, most, taken, what) in limits {
            let Some((most, span)) = most.filter(|_| job.executors.sound) else { continue };
            if taken > most {
                let title = format!("driver and executors take {taken} {what}, and the application has {most}");
                self.push(
                    Diagnostic::new(span.clone(), title, "the job would wait for executors for ever")
                        .help(format!("write `{name} = {taken}` or more, fewer `executors`, or remove the line")),
                );
            }
        }
    }
}

/// A limit that the file gives, and where.
fn written<const LEAST: u64, const MOST: u64>(limit: Option<&At<Whole<LEAST, MOST>>>) -> Option<(u64, &Range<usize>)> {
    limit.filter(|limit| limit.sound).map(|limit| (limit.0, &limit.span))
}
