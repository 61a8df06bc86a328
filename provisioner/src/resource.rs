//! The values that the stages exchange: addresses, desired resources and live ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::address::{Address, REPLACED, nearest};

mod address;

/// What the stack file means: every resource that is to live.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Desired {
    /// The stack's name.
    pub stack: String,
    /// The resources in the order of the file.
    pub resources: Vec<Resource>,
    /// What is called otherwise than it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
    /// The accounts of buckets that belong to others, by the buckets' names; whatever else is asked of S3 is the account's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub foreign_buckets: BTreeMap<String, String>,
    /// Patterns with `*` of the keys of tags that are neither compared nor taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_tags: Vec<String>,
}

/// A resource that has another address now: it is kept, and only renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moved {
    /// Its address before.
    pub from: Address,
    /// Its address in the file.
    pub to: Address,
    /// The place in the stack file, in bytes.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
}

/// A resource that is to live.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resource {
    /// Its address.
    pub address: Address,
    /// The kind's `Spec` as JSON, every default filled in. Strings may hold references `${kind.name.output}`,
    /// alone or within a longer text; each makes the resource depend on that address.
    pub spec: Value,
    /// What must live first although no reference says so.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub after: BTreeSet<Address>,
    /// The tags that the stack file gives it, by key, those of its section and of the whole stack among them. None for what
    /// carries no tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Its place in the stack file, in bytes.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
}

/// A resource that exists on AWS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Live {
    /// Its address, from its tag, its name or its parent.
    pub address: Address,
    /// Its identifier on AWS, as messages name it.
    pub id: String,
    /// Its `Spec` as JSON, as read.
    pub spec: Value,
    /// What only a resource that exists has, as its kind reads it; null for nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub observed: Value,
    /// What it is otherwise than its kind makes every one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub departures: Vec<Departure>,
    /// Its tags, others' among them, without Lakewright's own and AWS's. None where it carries none, or where AWS may not show
    /// the latest yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// What it made beside itself that carries its tags too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What others may refer to.
    pub outputs: BTreeMap<String, String>,
    /// The value of its `lakewright:applied` tag: hashes of the fields last applied. None if nobody vouches for it.
    pub applied: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Whose::is_own")]
    pub whose: Whose,
    /// Whether it can be used, or is on its way.
    pub condition: Condition,
    /// Things found within it that hold data and are not ours: reported, never deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
    /// What is deleted together with it, as people name it; only of kinds where that isn't plain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// Whether it was looked into and holds nothing: no change of it loses data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_empty: bool,
}

/// What a resource made beside itself, as a group its hosts: it carries the resource's tags and is in no plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its identifier on AWS.
    pub id: String,
    /// Its tags, as [`Live::tags`].
    pub tags: BTreeMap<String, String>,
    /// Hashes of the tags that it was started with, as in a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
}

/// Whose a live resource is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The stack's: its record, or what the stack remembers, says so.
    #[default]
    Own,
    /// The stack's, and its record is of the former format, which the next apply replaces.
    Former,
    /// The stack's by what it remembers, although its record says otherwise: what is wrong with it.
    Unproven(String),
    /// Nobody's that is known: it carries the stack's tags, which anybody may write. The reason.
    Claimed(String),
}

impl Whose {
    /// Whether it is the stack's, and nothing is to be said of that.
    fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// Why it isn't known to be the stack's.
    pub fn claim(&self) -> Option<&str> {
        match self {
            Self::Claimed(reason) => Some(reason),
            _ => None,
        }
    }

    /// What is wrong with its record.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Unproven(fault) => Some(fault),
            _ => None,
        }
    }
}

/// Whether a live resource can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It can.
    Ready,
    /// It is being made or changed; the text is AWS's word for it.
    Pending(String),
    /// AWS gave it up; the text is AWS's reason.
    Failed(String),
}

/// What keeps a resource from being brought to what the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Why, as a part of a sentence: `Kafka can't take partitions away`.
    pub reason: String,
    /// What to do about it, as an order: ``write `partitions = 9` ``.
    pub fix: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason, self.fix)
    }
}

impl std::error::Error for Obstacle {}

impl Obstacle {
    /// That reason, with that fix.
    pub fn new(reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { reason: reason.into(), fix: fix.into() }
    }
}

/// What exists, or may, and couldn't be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The kind's name.
    pub kind: String,
    /// Its address; none for what may have any of the kind: with an identifier one that the stack left, without one
    /// everything of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Its identifier on AWS, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it couldn't be read.
    pub obstacle: Obstacle,
}

impl Unread {
    /// Whether it may be what stands at an address.
    pub fn means(&self, address: &Address) -> bool {
        self.address.as_ref().map_or(self.kind == address.kind, |own| own == address)
    }
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed in place, or waited for.
    Update,
    /// It is deleted and made again, or made again and then deleted.
    Replace,
    /// It is deleted.
    Delete,
}

impl Action {
    /// The word in a JSON plan.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

/// A member that a kind writes alike whatever the spec says, and that exists otherwise: no field of a spec shows it. The
/// plan does, as drift or as what time makes due, and the kind's update writes the member again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Departure {
    /// Where it would stand in a spec: within a field that `update` writes it with, `key.bucket_key`, or under a name of
    /// its own, `state`.
    pub path: String,
    /// What exists; null for nothing.
    pub live: Value,
    /// What the kind writes; null for nothing.
    pub meant: Value,
    /// Whether `meant` follows from the value that the field has: where the field itself changes, it is no departure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
    /// Whether it came with time: nobody changed anything, and the kind's update gives a new value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aged: bool,
}

impl Departure {
    /// The departure of `live` from what the kind writes; none if they are equal.
    pub fn of(path: impl Into<String>, live: impl Into<Value>, meant: impl Into<Value>) -> Option<Self> {
        let (live, meant) = (live.into(), meant.into());
        (live != meant).then(|| Self { path: path.into(), live, meant, follows: false, aged: false })
    }

    /// The same where `meant` follows from the value that the field has.
    #[must_use]
    pub fn following(self) -> Self {
        Self { follows: true, ..self }
    }

    /// The same where it came with time.
    #[must_use]
    pub fn by_age(self) -> Self {
        Self { aged: true, ..self }
    }

    /// The name that `update` is given: the first part of the path.
    pub fn field(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }
}
