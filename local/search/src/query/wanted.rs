//! How the words of a text are looked for.

use serde_json::Value;

use crate::answer::SearchError;
use crate::members::Members;

/// How many words one stands for that may be misspelt, as Elasticsearch has it.
pub(super) const EXPANSIONS: usize = 50;

/// How the words of a text are looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Whether all must be there.
    pub all: bool,
    /// How many must be there, if some.
    pub minimum: Option<Value>,
    /// How far they may be from what is asked for.
    pub fuzziness: Option<Fuzziness>,
    /// How many of a misspelt word's characters are right at the beginning.
    pub prefix: usize,
    /// How many words one stands for at most, if that is said.
    pub most: Option<usize>,
    /// Whether two characters that change places count as two changes.
    pub no_transpositions: bool,
    /// Whether a text without words finds everything.
    pub none_is_all: bool,
    /// Whether a value that doesn't fit the field's type finds nothing.
    pub lenient: bool,
    /// What is said of that, if anything.
    pub lenient_said: Option<bool>,
}

/// How many changes a word may be from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fuzziness {
    Exactly(u8),
    /// By its length: from so many characters on one, from so many on two.
    Auto(usize, usize),
}

impl Fuzziness {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("AUTO").or_else(|| text.strip_prefix("auto")) {
            let Some(bounds) = rest.strip_prefix(':') else { return rest.is_empty().then_some(Self::Auto(3, 6)) };
            let (low, high) = bounds.split_once(',')?;
            let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            return (low <= high).then_some(Self::Auto(low, high));
        }
        let distance: f64 = text.parse().ok()?;
        // More than two are two.
        (distance >= 0.0).then(|| Self::Exactly(distance.round().min(2.0) as u8))
    }

    pub(super) fn of(self, word: &str) -> u8 {
        let length = word.chars().count();
        match self {
            Self::Exactly(distance) => distance,
            Self::Auto(low, _) if length < low => 0,
            Self::Auto(_, high) if length < high => 1,
            Self::Auto(..) => 2,
        }
    }
}

impl Wanted {
    /// Reads the members that all queries for words have.
    pub(super) fn read(members: &mut Members<'_>) -> Result<Self, SearchError> {
        let operator = members.text("operator")?;
        let all = is_and(operator.as_deref(), "operator")?;
        let fuzziness = match members.text("fuzziness")? {
            None => None,
            Some(text) => {
                let found = Fuzziness::parse(&text);
                Some(found.ok_or_else(|| SearchError::illegal(format!("Invalid fuzziness value: {text}")))?)
            }
        };
        let none_is_all = match members.text("zero_terms_query")?.as_deref() {
            None | Some("none" | "NONE") => false,
            Some("all" | "ALL") => true,
            Some(other) => return Err(SearchError::parsing(format!("Unsupported zero_terms_query value [{other}]"))),
        };
        // Nothing here has synonyms; expansions have the scores of the words that they are.
        members.take("auto_generate_synonyms_phrase_query");
        members.take("fuzzy_rewrite");
        analyzer(members)?;
        let lenient_said = members.flag("lenient")?;
        Ok(Self {
            all,
            minimum: members.take("minimum_should_match").cloned(),
            fuzziness,
            prefix: members.whole("prefix_length")?.unwrap_or(0) as usize,
            most: expansions(members, "max_expansions")?,
            no_transpositions: !members.flag("fuzzy_transpositions")?.unwrap_or(true),
            none_is_all,
            lenient: lenient_said.unwrap_or(false),
            lenient_said,
        })
    }

    /// Reads the members that both query lines have. A line that looks anywhere is lenient, unless it says otherwise.
    pub(super) fn of_line(members: &mut Members<'_>, is_anywhere: bool) -> Result<Self, SearchError> {
        let all = is_and(members.text("default_operator")?.as_deref(), "default_operator")?;
        analyzer(members)?;
        // Nothing here has synonyms.
        members.take("auto_generate_synonyms_phrase_query");
        Ok(Self {
            all,
            lenient: members.flag("lenient")?.unwrap_or(is_anywhere),
            prefix: members.whole("fuzzy_prefix_length")?.unwrap_or(0) as usize,
            most: expansions(members, "fuzzy_max_expansions")?,
            no_transpositions: !members.flag("fuzzy_transpositions")?.unwrap_or(true),
            ..Self::default()
        })
    }
}

/// How many words one may stand for.
pub(super) fn expansions(members: &mut Members<'_>, name: &str) -> Result<Option<usize>, SearchError> {
    match members.whole(name)? {
        Some(0) => Err(SearchError::illegal(format!("[{name}] must be positive"))),
        most => Ok(most.map(|most| most as usize)),
    }
}

/// How many words may stand between those of a phrase.
pub(super) fn slop(members: &mut Members<'_>, name: &str) -> Result<u32, SearchError> {
    let slop = members.whole(name)?.unwrap_or(0);
    let slop = u8::try_from(slop).map_err(|_| SearchError::illegal(format!("[{name}] is 255 at most here")))?;
    Ok(u32::from(slop))
}

/// Refuses an analyser that the index doesn't have.
pub(super) fn analyzer(members: &mut Members<'_>) -> Result<(), SearchError> {
    match members.text("analyzer")?.as_deref() {
        None | Some("standard" | "default") => Ok(()),
        Some(other) => Err(SearchError::illegal(format!("[match] analyzer [{other}] not found"))),
    }
}

/// Whether an operator is "and".
pub(super) fn is_and(operator: Option<&str>, name: &str) -> Result<bool, SearchError> {
    match operator.map(str::to_lowercase).as_deref() {
        None | Some("or") => Ok(false),
        Some("and") => Ok(true),
        Some(other) => Err(SearchError::illegal(format!("[{name}] must be AND or OR, found [{other}]"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzziness_is_a_distance_or_goes_by_length() {
        let of = |text: &str, word: &str| Fuzziness::parse(text).map(|fuzziness| fuzziness.of(word));
        for (text, word, wanted) in [
            ("AUTO", "ab", Some(0)),
            ("AUTO", "abc", Some(1)),
            ("AUTO", "abcde", Some(1)),
            ("AUTO", "abcdef", Some(2)),
            ("AUTO:4,7", "abc", Some(0)),
            ("2", "a", Some(2)),
            ("1.0", "a", Some(1)),
            ("7", "a", Some(2)),
            ("-1", "a", None),
            ("AUTO:7,4", "a", None),
            ("AUTOMATIC", "a", None),
            ("many", "a", None),
        ] {
            assert_eq!(of(text, word), wanted, "{text} {word}");
        }
    }
}
