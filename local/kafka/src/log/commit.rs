//! Group commit: one flush at a time per file, which answers for everything written before it began.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

/// How far a file is durable. Positions only grow.
#[derive(Debug)]
pub struct GroupCommit {
    durable: AtomicI64,
    flushing: tokio::sync::Mutex<()>,
}

impl GroupCommit {
    /// Durable up to `position`.
    pub fn new(position: i64) -> Self {
        Self { durable: AtomicI64::new(position), flushing: tokio::sync::Mutex::new(()) }
    }

    /// The position up to which everything is durable.
    pub fn durable(&self) -> i64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Returns when everything before `until` is durable. `flush` runs on a blocking thread and returns the
    /// position that it made durable; those who wait meanwhile share the next flush.
    pub async fn wait(&self, until: i64, flush: impl FnOnce() -> io::Result<i64> + Send + 'static) -> io::Result<()> {
        if self.durable() >= until {
            return Ok(());
        }
        let _turn = self.flushing.lock().await;
        if self.durable() >= until {
            return Ok(());
        }
        let reached = tokio::task::spawn_blocking(flush).await.map_err(io::Error::other)??;
        self.durable.fetch_max(reached, Ordering::AcqRel);
        Ok(())
    }
}
