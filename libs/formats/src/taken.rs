//! Which parts of a message become columns: only there does a value without a text count against the message.

use std::collections::HashMap;

use crate::reject::{Reject, Wrong};

/// What of a value is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All of it.
    All,
    /// These members of a record or a map.
    Members(HashMap<String, Taken>),
    /// This of each element of an array, and of each value of a map or member of a record.
    Each(Box<Taken>),
}

impl Taken {
    /// What is taken of a member; `None`: nothing.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Members(members) => members.get(name),
            Self::Each(part) => Some(part),
        }
    }

    /// What is taken of an element; `None`: nothing.
    pub(crate) fn element(&self) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Members(_) => None,
            Self::Each(part) => Some(part),
        }
    }
}

/// A part of a value, within what it is a part of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Field(&'a str),
    Key(&'a str),
    Element(u64),
}

impl Part<'_> {
    /// What is taken of it, of what is taken of the whole.
    fn of(self, whole: &Taken) -> Option<&Taken> {
        match self {
            Self::Field(name) | Self::Key(name) => whole.member(name),
            Self::Element(_) => whole.element(),
        }
    }
}

impl std::fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Key(key) => write!(f, "[{}]", crate::reject::shown(key)),
            Self::Element(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value without a text that is taken.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The member of the message that it stands in; empty for the message itself.
    pub(crate) member: String,
    pub(crate) reject: Reject,
}

/// The way through a message, and the values without a text that are taken.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    /// What is taken of the value at hand.
    taken: Option<&'a Taken>,
    path: Vec<String>,
    /// The first one of each member of the message.
    pub(crate) refusals: Vec<Refusal>,
}

impl<'a> Way<'a> {
    /// At the message.
    pub(crate) fn new(taken: &'a Taken) -> Self {
        Self { taken: Some(taken), path: Vec::new(), refusals: Vec::new() }
    }

    /// Goes to a part of the value at hand; gives what [`Way::back`] takes.
    pub(crate) fn to(&mut self, part: Part<'_>) -> Option<&'a Taken> {
        let whole = self.taken;
        self.taken = whole.and_then(|whole| part.of(whole));
        self.path.push(part.to_string());
        whole
    }

    /// Goes back to the whole.
    pub(crate) fn back(&mut self, whole: Option<&'a Taken>) {
        self.taken = whole;
        self.path.pop();
    }

    /// The value at hand has no text.
    pub(crate) fn has_no_text(&mut self, why: String) {
        let member = self.path.first().map_or("", String::as_str);
        if self.taken.is_none() || self.refusals.iter().any(|refusal| refusal.member == member) {
            return;
        }
        let place = self.path.iter().rev().fold(Wrong::unsupported(why), Wrong::inside);
        self.refusals.push(Refusal { member: member.to_owned(), reject: place.into_reject() });
    }
}
