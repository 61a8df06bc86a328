//! Numbers of JSON as integers, decimals and times: exact, or refused.

use lakewright_config::TimeUnit;

use crate::reject::shown;
use crate::time::{DAY, EARLIEST, LATEST};

/// Why a text has no number that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unusable {
    NoNumber,
    TooLong,
}

/// A number as it is written: `digits` times ten to the power of `exponent`.
#[derive(Debug, Clone, Copy)]
struct Written {
    negative: bool,
    digits: i128,
    exponent: i32,
}

impl Written {
    /// So many digits fit 64 bits whatever they are.
    const SHORT: usize = 18;

    #[inline]
    fn read(text: &str) -> Result<Self, Unusable> {
        match Self::short(text.as_bytes()) {
            Some(written) => Ok(written),
            None => Self::any(text),
        }
    }

    /// A number of few digits without an exponent, which almost all are: without arithmetic of 128 bits. `None` for any other.
    #[inline]
    fn short(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        if text.len() > Self::SHORT {
            return None;
        }
        let (mut digits, mut point) = (0_u64, None);
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
                b'.' if point.is_none() => point = Some(at),
                _ => return None,
            }
        }
        // There are digits on either side of a point.
        let fraction = match point {
            None if text.is_empty() => return None,
            None => 0,
            Some(at) if at == 0 || at + 1 == text.len() => return None,
            Some(at) => text.len() - at - 1,
        };
        Some(Self { negative, digits: i128::from(digits), exponent: -(fraction as i32) })
    }

    #[cold]
    fn any(text: &str) -> Result<Self, Unusable> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (digits, exponent) = match digits.find(['e', 'E']) {
            Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().map_err(|_| Unusable::NoNumber)?),
            None => (digits, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || (digits.len() > whole.len() && fraction.is_empty()) {
            return Err(Unusable::NoNumber);
        }
        let mut value: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return Err(Unusable::NoNumber);
            }
            let grown = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(byte - b'0')));
            value = grown.ok_or(Unusable::TooLong)?;
        }
        Ok(Self { negative, digits: value, exponent: exponent.saturating_sub(fraction.len() as i32) })
    }
}

/// The powers of ten that 128 bits hold.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

#[inline]
fn power(by: u32) -> Option<i128> {
    POWERS.get(by as usize).copied()
}

/// A whole number, `3`, `3.0` or `3e0`; `None` for any other, and for one beyond 64 bits.
#[inline]
pub(crate) fn integer(text: &str) -> Option<i64> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) => exact_integer(text),
    }
}

#[cold]
fn exact_integer(text: &str) -> Option<i64> {
    let Written { negative, digits, exponent } = Written::read(text).ok()?;
    let value = match (digits, exponent) {
        (0, _) => 0,
        (digits, 0..) => digits.checked_mul(power(exponent.unsigned_abs())?)?,
        (digits, _) => {
            let power = power(exponent.unsigned_abs()).filter(|power| digits % power == 0)?;
            digits / power
        }
    };
    i64::try_from(if negative { -value } else { value }).ok()
}

/// The unscaled value of a decimal of few digits that is written without an exponent and with no more decimal places than the scale;
/// `None` for any other, and for one that doesn't fit.
#[inline]
pub(crate) fn short_decimal(text: &str, precision: u8, scale: u8) -> Option<i64> {
    let Written { negative, digits, exponent } = Written::short(text.as_bytes())?;
    let shift = u32::from(scale).checked_sub(exponent.unsigned_abs())?;
    let value = i64::try_from(digits).ok()?.checked_mul(10_i64.checked_pow(shift)?)?;
    let fits = 10_i64.checked_pow(precision.into()).is_none_or(|limit| value < limit);
    fits.then_some(if negative { -value } else { value })
}

