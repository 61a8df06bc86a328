//! Texts in words, as Elasticsearch's standard analyser has them: by Unicode's boundaries (UAX #29), in lower case.

use tantivy::tokenizer::{LowerCaser, TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};
use unicode_segmentation::UnicodeSegmentation as _;

/// The longest word, in characters; longer ones are cut.
const LONGEST: usize = 255;

/// Puts the analyser in the place of tantivy's own.
pub fn register(tokenizers: &TokenizerManager) {
    tokenizers.register("default", standard());
}

fn standard() -> TextAnalyzer {
    TextAnalyzer::builder(Standard).filter(LowerCaser).build()
}

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it is in the index.
    pub text: String,
    /// Which one it is.
    pub position: usize,
    /// Where it stands, in bytes.
    pub from: usize,
    /// Where it ends, in bytes.
    pub to: usize,
}

/// The words of a text.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    standard().token_stream(text).process(&mut |token| {
        words.push(Word {
            text: token.text.clone(),
            position: token.position,
            from: token.offset_from,
            to: token.offset_to,
        });
    });
    words
}

/// How many words a text has.
pub fn count(text: &str) -> usize {
    let mut count = 0;
    standard().token_stream(text).process(&mut |_| count += 1);
    count
}

#[derive(Debug, Clone, Copy)]
struct Standard;

struct Words<'a> {
    /// Where words stand, the next one last.
    left: Vec<(usize, &'a str)>,
    token: Token,
}

impl Tokenizer for Standard {
    type TokenStream<'a> = Words<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words<'a> {
        let mut left: Vec<(usize, &str)> = Vec::new();
        for (at, word) in text.unicode_word_indices() {
            let mut ends = word.char_indices().step_by(LONGEST).map(|(from, _)| from).skip(1).collect::<Vec<_>>();
            ends.push(word.len());
            let mut from = 0;
            for end in ends {
                left.push((at + from, &word[from..end]));
                from = end;
            }
        }
        left.reverse();
        Words { left, token: Token { position: usize::MAX, ..Token::default() } }
    }
}

impl TokenStream for Words<'_> {
    fn advance(&mut self) -> bool {
        let Some((at, word)) = self.left.pop() else { return false };
        self.token.text.clear();
        self.token.text.push_str(word);
        self.token.offset_from = at;
        self.token.offset_to = at + word.len();
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_standard_analyser() {
        for (text, wanted) in [
            ("Matte Lipstick, 3.5 g", vec!["matte", "lipstick", "3.5", "g"]),
            ("don't foo_bar a-b", vec!["don't", "foo_bar", "a", "b"]),
            ("서울 東京 ab", vec!["서울", "東", "京", "ab"]),
            ("  ...  ", vec![]),
        ] {
            let found: Vec<String> = words(text).into_iter().map(|word| word.text).collect();
            assert_eq!(found, wanted, "{text}");
        }
        let long = "x".repeat(300);
        let found = words(&long);
        assert_eq!(found.iter().map(|word| word.text.len()).collect::<Vec<_>>(), [255, 45]);
        assert_eq!((found[1].position, found[1].from, found[1].to), (1, 255, 300));
    }
}
