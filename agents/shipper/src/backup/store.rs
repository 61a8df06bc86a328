//! Objects in S3: written once, and found by their begin.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use lakewright_aws::{Objects, Put};
use lakewright_platform::Backoff;
use lakewright_runtime::Agent;

use crate::backup::object::Open;
use crate::backup::place::{self, Named};
use crate::metrics::PipeMetrics;
use crate::source::{Place, Stream};

/// Where the backup is.
#[derive(Debug)]
pub struct Store {
    /// The objects of S3.
    pub objects: Objects,
    /// The bucket.
    pub bucket: String,
    /// What all names begin with, without a slash at the end.
    pub prefix: String,
    /// The agent.
    pub agent: Agent,
    /// What is reported.
    pub metrics: PipeMetrics,
}

/// An object that is full.
#[derive(Debug)]
pub struct Closed {
    /// Whose records they are.
    pub stream: Arc<Stream>,
    /// The position after its last record.
    pub next: u64,
    /// Its name.
    pub key: String,
    /// Its bytes.
    pub packed: Bytes,
}

impl Store {
    /// A full object of a stream.
    pub fn closed(&self, stream: &Arc<Stream>, open: Open) -> Closed {
        let span = (open.first, open.next.saturating_sub(1).max(open.first));
        let key = place::name(&self.prefix, &stream.folder, &open.day, span);
        Closed { stream: Arc::clone(stream), next: open.next, key, packed: Bytes::from(open.packed) }
    }

    /// The position after the longest object that begins with the record at a place, if there is one.
    ///
    /// # Errors
    /// The agent's shutdown came before S3 answered.
    pub async fn found(&self, place: &Place, day: String) -> Result<Option<u64>> {
        let begin = place::begin(&self.prefix, place, &day);
        let mut backoff = Backoff::default();
        let listed = loop {
            match self.objects.list(&self.bucket, &begin).await {
                Ok(listed) => break listed,
                Err(error) => self.again(&mut backoff, ("list", &begin), error).await?,
            }
        };
        self.metrics.trouble.of("list").ends();
        let ends = listed.iter().filter_map(|listed| Named::of(&self.prefix, &listed.key)).map(|named| named.last + 1);
        Ok(ends.max())
    }

    /// Writes an object unless it is there. Before the agent's shutdown it is tried until it succeeds.
    ///
    /// # Errors
    /// The agent's shutdown came before S3 took it.
    pub async fn put(&self, closed: Closed) -> Result<Closed> {
        let mut backoff = Backoff::default();
        while !closed.stream.is_ended() {
            let options =
                Put { content_type: Some("application/zstd".to_owned()), if_none_match: true, ..Put::default() };
            match self.objects.put(&self.bucket, &closed.key, closed.packed.clone(), options).await {
                Ok(_) => {
                    self.metrics.objects.increment(1);
                    break;
                }
                // An attempt whose answer was lost, or another shipper's: of the same name, it has the same records.
                Err(error) if error.is_precondition_failed() => break,
                Err(error) => self.again(&mut backoff, ("write", &closed.key), error).await?,
            }
        }
        self.metrics.trouble.of("write").ends();
        Ok(closed)
    }

    /// Says what fails, and waits; an error at the agent's shutdown.
    async fn again(
        &self,
        backoff: &mut Backoff,
        (what, key): (&str, &str),
        error: lakewright_aws::Error,
    ) -> Result<()> {
        let error = anyhow::Error::new(error).context(format!("{what} the backup s3://{}/{key}", self.bucket));
        self.metrics.trouble.of(what).begins(format!("{error:#}"));
        self.metrics.retries.increment(1);
        if backoff.wait(&self.agent.shutdown).await {
            return Ok(());
        }
        Err(error).context("stopped while S3 takes nothing")
    }
}
