//! When an agent ends: signals and, on demand, the end of standard input.

use std::io::Read;

use anyhow::Context as _;
use lakewright_platform::signals;
use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels, and the end of standard input too if asked for. A second signal ends the
/// process at once, with status 130.
///
/// # Errors
/// The signal handlers can't be installed.
pub fn token(until_stdin_closes: bool) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    signals::watch(token.clone(), |signal, is_second| {
        if is_second {
            tracing::warn!(signal, "second signal, ending at once");
        } else {
            tracing::info!(signal, "finishing what is in hand");
        }
    })
    .context("handle SIGTERM and SIGINT")?;
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
