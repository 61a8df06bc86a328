//! Why a record is no row of any table.

use std::fmt;
use std::str::Utf8Error;

use crate::json::Syntax;

/// Why a record is no row. Its `Display` is the sentence that stands in the dead-letter table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reject {
    /// The record has no value: a tombstone.
    NoPayload,
    NotUtf8(Utf8Error),
    Syntax(Syntax),
    /// What should hold a row, `the message` or a member of it, is JSON of another kind.
    NotAnObject {
        what: String,
        found: &'static str,
    },
    /// Its bytes can't be read by the format that they are said to have.
    Format(lakewright_formats::Reject),
    /// The envelope lacks a member.
    NoMember(String),
    /// The envelope has a member twice.
    MemberTwice(String),
    /// The member `table` is of another kind.
    TableNotText(&'static str),
    NoSuchTable(String),
    /// A value is wrong: of a column, or of a part of it, `address.zip`.
    Cell {
        column: String,
        wrong: Wrong,
    },
    /// It is a row of the table, and the table can't hold it.
    Unwritable {
        table: String,
        reason: String,
    },
    /// The code that decodes it panicked, and said this.
    Panicked(String),
}

/// What is wrong with a column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    Missing,
    Null,
    Twice,
    /// No column takes it, and the table wants none of those.
    Unknown,
    Value(String),
}

/// The causes of rejects, as metrics count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    NoPayload,
    Encoding,
    Syntax,
    Header,
    Schema,
    Data,
    Unsupported,
    Envelope,
    UnknownTable,
    Missing,
    Value,
    UnknownMember,
    Unwritable,
    Bug,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 14] = [
        Self::NoPayload,
        Self::Encoding,
        Self::Syntax,
        Self::Header,
        Self::Schema,
        Self::Data,
        Self::Unsupported,
        Self::Envelope,
        Self::UnknownTable,
        Self::Missing,
        Self::Value,
        Self::UnknownMember,
        Self::Unwritable,
        Self::Bug,
    ];

    /// The word that labels its metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NoPayload => "no_payload",
            Self::Encoding => "encoding",
            Self::Syntax => "syntax",
            Self::Header => "header",
            Self::Schema => "schema",
            Self::Data => "data",
            Self::Unsupported => "unsupported",
            Self::Envelope => "envelope",
            Self::UnknownTable => "unknown_table",
            Self::Missing => "missing",
            Self::Value => "value",
            Self::UnknownMember => "unknown_member",
            Self::Unwritable => "unwritable",
            Self::Bug => "bug",
        }
    }
}

impl Reject {
    /// What metrics count it as.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::NoPayload => Cause::NoPayload,
            Self::NotUtf8(_) => Cause::Encoding,
            Self::Syntax(_) => Cause::Syntax,
            Self::Format(reject) => match reject.cause {
                lakewright_formats::Cause::Header => Cause::Header,
                lakewright_formats::Cause::Schema => Cause::Schema,
                lakewright_formats::Cause::Data => Cause::Data,
                lakewright_formats::Cause::Unsupported => Cause::Unsupported,
                lakewright_formats::Cause::Envelope => Cause::Envelope,
            },
            Self::NotAnObject { .. } | Self::NoMember(_) | Self::MemberTwice(_) | Self::TableNotText(_) => {
                Cause::Envelope
            }
            Self::NoSuchTable(_) => Cause::UnknownTable,
            Self::Cell { wrong: Wrong::Missing | Wrong::Null, .. } => Cause::Missing,
            Self::Cell { wrong: Wrong::Unknown, .. } => Cause::UnknownMember,
            Self::Cell { .. } => Cause::Value,
            Self::Unwritable { .. } => Cause::Unwritable,
            Self::Panicked(_) => Cause::Bug,
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPayload => f.write_str("the message has no payload"),
            Self::NotUtf8(error) => write!(f, "no UTF-8: {error}"),
            Self::Syntax(syntax) => syntax.fmt(f),
            Self::Format(reject) => reject.fmt(f),
            Self::NotAnObject { what, found } => write!(f, "{what} is {found}, not an object"),
            Self::NoMember(name) => write!(f, "`{name}` is missing"),
            Self::MemberTwice(name) => write!(f, "`{name}` stands there twice"),
            Self::TableNotText(found) => write!(f, "`table` is {found}, not a string"),
            Self::NoSuchTable(name) => write!(f, "unknown table `{name}`"),
            Self::Cell { column, wrong: Wrong::Missing } => write!(f, "`{column}` is missing"),
            Self::Cell { column, wrong: Wrong::Null } => write!(f, "`{column}` is null"),
            Self::Cell { column, wrong: Wrong::Twice } => write!(f, "`{column}` stands there twice"),
            Self::Cell { column, wrong: Wrong::Unknown } => write!(f, "`{column}`: no column takes it"),
            Self::Cell { column, wrong: Wrong::Value(wrong) } => write!(f, "`{column}`: {wrong}"),
            Self::Unwritable { table, reason } => write!(f, "a row that the table {table} can't hold: {reason}"),
            Self::Panicked(said) => write!(f, "decoding it failed, which is a bug in lakewright: {said}"),
        }
    }
}

impl From<Syntax> for Reject {
    fn from(syntax: Syntax) -> Self {
        Self::Syntax(syntax)
    }
}

/// The beginning of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn causes_are_numbered_in_their_order_and_have_words_of_their_own() {
        for (number, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, number);
        }
        assert_eq!(Cause::ALL.map(Cause::word).into_iter().collect::<BTreeSet<_>>().len(), Cause::ALL.len());
    }

    #[test]
    fn a_missing_value_is_another_cause_than_a_wrong_one() {
        let cell = |wrong| Reject::Cell { column: "id".into(), wrong };
        assert_eq!(cell(Wrong::Missing).cause(), Cause::Missing);
        assert_eq!(cell(Wrong::Null).cause(), Cause::Missing);
        assert_eq!(cell(Wrong::Value("7 is no text".into())).cause(), Cause::Value);
        assert_eq!(cell(Wrong::Value("7 is no text".into())).to_string(), "`id`: 7 is no text");
    }
}
