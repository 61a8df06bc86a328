//! What stands in a stack's lease object: who applies until when, and what the last apply left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{PublicKey, Scope, document_text};
use crate::resource::Address;

/// The version of the format; a document of a later one is left alone.
pub const VERSION: u32 = 2;
/// The version before, in which nothing was signed: it is read until the first signature.
pub const FORMER: u32 = 1;

/// The lease object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The version of the format.
    pub version: u32,
    /// Counts the writes, so that a writer whose answer was lost knows its own; never less than the seconds since 1970, so
    /// that a document that is made anew counts on.
    pub serial: u64,
    /// What client tokens are made of; a new one after every apply that came to its end.
    pub nonce: String,
    /// Who applies; nobody when absent.
    pub holder: Option<Holder>,
    /// Until when, on S3's clock.
    pub expires: Millis,
    /// When the stack's key was about to be made, until it has its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_noted: Option<Millis>,
    /// The ARN of the key that a destroy is about to delete: what was signed with it is forgotten by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_going: Option<String>,
    /// What the stack knows of itself. Who holds the lease stands outside of it: renewing a lease and taking one away take
    /// no right to sign.
    #[serde(default)]
    pub memory: Memory,
    /// The signature of the memory; absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What a stack knows of itself, signed as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The stack's name.
    pub stack: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The document's serial when this was signed; records have it too.
    pub serial: u64,
    /// When it was signed, on S3's clock.
    pub at: Millis,
    /// The ARN of the key that signs it.
    pub key: String,
    /// What an apply was about to make when it was last heard of, and when.
    pub intents: BTreeMap<Address, Millis>,
    /// What an apply was to make and may have made without being able to sign it.
    pub making: BTreeSet<Address>,
    /// What lived after the last apply.
    pub lived: BTreeMap<Address, Lived>,
    /// The hashes of what was last applied to what carries no tags.
    pub applied: BTreeMap<Address, String>,
    /// What lived by a document of the version before, which named no identifiers, and hasn't got its record yet.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub former: BTreeSet<Address>,
    /// What `recover` did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Entry>,
}

/// A resource that lived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lived {
    /// Its identifier.
    pub id: String,
    /// The least serial that its record may have; 0 of what carries none.
    #[serde(default)]
    pub serial: u64,
}

/// What somebody decided beside applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// Who, as the lease names its holder.
    pub by: String,
    /// What was done.
    pub what: String,
}

/// A document of the version before.
#[derive(Serialize, Deserialize)]
struct Former {
    version: u32,
    serial: u64,
    nonce: String,
    holder: Option<Holder>,
    expires: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_noted: Option<Millis>,
    #[serde(default)]
    intents: BTreeMap<Address, Millis>,
    #[serde(default)]
    lived: BTreeSet<Address>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    applied: BTreeMap<Address, String>,
}

impl Document {
    /// The document in a JSON value of either version.
    pub fn read(value: Value) -> Result<Self, serde_json::Error> {
        if value["version"] != FORMER {
            return serde_json::from_value(value);
        }
        let former: Former = serde_json::from_value(value)?;
        let Former { version, serial, nonce, holder, expires, key_noted, intents, lived, applied } = former;
        let memory = Memory { intents, applied, former: lived, ..Memory::default() };
        Ok(Self { version, serial, nonce, holder, expires, key_noted, key_going: None, memory, signature: None })
    }

    /// The JSON text, in the document's own version.
    pub fn written(&self) -> Vec<u8> {
        let written = if self.version == FORMER {
            let Self { version, serial, nonce, holder, expires, key_noted, memory, .. } = self.clone();
            let Memory { intents, applied, former: lived, .. } = memory;
            let former = Former { version, serial, nonce, holder, expires, key_noted, intents, lived, applied };
            serde_json::to_vec_pretty(&former)
        } else {
            serde_json::to_vec_pretty(self)
        };
        written.expect("the document holds only what JSON has")
    }

    /// Whether nothing was signed when it was written.
    pub fn is_former(&self) -> bool {
        self.version == FORMER
    }

    /// Whether the key signed the memory, for this stack in this account and region.
    pub fn is_signed(&self, scope: &Scope, key: &PublicKey) -> bool {
        let signature = self.signature.as_ref().and_then(|signature| signature.parse().ok());
        signature.is_some_and(|signature| self.memory.is_of(scope) && key.verifies(&self.memory.text(), &signature))
    }
}

impl Memory {
    /// The text that is signed.
    pub fn text(&self) -> String {
        document_text(&serde_json::to_value(self).expect("the document holds only what JSON has"))
    }

    /// Whether it is this stack's.
    fn is_of(&self, scope: &Scope) -> bool {
        self.stack == scope.stack && self.account == scope.account && self.region == scope.region
    }

    /// The addresses of what lived after the last apply.
    pub fn addresses(&self) -> BTreeSet<Address> {
        self.lived.keys().chain(&self.former).cloned().collect()
    }

    /// What it remembers of the thing under that address.
    pub fn listed(&self, address: &Address, id: &str) -> Option<&Lived> {
        self.lived.get(address).filter(|lived| lived.id == id)
    }

    /// Whether it remembers the thing under any address of its kind: what carries no tags may be found under another one.
    pub fn lists(&self, kind: &str, id: &str) -> bool {
        self.lived.iter().any(|(address, lived)| address.kind == kind && lived.id == id)
    }

    /// Whether an apply that had no time to sign may have made what stands at the address.
    pub fn may_have_made(&self, address: &Address) -> bool {
        self.making.contains(address) || self.intents.contains_key(address)
    }
}

/// Milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// A process, distinguished from all others: by boot, process namespace, number and start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The boot and the namespace of process numbers; empty when they aren't known.
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_of_the_version_before_is_read_and_kept_as_it_is() {
        let text = json!({
            "version": 1, "serial": 7, "nonce": "n", "holder": null, "expires": 0, "intents": {"vpc.main": 5},
            "lived": ["bucket.raw", "topic.events"], "applied": {"topic.events": "1:aaaabbbb"},
        });
        let document = Document::read(text.clone()).expect("a document");
        assert!(document.is_former());
        assert_eq!(
            document.memory.addresses(),
            BTreeSet::from(["bucket.raw", "topic.events"].map(|a| a.parse().expect(a)))
        );
        assert_eq!(serde_json::from_slice::<Value>(&document.written()).expect("JSON"), text);
    }

    #[test]
    fn what_isnt_signed_is_nobodys_word() {
        let scope = Scope { stack: "shop".into(), account: "123456789012".into(), region: "eu-north-1".into() };
        let text = json!({"version": 2, "serial": 7, "nonce": "n", "holder": null, "expires": 0, "memory": {
            "stack": "shop", "account": "123456789012", "region": "eu-north-1"}});
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").expect("hexadecimal");
        let key = PublicKey::read(&[&head[..], &[4; 65]].concat()).expect("a key");
        let document = Document::read(text).expect("a document");
        assert!(!document.is_signed(&scope, &key));
        assert!(!Document { signature: Some("x".repeat(86)), ..document }.is_signed(&scope, &key));
    }

    #[test]
    fn a_process_is_known_to_run_or_to_have_ended() {
        let this = Process::this();
        assert!(this.started > 0);
        assert!(!this.has_ended());
        assert!(Process { started: this.started + 1, ..this.clone() }.has_ended());
        assert!(!Process { space: "elsewhere".into(), started: 1, ..this }.has_ended());
    }
}
