//! How the things of a kind are tagged: by calls of its service, which are the same for all of the service's kinds.

use std::fmt::Debug;

use anyhow::Result;
use async_trait::async_trait;

use super::{Context, Outcome};

/// How a service's things are tagged.
#[async_trait]
pub trait Tagging: Debug + Send + Sync {
    /// The operations that it asks.
    fn actions(&self) -> &'static [&'static str];

    /// Writes tags on what the outcome names, which may have been made just now.
    async fn write(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()>;

    /// Takes tags away; those that aren't there are no error.
    async fn remove(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()>;
}
