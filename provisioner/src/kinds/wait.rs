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

/// Calls until AWS knows the thing that was just made. That something of a known thing isn't set is an answer.
pub(super) async fn visible<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let unknown = |error: &Error| error.is_not_found() && error.kind != ErrorKind::NotSet;
    while_refused(context, VISIBLE, unknown, call).await
}

/// What keeps a thing from being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// What it is, `eni-1 (of a NAT gateway)`.
    pub(super) what: String,
    /// Whether it lets go by itself when what it belongs to has gone; a rule of somebody's never does.
    pub(super) goes: bool,
}

/// Deletes once nothing uses the thing any more; that it was missing is success. Who holds it is looked up when it is
/// refused, and named while it is waited for and by the error; for what can't go by itself nobody waits long.
pub(super) async fn released<T, F, H>(
    context: &Context,
    holders: impl Fn() -> H,
    mut call: impl FnMut() -> F,
) -> Result<Option<T>>
where
    F: Future<Output = Result<T, Error>>,
    H: Future<Output = Result<Vec<Holder>>>,
{
    let start = Instant::now();
    let (mut told, mut looked) = (String::new(), None);
    loop {
        let error = match call().await {
            Err(error) if error.is_dependency_violation() => error,
            answer => return Ok(found(answer)?),
        };
        // Looking takes requests of its own.
        if looked.is_none_or(|at: Instant| at.elapsed() >= context.pace.poll * 6) {
            looked = Some(Instant::now());
            let held = held(holders().await);
            if held.is_empty() {
                told.clear();
            } else if told != held {
                told = held;
                context.waiting.tell(&told);
            }
        }
        let waited = start.elapsed();
        let stays = told.ends_with(STAYS) && waited >= context.pace.settles;
        if stays || waited >= RELEASED {
            let error = anyhow::Error::new(error);
            return Err(if told.is_empty() { error } else { error.context(told) });
        }
        tokio::time::sleep(context.pace.poll).await;
    }
}

/// What is said of holders that don't go by themselves.
const STAYS: &str = "take that away, then run this again";

/// Who holds a thing, as a sentence; empty if nobody is known to.
fn held(holders: Result<Vec<Holder>>) -> String {
    let holders = match holders {
        Ok(holders) => holders,
        Err(error) => return format!("something still uses it, and what that is can't be seen: {error:#}"),
    };
    let all: Vec<&str> = holders.iter().map(|holder| holder.what.as_str()).collect();
    let staying: Vec<&str> = holders.iter().filter(|one| !one.goes).map(|holder| holder.what.as_str()).collect();
    match (all.as_slice(), staying.as_slice()) {
        ([], _) => String::new(),
        (all, []) => format!("it is still held by {}", all.join(", ")),
        (_, staying) => format!("it is held by {}; {STAYS}", staying.join(", ")),
    }
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
    // A time that hasn't come is nobody's, and a wait for it would have no end.
    let since = since.min(context.aws.now());
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use parking_lot::Mutex;

    use super::*;
    use crate::kind::Waiting;

    fn refused() -> Error {
        Error::answered("ec2", "DeleteSecurityGroup", "DependencyViolation", "it has a dependent object", 400, "")
    }

    fn holder(what: &str, goes: bool) -> Holder {
        Holder { what: what.to_owned(), goes }
    }

    #[tokio::test]
    async fn what_lets_go_is_waited_for_and_named() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let (tells, calls) = (told.clone(), AtomicU32::new(0));
        let waiting = Waiting::told(move |what| tells.lock().push(what.to_owned()));
        let context = Context { waiting, ..crate::kinds::testing::context() };
        let call = || async { if calls.fetch_add(1, Ordering::Relaxed) < 2 { Err(refused()) } else { Ok(()) } };
        let holders = || async { Ok(vec![holder("eni-1 (of a broker)", true)]) };
        assert!(released(&context, holders, call).await.expect("it lets go").is_some());
        assert_eq!(*told.lock(), ["it is still held by eni-1 (of a broker)"]);
    }

    #[tokio::test]
    async fn a_time_that_has_not_come_is_not_waited_for() {
        let context = crate::kinds::testing::context();
        let since = context.aws.now() + Duration::from_hours(1);
        let found = settled(&context, since, || async { Ok(None) });
        let found = tokio::time::timeout(Duration::from_secs(10), found).await.expect("it ends");
        assert_eq!(found.expect("nothing is wrong"), None);
    }

    #[tokio::test]
    async fn what_stays_is_named_by_the_error() {
        let context = crate::kinds::testing::context();
        let holders = || async { Ok(vec![holder("eni-1", true), holder("a rule of sg-2 (reporting)", false)]) };
        let error = released::<(), _, _>(&context, holders, || async { Err(refused()) }).await.expect_err("it stays");
        let error = format!("{error:#}");
        assert!(error.starts_with("it is held by a rule of sg-2 (reporting); take that away"), "{error}");
        assert!(error.contains("DependencyViolation"), "{error}");
    }
}
