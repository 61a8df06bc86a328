//! Short hashes, per field, of what was last applied: they tell drift from a changed file.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Field;
use super::compare::canonical;

/// The version of the scheme: the first characters of the tag's value.
const SCHEME: &str = "1:";
/// Characters per field. 20 bits each: a changed field is taken for an unchanged one once in a million.
const WIDTH: usize = 4;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The value of the `lakewright:applied` tag for a spec whose references are resolved: scheme and one hash a field.
/// 63 fields fit into the 256 characters of a tag value.
pub fn hashes(fields: &[Field], spec: &Value) -> String {
    let mut text = SCHEME.to_owned();
    for field in fields {
        text.push_str(&hash(field, &spec[field.name]));
    }
    text
}

/// Whether the recorded hashes say that this very value was last applied to the field; `None` when they can't tell.
pub fn was_applied(fields: &[Field], index: usize, value: &Value, recorded: Option<&str>) -> Option<bool> {
    let hashes = recorded?.strip_prefix(SCHEME)?;
    if hashes.len() != fields.len() * WIDTH {
        return None;
    }
    Some(hashes.get(index * WIDTH..(index + 1) * WIDTH)? == hash(&fields[index], value))
}

fn hash(field: &Field, value: &Value) -> String {
    let digest = Sha256::digest(canonical(value, field.compare).to_string());
    let bits = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (0..WIDTH).map(|i| char::from(ALPHABET[(bits >> (27 - 5 * i)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::{Changing, Comparing};

    const FIELDS: &[Field] = &[
        Field { name: "cidr", change: Changing::Replaces, compare: Comparing::Exactly },
        Field { name: "zones", change: Changing::InPlace, compare: Comparing::AsSet },
    ];

    #[test]
    fn each_field_is_told_apart() {
        let tag = hashes(FIELDS, &json!({ "cidr": "10.0.0.0/16", "zones": ["a", "b"] }));
        assert_eq!(tag.len(), 2 + 2 * 4);
        assert_eq!(was_applied(FIELDS, 0, &json!("10.0.0.0/16"), Some(&tag)), Some(true));
        assert_eq!(was_applied(FIELDS, 0, &json!("10.1.0.0/16"), Some(&tag)), Some(false));
        assert_eq!(was_applied(FIELDS, 1, &json!(["b", "a"]), Some(&tag)), Some(true));
        assert_eq!(was_applied(FIELDS, 1, &json!(["b"]), Some(&tag)), Some(false));
    }

    #[test]
    fn unreadable_hashes_tell_nothing() {
        for tag in [None, Some(""), Some("9:aaaabbbb"), Some("1:aaaa")] {
            assert_eq!(was_applied(FIELDS, 0, &json!("x"), tag), None, "{tag:?}");
        }
    }
}
