//! Group commit: one flush at a time per file, which answers for everything written before it began.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// How far a file is durable. Positions only grow, and stand for ever after a flush that failed: a later one may
/// succeed without having written what the failed one lost.
#[derive(Debug)]
pub struct GroupCommit {
    durable: AtomicI64,
    failed: OnceLock<String>,
    flushing: tokio::sync::Mutex<()>,
}

impl GroupCommit {
    /// Durable up to `position`.
    pub fn new(position: i64) -> Self {
        Self { durable: AtomicI64::new(position), failed: OnceLock::new(), flushing: tokio::sync::Mutex::new(()) }
    }

    /// The position up to which everything is durable.
    pub fn durable(&self) -> i64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Lets nothing more become durable: what the disk holds is known only after the file is opened anew.
    pub fn fail(&self, error: &io::Error) {
        _ = self.failed.set(error.to_string());
    }

    /// An error once a flush has failed.
    pub fn check(&self) -> io::Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(error) => {
                Err(io::Error::other(format!("an earlier flush failed ({error}); restart once the disk is well")))
            }
        }
    }

    /// Returns when everything before `until` is durable. `flush` runs on a blocking thread and returns the
    /// position that it made durable; those who wait meanwhile share the next flush.
    ///
    /// # Errors
    /// When this flush or any before it failed.
    pub async fn wait(&self, until: i64, flush: impl FnOnce() -> io::Result<i64> + Send + 'static) -> io::Result<()> {
        if self.durable() >= until {
            return Ok(());
        }
        let _turn = self.flushing.lock().await;
        if self.durable() >= until {
            return Ok(());
        }
        self.check()?;
        let flushed = tokio::task::spawn_blocking(flush).await.map_err(io::Error::other).flatten();
        let reached = flushed.inspect_err(|error| self.fail(error))?;
        self.durable.fetch_max(reached, Ordering::AcqRel);
        Ok(())
    }
}
