//! From JSON values to typed ones: exact, or refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakewright_config::ColumnType;

use crate::escape::unescape;
use crate::json::{Scanner, Token};

/// A typed value. Ranges instead of references let a row's values be used again for the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    /// Integers, dates in days, timestamps in microseconds.
    Whole(i64),
    Real(f64),
    Decimal(i128),
    /// Text of the message.
    Text {
        start: usize,
        end: usize,
    },
    /// Text whose escapes were resolved, in the arena.
    Made {
        start: usize,
        end: usize,
    },
    /// Bytes in the arena.
    Bytes {
        start: usize,
        end: usize,
    },
    /// Elements in the arena.
    List {
        start: usize,
        end: usize,
    },
}

/// What a row's values need beside their message. Used again for each row.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// The address of the message's first byte.
    base: usize,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) elements: Vec<Cell>,
}

impl Arena {
    /// Empties it for the next message.
    pub(crate) fn begin(&mut self, message: &str) {
        self.base = message.as_ptr().addr();
        self.text.clear();
        self.bytes.clear();
        self.elements.clear();
    }
}

/// Converts a value to a column's type.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn convert(token: Token<'_>, column_type: &ColumnType, arena: &mut Arena) -> Result<Cell, String> {
    match (column_type, token) {
        (_, Token::Null) => Ok(Cell::Null),
        (ColumnType::Boolean, Token::Bool(value)) => Ok(Cell::Bool(value)),
        (ColumnType::Int, Token::Number(text)) => match integer(text) {
            Some(value) if i32::try_from(value).is_ok() => Ok(Cell::Whole(value)),
            _ => Err(format!("{text} is no 32-bit integer")),
        },
        (ColumnType::Long, Token::Number(text)) => {
            integer(text).map(Cell::Whole).ok_or_else(|| format!("{text} is no 64-bit integer"))
        }
        (ColumnType::Float, Token::Number(text)) => match text.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(Cell::Real(f64::from(value))),
            _ => Err(format!("{text} is beyond a float")),
        },
        (ColumnType::Double, Token::Number(text)) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Cell::Real(value)),
            _ => Err(format!("{text} is beyond a double")),
        },
        (ColumnType::Decimal(precision, scale), Token::Number(text) | Token::Text { raw: text, .. }) => {
            decimal(text, *precision, *scale).map(Cell::Decimal)
        }
        (ColumnType::String, Token::Text { raw, escaped: false }) => {
            let start = raw.as_ptr().addr() - arena.base;
            Ok(Cell::Text { start, end: start + raw.len() })
        }
        (ColumnType::String, Token::Text { raw, escaped: true }) => {
            let start = arena.text.len();
            unescape(raw, &mut arena.text);
            Ok(Cell::Made { start, end: arena.text.len() })
        }
        (ColumnType::Date, Token::Text { raw, .. }) => date(raw.as_bytes())
            .filter(|(_, rest)| rest.is_empty())
            .map(|(days, _)| Cell::Whole(days))
            .ok_or_else(|| format!("`{}` is no date YYYY-MM-DD", shown(raw))),
        (ColumnType::Timestamptz, Token::Text { raw, .. }) => timestamp(raw.as_bytes(), true)
            .map(Cell::Whole)
            .ok_or_else(|| format!("`{}` is no RFC 3339 time with offset", shown(raw))),
        (ColumnType::Timestamp, Token::Text { raw, .. }) => timestamp(raw.as_bytes(), false)
            .map(Cell::Whole)
            .ok_or_else(|| format!("`{}` is no ISO 8601 time without offset", shown(raw))),
        (ColumnType::Binary, Token::Text { raw, escaped: false }) => {
            let start = arena.bytes.len();
            STANDARD
                .decode_vec(raw, &mut arena.bytes)
                .map(|()| Cell::Bytes { start, end: arena.bytes.len() })
                .map_err(|_| format!("`{}` is no Base64", shown(raw)))
        }
        (ColumnType::List(element), Token::Array(text)) => list(text, element, arena),
        (expected, found) => Err(format!("expected {expected}, found {}", found.kind())),
    }
}

