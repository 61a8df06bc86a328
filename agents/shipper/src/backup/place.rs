//! Names of objects: `PREFIX/dt=YYYY-MM-DD/FOLDER/FIRST-LAST.jsonl.zst`, and what versions before wrote, which is read only.

use chrono::{DateTime, Datelike as _};

use crate::source::Place;

/// The end of every name.
const SUFFIX: &str = ".jsonl.zst";

/// The day in UTC of a time in milliseconds since 1970, `YYYY-MM-DD`.
pub fn day(time_ms: Option<i64>) -> String {
    let time = time_ms.and_then(DateTime::from_timestamp_millis).filter(|time| (1..=9999).contains(&time.year()));
    time.map_or_else(|| "unknown".to_owned(), |time| time.format("%Y-%m-%d").to_string())
}

/// What the names of objects begin with whose first record stands there.
pub fn begin(prefix: &str, place: &Place, day: &str) -> String {
    format!("{prefix}/dt={day}/{}/{:020}-", place.stream.folder, place.sequence)
}

/// The name of an object; numbers have twenty digits so that they sort.
pub fn name(prefix: &str, folder: &str, day: &str, (first, last): (u64, u64)) -> String {
    format!("{prefix}/dt={day}/{folder}/{first:020}-{last:020}{SUFFIX}")
}

/// What an object's name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The stream's folder: `TOPIC/TOPIC_ID/PARTITION`.
    pub folder: String,
    /// The place of the first record that it may have.
    pub first: u64,
    /// That of the last.
    pub last: u64,
    /// The day of its first record; those of versions before have none.
    pub day: Option<String>,
    /// The whole name.
    pub key: String,
}

impl Named {
    /// What a name says that stands under a prefix; `None` where it is none of an object of the backup.
    pub fn of(prefix: &str, key: &str) -> Option<Self> {
        let rest = key.strip_prefix(prefix)?.strip_prefix('/')?;
        let (path, file) = rest.strip_suffix(SUFFIX)?.rsplit_once('/')?;
        let (first, last) = file.split_once('-')?;
        let number = |digits: &str| digits.parse().ok().filter(|_| digits.len() == 20);
        let (day, folder) = match path.strip_prefix("dt=") {
            Some(path) => path.split_once('/').map(|(day, folder)| (Some(day.to_owned()), folder))?,
            None => (None, path),
        };
        Some(Self { folder: folder.to_owned(), first: number(first)?, last: number(last)?, day, key: key.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{event, stream};

    #[test]
    fn a_name_says_what_it_was_made_of() {
        let place = event(&stream(), 41, b"").place;
        let key = name("events", &place.stream.folder, "2026-01-02", (41, 99));
        assert_eq!(key, "events/dt=2026-01-02/facts/t/3/00000000000000000041-00000000000000000099.jsonl.zst");
        assert!(key.starts_with(&begin("events", &place, "2026-01-02")));
        let named = Named::of("events", &key).expect("a name");
        assert_eq!((named.folder.as_str(), named.first, named.last), ("facts/t/3", 41, 99));
        assert_eq!(named.day.as_deref(), Some("2026-01-02"));
        let before = "events/facts/t/3/00000000000000010000-00000000000000019999.jsonl.zst";
        assert_eq!(Named::of("events", before).expect("a name").day, None);
        for other in
            ["events/x", "event/facts/t/3/1-2.jsonl.zst", "events/dt=1/1-2.jsonl.zst", "events/a/1-2.jsonl.zst"]
        {
            assert_eq!(Named::of("events", other), None, "{other}");
        }
    }

    #[test]
    fn every_time_has_a_day() {
        assert_eq!(day(Some(1_767_312_000_000)), "2026-01-02");
        for strange in [None, Some(i64::MAX), Some(i64::MIN), Some(253_402_300_800_000)] {
            assert_eq!(day(strange), "unknown");
        }
    }
}
