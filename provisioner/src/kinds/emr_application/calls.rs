//! The calls to EMR Serverless that look at applications and stop them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_emrserverless::types::{Application, ApplicationState};
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all};
use parking_lot::Mutex;

use super::{CHANGED, SERVICE};
use crate::kind::Context;
use crate::kinds::each::{One, each};
use crate::kinds::tags::Tags;
use crate::kinds::{job_run, tag_lists, tagged, wait};
use crate::resource::Address;
use crate::services::Services as _;

/// The states of applications that live.
const LIVING: [ApplicationState; 6] = [
    ApplicationState::Creating,
    ApplicationState::Created,
    ApplicationState::Starting,
    ApplicationState::Started,
    ApplicationState::Stopping,
    ApplicationState::Stopped,
];

pub(super) async fn describe(context: &Context, id: &str) -> Result<Option<Application>, Error> {
    let answer = ask(context.aws.emr_serverless().get_application().application_id(id).send()).await;
    let answer = tagged::readable(context, wait::found(answer), tags_at(context, arn_of(context, id))).await?;
    let Some(answer) = answer else { return Ok(None) };
    answer.application.needed(SERVICE, "GetApplication.application").map(Some)
}

/// The ARN of an application.
pub(in crate::kinds) fn arn_of(context: &Context, id: &str) -> String {
    context.site().arn(SERVICE, &format!("/applications/{id}"))
}

/// The tags of an application, or of a job run on one, by its ARN; they may be read of everybody's. None of what is gone.
pub(in crate::kinds) async fn tags_at(context: &Context, arn: String) -> Result<Option<Tags>> {
    let call = context.aws.emr_serverless().list_tags_for_resource().resource_arn(arn);
    Ok(wait::found(ask(call.send()).await)?.map(|answer| tag_lists::read_map(answer.tags())))
}

/// Whether an application is gone, or is somebody else's that may not be read.
pub(in crate::kinds) async fn is_gone(context: &Context, id: &str) -> Result<bool, Error> {
    let application = describe(context, id).await?;
    Ok(application.is_none_or(|it| *it.state() == ApplicationState::Terminated))
}

/// The applications with these ids that are there. One that can't be read is noted with its address; without one it may be
/// any that the stack wants.
pub(super) async fn described<'a>(
    context: &Context,
    ids: impl Iterator<Item = &'a str>,
    address: impl Fn(&str) -> Option<Address>,
) -> Result<BTreeMap<String, Application>> {
    let reads = ids.map(|id| {
        let address = address(id);
        let noted = if address.is_some() { id.to_owned() } else { String::new() };
        let read = async move { Ok(describe(context, id).await?.map(|application| (id.to_owned(), application))) };
        One { address, id: noted, read }
    });
    Ok(each(context, "emr_application", reads).await?.into_iter().collect())
}

/// The id in the ARN of an application; none in that of a job run, which begins alike.
pub(in crate::kinds) fn id_in(arn: &str) -> Option<&str> {
    let (_, id) = arn.split_once(":/applications/")?;
    (!id.contains('/')).then_some(id)
}

/// The ids and names of the living applications of these names, whoever they belong to: the list has no tags.
pub(in crate::kinds) async fn namesakes(context: &Context, names: &BTreeSet<&str>) -> Result<Vec<(String, String)>> {
    let call = context.aws.emr_serverless().list_applications().max_results(50).set_states(Some(LIVING.into()));
    let all = ask_all(call.into_paginator().items().send()).await?;
    let named = all.into_iter().filter_map(|one| Some((one.id, one.name?)));
    Ok(named.filter(|(_, name)| names.contains(name.as_str())).collect())
}

pub(super) fn is_started(application: &Application) -> bool {
    matches!(application.state(), ApplicationState::Starting | ApplicationState::Started)
}

/// Stops an application and waits until it stands still; none if it is gone. Its jobs are waited for, and the stack's streaming
/// runs, which would keep it from ever standing still, are cancelled.
pub(super) async fn stopped(context: &Context, id: &str) -> Result<Option<Application>> {
    let unseen = Mutex::new(None);
    let stopped = wait::until(context, CHANGED, &format!("the EMR application {id} doesn't stop"), || async {
        let Some(application) = describe(context, id).await? else { return Ok(Some(None)) };
        match application.state() {
            ApplicationState::Terminated => Ok(Some(None)),
            ApplicationState::Created | ApplicationState::Stopped => Ok(Some(Some(application))),
            ApplicationState::Started => {
                match ask(context.aws.emr_serverless().stop_application().application_id(id).send()).await {
                    Ok(_) => Ok(None),
                    // Jobs haven't ended yet.
                    Err(error) if error.kind == ErrorKind::WrongState => {
                        match job_run::streams(context, id).await {
                            Ok(streams) => job_run::end_streams(context, &streams).await?,
                            // Who has rights from before there were streaming runs waits for the jobs, as then.
                            Err(denied) if denied.is_denied() => {
                                context.waiting.tell(&format!("its job runs, {UNSEEN}: {denied}"));
                                *unseen.lock() = Some(denied);
                            }
                            Err(error) => return Err(error.into()),
                        }
                        Ok(None)
                    }
                    Err(error) => Err(error.into()),
                }
            }
            _ => Ok(None),
        }
    })
    .await;
    stopped.map_err(|error| still(error, unseen.into_inner()))
}

/// What is said of job runs that can't be listed.
const UNSEEN: &str = "which can't be listed, so that no streaming run of the stack's, which has no end, is cancelled";

/// Why an application doesn't stand still: where that is for its job runs that couldn't be listed, the error says so.
fn still(error: anyhow::Error, unseen: Option<Error>) -> anyhow::Error {
    match unseen {
        // Another answer of AWS's ended the wait.
        Some(denied) if error.downcast_ref::<Error>().is_none() => {
            anyhow::Error::new(denied).context(format!("{error}; it has job runs, {UNSEEN}"))
        }
        _ => error,
    }
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

    #[test]
    fn that_its_runs_could_not_be_listed_is_said_when_an_application_does_not_stop() {
        let denied = || Error::answered(SERVICE, "ListJobRuns", "AccessDeniedException", "not allowed", 403, "");
        let waited = || anyhow::anyhow!("the EMR application 00f1 doesn't stop after 30 min");
        let said = still(waited(), Some(denied()));
        assert!(crate::reading::is_denied(&said), "{said:#}");
        let said = format!("{said:#}");
        for part in ["doesn't stop after 30 min; it has job runs, which can't be listed", "ListJobRuns", "not allowed"]
        {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(still(waited(), None).to_string(), waited().to_string());
        let other = Error::answered(SERVICE, "GetApplication", "InternalServerException", "broken", 500, "");
        let said = format!("{:#}", still(other.into(), Some(denied())));
        assert!(said.contains("broken") && !said.contains("ListJobRuns"), "{said}");
    }
}
