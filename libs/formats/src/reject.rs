//! Why a message isn't read.

use std::fmt;

/// Why a message can't be read, now or ever. Its `Display` is one sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Reject {
    /// What counts it.
    pub cause: Cause,
    message: String,
}

/// The causes of rejects, as metrics count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The bytes before the data aren't those of the wire format.
    Header,
    /// The schema doesn't exist, or isn't one.
    Schema,
    /// The data isn't what its schema says.
    Data,
    /// The data is sound, and nothing here can hold it.
    Unsupported,
    /// The message is no change event.
    Envelope,
}

impl Cause {
    /// The word that labels its metric.
    pub fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Schema => "schema",
            Self::Data => "data",
            Self::Unsupported => "unsupported",
            Self::Envelope => "envelope",
        }
    }
}

impl Reject {
    pub(crate) fn of(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }

    /// The same, counted otherwise if the data was to blame.
    pub(crate) fn because(self, cause: Cause) -> Self {
        Self { cause: if self.cause == Cause::Data { cause } else { self.cause }, ..self }
    }

    pub(crate) fn header(message: impl Into<String>) -> Self {
        Self { cause: Cause::Header, message: message.into() }
    }

    pub(crate) fn schema(message: impl Into<String>) -> Self {
        Self { cause: Cause::Schema, message: message.into() }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self { cause: Cause::Unsupported, message: message.into() }
    }
}

/// How many parts of the way to a value are shown.
const PARTS: usize = 8;

/// Where in a value something is wrong, and what. Boxed, so that success costs no more than a pointer.
#[derive(Debug)]
pub(crate) struct Wrong(Box<Place>);

#[derive(Debug)]
struct Place {
    cause: Cause,
    message: String,
    /// The way to it, from the inside out.
    path: Vec<String>,
}

impl Wrong {
    #[cold]
    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self(Box::new(Place { cause: Cause::Data, message: message.into(), path: Vec::new() }))
    }

    #[cold]
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self(Box::new(Place { cause: Cause::Unsupported, message: message.into(), path: Vec::new() }))
    }

    /// It is inside this.
    #[cold]
    pub(crate) fn inside(mut self, part: impl fmt::Display) -> Self {
        match self.0.path.len() {
            0..PARTS => self.0.path.push(shown(&part.to_string())),
            PARTS => self.0.path.push("…".to_owned()),
            _ => {}
        }
        self
    }

    /// Whether the data is sound, and nothing here can hold it.
    pub(crate) fn is_unsupported(&self) -> bool {
        self.0.cause == Cause::Unsupported
    }

    /// The reject of the whole message.
    pub(crate) fn into_reject(self) -> Reject {
        let Place { cause, message, path } = *self.0;
        let mut way = String::new();
        for part in path.iter().rev() {
            if !way.is_empty() && !part.starts_with('[') {
                way.push('.');
            }
            way.push_str(part);
        }
        let message = if way.is_empty() { message } else { format!("`{way}`: {message}") };
        Reject { cause, message }
    }
}

/// The beginning of a text of others, for messages.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
