//! Short hashes, by field, of what was last applied: they distinguish drift from a changed file.

mod seal;
mod tags;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use seal::{seal, with_seal};
pub use tags::{holds_more, is_of_nothing, named_tag, read, set_tag, with_tags, written};

use super::compare::canonical;
use super::former::FIELDS_OF_FORMAT_1;
use super::{Facts, Field};

/// The version of the format: what a text of hashes begins with, in a tag as beside the lease.
pub const FORMAT: &str = "2:";
/// The format before: a hash for each field, by its place among the kind's fields.
pub const FORMER: &str = "1:";
/// Characters of a field's name: 12 bits.
const KEY: usize = 2;
/// Characters of a field's value: 20 bits. A changed field is taken for an unchanged one once in a million.
const WIDTH: usize = 4;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const KEY_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The hashes of a spec whose references are resolved: the format, then for each field two characters of its name and
/// four of its value.
pub fn hashes(fields: &[Field], spec: &Value) -> String {
    let mut text = FORMAT.to_owned();
    for field in fields {
        text.push_str(&key(field.name));
        text.push_str(&hash(field, &spec[field.name]));
    }
    text
}

/// Whether what was recorded says that this very value was last applied to the field; `None` when it doesn't say, as of a
/// field that it doesn't hold. Recorded are hashes alone, or the tag in which they stand last.
pub fn was_applied(facts: &Facts, field: &Field, value: &Value, recorded: Option<&str>) -> Option<bool> {
    let of_name = |name: &str| stored(facts, name, recorded?);
    let former = facts.renamed_fields.iter().filter(|(_, new)| *new == field.name).map(|(old, _)| *old);
    let stored = [field.name].into_iter().chain(former).find_map(of_name)?;
    Some(stored == hash(field, value))
}

/// The hashes of a record, in today's format: those of the former one get their fields' names.
pub fn carried(facts: &Facts, recorded: Option<&str>) -> String {
    let mut text = FORMAT.to_owned();
    match recorded {
        Some(recorded) if recorded.starts_with(FORMAT) => text.push_str(last(recorded)),
        Some(recorded) if recorded.starts_with(FORMER) => {
            let names = former_names(facts, recorded).unwrap_or_default();
            for (name, hash) in names.iter().zip(chunks(last(recorded), WIDTH)) {
                text.push_str(&key(name));
                text.push_str(hash);
            }
        }
        _ => {}
    }
    text
}

/// Whether two records hold the same hashes, in today's format.
pub fn are_same(recorded: Option<&str>, hashes: &str) -> bool {
    recorded.is_some_and(|recorded| recorded.starts_with(FORMAT) && last(recorded) == last(hashes))
}

/// The hash that is stored of the field of that name.
fn stored<'a>(facts: &Facts, name: &str, recorded: &'a str) -> Option<&'a str> {
    let hashes = last(recorded);
    if recorded.starts_with(FORMER) {
        let at = former_names(facts, recorded)?.iter().position(|known| *known == name)?;
        return chunks(hashes, WIDTH).nth(at);
    }
    let key = key(name);
    let mut entries = chunks(recorded.strip_prefix(FORMAT).map(last)?, KEY + WIDTH);
    entries.find(|entry| entry.starts_with(&key)).and_then(|entry| entry.get(KEY..))
}

/// The names of the fields that a text of the former format holds the hashes of, if it holds all of them.
fn former_names(facts: &Facts, recorded: &str) -> Option<&'static [&'static str]> {
    let (_, names) = FIELDS_OF_FORMAT_1.iter().find(|(kind, _)| *kind == facts.name)?;
    (last(recorded).len() == names.len() * WIDTH).then_some(names)
}

/// What stands behind the last colon: the hashes.
fn last(recorded: &str) -> &str {
    recorded.rsplit(':').next().unwrap_or(recorded)
}

/// The parts of that length; characters of others are in none of them.
fn chunks(text: &str, length: usize) -> impl Iterator<Item = &str> {
    (0..text.len() / length).map_while(move |at| text.get(at * length..(at + 1) * length))
}

/// The short form of a field's name, no two of one kind alike.
fn key(name: &str) -> String {
    let digest = Sha256::digest(name);
    let bits = usize::from(u16::from_be_bytes([digest[0], digest[1]]) >> 4);
    [bits >> 6, bits & 63].into_iter().map(|at| char::from(KEY_ALPHABET[at])).collect()
}

fn hash(field: &Field, value: &Value) -> String {
    short(&canonical(value, field.compare))
}

