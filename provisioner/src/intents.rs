//! Notes of what is about to be made, for things that neither a client token nor a unique name keeps from being made twice.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Result;
use async_trait::async_trait;

use crate::resource::Address;

/// Where notes are kept while an apply runs, and after it was killed.
#[async_trait]
pub trait Notes: Send + Sync + fmt::Debug {
    /// Notes that the resource is about to be made. Returns when an interrupted apply noted the same, on AWS's clock.
    async fn begin(&self, address: &Address) -> Result<Option<SystemTime>>;

    /// Takes the note back: AWS has refused to make it.
    async fn end(&self, address: &Address) -> Result<()>;
}

/// The notes of an apply; without a place for them nothing is noted.
#[derive(Debug, Clone, Default)]
pub struct Intents(Option<Arc<dyn Notes>>);

impl Intents {
    /// Notes in that place.
    pub fn kept_by(notes: Arc<dyn Notes>) -> Self {
        Self(Some(notes))
    }

    /// Notes that the resource is about to be made; returns when an interrupted apply was at the same point.
    pub async fn begin(&self, address: &Address) -> Result<Option<SystemTime>> {
        match &self.0 {
            Some(notes) => notes.begin(address).await,
            None => Ok(None),
        }
    }

    /// Takes the note back: AWS has refused to make it.
    pub async fn end(&self, address: &Address) -> Result<()> {
        match &self.0 {
            Some(notes) => notes.end(address).await,
            None => Ok(()),
        }
    }
}
