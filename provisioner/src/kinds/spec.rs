//! What every kind's `Spec` is made with: its fields, its schema, its defaults.

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kind::{Changing, Comparing, Field};

/// The kind's methods that only state facts about its `Spec`: name, summary, fields, outputs, schema, normalise.
macro_rules! describes {
    ($name:literal, $summary:literal, $spec:ty, $fields:expr, $outputs:expr) => {
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
            $crate::kinds::spec::schema::<$spec>()
        }

        fn normalise(&self, spec: &serde_json::Value) -> anyhow::Result<serde_json::Value> {
            $crate::kinds::spec::normalise::<$spec>(spec)
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

/// The spec with every default filled in.
pub(super) fn normalise<S: DeserializeOwned + Serialize>(spec: &Value) -> Result<Value> {
    Ok(value(&typed::<S>(spec)?))
}

/// The spec as its type.
pub(super) fn typed<S: DeserializeOwned>(spec: &Value) -> Result<S> {
    serde_json::from_value(spec.clone()).context("read the spec")
}

/// The type as a spec.
pub(super) fn value<S: Serialize>(spec: &S) -> Value {
    serde_json::to_value(spec).expect("a spec holds only what JSON has: string keys, finite numbers")
}

/// The default of a switch that is on.
pub(super) const fn yes() -> bool {
    true
}
