//! A record's time: its day, and the time as documents have it.

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Utc};

/// A time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    text: [u8; 24],
    /// The day, in days since 1970.
    pub day: i64,
}

impl Time {
    /// The time as documents have it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The day as names of indices have it, `YYYY.MM.DD`.
    pub fn day_text(&self) -> [u8; 10] {
        let mut day = [b'.'; 10];
        day[..4].copy_from_slice(&self.text[..4]);
        day[5..7].copy_from_slice(&self.text[5..7]);
        day[8..].copy_from_slice(&self.text[8..10]);
        day
    }

    /// Reads an RFC 3339 time.
    ///
    /// # Errors
    /// It is none, or its year in UTC isn't one of 1 to 9999.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(time) = usual(text.as_bytes()) {
            return Ok(time);
        }
        Self::of(DateTime::parse_from_rfc3339(text).map_err(|error| error.to_string())?.to_utc())
    }

    /// A time of a transform.
    ///
    /// # Errors
    /// Its year isn't one of 1 to 9999.
    pub fn of(time: DateTime<Utc>) -> Result<Self, String> {
        if !(1..=9999).contains(&time.year()) {
            return Err("its year is none of 1 to 9999".to_owned());
        }
        let written = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let text = written.as_bytes().try_into().map_err(|_| format!("it is written {written}"))?;
        Ok(Self { text, day: days_since_1970(time.date_naive()) })
    }
}

/// Days since 1970.
pub fn days_since_1970(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - 719_163
}

/// A time as nearly all are written: `YYYY-MM-DDTHH:MM:SS`, perhaps a fraction, `Z`.
fn usual(text: &[u8]) -> Option<Time> {
    let (Some((&b'Z', text)), true) = (text.split_last(), text.len() >= 20) else { return None };
    let (seconds, fraction) = text.split_at(19);
    let two = |at: usize| -> Option<u32> {
        let (tens, ones) = (seconds[at].wrapping_sub(b'0'), seconds[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
    };
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separated.iter().any(|(at, byte)| seconds[*at] != *byte) {
        return None;
    }
    let year = two(0)? * 100 + two(2)?;
    // A leap second is left to the library.
    if year == 0 || two(11)? > 23 || two(14)? > 59 || two(17)? > 59 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), two(5)?, two(8)?)?;
    let mut written = *b"0000-00-00T00:00:00.000Z";
    written[..19].copy_from_slice(seconds);
    match fraction.split_first() {
        None => {}
        Some((b'.', digits)) if (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
            let shown = digits.len().min(3);
            written[20..20 + shown].copy_from_slice(&digits[..shown]);
        }
        Some(_) => return None,
    }
    Some(Time { text: written, day: days_since_1970(date) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_form_is_read_as_the_library_reads_it() {
        let mut texts: Vec<String> = Vec::new();
        for date in [
            "2026-02-28",
            "2024-02-29",
            "2026-02-29",
            "2026-13-01",
            "0001-01-01",
            "9999-12-31",
            "0000-01-01",
            "1970-01-01",
            "2026-11-3O",
        ] {
            for time in ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "1a:00:00"] {
                for end in ["Z", ".1Z", ".123Z", ".123456789Z", ".Z", ".1234567890Z", ".12xZ", "z", "+00:00", ""] {
                    texts.push(format!("{date}T{time}{end}"));
                }
            }
        }
        let mut sound = 0;
        for text in texts {
            let Some(found) = usual(text.as_bytes()) else { continue };
            let expected = DateTime::parse_from_rfc3339(&text).unwrap_or_else(|_| panic!("{text} is no time")).to_utc();
            assert_eq!(found.text(), expected.to_rfc3339_opts(SecondsFormat::Millis, true).as_bytes(), "{text}");
            assert_eq!(found.day, expected.timestamp().div_euclid(86_400), "{text}");
            assert_eq!(found.day_text(), expected.format("%Y.%m.%d").to_string().as_bytes(), "{text}");
            sound += 1;
        }
        assert!(sound > 20, "{sound}");
    }

    #[test]
    fn other_forms_are_read_by_the_library() {
        let time = Time::parse("2026-01-01T00:30:00+01:00").expect("a time");
        assert_eq!((time.text(), &time.day_text()[..]), (&b"2025-12-31T23:30:00.000Z"[..], &b"2025.12.31"[..]));
        for wrong in ["yesterday", "2026-01-01", "", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"] {
            Time::parse(wrong).expect_err(wrong);
        }
    }
}
