//! `job_run`: a job run of EMR Serverless that has no end, and is kept running.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_emrserverless::types::JobRunMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::calls::{Place, describe, given_way, let_go, started};
use self::find::{among, newest, others, tagged_runs};
use self::wire::read;
use super::spec::replaces;
use super::values::{ONE_LINE, S3Uri, text};
use super::{tag_lists, tagging, tags};
use crate::kind::{Billing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Wanted};
use crate::resource::{Action, Address};

mod calls;
mod find;
mod wire;

text!(
    /// An application's id, `00f1abcdefghij09`.
    ApplicationId,
    r"^[0-9a-z]{1,64}$"
);
text!(
    /// A run's name.
    RunName,
    r"^.*\S.*$",
    most = 256,
    not ONE_LINE.0 => ONE_LINE.1
);
text!(
    /// The ARN of a role that jobs have, `arn:aws:iam::123456789012:role/stream`.
    JobRole,
    r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/([A-Za-z0-9_+=,.@/-]+/)?[A-Za-z0-9_+=,.@-]+$",
    most = 1024
);
text!(
    /// An argument of a program.
    Argument,
    r"^.*\S.*$",
    not ONE_LINE.0 => ONE_LINE.1
);
text!(
    /// Parameters of `spark-submit`.
    SparkParameters,
    r"^(.*\S.*)?$",
    most = 102_400,
    not ONE_LINE.0 => ONE_LINE.1
);

/// A Spark job on an application of EMR Serverless that has no end: a run in the mode `STREAMING`, which EMR starts again when it
/// fails. One that was cancelled, or has ended, is started anew by the next apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The id of the application that it runs on, `${emr_application.main.id}`: of EMR 7.1 or later. `lakewright permissions` gives
    /// rights on the stack's own applications alone.
    pub application: ApplicationId,
    /// The name.
    pub name: RunName,
    /// The ARN of the role that the job has, which `emr-serverless.amazonaws.com` takes on.
    pub execution_role: JobRole,
    /// The program in S3: a JAR or a Python file, `s3://bucket/jobs/stream.jar`.
    pub entry_point: S3Uri,
    /// The program's arguments.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub arguments: Vec<Argument>,
    /// The parameters of `spark-submit`, `--class com.example.Main --conf spark.executor.cores=4`. Where they name the application's
    /// settings, `--conf spark.settings=${emr_application.main.settings}`, a change that stops the application starts the run anew in
    /// the same apply, and otherwise in the next one. Default: none.
    #[serde(default)]
    pub spark_parameters: SparkParameters,
    /// Where in S3 its logs go, `s3://bucket/logs/`. Default: EMR's own storage, for 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_location: Option<S3Uri>,
    /// How often in an hour the job may fail before EMR starts it no more, 1 to 10; 1 means that it never starts it again.
    #[serde(default = "max_failed_attempts_per_hour")]
    #[schemars(range(min = 1, max = 10))]
    pub max_failed_attempts_per_hour: u32,
}

fn max_failed_attempts_per_hour() -> u32 {
    10
}

const FIELDS: &[Field] = &[
    replaces("application"),
    replaces("name"),
    replaces("execution_role"),
    replaces("entry_point"),
    replaces("arguments"),
    replaces("spark_parameters"),
    replaces("log_location"),
    replaces("max_failed_attempts_per_hour"),
];
const OUTPUTS: &[&str] = &["arn", "id", "name"];
const ACTIONS: &[&str] = &[
    "emr-serverless:StartJobRun",
    "emr-serverless:CancelJobRun",
    "emr-serverless:GetJobRun",
    "emr-serverless:GetApplication",
    "emr-serverless:ListJobRuns",
    "emr-serverless:ListApplications",
    "emr-serverless:ListTagsForResource",
    "iam:PassRole",
    "tag:GetResources",
];
const FACTS: Facts = Facts {
    // An update starts another run.
    moving_outputs: &["arn", "id"],
    beside: &["emr_application"],
    expected: [Duration::from_secs(30), Duration::from_mins(3), Duration::from_mins(2)],
    tag_types: &["emr-serverless"],
    passes_roles_to: &["emr-serverless.amazonaws.com"],
    review: &["execution_role", "entry_point", "arguments", "spark_parameters"],
    rights: super::rights::code::RUNS,
    billing: Billing::ByUse("the processors, memory and disks of its workers by the second, for as long as it runs"),
    follows: &[
        (
            &[Action::Update, Action::Replace],
            "the old run, if it isn't over, is cancelled before the new one starts, so that nothing runs for a few \
             minutes; a job that keeps its place goes on from there",
        ),
        (&[Action::Delete], "the run, if it isn't over, is cancelled, and nothing does its work any more"),
    ],
    tagging: Some(&tagging::EmrServerless),
    ..Facts::of("job_run", "a Spark job that EMR Serverless keeps running", FIELDS, OUTPUTS, ACTIONS)
};

/// How many runs that are over are passed by before a create gives up.
const MOST_OVER: usize = 8;
/// How often a run is started again that EMR gave up before the job began.
const AGAIN: usize = 3;
/// The kind.
#[derive(Debug)]
pub struct JobRun;

