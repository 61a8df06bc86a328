//! Days, months and years of the proleptic Gregorian calendar, for every time that a column can hold.

/// Microseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000_000;
/// Microseconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// Year, month (from 1) and day of the month (from 1) of a day counted from 1970-01-01. The year before 1 is 0.
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub(crate) fn date(day: i64) -> (i64, i64, i64) {
    // Eras of 400 years from the 1st of March of the year 0.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// The day of a time in microseconds from 1970, also before.
pub(crate) fn day(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

/// Years from 1970 to a day.
pub(crate) fn years(day: i64) -> i64 {
    date(day).0 - 1970
}

/// Months from January 1970 to a day.
pub(crate) fn months(day: i64) -> i64 {
    let (year, month, _) = date(day);
    (year - 1970) * 12 + month - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(-1), (1969, 12, 31));
        assert_eq!(date(-719_528), (0, 1, 1));
        assert_eq!(date(-719_469), (0, 2, 29));
        assert_eq!(date(-719_529), (-1, 12, 31));
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for day in (-1_500_000..1_500_000).step_by(97) {
            use chrono::Datelike as _;
            let expected = epoch + chrono::TimeDelta::days(day);
            assert_eq!(date(day), (expected.year().into(), expected.month().into(), expected.day().into()), "{day}");
        }
    }

    #[test]
    fn periods_before_1970_are_rounded_down() {
        assert_eq!((day(-1), day(-DAY), day(-DAY - 1), day(DAY - 1)), (-1, -1, -2, 0));
        assert_eq!((months(-1), years(-1)), (-1, -1));
        assert_eq!((months(-719_528), years(-719_528)), (-1970 * 12, -1970));
        // Every time that fits in 64 bits.
        assert_eq!((years(day(i64::MIN)), years(day(i64::MAX))), (-292_278, 292_277));
    }
}
