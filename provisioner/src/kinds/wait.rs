//! Waiting for AWS: for a state, for a new thing to be seen everywhere, for what still uses a thing to let go.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use lakewright_aws::{Error, ErrorKind};

use crate::kind::Context;
use crate::resource::Address;

/// How long EC2 may deny knowing what it has just made.
pub(super) const VISIBLE: Duration = Duration::from_mins(2);
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
        tokio::time::sleep(context.pace.poll).await;
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
            Err(error) if refused(&error) && start.elapsed() < timeout => tokio::time::sleep(context.pace.poll).await,
            answer => return answer,
        }
    }
}

/// Whether the refusal may be for something that was just made or allowed, and that AWS doesn't know everywhere yet.
pub(super) fn not_yet(error: &Error) -> bool {
    error.kind == ErrorKind::NotYet
}

/// The answer, or none if AWS says that the thing isn't there.
pub(super) fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What became of a call that must not happen twice.
pub(super) enum Made<T> {
    /// It was answered.
    Now(T),
    /// The thing was there: an answer that got lost had made it, or somebody else of this stack.
    Before(String),
}

/// Sends a create call that nothing protects from being repeated. If its answer is lost, or something of that name
/// is there, `probe` looks until AWS's lists have settled; only then a lost call is sent once more.
pub(super) async fn once<T, C, P>(context: &Context, call: impl Fn() -> C, probe: impl Fn() -> P) -> Result<Made<T>>
where
    C: Future<Output = Result<T, Error>>,
    P: Future<Output = Result<Option<String>>>,
{
    let mut again = true;
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(Made::Now(answer)),
            Err(error) if error.lost || error.is_already_exists() => error,
            Err(error) => return Err(error.into()),
        };
        if let Some(id) = settled(context, context.aws.now(), &probe).await? {
            return Ok(Made::Before(id));
        }
        if !(error.lost && again) {
            return Err(error.into());
        }
        again = false;
    }
}

/// Notes that the thing is about to be made. If an interrupted apply was at the same point, it is looked for until
/// AWS's lists have settled since then.
pub(super) async fn interrupted<P>(
    context: &Context,
    address: &Address,
    probe: impl Fn() -> P,
) -> Result<Option<String>>
where
    P: Future<Output = Result<Option<String>>>,
{
    match context.intents.begin(address).await? {
        Some(then) => settled(context, then, probe).await,
        None => Ok(None),
    }
}

/// Looks for a thing until what happened at `since` shows in AWS's lists.
async fn settled<P>(context: &Context, since: SystemTime, probe: impl Fn() -> P) -> Result<Option<String>>
where
    P: Future<Output = Result<Option<String>>>,
{
    loop {
        let over = context.aws.now().duration_since(since).is_ok_and(|age| age >= context.pace.settles);
        if let Some(id) = probe().await? {
            return Ok(Some(id));
        }
        if over {
            return Ok(None);
        }
        tokio::time::sleep(context.pace.poll).await;
    }
}
