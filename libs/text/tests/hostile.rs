//! Whatever a text is made of, it is read, and alike each time.

use lakewright_text::{Entities, keyphrases, language, sentiment};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in "(?s).{0,400}", word in "[a-z]{1,8}") {
        let entities = Entities::new(vec![("word".to_owned(), vec![word])]).expect("a name");
        let read = || (language(&text), sentiment(&text), keyphrases(&text, "en", 5), entities.find(&text));
        let (found_language, found_sentiment, phrases, found) = read();
        prop_assert!((-1.0..=1.0).contains(&found_sentiment.score));
        prop_assert!(phrases.len() <= 5 && found.len() <= 50);
        prop_assert_eq!(read(), (found_language, found_sentiment, phrases, found));
    }
}

#[test]
fn long_texts_are_looked_at_in_part() {
    for piece in ["great ", "not so very good but ", "!", "€1 ", "a-", "最", "word "] {
        let text = piece.repeat(2_000_000 / piece.len());
        let entities = Entities::new(Vec::new()).expect("no names");
        assert!(keyphrases(&text, "en", 5).len() <= 5 && entities.find(&text).len() <= 50);
        assert!(sentiment(&text).score.abs() <= 1.0);
        assert_eq!(language(&text), language(&text[..text.floor_char_boundary(4_096)]));
    }
}
