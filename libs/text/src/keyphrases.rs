//! What a text is about: runs of words between those that say little, weighed as RAKE does (Rose and others, 2010).

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use unicode_segmentation::UnicodeSegmentation as _;

use crate::language::is_dense;
use crate::looked_at;

/// The most words of a phrase: longer runs are lists, or text without punctuation.
const WORDS_MOST: usize = 4;

/// Languages that put spaces between words, with those that say little.
static LITTLE: LazyLock<HashMap<&str, HashSet<&str>>> = LazyLock::new(|| {
    let spaced = ["ar", "de", "en", "es", "fr", "hi", "it", "nl", "pt", "ru", "sv", "tr", "vi"];
    let words = |code| stop_words::lookup(code).map(|words| (code, words.iter().copied().collect()));
    spaced.into_iter().filter_map(words).collect()
});

/// The phrases that say most of what a text is about, at most so many, the heaviest first, in lower case. A language that puts no spaces
/// between words has none.
pub fn keyphrases(text: &str, language: &str, most: usize) -> Vec<String> {
    let Some(little) = LITTLE.get(language) else { return Vec::new() };
    let text = looked_at(text).to_lowercase().replace('\u{2019}', "'");
    let runs = runs(&text, little);
    // Of each word how often it stands there, and beside how many others, itself among them.
    let mut counts: HashMap<&str, (f64, f64)> = HashMap::new();
    for run in &runs {
        for word in &run.words {
            let (times, beside) = counts.entry(word).or_default();
            *times += 1.0;
            *beside += run.words.len() as f64;
        }
    }
    let weight = |run: &Run<'_>| run.words.iter().map(|word| counts.get(word).map_or(0.0, |(n, d)| d / n)).sum::<f64>();
    let mut seen = HashSet::new();
    let fit = |run: &&Run<'_>| run.words.len() <= WORDS_MOST;
    let mut phrases: Vec<(f64, &str)> =
        runs.iter().filter(fit).filter(|run| seen.insert(run.text)).map(|run| (weight(run), run.text)).collect();
    // The sort is stable: of the same weight the first one comes first.
    phrases.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    phrases.into_iter().take(most).map(|(_, text)| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Words that stand together.
struct Run<'t> {
    text: &'t str,
    words: Vec<&'t str>,
}

fn runs<'t>(text: &'t str, little: &HashSet<&str>) -> Vec<Run<'t>> {
    let mut runs = Vec::new();
    let (mut words, mut start, mut end) = (Vec::new(), 0, 0);
    let mut finish = |words: &mut Vec<&'t str>, start: usize, end: usize| {
        if !words.is_empty() {
            runs.push(Run { text: &text[start..end], words: std::mem::take(words) });
        }
    };
    for (at, token) in text.split_word_bound_indices() {
        let is_word = token.chars().any(char::is_alphabetic) && !token.chars().any(is_dense);
        if is_word && token.chars().nth(1).is_some() && !little.contains(token) {
            if words.is_empty() {
                start = at;
            }
            words.push(token);
            end = at + token.len();
        } else if is_word || !joins(text, at, token) {
            finish(&mut words, start, end);
        }
    }
    finish(&mut words, start, end);
    runs
}

/// Whether words before and after it stand together: a space, but no line's end, or a hyphen within a word.
fn joins(text: &str, at: usize, token: &str) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + token.len()..].chars().next();
    match token {
        "-" => before.is_some_and(char::is_alphabetic) && after.is_some_and(char::is_alphabetic),
        _ => token.chars().all(|c| c == ' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_together_and_says_something_is_a_phrase() {
        let text = "The peach-coloured lipstick is great for dry lips. I don't like the smell, but dry lips are gone, and the price is fair.";
        let found = keyphrases(text, "en", 3);
        assert_eq!(found[0], "peach-coloured lipstick", "{found:?}");
        assert!(found.contains(&"dry lips".to_owned()), "{found:?}");
        assert_eq!(found.len(), 3);
        assert_eq!(keyphrases(text, "en", 0), Vec::<String>::new());
    }

    #[test]
    fn each_language_has_its_own_words_that_say_little() {
        assert_eq!(
            keyphrases("Der matte Lippenstift und die trockene Haut", "de", 5),
            ["matte lippenstift", "trockene haut"]
        );
        assert_eq!(keyphrases("Le rouge mat et la peau sèche", "fr", 5), ["rouge mat", "peau sèche"]);
        assert!(keyphrases("この口紅は一日中もちます。", "ja", 5).is_empty());
        assert!(keyphrases("anything at all", "xx", 5).is_empty());
    }

    #[test]
    fn a_run_without_punctuation_is_no_phrase() {
        assert!(keyphrases("lipstick eyeliner mascara powder brush sponge", "en", 5).is_empty());
    }
}
