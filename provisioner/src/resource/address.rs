//! Where resources stand in a stack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plain;

/// Where a resource stands in a stack: `kind.name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The kind's name, `vpc`.
    pub kind: String,
    /// The name within the kind, `main`; letters, digits, `-`, `_` and, of what was replaced, `@`.
    pub name: String,
}

impl Address {
    /// The address `kind.name`.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }

    /// The address that what has been replaced and still exists had before, `role.app` of `role.app@1f3c2b`.
    pub fn before_replaced(&self) -> Option<Self> {
        self.name.split_once(REPLACED).map(|(name, _)| Self::new(&self.kind, name))
    }

    /// The reference to an output of this resource, `${kind.name.output}`.
    pub fn output(&self, output: &str) -> String {
        format!("${{{self}.{output}}}")
    }
}

/// What stands in the address of a resource that has been replaced and still exists.
pub const REPLACED: char = '@';

/// The address among those that is meant by a text with a slip or two in it.
pub fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a Address>) -> Option<String> {
    let known = known.map(ToString::to_string).map(|one| (strsim::damerau_levenshtein(text, &one), one));
    known.min().filter(|(distance, _)| *distance <= 3).map(|(_, one)| one)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some((kind, name)) if is_kind(kind) && is_name(name) => Ok(Self::new(kind, name)),
            _ => {
                let text = plain::line(text);
                Err(format!("`{text}` is no address; addresses look like kind.name, as in bucket.raw"))
            }
        }
    }
}

/// Whether a text has the shape of a kind's name.
fn is_kind(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits)
}

/// Whether a text has the shape of a name within a kind: what a file can say, and `@` of what was replaced. A topic's
/// section may have 249 characters.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
    (1..=256).contains(&text.len()) && text.chars().all(fits)
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_what_a_file_can_say() {
        for text in ["bucket.raw", "launch_template.app-1", "subnet.a@0a1b2c", "object.T_1", "queue2.x"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.to_owned()));
        }
        let long = format!("topic.{}", "x".repeat(257));
        for text in [
            "bucket",
            "bucket.",
            ".raw",
            "bucket.raw.x",
            "Bucket.raw",
            "1.raw",
            "bucket.a b",
            "bucket.a\nb",
            "bucket.a|b",
            "bucket.`a`",
            "bucket.\u{1b}[2J",
            "bucket.\u{202e}a",
            "bucket.å",
            "bucket.\"a",
            "buck et.a",
            &long,
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        let said = "bucket.\u{1b}[2J\n@admins".parse::<Address>().expect_err("no address");
        assert!(said.starts_with(r"`bucket.\x1b[2J\n@admins` is no address"), "{said}");
    }

    proptest! {
        #[test]
        fn whatever_a_tag_says_an_address_holds_nothing_that_acts(text in "[a-z_]{1,6}\\.(?s:.){0,6}|(?s:.){0,12}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(&address.to_string(), &text);
                prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c)));
            }
        }
    }
}
