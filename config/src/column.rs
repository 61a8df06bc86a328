//! The columns of a table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::column_type::ColumnType;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, as Glue takes one: 255 characters at most, no line breaks.
    #[schemars(length(min = 1, max = 255), extend("not" = more_than_a_line()))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether a message without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What it means, for the catalog: 255 characters at most, no line breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), extend("not" = more_than_a_line()))]
    pub doc: Option<String>,
    /// The name that it had before; messages may still carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("not" = more_than_a_line()))]
    pub was: Option<String>,
}

impl Column {
    /// A column that may be missing in messages.
    pub fn new(name: &str, column_type: ColumnType) -> Self {
        Self { name: name.to_owned(), column_type, required: false, doc: None, was: None }
    }
}

/// Control characters, line breaks among them and tabs not: Glue takes none in a column's name and comment
/// (<https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html>).
pub const CONTROL: &str = r"[\x00-\x08\x0a-\x1f\uFFFE\uFFFF]";

/// The `not` of the schemas of texts that are one line.
fn more_than_a_line() -> serde_json::Value {
    let fix = "write it without line breaks and other control characters";
    serde_json::json!({"anyOf": [{"type": "string", "pattern": CONTROL, "description": fix}]})
}
