//! Spans of time as they are written.

use std::time::Duration;

/// The units and their seconds.
const UNITS: [(&[&str], f64); 5] = [
    (&["ms"], 0.001),
    (&["s", "second", "seconds"], 1.0),
    (&["m", "min", "minute", "minutes"], 60.0),
    (&["h", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
];

/// The span that numbers with units mean together: `"20ms"`, `"1.5s"`, `"5 min"`, `"1h30m"`, `"7d"`. `None`: the text
/// is none, or is longer than a [`Duration`] can be.
pub fn span(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text.trim());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let unit_start = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number = &rest[..unit_start];
        let unit_end = rest[unit_start..].find(|letter: char| letter.is_ascii_digit() || letter == '.');
        let unit_end = unit_end.map_or(rest.len(), |length| unit_start + length);
        let seconds = seconds(rest[unit_start..unit_end].trim())?;
        total = total.checked_add(times(number, seconds)?)?;
        rest = &rest[unit_end..];
    }
    Some(total)
}

/// The seconds of a unit of time.
pub(crate) fn seconds(unit: &str) -> Option<f64> {
    UNITS.iter().find(|(names, _)| names.contains(&unit)).map(|(_, seconds)| *seconds)
}

/// So many units. Whole numbers of milliseconds come out exactly.
fn times(number: &str, seconds: f64) -> Option<Duration> {
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul((seconds * 1000.0) as u64).map(Duration::from_millis),
        Err(_) => Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, milliseconds) in [
            ("20ms", 20),
            ("1.5s", 1500),
            ("0s", 0),
            ("90s", 90_000),
            ("5m", 300_000),
            ("5 min", 300_000),
            ("1h30m", 5_400_000),
            (" 1 h 30 m ", 5_400_000),
            ("1s500ms", 1500),
            ("2 hours", 7_200_000),
            ("7d", 604_800_000),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(span(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", " ", "5", "m", "s5", "-2s", "1..5s", "3 weeks", "1h30", "5M", "99999999999999999999d"] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
