//! Job runs of the models' runner: submitting one and waiting for its end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aws_sdk_emrserverless::types::{
    ConfigurationOverrides, JobDriver, JobRunState, MonitoringConfiguration, S3MonitoringConfiguration, SparkSubmit,
};
use lakewright_aws::{Aws, Needed as _, ask, client};
use lakewright_config::BatchConfig;
use lakewright_config::agents::batch;
use lakewright_runtime::{Agent, CancellationToken, Counter, Gauge, health};

/// The shortest and the longest time between two looks at a run.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Where EMR keeps Iceberg's runtime for Spark; a job loads it when its parameters say so.
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
    emr: aws_sdk_emrserverless::Client,
    config: BatchConfig,
    runs: Counter,
    failed: Counter,
    last_run: Gauge,
    last_success: Gauge,
    last_seconds: Gauge,
}

impl Jobs {
    /// For the agent with that configuration.
    pub fn new(agent: &Agent, aws: &Aws, config: BatchConfig) -> Self {
        Self {
            emr: client!(aws, "emr-serverless", aws_sdk_emrserverless),
            config,
            runs: agent.metrics.counter(&batch::RUNS, &[]),
            failed: agent.metrics.counter(&batch::RUNS_FAILED, &[]),
            last_run: agent.metrics.gauge(&batch::LAST_RUN, &[]),
            last_success: agent.metrics.gauge(&batch::LAST_SUCCESS, &[]),
            last_seconds: agent.metrics.gauge(&batch::LAST_RUN_SECONDS, &[]),
        }
    }

    /// The id of the run that belongs to the token: a new one, or the one that it started before.
    pub async fn submit(&self, token: &str) -> Result<String> {
        let config = &self.config;
        let spark = SparkSubmit::builder()
            .entry_point(&config.entry_point)
            .entry_point_arguments("--manifest")
            .entry_point_arguments(&config.manifest)
            .spark_submit_parameters(ICEBERG)
            .build()
            .expect("nothing but the entry point is required");
        let logs = S3MonitoringConfiguration::builder().log_uri(&config.log_location).build();
        let monitoring = MonitoringConfiguration::builder().s3_monitoring_configuration(logs).build();
        let overrides = ConfigurationOverrides::builder().monitoring_configuration(monitoring).build();
        let timeout = i64::try_from(config.timeout_minutes).context("`timeout_minutes` is too large")?;
        let start = self
            .emr
            .start_job_run()
            .application_id(&config.application_id)
            .client_token(token)
            .execution_role_arn(&config.execution_role)
            .execution_timeout_minutes(timeout)
            .name("models")
            .job_driver(JobDriver::SparkSubmit(spark))
            .configuration_overrides(overrides);
        let run = ask(start.send())
            .await
            .and_then(|answer| answer.job_run_id.needed("emr-serverless", "StartJobRunResponse.jobRunId"))
            .with_context(|| format!("submit the models to the application {}", config.application_id))?;
        tracing::info!(run, "run submitted");
        Ok(run)
    }

    /// Waits for a run's end; `None` when `stop` comes first.
    pub async fn wait(&self, run: &str, stop: &CancellationToken) -> Result<Option<Ending>> {
        let begun = Instant::now();
        let mut pause = LOOKS.0;
        loop {
            let look = self.emr.get_job_run().application_id(&self.config.application_id).job_run_id(run);
            let found = ask(look.send())
                .await
                .and_then(|answer| answer.job_run.needed("emr-serverless", "GetJobRunResponse.jobRun"))
                .with_context(|| format!("look at the run {run}"))?;
            if let Some(ending) = ending(&found.state, &found.state_details) {
                self.runs.increment(1);
                self.failed.increment(u64::from(ending != Ending::Success));
                self.last_run.set(health::now_ms() as f64);
                if ending == Ending::Success {
                    self.last_success.set(health::now_ms() as f64);
                }
                self.last_seconds.set(begun.elapsed().as_secs_f64().round());
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

/// How a run in that state ended, if it did.
fn ending(state: &JobRunState, details: &str) -> Option<Ending> {
    match state {
        JobRunState::Success => Some(Ending::Success),
        JobRunState::Failed => Some(Ending::Failed(details.to_owned())),
        JobRunState::Cancelled => Some(Ending::Failed(format!("it was cancelled {details}").trim_end().to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_states_end_a_run() {
        for state in ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING", "QUEUED", "SOMETHING_NEW"] {
            assert_eq!(ending(&JobRunState::from(state), ""), None, "{state}");
        }
        assert_eq!(ending(&JobRunState::Success, ""), Some(Ending::Success));
        assert_eq!(ending(&JobRunState::Failed, "no such table"), Some(Ending::Failed("no such table".into())));
        assert_eq!(ending(&JobRunState::Cancelled, ""), Some(Ending::Failed("it was cancelled".into())));
    }
}
