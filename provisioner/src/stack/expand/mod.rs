//! From sections to resources: what a stack file stands for on AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use lakewright_iam::Site;
use serde::Serialize;
use serde_json::Value;

use super::Stack;
use super::decode::{At, Entry, Named};
use super::diagnostics::Diagnostic;
use super::hosts::Host;
use super::sections::{File, StackSection};
use super::tables::Architecture;
use super::tags::Tagged;
use crate::kinds;
use crate::names;
use crate::resource::{Address, Desired, Moved, Resource};

mod agents;
mod code;
mod compute;
mod data;
mod functions;
mod kafka;
mod keys;
mod logs;
mod network;
mod optimizers;
mod perimeter;
mod pipeline;
mod policy;
mod private;
mod registries;
mod results;
mod roles;
mod search;
mod sessions;
mod spark;
mod subnets;
mod tables;
mod tags;
mod user_data;
mod users;
mod watch;
mod watched;

pub(super) use agents::used_topics;

/// The Spark program that runs models on EMR Serverless.
pub const RUN_MODELS: &str = include_str!("../run_models.py");

/// The account and region that a stack is expanded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account's twelve digits.
    pub account: String,
    /// The region, `eu-north-1`.
    pub region: String,
}

impl Target {
    /// Where the stack's things stand: what their ARNs have in common.
    fn site(&self) -> Site<'_> {
        Site { region: &self.region, account: &self.account }
    }

    /// The ARN of the policy that bounds a stack's roles, if one does.
    pub fn boundary(&self, stack: &StackSection) -> Option<String> {
        let named = stack.permissions_boundary.as_deref()?;
        Some(if named.starts_with("arn:") { named.clone() } else { self.site().global("iam", named) })
    }

    /// The bucket of the leases.
    pub fn state_bucket(&self, stack: &StackSection) -> String {
        let own = stack.state_bucket.as_deref();
        own.map_or_else(|| names::state_bucket(&self.account, &self.region), String::clone)
    }
}

/// A binary that hosts install or builds run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file on this machine.
    pub file: Option<String>,
}

impl Artifact {
    /// What is shown in the place of one that there isn't; a stack that needs it isn't applied.
    fn missing() -> Self {
        Self { sha256: "0".repeat(64), size: 0, file: None }
    }
}

/// The agents' binaries, one for each architecture that hosts have, and what applies the stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// For Intel and AMD.
    pub x86_64: Option<Artifact>,
    /// For Graviton.
    pub arm64: Option<Artifact>,
    /// `lakewright` for the processors of a pipeline's builds, which are Intel's and AMD's.
    pub lakewright: Option<Artifact>,
    /// The stream job for Spark: one file for all processors.
    pub stream_job: Option<Artifact>,
}

impl Programs {
    /// The same file for both: on one machine every agent runs the same.
    pub fn everywhere(artifact: Artifact) -> Self {
        Self { x86_64: Some(artifact.clone()), arm64: Some(artifact), lakewright: None, stream_job: None }
    }

    /// The binary for an architecture.
    pub fn of(&self, architecture: Architecture) -> Option<&Artifact> {
        match architecture {
            Architecture::X86 => self.x86_64.as_ref(),
            Architecture::Arm => self.arm64.as_ref(),
        }
    }
}

