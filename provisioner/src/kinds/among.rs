//! What a kind says of the stack's other resources: those of its own kind that have something in common with one.

use serde::de::DeserializeOwned;

use crate::charge::Others;
use crate::resource::Address;

/// What a kind says of each other resource of its own; one whose spec can't be read is reported elsewhere.
pub(super) fn of_its_kind<S: DeserializeOwned>(
    address: &Address,
    others: &Others<'_>,
    says: impl Fn(&Address, &S) -> Option<String>,
) -> Vec<String> {
    let rest = others.named(&address.kind).filter(|(other, _)| *other != address);
    rest.filter_map(|(other, spec)| says(other, &S::deserialize(spec).ok()?)).collect()
}
