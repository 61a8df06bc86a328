//! The stream agent's work on Spark: an application of EMR Serverless of its own, the role and the network of its workers, the program,
//! and the run that does the work.

use std::collections::BTreeMap;

use lakewright_config::agents::Agent;

use super::agents::expansion_of;
use super::network::among_themselves;
use super::policy::{Access, Statements, own};
use super::{ARTIFACTS, Artifact, Expansion, RESULTS, bucket_address};
use crate::kinds::{emr_application, job_run, release, role};
use crate::names::{self, STREAM_JOB as STREAM};
use crate::resource::Address;
use crate::stack::agents::SparkJob;
use crate::stack::engine::OWN_SETTINGS;

/// The address of the run.
const RUN: &str = "stream";
/// The program's main class.
const MAIN: &str = "lakewright.stream.Main";
/// After how many idle minutes the application stops: it is idle when its run has ended.
const IDLE_MINUTES: u32 = 15;
/// EMR starts a run that failed again at once, and gives it up when it failed more often in an hour: the most that EMR takes. The job's
/// process tries for a quarter of an hour before it fails, so that only one which can't begin at all is given up. For all else there are
/// alarms, and it goes on by itself when the cause is gone.
const FAILED_ATTEMPTS_PER_HOUR: u32 = 10;

/// The application's address.
fn application() -> Address {
    Address::new("emr_application", STREAM)
}

/// The program's address.
pub(super) fn program() -> Address {
    Address::new("release", STREAM)
}

/// The parameters of a run that hold these settings of Spark.
fn parameters<'a>(settings: impl Iterator<Item = (&'a str, String)>) -> String {
    let all = settings.map(|(name, value)| format!(" --conf {name}={value}"));
    format!("--class {MAIN}{}", all.collect::<String>())
}

/// What the application may use: as the file says, else what driver and executors take.
fn capacity(section: &SparkJob) -> emr_application::MaxCapacity {
    let taken = section.size();
    let or = |own: Option<u64>, taken: u64| u32::try_from(own.unwrap_or(taken)).unwrap_or(u32::MAX);
    emr_application::MaxCapacity {
        vcpu: or(section.max_vcpu.as_ref().map(|most| most.0), taken.vcpu),
        memory_gb: or(section.max_memory_gb.as_ref().map(|most| most.0), taken.memory_gb),
        disk_gb: or(section.max_disk_gb.as_ref().map(|most| most.0), taken.disk_gb),
    }
}