/// What is wrong with applying a stack by these binaries: hosts whose architecture has none, and builds that have none.
pub fn unprogrammed(stack: &Stack, programs: &Programs) -> Vec<Diagnostic> {
    let hosts = stack.file.hosts.iter().filter(|host| !host.value.agents.is_empty());
    let lacking = hosts.filter(|host| programs.of(host.value.architecture()).is_none());
    let diagnostic = |host: &Entry<Host>| {
        let architecture = host.value.architecture().word();
        let target = if architecture == "arm64" { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
        let kind = &host.value.instance_type;
        let title = format!("there is no agents' program for the {architecture} processors of `{}`", host.name);
        Diagnostic::new(kind.span_or(&host.span), title, format!("has {architecture} processors"))
            .help(format!(
                "build it, `cargo build -p lakewright-agent --target {target}`, and name it by --other-agent FILE"
            ))
            .help("or LAKEWRIGHT_OTHER_AGENT, or choose an instance type with other processors")
    };
    let builds = stack.file.pipeline.as_ref().filter(|one| one.takes_programs() && programs.lakewright.is_none());
    let builds = builds.map(|pipeline| {
        let title = "there is no program `lakewright` for the x86_64 processors of the pipeline's builds";
        Diagnostic::new(pipeline.span.clone(), title, "builds run it")
            .help("build it, `cargo build -p lakewright --target x86_64-unknown-linux-gnu`, and name it by --program FILE")
            .help("or LAKEWRIGHT_PROGRAM, or let `install` in [pipeline] put one of yours on the path of a build")
    });
    lacking.map(diagnostic).chain(builds).collect()
}

/// What is wrong with publishing the stream job for Spark without a file of it, and the address that it is published at.
pub fn unmade(stack: &Stack, programs: &Programs) -> Option<(Address, Diagnostic)> {
    let engine = &stack.file.agents.stream.engine;
    let lacks = stack.file.streams_on_spark() && programs.stream_job.is_none();
    lacks.then(|| {
        let title = "there is no stream job for Spark, and none is published yet";
        let diagnostic = Diagnostic::new(engine.span.clone(), title, "Spark runs it")
            .help("make it, `make stream-spark`, and name it by --stream-job FILE or LAKEWRIGHT_STREAM_JOB")
            .help("or let the agent do the work, `engine = \"agent\"`");
        (spark::program(), diagnostic)
    })
}

/// Every resource that a stack stands for, in the order of its sections.
pub fn expand(stack: &Stack, target: &Target, programs: &Programs) -> Desired {
    let mut expansion = Expansion { stack, file: &stack.file, target, programs, section: None, resources: Vec::new() };
    expansion.part(Expansion::network);
    expansion.part(Expansion::search_zone);
    let keys = expansion.resources.len();
    expansion.part(Expansion::secrets);
    expansion.part(Expansion::search_users);
    expansion.part(Expansion::buckets);
    expansion.part(Expansion::results);
    expansion.part(Expansion::kafka);
    expansion.part(Expansion::topics);
    expansion.part(Expansion::databases);
    expansion.part(Expansion::tables);
    expansion.part(Expansion::optimizers);
    expansion.part(Expansion::batch);
    expansion.part(Expansion::stream_job);
    expansion.part(Expansion::query);
    expansion.part(Expansion::hosts);
    expansion.part(Expansion::sessions);
    expansion.part(Expansion::functions);
    expansion.part(Expansion::alarms);
    expansion.part(Expansion::budget);
    expansion.part(Expansion::own_resources);
    expansion.part(|expansion| expansion.keys(keys));
    expansion.part(Expansion::pipeline);
    expansion.part(Expansion::ci);
    Desired {
        stack: stack.name().to_owned(),
        resources: expansion.resources,
        moved: moved(&stack.file),
        foreign_buckets: foreign_buckets(&stack.file),
        ignore_tags: stack.file.stack.ignore_tags.iter().map(|pattern| pattern.value.clone()).collect(),
    }
}

/// The accounts of buckets that belong to others.
fn foreign_buckets(file: &File) -> BTreeMap<String, String> {
    file.stack.foreign_buckets.iter().map(|one| (one.name.clone(), one.value.value.clone())).collect()
}

/// The renames of a stack.
fn moved(file: &File) -> Vec<Moved> {
    let of_kind = |kind: &Entry<Named<At<String>>>| {
        let to = |name: &Entry<At<String>>| {
            let from = Address::new(&kind.name, &name.name);
            Some(Moved { from, to: name.value.parse().ok()?, span: Some(name.value.span.clone()) })
        };
        kind.value.iter().filter_map(to).collect::<Vec<_>>()
    };
    file.moved.iter().flat_map(of_kind).collect()
}

/// The bucket that is always made: for what hosts and jobs read.
pub(super) const ARTIFACTS: &str = "artifacts";
/// The bucket that is made where queries or models are: for their results and logs.
pub(super) const RESULTS: &str = "results";

struct Expansion<'a> {
    stack: &'a Stack,
    file: &'a File,
    target: &'a Target,
    programs: &'a Programs,
    /// The tags of the section that is being expanded.
    section: Option<&'a Tagged>,
    resources: Vec<Resource>,
}