/// The unscaled value of a decimal; exact, so digits beyond the scale must be zeros.
#[inline]
pub(crate) fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, String> {
    let too_big = || format!("{} doesn't fit decimal({precision},{scale})", shown(text));
    let Written { negative, digits: mut value, exponent } = Written::read(text).map_err(|unusable| match unusable {
        Unusable::NoNumber => format!("`{}` is no decimal number", shown(text)),
        Unusable::TooLong => too_big(),
    })?;
    let shift = i32::from(scale).saturating_add(exponent);
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

/// Microseconds of a number that counts `unit`; digits beyond microseconds are cut off, as those of texts are.
/// `None` when it is beyond 64 bits.
fn micros(text: &str, unit: TimeUnit) -> Option<i64> {
    let Written { negative, digits, exponent } = Written::read(text).ok()?;
    let signed = if negative { -digits } else { digits };
    let shift = exponent.saturating_add(match unit {
        TimeUnit::Seconds => 6,
        TimeUnit::Millis => 3,
        TimeUnit::Micros => 0,
    });
    let value = match (signed, shift) {
        (0, _) => 0,
        (_, 0..) => signed.checked_mul(power(shift.unsigned_abs())?)?,
        (_, _) => match power(shift.unsigned_abs()) {
            Some(power) => signed.div_euclid(power),
            None => signed.signum().min(0),
        },
    };
    i64::try_from(value).ok()
}

/// Microseconds since 1970 of a number that counts `unit` since then.
pub(crate) fn since_1970(text: &str, unit: TimeUnit) -> Result<i64, String> {
    // Most readers can't show what lies beyond, and mostly it was meant in another unit.
    micros(text, unit).filter(|micros| (EARLIEST..=LATEST).contains(micros)).ok_or_else(|| {
        format!("{} {} since 1970 are beyond the years 1 to 9999: is it another unit?", shown(text), unit.word())
    })
}

/// Microseconds since midnight of a number that counts `unit` since then.
pub(crate) fn since_midnight(text: &str, unit: TimeUnit) -> Result<i64, String> {
    micros(text, unit)
        .filter(|micros| (0..DAY).contains(micros))
        .ok_or_else(|| format!("{} {} since midnight are no time of day", shown(text), unit.word()))
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
            if let Some(short) = short_decimal(text, precision, scale) {
                assert_eq!(i128::from(short), value, "{text}");
            }
        }
        assert_eq!(["12.50", "-0.1", "7"].map(|text| short_decimal(text, 10, 2)), [Some(1250), Some(-10), Some(700)]);
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
            assert_eq!(short_decimal(text, 10, 2), None, "{text}");
            let error = decimal(text, 10, 2).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn few_digits_are_read_as_many_are() {
        let texts = ["0", "-0", "7", "-12.50", "0.1", "123456789012345678", "1234567890123456.7", "00.10"];
        for text in texts {
            let (short, any) = (Written::short(text.as_bytes()).expect(text), Written::any(text).expect(text));
            assert_eq!(
                (short.negative, short.digits, short.exponent),
                (any.negative, any.digits, any.exponent),
                "{text}"
            );
        }
        for text in ["", "-", ".", "1.", ".5", "1e3", "--1", "1.2.3", "1234567890123456789", "x", "1\u{664}"] {
            assert!(Written::short(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!((power(0), power(38), power(39)), (Some(1), 10_i128.checked_pow(38), None));
    }

    #[test]
    fn integers_are_whole_however_they_are_written() {
        for (text, value) in [
            ("0", 0),
            ("-0.0", 0),
            ("1.0", 1),
            ("1e3", 1000),
            ("-1.50e1", -15),
            ("12000e-3", 12),
            ("0e999999999", 0),
            ("9223372036854775807.000", i64::MAX),
            ("-9.223372036854775808e18", i64::MIN),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in ["1.5", "1e-1", "9223372036854775808", "1e19", "1e400", "1e-400", "1e99999999999", "", "x", "1."] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_times_in_their_unit() {
        use TimeUnit::{Micros, Millis, Seconds};
        for (text, unit, value) in [
            ("1700000000", Seconds, 1_700_000_000_000_000),
            ("1700000000.1234567", Seconds, 1_700_000_000_123_456),
            ("-0.5", Seconds, -500_000),
            ("-0.00000001", Seconds, -1),
            ("1e-400", Seconds, 0),
            ("-1e-400", Seconds, -1),
            ("1700000000123", Millis, 1_700_000_000_123_000),
            ("1.7e12", Millis, 1_700_000_000_000_000),
            ("-1", Millis, -1000),
            ("1700000000123456", Micros, 1_700_000_000_123_456),
            ("253402300799.999999", Seconds, LATEST),
            ("-62135596800", Seconds, EARLIEST),
        ] {
            assert_eq!(since_1970(text, unit), Ok(value), "{text}");
        }
        for (text, unit) in
            [("1700000000123", Seconds), ("253402300800", Seconds), ("-62135596801", Seconds), ("1e300", Micros)]
        {
            let error = since_1970(text, unit).expect_err(text);
            assert!(error.contains("is it another unit?"), "{error}");
        }
        assert_eq!(since_midnight("86399.999999", Seconds), Ok(DAY - 1));
        assert!(since_midnight("86400000", Millis).is_err());
        assert!(since_midnight("-1", Millis).is_err());
    }
}
