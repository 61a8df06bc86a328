//! Times as logs write them.

mod scan;

use chrono::format::{Item, StrftimeItems};
use chrono::{
    DateTime, Datelike as _, Days, FixedOffset, NaiveDate, NaiveDateTime, Offset as _, SecondsFormat, TimeZone as _,
    Utc,
};
use chrono_tz::Tz;

use crate::mistake::Mistake;
pub use scan::Scan;

/// Nanoseconds in a second.
const NANOS: i64 = 1_000_000_000;

/// A time as events carry it: RFC 3339 in UTC, with as many digits of the second as it has.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The time zone of times that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// One of the IANA database.
    Named(Tz),
    /// A fixed distance from UTC.
    Fixed(FixedOffset),
}

impl Default for Zone {
    fn default() -> Self {
        Self::Named(Tz::UTC)
    }
}

impl Zone {
    /// The zone that a setting names; UTC without one.
    pub fn parse(text: Option<&str>) -> Result<Self, Mistake> {
        let Some(text) = text else { return Ok(Self::default()) };
        if let Ok(zone) = text.parse::<Tz>() {
            return Ok(Self::Named(zone));
        }
        let mut scan = Scan::new(text);
        if let Some(offset) = scan.offset().filter(|_| scan.is_empty()) {
            return Ok(Self::Fixed(offset));
        }
        let all = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let is_city = |name: &&str| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
        let meant = all().find(|name| name.eq_ignore_ascii_case(text)).or_else(|| all().find(is_city));
        let fix = match meant {
            Some(name) => format!("did you mean `{name}`?"),
            None => "write a name of the IANA database, as `Europe/Stockholm`, or a distance from UTC, as `+02:00`"
                .to_owned(),
        };
        Err(Mistake::new("timezone", format!("there is no time zone `{text}`"), fix))
    }

    /// The moment that a clock on the wall shows there. Where it shows it twice, the first; where it leaps over it, the moment
    /// by the clock that wasn't put forward yet.
    pub fn moment(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        let zone = match self {
            Self::Fixed(offset) => return offset.from_local_datetime(&local).earliest().map(|time| time.to_utc()),
            Self::Named(zone) => zone,
        };
        if let Some(time) = zone.from_local_datetime(&local).earliest() {
            return Some(time.to_utc());
        }
        let before = zone.offset_from_utc_datetime(&local.checked_sub_days(Days::new(1))?).fix();
        Some(local.checked_sub_offset(before)?.and_utc())
    }

    /// What the clock on the wall shows there at a moment.
    fn local(self, time: DateTime<Utc>) -> NaiveDateTime {
        match self {
            Self::Named(zone) => time.with_timezone(&zone).naive_local(),
            Self::Fixed(offset) => time.with_timezone(&offset).naive_local(),
        }
    }
}

/// How a time may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// `2026-01-02T15:04:05.123Z`.
    Rfc3339,
    /// The same with a space, a comma before the fraction, an hour's distance from UTC, or no zone.
    Iso,
    /// A number since 1970, this many of them a second.
    Epoch(i64),
    /// `02/Jan/2026:15:04:05 +0100`.
    Http,
    /// `Jan  2 15:04:05`, perhaps with a year.
    Syslog,
    /// `Fri, 02 Jan 2026 15:04:05 +0100`.
    Rfc2822,
    /// A pattern of `strftime`.
    Pattern(String),
}

