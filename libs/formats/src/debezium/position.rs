//! Where a change stands in its source's log, as one text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::push_string;

/// The members of `source` that place a change, of all connectors.
#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, default)]
    lsn: Option<&'a RawValue>,
    #[serde(borrow, default)]
    file: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pos: Option<&'a RawValue>,
    #[serde(borrow, default)]
    row: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gtid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    commit_lsn: Option<&'a RawValue>,
    #[serde(borrow, default)]
    change_lsn: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_serial_no: Option<&'a RawValue>,
    #[serde(borrow, default)]
    scn: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resume_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ord: Option<&'a RawValue>,
}

/// Writes the position, or null if the source has none: PostgreSQL `lsn`; MySQL `file:pos:row`, with ` gtid` behind it if it
/// has one; SQL Server `commit_lsn:change_lsn:event_serial_no`; Oracle `scn`; MongoDB `resume_token` or `ord`.
///
/// # Errors
/// `source` is no object.
pub(crate) fn push(source: Option<&str>, out: &mut String) -> Result<(), String> {
    let Some(source) = source else {
        out.push_str("null");
        return Ok(());
    };
    let source: Source<'_> = serde_json::from_str(source).map_err(|error| format!("`source`: {error}"))?;
    let ways: [&[Option<&RawValue>]; 6] = [
        &[source.lsn],
        &[source.file, source.pos, source.row],
        &[source.commit_lsn, source.change_lsn, source.event_serial_no],
        &[source.scn],
        &[source.resume_token],
        &[source.ord],
    ];
    let mut position = String::new();
    if let Some(parts) = ways.into_iter().find(|parts| parts[0].is_some()) {
        for (index, part) in parts.iter().flatten().enumerate() {
            if index > 0 {
                position.push(':');
            }
            position.push_str(&text(part.get()));
        }
    }
    if let Some(gtid) = source.gtid {
        if !position.is_empty() {
            position.push(' ');
        }
        position.push_str(&text(gtid.get()));
    }
    if position.is_empty() {
        out.push_str("null");
    } else {
        push_string(&position, out);
    }
    Ok(())
}

/// A string's text, and all else as it is written.
fn text(json: &str) -> Cow<'_, str> {
    serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned)
}
