//! The batch submitter.

use lakewright_config::agents::{Agent, AgentConfig as _};
use lakewright_config::{BatchConfig, reports};
use serde_json::{Value, json};

use super::AgentExpansion;
use super::alarms::Reports;
use crate::kinds::alarm::{Comparison, MissingData};
use crate::resource::Address;
use crate::stack::expand::policy::Statements;
use crate::stack::expand::watched::Watched;
use crate::stack::expand::{ARTIFACTS, Expansion, RESULTS};
use crate::stack::watch::Alarms;

/// What of the expansion is the batch submitter's own.
pub(super) struct Batch;

const AGENT: Agent = BatchConfig::AGENT;

/// The reference to the id of the application that runs are submitted to.
fn application() -> String {
    Address::new("emr_application", "main").output("id")
}

/// The reference to the ARN of the role that runs have.
fn job_role() -> String {
    Address::new("role", "batch-jobs").output("arn")
}

impl AgentExpansion for Batch {
    fn config(&self, expansion: &Expansion<'_>) -> serde_json::Result<Value> {
        let batch = expansion.file.batch.as_ref().expect("a stack with a batch agent has models");
        let artifacts = expansion.bucket(ARTIFACTS);
        let logs = expansion.file.agents.batch.log_prefix.value.trim_matches('/');
        serde_json::to_value(BatchConfig {
            application_id: application(),
            execution_role: job_role(),
            entry_point: format!("s3://{artifacts}/jobs/run_models.py"),
            manifest: format!("s3://{artifacts}/models/manifest.json"),
            log_location: format!("s3://{}/{logs}/", expansion.bucket(RESULTS)),
            every_seconds: batch.every.0 / 1000,
            timeout_minutes: batch.timeout.0.div_ceil(60_000),
            watch: expansion.watch(AGENT),
        })
    }

    fn rights(&self, expansion: &Expansion<'_>, statements: &mut Statements) {
        let arn = expansion.arn("emr-serverless", &format!("/applications/{}", application()));
        statements.allow(
            "Application",
            &["emr-serverless:StartJobRun", "emr-serverless:ListJobRuns", "emr-serverless:GetApplication"],
            std::slice::from_ref(&arn),
        );
        statements.allow(
            "Jobs",
            &["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"],
            &[format!("{arn}/jobruns/*")],
        );
        let condition = json!({ "StringEquals": { "iam:PassedToService": "emr-serverless.amazonaws.com" } });
        statements.allow_if("JobRole", &["iam:PassRole"], &[job_role()], &condition);
    }

    fn alarms(&self, expansion: &Expansion<'_>, section: &Alarms, reports: &Reports<'_>) -> Vec<Watched> {
        let every = expansion.file.batch.as_ref().map_or(0, |batch| batch.every.0);
        let age = section.warehouse_age.as_ref().map_or((3 * every).max(15 * 60_000), |age| age.0);
        let logs = &reports.logs;
        let failed = Watched::on(
            "batch-failed-runs".to_owned(),
            &reports.row,
            "failed runs in an hour",
            format!(
                "A run of the models has failed. The reason stands in the agent's log ({logs}) and in the job run's \
                 log on S3; a model that fails fails again until it or its data is fixed."
            ),
            reports.metric(&reports::FAILED_RUNS, "Sum", 300),
        );
        let stale = Watched::on(
            "batch-stale".to_owned(),
            &reports.row,
            "seconds since the last successful run",
            format!(
                "No run of the models has succeeded for {} minutes: the warehouse is older than it may be. Look \
                 whether runs fail or don't begin; {logs}.",
                age / 60_000
            ),
            reports.metric(&reports::FRESHNESS_SECONDS, "Minimum", 60),
        );
        vec![
            failed.when(Comparison::AtLeast, 1.0, 1),
            stale.when(Comparison::Above, (age / 1000) as f64, 3).missing(MissingData::Missing),
        ]
    }
}
