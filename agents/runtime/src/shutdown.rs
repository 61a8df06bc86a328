//! When an agent ends: signals and, on demand, the end of standard input.

use std::io::Read;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels, and the end of standard input too if asked for. A second signal ends the
/// process at once, with status 130.
///
/// # Errors
/// The signal handlers can't be installed.
pub fn token(until_stdin_closes: bool) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("handle SIGINT")?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        for second in [false, true] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if second {
                tracing::warn!(signal = name, "second signal, ending at once");
                exit_now();
            }
            tracing::info!(signal = name, "finishing what is in hand");
            cancelled.cancel();
        }
    });
    if until_stdin_closes {
        let cancelled = token.clone();
        // A thread and not a task: a read of standard input can't be cancelled, and must not keep the runtime alive.
        std::thread::Builder::new()
            .name("stdin".into())
            .spawn(move || {
                let mut buffer = [0_u8; 256];
                while matches!(std::io::stdin().lock().read(&mut buffer), Ok(1..)) {}
                cancelled.cancel();
            })
            .context("watch standard input")?;
    }
    Ok(token)
}

#[expect(clippy::exit, clippy::disallowed_methods, reason = "a second signal means now, whatever is in hand")]
fn exit_now() -> ! {
    std::process::exit(130)
}
