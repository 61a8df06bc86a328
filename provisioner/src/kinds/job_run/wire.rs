//! A run as EMR Serverless's API has it.

use anyhow::Result;
use aws_sdk_emrserverless::primitives::DateTime;
use aws_sdk_emrserverless::types::{
    ConfigurationOverrides, JobDriver, JobRun, JobRunMode, JobRunState, MonitoringConfiguration, RetryPolicy,
    S3MonitoringConfiguration, SparkSubmit,
};
use lakewright_aws::Needed as _;

use super::Spec;
use super::calls::Place;
use crate::kind::{Context, Departure, Found};
use crate::kinds::emr::SERVICE;
use crate::kinds::{tag_lists, tags};
use crate::resource::{Address, Condition};

/// How many failures in an hour EMR takes that nobody set a limit for.
const DEFAULT_FAILURES: i32 = 5;

/// Whether a run in that state does nothing any more, or is on its way there.
pub(super) fn is_over(state: &JobRunState) -> bool {
    *state == JobRunState::Cancelling || has_ended(state)
}

/// Whether a run in that state is no more than history.
pub(super) fn has_ended(state: &JobRunState) -> bool {
    matches!(state, JobRunState::Cancelled | JobRunState::Failed | JobRunState::Success)
}

/// Whether a run has failed and nobody has taken the address from it: what was deleted has none.
pub(super) fn has_failed(context: &Context, run: &JobRun, address: &Address) -> bool {
    let own = tags::address(context, &address.kind, &tag_lists::read_map(run.tags()));
    *run.state() == JobRunState::Failed && own.as_ref() == Some(address)
}

pub(super) fn driver(spec: &Spec) -> Result<JobDriver> {
    let parameters = Some(spec.spark_parameters.to_string()).filter(|text| !text.is_empty());
    let spark = SparkSubmit::builder()
        .entry_point(spec.entry_point.as_str())
        .set_entry_point_arguments(Some(spec.arguments.iter().map(ToString::to_string).collect()))
        .set_spark_submit_parameters(parameters)
        .build()?;
    Ok(JobDriver::SparkSubmit(spark))
}

pub(super) fn logs(spec: &Spec) -> Option<ConfigurationOverrides> {
    let place = spec.log_location.as_ref()?;
    let logs = S3MonitoringConfiguration::builder().log_uri(place.as_str()).build();
    let monitoring = MonitoringConfiguration::builder().s3_monitoring_configuration(logs).build();
    Some(ConfigurationOverrides::builder().monitoring_configuration(monitoring).build())
}

pub(super) fn retries(spec: &Spec) -> Result<RetryPolicy> {
    let failures = i32::try_from(spec.max_failed_attempts_per_hour)?;
    Ok(RetryPolicy::builder().max_failed_attempts_per_hour(failures).build())
}

/// The run with the time at which it was started; none if it isn't the stack's, or isn't there any more: what was cancelled, or came
/// to its end, is history.
///
/// A run that EMR has yet to start is ready, too: EMR keeps it, and begins when there is capacity, which an apply can't bring about.
/// Were it pending, each plan would wait for it, and each apply fail while there is none.
pub(super) fn read(context: &Context, run: &JobRun) -> Result<Option<(DateTime, Found<Spec>)>> {
    if run.mode() != Some(&JobRunMode::Streaming) {
        return Ok(None);
    }
    let tags = tag_lists::read_map(run.tags());
    let Some(address) = tags::address(context, "job_run", &tags) else { return Ok(None) };
    let condition = match run.state() {
        JobRunState::Cancelled | JobRunState::Cancelling | JobRunState::Success => return Ok(None),
        JobRunState::Failed => Condition::Failed(run.state_details().to_owned()),
        _ => Condition::Ready,
    };
    let spec = spec_of(run)?;
    let place = Place { application: run.application_id().to_owned(), run: run.job_run_id().to_owned() };
    let outcome = place.outcome(context, &spec);
    let mut live = tags::found(address, &tags, &outcome.id, spec, &[]);
    live.outputs = outcome.outputs;
    live.condition = condition;
    live.departures.extend(Departure::of(
        "execution_timeout_minutes",
        run.execution_timeout_minutes().unwrap_or_default(),
        0,
    ));
    Ok(Some((*run.created_at(), live)))
}