impl Format {
    /// The words of all formats that have one.
    pub const WORDS: [&'static str; 9] =
        ["rfc3339", "iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "http", "syslog", "rfc2822"];

    /// The format that a setting names.
    pub fn parse(word: &str) -> Result<Self, Mistake> {
        Ok(match word {
            "rfc3339" => Self::Rfc3339,
            "iso" => Self::Iso,
            "epoch_s" => Self::Epoch(1),
            "epoch_ms" => Self::Epoch(1_000),
            "epoch_us" => Self::Epoch(1_000_000),
            "epoch_ns" => Self::Epoch(NANOS),
            "http" => Self::Http,
            "syslog" => Self::Syslog,
            "rfc2822" => Self::Rfc2822,
            pattern if pattern.contains('%') => return sound(pattern),
            other => {
                let fix = if other.contains("yy") || other.contains("MM") {
                    "patterns are those of `strftime`: `yyyy-MM-dd HH:mm:ss` is written `%Y-%m-%d %H:%M:%S`".to_owned()
                } else {
                    format!("write one of {}, or a pattern of `strftime`", Self::WORDS.join(", "))
                };
                return Err(Mistake::new("formats", format!("there is no format `{other}`"), fix));
            }
        })
    }

    /// The time that a text is; `near` chooses the year of one that names none.
    pub fn read(&self, text: &str, zone: Zone, near: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let time = match self {
            Self::Rfc3339 => match usual(text) {
                Some(time) => time,
                None => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
            },
            Self::Iso => {
                let mut scan = Scan::new(text);
                let time = scan.iso(zone)?;
                scan.is_empty().then_some(time)?
            }
            Self::Epoch(per_second) => epoch(text, *per_second)?,
            Self::Http => {
                let mut scan = Scan::new(text);
                let time = scan.http()?;
                scan.is_empty().then_some(time)?
            }
            Self::Syslog => {
                let mut scan = Scan::new(text);
                let time = scan.syslog(zone, near)?;
                scan.is_empty().then_some(time)?
            }
            Self::Rfc2822 => DateTime::parse_from_rfc2822(text).ok()?.to_utc(),
            Self::Pattern(pattern) => by_pattern(text, pattern, zone)?,
        };
        // RFC 3339 writes no others.
        (0..=9_999).contains(&time.year()).then_some(time)
    }
}

/// Whether a text is RFC 3339 in UTC as events carry it, if it is a time at all.
pub fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    matches!(bytes.len(), 20 | 24 | 27 | 30)
        && signs.iter().all(|(at, sign)| bytes[*at] == *sign)
        && (bytes.len() == 20 || bytes[19] == b'.')
        && bytes.ends_with(b"Z")
}

/// The time of a text as nearly all are written.
fn usual(text: &str) -> Option<DateTime<Utc>> {
    if !is_plain(text) {
        return None;
    }
    let mut scan = Scan::new(text);
    let local = scan.date_and_clock()?;
    (scan.rest() == "Z").then(|| local.and_utc())
}

/// A pattern that can be read, and names a day.
fn sound(pattern: &str) -> Result<Format, Mistake> {
    let wrong = |what: String, fix: &str| Mistake::new("formats", what, fix);
    if StrftimeItems::new(pattern).any(|item| matches!(item, Item::Error)) {
        let fix =
            "the specifiers are those of `strftime`: %Y %m %d %H %M %S %.f %z %b …; a per cent sign is written %%";
        return Err(wrong(format!("`{pattern}` holds an unknown specifier"), fix));
    }
    let sample = Utc.with_ymd_and_hms(2026, 12, 31, 23, 58, 57).single().unwrap_or_default();
    let written = sample.format(pattern).to_string();
    if by_pattern(&written, pattern, Zone::default()).is_none() {
        return Err(wrong(
            format!("`{pattern}` names no time: it wrote {written:?} and couldn't read it"),
            "name year, month and day, and the hour with its minute, or %s",
        ));
    }
    Ok(Format::Pattern(pattern.to_owned()))
}

fn by_pattern(text: &str, pattern: &str, zone: Zone) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_str(text, pattern) {
        return Some(time.to_utc());
    }
    if let Ok(local) = NaiveDateTime::parse_from_str(text, pattern) {
        return zone.moment(local);
    }
    zone.moment(NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0)?)
}

/// A number since 1970, exact to the nanosecond.
fn epoch(text: &str, per_second: i64) -> Option<DateTime<Utc>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        // As JSON may write a large number.
        let number: f64 = text.parse().ok().filter(|_| text.contains(['e', 'E']))?;
        let nanos = number * (NANOS as f64) / (per_second as f64);
        return (nanos.abs() < 9e18).then(|| DateTime::from_timestamp_nanos(nanos.round() as i64));
    }
    let each = NANOS / per_second;
    let mut nanos = i128::from(whole.parse::<i64>().ok()?) * i128::from(each);
    let mut worth = each;
    for digit in fraction.bytes() {
        worth /= 10;
        nanos += i128::from(worth) * i128::from(digit - b'0');
    }
    let nanos = if negative { -nanos } else { nanos };
    let seconds = i64::try_from(nanos.div_euclid(i128::from(NANOS))).ok()?;
    DateTime::from_timestamp(seconds, nanos.rem_euclid(i128::from(NANOS)) as u32)
}

/// The moment of a day and time without a year: of three years the one that brings it nearest to another moment.
pub fn nearest_year(
    near: DateTime<Utc>,
    zone: Zone,
    in_year: impl Fn(i32) -> Option<NaiveDateTime>,
) -> Option<DateTime<Utc>> {
    let year = zone.local(near).year();
    let moments = [year - 1, year, year + 1].into_iter().filter_map(|year| zone.moment(in_year(year)?));
    moments.min_by_key(|moment| (*moment - near).abs())
}

#[cfg(test)]
mod tests;
