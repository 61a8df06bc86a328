//! Columns that a table has from its messages: which those are, and what they are called.

use std::collections::BTreeMap;

use crate::reading::KafkaPart;
use crate::tables::raw_columns;
use crate::{UNKNOWN_COLUMN, reading::NEW_COLUMNS};

/// The property of a catalog's table that says which of its columns agents added, as [`Evolved`] writes it.
pub const EVOLVED: &str = "lakewright.evolved";

/// The longest name of a column, in bytes: a stack file declares none that is longer.
const LONGEST: usize = 128;

/// Names that Iceberg's readers give columns of their own. Source: apache/iceberg, `MetadataColumns`.
const OF_ICEBERG: [&str; 12] = [
    "_file",
    "_pos",
    "_deleted",
    "_spec_id",
    "_partition",
    "_row_id",
    "_last_updated_sequence_number",
    "_change_type",
    "_change_ordinal",
    "_commit_snapshot_id",
    "file_path",
    "pos",
];

/// The columns that agents added to a table: the ids of their fields, with the members that fill them. Ids stay when somebody
/// renames a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evolved(BTreeMap<i32, String>);

impl Evolved {
    /// What a table's properties say; nothing where they don't.
    ///
    /// # Errors
    /// The property isn't what [`Evolved::written`] makes.
    pub fn read(property: Option<&str>) -> Result<Self, String> {
        let Some(text) = property else { return Ok(Self::default()) };
        serde_json::from_str(text).map(Self).map_err(|error| {
            format!(
                "the table's property `{EVOLVED}` says which columns came from messages, and `{}` isn't that: {error}; set it to \
                 `{{}}`, and declare the columns that shall stay",
                text.chars().take(80).collect::<String>()
            )
        })
    }

    /// The property's value.
    pub fn written(&self) -> String {
        serde_json::to_string(&self.0).expect("ids and names are plain JSON")
    }

    /// Adds a column.
    pub fn add(&mut self, id: i32, member: &str) {
        self.0.insert(id, member.to_owned());
    }

    /// The member that fills a column which an agent added.
    pub fn member(&self, id: i32) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }

    /// Forgets those columns that a condition doesn't hold for.
    pub fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        self.0.retain(|id, _| keep(*id));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The name of the column that a member becomes: in lower case, for Athena doesn't distinguish. `None` if it has one that not
/// all readers take as it is: other characters than letters and digits of ASCII and `_`, or a digit first.
pub fn evolved_name(member: &str) -> Option<String> {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins = |name: &str| !name.starts_with(|first: char| first.is_ascii_digit());
    let fits = (1..=LONGEST).contains(&member.len()) && is_plain(member) && begins(member);
    let name = member.to_ascii_lowercase();
    (fits && !OF_ICEBERG.contains(&name.as_str())).then_some(name)
}

/// Names of columns that a table has, or may have one day, for what isn't in its messages.
pub fn own_names() -> Vec<String> {
    let parts = [KafkaPart::Key, KafkaPart::KeyBytes, KafkaPart::Headers, KafkaPart::Timestamp];
    let parts = parts.iter().map(|part| part.column().to_owned());
    let raw = raw_columns().into_iter().map(|column| column.name);
    raw.chain(parts).chain([UNKNOWN_COLUMN.to_owned()]).collect()
}

impl crate::Reading {
    /// So many columns come from messages at most.
    pub fn most_new_columns(&self) -> usize {
        self.max_new_columns.unwrap_or(NEW_COLUMNS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut evolved = Evolved::default();
        evolved.add(12, "orderId");
        evolved.add(7, "colour");
        assert_eq!(evolved.written(), r#"{"7":"colour","12":"orderId"}"#);
        assert_eq!(Evolved::read(Some(&evolved.written())), Ok(evolved));
        assert_eq!(Evolved::read(None), Ok(Evolved::default()));
        assert!(Evolved::read(Some("[1]")).expect_err("no map").contains("set it to `{}`"));
    }

    #[test]
    fn names_are_those_that_every_reader_takes() {
        for (member, name) in [("colour", "colour"), ("orderId", "orderid"), ("__op", "__op"), ("a1", "a1")] {
            assert_eq!(evolved_name(member).as_deref(), Some(name));
        }
        let long = "a".repeat(129);
        for member in ["", "order-id", "a.b", "1st", "größe", "a b", "_file", "POS", long.as_str()] {
            assert_eq!(evolved_name(member), None, "{member}");
        }
    }
}
