//! Fields that are read and passed over.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::super::decode::{Decode, Decoder, Node};
use super::super::diagnostics::Diagnostic;

/// What a field had once that has no effect any more: whatever stands there is read, with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired;

impl Decode for Retired {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let title = format!("`{}` has no effect any more", decoder.path());
        decoder.warnings.push(Diagnostic::new(node.span(), title, "is passed over").help("remove the line"));
        Some(Self)
    }

    fn placeholder() -> Self {
        Self
    }

    fn json(&self) -> Value {
        Value::Null
    }
}

impl JsonSchema for Retired {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Retired".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "deprecated": true })
    }
}
