//! Dates and times as text, from the numbers that formats hold.

use crate::text::push_digits;

const DAY_SECONDS: i64 = 86_400;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
        }
    }

    /// How many are a second.
    fn per_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }

    /// Seconds, and the fraction's digits: six, nine for nanoseconds.
    fn split(self, value: i64) -> (i64, u32, usize) {
        let fraction = value.rem_euclid(self.per_second());
        let (fraction, digits) = match self {
            Self::Millis => (fraction * 1000, 6),
            Self::Micros => (fraction, 6),
            Self::Nanos => (fraction, 9),
        };
        (value.div_euclid(self.per_second()), fraction as u32, digits)
    }
}

/// Writes the date of so many days since 1970.
///
/// # Errors
/// The year isn't 0 to 9999.
pub(crate) fn push_date(days: i64, out: &mut String) -> Result<(), String> {
    out.push('"');
    push_day(days, out)?;
    out.push('"');
    Ok(())
}

fn push_day(days: i64, out: &mut String) -> Result<(), String> {
    // Years that begin in March, so that the leap day is the last.
    let days_since_0000_03_01 = days.saturating_add(719_468);
    let era = days_since_0000_03_01.div_euclid(146_097);
    let day_of_era = days_since_0000_03_01.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        return Err(format!("{days} days since 1970 are in the year {year}, beyond 0 to 9999"));
    }
    push_digits(year as u32, 4, out);
    out.push('-');
    push_digits(month as u32, 2, out);
    out.push('-');
    push_digits(day as u32, 2, out);
    Ok(())
}

fn push_clock(second_of_day: i64, fraction: u32, digits: usize, out: &mut String) {
    push_digits((second_of_day / 3600) as u32, 2, out);
    out.push(':');
    push_digits((second_of_day / 60 % 60) as u32, 2, out);
    out.push(':');
    push_digits((second_of_day % 60) as u32, 2, out);
    out.push('.');
    push_digits(fraction, digits, out);
}

/// Writes a time of day.
///
/// # Errors
/// It is before midnight, or a day or more after it.
pub(crate) fn push_time(value: i64, unit: Unit, out: &mut String) -> Result<(), String> {
    let (seconds, fraction, digits) = unit.split(value);
    if !(0..DAY_SECONDS).contains(&seconds) {
        return Err(format!("{value} {} after midnight are no time of a day", unit.word()));
    }
    out.push('"');
    push_clock(seconds, fraction, digits, out);
    out.push('"');
    Ok(())
}

/// Writes a point in time, counted from 1970; `zoned` with `Z`, else a local one.
///
/// # Errors
/// The year isn't 0 to 9999.
pub(crate) fn push_timestamp(value: i64, unit: Unit, zoned: bool, out: &mut String) -> Result<(), String> {
    let (seconds, fraction, digits) = unit.split(value);
    out.push('"');
    push_day(seconds.div_euclid(DAY_SECONDS), out)?;
    out.push('T');
    push_clock(seconds.rem_euclid(DAY_SECONDS), fraction, digits, out);
    out.push_str(if zoned { "Z\"" } else { "\"" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::*;

    #[test]
    fn dates_are_what_chrono_says() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");
        // Every day of the years 0 to 9999, the first and the last among them.
        let mut text = String::new();
        for days in -719_528..=2_932_896 {
            text.clear();
            push_date(days, &mut text).expect("within the years");
            if days % 97 == 0 || days % 146_097 < 3 {
                let date = epoch + chrono::Duration::days(days);
                assert_eq!(text, format!("\"{}\"", date.format("%Y-%m-%d")));
            }
        }
        for days in [-719_529, 2_932_897, i64::MIN, i64::MAX] {
            assert!(push_date(days, &mut text).expect_err("beyond").contains("beyond 0 to 9999"), "{days}");
        }
    }

    #[test]
    fn times_before_and_after_1970_are_what_chrono_says() {
        for micros in [0, -1, 1, 1_700_000_000_123_456, -62_167_219_200_000_000, 253_402_300_799_999_999] {
            let mut text = String::new();
            push_timestamp(micros, Unit::Micros, true, &mut text).expect("within the years");
            let expected = DateTime::from_timestamp_micros(micros).expect("a time");
            assert_eq!(text, format!("\"{}\"", expected.format("%Y-%m-%dT%H:%M:%S%.6fZ")));
        }
        for (value, unit, zoned, expected) in [
            (-1, Unit::Millis, false, "\"1969-12-31T23:59:59.999000\""),
            (-1, Unit::Nanos, true, "\"1969-12-31T23:59:59.999999999Z\""),
            (1_001, Unit::Millis, true, "\"1970-01-01T00:00:01.001000Z\""),
        ] {
            let mut text = String::new();
            push_timestamp(value, unit, zoned, &mut text).expect("within the years");
            assert_eq!(text, expected);
        }
        for (value, unit) in [(i64::MIN, Unit::Millis), (i64::MAX, Unit::Micros)] {
            assert!(push_timestamp(value, unit, true, &mut String::new()).is_err());
        }
    }

    #[test]
    fn a_time_of_day_is_within_a_day() {
        for (value, unit, expected) in [
            (0, Unit::Micros, "\"00:00:00.000000\""),
            (86_399_999_999, Unit::Micros, "\"23:59:59.999999\""),
            (86_399_999, Unit::Millis, "\"23:59:59.999000\""),
            (1, Unit::Nanos, "\"00:00:00.000000001\""),
        ] {
            let mut text = String::new();
            push_time(value, unit, &mut text).expect("a time");
            assert_eq!(text, expected);
        }
        for (value, unit) in [(-1, Unit::Micros), (86_400_000, Unit::Millis), (i64::MIN, Unit::Nanos)] {
            assert!(push_time(value, unit, &mut String::new()).expect_err("no time").contains("no time of a day"));
        }
    }
}