impl Expansion<'_> {
    fn add<S: Serialize>(&mut self, address: Address, spec: &S, span: &Range<usize>, after: Vec<Address>) {
        let spec = serde_json::to_value(spec).expect("a spec holds only what JSON has: string keys, finite numbers");
        // As `find` gives it back: policies, ranges and places in the kind's own form. What a kind refuses stays as it
        // is, for the plan to say so; its schema judges a stack once, when the file is read.
        let normal = kinds::named(&address.kind).and_then(|kind| kind.arrange(&spec).ok());
        let spec = normal.unwrap_or(spec);
        let span = (!span.is_empty()).then(|| span.clone());
        let after: BTreeSet<Address> = after.into_iter().collect();
        let tags = self.tags(&address);
        self.resources.push(Resource { address, spec, after, tags, span });
    }

    /// What the file writes as resources of a kind.
    fn own_resources(&mut self) {
        let file = self.file;
        for kind in &file.resource {
            for one in &kind.value {
                let address = Address::new(&kind.name, &one.name);
                let spec = self.with_path(&address, self.with_code(&address, &one.value.spec));
                self.within(&one.value.tags);
                self.add(address, &spec, &one.span, Vec::new());
            }
        }
    }

    /// The spec of what stands in IAM under the stack's own path, unless the file names another; a role within its boundary.
    fn with_path(&self, address: &Address, mut spec: Value) -> Value {
        let stack = &self.file.stack;
        let is_role = address.kind == "role";
        if (is_role || address.kind == "instance_profile") && spec["path"].is_null() {
            spec["path"] = names::identities(&stack.name).into();
        }
        if is_role && spec["permissions_boundary"].is_null() {
            spec["permissions_boundary"] = self.target.boundary(stack).into();
        }
        spec
    }

    /// The name on AWS of a part of the stack.
    fn named(&self, part: &str) -> String {
        names::of_part(self.stack.name(), part)
    }

    /// A bucket's name on AWS.
    fn bucket(&self, name: &str) -> String {
        let own = self.file.buckets.get(name).and_then(|bucket| bucket.value.name.as_ref());
        own.map_or_else(|| format!("{}-{name}-{}", self.stack.name(), self.target.account), |own| own.value.clone())
    }

    /// A bucket's ARN: it follows from its name.
    fn bucket_arn(&self, name: &str) -> String {
        self.target.site().unowned("s3", &self.bucket(name))
    }

    /// An ARN in the stack's region and account.
    fn arn(&self, service: &str, resource: &str) -> String {
        self.target.site().arn(service, resource)
    }

    /// An ARN of IAM in the stack's account.
    fn iam_arn(&self, resource: &str) -> String {
        self.target.site().global("iam", resource)
    }

    /// The ARN by which policies name the whole account.
    fn account_arn(&self) -> String {
        self.iam_arn("root")
    }

    /// The Glue database of the raw zone.
    fn raw_database(&self) -> String {
        format!("{}_raw", self.warehouse_database())
    }

    /// The Glue database of the warehouse.
    fn warehouse_database(&self) -> String {
        self.stack.name().replace('-', "_")
    }

    /// A topic's name on the cluster.
    fn topic(&self, name: &str) -> String {
        let own = self.file.topics.get(name).and_then(|topic| topic.value.name.as_ref());
        own.map_or_else(|| name.to_owned(), |own| own.value.clone())
    }

    /// A secret's name.
    fn secret(&self, name: &str) -> String {
        secret_name(self.stack, name)
    }
}

/// The name of a secret on AWS: MSK takes those only that begin so.
pub(in crate::stack) fn secret_name(stack: &Stack, name: &str) -> String {
    format!("AmazonMSK_{}_{name}", stack.name())
}

/// A bucket's address.
fn bucket_address(name: &str) -> Address {
    Address::new("bucket", name)
}

/// The reference to a key's ARN.
fn key_arn(key: &str) -> String {
    Address::new("key", key).output("arn")
}