/// The short form of a value.
fn short(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string());
    let bits = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (0..WIDTH).map(|i| char::from(ALPHABET[(bits >> (27 - 5 * i)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::kind::{Changing, Comparing};

    const CIDR: Field = Field { name: "cidr", change: Changing::Replaces, compare: Comparing::Exactly };
    const ZONES: Field = Field { name: "zones", change: Changing::InPlace, compare: Comparing::AsSet };
    const FIELDS: &[Field] = &[CIDR, ZONES];
    const FACTS: Facts = Facts::of("network", "for tests", FIELDS, &[], &[]);

    #[test]
    fn each_field_is_told_apart() {
        let recorded = hashes(FIELDS, &json!({ "cidr": "10.0.0.0/16", "zones": ["a", "b"] }));
        assert_eq!(recorded.len(), 2 + 2 * 6);
        for recorded in [recorded.clone(), recorded.replacen("2:", "2:17:signature:", 1)] {
            let told = |field: &Field, value: Value| was_applied(&FACTS, field, &value, Some(&recorded));
            assert_eq!(told(&CIDR, json!("10.0.0.0/16")), Some(true));
            assert_eq!(told(&CIDR, json!("10.1.0.0/16")), Some(false));
            assert_eq!(told(&ZONES, json!(["b", "a"])), Some(true));
            assert_eq!(told(&ZONES, json!(["b"])), Some(false));
        }
    }

    #[test]
    fn a_field_that_comes_or_moves_takes_nothing_from_the_others() {
        let recorded = hashes(&[ZONES], &json!({ "zones": ["a"] }));
        assert_eq!(was_applied(&FACTS, &CIDR, &json!(null), Some(&recorded)), None);
        assert_eq!(was_applied(&FACTS, &ZONES, &json!(["a"]), Some(&recorded)), Some(true));
        let turned = hashes(&[ZONES, CIDR], &json!({ "cidr": "10.0.0.0/16", "zones": ["a"] }));
        assert_eq!(was_applied(&FACTS, &CIDR, &json!("10.0.0.0/16"), Some(&turned)), Some(true));
    }

    #[test]
    fn a_field_is_known_by_the_name_that_it_had() {
        let facts = Facts { renamed_fields: &[("areas", "zones")], ..FACTS };
        let before = [Field { name: "areas", ..ZONES }];
        let recorded = hashes(&before, &json!({ "areas": ["a"] }));
        assert_eq!(was_applied(&facts, &ZONES, &json!(["a"]), Some(&recorded)), Some(true));
    }

    #[test]
    fn unreadable_hashes_tell_nothing() {
        for recorded in [None, Some(""), Some("9:aaaabbbb"), Some("1:aaaa"), Some("2:"), Some("2:é"), Some("aaaabb")] {
            assert_eq!(was_applied(&FACTS, &CIDR, &json!("x"), recorded), None, "{recorded:?}");
        }
    }

    #[test]
    fn the_former_format_is_read_by_the_fields_that_there_were() {
        // A VPC's, as lakewright 0.1.0 wrote it before fields had names.
        let (_, names) = FIELDS_OF_FORMAT_1.iter().find(|(kind, _)| *kind == "vpc").expect("it had fields");
        let vpc = crate::kinds::named("vpc").expect("a kind").facts();
        let field = vpc.fields.iter().find(|field| field.name == "dns_hostnames").expect("a field");
        let texts = names.iter().map(|name| hash(field, &json!(*name == "dns_hostnames")));
        let recorded = format!("1:{}", texts.collect::<String>());
        let keyed = carried(vpc, Some(&recorded));
        for recorded in [&recorded, &keyed] {
            assert_eq!(was_applied(vpc, field, &json!(true), Some(recorded)), Some(true), "{recorded}");
            assert_eq!(was_applied(vpc, field, &json!(false), Some(recorded)), Some(false), "{recorded}");
        }
        assert!(are_same(Some(&keyed.replacen("2:", "2:17:signature:", 1)), &keyed));
        assert!(!are_same(Some(&recorded), &keyed) && !are_same(None, &keyed));
        assert_eq!(carried(vpc, Some("1:aaaa")), "2:");
    }

    #[test]
    fn no_two_fields_of_a_kind_have_one_key() {
        for kind in crate::kinds::all() {
            let names = kind.fields().iter().map(|field| field.name);
            let names: BTreeSet<&str> = names.chain(kind.facts().renamed_fields.iter().map(|(old, _)| *old)).collect();
            let keys: BTreeSet<String> = names.iter().map(|name| key(name)).collect();
            assert_eq!(keys.len(), names.len(), "{}", kind.name());
        }
    }
}
