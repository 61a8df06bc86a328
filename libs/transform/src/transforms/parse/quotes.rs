//! Texts in quotes, in which a backslash takes a character's meaning.

use std::borrow::Cow;

/// What stands before the next quote that no backslash is before, and what follows that quote.
pub fn until_quote(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// A text without the backslashes before these characters; those before others stay.
pub fn without_escapes<'t>(text: &'t str, characters: &str) -> Cow<'t, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(chars.next_if(|next| c == '\\' && characters.contains(*next)).unwrap_or(c));
    }
    Cow::Owned(out)
}
