//! How the rows of a table are sorted.

use std::fmt;
use std::str::FromStr;

use crate::tables::PartitionField;
use crate::written::serde_as_text;

/// A part of a sort order, written `sold_at`, `sold_at desc`, `day(sold_at) desc` or `country nulls last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortField {
    /// What is compared: a column, or a transform of it as for partitions.
    pub by: PartitionField,
    /// Whether the greatest values come first.
    pub descending: bool,
    /// Whether nulls come before all values: as a rule where the least come first, as Iceberg's default is.
    pub nulls_first: bool,
}

impl FromStr for SortField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no sort field; write COLUMN or a transform of one, then desc, nulls first or nulls last",
                text.trim()
            )
        };
        let lower = text.trim().to_lowercase();
        let (rest, nulls_first) = match (lower.strip_suffix(" nulls first"), lower.strip_suffix(" nulls last")) {
            (Some(rest), _) => (rest, Some(true)),
            (_, Some(rest)) => (rest, Some(false)),
            (None, None) => (lower.as_str(), None),
        };
        let (rest, descending) = match (rest.trim_end().strip_suffix(" desc"), rest.trim_end().strip_suffix(" asc")) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            (None, None) => (rest, false),
        };
        // What was found at the end is ASCII, so that lower case has as many bytes.
        let by = text.trim().get(..rest.trim_end().len()).ok_or_else(wrong)?;
        let by: PartitionField = by.parse()?;
        if by.column.is_empty() || by.column.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self { by, descending, nulls_first: nulls_first.unwrap_or(!descending) })
    }
}

impl fmt::Display for SortField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nulls = match (self.descending, self.nulls_first) {
            (true, true) => " nulls first",
            (false, false) => " nulls last",
            _ => "",
        };
        write!(f, "{}{}{nulls}", self.by, if self.descending { " desc" } else { "" })
    }
}

serde_as_text!(SortField, "SortField", "sold_at desc");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_fields_round_trip() {
        for text in ["country", "sold_at desc", "day(sold_at) desc nulls first", "bucket(16, user_id) nulls last"] {
            assert_eq!(text.parse::<SortField>().expect(text).to_string(), text);
        }
        let same =
            [("a asc", "a"), (" a  DESC  nulls  last", ""), ("a desc nulls last", "a desc"), ("A Desc", "A desc")];
        for (text, shown) in same {
            assert_eq!(text.parse::<SortField>().map(|field| field.to_string()).unwrap_or_default(), shown, "{text}");
        }
        for wrong in ["", "a b", "a up", "desc(a)", "a nulls"] {
            assert!(wrong.parse::<SortField>().is_err(), "{wrong}");
        }
    }
}
