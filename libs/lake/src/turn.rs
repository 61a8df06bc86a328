//! A turn at a table, for a writer that others were faster than too often: it asks them to wait while it commits.
//!
//! It is advice, in one object beside the table's metadata. No commit rests on it: whoever doesn't see it, or sees it too late, meets the
//! same condition as without it. Nobody waits longer than the object says by a clock of its own, and nobody waits twice for the same one:
//! a writer that dies in its turn holds up each other writer once.

use std::time::{Duration, Instant};

use lakewright_aws::{Aws, Error, Objects, Put};
use lakewright_config::s3;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The object's name. Removal of orphans leaves hidden files alone.
const NAME: &str = "metadata/.lakewright-turn";
/// No writer waits longer for one turn, whatever the object says.
const LONGEST: Duration = Duration::from_secs(15);
/// The pause between looks at another writer's turn.
const LOOK: Duration = Duration::from_millis(100);
/// No answer is waited for longer.
const ANSWER: Duration = Duration::from_secs(2);
/// For so long others' turns are waited for before a writer goes on without one.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    /// Distinguishes it from every other one.
    id: Uuid,
    /// For how long others wait at most, in milliseconds.
    at_most_ms: u64,
}

impl Asked {
    fn at_most(self) -> Duration {
        Duration::from_millis(self.at_most_ms).min(LONGEST)
    }
}

/// The turns at one table, as one of its writers sees them.
#[derive(Debug)]
pub struct Turns {
    objects: Objects,
    bucket: String,
    key: String,
    /// The turn that this writer has.
    own: Option<Asked>,
    /// Another's turn that this writer waited for.
    waited_for: Option<Uuid>,
}

impl Turns {
    /// Those at the table in this folder, `s3://BUCKET/PREFIX`; `None` where it is no such folder.
    pub fn at(aws: &Aws, location: &str) -> Option<Self> {
        let (bucket, prefix) = s3::object(location)?;
        let key = format!("{}/{NAME}", prefix.trim_end_matches('/'));
        Some(Self { objects: aws.objects(), bucket: bucket.to_owned(), key, own: None, waited_for: None })
    }

    /// Waits while another writer has a turn; returns whether it had to. Meanwhile the table has changed, as like as not.
    pub async fn give_way(&mut self) -> bool {
        let Some((asked, _)) = self.another().await else { return false };
        let began = Instant::now();
        while began.elapsed() < asked.at_most() {
            tokio::time::sleep(LOOK).await;
            if self.another().await.is_none_or(|(now, _)| now.id != asked.id) {
                return true;
            }
        }
        if let Some((_, etag)) = self.another().await.filter(|(now, _)| now.id == asked.id) {
            // Its time is over: whoever comes later needn't wait for it.
            let deleting = self.objects.delete_unchanged(&self.bucket, &self.key, &etag);
            _ = tokio::time::timeout(ANSWER, deleting).await;
        }
        self.waited_for = Some(asked.id);
        true
    }

    /// Takes a turn for so long at most, after the writers who have one; returns whether it has it.
    pub async fn take(&mut self, at_most: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.give_way().await;
            match tokio::time::timeout(ANSWER, self.ask(at_most)).await {
                Ok(Ok(true)) => return true,
                // Another one was faster with this too.
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(key = self.key, %error, "a turn could not be asked for");
                    return false;
                }
                Err(_) => return false,
            }
        }
        false
    }

    /// Ends this writer's turn.
    pub async fn end(&mut self) {
        let Some(own) = self.own.take() else { return };
        // Should it stay, this writer doesn't wait for itself.
        self.waited_for = Some(own.id);
        let ending = async {
            match self.found().await? {
                Some((asked, etag)) if asked == own => {
                    self.objects.delete_unchanged(&self.bucket, &self.key, &etag).await.map(drop)
                }
                _ => Ok(()),
            }
        };
        match tokio::time::timeout(ANSWER, ending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(key = self.key, %error, "a turn could not be ended; others wait until its time is over");
            }
            Err(_) => tracing::debug!(key = self.key, "a turn may not have ended; others wait until its time is over"),
        }
    }

    /// Another writer's turn that wasn't waited for yet, with the object's ETag. What can't be read is none.
    async fn another(&self) -> Option<(Asked, String)> {
        let found = tokio::time::timeout(ANSWER, self.found()).await.ok()?.unwrap_or_else(|error| {
            tracing::debug!(key = self.key, %error, "whether another writer has a turn could not be read");
            None
        });
        found.filter(|(asked, _)| !self.is_past(asked))
    }

    /// Whether a turn is this writer's, or was waited for.
    fn is_past(&self, asked: &Asked) -> bool {
        Some(*asked) == self.own || Some(asked.id) == self.waited_for
    }

    async fn found(&self) -> Result<Option<(Asked, String)>, Error> {
        match self.objects.get(&self.bucket, &self.key, None).await {
            Ok(object) => Ok(serde_json::from_slice(&object.body).ok().map(|asked| (asked, object.etag))),
            // Where the right to list has a condition on the prefix, S3 answers so for an object that isn't there.
            Err(error) if error.is_not_found() || error.is_denied() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the object, if it still is what this writer may take the place of; false where it isn't.
    async fn ask(&mut self, at_most: Duration) -> Result<bool, Error> {
        let before = self.found().await?;
        if before.as_ref().is_some_and(|(asked, _)| !self.is_past(asked)) {
            return Ok(false);
        }
        let at_most_ms = u64::try_from(at_most.min(LONGEST).as_millis()).unwrap_or_default();
        let asked = Asked { id: Uuid::new_v4(), at_most_ms };
        let body = serde_json::to_vec(&asked).expect("numbers and texts are JSON").into();
        let etag = before.map(|(_, etag)| etag);
        let put = Put { if_none_match: etag.is_none(), if_match: etag, ..Put::default() };
        // Without an answer it may be there all the same: `end` looks.
        self.own = Some(asked);
        match self.objects.put(&self.bucket, &self.key, body, put).await {
            Ok(_) => Ok(true),
            // It is gone, or another one's; or this is the repetition of a request whose answer was lost.
            Err(error) if error.is_precondition_failed() || error.is_not_found() => {
                let is_own = self.found().await?.is_some_and(|(now, _)| now == asked);
                self.own = self.own.filter(|_| is_own);
                Ok(is_own)
            }
            Err(error) => Err(error),
        }
    }
}