#[async_trait]
impl Kind for JobRun {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        vec![Grant::to(format!("the program {}", spec.entry_point), format!("act as {}", spec.execution_role))]
    }

    /// Two at once are safe for a job that keeps its place, but each slows the other down.
    fn coexists(&self, _live: &Spec, _spec: &Spec) -> bool {
        false
    }

    async fn find_among(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Spec>],
        beside: &[Wanted<'_>],
    ) -> Result<Vec<Found<Spec>>> {
        let mut found = tagged_runs(context).await?;
        // New ones show late there.
        let missing = wanted.iter().filter(|one| !found.iter().any(|(_, live)| live.address == *one.address));
        let missing: Vec<&Wanted<'_, Spec>> = missing.collect();
        if !missing.is_empty() {
            found.extend(among(context, &missing, beside).await?);
        }
        Ok(newest(found))
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        // Runs that an earlier call with the same token started and that are over: EMR would answer with them again.
        let (mut over, mut given_up) = (Vec::new(), 0);
        while over.len() < MOST_OVER {
            let token = tags::client_token(context, address, &(spec, &over));
            let place = calls::start(context, address, spec, token).await?;
            let run = started(context, &place).await?.filter(|run| wire::is_over(run.state()));
            let Some(run) = run else {
                // What an apply that was killed started with another spec goes on without being seen.
                given_way(context, &others(context, address, &place).await?).await?;
                return Ok(place.outcome(context, spec));
            };
            if wire::has_failed(context, &run, address) {
                // A role that was just made may not be known to EMR yet: it gives such a run up before the job begins.
                if run.started_at().is_some() || given_up == AGAIN {
                    bail!("EMR gave the run {} up: {}", place.run, run.state_details());
                }
                given_up += 1;
                let_go(context, &place, &run).await?;
                tokio::time::sleep(context.pace.settles / 4).await;
            }
            over.push(place.run);
        }
        bail!("{} runs of {address} in a row are over, the last of them {}", over.len(), over[over.len() - 1]);
    }

    /// EMR changes nothing of a run: another one takes its place.
    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        self.delete(context, live).await?;
        self.create(context, &live.address, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let Some(place) = Place::of(&live.id) else { bail!("`{}` is no ARN of a job run", live.id) };
        let mut places = others(context, &live.address, &place).await?;
        places.push(place);
        given_way(context, &places).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(place) = Place::of(id) else {
            bail!("`{id}` names no job run: write its ARN, or APPLICATION/RUN with the ids that EMR shows")
        };
        let Some(mut run) = describe(context, &place).await? else { return Ok(None) };
        if run.mode() != Some(&JobRunMode::Streaming) {
            let mode = run.mode().map_or("BATCH", JobRunMode::as_str);
            bail!("{id} is a run in the mode {mode}, which has an end; a stack's runs are in the mode STREAMING");
        }
        let claimed = tags::claimed(context, address, id, tag_lists::read_map(run.tags()))?;
        run.tags = Some(claimed.into_iter().collect());
        Ok(read(context, &run)?.map(|(_, live)| live))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind;

    pub(super) fn given(more: &Value) -> Value {
        let mut spec = json!({
            "application": "00f1abc", "name": "stream", "execution_role": "arn:aws:iam::123456789012:role/stream",
            "entry_point": "s3://jobs/stream.jar",
        });
        spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        spec
    }

    #[test]
    fn what_emr_refuses_is_refused() {
        let whole = JobRun.normalise(&given(&json!({}))).expect("a run");
        assert_eq!(
            (&whole["arguments"], &whole["spark_parameters"], &whole["max_failed_attempts_per_hour"]),
            (&json!([]), &json!(""), &json!(10))
        );
        for (more, part) in [
            (json!({"application": "arn:aws:x"}), "application"),
            (json!({"name": " "}), "name"),
            (json!({"name": "n".repeat(257)}), "name"),
            (json!({"execution_role": "stream"}), "execution_role"),
            (json!({"entry_point": "/jobs/stream.jar"}), "entry_point"),
            (json!({"arguments": [""]}), "arguments"),
            (json!({"arguments": ["a\nb"]}), "arguments"),
            (json!({"spark_parameters": " "}), "spark_parameters"),
            (json!({"log_location": "logs/"}), "log_location"),
            (json!({"max_failed_attempts_per_hour": 0}), "max_failed_attempts_per_hour"),
            (json!({"max_failed_attempts_per_hour": 11}), "max_failed_attempts_per_hour"),
        ] {
            let refused = format!("{:#}", JobRun.normalise(&given(&more)).expect_err("refused"));
            assert!(refused.contains(part), "{more}: {refused}");
        }
        let referred = json!({"application": "${emr_application.main.id}", "execution_role": "${role.stream.arn}"});
        assert!(JobRun.normalise(&given(&referred)).is_ok());
    }

    #[test]
    fn what_follows_is_true_of_a_run_that_failed_too() {
        let spec = given(&json!({}));
        for action in [Action::Update, Action::Replace, Action::Delete] {
            let said = AnyKind::consequences(&JobRun, action, &[], &spec, &spec);
            assert!(said.len() == 1 && said[0].contains("run, if it isn't over, is cancelled"), "{said:?}");
        }
    }

    #[test]
    fn a_run_says_who_acts_as_what() {
        let said = AnyKind::grants(&JobRun, &given(&json!({})));
        let said: Vec<String> = said.iter().map(Grant::words).collect();
        assert_eq!(said, ["the program s3://jobs/stream.jar may act as arn:aws:iam::123456789012:role/stream"]);
    }
}
