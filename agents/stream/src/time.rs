//! Dates and times as ISO 8601 writes them, strictly.

/// Microseconds of a second,
const SECOND: i64 = 1_000_000;
/// and of a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;
/// The first microsecond of the year 1,
pub(crate) const EARLIEST: i64 = -719_162 * DAY;
/// and the last of the year 9999.
pub(crate) const LATEST: i64 = 2_932_897 * DAY - 1;

/// So many digits at the beginning, and the rest.
#[inline]
fn digits(bytes: &[u8], count: usize) -> Option<(i64, &[u8])> {
    if bytes.len() < count {
        return None;
    }
    let (head, rest) = bytes.split_at(count);
    let mut value = 0;
    for byte in head {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some((value, rest))
}

#[inline]
fn after(bytes: &[u8], byte: u8) -> Option<&[u8]> {
    bytes.strip_prefix(&[byte])
}

/// Days since 1970 of a date at the beginning, and the rest. The years are 1 to 9999, as readers of tables know them.
#[inline]
pub(crate) fn date(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (year, rest) = digits(bytes, 4).filter(|(year, _)| *year > 0)?;
    let (month, rest) = digits(after(rest, b'-')?, 2)?;
    let (day, rest) = digits(after(rest, b'-')?, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    // Days from the civil calendar, with years beginning in March so that the leap day is the last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468, rest))
}

/// Microseconds since 1970; digits beyond microseconds are cut off. With `zoned` an offset must stand, else none may; with it too the
/// year is 1 to 9999 in UTC.
#[inline]
pub(crate) fn timestamp(bytes: &[u8], zoned: bool) -> Option<i64> {
    let (days, rest) = date(bytes)?;
    let (b'T' | b't' | b' ', rest) = rest.split_first()? else { return None };
    let (micros, rest) = clock(rest)?;
    let offset = match (zoned, rest) {
        (false, []) | (true, [b'Z' | b'z']) => 0,
        (true, [sign @ (b'+' | b'-'), rest @ ..]) => {
            let (hours, rest) = digits(rest, 2)?;
            let (minutes, rest) = digits(after(rest, b':')?, 2)?;
            if hours > 23 || minutes > 59 || !rest.is_empty() {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    Some(days * DAY + micros - offset * 60 * SECOND).filter(|time| (EARLIEST..=LATEST).contains(time))
}

/// Microseconds since midnight of a time of day at the beginning, and the rest; digits beyond microseconds are cut off.
#[inline]
fn clock(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = digits(bytes, 2)?;
    let (minute, rest) = digits(after(rest, b':')?, 2)?;
    let (second, mut rest) = digits(after(rest, b':')?, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let Some(fraction) = after(rest, b'.') {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        let (kept, _) = digits(fraction, count.min(6))?;
        micros = kept * 10_i64.pow(6 - count.min(6) as u32);
        rest = &fraction[count..];
    }
    Some((((hour * 60 + minute) * 60 + second) * SECOND + micros, rest))
}

/// Microseconds since midnight of a time of day without offset.
pub(crate) fn time_of_day(bytes: &[u8]) -> Option<i64> {
    clock(bytes).filter(|(_, rest)| rest.is_empty()).map(|(micros, _)| micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_what_chrono_says() {
        for text in [
            "2024-02-29T23:59:59.999999Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.5Z",
            "2026-11-22T20:45:00+05:30",
            "2026-11-22T20:45:00.123-08:00",
            "2000-03-01T00:00:00.000001Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            let expected = chrono::DateTime::parse_from_rfc3339(text).expect(text).timestamp_micros();
            assert_eq!(timestamp(text.as_bytes(), true), Some(expected), "{text}");
        }
        assert_eq!(timestamp(b"2026-11-22T20:45:00.1234567Z", true), timestamp(b"2026-11-22T20:45:00.123456Z", true));
        assert_eq!(timestamp(b"1970-01-01T00:00:01", false), Some(1_000_000));
        for text in [
            "2026-11-22T20:45:00",
            "2026-11-22",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T20:45:60Z",
            "2026-11-22T20:45:00.Z",
            "2026-11-22T20:45:00+0530",
            "2026-11-22T20:45:00Zx",
            "22.11.2026",
            "",
            "2026-11-22T20:45:00.1234567890Z",
        ] {
            assert_eq!(timestamp(text.as_bytes(), true), None, "{text}");
        }
        assert_eq!(timestamp(b"1970-01-01T00:00:01Z", false), None);
    }

    #[test]
    fn the_years_that_readers_know_are_1_to_9999() {
        assert_eq!(timestamp(b"0001-01-01T00:00:00", false), Some(EARLIEST));
        assert_eq!(timestamp(b"9999-12-31T23:59:59.999999", false), Some(LATEST));
        assert_eq!(timestamp(b"0001-01-01T00:00:00-00:01", true), Some(EARLIEST + 60 * SECOND));
        for text in [
            "0000-12-31T23:59:59Z",
            "0000-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(timestamp(text.as_bytes(), true), None, "{text}");
        }
        assert_eq!(date(b"0000-12-31"), None);
        assert_eq!(date(b"0001-01-01").map(|(days, _)| days * DAY), Some(EARLIEST));
    }

    #[test]
    fn times_of_day_are_strict() {
        assert_eq!(time_of_day(b"23:59:59.9999999"), Some(DAY - 1));
        assert_eq!(time_of_day(b"00:00:00"), Some(0));
        for text in ["24:00:00", "12:00", "12:00:60", "12:00:00Z", "12:00:00+01:00", "1:00:00", "12:00:00.", ""] {
            assert_eq!(time_of_day(text.as_bytes()), None, "{text}");
        }
    }
}
