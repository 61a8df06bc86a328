//! Times read from the left, so that a line can go on behind them.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::{Zone, nearest_year};

/// The number of a month by the first three letters of its English name.
pub fn month(name: &str) -> Option<u32> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short = name.get(..3)?;
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(short)).map(|index| index as u32 + 1)
}

/// What of a text isn't read yet.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'t> {
    rest: &'t str,
}

impl<'t> Scan<'t> {
    /// All of a text.
    pub fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// What is left.
    pub fn rest(&self) -> &'t str {
        self.rest
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes a text that stands next.
    pub fn takes(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Takes white space.
    pub fn space(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(' ');
        let took = rest.len() < self.rest.len();
        self.rest = rest;
        took.then_some(())
    }

    /// Takes all up to a text, and the text.
    pub fn until(&mut self, end: &str) -> Option<&'t str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    /// Takes a number of so many digits.
    pub fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        let number = digits.parse().ok()?;
        self.rest = rest;
        Some(number)
    }

    /// Takes `15:04:05`, with a fraction behind a dot or comma, or `15:04`.
    pub fn clock(&mut self) -> Option<NaiveTime> {
        let hour = self.digits(1, 2)?;
        self.takes(":")?;
        let minute = self.digits(2, 2)?;
        if !self.rest.starts_with(':') {
            return NaiveTime::from_hms_opt(hour, minute, 0);
        }
        self.takes(":")?;
        let (second, nanos) = (self.digits(2, 2)?, self.fraction());
        // A leap second is the last one of its minute, as chrono counts them.
        if second == 60 {
            return NaiveTime::from_hms_nano_opt(hour, minute, 59, 1_000_000_000 + nanos);
        }
        NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)
    }

    /// Takes `.123` or `,123`, in nanoseconds; digits beyond the ninth have no part.
    fn fraction(&mut self) -> u32 {
        let Some(digits) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return 0;
        }
        self.rest = &digits[count..];
        let mut nanos = 0;
        for index in 0..9 {
            nanos = nanos * 10 + digits.as_bytes()[..count].get(index).map_or(0, |digit| u32::from(digit - b'0'));
        }
        nanos
    }

    /// Takes `Z`, `UTC`, `+01:00`, `+0100` or `+01`.
    pub fn offset(&mut self) -> Option<FixedOffset> {
        for utc in ["Z", "z", "UTC", "GMT"] {
            if self.takes(utc).is_some() {
                return FixedOffset::east_opt(0);
            }
        }
        let sign = match self.rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let mut scan = Self { rest: &self.rest[1..] };
        let hours = scan.digits(2, 2)?;
        let minutes = if scan.takes(":").is_some() { scan.digits(2, 2)? } else { scan.digits(2, 2).unwrap_or(0) };
        if hours > 23 || minutes > 59 {
            return None;
        }
        self.rest = scan.rest;
        FixedOffset::east_opt(sign * (hours * 3_600 + minutes * 60) as i32)
    }

    /// Takes a date, `2026-01-02` or with slashes, and behind `T`, a space or nothing else a clock; then a zone, if one stands there.
    pub fn iso(&mut self, zone: Zone) -> Option<DateTime<Utc>> {
        let local = self.date_and_clock()?;
        let before = self.rest;
        let _ = self.takes(" ");
        match self.offset() {
            Some(offset) => Some(local.checked_sub_offset(offset)?.and_utc()),
            None => {
                self.rest = before;
                zone.moment(local)
            }
        }
    }

    /// Takes a date and a clock of no zone.
    pub fn date_and_clock(&mut self) -> Option<NaiveDateTime> {
        let year = self.digits(4, 4)?;
        let sign = self.rest.get(..1).filter(|sign| matches!(*sign, "-" | "/"))?;
        self.takes(sign)?;
        let month = self.digits(2, 2)?;
        self.takes(sign)?;
        let day = self.digits(2, 2)?;
        self.takes("T").or_else(|| self.takes("t")).or_else(|| self.takes(" "))?;
        Some(NaiveDate::from_ymd_opt(year as i32, month, day)?.and_time(self.clock()?))
    }

    /// Takes `02/Jan/2026:15:04:05 +0100`.
    pub fn http(&mut self) -> Option<DateTime<Utc>> {
        let day = self.digits(1, 2)?;
        self.takes("/")?;
        let month = month(self.until("/")?)?;
        let year = self.digits(4, 4)?;
        self.takes(":")?;
        let clock = self.clock()?;
        self.space()?;
        let local = NaiveDate::from_ymd_opt(year as i32, month, day)?.and_time(clock);
        Some(local.checked_sub_offset(self.offset()?)?.and_utc())
    }

    /// Takes `Jan  2 15:04:05` or `Jan 2 2026 15:04:05`.
    pub fn syslog(&mut self, zone: Zone, near: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let month = month(self.rest)?;
        self.rest = self.rest.get(3..)?;
        self.space()?;
        let day = self.digits(1, 2)?;
        self.space()?;
        let mut ahead = *self;
        let year = ahead.digits(4, 4).filter(|_| ahead.space().is_some());
        if year.is_some() {
            *self = ahead;
        }
        let clock = self.clock()?;
        let in_year = |year: i32| Some(NaiveDate::from_ymd_opt(year, month, day)?.and_time(clock));
        match year {
            Some(year) => zone.moment(in_year(year as i32)?),
            None => nearest_year(near, zone, in_year),
        }
    }
}
