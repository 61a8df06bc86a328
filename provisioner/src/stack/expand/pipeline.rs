//! The pipeline that applies the stack: its stages, its two builds and what each may do.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

use super::compute::release_of;
use super::policy::{Access, Statements};
use super::{ARTIFACTS, Artifact, Expansion, bucket_address, key_arn};
use crate::kinds::pipeline::Category;
use crate::kinds::release::{self, Program};
use crate::kinds::{build_project, pipeline, role};
use crate::names;
use crate::permissions::Purpose;
use crate::resource::Address;
use crate::stack::pipeline::Pipeline;
use crate::stack::tables::Architecture;

/// The folders of the artifacts bucket in which the programs lie that builds run, or fetch by commands of their own.
const PROGRAMS: [&str; 2] = ["releases", "pipeline"];
/// What builds know the folder by that they put programs into.
const PRIVATE: &str = "LAKEWRIGHT_PROGRAMS";
/// The names of its artifacts.
const SOURCE: &str = "Source";
const PLAN: &str = "Plan";
/// The variable that holds the hash of the plan which somebody approves.
const PLAN_SHA256: &str = "PLAN_SHA256";

/// What a build does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Plan,
    Apply,
}

impl Task {
    fn part(self) -> &'static str {
        match self {
            Self::Plan => "pipeline-plan",
            Self::Apply => "pipeline-apply",
        }
    }
}

/// A program that builds run.
struct BuildProgram {
    /// What publishes it.
    release: Address,
    /// Its key in the artifacts bucket.
    key: String,
    /// Its SHA-256.
    sha256: String,
    /// Its name in a build.
    file: &'static str,
    /// The variable by which `lakewright` learns of it, where it doesn't look by itself.
    variable: Option<&'static str>,
}

