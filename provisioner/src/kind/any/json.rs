//! Specs and what exists as JSON, and back.

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kind::{Found, Kind, Observed};
use crate::resource::{Live, Whose};

/// JSON as a type of the kind.
pub(super) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).context("read the spec")
}

/// What a kind observed; what isn't there is what was observed of nothing.
pub(super) fn observed<O: Observed>(value: &Value) -> Result<O> {
    if value.is_null() { Ok(O::default()) } else { decode(value) }
}

/// A type of the kind as JSON.
pub(super) fn encode<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a spec holds only what JSON has: string keys, finite numbers")
}

/// Whether two specs differ in one of these fields.
pub(in crate::kind) fn differ<S: Serialize>(fields: &[&str], one: &S, other: &S) -> bool {
    let (one, other) = (encode(one), encode(other));
    fields.iter().any(|field| one.get(field) != other.get(field))
}

/// What a kind found, for the planner.
pub(super) fn erased<S: Serialize, O: Serialize>(found: Found<S, O>, is_tagless: bool) -> Live {
    Live {
        address: found.address,
        id: found.id,
        spec: encode(&found.spec),
        observed: encode(&found.observed),
        departures: found.departures,
        tags: (!is_tagless).then_some(found.tags),
        parts: found.parts,
        outputs: found.outputs,
        applied: found.applied,
        whose: Whose::Own,
        condition: found.condition,
        foreign: found.foreign,
        holds: found.holds,
        is_empty: found.is_empty,
    }
}

/// What the planner knows, for the kind.
pub(super) fn typed<K: Kind>(live: &Live) -> Result<Found<K::Spec, K::Observed>> {
    let Live { address, id, spec, observed, departures, outputs, applied, condition, foreign, holds, is_empty, .. } =
        live.clone();
    let unreadable = || format!("what exists of {address} can't be read");
    Ok(Found {
        spec: decode(&spec).with_context(unreadable)?,
        observed: self::observed(&observed).with_context(unreadable)?,
        departures,
        tags: live.tags.clone().unwrap_or_default(),
        parts: live.parts.clone(),
        address,
        id,
        outputs,
        applied,
        condition,
        foreign,
        holds,
        is_empty,
    })
}
