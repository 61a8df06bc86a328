//! Interruption: the first signal asks, the second ends.

use lakewright_platform::signals;
use tokio_util::sync::CancellationToken;

use super::terminal::say;

/// Runs the work; Ctrl-C, or SIGTERM, cancels the token, a second one ends the process with 130.
pub async fn until_interrupted<T, F: Future<Output = T>>(work: impl FnOnce(CancellationToken) -> F) -> T {
    let stop = CancellationToken::new();
    let watching = signals::watch(stop.clone(), |_, _| {});
    if let Err(error) = &watching {
        say(&format!("signals can't be caught, Ctrl-C ends at once: {error}"));
    }
    let result = work(stop).await;
    if let Ok(watching) = watching {
        watching.abort();
    }
    result
}
