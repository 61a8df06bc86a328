//! The calls to EMR Serverless that start runs, look at them and end them.

use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_emrserverless::types::{JobRun, JobRunMode, JobRunState};
use futures::future::try_join_all;
use lakewright_aws::{Error, ErrorKind, Needed as _, ask};
use lakewright_iam::Arn;

use super::Spec;
use super::wire::{driver, has_ended, is_over, logs, retries};
use crate::kind::{ADDRESS, APPLIED, CONTINUED, Context, Outcome};
use crate::kinds::emr::{self, SERVICE};
use crate::kinds::{tag_lists, tagged, tags, wait};
use crate::resource::Address;
use crate::services::Services as _;

/// How long a run is looked at that was just started. A role that EMR can't take on shows within it; that there are workers, and the
/// job itself has begun, takes minutes, and without capacity for ever: what comes of that the next plan says.
const LOOKED_AT: Duration = Duration::from_secs(30);
/// How long an application may be on its way between states in which it takes runs.
const TAKES_RUNS: Duration = Duration::from_mins(5);
/// How long a run may take to end: EMR lets a stream finish what it has begun, for 120 s by default, and releases its workers.
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/job-cancellation-grace-period.html>
const ENDS: Duration = Duration::from_mins(20);

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The application's id.
    pub(super) application: String,
    /// The run's own.
    pub(super) run: String,
}

impl Place {
    /// The place that an ARN, or `APPLICATION/RUN`, names.
    pub(super) fn of(id: &str) -> Option<Self> {
        let (application, run) = match Arn::parse(id) {
            Some(arn) if arn.service == SERVICE => {
                arn.resource.strip_prefix("/applications/")?.split_once("/jobruns/")?
            }
            Some(_) => return None,
            None => id.split_once('/')?,
        };
        let is_id = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        let place = || Self { application: application.to_owned(), run: run.to_owned() };
        (is_id(application) && is_id(run)).then(place)
    }

    /// The ARN.
    pub(super) fn arn(&self, context: &Context) -> String {
        let Self { application, run } = self;
        context.site().arn(SERVICE, &format!("/applications/{application}/jobruns/{run}"))
    }

    /// What a create gives.
    pub(super) fn outcome(&self, context: &Context, spec: &Spec) -> Outcome {
        let arn = self.arn(context);
        tags::outcome(&arn, &[("arn", &arn), ("id", &self.run), ("name", &spec.name)])
    }
}

pub(super) async fn describe(context: &Context, place: &Place) -> Result<Option<JobRun>, Error> {
    let call = context.aws.emr_serverless().get_job_run().application_id(&place.application).job_run_id(&place.run);
    let answer = ask(call.send()).await;
    let tags = emr::tags_at(context, place.arn(context));
    let Some(answer) = tagged::readable(context, wait::found(answer), tags).await? else { return Ok(None) };
    answer.job_run.needed(SERVICE, "GetJobRun.jobRun").map(Some)
}

/// Starts a run. A repeat with the same token is answered with the run that it started.
pub(super) async fn start(context: &Context, address: &Address, spec: &Spec, token: String) -> Result<Place> {
    let call = context
        .aws
        .emr_serverless()
        .start_job_run()
        .application_id(spec.application.as_str())
        .client_token(token)
        .name(spec.name.as_str())
        .execution_role_arn(spec.execution_role.as_str())
        .mode(JobRunMode::Streaming)
        // Without an end.
        .execution_timeout_minutes(0)
        .job_driver(driver(spec)?)
        .set_configuration_overrides(logs(spec))
        .retry_policy(retries(spec)?)
        .set_tags(Some(tag_lists::owned_map(context, address)));
    let is_moving = |error: &Error| error.kind == ErrorKind::WrongState;
    let made = wait::while_refused(context, TAKES_RUNS, is_moving, || ask(call.clone().send())).await?;
    let run = made.job_run_id.needed(SERVICE, "StartJobRun.jobRunId")?;
    Ok(Place { application: spec.application.to_string(), run })
}

/// A run that was just started, once it runs or is over, or when it was looked at for long enough; none where EMR doesn't show it yet.
pub(super) async fn started(context: &Context, place: &Place) -> Result<Option<JobRun>> {
    let (began, patience) = (Instant::now(), context.pace.patience(LOOKED_AT));
    loop {
        let run = describe(context, place).await?;
        let is_clear = |run: &JobRun| *run.state() == JobRunState::Running || is_over(run.state());
        if run.as_ref().is_some_and(is_clear) || began.elapsed() >= patience {
            return Ok(run);
        }
        tokio::time::sleep(context.pace.poll).await;
    }
}

/// Cancels a run and waits for its end; none if it is gone.
pub(super) async fn ended(context: &Context, place: &Place) -> Result<Option<JobRun>> {
    wait::until(context, ENDS, &format!("the job run {} doesn't end", place.run), || async {
        let Some(run) = describe(context, place).await? else { return Ok(Some(None)) };
        if has_ended(run.state()) {
            return Ok(Some(Some(run)));
        }
        if *run.state() != JobRunState::Cancelling {
            emr::cancel(context, &place.application, &place.run).await?;
        }
        Ok(None)
    })
    .await
}

/// Takes the address away from a run that is over, so that nothing takes it for the stack's that is to live. The stack's name stays:
/// rights rest on it.
pub(super) async fn let_go(context: &Context, place: &Place, run: &JobRun) -> Result<()> {
    if run.tags().is_some_and(|tags| tags.contains_key(ADDRESS)) {
        let keys = tag_lists::keys(&[ADDRESS, APPLIED, CONTINUED]);
        let call = context.aws.emr_serverless().untag_resource().resource_arn(place.arn(context));
        wait::found(ask(call.set_tag_keys(Some(keys)).send()).await)?;
    }
    Ok(())
}

/// Ends runs, all at once, and takes the address away from them.
pub(super) async fn given_way(context: &Context, places: &[Place]) -> Result<()> {
    let ends = places.iter().map(async |place| match ended(context, place).await? {
        // It stays in EMR's history, where one that failed would be taken for the stack's.
        Some(run) => let_go(context, place, &run).await,
        None => Ok(()),
    });
    try_join_all(ends).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_an_arn_or_by_two_ids() {
        let place = Place { application: "00f1".to_owned(), run: "00r1".to_owned() };
        let arn = place.arn(&crate::kinds::testing::context());
        assert_eq!(arn, "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00f1/jobruns/00r1");
        for id in [arn.as_str(), "00f1/00r1"] {
            assert_eq!(Place::of(id).as_ref(), Some(&place), "{id}");
        }
        let application = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/00f1";
        for id in [application, "00r1", "00f1/", "a/b/c", "arn:aws:s3:::a/b"] {
            assert_eq!(Place::of(id), None, "{id}");
        }
    }
}
