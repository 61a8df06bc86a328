//! Form-encoded inputs of the query protocols.

use super::DEEPEST;
use crate::error::AwsError;
use serde_json::{Map, Value};

/// Name and value pairs of a query string or a form body.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// Undoes percent encoding, and `+` for a space where `plus` says so.
pub fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'%' => match text.get(index + 1..index + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    index += 3;
                    continue;
                }
                None => out.push(b'%'),
            },
            b'+' if plus => out.push(b' '),
            byte => out.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The nested input that dotted names describe: `Filter.1.Value.2=x` is the second value of the first filter, and
/// `Tags.member.1.Key=x` the key of the first tag. All scalars are text.
///
/// # Errors
/// A name has more parts than an input may be deep.
pub fn nested(pairs: &[(String, String)]) -> Result<Value, AwsError> {
    let mut root = Value::Object(Map::new());
    for (name, value) in pairs {
        if name.bytes().filter(|byte| *byte == b'.').count() >= DEEPEST {
            let message = format!("The query string contains a parameter of more than {DEEPEST} parts");
            return Err(AwsError::new("MalformedQueryString", message));
        }
        let mut place = &mut root;
        for part in name.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let members = place.as_object_mut().expect("it was just made an object");
            place = members.entry(part.to_owned()).or_insert(Value::Null);
        }
        *place = Value::String(value.clone());
    }
    Ok(lists(root))
}

/// Turns objects whose names are all numbers into lists, and drops the `member` level around them.
fn lists(value: Value) -> Value {
    let Value::Object(mut members) = value else { return value };
    if members.len() == 1
        && let Some(inner) = members.get_mut("member")
    {
        let inner = inner.take();
        return match lists(inner) {
            Value::String(text) if text.is_empty() => Value::Array(Vec::new()),
            other => other,
        };
    }
    let numbered = !members.is_empty() && members.keys().all(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    if numbered {
        let mut items: Vec<(u64, Value)> =
            members.into_iter().map(|(name, item)| (name.parse().unwrap_or(u64::MAX), lists(item))).collect();
        items.sort_by_key(|(index, _)| *index);
        return Value::Array(items.into_iter().map(|(_, item)| item).collect());
    }
    Value::Object(members.into_iter().map(|(name, member)| (name, lists(member))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dotted_names_nest() {
        let input = nested(&pairs(
            "Filter.1.Name=tag%3Aa&Filter.1.Value.1=x+y&Filter.1.Value.2=z&VpcId=vpc-1&Tags.member.1.Key=k&Tags.member.10.Key=l&Tags.member.2.Key=m&Names.member=",
        ))
        .unwrap();
        assert_eq!(
            input,
            json!({
                "Filter": [{ "Name": "tag:a", "Value": ["x y", "z"] }],
                "VpcId": "vpc-1",
                "Tags": [{ "Key": "k" }, { "Key": "m" }, { "Key": "l" }],
                "Names": [],
            })
        );
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        let deep = |parts: usize| vec![(vec!["a"; parts].join("."), "1".to_owned())];
        assert!(nested(&deep(DEEPEST)).is_ok());
        for parts in [DEEPEST + 1, 1_000, 1_000_000] {
            assert_eq!(nested(&deep(parts)).unwrap_err().code, "MalformedQueryString", "{parts}");
        }
    }
}
