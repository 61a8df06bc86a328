//! E-mail addresses, also with `%40` for `@` as URLs write them.

use std::ops::Range;

/// Adds the places of addresses. Each byte is looked at twice at the most: what stands before and behind an `@` ends at the next.
pub fn find(text: &str, spans: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for at in memchr::memchr2_iter(b'@', b'%', bytes) {
        let sign = match bytes[at] {
            b'@' => 1,
            _ if bytes[at..].starts_with(b"%40") => 3,
            _ => continue,
        };
        let length = bytes[from..at].iter().rev().take_while(|byte| is_local(**byte)).count();
        let local = at - length;
        let start = local + bytes[local..at].iter().take_while(|byte| matches!(byte, b'.' | b'\'' | b'%')).count();
        let behind = at + sign;
        let domain = bytes[behind..].iter().take_while(|byte| is_domain(**byte)).count();
        let end = behind + domain
            - bytes[behind..behind + domain].iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
        if start < at && is_host(&text[behind..end]) {
            spans.push(start..end);
            from = end;
        } else {
            from = behind;
        }
    }
}

fn is_local(byte: u8) -> bool {
    // Fewer than addresses may have: `user=a@b.de` and `/users/a@b.de` are an address behind something else.
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"._%+-'".contains(&byte)
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'-')
}

/// Names with dots between them, the last of two letters or more.
fn is_host(text: &str) -> bool {
    let Some((before, last)) = text.rsplit_once('.') else { return false };
    let letters = last.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 2 && !before.is_empty() && !before.starts_with('.') && !text.contains("..")
}
