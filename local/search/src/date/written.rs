//! Times as answers write them: by patterns of Java's letters, in a zone.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, Timelike as _};

use super::Zone;

/// The pattern of `strict_date_optional_time`.
const WHOLE: &str = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX";
/// Formats with names.
const NAMED: [(&str, &str); 18] = [
    ("strict_date_optional_time", WHOLE),
    ("date_optional_time", WHOLE),
    ("strict_date_time", WHOLE),
    ("date_time", WHOLE),
    ("iso8601", WHOLE),
    ("strict_date_time_no_millis", "yyyy-MM-dd'T'HH:mm:ssXXX"),
    ("date_time_no_millis", "yyyy-MM-dd'T'HH:mm:ssXXX"),
    ("strict_date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss"),
    ("date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss"),
    ("strict_date", "yyyy-MM-dd"),
    ("date", "yyyy-MM-dd"),
    ("strict_year_month_day", "yyyy-MM-dd"),
    ("year_month_day", "yyyy-MM-dd"),
    ("basic_date", "yyyyMMdd"),
    ("strict_year_month", "yyyy-MM"),
    ("year_month", "yyyy-MM"),
    ("strict_year", "yyyy"),
    ("year", "yyyy"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Fixed(char),
    Letters(char, usize),
    Millis,
    Seconds,
}

/// How times are written.
#[derive(Debug, Clone)]
pub struct Written {
    parts: Vec<Part>,
    zone: Zone,
}

impl Written {
    /// By the first of some formats with `||` between them, or as documents mostly have them; none where the format isn't known.
    pub fn new(format: Option<&str>, zone: Zone) -> Option<Self> {
        let format = format.unwrap_or(WHOLE).split("||").next()?;
        let parts = match format {
            "epoch_millis" => vec![Part::Millis],
            "epoch_second" => vec![Part::Seconds],
            other => {
                let named = NAMED.iter().find(|(name, _)| *name == other);
                pattern(named.map_or(other, |(_, pattern)| pattern))?
            }
        };
        Some(Self { parts, zone })
    }

    /// A time in milliseconds since 1970.
    pub fn text(&self, millis: i64) -> String {
        let time = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let local = self.zone.local(time);
        let east = local.and_utc().timestamp() - time.timestamp();
        let mut text = String::new();
        for part in &self.parts {
            let written = match part {
                Part::Fixed(letter) => write!(text, "{letter}"),
                Part::Millis => write!(text, "{millis}"),
                Part::Seconds => write!(text, "{}", millis.div_euclid(1000)),
                Part::Letters(letter, count) => match letter {
                    'y' | 'u' if *count == 2 => write!(text, "{:02}", local.year().rem_euclid(100)),
                    'y' | 'u' => write!(text, "{:01$}", local.year(), count),
                    'M' if *count == 3 => write!(text, "{}", local.format("%b")),
                    'M' if *count > 3 => write!(text, "{}", local.format("%B")),
                    'M' => write!(text, "{:01$}", local.month(), count),
                    'd' => write!(text, "{:01$}", local.day(), count),
                    'E' if *count > 3 => write!(text, "{}", local.format("%A")),
                    'E' => write!(text, "{}", local.format("%a")),
                    'H' => write!(text, "{:01$}", local.hour(), count),
                    'm' => write!(text, "{:01$}", local.minute(), count),
                    's' => write!(text, "{:01$}", local.second(), count),
                    'S' => {
                        let digits = format!("{:09}", local.nanosecond());
                        write!(text, "{}", &digits[..(*count).min(9)])
                    }
                    'X' if east == 0 => write!(text, "Z"),
                    _ => {
                        let sign = if east < 0 { '-' } else { '+' };
                        let (hours, minutes) = (east.abs() / 3600, east.abs() / 60 % 60);
                        match (*letter, *count) {
                            ('X' | 'x', 1) if minutes == 0 => write!(text, "{sign}{hours:02}"),
                            ('X' | 'x', 1 | 2) | ('Z', 1..=3) => write!(text, "{sign}{hours:02}{minutes:02}"),
                            _ => write!(text, "{sign}{hours:02}:{minutes:02}"),
                        }
                    }
                },
            };
            // A text takes whatever is written to it.
            debug_assert!(written.is_ok(), "a text takes what is written");
        }
        text
    }
}

/// Texts stand between apostrophes.
fn pattern(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            parts.extend(letters.by_ref().take_while(|letter| *letter != '\'').map(Part::Fixed));
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            parts.push(Part::Fixed(letter));
            continue;
        }
        let mut count = 1;
        while letters.next_if_eq(&letter).is_some() {
            count += 1;
        }
        if !"yuMdEHmsSXxZ".contains(letter) || count > 9 {
            return None;
        }
        parts.push(Part::Letters(letter, count));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_by_patterns() {
        let time = 1_795_860_000_123;
        for (format, zone, wanted) in [
            (None, "UTC", "2026-11-28T10:00:00.123Z"),
            (None, "Europe/Stockholm", "2026-11-28T11:00:00.123+01:00"),
            (Some("yyyy-MM"), "UTC", "2026-11"),
            (Some("dd/MM/yy HH'h'"), "-05:30", "28/11/26 04h"),
            (Some("E d MMM, x"), "+02:00", "Sat 28 Nov, +02"),
            (Some("basic_date||yyyy"), "UTC", "20261128"),
            (Some("epoch_second"), "UTC", "1795860000"),
        ] {
            let written = Written::new(format, Zone::parse(zone).expect(zone)).expect("a format");
            assert_eq!(written.text(time), wanted, "{format:?} {zone}");
        }
        assert!(Written::new(Some("whenever"), Zone::UTC).is_none());
    }
}
