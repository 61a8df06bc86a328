//! How a program begins and ends: its log, the async runtime, and the exit code.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::logging;

/// The stack of each thread, as large as the main one's: half-built debug programs take more than two MiB for a query of
/// some hundred conditions.
const STACK: usize = 8 << 20;

/// Runs a program; what goes wrong is logged, and its exit code is 1.
pub fn main<F: Future<Output = Result<()>>>(run: impl FnOnce() -> F) -> ExitCode {
    logging::init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .context("start the async runtime");
    match runtime.and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
