//! What both kinds of EMR Serverless ask of it: an application needs its runs ended, and a run its application.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_emrserverless::types::{Application, ApplicationState, JobRunMode, JobRunState, JobRunSummary};
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all};

use super::tags::Tags;
use super::{tag_lists, tagged, wait};
use crate::kind::{Context, STACK};
use crate::services::Services as _;

/// The service's name in ARNs.
pub(super) const SERVICE: &str = "emr-serverless";
/// The states of applications that live.
const LIVING: [ApplicationState; 6] = [
    ApplicationState::Creating,
    ApplicationState::Created,
    ApplicationState::Starting,
    ApplicationState::Started,
    ApplicationState::Stopping,
    ApplicationState::Stopped,
];

/// The states of a run that EMR has yet to start, or that runs.
pub(super) const UNENDED: [JobRunState; 5] =
    [JobRunState::Submitted, JobRunState::Pending, JobRunState::Scheduled, JobRunState::Queued, JobRunState::Running];

/// An application as EMR has it; none that is gone.
pub(super) async fn application(context: &Context, id: &str) -> Result<Option<Application>, Error> {
    let answer = ask(context.aws.emr_serverless().get_application().application_id(id).send()).await;
    let answer = tagged::readable(context, wait::found(answer), tags_at(context, arn_of(context, id))).await?;
    let Some(answer) = answer else { return Ok(None) };
    answer.application.needed(SERVICE, "GetApplication.application").map(Some)
}

/// The ARN of an application.
pub(super) fn arn_of(context: &Context, id: &str) -> String {
    context.site().arn(SERVICE, &format!("/applications/{id}"))
}

/// The tags of an application, or of a job run on one, by its ARN; they may be read of everybody's. None of what is gone.
pub(super) async fn tags_at(context: &Context, arn: String) -> Result<Option<Tags>> {
    let call = context.aws.emr_serverless().list_tags_for_resource().resource_arn(arn);
    Ok(wait::found(ask(call.send()).await)?.map(|answer| tag_lists::read_map(answer.tags())))
}

/// Whether an application is gone, or is somebody else's that may not be read.
pub(super) async fn is_gone(context: &Context, id: &str) -> Result<bool, Error> {
    let application = application(context, id).await?;
    Ok(application.is_none_or(|it| *it.state() == ApplicationState::Terminated))
}

/// The id in the ARN of an application; none in that of a job run, which begins alike.
pub(super) fn id_in(arn: &str) -> Option<&str> {
    let (_, id) = arn.split_once(":/applications/")?;
    (!id.contains('/')).then_some(id)
}

/// The ids and names of the living applications of these names, whoever they belong to: the list has no tags.
pub(super) async fn namesakes(context: &Context, names: &BTreeSet<&str>) -> Result<Vec<(String, String)>> {
    let call = context.aws.emr_serverless().list_applications().max_results(50).set_states(Some(LIVING.into()));
    let all = ask_all(call.into_paginator().items().send()).await?;
    let named = all.into_iter().filter_map(|one| Some((one.id, one.name?)));
    Ok(named.filter(|(_, name)| names.contains(name.as_str())).collect())
}

/// The streaming runs of an application in these states, whoever they belong to: the list has no tags. None of an application that
/// is gone, which EMR may say in either way, and none of somebody else's whose runs may not be listed.
pub(super) async fn listed(
    context: &Context,
    application: &str,
    states: Vec<JobRunState>,
) -> Result<Vec<JobRunSummary>, Error> {
    let call = context.aws.emr_serverless().list_job_runs().application_id(application).max_results(50);
    let call = call.mode(JobRunMode::Streaming).set_states(Some(states));
    let answer = match ask_all(call.into_paginator().items().send()).await {
        Err(error) if error.kind == ErrorKind::Invalid => {
            return if is_gone(context, application).await? { Ok(Vec::new()) } else { Err(error) };
        }
        answer => wait::found(answer),
    };
    let tags = tags_at(context, arn_of(context, application));
    Ok(tagged::readable(context, answer, tags).await?.unwrap_or_default())
}

/// Cancels a run; one that is over by now is no error.
pub(super) async fn cancel(context: &Context, application: &str, run: &str) -> Result<(), Error> {
    let call = context.aws.emr_serverless().cancel_job_run();
    match ask(call.application_id(application).job_run_id(run).send()).await {
        Err(error) if error.kind != ErrorKind::WrongState && !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// The streaming runs of an application that haven't ended, whoever they belong to.
pub(super) async fn streams(context: &Context, application: &str) -> Result<Vec<JobRunSummary>, Error> {
    listed(context, application, UNENDED.into()).await
}

/// Cancels those of some streaming runs that are the stack's own. Their ends aren't waited for.
pub(super) async fn end_streams(context: &Context, streams: &[JobRunSummary]) -> Result<()> {
    for run in streams {
        let Some(tags) = tags_at(context, run.arn().to_owned()).await? else { continue };
        if tags.get(STACK) == Some(&context.stack) {
            cancel(context, run.application_id(), run.id()).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_job_run_names_no_application() {
        let arn = "arn:aws:emr-serverless:eu-north-1:123456789012:/applications/00f1";
        assert_eq!(id_in(arn), Some("00f1"));
        assert_eq!(id_in(&format!("{arn}/jobruns/00r1")), None);
    }
}
