//! Whether an agent is ready and alive, and its last error.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// An agent that reported progress once is alive while it reports again within this time.
pub const LIVE_WITHIN: Duration = Duration::from_mins(2);

/// The state behind `/live`, `/ready` and `last_error`.
#[derive(Debug, Default)]
pub struct Health {
    latches: AtomicUsize,
    started: std::sync::atomic::AtomicBool,
    progress_ms: AtomicI64,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// Something that isn't ready yet; it is when this is dropped.
#[derive(Debug)]
pub struct Latch(Arc<Health>);

impl Drop for Latch {
    fn drop(&mut self) {
        self.0.latches.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Health {
    /// Keeps the agent from being ready until the latch is dropped. An agent that never took one isn't ready.
    pub fn latch(self: &Arc<Self>) -> Latch {
        self.latches.fetch_add(1, Ordering::AcqRel);
        self.started.store(true, Ordering::Release);
        Latch(Arc::clone(self))
    }

    /// Whether a latch was taken and all were dropped.
    pub fn is_ready(&self) -> bool {
        self.started.load(Ordering::Acquire) && self.latches.load(Ordering::Acquire) == 0
    }

    /// Reports progress; an agent that did so once must do so again within [`LIVE_WITHIN`].
    pub fn progress(&self) {
        self.progress_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// Whether the last progress is recent.
    pub fn is_live(&self) -> bool {
        let last = self.progress_ms.load(Ordering::Relaxed);
        last == 0 || now_ms() - last < LIVE_WITHIN.as_millis() as i64
    }

    /// Logs an error and keeps it as the last one.
    pub fn error(&self, error: impl std::fmt::Display) {
        let text = format!("{error:#}");
        tracing::error!(error = text, "the agent met an error");
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock() = Some(text);
    }

    /// How many errors there were.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Forgets the last error: what had failed works again.
    pub fn clear_error(&self) {
        *self.last_error.lock() = None;
    }

    /// The last error, if none cleared it.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
