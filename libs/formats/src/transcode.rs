//! From Avro's binary encoding to JSON text, in one pass over the bytes and without values in between.

use crate::calendar::{Unit, push_date, push_time, push_timestamp};
use crate::cursor::Cursor;
use crate::decimal::{push_decimal, push_scaled};
use crate::reject::{Reject, Wrong};
use crate::schema::{Enum, Node, NodeId, Record, Schema};
use crate::taken::{Part, Refusal, Taken, Way};
use crate::text::{ESCAPED, escaped_length, push_base64, push_double, push_long, push_string, push_uuid};

/// Records, arrays and maps within each other deeper than this are refused: the reader of the text takes no more.
pub const MAX_DEPTH: u32 = 64;

/// Items that take no bytes, as of an array of null, in one array or map at most.
const MAX_EMPTY_ITEMS: u64 = 1024;

/// The text's length is bounded by the message's: names of members are text and no bytes, so it is a multiple.
const TEXT_PER_BYTE: usize = 64;

/// What a text may always be long,
const TEXT_AT_LEAST: usize = 1 << 20;
/// and what it may be at most: a message may come compressed, of which a few kilobytes become many megabytes.
const TEXT_AT_MOST: usize = 64 << 20;

type Done = Result<(), Wrong>;

/// Appends the JSON text of a value that was written by the schema. Nothing is appended when it fails.
///
/// # Errors
/// The bytes are not such a value, or it is one that no text or column holds; the place in the value is named. What is
/// allocated until then is bounded by a multiple of the message's length, or a mebibyte, and by 64 MiB.
pub fn transcode(schema: &Schema, message: &[u8], out: &mut String) -> Result<(), Reject> {
    attempt(schema, message, None, out).map(drop).map_err(Wrong::into_reject)
}

/// The same, where a value without a text is no error unless it is taken: then it is among those that are returned, and what
/// stands for it in the text means nothing.
pub(crate) fn transcode_taken(
    schema: &Schema,
    message: &[u8],
    taken: &Taken,
    out: &mut String,
) -> Result<Vec<Refusal>, Reject> {
    match attempt(schema, message, None, out) {
        Ok(_) => Ok(Vec::new()),
        // Seldom: the way through the message is followed only then.
        Err(wrong) if wrong.is_unsupported() => {
            let way = attempt(schema, message, Some(Way::new(taken)), out).map_err(Wrong::into_reject)?;
            Ok(way.map(|way| way.refusals).unwrap_or_default())
        }
        Err(wrong) => Err(wrong.into_reject()),
    }
}

fn attempt<'a>(
    schema: &'a Schema,
    message: &'a [u8],
    way: Option<Way<'a>>,
    out: &mut String,
) -> Result<Option<Way<'a>>, Wrong> {
    let start = out.len();
    let limit = start + message.len().saturating_mul(TEXT_PER_BYTE).clamp(TEXT_AT_LEAST, TEXT_AT_MOST);
    let mut transcoder = Transcoder { schema, input: Cursor::new(message), out: &mut *out, limit, depth: 0, way };
    let outcome = transcoder.value(schema.root).and_then(|()| match transcoder.input.left() {
        0 => Ok(()),
        left => Err(Wrong::data(format!("{left} bytes are left over after the value"))),
    });
    let way = transcoder.way.take();
    match outcome {
        Ok(()) => Ok(way),
        Err(wrong) => {
            out.truncate(start);
            Err(wrong)
        }
    }
}

struct Transcoder<'a, 'o> {
    schema: &'a Schema,
    input: Cursor<'a>,
    out: &'o mut String,
    /// How long the text may become.
    limit: usize,
    depth: u32,
    /// The way to the value at hand, where values without a text are no errors.
    way: Option<Way<'a>>,
}

