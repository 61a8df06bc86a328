//! The topic configurations that are known, their defaults and their limits: one table for all who ask.

use std::collections::BTreeMap;

use crate::log::Limits;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A 32-bit number not below the first.
    Int(i64),
    /// A 64-bit number not below the first.
    Long(i64),
    /// A fraction from 0 to 1.
    Ratio,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, separated by commas.
    Words(&'static [&'static str]),
}

/// One known configuration.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Kafka's name.
    pub name: &'static str,
    /// Value when a topic doesn't set it.
    pub default: &'static str,
    /// Allowed values.
    pub kind: Kind,
}

const fn entry(name: &'static str, default: &'static str, kind: Kind) -> Entry {
    Entry { name, default, kind }
}

const FOREVER: &str = "9223372036854775807";

/// All of them by name. Those that size, age, batches or timestamps depend on take effect; the others are
/// kept, checked and described, and mean nothing for a log of one replica that stores batches as they came.
pub const ENTRIES: &[Entry] = &[
    entry("cleanup.policy", "delete", Kind::Words(&["delete", "compact"])),
    entry("compression.type", "producer", Kind::Word(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"])),
    entry("delete.retention.ms", "86400000", Kind::Long(0)),
    entry("file.delete.delay.ms", "60000", Kind::Long(0)),
    entry("flush.messages", FOREVER, Kind::Long(1)),
    entry("flush.ms", FOREVER, Kind::Long(0)),
    entry("index.interval.bytes", "4096", Kind::Int(0)),
    entry("max.compaction.lag.ms", FOREVER, Kind::Long(1)),
    entry("max.message.bytes", "1048588", Kind::Int(0)),
    entry("message.timestamp.after.max.ms", "3600000", Kind::Long(0)),
    entry("message.timestamp.before.max.ms", FOREVER, Kind::Long(0)),
    entry("message.timestamp.type", "CreateTime", Kind::Word(&["CreateTime", "LogAppendTime"])),
    entry("min.cleanable.dirty.ratio", "0.5", Kind::Ratio),
    entry("min.compaction.lag.ms", "0", Kind::Long(0)),
    entry("min.insync.replicas", "1", Kind::Int(1)),
    entry("preallocate", "false", Kind::Boolean),
    entry("retention.bytes", "-1", Kind::Long(-1)),
    entry("retention.ms", "604800000", Kind::Long(-1)),
    entry("segment.bytes", "1073741824", Kind::Int(1_048_576)),
    entry("segment.index.bytes", "10485760", Kind::Int(4)),
    entry("segment.jitter.ms", "0", Kind::Long(0)),
    entry("segment.ms", "604800000", Kind::Long(1)),
    entry("unclean.leader.election.enable", "false", Kind::Boolean),
];

/// What a topic's creator set.
pub type Settings = BTreeMap<String, String>;

/// The entry of a name, or why there is none.
pub fn find(name: &str) -> Result<&'static Entry, String> {
    ENTRIES.iter().find(|entry| entry.name == name).ok_or_else(|| format!("unknown topic configuration {name}"))
}

/// Says why a value isn't one of the entry's.
pub fn check(entry: &Entry, value: &str) -> Result<(), String> {
    let fits = match entry.kind {
        Kind::Boolean => matches!(value, "true" | "false"),
        Kind::Int(least) => value.parse::<i32>().is_ok_and(|number| i64::from(number) >= least),
        Kind::Long(least) => value.parse::<i64>().is_ok_and(|number| number >= least),
        Kind::Ratio => value.parse::<f64>().is_ok_and(|number| (0.0..=1.0).contains(&number)),
        Kind::Word(words) => words.contains(&value),
        Kind::Words(words) => value.split(',').all(|word| words.contains(&word.trim())),
    };
    if fits { Ok(()) } else { Err(format!("invalid value {value} for configuration {}", entry.name)) }
}

/// The protocol's number for the type of a value.
pub fn type_code(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::Word(_) => 2,
        Kind::Int(_) => 3,
        Kind::Long(_) => 5,
        Kind::Ratio => 6,
        Kind::Words(_) => 7,
    }
}

/// The value that holds: the topic's or the default.
pub fn value<'a>(settings: &'a Settings, name: &str) -> &'a str {
    match settings.get(name) {
        Some(value) => value,
        None => find(name).expect("the name is in the table").default,
    }
}

/// What the settings mean for a partition's log.
pub fn limits(settings: &Settings) -> Limits {
    let number = |name| value(settings, name).parse::<i64>().expect("values are checked before they are kept");
    let deletes = value(settings, "cleanup.policy").split(',').any(|policy| policy.trim() == "delete");
    Limits {
        segment_bytes: number("segment.bytes") as u64,
        retention_ms: Some(number("retention.ms")).filter(|&ms| deletes && ms >= 0),
        retention_bytes: u64::try_from(number("retention.bytes")).ok().filter(|_| deletes),
        max_batch: number("max.message.bytes") as u64,
        stamp: value(settings, "message.timestamp.type") == "LogAppendTime",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_their_own_check() {
        for entry in ENTRIES {
            check(entry, entry.default).unwrap();
        }
        assert!(ENTRIES.is_sorted_by_key(|entry| entry.name));
    }

    #[test]
    fn refuses_what_kafka_refuses() {
        for (name, value) in
            [("retention.ms", "-2"), ("cleanup.policy", "keep"), ("segment.bytes", "100"), ("preallocate", "yes")]
        {
            check(find(name).unwrap(), value).unwrap_err();
        }
        find("retention").unwrap_err();
    }

    #[test]
    fn a_compacted_topic_is_never_shortened() {
        let settings =
            Settings::from([("cleanup.policy".into(), "compact".into()), ("retention.ms".into(), "1".into())]);
        assert_eq!(limits(&settings).retention_ms, None);
    }
}
