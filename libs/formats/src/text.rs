//! JSON text, written piece by piece.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes a string with its quotes, escaping what JSON must and nothing else.
#[inline]
pub(crate) fn push_string(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                out.push_str("\\u00");
                out.push(char::from_digit(u32::from(control >> 4), 16).unwrap_or('0'));
                out.push(char::from_digit(u32::from(control & 15), 16).unwrap_or('0'));
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// The most bytes that one byte of a string becomes.
pub(crate) const ESCAPED: usize = 6;

/// How many bytes [`push_string`] writes between the quotes.
pub(crate) fn escaped_length(text: &str) -> usize {
    let length = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => ESCAPED,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

/// Writes bytes as a string of Base64.
pub(crate) fn push_base64(bytes: &[u8], out: &mut String) {
    out.push('"');
    STANDARD.encode_string(bytes, out);
    out.push('"');
}

/// Writes a whole number.
#[inline]
pub(crate) fn push_long(value: i64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Writes a number so that it reads back as the same double; `false`, and nothing written, for what JSON has no text for.
#[inline]
pub(crate) fn push_double(value: f64, out: &mut String) -> bool {
    if value.is_finite() {
        out.push_str(zmij::Buffer::new().format_finite(value));
    }
    value.is_finite()
}

/// Writes the last so many digits of a number, with leading zeros.
#[inline]
pub(crate) fn push_digits(value: u32, count: usize, out: &mut String) {
    let mut digits = [b'0'; 10];
    let mut rest = value;
    for digit in digits[..count].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend(digits[..count].iter().copied().map(char::from));
}

/// Writes a UUID's bytes in its usual form.
pub(crate) fn push_uuid(bytes: &[u8], out: &mut String) {
    out.push('"');
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        for half in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back_as_they_were() {
        let every: String = (0..0x250).filter_map(char::from_u32).chain("\u{ffff}\u{10ffff}".chars()).collect();
        for text in ["", "plain", "\"", "\\", "a\"b\\c\nd\u{0}\u{1f}", "日本\u{2028}", &every] {
            let mut out = String::new();
            push_string(text, &mut out);
            assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
            assert_eq!(escaped_length(text), out.len() - 2);
        }
    }

    #[test]
    fn doubles_read_back_as_they_were() {
        for value in [0.0, -0.0, 0.1, f64::MIN_POSITIVE, 5e-324, f64::MAX, 1e16, 123_456.75, f64::from(0.1_f32)] {
            let mut out = String::new();
            assert!(push_double(value, &mut out));
            assert_eq!(out.parse::<f64>().expect("a number").to_bits(), value.to_bits(), "{out}");
            assert_eq!(serde_json::from_str::<f64>(&out).expect("JSON").to_bits(), value.to_bits(), "{out}");
        }
        let mut out = String::new();
        assert!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].iter().all(|value| !push_double(*value, &mut out)));
        assert_eq!(out, "");
    }
}
