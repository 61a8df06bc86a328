//! Schemas by id: kept, fetched once, and waited for while their registry can't be asked.

mod cache;
mod confluent;
mod glue;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::Schema;
use crate::reject::Reject;
use crate::wire::SchemaId;

pub use cache::Schemas;
pub use confluent::{Confluent, in_place};
pub use glue::Glue;

/// What a registry holds under an id: how the data of such messages is written.
#[derive(Debug, Clone)]
pub enum Body {
    /// Avro's binary encoding by this schema.
    Avro(Arc<Schema>),
    /// JSON text.
    Json,
}

/// Why a schema isn't had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// There is none that this id could be read by: its messages can't be read, whatever happens.
    #[error("{0}")]
    Reject(Reject),
    /// The registry doesn't say now: nothing is known of the messages, and nothing may be said of them.
    #[error("{0}")]
    Unavailable(Unavailable),
}

/// A registry that can't be asked now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Unavailable {
    /// What happened, with the registry's place.
    pub error: String,
    /// When it is worth asking again; asking earlier gives the same error without a request.
    pub retry_in: Duration,
}

/// What a registry answered.
#[derive(Debug)]
pub enum Answer {
    /// An Avro schema, with those that it refers to in front, each after those that it refers to itself.
    Avro {
        /// The schema's text.
        text: String,
        /// The texts of those that it refers to.
        references: Vec<String>,
    },
    /// A schema for JSON.
    Json,
    /// There is no such id, or nothing where it refers to: the sentence says so. It may be registered yet.
    Missing(Reject),
    /// What it stands for is of no use, now or ever: the sentence says why.
    Unreadable(Reject),
}

/// The newest schema that messages of a topic may be written by.
#[derive(Debug)]
pub struct Newest {
    /// Its number among those of its subject.
    pub version: i64,
    /// What it is.
    pub answer: Answer,
    /// Which schemas may follow it.
    pub compatibility: Compatibility,
}

/// Which schemas may follow one, as registries say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// Any.
    None,
    /// Those that read what was written before.
    Backward,
    /// Those whose data is read by those before.
    Forward,
    /// Both.
    Full,
    /// No more schema is taken.
    Disabled,
}

impl Compatibility {
    /// What a registry's word means, whether it holds for the last schema or for all; `None` for another word.
    pub fn of(word: &str) -> Option<Self> {
        let word = word.strip_suffix("_TRANSITIVE").or_else(|| word.strip_suffix("_ALL")).unwrap_or(word);
        Some(match word {
            "NONE" => Self::None,
            "BACKWARD" => Self::Backward,
            "FORWARD" => Self::Forward,
            "FULL" => Self::Full,
            "DISABLED" => Self::Disabled,
            _ => return None,
        })
    }

    /// The word of both registries.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::Forward => "FORWARD",
            Self::Full => "FULL",
            Self::Disabled => "DISABLED",
        }
    }
}

/// Why a registry doesn't say what an id stands for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoAnswer {
    /// It says nothing to anybody: it can't be reached, is slow, throttles, or doesn't let the caller in.
    #[error("{0}")]
    Registry(String),
    /// It says nothing of use for this id; other ids may be asked for meanwhile.
    #[error("{0}")]
    Id(String),
}

/// A registry.
#[async_trait]
pub trait Registry: Send + Sync {
    /// What the registry says of an id, within a bounded time.
    ///
    /// # Errors
    /// It doesn't say now.
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer>;
}
