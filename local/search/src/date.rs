//! Times as queries write them: by formats, in parts, by date arithmetic, in a zone.

mod calendar;
#[cfg(test)]
mod tests;
mod written;

use chrono::{
    DateTime, Datelike as _, Duration, FixedOffset, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset as _,
    TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;

use crate::answer::SearchError;

pub use calendar::{Step, Steps, millis};
pub use written::Written;

/// The zone that times without one are in.
#[derive(Debug, Clone, Copy)]
pub enum Zone {
    /// So many seconds from UTC.
    Fixed(FixedOffset),
    /// A place's.
    Place(Tz),
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self::Place(Tz::UTC);

    /// `+01:00`, `UTC` or `Europe/Stockholm`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "Z" {
            return Some(Self::UTC);
        }
        offset(text).map(Self::Fixed).or_else(|| text.parse().ok().map(Self::Place))
    }

    fn utc(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self {
            Self::Fixed(offset) => offset.from_local_datetime(&local).earliest().map(|time| time.to_utc()),
            // A time that a change of the clock left out is taken as an hour later.
            Self::Place(zone) => {
                let later = || zone.from_local_datetime(&local.checked_add_signed(Duration::hours(1))?).earliest();
                zone.from_local_datetime(&local).earliest().or_else(later).map(|time| time.to_utc())
            }
        }
    }

    fn local(self, time: DateTime<Utc>) -> NaiveDateTime {
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Place(zone) => zone.offset_from_utc_datetime(&time.naive_utc()).fix(),
        };
        // Within a day of the first or last time that there is, it stays as it is.
        time.naive_utc().checked_add_offset(offset).unwrap_or_else(|| time.naive_utc())
    }
}

/// The zone that a request names; UTC where it names none.
///
/// # Errors
/// There is none of the name.
pub fn zone(name: Option<&str>) -> Result<Zone, SearchError> {
    let Some(name) = name else { return Ok(Zone::UTC) };
    Zone::parse(name).ok_or_else(|| SearchError::illegal(format!("Unknown time-zone ID: {name}")))
}

/// A time as a request writes it, in milliseconds since 1970; none where the text is none.
pub fn moment(text: &str, format: Option<&str>, zone: Zone) -> Option<i64> {
    let reading = Reading { format, zone, now: Utc::now(), up: false };
    reading.nanos(text).map(|nanos| nanos.div_euclid(1_000_000))
}

/// How a query reads times.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Formats with `||` between them; none for the field's own.
    pub format: Option<&'a str>,
    /// The zone of times without one.
    pub zone: Zone,
    /// When it is now.
    pub now: DateTime<Utc>,
    /// Whether the time of day is as late as it can be where it isn't said, not as early.
    pub up: bool,
}

/// The years whose times nanoseconds since 1970 hold, and a little more.
const YEARS: std::ops::Range<i32> = 1600..2300;

fn in_reach(time: &DateTime<Utc>) -> bool {
    YEARS.contains(&time.year())
}

const DEFAULT: &str = "strict_date_optional_time||epoch_millis";

