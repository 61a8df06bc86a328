//! What every kind's `Spec` is made with: its fields and its defaults.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};

use crate::kind::{Changing, Comparing, Field};
use crate::resource::Address;

/// A field changed by a call on the living resource, compared as a value.
pub(super) const fn in_place(name: &'static str) -> Field {
    Field { name, change: Changing::InPlace, compare: Comparing::Exactly }
}

/// A field whose change takes a new resource, compared as a value.
pub(super) const fn replaces(name: &'static str) -> Field {
    Field { name, change: Changing::Replaces, compare: Comparing::Exactly }
}

/// The same field, compared otherwise.
pub(super) const fn compared(field: Field, compare: Comparing) -> Field {
    Field { compare, ..field }
}

/// The default of a switch that is on.
pub(super) const fn yes() -> bool {
    true
}

/// A range of addresses as AWS writes it back, host bits cleared; a reference stays as it is.
pub(super) fn cidr(text: &str) -> Result<String> {
    if text.contains("${") {
        return Ok(text.to_owned());
    }
    let parts = text.split_once('/').and_then(|(ip, bits)| Some((ip.parse().ok()?, bits.parse::<u32>().ok()?)));
    match parts {
        Some((IpAddr::V4(ip), bits @ 0..=32)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            Ok(format!("{}/{bits}", Ipv4Addr::from_bits(ip.to_bits() & mask)))
        }
        Some((IpAddr::V6(ip), bits @ 0..=128)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            Ok(format!("{}/{bits}", Ipv6Addr::from_bits(ip.to_bits() & mask)))
        }
        _ => bail!("`{text}` is no range of addresses; ranges look like 10.0.0.0/16"),
    }
}

/// The address that a text refers to, if it is one reference and nothing else.
pub(super) fn reference(text: &str) -> Option<Address> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    let (address, _output) = inner.rsplit_once('.')?;
    address.parse().ok()
}
