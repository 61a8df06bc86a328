//! Regular expressions of stacks, bounded in size.

use regex::{Regex, RegexBuilder};

use crate::mistake::Mistake;

/// The longest text that is parsed, in bytes: of a longer one a parser says that it can't be applied. JSON may be longer.
pub const MAX_TEXT: usize = 1 << 20;
/// The longest expression, in bytes.
const MAX_PATTERN: usize = 4_096;
/// The most memory that a compiled expression takes, in bytes, and again for its states.
const MAX_COMPILED: usize = 4 << 20;

/// Compiles an expression.
pub fn compile(setting: &'static str, pattern: &str) -> Result<Regex, Mistake> {
    if pattern.len() > MAX_PATTERN {
        let what = format!("an expression of {} bytes", pattern.len());
        return Err(Mistake::new(setting, what, format!("write {MAX_PATTERN} at most, or several transforms")));
    }
    RegexBuilder::new(pattern).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).nest_limit(64).build().map_err(
        |error| {
            let text = error.to_string();
            // The last line says what is wrong; those before draw the expression.
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let fix = match () {
                () if matches!(error, regex::Error::CompiledTooBig(_)) => {
                    "make its repetitions smaller, as `{1,20}` instead of `{1,2000}`"
                }
                () if last.contains("look-around") => {
                    "leave out `(?=`, `(?!`, `(?<=`, `(?<!`: what follows can be matched by another group"
                }
                () if last.contains("backreference") => "leave out `\\1`: match the same again by another group",
                () => "the syntax is that of Rust's `regex`; in TOML stand expressions best between single quotes",
            };
            let last = if matches!(error, regex::Error::CompiledTooBig(_)) {
                "it takes too much memory".to_owned()
            } else {
                last
            };
            Mistake::new(setting, last, fix)
        },
    )
}

/// An error for a text that is too long to be parsed.
pub fn fits(text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT {
        return Err(format!("a text of {} bytes, more than {MAX_TEXT}", text.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_cannot_be_is_told_with_its_fix() {
        for (pattern, what, fix) in [
            ("(a", "unclosed group", "syntax"),
            ("(?=a)", "look-around", "leave out"),
            (r"(a)\1", "backreference", "leave out"),
            (r"(\w{500}){500}", "too much memory", "smaller"),
            (&"a".repeat(5_000), "5000 bytes", "at most"),
        ] {
            let mistake = compile("pattern", pattern).expect_err("no expression");
            assert!(mistake.what.contains(what) && mistake.fix.contains(fix), "{mistake}");
        }
        assert!(compile("pattern", r"^(?<level>\w+): (?<rest>.*)$").is_ok());
    }
}
