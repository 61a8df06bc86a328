//! Text that others wrote, made harmless where people read it: what would move a cursor, turn lines round or show nothing is
//! written out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Parameters of our own styles: plain, bold, dimmed, italic, underlined, and the colours of letters but black.
const STYLES: [std::ops::RangeInclusive<u16>; 3] = [0..=4, 31..=37, 91..=97];

/// Whether a character does something to the text around it: C0, DEL and C1, what turns the direction of letters, line
/// and paragraph separators, and those that are never seen.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || [('\u{2028}', '\u{202e}'), ('\u{2060}', '\u{206f}'), ('\u{e0000}', '\u{e007f}')]
            .iter()
            .any(|(first, last)| (first..=last).contains(&&c))
}

/// The text on one line, with escapes as in `\x1b`, `\n` and `\u{202e}` for whatever acts.
pub fn line(text: &str) -> Cow<'_, str> {
    written(text, |_| false)
}

/// The same with its line breaks.
pub fn lines(text: &str) -> Cow<'_, str> {
    written(text, |c| c == '\n')
}

fn written(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && !stays(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) && !stays(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn escape(out: &mut String, c: char) {
    // Writing to a string can't fail.
    let _ = match (c, u32::from(c)) {
        ('\n', _) => write!(out, "\\n"),
        ('\r', _) => write!(out, "\\r"),
        ('\t', _) => write!(out, "\\t"),
        (_, code @ ..0x100) => write!(out, "\\x{code:02x}"),
        (_, code) => write!(out, "\\u{{{code:x}}}"),
    };
}

/// A document of JSON, in which only texts hold what acts: it is written there as JSON's own escapes.
pub fn json(document: &str) -> Cow<'_, str> {
    if !document.chars().any(|c| acts(c) && c != '\n') {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if acts(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A text that we put together, parts of others in it: our own styles and its line breaks stay.
pub fn styled(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = style(rest).unwrap_or(c.len_utf8());
        let (part, after) = rest.split_at(length);
        if !acts(c) || c == '\n' || length > c.len_utf8() {
            out.push_str(part);
        } else {
            escape(&mut out, c);
        }
        rest = after;
    }
    Cow::Owned(out)
}

/// The bytes of a style of ours that a text begins with.
fn style(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    if body.as_bytes()[end] != b'm' {
        return None;
    }
    let known = |number: &str| {
        number.is_empty() || number.parse().is_ok_and(|number| STYLES.iter().any(|range| range.contains(&number)))
    };
    body[..end].split(';').all(known).then_some("\x1b[".len() + end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert_eq!(line("a\x1b[5A\x1b[J\x1b]0;pwned\x07b"), "a\\x1b[5A\\x1b[J\\x1b]0;pwned\\x07b");
        assert_eq!(line("one\ntwo\r\tthree"), "one\\ntwo\\r\\tthree");
        assert_eq!(
            line("c1 \u{9b}2J, bidi \u{202e}gpj.exe, \u{2066}x"),
            "c1 \\x9b2J, bidi \\u{202e}gpj.exe, \\u{2066}x"
        );
        assert_eq!(line("tags \u{e0041}, mark \u{feff}"), "tags \\u{e0041}, mark \\u{feff}");
        assert_eq!(lines("one\ntwo\x1b"), "one\ntwo\\x1b");
        assert!(matches!(line("Malmö, 東京, 👩‍👩‍👧"), Cow::Borrowed("Malmö, 東京, 👩‍👩‍👧")));
    }

    #[test]
    fn our_own_styles_stay_and_no_others() {
        let ours = "\x1b[1m\x1b[31merror\x1b[0m: \x1b[2mdim\x1b[m\n";
        assert_eq!(styled(ours), ours);
        assert_eq!(styled("\x1b[1;91mred"), "\x1b[1;91mred");
        for theirs in
            ["\x1b[8mhidden", "\x1b[30mblack", "\x1b[41mred", "\x1b[2J", "\x1b]0;x\x07", "\x1b[38;5;1mx", "\x1b["]
        {
            assert!(styled(theirs).starts_with("\\x1b"), "{theirs:?}");
        }
    }

    #[test]
    fn documents_of_json_say_the_same() {
        let value = serde_json::json!({"\u{9b}2J": "\u{202e} \u{e0041} \x1b \n å"});
        let document = serde_json::to_string_pretty(&value).expect("JSON");
        let shown = json(&document);
        assert!(!shown.chars().any(|c| acts(c) && c != '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
    }

    /// Any text, mostly of what acts and of what begins sequences.
    fn hostile() -> impl Strategy<Value = String> {
        let acting = prop::sample::select(
            "\x1b[];m0189\n\r\t\x07\x7f\u{85}\u{9b}\u{9d}\u{202e}\u{2069}\u{e0001}".chars().collect::<Vec<_>>(),
        );
        prop::collection::vec(prop_oneof![acting, any::<char>()], 0..60).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_of_others_acts(text in hostile()) {
            prop_assert!(!line(&text).chars().any(acts));
            prop_assert!(!lines(&text).chars().any(|c| acts(c) && c != '\n'));
            // Without our own styles nothing is left that acts.
            let rest = styled(&text).into_owned();
            let mut rest = rest.as_str();
            while let Some(c) = rest.chars().next() {
                let length = style(rest).unwrap_or(c.len_utf8());
                prop_assert!(!acts(c) || c == '\n' || length > 1, "{rest:?}");
                rest = &rest[length..];
            }
        }

        #[test]
        fn what_acts_not_is_left_as_it_is(text in "[ -~å東]{0,40}") {
            prop_assert_eq!(line(&text), text.as_str());
            prop_assert_eq!(styled(&text), text.as_str());
        }
    }
}
