//! Types of fields, and how many fields an index has.

use serde::{Deserialize, Serialize};

/// How many fields an index has at most, unless its template says otherwise.
pub const MOST: usize = 1000;

impl FieldType {
    /// As mappings have it.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Whole numbers.
    Long,
    /// Other numbers.
    Float,
    /// Other numbers of 64 bits.
    Double,
    /// True or false.
    Boolean,
    /// RFC 3339 times.
    Date,
    /// Text, and as a whole under `.keyword`.
    Text,
    /// Text as a whole.
    Keyword,
    /// Addresses.
    Ip,
    /// Places on the earth.
    GeoPoint,
    /// Bytes in Base64, in which nothing is found.
    Binary,
    /// An object with fields of its own.
    Object,
    /// An object whose values are found by their paths, whatever they are.
    Flattened,
    /// Whatever it is: nothing is found in it.
    Disabled,
}
