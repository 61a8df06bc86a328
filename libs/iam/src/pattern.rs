//! Wildcards and policy variables.
//!
//! In a resource's ARN a `*` or `?` stays within its segment, but for a `*` at the end of a segment, which also matches what
//! follows after a colon.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>

use crate::arn::Arn;
use crate::keys::Keys;

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// Any number of characters; of colons too, when `true`.
    Many(bool),
    /// One character; a colon too, when `true`.
    One(bool),
}

/// How a text is read as a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Every character stands for itself.
    Literal,
    /// `*` and `?` stand for any characters.
    Text,
    /// The same within the segments of an ARN.
    Arn,
}

/// A text with its variables replaced, ready to be compared.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Token>);

impl Pattern {
    /// Reads a text without variables.
    pub(crate) fn plain(text: &str, style: Style) -> Self {
        let mut tokens = Vec::new();
        let letters: Vec<char> = text.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            tokens.push(token(*letter, style, letters.get(at + 1).is_none_or(|next| *next == ':')));
        }
        Self(tokens)
    }

    /// Reads a text and puts the values of `keys` in the place of its variables; nothing when one has no value.
    ///
    /// `${*}`, `${?}` and `${$}` are these characters themselves, and so is every character of a value.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
    pub(crate) fn resolved(text: &str, style: Style, keys: &Keys) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, variable) = rest.split_at(start);
            let Some(end) = variable.find('}') else { break };
            tokens.extend(Self::plain(before, style).0);
            let value = value_of(&variable[2..end], keys)?;
            tokens.extend(value.chars().map(Token::Literal));
            rest = &variable[end + 1..];
        }
        tokens.extend(Self::plain(rest, style).0);
        Some(Self(tokens))
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        // The steps that may come next, as a set: two kinds of `*` leave no single place to go back to.
        let tokens = &self.0;
        let mut reached = vec![false; tokens.len() + 1];
        reached[0] = true;
        skip(tokens, &mut reached);
        for letter in text.chars() {
            let mut next = vec![false; tokens.len() + 1];
            for (at, token) in tokens.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match token {
                    Token::Literal(expected) if *expected == letter => next[at + 1] = true,
                    Token::One(colons) if *colons || letter != ':' => next[at + 1] = true,
                    Token::Many(colons) if *colons || letter != ':' => next[at] = true,
                    _ => {}
                }
            }
            skip(tokens, &mut next);
            if !next.contains(&true) {
                return false;
            }
            reached = next;
        }
        reached[tokens.len()]
    }

    /// Whether the text is the pattern, letter for letter, without regard to case.
    pub(crate) fn equals_ignoring_case(&self, text: &str) -> bool {
        let same = |(token, letter): (&Token, char)| matches!(token, Token::Literal(expected) if expected.to_lowercase().eq(letter.to_lowercase()));
        self.0.len() == text.chars().count() && self.0.iter().zip(text.chars()).all(same)
    }

    /// The pattern's text, when it has no wildcards.
    pub(crate) fn literal(&self) -> Option<String> {
        let letter = |token: &Token| match token {
            Token::Literal(letter) => Some(*letter),
            _ => None,
        };
        self.0.iter().map(letter).collect()
    }

    /// Whether an ARN matches in each of its six parts, as the operators `ArnEquals` and `ArnLike` compare.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>
    pub(crate) fn matches_parts(&self, arn: &str) -> bool {
        let wanted = self.0.splitn(6, |token| *token == Token::Literal(':'));
        let wanted: Vec<Self> = wanted.map(|tokens| Self(tokens.to_vec())).collect();
        let Some(arn) = Arn::parse(arn).filter(|_| wanted.len() == 6) else { return false };
        wanted.iter().zip(arn.parts()).all(|(wanted, part)| wanted.matches(part))
    }
}

/// Whether a whole text fits a pattern in which `*` stands for any text and `?` for one character.
pub fn is_like(pattern: &str, text: &str) -> bool {
    Pattern::plain(pattern, Style::Text).matches(text)
}

/// A step for a character; `ends` says whether it is the last of its segment.
fn token(letter: char, style: Style, ends: bool) -> Token {
    match (letter, style) {
        ('*', Style::Text) => Token::Many(true),
        ('*', Style::Arn) => Token::Many(ends),
        ('?', Style::Text) => Token::One(true),
        ('?', Style::Arn) => Token::One(false),
        _ => Token::Literal(letter),
    }
}

