//! JSON text: objects read one level deep, texts decoded and written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::value::{Object, Value};

/// The most members or items that are looked into: each takes some 60 bytes of memory, more than its shortest text.
pub const MAX_MEMBERS: usize = 10_000;
/// Up to how many members a name is looked for one by one.
const FEW: usize = 32;

/// Reads an object one level deep: its values stay texts. Of members with one name the last one counts.
///
/// The text must be JSON as a whole; an error says what it is else.
pub fn object(text: &str) -> Result<Object<'_>, String> {
    match serde_json::from_str::<Members<'_>>(text) {
        Ok(Members(members)) => Ok(members),
        Err(error) => Err(plain(&error)),
    }
}

/// Reads an array one level deep.
pub fn array(text: &str) -> Result<Vec<Value<'_>>, String> {
    match serde_json::from_str::<Items<'_>>(text) {
        Ok(Items(items)) => Ok(items),
        Err(error) => Err(plain(&error)),
    }
}

fn plain(error: &serde_json::Error) -> String {
    if error.classify() == serde_json::error::Category::Data {
        // Data of another shape has no place that would help.
        let text = error.to_string();
        return text.split(" at line ").next().unwrap_or_default().to_owned();
    }
    error.to_string()
}

struct Members<'a>(Object<'a>);
struct Items<'a>(Vec<Value<'a>>);
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut object = Object::with_capacity(16);
                let mut places: HashMap<Cow<'de, str>, usize> = HashMap::new();
                while let Some(Name(name)) = map.next_key()? {
                    let value = Value::Raw(Cow::Borrowed(map.next_value::<&'de RawValue>()?.get()));
                    if object.len() < FEW {
                        object.insert(name, value);
                        continue;
                    }
                    if places.is_empty() {
                        places = object.names().enumerate().map(|(place, name)| (name.clone(), place)).collect();
                    }
                    if let Some(place) = places.get(&name) {
                        object.replace(*place, value);
                    } else if object.len() >= MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format!("more than {MAX_MEMBERS} members")));
                    } else {
                        places.insert(name.clone(), object.len());
                        object.push(name, value);
                    }
                }
                Ok(Members(object))
            }
        }
        deserializer.deserialize_map(Of)
    }
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element::<&'de RawValue>()? {
                    if all.len() >= MAX_MEMBERS {
                        return Err(serde::de::Error::custom(format!("more than {MAX_MEMBERS} items")));
                    }
                    all.push(Value::Raw(Cow::Borrowed(item.get())));
                }
                Ok(Items(all))
            }
        }
        deserializer.deserialize_seq(Of)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Of)
    }
}

/// What a JSON string holds, between its quotes. Halves of surrogate pairs become U+FFFD.
pub fn unescape(inner: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', inner.as_bytes()) else { return Cow::Borrowed(inner) };
    let mut out = String::with_capacity(inner.len());
    out.push_str(&inner[..first]);
    let mut rest = &inner[first..];
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        match escape {
            b'n' => out.push('\n'),
            b't' => out.push('\t'),
            b'r' => out.push('\r'),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'u' => rest = unicode(rest, &mut out),
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Decodes what stands behind `\u`, with a second half if there is one.
fn unicode<'t>(text: &'t str, out: &mut String) -> &'t str {
    let unit = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(text) else {
        out.push(char::REPLACEMENT_CHARACTER);
        return text;
    };
    let after = &text[4..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = after.strip_prefix("\\u")
        && let Some(second) = unit(low).filter(|second| (0xdc00..0xe000).contains(second))
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return &low[4..];
    }
    out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    after
}

/// Writes a text as a JSON string.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(other >> 4)]);
                out.push(DIGITS[usize::from(other & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Writes JSON as it was read, on one line: a line break in it is white space.
pub fn write_raw(json: &str, out: &mut Vec<u8>) {
    let mut rest = json.as_bytes();
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b' ');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded_as_json_says() {
        for (inner, text) in [
            ("plain", "plain"),
            (r#"a\"b\\c\/d\n\t\r\b\f"#, "a\"b\\c/d\n\t\r\u{8}\u{c}"),
            (r"\u0041\u00e5\ud83d\ude00", "Aå😀"),
            (r"\ud800x\udc00", "\u{fffd}x\u{fffd}"),
        ] {
            assert_eq!(unescape(inner), text);
            let mut out = Vec::new();
            write_text(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).expect("JSON"), text);
        }
    }

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        let many: Vec<String> = (0..50).map(|n| format!("\"m{n}\":{n}")).collect();
        let text = format!("{{\"a\":1,{},\"m40\":\"x\",\"a\":2}}", many.join(","));
        let object = object(&text).expect("an object");
        assert_eq!(object.len(), 51);
        assert_eq!(object.names().next().map(AsRef::as_ref), Some("a"));
        let value: serde_json::Value = serde_json::from_slice(&object.to_json()).expect("JSON");
        assert_eq!((&value["a"], &value["m40"]), (&2.into(), &"x".into()));
    }

    #[test]
    fn what_is_no_object_is_told() {
        for (text, part) in [
            ("[1]", "expected a JSON object"),
            ("7", "expected a JSON object"),
            ("{\"a\":1} x", "trailing characters"),
            ("{\"a\":", "EOF"),
            ("{\"a\":\"\u{1}\"}", "control character"),
        ] {
            let error = object(text).expect_err("no object");
            assert!(error.contains(part), "{text}: {error}");
        }
        let many = format!("{{{}\"z\":0}}", (0..MAX_MEMBERS).map(|n| format!("\"{n}\":0,")).collect::<String>());
        assert_eq!(object(&many).expect_err("too many"), format!("more than {MAX_MEMBERS} members"));
        assert!(object(&"{\"a\":".repeat(100_000)).is_err());
    }
}
