//! How many requests a process has under way to one host at the same time.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests to one host wait for the beginning of their answers at the same time. Each has a connection: the local
/// account takes 512 for everybody who asks it, and AWS slows a caller down long before that many are of use.
pub const IN_FLIGHT: usize = 128;

/// The places of each host, by scheme and authority. A service of AWS has a host of its own: while one is slow, requests to the
/// others, as the renewal of a lease in S3, go on.
static HOSTS: LazyLock<Mutex<HashMap<String, Arc<Semaphore>>>> = LazyLock::new(Mutex::default);

/// A place among the requests to a host; those who wait get theirs in turn.
///
/// It is held for one attempt, and no longer than until the head of the answer is there: whoever holds one waits for the host alone,
/// never for another place.
pub async fn place(host: &str) -> OwnedSemaphorePermit {
    let places = HOSTS.lock().entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT))).clone();
    places.acquire_owned().await.expect("nobody closes it")
}