impl Transcoder<'_, '_> {
    fn value(&mut self, id: NodeId) -> Done {
        let schema = self.schema;
        match &schema.nodes[id] {
            Node::Null => self.out.push_str("null"),
            Node::Boolean => self.out.push_str(if self.input.boolean()? { "true" } else { "false" }),
            Node::Int => push_long(i64::from(self.input.int()?), self.out),
            Node::Long => push_long(self.input.long()?, self.out),
            Node::Float => {
                let value = self.input.float()?;
                self.double(f64::from(value))?;
            }
            Node::Double => {
                let value = self.input.double()?;
                self.double(value)?;
            }
            Node::Bytes => {
                let bytes = self.input.bytes()?;
                self.base64(bytes)?;
            }
            Node::String | Node::UuidText => {
                let text = self.input.string()?;
                self.string(text)?;
            }
            Node::Date => {
                let value = i64::from(self.input.int()?);
                self.either(|out| push_date(value, out), |out| push_long(value, out))?;
            }
            Node::Time(unit) => {
                let value = if *unit == Unit::Millis { i64::from(self.input.int()?) } else { self.input.long()? };
                self.either(|out| push_time(value, *unit, out), |out| push_long(value, out))?;
            }
            Node::Timestamp { unit, zoned } => {
                let value = self.input.long()?;
                self.either(|out| push_timestamp(value, *unit, *zoned, out), |out| push_long(value, out))?;
            }
            Node::Decimal { scale, fixed, .. } => {
                let bytes = match fixed {
                    Some(fixed) => self.input.take(fixed.size, "a fixed")?,
                    None => self.input.bytes()?,
                };
                self.either(|out| push_decimal(bytes, *scale, out), |out| push_base64(bytes, out))?;
            }
            Node::Uuid(fixed) => push_uuid(self.input.take(fixed.size, "a uuid")?, self.out),
            Node::Duration(fixed) => {
                const NO_COLUMN: &str = "a duration is months, days and milliseconds, which no column type holds; send it as a number or text";
                if self.way.is_none() {
                    return Err(Wrong::unsupported(NO_COLUMN));
                }
                let bytes = self.input.take(fixed.size, "a duration")?;
                self.either(|_| Err(NO_COLUMN.to_owned()), |out| push_base64(bytes, out))?;
            }
            Node::Fixed(fixed) => {
                let bytes = self.input.take(fixed.size, "a fixed")?;
                self.base64(bytes)?;
            }
            Node::Enum(symbols) => self.symbol(symbols)?,
            Node::Array(items) => self.array(*items)?,
            Node::Map(values) => self.map(*values)?,
            Node::Union(branches) => {
                let index = self.input.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                let Some(branch) = branch else {
                    return Err(Wrong::data(format!("branch {index} of a union of {}", branches.len())));
                };
                self.value(*branch)?;
            }
            Node::Record(record) if record.scaled => self.scaled()?,
            Node::Record(record) => self.record(record)?,
        }
        Ok(())
    }

    fn double(&mut self, value: f64) -> Done {
        if push_double(value, self.out) {
            return Ok(());
        }
        let why = format!("{value} has no text in JSON, and no column takes it");
        let text = match value {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        };
        self.either(|_| Err(why), |out| push_string(text, out))
    }

    /// Writes a value's text, or, where it has none and that is no error, what stands for it.
    fn either(
        &mut self,
        text: impl FnOnce(&mut String) -> Result<(), String>,
        instead: impl FnOnce(&mut String),
    ) -> Done {
        let start = self.out.len();
        let Err(why) = text(self.out) else { return Ok(()) };
        let Some(way) = &mut self.way else { return Err(Wrong::unsupported(why)) };
        self.out.truncate(start);
        instead(self.out);
        way.has_no_text(why);
        Ok(())
    }

    /// A part of the value at hand.
    #[inline]
    fn part(&mut self, part: Part<'_>, node: NodeId) -> Done {
        let Some(way) = &mut self.way else { return self.value(node).map_err(|wrong| wrong.inside(part)) };
        let whole = way.to(part);
        self.value(node).map_err(|wrong| wrong.inside(part))?;
        if let Some(way) = &mut self.way {
            way.back(whole);
        }
        Ok(())
    }

    fn symbol(&mut self, symbols: &Enum) -> Done {
        let index = self.input.int()?;
        let Some(text) = usize::try_from(index).ok().and_then(|index| symbols.texts.get(index)) else {
            return Err(Wrong::data(format!(
                "symbol {index} of `{}`, which has {}",
                symbols.name.full,
                symbols.texts.len()
            )));
        };
        self.out.push_str(text);
        Ok(())
    }

