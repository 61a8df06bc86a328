//! Waiting for AWS: for a state, for a new thing to be seen everywhere, for what still uses a thing to let go.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lakewright_aws::Error;

use crate::kind::Context;

/// How long EC2 may deny knowing what it has just made.
const VISIBLE: Duration = Duration::from_mins(2);
/// How long a deleted thing's interfaces may linger and hold on to others.
const RELEASED: Duration = Duration::from_mins(15);

/// Asks until there is an answer; `what` completes the sentence "… after 5 min".
pub(super) async fn until<T, F>(
    context: &Context,
    timeout: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = probe().await? {
            return Ok(answer);
        }
        if start.elapsed() >= timeout {
            bail!(
                "{what} after {} min; AWS may still get there: apply again goes on from here",
                timeout.as_secs() / 60
            );
        }
        tokio::time::sleep(context.poll).await;
    }
}

/// Calls until AWS knows the thing that was just made.
pub(super) async fn visible<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    while_refused(context, VISIBLE, Error::is_not_found, call).await
}

/// Deletes once nothing uses the thing any more; that it was missing is success.
pub(super) async fn released<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<Option<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    found(while_refused(context, RELEASED, Error::is_dependency_violation, call).await)
}

/// Calls until the answer is no such refusal, or the time is over.
pub(super) async fn while_refused<T, F>(
    context: &Context,
    timeout: Duration,
    refused: impl Fn(&Error) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let start = Instant::now();
    loop {
        match call().await {
            Err(error) if refused(&error) && start.elapsed() < timeout => tokio::time::sleep(context.poll).await,
            answer => return answer,
        }
    }
}

/// The answer, or none if AWS says that the thing isn't there.
pub(super) fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