impl Expansion<'_> {
    /// The address of the run, where there is one.
    pub(super) fn stream_run(&self) -> Option<Address> {
        self.file.streams_on_spark().then(|| Address::new("job_run", RUN))
    }

    /// The ports of the registries that the job asks, but HTTPS's, which everybody reaches.
    fn registry_ports(&self) -> Vec<i32> {
        let urls = self.file.tables.iter().filter_map(|table| table.value.registry.as_ref());
        let port = |url: &str| {
            let (scheme, rest) = url.split_once("://")?;
            let host = rest.split(['/', '?']).next()?.rsplit('@').next()?;
            let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            Some(port.unwrap_or(if scheme == "http" { 80 } else { 443 }))
        };
        urls.filter_map(|url| port(url)).collect()
    }

    /// The security group of the workers: among themselves, and to the brokers.
    pub(super) fn stream_group(&mut self) {
        if !self.file.streams_on_spark() {
            return;
        }
        self.within_none();
        let workers = among_themselves("workers among themselves");
        let description = format!("the stream job of {}", self.stack.name());
        let mut spec = self.security_group(STREAM, description, vec![workers.clone()]);
        spec.egress.push(workers);
        spec.egress.extend(self.ways_to(|need| Agent::Stream.needs(need), &self.registry_ports()));
        let span = self.file.agents.stream.engine.span.clone();
        self.add(Address::new("security_group", STREAM), &spec, &span, vec![]);
    }

    /// The application and the run, with all that it reads.
    pub(super) fn stream_job(&mut self) {
        if !self.file.streams_on_spark() {
            return;
        }
        let section = &self.file.agents.stream.spark;
        let span = self.file.agents.stream.engine.span.clone();
        // A stack that has none keeps the one that is published.
        let job = self.programs.stream_job.clone().unwrap_or_else(Artifact::missing);
        let spec = release::Spec {
            bucket: self.bucket(ARTIFACTS).into(),
            architecture: release::Architecture::X86,
            program: release::Program::StreamJob,
            sha256: job.sha256.into(),
            size: job.size,
            file: job.file,
        };
        self.add(program(), &spec, &span, vec![bucket_address(ARTIFACTS)]);
        self.agent_log(Agent::Stream, &span);
        self.stream_role();
        let config = Address::new("object", STREAM);
        let key = format!("hosts/{STREAM}/{}.json", Agent::Stream.word());
        self.object(STREAM, &key, self.agent_config(Agent::Stream), "application/json", &span);
        self.after_tables();
        self.after_users();
        let spec = emr_application::Spec {
            name: self.named(STREAM).into(),
            release_label: section.release.value.clone().into(),
            architecture: emr_application::Architecture::X86,
            max_capacity: capacity(section),
            idle_timeout_minutes: IDLE_MINUTES,
            subnets: self.subnets().into_iter().map(Into::into).collect(),
            security_groups: vec![Address::new("security_group", STREAM).output("id").into()],
            image: None,
        };
        self.add(application(), &spec, &span, vec![]);
        let logs = section.log_prefix.trim_matches('/');
        let spec = job_run::Spec {
            application: application().output("id").into(),
            name: names::stream_run(self.stack.name()).into(),
            execution_role: Address::new("role", STREAM).output("arn").into(),
            entry_point: program().output("url").into(),
            arguments: vec!["--config".into(), format!("s3://{}/{key}", self.bucket(ARTIFACTS)).into()],
            spark_parameters: self.stream_parameters().into(),
            log_location: Some(format!("s3://{}/{logs}/", self.bucket(RESULTS)).into()),
            max_failed_attempts_per_hour: FAILED_ATTEMPTS_PER_HOUR,
        };
        let mut before = vec![config, bucket_address(RESULTS)];
        before.extend(self.ways_out());
        let needed = ["topic", "table", "scram_association"];
        let resources = self.resources.iter().map(|resource| &resource.address);
        before.extend(resources.filter(|address| needed.contains(&address.kind.as_str())).cloned());
        self.add(Address::new("job_run", RUN), &spec, &span, before);
    }

    /// The address of the program, where there is one.
    pub(super) fn published_stream_job(&self) -> Option<Address> {
        self.file.streams_on_spark().then(program)
    }

    fn stream_parameters(&self) -> String {
        let section = &self.file.agents.stream.spark;
        let region = self.target.region.as_str();
        let values: [String; OWN_SETTINGS.len()] = [
            section.executors.0.to_string(),
            // A stream is never done: executors that come and go would make partitions wait for them.
            "false".to_owned(),
            region.to_owned(),
            region.to_owned(),
            region.to_owned(),
            // The application is stopped for a change of its own, and the run with it: a new one starts after it.
            application().output("settings"),
        ];
        let given = section.settings.iter().map(|one| (one.name.as_str(), one.value.0.clone()));
        parameters(given.chain(OWN_SETTINGS.into_iter().zip(values)))
    }

    /// The role of the run: what the agent's hosts may do for it, and reading what it is made of.
    fn stream_role(&mut self) {
        let section = &self.file.agents.stream.spark;
        let mut statements = Statements::default();
        let folders = [format!("hosts/{STREAM}"), "releases".to_owned()];
        self.objects(&mut statements, "Artifacts", Access::Read, ARTIFACTS, &folders);
        let logs = section.log_prefix.trim_matches('/').to_owned();
        self.objects(&mut statements, "Logs", Access::Append, RESULTS, &[logs]);
        let mut work = Statements::default();
        expansion_of(Agent::Stream).rights(self, &mut work);
        self.write_logs(&mut work, Agent::Stream.word());
        let mut policies =
            BTreeMap::from([("job".to_owned(), statements.policy()), (Agent::Stream.word().to_owned(), work.policy())]);
        if !section.statements.is_empty() {
            policies.insert("own".to_owned(), own(&section.statements));
        }
        let applications = self.arn("emr-serverless", "/applications/*");
        let trust = self.trust_for("emr-serverless.amazonaws.com", Some(&applications));
        let description = format!("the stream job of {}", self.stack.name());
        let spec = role::Spec { policies, ..self.role(STREAM, description, trust) };
        let span = self.file.agents.stream.engine.span.clone();
        self.add(Address::new("role", STREAM), &spec, &span, vec![]);
    }
}