impl Reading<'_> {
    /// The time, in nanoseconds since 1970; none where the text is none, or beyond what can be stored.
    pub fn nanos(self, text: &str) -> Option<i64> {
        self.time(text)?.timestamp_nanos_opt()
    }

    fn time(self, text: &str) -> Option<DateTime<Utc>> {
        let (start, arithmetic) = match text.strip_prefix("now") {
            Some(rest) => (self.now, rest),
            None => {
                let (date, rest) = text.split_once("||").unwrap_or((text, ""));
                // What arithmetic begins with is as early as it can be.
                (Reading { up: self.up && rest.is_empty(), ..self }.date(date)?, rest)
            }
        };
        self.reckon(start, arithmetic)
    }

    /// The time that a document has: by the field's own formats, in milliseconds, without arithmetic.
    pub fn stored(text: &str) -> Option<i64> {
        let reading = Reading { format: None, zone: Zone::UTC, now: DateTime::UNIX_EPOCH, up: false };
        reading.date(text)?.timestamp_millis().checked_mul(1_000_000)
    }

    fn date(self, text: &str) -> Option<DateTime<Utc>> {
        let found = self.format.unwrap_or(DEFAULT).split("||").find_map(|format| self.by(format, text));
        found.filter(in_reach)
    }

    fn by(self, format: &str, text: &str) -> Option<DateTime<Utc>> {
        match format {
            "epoch_millis" => DateTime::from_timestamp_millis(text.parse().ok()?),
            "epoch_second" => DateTime::from_timestamp(text.parse().ok()?, 0),
            "strict_date_optional_time"
            | "date_optional_time"
            | "strict_date_optional_time_nanos"
            | "iso8601"
            | "strict_date_time"
            | "date_time" => self.iso(text),
            "strict_date" | "date" => self.pattern("yyyy-MM-dd", text),
            "basic_date" => self.pattern("yyyyMMdd", text),
            "strict_year_month" | "year_month" => self.pattern("yyyy-MM", text),
            "strict_year" | "year" => self.pattern("yyyy", text),
            "strict_date_hour_minute_second" | "date_hour_minute_second" => self.pattern("yyyy-MM-dd'T'HH:mm:ss", text),
            pattern => self.pattern(pattern, text),
        }
    }

    /// `2026`, `2026-11`, `2026-11-28`, `2026-11-28T10`, … with or without a zone behind it.
    fn iso(self, text: &str) -> Option<DateTime<Utc>> {
        let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
        let mut found = Parts::default();
        let mut numbers = date.split('-');
        let year = numbers.next()?;
        found.year = (year.len() == 4).then(|| number(year)).flatten();
        found.year?;
        let two = |text: Option<&str>| {
            text.map(|text| if text.len() == 2 { number(text).ok_or(()) } else { Err(()) }).transpose().ok()
        };
        found.month = two(numbers.next())?;
        found.day = two(numbers.next())?;
        if numbers.next().is_some() {
            return None;
        }
        let Some(time) = time else { return self.complete(found) };
        found.day?;
        let zone = time.find(['Z', '+', '-']);
        let (clock, zone) = zone.map_or((time, None), |at| (&time[..at], Some(&time[at..])));
        let (clock, fraction) = clock.split_once(['.', ',']).map_or((clock, None), |(clock, rest)| (clock, Some(rest)));
        let mut numbers = clock.split(':');
        found.hour = two(Some(numbers.next()?))?;
        found.minute = two(numbers.next())?;
        found.second = two(numbers.next())?;
        if numbers.next().is_some() || fraction.is_some() && found.second.is_none() {
            return None;
        }
        found.nanos = match fraction {
            None => None,
            Some(digits) => Some(nanos(digits)?),
        };
        found.zone = match zone {
            None => None,
            Some("Z") => FixedOffset::east_opt(0),
            Some(zone) => Some(offset(zone)?),
        };
        self.complete(found)
    }

    /// By a pattern of Java's letters; texts stand between apostrophes.
    fn pattern(self, pattern: &str, text: &str) -> Option<DateTime<Utc>> {
        let mut found = Parts::default();
        let (mut letters, mut rest) = (pattern.chars().peekable(), text);
        while let Some(letter) = letters.next() {
            if letter == '\'' {
                for fixed in letters.by_ref().take_while(|letter| *letter != '\'') {
                    rest = rest.strip_prefix(fixed)?;
                }
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                rest = rest.strip_prefix(letter)?;
                continue;
            }
            let mut count = 1;
            while letters.next_if_eq(&letter).is_some() {
                count += 1;
            }
            if matches!(letter, 'X' | 'x' | 'Z' | 'V' | 'z') {
                let (zone, after) = match rest.strip_prefix('Z') {
                    Some(after) => (FixedOffset::east_opt(0), after),
                    None => {
                        let end = rest.len().min(if rest.as_bytes().get(3) == Some(&b':') { 6 } else { 5 });
                        (offset(rest.get(..end)?), rest.get(end..)?)
                    }
                };
                found.zone = Some(zone?);
                rest = after;
                continue;
            }
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let taken = if count == 1 { digits.min(2) } else { count };
            if taken == 0 || digits < taken {
                return None;
            }
            let (digits, after) = rest.split_at(taken);
            rest = after;
            let value = Some(number(digits)?);
            match letter {
                'y' | 'u' if count == 2 => found.year = Some(2000 + value?),
                'y' | 'u' => found.year = value,
                'M' if count <= 2 => found.month = value,
                'd' => found.day = value,
                'H' => found.hour = value,
                'm' => found.minute = value,
                's' => found.second = value,
                'S' => found.nanos = Some(nanos(digits)?),
                _ => return None,
            }
        }
        if rest.is_empty() { self.complete(found) } else { None }
    }

    /// A month or a day that isn't said is the first; the time of day is as early or as late as it can be.
    fn complete(self, found: Parts) -> Option<DateTime<Utc>> {
        let year = i32::try_from(found.year.unwrap_or(1970)).ok().filter(|year| YEARS.contains(year))?;
        let (month, day) = (found.month.unwrap_or(1), found.day.unwrap_or(1));
        let (hour, minute, second, nanos) = if self.up { (23, 59, 59, 999_999_999) } else { (0, 0, 0, 0) };
        let time = NaiveTime::from_hms_nano_opt(
            found.hour.unwrap_or(hour),
            found.minute.unwrap_or(minute),
            found.second.unwrap_or(second),
            found.nanos.unwrap_or(nanos),
        )?;
        let local = NaiveDate::from_ymd_opt(year, month, day)?.and_time(time);
        found.zone.map_or(self.zone, Zone::Fixed).utc(local)
    }

    /// `+1d`, `-2M`, `/d`, one after another.
    fn reckon(self, start: DateTime<Utc>, arithmetic: &str) -> Option<DateTime<Utc>> {
        let mut time = start;
        let mut rest = arithmetic;
        while let Some(sign) = rest.chars().next() {
            rest = &rest[sign.len_utf8()..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let count = if digits == 0 { 1 } else { rest[..digits].parse::<u32>().ok()? };
            let unit = rest[digits..].chars().next()?;
            rest = &rest[digits + unit.len_utf8()..];
            time = match sign {
                '+' => self.moved(time, i64::from(count), unit)?,
                '-' => self.moved(time, -i64::from(count), unit)?,
                '/' if digits == 0 => {
                    let down = self.rounded(time, unit)?;
                    if self.up { self.moved(down, 1, unit)? - Duration::milliseconds(1) } else { down }
                }
                _ => return None,
            };
            if !in_reach(&time) {
                return None;
            }
        }
        Some(time)
    }

    fn moved(self, time: DateTime<Utc>, count: i64, unit: char) -> Option<DateTime<Utc>> {
        let months = |count: i64| {
            let months = Months::new(u32::try_from(count.unsigned_abs()).ok()?);
            let local = self.zone.local(time);
            let moved = if count < 0 { local.checked_sub_months(months) } else { local.checked_add_months(months) };
            self.zone.utc(moved?)
        };
        let days = |count: i64| self.zone.utc(self.zone.local(time).checked_add_signed(Duration::try_days(count)?)?);
        match unit {
            'y' => months(count.checked_mul(12)?),
            'M' => months(count),
            'w' => days(count.checked_mul(7)?),
            'd' => days(count),
            'h' | 'H' => time.checked_add_signed(Duration::try_hours(count)?),
            'm' => time.checked_add_signed(Duration::try_minutes(count)?),
            's' => time.checked_add_signed(Duration::try_seconds(count)?),
            _ => None,
        }
    }

    fn rounded(self, time: DateTime<Utc>, unit: char) -> Option<DateTime<Utc>> {
        let local = self.zone.local(time);
        let date = local.date();
        let clock = |hours, minutes, seconds| date.and_hms_opt(hours, minutes, seconds);
        let down = match unit {
            'y' => NaiveDate::from_ymd_opt(date.year(), 1, 1)?.and_time(NaiveTime::MIN),
            'M' => date.with_day(1)?.and_time(NaiveTime::MIN),
            'w' => date.week(chrono::Weekday::Mon).first_day().and_time(NaiveTime::MIN),
            'd' => clock(0, 0, 0)?,
            'h' | 'H' => clock(local.hour(), 0, 0)?,
            'm' => clock(local.hour(), local.minute(), 0)?,
            's' => clock(local.hour(), local.minute(), local.second())?,
            _ => return None,
        };
        self.zone.utc(down)
    }
}

/// What a text says of a time.
#[derive(Debug, Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    nanos: Option<u32>,
    zone: Option<FixedOffset>,
}

fn number(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) { None } else { digits.parse().ok() }
}

/// Digits behind a point, as nanoseconds.
fn nanos(digits: &str) -> Option<u32> {
    if digits.len() > 9 {
        return None;
    }
    Some(number(digits)? * 10_u32.pow(9 - digits.len() as u32))
}

/// `+01:00`, `+0100` or `+01`.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let rest = rest.replace(':', "");
    if !rest.is_ascii() {
        return None;
    }
    let (hours, minutes) = match rest.len() {
        2 => (number(&rest)?, 0),
        4 => (number(&rest[..2])?, number(&rest[2..])?),
        _ => return None,
    };
    FixedOffset::east_opt(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?)
}
