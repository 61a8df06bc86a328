//! From Avro's binary encoding to JSON text, in one pass over the bytes and without values in between.

use crate::calendar::{Unit, push_date, push_time, push_timestamp};
use crate::cursor::Cursor;
use crate::decimal::{push_decimal, push_scaled};
use crate::reject::{Reject, Wrong};
use crate::schema::{Enum, Node, NodeId, Record, Schema};
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
    let start = out.len();
    let limit = start + message.len().saturating_mul(TEXT_PER_BYTE).clamp(TEXT_AT_LEAST, TEXT_AT_MOST);
    let mut transcoder = Transcoder { schema, input: Cursor::new(message), out, limit, depth: 0 };
    let outcome = transcoder.value(schema.root).and_then(|()| match transcoder.input.left() {
        0 => Ok(()),
        left => Err(Wrong::data(format!("{left} bytes are left over after the value"))),
    });
    outcome.map_err(|wrong| {
        out.truncate(start);
        wrong.into_reject()
    })
}

struct Transcoder<'a> {
    schema: &'a Schema,
    input: Cursor<'a>,
    out: &'a mut String,
    /// How long the text may become.
    limit: usize,
    depth: u32,
}

impl Transcoder<'_> {
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
            Node::Date => push_date(i64::from(self.input.int()?), self.out).map_err(Wrong::unsupported)?,
            Node::Time(unit) => {
                let value = if *unit == Unit::Millis { i64::from(self.input.int()?) } else { self.input.long()? };
                push_time(value, *unit, self.out).map_err(Wrong::unsupported)?;
            }
            Node::Timestamp { unit, zoned } => {
                let value = self.input.long()?;
                push_timestamp(value, *unit, *zoned, self.out).map_err(Wrong::unsupported)?;
            }
            Node::Decimal { scale, fixed, .. } => {
                let bytes = match fixed {
                    Some(fixed) => self.input.take(fixed.size, "a fixed")?,
                    None => self.input.bytes()?,
                };
                push_decimal(bytes, *scale, self.out).map_err(Wrong::unsupported)?;
            }
            Node::Uuid(fixed) => push_uuid(self.input.take(fixed.size, "a uuid")?, self.out),
            Node::Duration(_) => {
                return Err(Wrong::unsupported(
                    "a duration is months, days and milliseconds, which no column type holds; send it as a number or text",
                ));
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
        Err(Wrong::unsupported(format!("{value} has no text in JSON, and no column takes it")))
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
            self.value(field.node).map_err(|wrong| wrong.inside(&field.name))?;
        }
        self.out.push('}');
        self.depth -= 1;
        Ok(())
    }

    /// A number that brings its scale.
    fn scaled(&mut self) -> Done {
        let scale = self.input.int()?;
        let bytes = self.input.bytes()?;
        push_scaled(bytes, i64::from(scale), self.out).map_err(Wrong::unsupported)
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
                self.value(items).map_err(|wrong| wrong.inside(format_args!("[{index}]")))?;
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
                self.value(values).map_err(|wrong| wrong.inside(format_args!("[{}]", crate::reject::shown(key))))?;
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
