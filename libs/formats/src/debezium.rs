//! Debezium's change events: from an envelope with the row before and after to one row that says what happened.

mod connect;
mod members;
mod position;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::reject::{Cause, Reject, Wrong, shown};
use crate::taken::{Refusal, Taken};
use connect::{Envelopes, Kind};
use members::members;

/// The members that are added to a row, in their order: the operation (`c`reate, `u`pdate, `d`elete, `r`ead by a snapshot),
/// when the connector processed it in milliseconds since 1970, where it stands in the source's log, and whether the row is gone.
pub const MEMBERS: [&str; 4] = ["__op", "__ts_ms", "__position", "__deleted"];

/// Why a message is no row although nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// A key without a value, which follows a delete so that the topic can be compacted.
    Tombstone,
    /// The source's table was emptied.
    Truncate,
    /// A message of the source's application in the log, of no table.
    Message,
}

impl Skipped {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Tombstone, Self::Truncate, Self::Message];

    /// The word that labels its metric.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Truncate => "truncate",
            Self::Message => "message",
        }
    }
}

/// Takes rows out of envelopes. It keeps what it learnt of their schemas, at most a mebibyte of them.
#[derive(Debug, Default, Clone)]
pub(crate) struct Unwrapper {
    envelopes: Envelopes,
}

/// What of an envelope's row becomes columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// By `before` and `after`.
    pub(crate) taken: &'a Taken,
    /// The values of the envelope that have no text and are taken.
    pub(crate) refusals: &'a [Refusal],
}

/// An envelope, or what is around it when its schema comes with it.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    schema: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    op: Option<&'a RawValue>,
    #[serde(borrow, default)]
    before: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ts_ms: Option<&'a RawValue>,
}

/// A member that is there, null or not.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

fn envelope(message: impl Into<String>) -> Reject {
    Reject::of(Cause::Envelope, message)
}

fn outer(text: &str) -> Result<Outer<'_>, Reject> {
    // Serde takes an array for its members in order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(envelope(format!("the message is no JSON object of Debezium: {}", shown(text))));
    }
    serde_json::from_str(text).map_err(|error| envelope(format!("the message is no JSON object of Debezium: {error}")))
}

impl Unwrapper {
    /// Appends the row of an envelope with [`MEMBERS`]; `None` when it did.
    ///
    /// # Errors
    /// It is no envelope, or a value isn't what the schema that came with it says. Nothing is appended then.
    pub(crate) fn unwrap(&mut self, text: &str, taken: Row<'_>, out: &mut String) -> Result<Option<Skipped>, Reject> {
        if text.trim_ascii() == "null" {
            return Ok(Some(Skipped::Tombstone));
        }
        let start = out.len();
        let outcome = self.event(text, taken, out);
        if !matches!(outcome, Ok(None)) {
            out.truncate(start);
        }
        outcome
    }

    fn event(&mut self, text: &str, taken: Row<'_>, out: &mut String) -> Result<Option<Skipped>, Reject> {
        let whole = outer(text)?;
        let (Some(payload), None) = (whole.payload, whole.op) else {
            return row(&whole, (&Kind::Plain, &Kind::Plain), taken, out);
        };
        if payload.get() == "null" {
            return Ok(Some(Skipped::Tombstone));
        }
        let inner = outer(payload.get())?;
        match whole.schema.map(RawValue::get).filter(|schema| *schema != "null") {
            None => row(&inner, (&Kind::Plain, &Kind::Plain), taken, out),
            Some(schema) => {
                let kinds = self.envelopes.of(schema).map_err(envelope)?;
                row(&inner, (&kinds.before, &kinds.after), taken, out)
            }
        }
    }
}

fn row(
    event: &Outer<'_>,
    (before, after): (&Kind, &Kind),
    taken: Row<'_>,
    out: &mut String,
) -> Result<Option<Skipped>, Reject> {
    let Some(op) = event.op else {
        return Err(envelope(
            "the message has no `op`, so it is no change event of Debezium: one that was flattened already is of the format json or avro",
        ));
    };
    let op = op.get();
    let deleted = op == "\"d\"";
    let (part, name, kind) = if deleted { (event.before, "before", before) } else { (event.after, "after", after) };
    match op {
        "\"c\"" | "\"u\"" | "\"r\"" if part.is_none() => {
            return Err(envelope(format!("a change event with the `op` {op} lacks its `after`")));
        }
        "\"c\"" | "\"u\"" | "\"r\"" | "\"d\"" => {}
        "\"t\"" => return Ok(Some(Skipped::Truncate)),
        "\"m\"" => return Ok(Some(Skipped::Message)),
        other => return Err(envelope(format!("{} is no `op` of Debezium", shown(other)))),
    }
    if let Some(refusal) = taken.refusals.iter().find(|refusal| refusal.member == name) {
        return Err(refusal.reject.clone());
    }
    let taken = taken.taken.member(name);
    out.push_str("{\"__op\":");
    out.push_str(op);
    out.push_str(",\"__ts_ms\":");
    match event.ts_ms.map(RawValue::get) {
        None => out.push_str("null"),
        Some(number) if number.parse::<i64>().is_ok() => out.push_str(number),
        Some(other) => return Err(envelope(format!("`ts_ms` is {}, no number of milliseconds", shown(other)))),
    }
    out.push_str(",\"__position\":");
    position::push(event.source.map(RawValue::get), out).map_err(envelope)?;
    out.push_str(if deleted { ",\"__deleted\":true" } else { ",\"__deleted\":false" });
    // A source may log nothing of what it deletes but the key, which then is the record's own.
    if let Some(part) = part {
        let document;
        let mut text = part.get();
        // MongoDB's rows are documents as text.
        if text.starts_with('"') {
            document = serde_json::from_str::<String>(text).map_err(|error| envelope(format!("`{name}`: {error}")))?;
            text = &document;
        }
        members(text, |member, value| {
            if MEMBERS.contains(&member) {
                return Err(Wrong::data(format!("the row has a member `{member}` of its own")));
            }
            out.push(',');
            let start = out.len();
            let Err(wrong) = kind.push_member(member, value, out) else { return Ok(()) };
            // What has no text is no loss where nobody takes it.
            if !wrong.is_unsupported() || taken.is_some_and(|taken| taken.member(member).is_some()) {
                return Err(wrong);
            }
            out.truncate(start);
            Kind::Plain.push_member(member, value, out)
        })
        .map_err(|wrong| wrong.inside(name).into_reject().because(Cause::Envelope))?;
    }
    out.push('}');
    Ok(None)
}
