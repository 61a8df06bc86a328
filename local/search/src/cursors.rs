//! Searches that go on: scrolls and points in time, each a snapshot that is kept until its time is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::Value;

use crate::answer::SearchError;
use crate::date::millis;
use crate::search::End;
use crate::snapshot::Snapshot;

/// How many there are at most, as Elasticsearch has it.
const MOST: usize = 500;
/// How many bytes their requests have at most.
const MOST_BYTES: usize = 4 << 20;
/// How often those go whose time is over.
const SWEPT: Duration = Duration::from_secs(10);
/// How long one may be kept after each request, as Elasticsearch has it.
const LONGEST: Duration = Duration::from_hours(24);

/// A search that goes on.
#[derive(Clone)]
pub struct Cursor {
    /// What is searched.
    pub snapshot: Arc<Snapshot>,
    /// The request; none for a point in time.
    pub body: Option<Arc<Value>>,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// Where the last page ended.
    pub end: Option<End>,
}

struct Kept {
    cursor: Cursor,
    until: Instant,
}

/// All of them, by their ids.
#[derive(Default)]
pub struct Cursors(Mutex<HashMap<String, Kept>>);

impl Cursors {
    /// An empty one, in which nothing stays much longer than its time, whether it is asked for or not.
    pub fn swept() -> Arc<Self> {
        let all = Arc::new(Self::default());
        let swept = Arc::downgrade(&all);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEPT).await;
                let Some(all) = swept.upgrade() else { return };
                all.sweep();
            }
        });
        all
    }

    fn sweep(&self) {
        let now = Instant::now();
        self.0.lock().retain(|_, kept| kept.until > now);
    }

    /// Keeps one; gives its id.
    ///
    /// # Errors
    /// There are too many, or their requests are too long.
    pub fn keep(&self, cursor: Cursor, keep: Duration) -> Result<String, SearchError> {
        self.sweep();
        let mut all = self.0.lock();
        let bytes: usize = all.values().map(|kept| kept.cursor.bytes).sum();
        if all.len() >= MOST || bytes + cursor.bytes > MOST_BYTES {
            return Err(SearchError {
                status: 429,
                kind: "too_many_scroll_contexts_exception",
                reason: format!(
                    "Trying to create too many scroll contexts. Must be less than or equal to: [{MOST}], and [{MOST_BYTES}] bytes"
                ),
            });
        }
        let id = format!("{:032x}", rand::rng().random::<u128>());
        all.insert(id.clone(), Kept { cursor, until: Instant::now() + keep });
        Ok(id)
    }

    /// What a point in time shows; it is kept for longer.
    ///
    /// # Errors
    /// There is none with this id, or its time is over.
    pub fn point(&self, id: &str, keep: Option<Duration>) -> Result<Arc<Snapshot>, SearchError> {
        let cursor = self.get(id, keep)?;
        if cursor.body.is_some() {
            return Err(SearchError::illegal(format!("[{id}] is a scroll, no point in time")));
        }
        Ok(cursor.snapshot)
    }

    /// One, which is kept for longer.
    ///
    /// # Errors
    /// There is none with this id, or its time is over.
    pub fn get(&self, id: &str, keep: Option<Duration>) -> Result<Cursor, SearchError> {
        let mut all = self.0.lock();
        let now = Instant::now();
        let kept = all.get_mut(id).filter(|kept| kept.until > now);
        let kept = kept.ok_or_else(|| SearchError {
            status: 404,
            kind: "search_context_missing_exception",
            reason: format!("No search context found for id [{id}]"),
        })?;
        if let Some(keep) = keep {
            kept.until = now + keep;
        }
        Ok(kept.cursor.clone())
    }

    /// Takes note of where a page ended.
    pub fn ended(&self, id: &str, end: End) {
        if let Some(kept) = self.0.lock().get_mut(id) {
            kept.cursor.end = Some(end);
        }
    }

    /// Lets those go; none for all. How many there were.
    pub fn free(&self, ids: Option<&[String]>, is_scroll: bool) -> usize {
        let mut all = self.0.lock();
        let before = all.len();
        all.retain(|id, kept| kept.cursor.body.is_some() != is_scroll || ids.is_some_and(|ids| !ids.contains(id)));
        before - all.len()
    }
}

/// A time to keep something: `1m`, `30s`, `500ms`, `1h`, `1d`.
///
/// # Errors
/// It is none, or too long.
pub fn keep_alive(text: &str) -> Result<Duration, SearchError> {
    let millis = millis(text).filter(|millis| *millis > 0).and_then(|millis| u64::try_from(millis).ok());
    let keep = millis.map(Duration::from_millis);
    let keep =
        keep.ok_or_else(|| SearchError::illegal(format!("failed to parse setting [keep_alive] with value [{text}]")))?;
    if keep > LONGEST {
        return Err(SearchError::illegal(format!(
            "Keep alive for request ({text}) is too large. It must be less than (1d)"
        )));
    }
    Ok(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_keep_are_read() {
        for (text, millis) in [("1m", 60_000), ("30s", 30_000), ("500ms", 500), ("1d", 86_400_000)] {
            assert_eq!(keep_alive(text).expect(text), Duration::from_millis(millis));
        }
        for wrong in ["", "m", "0s", "-1m", "2d", "1w", "99999999999999999999s"] {
            assert_eq!(keep_alive(wrong).expect_err("refused").status, 400, "{wrong}");
        }
    }
}
