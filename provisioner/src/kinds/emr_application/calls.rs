//! The calls to EMR Serverless that look at applications and stop them.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_emrserverless::types::{Application, ApplicationState};
use lakewright_aws::{Error, ErrorKind, ask};
use parking_lot::Mutex;

use super::CHANGED;
use crate::kind::Context;
use crate::kinds::each::{One, each};
use crate::kinds::{emr, wait};
use crate::resource::Address;
use crate::services::Services as _;

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
        let read =
            async move { Ok(emr::application(context, id).await?.map(|application| (id.to_owned(), application))) };
        One { address, id: noted, read }
    });
    Ok(each(context, "emr_application", reads).await?.into_iter().collect())
}

pub(super) fn is_started(application: &Application) -> bool {
    matches!(application.state(), ApplicationState::Starting | ApplicationState::Started)
}

/// Stops an application and waits until it stands still; none if it is gone. Its jobs are waited for, and the stack's streaming
/// runs, which would keep it from ever standing still, are cancelled.
pub(super) async fn stopped(context: &Context, id: &str) -> Result<Option<Application>> {
    let unseen = Mutex::new(None);
    let stopped = wait::until(context, CHANGED, &format!("the EMR application {id} doesn't stop"), || async {
        let Some(application) = emr::application(context, id).await? else { return Ok(Some(None)) };
        match application.state() {
            ApplicationState::Terminated => Ok(Some(None)),
            ApplicationState::Created | ApplicationState::Stopped => Ok(Some(Some(application))),
            ApplicationState::Started => {
                match ask(context.aws.emr_serverless().stop_application().application_id(id).send()).await {
                    Ok(_) => Ok(None),
                    // Jobs haven't ended yet.
                    Err(error) if error.kind == ErrorKind::WrongState => {
                        match emr::streams(context, id).await {
                            Ok(streams) => emr::end_streams(context, &streams).await?,
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
    use crate::kinds::emr::SERVICE;

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
