//! What an apply and a sweep do with records: the lease signs and remembers them, and somebody who knows them says whose a
//! thing is.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;

use crate::resource::Address;

/// Who signs records and remembers what was recorded, while an apply runs.
#[async_trait]
pub trait Keep: Send + Sync + fmt::Debug {
    /// The value of the tag for these hashes.
    async fn sign(&self, address: &Address, id: &str, hashes: &str) -> Result<String>;

    /// Remembers that the thing exists; `applied` are the hashes of one that can't carry them.
    async fn exists(&self, address: &Address, id: &str, applied: Option<&str>);

    /// Remembers that the thing was deleted.
    async fn gone(&self, address: &Address, id: &str);
}

/// Who knows whose things are, while they are read.
#[async_trait]
pub trait Judge: Send + Sync + fmt::Debug {
    /// Whether what carries the stack's tags is the stack's; `applied` is its record.
    async fn is_own(&self, address: &Address, id: &str, applied: Option<&str>) -> bool;

    /// The seal that the stack's key signed of what carries no tags; none where nobody can verify that.
    async fn seal(&self, _address: &Address) -> Option<String> {
        None
    }
}

/// What has the place of something that is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Heir {
    /// Nothing, and nothing is to.
    #[default]
    Nobody,
    /// Nothing exists at the address, where the file wants something.
    Missing(Address),
    /// What has this identifier: this apply made it or changed it, or it was known to be the stack's when the plan was made.
    Known(String),
}

/// The records of a stack, as far as kinds and an apply need them.
#[derive(Debug, Clone, Default)]
pub struct Records {
    keep: Option<Arc<dyn Keep>>,
    judge: Option<Arc<dyn Judge>>,
    heir: Heir,
}

impl Records {
    /// The same, kept in that place.
    #[must_use]
    pub fn kept_by(self, keep: Arc<dyn Keep>) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// The same, judged by that one.
    #[must_use]
    pub fn judged_by(self, judge: Arc<dyn Judge>) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// The same for the deletion of something that has that heir.
    #[must_use]
    pub fn left_to(self, heir: Heir) -> Self {
        Self { heir, ..self }
    }

    /// What has the place of the thing that is being deleted. Tags don't say it: anybody may write them.
    pub fn heir(&self) -> &Heir {
        &self.heir
    }

    /// The value of the tag for these hashes: signed where a lease is held, else the hashes alone, which prove nothing.
    pub async fn sign(&self, address: &Address, id: &str, hashes: &str) -> Result<String> {
        match &self.keep {
            Some(keep) => keep.sign(address, id, hashes).await,
            None => Ok(hashes.to_owned()),
        }
    }

    /// Remembers that the thing exists; `applied` are the hashes of one that can't carry them.
    pub async fn exists(&self, address: &Address, id: &str, applied: Option<&str>) {
        if let Some(keep) = &self.keep {
            keep.exists(address, id, applied).await;
        }
    }

    /// Remembers that the thing was deleted.
    pub async fn gone(&self, address: &Address, id: &str) {
        if let Some(keep) = &self.keep {
            keep.gone(address, id).await;
        }
    }

    /// Whether what carries the stack's tags is the stack's; where nobody knows, it is.
    pub async fn is_own(&self, address: &Address, id: &str, applied: Option<&str>) -> bool {
        match &self.judge {
            Some(judge) => judge.is_own(address, id, applied).await,
            None => true,
        }
    }

    /// The seal that is remembered of what carries no tags; none where nobody knows.
    pub async fn seal(&self, address: &Address) -> Option<String> {
        self.judge.as_ref()?.seal(address).await
    }
}
