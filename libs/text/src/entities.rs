//! What a text names: names that are given, sums of money, dates and percentages.

use std::fmt;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

use crate::language::is_dense;
use crate::looked_at;

/// The longest name, in bytes.
const NAME_MOST: usize = 200;
/// The most names of all kinds.
const NAMES_MOST: usize = 100_000;
/// The most that is found in a text.
const FOUND_MOST: usize = 50;

static MONEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?x) (?: [$€£¥₩] \s? \d+ (?: [.,\ ] \d{3} )* (?: [.,] \d{1,2} )? | \b \d+ (?: [.,] \d{3} )* (?: [.,] \d{1,2} )? \s? (?: [€£¥₩] | (?: EUR | USD | GBP | SEK | KRW | JPY | kr | [Dd]ollars? | [Ee]uros? | [Pp]ounds? | 원 | 円 ) ) )").ok()
});
static DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const MONTH: &str = "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)";
    const DAY: &str = r"\d{1,2}(?:st|nd|rd|th)?";
    Regex::new(&format!(
        r"\b(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./](?:\d{{4}}|\d{{2}})|{DAY} (?:of )?{MONTH}(?:,? \d{{4}})?|{MONTH} {DAY}(?:,? \d{{4}})?|{MONTH} \d{{4}}|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|[Yy]esterday|[Tt]omorrow|[Ll]ast (?:week|month|year))\b"
    ))
    .ok()
});
static PERCENT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b\d+(?:[.,]\d+)?\s?%").ok());

/// A rule by which something is found, and the kind of what it finds.
type Rule = (&'static str, &'static LazyLock<Option<Regex>>);

/// What rules find.
const RULES: [Rule; 3] = [("money", &MONEY), ("date", &DATE), ("percent", &PERCENT)];

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity<'e> {
    /// `money`, `date`, `percent`, or a kind of names.
    pub kind: &'e str,
    /// A name as it was given; anything else as the text has it.
    pub text: String,
}

/// Why names can't be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMistake {
    /// A kind of names has the kind of what rules find, or no simple name: the kind.
    Kind(String),
    /// A name is empty, or longer than 200 bytes: its kind and the name.
    Name(String, String),
    /// There are more than 100,000 names: how many.
    Many(usize),
}

/// Finds what texts name.
pub struct Entities {
    finder: Option<AhoCorasick>,
    /// Of each pattern of the finder: the kind, and the name.
    names: Vec<(usize, usize)>,
    kinds: Vec<(String, Vec<String>)>,
}

impl fmt::Debug for Entities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entities").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl Entities {
    /// The kinds of what is found without names.
    pub fn kinds_of_rules() -> impl Iterator<Item = &'static str> {
        RULES.into_iter().map(|(kind, _)| kind)
    }

    /// Finds names of these kinds beside money, dates and percentages. A name is found in small and in capital letters too.
    ///
    /// # Errors
    /// A kind or a name can't be looked for, or there are too many.
    pub fn new(kinds: Vec<(String, Vec<String>)>) -> Result<Self, NameMistake> {
        let count = kinds.iter().map(|(_, names)| names.len()).sum();
        if count > NAMES_MOST {
            return Err(NameMistake::Many(count));
        }
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for (kind_at, (kind, given)) in kinds.iter().enumerate() {
            let is_simple = kind.starts_with(|c: char| c.is_ascii_lowercase())
                && kind.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !is_simple || Self::kinds_of_rules().any(|own| own == kind) {
                return Err(NameMistake::Kind(kind.clone()));
            }
            for (name_at, name) in given.iter().enumerate() {
                if name.trim().is_empty() || name.len() > NAME_MOST {
                    return Err(NameMistake::Name(kind.clone(), name.clone()));
                }
                patterns.push(name.clone());
                // The finder takes letters of ASCII in either case.
                if !name.is_ascii() {
                    patterns.extend([name.to_lowercase(), name.to_uppercase()]);
                }
                names.resize(patterns.len(), (kind_at, name_at));
            }
        }
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true);
        // So many names as there may be never are too many for it.
        let finder = if patterns.is_empty() { None } else { builder.build(&patterns).ok() };
        Ok(Self { finder, names, kinds })
    }

    /// What a text names, in its order, each once, at most 50. A name within a longer word isn't meant, but in a script without spaces.
    pub fn find(&self, text: &str) -> Vec<Entity<'_>> {
        let text = looked_at(text);
        let mut found: Vec<(usize, usize, Entity<'_>)> = Vec::new();
        let places = self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(text));
        let mut places: Vec<_> = places.filter(|place| stands_alone(text, place.start(), place.end())).collect();
        // The first, and of those that begin together the longest.
        places.sort_by_key(|place| (place.start(), std::cmp::Reverse(place.end())));
        for place in places {
            let is_free = found.last().is_none_or(|(_, end, _)| *end <= place.start());
            if let Some((kind, name)) = self.names.get(place.pattern().as_usize()).filter(|_| is_free) {
                let (kind, names) = &self.kinds[*kind];
                found.push((place.start(), place.end(), Entity { kind, text: names[*name].clone() }));
            }
        }
        for (kind, rule) in RULES {
            for place in rule.iter().flat_map(|rule| rule.find_iter(text)) {
                let is_free = |(start, end, _): &(usize, usize, _)| *end <= place.start() || *start >= place.end();
                if found.iter().all(is_free) {
                    found.push((place.start(), place.end(), Entity { kind, text: place.as_str().to_owned() }));
                }
            }
        }
        found.sort_by_key(|(start, ..)| *start);
        let mut once: Vec<Entity<'_>> = Vec::new();
        for (.., entity) in found {
            if once.len() < FOUND_MOST && !once.contains(&entity) {
                once.push(entity);
            }
        }
        once
    }
}

