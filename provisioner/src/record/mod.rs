//! Records: what was last applied to a resource and that the stack made it, signed with a key of the stack, so that a tag
//! that somebody else wrote proves nothing ([why](../../../docs/decisions/record.md)).

mod keeping;
mod key;
mod signature;
mod signer;

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::resource::Address;
pub use keeping::{Heir, Judge, Keep, Records};
pub use key::PublicKey;
pub use signature::Signature;
pub use signer::{ACTIONS, Found, Key, Signer};

/// The version of the format: what the value of the tag begins with.
const FORMAT: &str = "2:";
/// Where a record's signed text says what it is, so that a signature of anything else is none of a record.
const RECORD: &str = "lakewright record 2";
/// The same of a text that stands beside the lease.
const DOCUMENT: &str = "lakewright document 2";

/// Which stack in which account and region a record is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The stack's name.
    pub stack: String,
    /// The twelve-digit account.
    pub account: String,
    /// The region.
    pub region: String,
}

/// A record: the value of the tag `lakewright:applied`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The serial of the document beside the lease when it was signed: later ones are greater.
    pub serial: u64,
    /// The signature of [`Record::text`].
    pub signature: Signature,
    /// The hashes of what was applied, without their format.
    pub hashes: String,
}

impl Record {
    /// What a record of these hashes says of the resource of that address and identifier. Every part of it is quoted, so that
    /// no two records say the same.
    pub fn text(scope: &Scope, address: &Address, id: &str, hashes: &str, serial: u64) -> String {
        let Scope { stack, account, region } = scope;
        let (address, serial) = (address.to_string(), serial.to_string());
        let hashes = hashes.strip_prefix(FORMAT).unwrap_or(hashes);
        Value::from(vec![RECORD, stack, account, region, &address, id, hashes, &serial]).to_string()
    }

    /// Whether the key signed it for the resource of that address and identifier.
    pub fn is_of(&self, scope: &Scope, address: &Address, id: &str, key: &PublicKey) -> bool {
        key.verifies(&Self::text(scope, address, id, &self.hashes, self.serial), &self.signature)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT}{}:{}:{}", self.serial, self.signature, self.hashes)
    }
}

impl FromStr for Record {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.strip_prefix(FORMAT).ok_or(())?.split(':');
        let (Some(serial), Some(signature), Some(hashes), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let serial = serial.parse().map_err(|_| ())?;
        Ok(Self { serial, signature: signature.parse()?, hashes: hashes.to_owned() })
    }
}

/// The text that is signed for a document: the SHA-256 of its members in one order, whatever wrote it. KMS takes no more
/// than 4,096 bytes.
pub fn document_text(document: &Value) -> String {
    format!("{DOCUMENT}\n{}", hex::encode(Sha256::digest(ordered(document).to_string())))
}

/// The value with the members of its objects in the order of their names.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.iter().map(|(name, member)| (name.clone(), ordered(member))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(ordered).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
