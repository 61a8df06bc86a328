//! Writing JSON into a reused buffer, without allocating.

use std::io::Write;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// Appends the text as a JSON string.
pub fn string(buffer: &mut Vec<u8>, text: &str) {
    buffer.push(b'"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        buffer.extend_from_slice(text.as_bytes());
    } else {
        for letter in text.chars() {
            match letter {
                '"' => buffer.extend_from_slice(b"\\\""),
                '\\' => buffer.extend_from_slice(b"\\\\"),
                control if (control as u32) < 0x20 => {
                    // Writing to a vector can't fail.
                    let _ = write!(buffer, "\\u{:04x}", control as u32);
                }
                other => {
                    let mut bytes = [0; 4];
                    buffer.extend_from_slice(other.encode_utf8(&mut bytes).as_bytes());
                }
            }
        }
    }
    buffer.push(b'"');
}

/// Appends the integer in decimal.
pub fn integer(buffer: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        buffer.push(b'-');
    }
    buffer.extend_from_slice(&digits[at..]);
}

/// Appends an amount of cents as a number with two decimals.
pub fn cents(buffer: &mut Vec<u8>, amount: i64) {
    integer(buffer, amount / 100);
    let rest = (amount % 100).unsigned_abs() as u8;
    buffer.extend_from_slice(&[b'.', b'0' + rest / 10, b'0' + rest % 10]);
}

/// Appends the UUID in its hyphenated form, without quotation marks.
pub fn uuid(buffer: &mut Vec<u8>, id: &uuid::Uuid) {
    let mut text = uuid::Uuid::encode_buffer();
    buffer.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
}

/// Writes times; the part that changes once a second is kept.
#[derive(Debug, Default)]
pub struct TimeWriter {
    second: i64,
    text: String,
}

impl TimeWriter {
    /// Appends the time, in microseconds since 1970, as an RFC 3339 JSON string with six decimals in UTC.
    pub fn write(&mut self, buffer: &mut Vec<u8>, micros: i64) {
        buffer.push(b'"');
        self.write_bare(buffer, micros);
        buffer.push(b'"');
    }

    /// The same without quotation marks.
    pub fn write_bare(&mut self, buffer: &mut Vec<u8>, micros: i64) {
        let second = micros.div_euclid(SECOND);
        if self.text.is_empty() || second != self.second {
            self.second = second;
            self.text = chrono::DateTime::from_timestamp(second, 0)
                .map(|time| time.format("%Y-%m-%dT%H:%M:%S").to_string())
                .unwrap_or_default();
        }
        buffer.extend_from_slice(self.text.as_bytes());
        let mut fraction = micros.rem_euclid(SECOND);
        let mut digits = *b".000000Z";
        for at in (1..=6).rev() {
            digits[at] = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        buffer.extend_from_slice(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut buffer = Vec::new();
        write(&mut buffer);
        String::from_utf8(buffer).expect("UTF-8")
    }

    #[test]
    fn values_are_json() {
        assert_eq!(written(|b| string(b, "a\"b\\c\n é")), r#""a\"b\\c\u000a é""#);
        assert_eq!(written(|b| integer(b, i64::MIN)), i64::MIN.to_string());
        assert_eq!(written(|b| integer(b, 0)), "0");
        assert_eq!(written(|b| cents(b, 123_405)), "1234.05");
        assert_eq!(
            written(|b| TimeWriter::default().write(b, 1_763_840_303_000_042)),
            "\"2025-11-22T19:38:23.000042Z\""
        );
    }
}
