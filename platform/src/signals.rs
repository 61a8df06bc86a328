//! The signals that end a program: the first asks, the second ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The exit code of a process that a second signal ended.
const INTERRUPTED: i32 = 130;

/// Cancels the token at the first SIGTERM or SIGINT and ends the process with status 130 at the second. `heard` gets
/// each signal's name and whether it is the second, before anything else is done about it.
///
/// # Errors
/// The signals can't be caught.
pub fn watch(
    stop: CancellationToken,
    heard: impl Fn(&'static str, bool) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        for is_second in [false, true] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            heard(name, is_second);
            if is_second {
                leave();
            }
            stop.cancel();
        }
    }))
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "a second signal means now, whatever is in hand")]
fn leave() -> ! {
    std::process::exit(INTERRUPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_cancels_and_is_passed_on() {
        let stop = CancellationToken::new();
        let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
        let watching = watch(stop.clone(), move |name, is_second| {
            let _ = sender.send((name, is_second));
        });
        let watching = watching.expect("signals are caught");
        assert!(!stop.is_cancelled());
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &own]).status().expect("kill runs");
        assert!(sent.success());
        stop.cancelled().await;
        assert_eq!(received.recv().await, Some(("SIGTERM", false)));
        watching.abort();
    }
}
