//! Asking: a call of the SDK under a watch, with an error in our own terms.

use std::error::Error as StdError;
use std::pin::Pin;

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::chain::{deepest, find};
use crate::errors::{Error, Kind};
use crate::watch::{Attempt, State, Watch};

/// The SDK's outcome of a call.
type Outcome<O, E> = Result<O, SdkError<E, HttpResponse>>;

/// A call under way. What waits for it holds no more than a pointer: the SDK's futures are large, and part of many others.
pub type Asked<'a, O> = Pin<Box<dyn Future<Output = Result<O, Error>> + Send + 'a>>;

/// Waits for a call of the SDK, `ask(ec2.describe_vpcs().send())`. It is repeated if it failed for a passing reason; an error says by
/// `lost` whether an attempt may have taken effect without an answer.
pub fn ask<'a, O, E>(call: impl Future<Output = Outcome<O, E>> + Send + 'a) -> Asked<'a, O>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    watched(call, false)
}

/// The same for a call that must not happen twice: never sent again after it may have been received.
pub fn ask_once<'a, O, E>(call: impl Future<Output = Outcome<O, E>> + Send + 'a) -> Asked<'a, O>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    watched(call, true)
}

/// Everything that a paginator of the SDK lists: `ask_all(ec2.describe_vpcs().into_paginator().items().send())`.
pub async fn ask_all<T, E>(mut pages: PaginationStream<Outcome<T, E>>) -> Result<Vec<T>, Error>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let mut all = Vec::new();
    loop {
        let watch = Watch::of::<E>(false);
        match watch.over(pages.next()).await {
            None => return Ok(all),
            Some(Ok(item)) => all.push(item),
            Some(Err(error)) => return Err(described(&watch.state(), error)),
        }
    }
}

fn watched<'a, O, E>(call: impl Future<Output = Outcome<O, E>> + Send + 'a, once: bool) -> Asked<'a, O>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Box::pin(async move {
        let watch = Watch::of::<E>(once);
        let outcome = watch.over(call).await;
        outcome.map_err(|error| described(&watch.state(), error))
    })
}

/// The SDK's error in our own terms.
fn described<E>(state: &State, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let State { service, operation, credentials, attempt, lost, .. } = state;
    if let Some(own) = find::<Error>(&error) {
        return Error { lost: *lost, ..own.clone() };
    }
    let described = match (&error, attempt) {
        (SdkError::ServiceError(answer), _) => {
            let (status, meta) = (answer.raw().status().as_u16(), answer.err().meta());
            let (code, message) = (meta.code().unwrap_or_default(), meta.message().unwrap_or_default());
            // The SDK's word for a success whose body it can't read.
            if code.is_empty() && answer.raw().status().is_success() {
                return Error::bad_answer(service, operation, status, deepest(answer.err()));
            }
            let request_id = meta.request_id().or_else(|| answer.raw().request_id()).unwrap_or_default();
            Error::answered(service, operation, code, message, status, request_id)
        }
        (_, Attempt::TooLate) => Error::too_late(service, operation),
        (_, Attempt::NotConnected(reason)) => Error::not_connected(service, operation, reason),
        (_, Attempt::NoAnswer(reason)) => Error::no_answer(service, operation, reason),
        (_, Attempt::Answered(status)) => Error::bad_answer(service, operation, *status, deepest(&error)),
        (_, Attempt::None) => {
            let what = if operation.is_empty() { String::new() } else { format!("{service} {operation}: ") };
            Error::configuration(format!("{what}{}", deepest(&error)))
        }
    };
    let mut described = Error { lost: *lost, ..described };
    if let (Kind::Expired, Some(credentials)) = (described.kind, credentials) {
        described.message = format!("{}; {}", described.message, credentials.origin().renewal());
    }
    described
}
