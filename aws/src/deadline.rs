//! The moment after which a client sends nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// A moment on the services' clock after which a client sends nothing; it can be moved while requests are under way.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<AtomicI64>);

impl Deadline {
    /// A deadline at that time.
    pub fn at(time: SystemTime) -> Self {
        Self(Arc::new(AtomicI64::new(millis(time))))
    }

    /// Moves it.
    pub fn move_to(&self, time: SystemTime) {
        self.0.store(millis(time), Ordering::SeqCst);
    }

    /// Ends it: nothing is sent from now on.
    pub fn end(&self) {
        self.0.store(i64::MIN, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        millis(now) >= self.0.load(Ordering::SeqCst)
    }
}

/// Milliseconds since 1970.
fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
