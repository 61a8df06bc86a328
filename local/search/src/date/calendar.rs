//! Steps of time, always as long or by the calendar, in a zone.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::Zone;

/// How long a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many milliseconds.
    Millis(i64),
    /// A day.
    Day,
    /// A week from Monday on.
    Week,
    /// So many months, of which the year is a multiple.
    Months(u32),
}

impl Step {
    /// A calendar interval: `month`, `1M`.
    pub fn calendar(text: &str) -> Option<Self> {
        Some(match text {
            "second" | "1s" => Self::Millis(1000),
            "minute" | "1m" => Self::Millis(60_000),
            "hour" | "1h" => Self::Millis(3_600_000),
            "day" | "1d" => Self::Day,
            "week" | "1w" => Self::Week,
            "month" | "1M" => Self::Months(1),
            "quarter" | "1q" => Self::Months(3),
            "year" | "1y" => Self::Months(12),
            _ => return None,
        })
    }

    /// A fixed interval of at least a millisecond: `30m`, `7d`.
    pub fn fixed(text: &str) -> Option<Self> {
        millis(text).filter(|millis| *millis > 0).map(Self::Millis)
    }
}

/// A span of time in milliseconds: `500ms`, `90s`, `-6h`.
pub fn millis(text: &str) -> Option<i64> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(*factor)
}

/// Steps in a zone, each so much later than it would be.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// How long they are.
    pub step: Step,
    /// Where.
    pub zone: Zone,
    /// By how many milliseconds they are later.
    pub offset: i64,
}

impl Steps {
    /// Where the step begins that a time is in, in milliseconds since 1970.
    pub fn floor(self, millis: i64) -> Option<i64> {
        let time = time(millis.checked_sub(self.offset)?)?;
        let local = self.zone.local(time);
        let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN);
        let date = local.date();
        let begin = match self.step {
            Step::Millis(step) => {
                let begin = local.and_utc().timestamp_millis().div_euclid(step) * step;
                // Where the clock is put back, the hour is the one that the time is in.
                let early = time.timestamp_millis() - (local.and_utc().timestamp_millis() - begin);
                let begin = self::time(begin)?.naive_utc();
                if self.zone.local(self::time(early)?) == begin {
                    return early.checked_add(self.offset);
                }
                begin
            }
            Step::Day => midnight(date),
            Step::Week => midnight(date.week(chrono::Weekday::Mon).first_day()),
            Step::Months(count) => {
                midnight(NaiveDate::from_ymd_opt(date.year(), date.month0() / count * count + 1, 1)?)
            }
        };
        self.utc(begin)
    }

    /// Where the step after the one begins that begins there.
    pub fn next(self, begin: i64) -> Option<i64> {
        let time = time(begin.checked_sub(self.offset)?)?;
        let local = self.zone.local(time);
        let next = match self.step {
            Step::Millis(step) => {
                let late = begin.checked_add(step)?;
                if self.floor(late)? == late {
                    return Some(late);
                }
                local.checked_add_signed(chrono::Duration::milliseconds(step))?
            }
            Step::Day => local.checked_add_days(Days::new(1))?,
            Step::Week => local.checked_add_days(Days::new(7))?,
            Step::Months(count) => local.checked_add_months(Months::new(count))?,
        };
        // A clock that was put on at midnight begins its day later than others.
        let next = match self.step {
            Step::Millis(_) => next,
            _ => next.date().and_time(NaiveTime::MIN),
        };
        self.utc(next).filter(|next| *next > begin)
    }

    fn utc(self, local: NaiveDateTime) -> Option<i64> {
        self.zone.utc(local)?.timestamp_millis().checked_add(self.offset)
    }
}

fn time(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect(text).timestamp_millis()
    }

    #[test]
    fn steps_begin_where_the_calendar_has_it() {
        let of = |step: &str, zone: &str| Steps {
            step: Step::calendar(step).expect(step),
            zone: Zone::parse(zone).expect(zone),
            offset: 0,
        };
        for (step, zone, time, begin, next) in [
            ("week", "UTC", "2026-11-28T10:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("month", "UTC", "2026-02-28T10:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("quarter", "UTC", "2026-11-28T10:00:00Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("1y", "UTC", "2026-11-28T10:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            // Days of 23 and 25 hours.
            ("day", "Europe/Stockholm", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("day", "Europe/Stockholm", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("month", "+09:00", "2026-04-30T16:00:00Z", "2026-04-30T15:00:00Z", "2026-05-31T15:00:00Z"),
            // The hour that is there twice.
            ("hour", "Europe/Stockholm", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),
            ("hour", "Asia/Kolkata", "2026-10-25T01:15:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ] {
            let steps = of(step, zone);
            assert_eq!(steps.floor(at(time)), Some(at(begin)), "{step} {zone} {time}");
            assert_eq!(steps.next(at(begin)), Some(at(next)), "{step} {zone} {begin}");
        }
        let late = Steps { offset: 6 * 3_600_000, ..of("day", "UTC") };
        assert_eq!(late.floor(at("2026-11-28T05:00:00Z")), Some(at("2026-11-27T06:00:00Z")));
        assert_eq!(late.next(at("2026-11-27T06:00:00Z")), Some(at("2026-11-28T06:00:00Z")));
    }

    #[test]
    fn spans_are_read() {
        for (text, wanted) in
            [("500ms", Some(500)), ("-6h", Some(-21_600_000)), ("+1d", Some(86_400_000)), ("1M", None)]
        {
            assert_eq!(millis(text), wanted, "{text}");
        }
        assert_eq!((Step::fixed("0s"), Step::fixed("-1s"), Step::calendar("2d")), (None, None, None));
    }
}