fn spec_of(run: &JobRun) -> Result<Spec> {
    let driver = run.job_driver().and_then(|driver| driver.as_spark_submit().ok());
    let driver = driver.needed(SERVICE, "JobRun.jobDriver.sparkSubmit")?;
    let monitoring = run.configuration_overrides().and_then(ConfigurationOverrides::monitoring_configuration);
    let logs = monitoring.and_then(MonitoringConfiguration::s3_monitoring_configuration);
    let failures = run.retry_policy().and_then(RetryPolicy::max_failed_attempts_per_hour);
    Ok(Spec {
        application: run.application_id().into(),
        name: run.name().unwrap_or_default().into(),
        execution_role: run.execution_role().into(),
        entry_point: driver.entry_point().into(),
        arguments: driver.entry_point_arguments().iter().map(|one| one.as_str().into()).collect(),
        spark_parameters: driver.spark_submit_parameters().unwrap_or_default().into(),
        log_location: logs.and_then(S3MonitoringConfiguration::log_uri).map(Into::into),
        max_failed_attempts_per_hour: u32::try_from(failures.unwrap_or(DEFAULT_FAILURES))?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_emrserverless::types::builders::JobRunBuilder;

    use super::*;

    fn spec() -> Spec {
        Spec {
            application: "00f1abc".into(),
            name: "stream".into(),
            execution_role: "arn:aws:iam::123456789012:role/stream".into(),
            entry_point: "s3://jobs/stream.jar".into(),
            arguments: vec!["--config".into(), "s3://jobs/stream.json".into()],
            spark_parameters: "--class lakewright.stream.Main".into(),
            log_location: Some("s3://jobs/logs/".into()),
            max_failed_attempts_per_hour: 3,
        }
    }

    /// A run with that spec as EMR answers it.
    fn run(spec: &Spec, state: JobRunState) -> JobRunBuilder {
        let time = DateTime::from_secs(0);
        let tags = [("lakewright:stack", "shop"), ("lakewright:address", "job_run.stream")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        JobRun::builder()
            .application_id(spec.application.as_str())
            .job_run_id("00r1")
            .name(spec.name.as_str())
            .arn("arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00f1abc/jobruns/00r1")
            .created_by("arn:aws:iam::123456789012:root")
            .created_at(time)
            .updated_at(time)
            .execution_role(spec.execution_role.as_str())
            .state(state)
            .state_details("why")
            .release_label("emr-7.9.0")
            .mode(JobRunMode::Streaming)
            .execution_timeout_minutes(0)
            .job_driver(driver(spec).expect("a driver"))
            .set_configuration_overrides(logs(spec))
            .retry_policy(retries(spec).expect("a policy"))
            .set_tags(Some(HashMap::from(tags)))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let context = crate::kinds::testing::context();
        let plain = Spec {
            arguments: Vec::new(),
            spark_parameters: "".into(),
            log_location: None,
            max_failed_attempts_per_hour: 10,
            ..spec()
        };
        for spec in [spec(), plain] {
            let run = run(&spec, JobRunState::Running).build().expect("a run");
            let (_, live) = read(&context, &run).expect("readable").expect("the stack's");
            assert_eq!((live.spec, live.condition, live.departures.len()), (spec, Condition::Ready, 0));
            assert_eq!((live.id.as_str(), live.outputs["id"].as_str()), (run.arn(), "00r1"));
        }
    }

    #[test]
    fn what_has_ended_is_not_there_and_what_failed_says_why() {
        let context = crate::kinds::testing::context();
        let condition = |state: &str| {
            let run = run(&spec(), state.into()).build().expect("a run");
            read(&context, &run).expect("readable").map(|(_, live)| live.condition)
        };
        for state in ["SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING"] {
            assert_eq!(condition(state), Some(Condition::Ready), "{state}");
        }
        for state in ["CANCELLING", "CANCELLED", "SUCCESS"] {
            assert_eq!(condition(state), None, "{state}");
        }
        assert_eq!(condition("FAILED"), Some(Condition::Failed("why".to_owned())));
    }

    #[test]
    fn a_run_with_an_end_departs_and_one_of_another_mode_is_none_of_the_stack() {
        let context = crate::kinds::testing::context();
        let ends = run(&spec(), JobRunState::Running).execution_timeout_minutes(720).build().expect("a run");
        let (_, live) = read(&context, &ends).expect("readable").expect("the stack's");
        assert_eq!(live.departures, Vec::from_iter(Departure::of("execution_timeout_minutes", 720, 0)));
        let batch = run(&spec(), JobRunState::Running).mode(JobRunMode::Batch).build().expect("a run");
        assert!(read(&context, &batch).expect("readable").is_none());
    }
}
