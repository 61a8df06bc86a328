//! What every kind's `Spec` is made with: its fields, its schema, its defaults.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, bail};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kind::{Changing, Comparing, Field};
use crate::resource::Address;

/// The kind's methods that only state facts about its `Spec`: name, summary, fields, outputs, schema, normalise.
/// The last argument, if there is one, brings a spec to the form in which AWS gives it back.
macro_rules! describes {
    ($name:literal, $summary:literal, $fields:expr, $outputs:expr $(, $canonical:expr)?) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn summary(&self) -> &'static str {
            $summary
        }

        fn fields(&self) -> &'static [$crate::kind::Field] {
            $fields
        }

        fn schema(&self) -> serde_json::Value {
            $crate::kinds::spec::schema::<Spec>()
        }

        fn normalise(&self, spec: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
            #[allow(unused_mut, reason = "only some kinds have a canonical form beyond their defaults")]
            let mut spec: Spec = $crate::kinds::spec::typed(spec)?;
            $($canonical(&mut spec)?;)?
            Ok($crate::kinds::spec::value(&spec))
        }

        fn outputs(&self) -> &'static [&'static str] {
            $outputs
        }
    };
}
pub(super) use describes;

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

/// The JSON Schema of a `Spec`.
pub(super) fn schema<S: JsonSchema>() -> Value {
    schemars::schema_for!(S).to_value()
}

/// The spec as its type.
pub(super) fn typed<S: DeserializeOwned>(spec: &Value) -> Result<S> {
    serde_json::from_value(spec.clone()).context("read the spec")
}

/// The type as a spec.
pub(super) fn value<S: Serialize>(spec: &S) -> Value {
    serde_json::to_value(spec).expect("a spec holds only what JSON has: string keys, finite numbers")
}

/// A field's text; empty if the field is absent or holds none.
pub(super) fn text<'a>(spec: &'a Value, field: &str) -> &'a str {
    spec[field].as_str().unwrap_or_default()
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

/// Refuses a name or description that EC2 wouldn't take of a security group or a rule; references are known later.
pub(super) fn plain(what: &str, text: &str) -> Result<()> {
    let takes = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if let Some(other) = text.chars().find(|c| !takes(*c)) {
        bail!("a {what} can't hold `{other}`: only letters, digits, spaces and ._-:/()#,@[]+=&;{{}}!$*");
    }
    if text.chars().count() > 255 {
        bail!("a {what} has 255 characters at most");
    }
    Ok(())
}

/// Whether two specs have different texts in a field; what is known only after apply differs from every identifier.
pub(super) fn differs(live: &Value, spec: &Value, field: &str) -> bool {
    live[field] != spec[field]
}

/// The address that a text refers to, if it is one reference and nothing else.
pub(super) fn reference(text: &str) -> Option<Address> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    let (address, _output) = inner.rsplit_once('.')?;
    address.parse().ok()
}
