//! Inputs and answers as CBOR (RFC 8949), which CloudWatch's newer clients speak.

use crate::clock;
use crate::error::AwsError;
use crate::protocol::DEEPEST;
use crate::protocol::json::is_time;
use chrono::DateTime;
use serde_json::{Map, Value, json};

/// What the header `smithy-protocol` says of it.
pub const PROTOCOL: &str = "rpc-v2-cbor";

/// The additional information of an item without a length.
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;

/// The input in a body; times become texts, as the query protocol sends them.
pub fn read(body: &[u8]) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let mut reader = Reader { rest: body };
    match reader.item(0) {
        Some(value @ Value::Object(_)) if reader.rest.is_empty() => Ok(value),
        Some(_) => Err(AwsError::new("SerializationException", "the input is not one map")),
        None => Err(AwsError::new("SerializationException", "the input is no CBOR")),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// The number that the additional information is, or that stands behind it.
    fn number(&mut self, information: u8) -> Option<u64> {
        let count = match information {
            0..24 => return Some(u64::from(information)),
            24..28 => 1 << (information - 24),
            _ => return None,
        };
        Some(self.take(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, information: u8) -> Option<usize> {
        usize::try_from(self.number(information)?).ok()
    }

    /// Whether the items of something without a length are at their end.
    fn ends(&mut self) -> bool {
        let ends = self.rest.first() == Some(&BREAK);
        if ends {
            self.rest = &self.rest[1..];
        }
        ends
    }

    fn bytes(&mut self, information: u8) -> Option<Vec<u8>> {
        if information != INDEFINITE {
            let length = self.length(information)?;
            return self.take(length).map(<[u8]>::to_vec);
        }
        let mut all = Vec::new();
        while !self.ends() {
            let chunk = self.take(1)?[0] & 0x1f;
            let length = self.length(chunk)?;
            all.extend_from_slice(self.take(length)?);
        }
        Some(all)
    }

    fn item(&mut self, depth: usize) -> Option<Value> {
        let first = self.take(1)?[0];
        let (major, information) = (first >> 5, first & 0x1f);
        if depth > DEEPEST {
            return None;
        }
        Some(match major {
            0 => json!(self.number(information)?),
            1 => json!(-1 - i64::try_from(self.number(information)?).ok()?),
            2 | 3 => Value::String(String::from_utf8(self.bytes(information)?).ok()?),
            4 => {
                let mut items = Vec::new();
                let count = if information == INDEFINITE { None } else { Some(self.length(information)?) };
                while count.map_or_else(|| !self.ends(), |count| items.len() < count) {
                    items.push(self.item(depth + 1)?);
                }
                Value::Array(items)
            }
            5 => {
                let mut members = Map::new();
                let count = if information == INDEFINITE { None } else { Some(self.length(information)?) };
                let mut read = 0;
                while count.map_or_else(|| !self.ends(), |count| read < count) {
                    let Value::String(name) = self.item(depth + 1)? else { return None };
                    members.insert(name, self.item(depth + 1)?);
                    read += 1;
                }
                Value::Object(members)
            }
            6 => match (self.number(information)?, self.item(depth + 1)?) {
                (1, time) => Value::String(clock::iso((time.as_f64()? * 1000.0).round() as i64)),
                (_, other) => other,
            },
            _ => match information {
                20 => json!(false),
                21 => json!(true),
                22 | 23 => Value::Null,
                26 => json!(f32::from_be_bytes(self.take(4)?.try_into().ok()?)),
                27 => json!(f64::from_be_bytes(self.take(8)?.try_into().ok()?)),
                _ => return None,
            },
        })
    }
}

/// The body of an answer. Members that hold times, by their names, are written as such.
pub fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    item(&mut out, value, false);
    out
}

fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    match number {
        0..24 => out.push(major | number as u8),
        24..0x100 => out.extend([major | 0x18, number as u8]),
        0x100..0x1_0000 => {
            out.push(major | 0x19);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 0x1a);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 0x1b);
            out.extend(number.to_be_bytes());
        }
    }
}

fn double(out: &mut Vec<u8>, number: f64) {
    out.push(7 << 5 | 0x1b);
    out.extend(number.to_be_bytes());
}

fn item(out: &mut Vec<u8>, value: &Value, time: bool) {
    match value {
        Value::Null => out.push(7 << 5 | 0x16),
        Value::Bool(flag) => out.push(7 << 5 | if *flag { 21 } else { 20 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(out, 0, number),
            (None, Some(number)) => head(out, 1, number.unsigned_abs() - 1),
            _ => double(out, number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => match DateTime::parse_from_rfc3339(text).ok().filter(|_| time) {
            Some(at) => {
                head(out, 6, 1);
                double(out, at.timestamp_millis() as f64 / 1000.0);
            }
            None => {
                head(out, 3, text.len() as u64);
                out.extend(text.as_bytes());
            }
        },
        Value::Array(items) => {
            head(out, 4, items.len() as u64);
            for one in items {
                item(out, one, time);
            }
        }
        Value::Object(members) => {
            let present = members.iter().filter(|(_, member)| !member.is_null());
            head(out, 5, present.clone().count() as u64);
            for (name, member) in present {
                item(out, &Value::String(name.clone()), false);
                item(out, member, is_time(name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were_written() {
        let value = json!({
            "n": [0, 23, 24, 255, 256, 65_536, 4_294_967_296_u64, -1, -500],
            "f": 1.5, "t": "ä".repeat(300), "yes": true, "StateUpdatedTimestamp": "2026-01-02T03:04:05.678Z",
        });
        assert_eq!(read(&write(&value)).unwrap(), value);
        assert_eq!(write(&json!({"a": null})), [0xa0]);
        // {_ "a": [_ 1, 2], "b": 1(1363896240.5)}, as in the RFC's examples.
        let bytes = [
            0xbf, 0x61, b'a', 0x9f, 1, 2, 0xff, 0x61, b'b', 0xc1, 0xfb, 0x41, 0xd4, 0x52, 0xd9, 0xec, 0x20, 0, 0, 0xff,
        ];
        assert_eq!(read(&bytes).unwrap(), json!({"a": [1, 2], "b": "2013-03-21T20:04:00.500Z"}));
    }

    #[test]
    fn what_is_cut_off_or_nested_without_end_is_refused() {
        let whole = write(&json!({"a": ["b", {"c": 1.5}]}));
        for end in 1..whole.len() {
            assert_eq!(read(&whole[..end]).unwrap_err().code, "SerializationException", "{end}");
        }
        assert!(read(&[0x81; 10_000]).is_err());
        let nested = |depth: usize| {
            let value = (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
            read(&write(&value))
        };
        assert!(nested(DEEPEST).is_ok());
        assert!(nested(DEEPEST + 2).is_err());
        assert!(read(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
