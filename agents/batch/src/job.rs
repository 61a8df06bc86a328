//! Job runs of the models' runner: submitting one and waiting for its end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_aws::{Client, Service};
use lakewright_config::BatchConfig;
use lakewright_runtime::{Agent, CancellationToken, Counter, Gauge, health};
use serde_json::{Value, json};

/// The shortest and the longest time between two looks at a run.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Where EMR keeps Iceberg's runtime for Spark; it loads it when told to.
const ICEBERG: &str = "--conf spark.jars=/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar";

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// All models were made.
    Success,
    /// A model failed, or the run was cancelled; the reason.
    Failed(String),
}

/// Submits and watches runs.
pub struct Jobs {
    aws: Client,
    config: BatchConfig,
    runs: Counter,
    failed: Counter,
    last_run: Gauge,
    last_success: Gauge,
    last_seconds: Gauge,
}

impl Jobs {
    /// For the agent with that configuration.
    pub fn new(agent: &Agent, aws: Client, config: BatchConfig) -> Self {
        Self {
            aws,
            config,
            runs: agent.metrics.counter("runs_total", &[]),
            failed: agent.metrics.counter("runs_failed_total", &[]),
            last_run: agent.metrics.gauge("last_run_unix_ms", &[]),
            last_success: agent.metrics.gauge("last_success_unix_ms", &[]),
            last_seconds: agent.metrics.gauge("last_run_seconds", &[]),
        }
    }

    /// The id of the run that belongs to the token: a new one, or the one that it started before.
    pub async fn submit(&self, token: &str) -> Result<String> {
        let config = &self.config;
        let input = json!({
            "applicationId": config.application_id,
            "clientToken": token,
            "executionRoleArn": config.execution_role,
            "executionTimeoutMinutes": config.timeout_minutes,
            "name": "models",
            "jobDriver": { "sparkSubmit": {
                "entryPoint": config.entry_point,
                "entryPointArguments": ["--manifest", config.manifest],
                "sparkSubmitParameters": ICEBERG,
            } },
            "configurationOverrides": { "monitoringConfiguration": {
                "s3MonitoringConfiguration": { "logUri": config.log_location },
            } },
        });
        let answer = self
            .aws
            .call(Service::EmrServerless, "StartJobRun", input)
            .await
            .with_context(|| format!("submit the models to the application {}", config.application_id))?;
        let run = answer["jobRunId"].as_str().context("EMR Serverless answered without a job run id")?;
        tracing::info!(run, "run submitted");
        Ok(run.to_owned())
    }

    /// Waits for a run's end; `None` when told to stop before.
    pub async fn wait(&self, run: &str, stop: &CancellationToken) -> Result<Option<Ending>> {
        let begun = Instant::now();
        let mut pause = LOOKS.0;
        loop {
            let input = json!({ "applicationId": self.config.application_id, "jobRunId": run });
            let answer = self.aws.call(Service::EmrServerless, "GetJobRun", input).await;
            let answer = answer.with_context(|| format!("look at the run {run}"))?;
            if let Some(ending) = ending(&answer["jobRun"]) {
                self.runs.add(1);
                self.failed.add(u64::from(ending != Ending::Success));
                self.last_run.set(health::now_ms());
                if ending == Ending::Success {
                    self.last_success.set(health::now_ms());
                }
                self.last_seconds.set(begun.elapsed().as_secs_f64().round() as i64);
                tracing::info!(run, ?ending, seconds = begun.elapsed().as_secs_f64(), "run ended");
                return Ok(Some(ending));
            }
            if tokio::time::timeout(pause, stop.cancelled()).await.is_ok() {
                return Ok(None);
            }
            pause = (pause * 3 / 2).min(LOOKS.1);
        }
    }
}

/// How the run ended, if it did.
fn ending(run: &Value) -> Option<Ending> {
    let details = run["stateDetails"].as_str().unwrap_or_default();
    match run["state"].as_str()? {
        "SUCCESS" => Some(Ending::Success),
        "FAILED" => Some(Ending::Failed(details.to_owned())),
        "CANCELLED" => Some(Ending::Failed(format!("it was cancelled {details}").trim_end().to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_states_end_a_run() {
        for state in ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "QUEUED"] {
            assert_eq!(ending(&json!({ "state": state })), None, "{state}");
        }
        assert_eq!(ending(&json!({ "state": "SUCCESS" })), Some(Ending::Success));
        let failed = json!({ "state": "FAILED", "stateDetails": "no such table" });
        assert_eq!(ending(&failed), Some(Ending::Failed("no such table".into())));
    }
}
