//! Tags in what is recorded: a hash for each tag of the stack file, under `tags.KEY`, and the tags that hold the record.

use std::collections::BTreeMap;

use super::{FORMAT, KEY, WIDTH, chunks, key, last, short};
use crate::kind::{APPLIED, CONTINUED, Facts};

/// The characters of a record that one tag holds: no service takes fewer.
const LONGEST: usize = 255;

/// The hashes with those of the tags that the stack file gives.
pub fn with_tags(mut hashes: String, tags: &BTreeMap<String, String>) -> String {
    for (name, value) in tags {
        hashes.push_str(&entry(name, value));
    }
    hashes
}

/// Whether what was recorded says that the stack gave it this very tag, with this value: 32 bits of both. A tag that somebody else
/// wrote is taken for one of the stack's once in four thousand million.
pub fn set_tag(recorded: Option<&str>, name: &str, value: &str) -> bool {
    let entry = entry(name, value);
    entries(recorded).any(|known| known == entry)
}

/// Whether what was recorded says that the stack gave it a tag of that key, whatever its value.
pub fn named_tag(recorded: Option<&str>, name: &str) -> bool {
    let key = key(&field(name));
    entries(recorded).any(|known| known.starts_with(&key))
}

/// Whether what was recorded holds more than the hashes of fields: those of tags.
pub fn holds_more(facts: &Facts, recorded: Option<&str>) -> bool {
    let renamed = facts.renamed_fields.iter().map(|(old, _)| *old);
    let keys: Vec<String> = facts.fields.iter().map(|field| field.name).chain(renamed).map(key).collect();
    entries(recorded).any(|entry| !keys.iter().any(|key| entry.starts_with(key)))
}

/// Whether anything was applied to what has this record: an adoption, and a create that was cut off, record nothing.
pub fn is_of_nothing(recorded: Option<&str>) -> bool {
    recorded.is_none_or(|recorded| last(recorded).is_empty())
}

/// A record as the tags that hold it.
pub fn written(record: &str) -> Vec<(&'static str, &str)> {
    if let Some((first, rest)) = record.split_at_checked(LONGEST)
        && !rest.is_empty()
    {
        return vec![(APPLIED, first), (CONTINUED, rest)];
    }
    vec![(APPLIED, record)]
}

/// The record that tags hold.
pub fn read(tags: &BTreeMap<String, String>) -> Option<String> {
    let first = tags.get(APPLIED)?;
    let rest = tags.get(CONTINUED).filter(|_| first.len() == LONGEST).map_or("", String::as_str);
    Some(format!("{first}{rest}"))
}

fn field(name: &str) -> String {
    format!("tags.{name}")
}

fn entry(name: &str, value: &str) -> String {
    key(&field(name)) + &short(&serde_json::Value::from(value))
}

/// The hashes of a record of today's format, each with its key. The former format held none of tags.
fn entries(recorded: Option<&str>) -> impl Iterator<Item = &str> {
    let hashes = recorded.and_then(|recorded| recorded.strip_prefix(FORMAT)).map_or("", last);
    chunks(hashes, KEY + WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_the_stack_set_is_known_by_key_and_value() {
        let recorded = with_tags("2:".to_owned(), &tags(&[("team", "data"), ("cost-center", "42")]));
        assert_eq!(recorded.len(), 2 + 2 * 6);
        for recorded in [recorded.clone(), recorded.replacen("2:", "2:17:signature:", 1)] {
            let recorded = Some(recorded.as_str());
            assert!(set_tag(recorded, "team", "data") && set_tag(recorded, "cost-center", "42"));
            assert!(!set_tag(recorded, "team", "42") && !set_tag(recorded, "owner", "data"));
            assert!(named_tag(recorded, "team") && !named_tag(recorded, "owner"));
        }
        for nothing in [None, Some("1:aaaa"), Some("2:"), Some("2:é")] {
            assert!(!set_tag(nothing, "team", "data") && !named_tag(nothing, "team"), "{nothing:?}");
        }
        assert!(is_of_nothing(None) && is_of_nothing(Some("2:17:signature:")) && !is_of_nothing(Some(&recorded)));
    }

    #[test]
    fn a_record_stands_in_as_few_tags_as_hold_it() {
        for length in [2, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST] {
            let record: String = "abcdefg".chars().cycle().take(length).collect();
            let written = written(&record);
            assert_eq!(written.len(), if length > LONGEST { 2 } else { 1 }, "{length}");
            assert!(written.iter().all(|(_, part)| part.len() <= LONGEST));
            let mut carried = tags(&written);
            assert_eq!(read(&carried).as_deref(), Some(record.as_str()));
            // A longer one stood there before.
            carried.entry(CONTINUED.to_owned()).or_insert_with(|| "left".to_owned());
            assert_eq!(read(&carried).as_deref() == Some(record.as_str()), length != LONGEST, "{length}");
        }
        assert_eq!(read(&tags(&[(CONTINUED, "x")])), None);
    }
}
