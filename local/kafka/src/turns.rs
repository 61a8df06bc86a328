//! The order of what is asked of one transactional id.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// Beyond this many locks those that nobody holds are dropped.
const LOCKS: usize = 1000;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// One lock per transactional id: its requests come one after the other.
#[derive(Debug, Default)]
pub struct Turns {
    locks: Mutex<HashMap<String, Lock>>,
}

impl Turns {
    /// Waits for the other requests of a transactional id.
    pub async fn turn(&self, id: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock();
            if locks.len() > LOCKS {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            locks.entry(id.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}