fn list(text: &str, element: &ColumnType, arena: &mut Arena) -> Result<Cell, String> {
    let start = arena.elements.len();
    let mut scanner = Scanner::new(text);
    let mut more = scanner.enter_array().map_err(|error| error.to_string())?;
    while more {
        let token = scanner.value().map_err(|error| error.to_string())?;
        let index = arena.elements.len() - start;
        let cell = convert(token, element, arena).map_err(|error| format!("element {index}: {error}"))?;
        arena.elements.push(cell);
        more = scanner.more(b']').map_err(|error| error.to_string())?;
    }
    Ok(Cell::List { start, end: arena.elements.len() })
}

/// The beginning of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A whole number written as one: no fraction, no exponent.
#[inline]
fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// The unscaled value of a decimal; exact, so digits beyond the scale must be zeros.
fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, String> {
    let wrong = || format!("`{}` is no decimal number", shown(text));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().map_err(|_| wrong())?),
        None => (digits, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || (digits.len() > whole.len() && fraction.is_empty()) {
        return Err(wrong());
    }
    let too_big = || format!("{} doesn't fit decimal({precision},{scale})", shown(text));
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(wrong());
        }
        let grown = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(byte - b'0')));
        value = grown.ok_or_else(too_big)?;
    }
    let shift = i32::from(scale).saturating_add(exponent).saturating_sub(fraction.len() as i32);
    let power = |by: u32| 10_i128.checked_pow(by);
    if value != 0 && shift > 0 {
        value = power(shift.unsigned_abs()).and_then(|power| value.checked_mul(power)).ok_or_else(too_big)?;
    } else if value != 0 && shift < 0 {
        let exact = power(shift.unsigned_abs()).filter(|power| value % power == 0);
        let power = exact.ok_or_else(|| format!("{} has more than {scale} decimal places", shown(text)))?;
        value /= power;
    }
    if power(u32::from(precision)).is_some_and(|limit| value >= limit) {
        return Err(too_big());
    }
    Ok(if negative { -value } else { value })
}

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

/// Days since 1970 of a date at the beginning, and the rest.
fn date(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (year, rest) = digits(bytes, 4)?;
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

/// Microseconds since 1970; digits beyond microseconds are cut off. With `zoned` an offset must stand, else none may.
fn timestamp(bytes: &[u8], zoned: bool) -> Option<i64> {
    let (days, rest) = date(bytes)?;
    let (b'T' | b't' | b' ', rest) = rest.split_first()? else { return None };
    let (hour, rest) = digits(rest, 2)?;
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
    Some(((days * 1440 + hour * 60 + minute - offset) * 60 + second) * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, precision, scale, value) in [
            ("12.50", 10, 2, 1250),
            ("-0.1", 10, 2, -10),
            ("7", 10, 2, 700),
            ("1.5e3", 10, 2, 150_000),
            ("1250e-2", 10, 2, 1250),
            ("12.500", 10, 2, 1250),
            ("0e-400", 10, 2, 0),
            ("12345678901234567890123456789012345678", 38, 0, 12_345_678_901_234_567_890_123_456_789_012_345_678),
            ("0.1234567890123456789", 19, 19, 1_234_567_890_123_456_789),
        ] {
            assert_eq!(decimal(text, precision, scale), Ok(value), "{text}");
        }
        for (text, part) in [
            ("12.505", "more than 2 decimal places"),
            ("100000000", "doesn't fit decimal(10,2)"),
            ("1e300", "doesn't fit decimal(10,2)"),
            ("1e-300", "more than 2 decimal places"),
            ("twelve", "no decimal number"),
            ("1.", "no decimal number"),
            ("", "no decimal number"),
            (".5", "no decimal number"),
        ] {
            let error = decimal(text, 10, 2).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

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
}
