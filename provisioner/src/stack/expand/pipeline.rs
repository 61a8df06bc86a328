//! The pipeline that applies the stack: its stages, its two builds and what each may do.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Value, json};

use super::policy::{Access, Statements, trust};
use super::{ARTIFACTS, Expansion, bucket_address, key_arn};
use crate::kinds::pipeline::Category;
use crate::kinds::{build_project, pipeline, role};
use crate::permissions;
use crate::resource::{Address, Desired, Resource};
use crate::stack::pipeline::Pipeline;

/// The folder of the artifacts bucket in which the programs lie that builds run.
const PROGRAMS: &str = "pipeline";
/// CodePipeline names its folder after so much of its own name.
const FOLDER: usize = 20;
/// The names of its artifacts.
const SOURCE: &str = "Source";
const PLAN: &str = "Plan";

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

impl Expansion<'_> {
    /// Comes last: those who apply the stack must be allowed to do all that it holds.
    pub(super) fn pipeline(&mut self) {
        let Some(section) = &self.file.pipeline else { return };
        let place = &section.span;
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
                buildspec: self.buildspec(section, task),
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
        let before = projects.into_iter().chain([bucket_address(ARTIFACTS)]).collect();
        self.add(Address::new("pipeline", "main"), &spec, place, before);
        self.pipeline_roles(section, &group, place);
    }

    fn pipeline_roles(&mut self, section: &Pipeline, group: &str, place: &Range<usize>) {
        let mut statements = Statements::default();
        self.pipeline_artifacts(&mut statements, &["s3:PutObjectAcl"]);
        let projects = [Task::Plan, Task::Apply].map(|task| {
            let name = self.named(task.part());
            self.arn("codebuild", &format!("project/{name}"))
        });
        statements.allow("Builds", &["codebuild:BatchGetBuilds", "codebuild:StartBuild"], &projects);
        let use_connection = ["codeconnections:UseConnection", "codestar-connections:UseConnection"];
        statements.allow("Connection", &use_connection, std::slice::from_ref(&section.connection.value));
        self.pipeline_role("pipeline", "codepipeline.amazonaws.com", &[("pipeline", statements.policy())], place);

        // The roles below are made by the pipeline too, and need the rights to make them.
        let mut resources = self.resources.clone();
        if self.file.ci.as_ref().is_some_and(|ci| !*ci.existing) {
            // It stands behind the pipeline, whose rights it needs too.
            let address = Address::new("oidc_provider", "github");
            resources.push(Resource { address, spec: json!({}), after: BTreeSet::new(), span: None });
        }
        let desired = Desired { stack: self.stack.name().to_owned(), resources, moved: Vec::new() };
        let (account, region) = (&self.target.account, &self.target.region);
        let deployer = permissions::policy(&desired, account, region, self.partition());
        for task in [Task::Plan, Task::Apply] {
            let mut statements = Statements::default();
            self.pipeline_artifacts(&mut statements, &[]);
            self.objects(&mut statements, "Programs", Access::Read, ARTIFACTS, &[PROGRAMS.to_owned()]);
            let log = self.arn("logs", &format!("log-group:{group}:*"));
            statements.allow("Log", &["logs:CreateLogStream", "logs:PutLogEvents"], &[log]);
            let rights = if task == Task::Apply { deployer.clone() } else { reading(&deployer) };
            let policies = [("build", statements.policy()), ("stack", rights)];
            self.pipeline_role(task.part(), "codebuild.amazonaws.com", &policies, place);
        }
    }

    fn pipeline_role(&mut self, part: &str, service: &str, policies: &[(&str, Value)], place: &Range<usize>) {
        let spec = role::Spec {
            name: self.named(part).into(),
            description: format!("the {} of {}", part.replace('-', "'s "), self.stack.name()),
            trust: trust(service, None),
            policies: policies.iter().map(|(name, policy)| ((*name).to_owned(), policy.clone())).collect(),
            attached_policies: vec![],
            max_session_seconds: 3600,
        };
        self.add(Address::new("role", part), &spec, place, vec![]);
    }

    /// What CodePipeline and CodeBuild do with artifacts: they name versions of them, look at the bucket first, and under a key
    /// of the stack do more than reading and writing takes. AWS's user guides list it.
    fn pipeline_artifacts(&self, statements: &mut Statements, more: &[&str]) {
        let folder = self.pipeline_folder();
        let bucket = self.bucket_arn(ARTIFACTS);
        self.objects(statements, "Artifacts", Access::Write, ARTIFACTS, std::slice::from_ref(&folder));
        let versions = [&["s3:GetObjectVersion"], more].concat();
        statements.allow("ArtifactVersions", &versions, &[format!("{bucket}/{folder}/*")]);
        let looks = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"];
        statements.allow("ArtifactBucket", &looks, &[bucket]);
        if let Some(key) = self.file.buckets.get(ARTIFACTS).and_then(|bucket| bucket.value.key.as_ref()) {
            let actions = ["kms:DescribeKey", "kms:Encrypt", "kms:ReEncrypt*"];
            statements.allow("ArtifactsKeyMore", &actions, &[key_arn(key)]);
        }
    }

    fn pipeline_folder(&self) -> String {
        self.named("pipeline").chars().take(FOLDER).collect()
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
        };
        let project = |task: Task| self.named(task.part());
        let source = [
            ("ConnectionArn", section.connection.value.clone()),
            ("FullRepositoryId", section.repository.value.clone()),
            ("BranchName", section.branch.value.clone()),
            ("OutputArtifactFormat", "CODE_ZIP".to_owned()),
        ];
        let review =
            [("CustomData", format!("The log of the stage {PLAN} shows what the plan of {} does.", *section.stack))];
        let apply = [("ProjectName", project(Task::Apply)), ("PrimarySource", SOURCE.to_owned())];
        let all = [
            pipeline::Action {
                outputs: vec![SOURCE.to_owned()],
                ..action("Source", Category::Source, "CodeStarSourceConnection", &source)
            },
            pipeline::Action {
                inputs: vec![SOURCE.to_owned()],
                outputs: vec![PLAN.to_owned()],
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

    /// What a build does, as YAML whose texts are written as in JSON.
    fn buildspec(&self, section: &Pipeline, task: Task) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let list = |commands: &[String]| -> String {
            commands.iter().map(|command| format!("      - {}\n", text(command))).collect()
        };
        let own: Vec<String> = section.install.iter().map(|command| command.value.clone()).collect();
        let install = if own.is_empty() {
            vec![
                format!("aws s3 cp --recursive s3://{}/{PROGRAMS}/ /usr/local/bin/", self.bucket(ARTIFACTS)),
                "chmod +x /usr/local/bin/lakewright*".to_owned(),
            ]
        } else {
            own
        };
        let stack = quoted(&section.stack);
        let build = match task {
            Task::Plan => vec![
                format!("lakewright plan {stack} --out stack.plan"),
                "lakewright show stack.plan --format markdown | tee plan.md".to_owned(),
            ],
            Task::Apply => vec![format!("lakewright apply \"$CODEBUILD_SRC_DIR_{PLAN}/stack.plan\" --yes")],
        };
        let mut spec = format!(
            "version: 0.2\nphases:\n  install:\n    commands:\n{}  build:\n    commands:\n{}",
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

/// What of a policy only reads, and no secrets: a plan needs no more.
fn reading(policy: &Value) -> Value {
    let reads = |action: &str| {
        let name = action.split(':').nth(1).unwrap_or_default();
        // Tables' metadata is read from encrypted buckets, topics by way of the brokers, and budgets have a verb of their own.
        let others = ["kms:Decrypt", "kafka-cluster:Connect", "budgets:ViewBudget"];
        let reads = ["Describe", "List", "Get", "BatchGet"].iter().any(|verb| name.starts_with(verb));
        others.contains(&action) || (reads && name != "GetSecretValue")
    };
    let statements = policy["Statement"].as_array().into_iter().flatten().filter_map(|statement| {
        let actions = statement["Action"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let actions: Vec<&str> = actions.filter(|action| reads(action)).collect();
        let mut statement = statement.clone();
        statement["Action"] = json!(actions);
        (!actions.is_empty()).then_some(statement)
    });
    json!({ "Version": policy["Version"], "Statement": statements.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_may_only_read() {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Region", "Action": ["ec2:Describe*", "ec2:CreateVpc", "secretsmanager:GetSecretValue"]},
            {"Sid": "Identities", "Action": ["iam:PassRole"]},
        ]});
        assert_eq!(reading(&policy)["Statement"], json!([{"Sid": "Region", "Action": ["ec2:Describe*"]}]));
    }
}
