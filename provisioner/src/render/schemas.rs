//! The JSON Schemas of all resource kinds, for editors and tests.

use serde_json::{Map, Value};

use crate::kind::AnyKind;

/// The JSON Schema of each kind's fields, by kind.
pub fn json(kinds: &[&dyn AnyKind]) -> Value {
    kinds.iter().map(|kind| (kind.name().to_owned(), kind.schema())).collect::<Map<_, _>>().into()
}
