//! Interruption: the first signal asks, the second ends.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::say;

/// Runs the work; Ctrl-C, or SIGTERM, cancels the token, a second one ends the process with 130.
pub async fn until_interrupted<T, F: Future<Output = T>>(work: impl FnOnce(CancellationToken) -> F) -> T {
    let stop = CancellationToken::new();
    let watcher = tokio::spawn(watch(stop.clone()));
    let result = work(stop).await;
    watcher.abort();
    result
}

/// Cancels the token at the first signal and ends the process at the second.
pub async fn watch(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        say("signals can't be caught: Ctrl-C ends at once");
        return;
    };
    for round in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if round == 0 {
            stop.cancel();
        }
    }
    leave(130);
}

/// Ends the process at once.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "a second signal asks for just that")]
fn leave(code: i32) -> ! {
    std::process::exit(code)
}
