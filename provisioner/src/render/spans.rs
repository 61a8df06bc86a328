//! Text of others within Markdown: it is shown as code, so that it is neither a heading, a link nor a mention.

use crate::plain;

/// The text as a span of code.
pub fn code(text: &str) -> String {
    let text = plain::line(text);
    if text.is_empty() {
        return "` `".to_owned();
    }
    // A span ends where as many backticks stand as at its start: one more than the text ever has in a row.
    let fence = "`".repeat(backticks(&text) + 1);
    let edge = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let pad = if edge { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The same in a cell of a table, where `|` ends a column even in code, and behind two backslashes even an escaped one.
pub fn cell(text: &str) -> String {
    code(&text.replace('|', "\\x7c"))
}

/// A sentence of ours with parts of others in it: as it is where nothing in it means anything to Markdown but our own code
/// spans, otherwise as code.
pub fn prose(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || " .,;:()'/%+=?$\"-…’`_".contains(c);
    let spans = text.split('`').count() % 2 == 1 && !text.contains("``");
    let words = text.split('`').step_by(2).collect::<String>();
    let is_link = words.contains("://") || words.contains("www.");
    let is_plain = text.chars().all(harmless) && spans && !is_link && !words.contains('_');
    if is_plain { text.to_owned() } else { code(text) }
}

/// Lines as a block of code in a language.
pub fn block(language: &str, body: &str) -> String {
    let fence = "`".repeat((backticks(body) + 1).max(3));
    let end = if body.ends_with('\n') || body.is_empty() { "" } else { "\n" };
    format!("{fence}{language}\n{body}{end}{fence}\n")
}

/// The most backticks in a row.
fn backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_of_others_is_code() {
        for (text, shown) in [
            ("bucket.raw", "`bucket.raw`"),
            ("a`b", "``a`b``"),
            ("`@admins`", "`` `@admins` ``"),
            ("a``b`", "``` a``b` ```"),
            ("line\nbreak", "`line\\nbreak`"),
            ("", "` `"),
        ] {
            assert_eq!(code(text), shown);
        }
        assert_eq!(cell("a|`b"), "``a\\x7c`b``");
        assert_eq!(block("diff", "+ a\n```\n@admins"), "````diff\n+ a\n```\n@admins\n````\n");
    }

    #[test]
    fn sentences_of_ours_are_prose() {
        for text in ["what it encrypts can't be read any more; 30 days", "write `partitions = 9`, then apply"] {
            assert_eq!(prose(text), text);
        }
        for text in
            ["ask @admins", "an <img src=x>", "[here](x)", "see https://example.com", "`open", "a\nb", "*b*", "a_b_c"]
        {
            assert!(prose(text).starts_with('`') && !prose(text).contains('\n'), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_span_ends_where_the_text_does(text in "[`|@ <a\\n]{0,24}") {
            let shown = code(&text);
            let fence = shown.chars().take_while(|c| *c == '`').count();
            let inner = shown[fence..].strip_suffix("`".repeat(fence).as_str()).expect("the span ends");
            prop_assert!(backticks(inner) < fence, "{shown}");
            prop_assert!(!shown.contains('\n'));
            let fence = block("", &text).lines().next().expect("a fence").len();
            prop_assert!(fence > backticks(&text) && fence >= 3);
        }
    }
}