    /// Enters an object or array, which its end leaves.
    fn enter(&mut self) -> Done {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Wrong::unsupported(format!("values are nested deeper than {MAX_DEPTH}")));
        }
        self.bounded()
    }

    fn bounded(&self) -> Done {
        self.room_for(0)
    }

    /// There is room for so many bytes more of text.
    fn room_for(&self, more: usize) -> Done {
        if self.out.len().saturating_add(more) <= self.limit {
            return Ok(());
        }
        Err(Wrong::unsupported(format!(
            "its text is longer than {TEXT_PER_BYTE} times the message, or than {} MiB",
            TEXT_AT_MOST >> 20
        )))
    }

    fn string(&mut self, text: &str) -> Done {
        // A short one may be escaped whole.
        if text.len() > TEXT_AT_LEAST / ESCAPED {
            self.room_for(escaped_length(text))?;
        }
        push_string(text, self.out);
        Ok(())
    }

    fn base64(&mut self, bytes: &[u8]) -> Done {
        self.room_for(bytes.len().div_ceil(3) * 4)?;
        push_base64(bytes, self.out);
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Done {
        self.enter()?;
        self.out.push('{');
        for (index, field) in record.fields.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.out.push_str(&field.key);
            self.part(Part::Field(&field.name), field.node)?;
        }
        self.out.push('}');
        self.depth -= 1;
        Ok(())
    }

    /// A number that brings its scale.
    fn scaled(&mut self) -> Done {
        let scale = self.input.int()?;
        let bytes = self.input.bytes()?;
        let instead = |out: &mut String| {
            out.push_str("{\"scale\":");
            push_long(i64::from(scale), out);
            out.push_str(",\"value\":");
            push_base64(bytes, out);
            out.push('}');
        };
        self.either(|out| push_scaled(bytes, i64::from(scale), out), instead)
    }

    fn array(&mut self, items: NodeId) -> Done {
        self.enter()?;
        self.out.push('[');
        let mut index = 0_u64;
        let mut seen = 0;
        while let Some((count, end)) = self.block(items, 0, &mut seen)? {
            for _ in 0..count {
                if index > 0 {
                    self.out.push(',');
                }
                self.part(Part::Element(index), items)?;
                self.bounded()?;
                index += 1;
            }
            self.block_ends(end)?;
        }
        self.out.push(']');
        self.depth -= 1;
        Ok(())
    }

    fn map(&mut self, values: NodeId) -> Done {
        self.enter()?;
        self.out.push('{');
        let mut first = true;
        let mut seen = 0;
        while let Some((count, end)) = self.block(values, 1, &mut seen)? {
            for _ in 0..count {
                if !first {
                    self.out.push(',');
                }
                first = false;
                let key = self.input.string()?;
                self.string(key)?;
                self.out.push(':');
                self.part(Part::Key(key), values)?;
                self.bounded()?;
            }
            self.block_ends(end)?;
        }
        self.out.push('}');
        self.depth -= 1;
        Ok(())
    }

    /// The next block: how many items, no more than the bytes that are left can hold, and its end if it says one.
    fn block(&mut self, items: NodeId, key: usize, seen: &mut u64) -> Result<Option<(u64, Option<usize>)>, Wrong> {
        let (count, end) = self.input.block()?;
        if count == 0 {
            self.block_ends(end)?;
            return Ok(None);
        }
        let least = self.schema.sizes[items].saturating_add(key);
        let most = match self.input.left().checked_div(least) {
            Some(most) => most as u64,
            None => MAX_EMPTY_ITEMS.saturating_sub(*seen),
        };
        if count > most {
            return Err(Wrong::data(format!("{count} items with {} bytes left", self.input.left())));
        }
        *seen += count;
        Ok(Some((count, end)))
    }

    fn block_ends(&self, end: Option<usize>) -> Done {
        match end {
            Some(end) if end != self.input.left() => Err(Wrong::data("a block isn't as long as it says")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::Deserialize;

    use super::*;

    /// A value and its text, or why it has none.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        schema: String,
        base64: String,
        text: Option<String>,
        reject: Option<String>,
        cause: Option<String>,
    }

    /// The Spark job's transcoder is held to this one by the same cases.
    #[test]
    fn values_become_what_the_shared_cases_say() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../cases/avro.json")).expect("the cases");
        assert!(cases.len() > 70, "cases are missing");
        for case in cases {
            let schema = Schema::parse(&case.schema, &[]).expect("a schema");
            let mut text = String::new();
            let outcome = transcode(&schema, &STANDARD.decode(&case.base64).expect("Base64"), &mut text);
            let (reason, cause) = outcome.map_or_else(
                |reject| (Some(reject.to_string()), Some(reject.cause.word().to_owned())),
                |()| (None, None),
            );
            let text = Some(text).filter(|_| reason.is_none());
            assert_eq!((text, reason, cause), (case.text, case.reject, case.cause), "{} {}", case.schema, case.base64);
        }
    }
}