/// A `*` also stands for nothing.
fn skip(tokens: &[Token], reached: &mut [bool]) {
    for (at, token) in tokens.iter().enumerate() {
        if reached[at] && matches!(token, Token::Many(_)) {
            reached[at + 1] = true;
        }
    }
}

/// The value of what stands between `${` and `}`: a key, with `, 'default'` behind it or not.
fn value_of(variable: &str, keys: &Keys) -> Option<String> {
    if matches!(variable, "*" | "?" | "$") {
        return Some(variable.to_owned());
    }
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => {
            (key.trim(), default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\'')))
        }
        None => (variable.trim(), None),
    };
    keys.one(key).or(default).map(str::to_owned)
}

/// Whether the pattern of an action covers an action; case doesn't count.
pub(crate) fn covers_action(pattern: &str, action: &str) -> bool {
    // Most are names of actions, and policies hold hundreds.
    if !pattern.contains(['*', '?']) {
        return pattern.eq_ignore_ascii_case(action);
    }
    Pattern::plain(&pattern.to_lowercase(), Style::Text).matches(&action.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_inside_of_a_segment_of_an_arn_stays_there() {
        for (pattern, arn, expected) in [
            ("*", "arn:aws:s3:::a", true),
            ("arn:aws:s3:::a*", "arn:aws:s3:::a/b/c", true),
            ("arn:aws:s3:::a*c", "arn:aws:s3:::a/b/c", true),
            ("arn:aws:logs:*:1:log-group:/a/*", "arn:aws:logs:r:1:log-group:/a/b:log-stream:c", true),
            ("arn:aws:logs:*:1:log-group:/a*x", "arn:aws:logs:r:1:log-group:/a/b:x", false),
            ("arn:aws:sns:r*n:1:t", "arn:aws:sns:region:1:t", true),
            ("arn:aws:sns:r*n:1:t", "arn:aws:sns:r:n:1:t", false),
            ("arn:aws:sqs:*:q", "arn:aws:sqs:r:1:q", true),
            ("arn:aws:sns:r:1:t?", "arn:aws:sns:r:1:t", false),
            ("arn:aws:sns:r:?:t", "arn:aws:sns:r:::t", false),
            ("arn:aws:s3:::a", "arn:aws:s3:::A", false),
            ("arn:*", "*", false),
        ] {
            assert_eq!(Pattern::plain(pattern, Style::Arn).matches(arn), expected, "{pattern} {arn}");
        }
    }

    #[test]
    fn variables_are_replaced_by_what_stands_for_itself() {
        let keys = Keys::default().with("aws:username", "a*b").with("aws:PrincipalTag/Team", "data");
        let matches = |pattern: &str, text: &str| {
            Pattern::resolved(pattern, Style::Arn, &keys).is_some_and(|pattern| pattern.matches(text))
        };
        assert!(matches("arn:aws:s3:::x/${aws:username}/*", "arn:aws:s3:::x/a*b/c"));
        assert!(!matches("arn:aws:s3:::x/${aws:username}/*", "arn:aws:s3:::x/aab/c"));
        assert!(matches("${aws:principaltag/team}-*", "data-1"));
        assert!(matches("${aws:PrincipalTag/none, 'all'}", "all"));
        assert!(Pattern::resolved("${aws:PrincipalTag/none}", Style::Arn, &keys).is_none());
        assert!(matches("${*}${?}${$}", "*?$") && !matches("${*}", "a"));
        assert!(matches("${open", "${open"));
    }

    #[test]
    fn arns_of_conditions_are_compared_part_by_part() {
        let matches = |pattern: &str, arn: &str| Pattern::plain(pattern, Style::Text).matches_parts(arn);
        assert!(matches("arn:aws:*:*:1:*", "arn:aws:logs:r:1:log-group:a:b"));
        assert!(!matches("arn:aws:s3*", "arn:aws:s3:::a"));
        assert!(!matches("arn:aws:iam::1:role/*", "arn:aws:iam::12:role/a"));
        assert!(!matches("*", "arn:aws:s3:::a"));
    }
}
