//! What the shipper ships beside its topics: log files and the journal of its own host.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::FieldType;

/// The longest name of a source.
pub const LONGEST_NAME: usize = 40;
/// Names of indices end so, which no source may be called.
const RESERVED: [&str; 2] = ["outside", "rejected"];

/// A source on the shipper's own host. It has a position of its own for the index and another one for the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalSource {
    /// What is read.
    pub from: Origin,
    /// The member of a record that holds its time, RFC 3339. Lines that are no JSON object, and entries of the journal, get it.
    #[serde(default = "time_field")]
    pub time_field: String,
    /// A longer record, in bytes, comes in pieces.
    #[serde(default = "super::max_record")]
    pub max_record: u64,
    /// The types of members of its records in the index, by name or by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldType>,
    /// How many days an index of a day is kept after it was made. Without it, until somebody deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// Files.
    Files(FilesConfig),
    /// The systemd journal.
    Journal(JournalConfig),
}

/// Log files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// Absolute paths with `*`, `?`, `[…]` and `**`.
    pub paths: Vec<String>,
    /// Of those, the ones that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Where a record ends.
    #[serde(default)]
    pub framing: Framing,
    /// After how many milliseconds without growth a record of several lines ends.
    #[serde(default = "quiet_ms")]
    pub quiet_ms: u64,
}

/// Where a record ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// With each line.
    #[default]
    Lines,
    /// Before the next line that the regular expression fits.
    Begins(String),
    /// Before the next line that begins with neither space nor tab.
    Indented,
}

/// The systemd journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// Of which units; of all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
}

/// The default of [`LocalSource::time_field`].
pub fn time_field() -> String {
    "timestamp".to_owned()
}

/// The default of [`FilesConfig::quiet_ms`].
pub const fn quiet_ms() -> u64 {
    2_000
}

/// What the names of a source's indices begin with, of a shipper whose own begin with `index`.
pub fn index_of(index: &str, source: &str) -> String {
    format!("{index}-{source}")
}

/// What is wrong with the name of a source: it stands in names of indices, objects and files.
pub fn name_mistake(name: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
        return Some("at most 40 small letters, digits, `-` and `_`");
    }
    if !name.as_bytes()[0].is_ascii_lowercase() {
        return Some("a small letter comes first");
    }
    RESERVED.contains(&name).then_some("an index of the shipper's own is called so")
}

/// What is wrong with the name of a unit: it is an argument of `journalctl`, and may be a pattern.
pub fn unit_mistake(unit: &str) -> Option<&'static str> {
    let is_of_units = |byte: u8| byte.is_ascii_alphanumeric() || br"-_.:@\*?[]".contains(&byte);
    if unit.is_empty() || unit.len() > 255 || !unit.bytes().all(is_of_units) {
        return Some("letters, digits and `-_.:@\\`, and `*` and `?` in patterns, at most 255 of them");
    }
    unit.starts_with('-').then_some("a unit's name doesn't begin with `-`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_indices_objects_and_files() {
        for name in ["app", "agents-2", "a_b"] {
            assert_eq!(name_mistake(name), None, "{name}");
        }
        for name in ["", "App", "a.b", "2", "-a", "../x", "rejected", "outside", &"a".repeat(41)] {
            assert!(name_mistake(name).is_some(), "{name}");
        }
    }

    #[test]
    fn units_are_none_of_journalctls_options() {
        for unit in ["sshd.service", "lakewright-*", "getty@tty1.service", "sys-devices\\x2d.device"] {
            assert_eq!(unit_mistake(unit), None, "{unit}");
        }
        for unit in ["", "--file=/etc/passwd", "a b", "a/b", "x\ny"] {
            assert!(unit_mistake(unit).is_some(), "{unit}");
        }
    }
}
