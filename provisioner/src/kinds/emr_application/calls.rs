//! The calls to EMR Serverless that look at applications and stop them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_emrserverless::types::{Application, ApplicationState};
use futures::future::try_join_all;
use lakewright_aws::{Error, ErrorKind, Needed as _, ask, ask_all};

use super::{CHANGED, SERVICE};
use crate::kind::Context;
use crate::kinds::wait;
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
    let Some(answer) = wait::found(answer)? else { return Ok(None) };
    answer.application.needed(SERVICE, "GetApplication.application").map(Some)
}

/// The applications with these ids that are there.
pub(super) async fn described<'a>(
    context: &Context,
    ids: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Application>> {
    let reads = ids.map(async |id| Ok::<_, Error>((id.to_owned(), describe(context, id).await?)));
    let all = try_join_all(reads).await?.into_iter();
    Ok(all.filter_map(|(id, application)| Some((id, application?))).collect())
}

/// The ids of the living applications of these names, whoever they belong to: the list has no tags.
pub(super) async fn namesakes(context: &Context, names: &BTreeSet<&str>) -> Result<Vec<String>> {
    let call = context.aws.emr_serverless().list_applications().max_results(50).set_states(Some(LIVING.into()));
    let all = ask_all(call.into_paginator().items().send()).await?;
    let named = all.into_iter().filter(|one| one.name().is_some_and(|name| names.contains(name)));
    named.map(|one| Ok(one.id.needed(SERVICE, "ApplicationSummary.id")?)).collect()
}

pub(super) fn is_started(application: &Application) -> bool {
    matches!(application.state(), ApplicationState::Starting | ApplicationState::Started)
}

/// Stops an application and waits until it stands still; none if it is gone.
pub(super) async fn stopped(context: &Context, id: &str) -> Result<Option<Application>> {
    wait::until(context, CHANGED, &format!("the EMR application {id} doesn't stop"), || async {
        let Some(application) = describe(context, id).await? else { return Ok(Some(None)) };
        match application.state() {
            ApplicationState::Terminated => Ok(Some(None)),
            ApplicationState::Created | ApplicationState::Stopped => Ok(Some(Some(application))),
            ApplicationState::Started => {
                match ask(context.aws.emr_serverless().stop_application().application_id(id).send()).await {
                    Ok(_) => Ok(None),
                    // Jobs haven't ended yet.
                    Err(error) if error.kind == ErrorKind::WrongState => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
            _ => Ok(None),
        }
    })
    .await
}