/// Whether what stands there is no part of a longer word.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let joined = |one: Option<char>, other: Option<char>| {
        let (Some(one), Some(other)) = (one, other) else { return false };
        one.is_alphanumeric() && other.is_alphanumeric() && !is_dense(one) && !is_dense(other)
    };
    let (before, found, after) = (&text[..start], &text[start..end], &text[end..]);
    !joined(before.chars().next_back(), found.chars().next())
        && !joined(found.chars().next_back(), after.chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let names = |kind: &str, names: &[&str]| (kind.to_owned(), names.iter().map(|&name| name.to_owned()).collect());
        let kinds =
            vec![names("brand", &["Nord", "Nord Beauty", "Éclat"]), names("place", &["Stockholm", "Seoul", "서울"])];
        let entities = Entities::new(kinds).expect("names");
        entities.find(text).into_iter().map(|entity| (entity.kind.to_owned(), entity.text)).collect()
    }

    fn has(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect();
        assert_eq!(found(text), expected, "{text}");
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        has(
            "NORD BEAUTY ships to stockholm, nord doesn't.",
            &[("brand", "Nord Beauty"), ("place", "Stockholm"), ("brand", "Nord")],
        );
        has("Nord Beautys are by Nord Beauty", &[("brand", "Nord"), ("brand", "Nord Beauty")]);
        has("Nordic weather in Stockholmer Straße", &[]);
        has("ÉCLAT und éclat", &[("brand", "Éclat")]);
        has("서울에서 샀어요", &[("place", "서울")]);
    }

    #[test]
    fn money_dates_and_percentages_are_found() {
        has(
            "Paid $1,299.50 on 2026-03-01, 20% off",
            &[("money", "$1,299.50"), ("date", "2026-03-01"), ("percent", "20%")],
        );
        has("20 € am 3.4.2026", &[("money", "20 €"), ("date", "3.4.2026")]);
        has(
            "It came on May 3rd, 2026. I may buy it again last week",
            &[("date", "May 3rd, 2026"), ("date", "last week")],
        );
        has("119 kr or 12 euros", &[("money", "119 kr"), ("money", "12 euros")]);
        has("version 1.2.3 of 5 stars", &[]);
    }

    #[test]
    fn what_can_not_be_looked_for_is_said() {
        let new = |kind: &str, name: &str| Entities::new(vec![(kind.to_owned(), vec![name.to_owned()])]).err();
        assert_eq!(new("money", "x"), Some(NameMistake::Kind("money".into())));
        assert_eq!(new("My kind", "x"), Some(NameMistake::Kind("My kind".into())));
        assert_eq!(new("brand", " "), Some(NameMistake::Name("brand".into(), " ".into())));
        assert_eq!(new("brand", "x"), None);
    }
}
