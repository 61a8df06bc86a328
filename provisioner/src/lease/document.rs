//! What stands in a stack's lease object: who applies until when, and what the last apply left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};
use serde::{Deserialize, Serialize};

use crate::resource::Address;

/// The version of the format; a document of a later one is left alone.
pub const VERSION: u32 = 1;

/// The lease object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The version of the format.
    pub version: u32,
    /// Counts the writes, so that a writer whose answer was lost knows its own.
    pub serial: u64,
    /// What client tokens are made of; a new one after every apply that came to its end.
    pub nonce: String,
    /// Who applies; nobody when absent.
    pub holder: Option<Holder>,
    /// Until when, on S3's clock.
    pub expires: Millis,
    /// What an apply was about to make when it was last heard of, and when.
    #[serde(default)]
    pub intents: BTreeMap<Address, Millis>,
    /// What lived after the last apply.
    #[serde(default)]
    pub lived: BTreeSet<Address>,
    /// The hashes of what was last applied to what carries no tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied: BTreeMap<Address, String>,
}

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl From<SystemTime> for Millis {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Millis> for SystemTime {
    fn from(time: Millis) -> Self {
        SystemTime::UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", DateTime::<Local>::from(SystemTime::from(*self)).format("%H:%M:%S"))
    }
}

/// Who applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// One for each apply.
    pub id: String,
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The command, `apply`.
    pub command: String,
    /// Since when.
    pub since: Millis,
    /// The process, for those who can look whether it runs.
    pub process: Process,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, command, since, process, .. } = self;
        write!(f, "{user}@{host} ({command}, process {}, since {since})", process.pid)
    }
}

/// A process, told from all others: by boot, process namespace, number and start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The boot and the namespace of process numbers; empty when they can't be told.
    pub space: String,
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub started: u64,
}

impl Process {
    /// This one.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self { space: space().unwrap_or_default(), pid, started: started(pid).unwrap_or_default() }
    }

    /// Whether it is known to have ended: it ran where this process can see it, and isn't there.
    pub fn has_ended(&self) -> bool {
        let here = space().unwrap_or_default();
        // Where others' processes are hidden from this user, that one isn't seen says nothing.
        started(1).is_some() && !here.is_empty() && here == self.space && started(self.pid) != Some(self.started)
    }
}

/// The boot and the namespace in which process numbers mean something.
fn space() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// When a process started: the 22nd field of its `stat`, of which the second may hold anything in parentheses.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // A zombie has ended.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_to_run_or_to_have_ended() {
        let this = Process::this();
        assert!(this.started > 0);
        assert!(!this.has_ended());
        assert!(Process { started: this.started + 1, ..this.clone() }.has_ended());
        assert!(!Process { space: "elsewhere".into(), started: 1, ..this }.has_ended());
    }
}