impl Expansion<'_> {
    /// Comes last: those who apply the stack must be allowed to do all that it holds.
    pub(super) fn pipeline(&mut self) {
        let Some(section) = &self.file.pipeline else { return };
        self.within(&section.tags);
        let place = &section.span;
        let programs = self.build_programs(section);
        let group = self.log_group_name("pipeline");
        let log = Address::new("log_group", "pipeline");
        self.add(log.clone(), &self.log_group("pipeline"), place, vec![]);
        for task in [Task::Plan, Task::Apply] {
            let address = Address::new("build_project", task.part());
            let spec = build_project::Spec {
                name: self.named(task.part()).into(),
                description: match task {
                    Task::Plan => format!("plans {}", self.stack.name()),
                    Task::Apply => format!("applies the approved plan of {}", self.stack.name()),
                },
                role: Address::new("role", task.part()).output("arn").into(),
                buildspec: self.buildspec(section, task, &programs),
                image: "aws/codebuild/amazonlinux-x86_64-standard:5.0".to_owned(),
                compute: build_project::Compute::Small,
                privileged: false,
                environment: BTreeMap::new(),
                timeout_minutes: (section.timeout.0 / 60_000) as u32,
                log_group: group.clone().into(),
            };
            self.add(address, &spec, place, vec![log.clone()]);
        }
        let key = self.file.buckets.get(ARTIFACTS).and_then(|bucket| bucket.value.key.as_ref());
        let spec = pipeline::Spec {
            name: self.named("pipeline").into(),
            role: Address::new("role", "pipeline").output("arn").into(),
            bucket: self.bucket(ARTIFACTS).into(),
            key: key.map(|key| key_arn(key)).map(Into::into),
            stages: self.stages(section),
        };
        let projects = [Task::Plan, Task::Apply].map(|task| Address::new("build_project", task.part()));
        // It starts as soon as it exists.
        let releases = programs.iter().map(|one| one.release.clone());
        let before = projects.into_iter().chain([bucket_address(ARTIFACTS)]).chain(releases).collect();
        self.add(Address::new("pipeline", "main"), &spec, place, before);
        self.pipeline_roles(section, &group, place);
    }

    fn pipeline_roles(&mut self, section: &Pipeline, group: &str, place: &Range<usize>) {
        let mut statements = Statements::default();
        self.pipeline_artifacts(&mut statements, Access::Write, &["s3:PutObjectAcl"]);
        let projects = [Task::Plan, Task::Apply].map(|task| {
            let name = self.named(task.part());
            self.arn("codebuild", &format!("project/{name}"))
        });
        statements.allow("Builds", &["codebuild:BatchGetBuilds", "codebuild:StartBuild"], &projects);
        let use_connection = ["codeconnections:UseConnection", "codestar-connections:UseConnection"];
        statements.allow("Connection", &use_connection, std::slice::from_ref(&section.connection.value));
        let source = self.arn("codepipeline", &self.named("pipeline"));
        let trust = self.trust_for("codepipeline.amazonaws.com", Some(&source));
        let policies = [("pipeline".to_owned(), statements.policy())].into();
        let description = format!("the pipeline of {}", self.stack.name());
        let spec = role::Spec { policies, ..self.role("pipeline", description, trust) };
        self.add(Address::new("role", "pipeline"), &spec, place, vec![]);

        let mut resources = self.resources.clone();
        if let Some(ci) = self.file.ci.as_ref().filter(|ci| !*ci.existing) {
            // It stands behind the pipeline, whose rights it needs too.
            let spec = json!({ "url": format!("https://{}", ci.provider.host()) });
            resources.push(Self::to_come(Address::new("oidc_provider", ci.provider.word()), spec));
        }
        for task in [Task::Plan, Task::Apply] {
            let spec = json!({ "name": self.named(task.part()) });
            resources.push(Self::to_come(Address::new("role", task.part()), spec));
        }
        for task in [Task::Plan, Task::Apply] {
            let mut statements = Statements::default();
            self.pipeline_artifacts(&mut statements, Access::Read, &[]);
            if task == Task::Plan {
                // What it plans is planned from the source that was fetched, which it can't put another in place of.
                let own = names::pipeline_artifact(self.stack.name(), PLAN);
                self.objects(&mut statements, "PlanArtifact", Access::Append, ARTIFACTS, &[own]);
            }
            self.objects(&mut statements, "Programs", Access::Read, ARTIFACTS, &PROGRAMS.map(str::to_owned));
            let log = self.arn("logs", &format!("log-group:{group}:*"));
            statements.allow("Log", &["logs:CreateLogStream", "logs:PutLogEvents"], &[log]);
            let purpose = if task == Task::Apply { Purpose::Apply } else { Purpose::Plan };
            let attached_policies = self.deploying(task.part(), resources.clone(), purpose);
            let policies = [("build".to_owned(), statements.policy())].into();
            let source = self.arn("codebuild", &format!("project/{}", self.named(task.part())));
            let trust = self.trust_for("codebuild.amazonaws.com", Some(&source));
            let description = format!("the {} of {}", task.part().replace('-', "'s "), self.stack.name());
            let role = self.deploying_role(task.part(), description, trust);
            let spec = role::Spec { policies, attached_policies, ..role };
            self.add(Address::new("role", task.part()), &spec, place, vec![]);
        }
    }

    /// What CodePipeline and CodeBuild do with artifacts: they name versions of them, look at the bucket first, and under a key
    /// of the stack do more than reading and writing takes. AWS's user guides list it.
    fn pipeline_artifacts(&self, statements: &mut Statements, access: Access, more: &[&str]) {
        let folder = self.pipeline_folder();
        let bucket = self.bucket_arn(ARTIFACTS);
        self.objects(statements, "Artifacts", access, ARTIFACTS, std::slice::from_ref(&folder));
        let versions = [&["s3:GetObjectVersion"], more].concat();
        self.on_buckets(statements, "ArtifactVersions", (&versions, &[format!("{bucket}/{folder}/*")]), None);
        let looks = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"];
        self.on_buckets(statements, "ArtifactBucket", (&looks, &[bucket]), None);
        if let Some(key) = self.file.buckets.get(ARTIFACTS).and_then(|bucket| bucket.value.key.as_ref()) {
            let actions = ["kms:DescribeKey", "kms:Encrypt", "kms:ReEncrypt*"];
            self.by_key(statements, "ArtifactsKeyMore", (&actions, key), "s3");
        }
    }

    fn pipeline_folder(&self) -> String {
        names::pipeline_folder(self.stack.name())
    }

    /// A repository, its plan, somebody's approval, and the apply of that very plan.
    fn stages(&self, section: &Pipeline) -> Vec<pipeline::Stage> {
        let action = |name: &str, category: Category, provider: &str, settings: &[(&str, String)]| pipeline::Action {
            name: name.to_owned().into(),
            category,
            owner: "AWS".to_owned(),
            provider: provider.to_owned(),
            version: "1".to_owned(),
            configuration: settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            inputs: vec![],
            outputs: vec![],
            order: 1,
            namespace: None,
        };
        let project = |task: Task| self.named(task.part());
        let source = [
            ("ConnectionArn", section.connection.value.clone()),
            ("FullRepositoryId", section.repository.value.clone()),
            ("BranchName", section.branch.value.clone()),
            ("OutputArtifactFormat", "CODE_ZIP".to_owned()),
        ];
        // By its hash it is known that what was approved is what is applied: artifacts are handed on by their keys alone.
        let hash = format!("#{{{PLAN}.{PLAN_SHA256}}}");
        let review = format!(
            "The log of the stage {PLAN} shows the plan of {}, who may do what from then on first. Its SHA-256 is {hash}: \
             that plan is applied, and no other.",
            *section.stack
        );
        let review = [("CustomData", review)];
        let variables = json!([{ "name": PLAN_SHA256, "value": hash, "type": "PLAINTEXT" }]);
        let apply = [
            ("ProjectName", project(Task::Apply)),
            ("PrimarySource", SOURCE.to_owned()),
            ("EnvironmentVariables", variables.to_string()),
        ];
        let all = [
            pipeline::Action {
                outputs: vec![SOURCE.to_owned()],
                ..action("Source", Category::Source, "CodeStarSourceConnection", &source)
            },
            pipeline::Action {
                inputs: vec![SOURCE.to_owned()],
                outputs: vec![PLAN.to_owned()],
                namespace: Some(PLAN.to_owned()),
                ..action("Plan", Category::Build, "CodeBuild", &[("ProjectName", project(Task::Plan))])
            },
            action("Approve", Category::Approval, "Manual", &review),
            pipeline::Action {
                inputs: vec![SOURCE.to_owned(), PLAN.to_owned()],
                ..action("Apply", Category::Build, "CodeBuild", &apply)
            },
        ];
        all.into_iter().map(|action| pipeline::Stage { name: action.name.clone(), actions: vec![action] }).collect()
    }

    /// The programs that builds run: `lakewright`, which is published with them, and those that hosts and Spark have, whose
    /// hashes are part of what is planned.
    fn build_programs(&mut self, section: &Pipeline) -> Vec<BuildProgram> {
        if !section.takes_programs() {
            return Vec::new();
        }
        let own = self.programs.lakewright.clone().unwrap_or_else(Artifact::missing);
        let address = Address::new("release", "lakewright");
        let spec = release::Spec {
            bucket: self.bucket(ARTIFACTS).into(),
            architecture: release::Architecture::X86,
            program: Program::Lakewright,
            sha256: own.sha256.clone().into(),
            size: own.size,
            file: own.file,
        };
        self.add(address.clone(), &spec, &section.span, vec![bucket_address(ARTIFACTS)]);
        let key = release::key(Program::Lakewright, release::Architecture::X86, &own.sha256);
        let mut all =
            vec![BuildProgram { release: address, key, sha256: own.sha256, file: "lakewright", variable: None }];
        for architecture in [Architecture::X86, Architecture::Arm] {
            let release = release_of(architecture);
            if !self.resources.iter().any(|resource| resource.address == release) {
                continue;
            }
            let sha256 = self.program(architecture).sha256;
            let key = release::key(Program::Agent, architecture.into(), &sha256);
            // `lakewright` looks for the first one beside itself, and learns of the other by a variable.
            let first = all.len() == 1;
            let file = if first { Program::Agent.name() } else { "lakewright-other-agent" };
            let variable = (!first).then_some("LAKEWRIGHT_OTHER_AGENT");
            all.push(BuildProgram { release, key, sha256, file, variable });
        }
        all.extend(self.published_stream_job().map(|release| BuildProgram {
            // Whoever plans without a file of it keeps the one that is published.
            key: release.output("key"),
            sha256: release.output("sha256"),
            release,
            file: Program::StreamJob.name(),
            variable: Some("LAKEWRIGHT_STREAM_JOB"),
        }));
        all
    }

    /// The commands that put a build's programs into a folder that only it writes to, or end the build when one isn't what was
    /// published.
    fn installed(&self, programs: &[BuildProgram]) -> Vec<String> {
        let bucket = self.bucket(ARTIFACTS);
        let account = &self.target.account;
        let mut commands = vec![format!("export {PRIVATE}=\"$(mktemp -d)\"")];
        for BuildProgram { key, sha256, file, variable, .. } in programs {
            let path = format!("\"${PRIVATE}/{file}\"");
            commands.push(format!(
                "aws s3api get-object --bucket {bucket} --expected-bucket-owner {account} --key {key} {path}"
            ));
            commands.push(format!("echo \"{sha256}  ${PRIVATE}/{file}\" | sha256sum --check --strict"));
            commands.push(format!("chmod 0500 {path}"));
            commands.extend(variable.map(|variable| format!("export {variable}={path}")));
        }
        commands
    }

    /// What a build does, as YAML whose texts are written as in JSON.
    fn buildspec(&self, section: &Pipeline, task: Task, programs: &[BuildProgram]) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let list = |commands: &[String]| -> String {
            commands.iter().map(|command| format!("      - {}\n", text(command))).collect()
        };
        let own: Vec<String> = section.install.iter().map(|command| command.value.clone()).collect();
        let (install, lakewright) = if section.takes_programs() {
            (self.installed(programs), format!("\"${PRIVATE}/lakewright\""))
        } else {
            (own, "lakewright".to_owned())
        };
        let stack = quoted(&section.stack);
        // A build has a role of the stack's account already.
        let as_it_is = if self.file.stack.role.is_some() { " --no-role" } else { "" };
        let build = match task {
            Task::Plan => vec![
                format!("{lakewright} plan {stack} --out stack.plan{as_it_is}"),
                format!("export {PLAN_SHA256}=\"$(sha256sum stack.plan | cut -d ' ' -f 1)\""),
                format!("{lakewright} show stack.plan --format markdown | tee plan.md"),
            ],
            Task::Apply => vec![format!(
                "{lakewright} apply \"$CODEBUILD_SRC_DIR_{PLAN}/stack.plan\" --expect-sha256 \"${PLAN_SHA256}\" --yes{as_it_is}"
            )],
        };
        let exported = match task {
            Task::Plan => format!("env:\n  exported-variables:\n    - {PLAN_SHA256}\n"),
            Task::Apply => String::new(),
        };
        let mut spec = format!(
            "version: 0.2\n{exported}phases:\n  install:\n    commands:\n{}  build:\n    commands:\n{}",
            list(&install),
            list(&build)
        );
        if task == Task::Plan {
            spec.push_str("artifacts:\n  files:\n    - stack.plan\n    - plan.md\n");
        }
        spec
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
