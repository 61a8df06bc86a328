//! Resolving the escapes of JSON strings.

/// A checked string's characters: as it is written, or in `room` with its escapes resolved.
#[inline]
pub(crate) fn resolved<'a>(raw: &'a str, escaped: bool, room: &'a mut String) -> &'a str {
    if !escaped {
        return raw;
    }
    room.clear();
    unescape(raw, room);
    room
}

/// Appends a checked string's characters with its escapes resolved.
pub(crate) fn unescape(raw: &str, into: &mut String) {
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        into.push_str(&rest[..at]);
        let hex = |at: usize| u32::from_str_radix(rest.get(at..at + 4).unwrap_or("0"), 16).unwrap_or(0);
        let (character, length) = match rest.as_bytes().get(at + 1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => {
                let first = hex(at + 2);
                let (code, length) = if (0xD800..0xDC00).contains(&first) {
                    (0x1_0000 + ((first - 0xD800) << 10) + (hex(at + 8).saturating_sub(0xDC00)), 12)
                } else {
                    (first, 6)
                };
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), length)
            }
            Some(other) => (char::from(*other), 2),
            None => return,
        };
        into.push(character);
        rest = &rest[at + length..];
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Scanner, Token};

    #[test]
    fn escapes_are_resolved() {
        for text in [r#""a\"\\\/\b\f\n\r\tz""#, r#""\u00e9\ud83d\ude00!""#, r#""plain""#] {
            let Ok(Token::Text { raw, .. }) = Scanner::new(text).value() else { panic!("a string") };
            let mut resolved = String::new();
            unescape(raw, &mut resolved);
            assert_eq!(resolved, serde_json::from_str::<String>(text).expect("JSON"));
        }
    }
}
