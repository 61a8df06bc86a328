//! The language of a text, by the weights of whichlang.

use whichlang::Lang;

use crate::looked_at;

/// How many letters a text needs: of fewer no language can be said.
const LETTERS: usize = 6;

/// The language of a text by its ISO 639-1 code, one of `ar`, `de`, `en`, `es`, `fr`, `hi`, `it`, `ja`, `ko`, `nl`, `pt`, `ru`, `sv`, `tr`,
/// `vi` and `zh`: a text in another one is said to be in that of these which is likest. None where there are fewer than six letters, or
/// two where a letter is a syllable or more.
pub fn language(text: &str) -> Option<&'static str> {
    let text = looked_at(text);
    let weight = |letter: char| if is_dense(letter) { LETTERS / 2 } else { 1 };
    let letters: usize = text.chars().filter(|c| c.is_alphabetic()).map(weight).take(LETTERS).sum();
    (letters >= LETTERS).then(|| match whichlang::detect_language(text) {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Kor => "ko",
        Lang::Nld => "nl",
        Lang::Por => "pt",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Vie => "vi",
    })
}

/// Whether a letter is a syllable or a word, and stands beside others without a space: kana, Han, Hangul.
pub fn is_dense(letter: char) -> bool {
    matches!(letter, '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reviews_are_written_in_is_told_apart() {
        for (code, text) in [
            ("en", "This lipstick lasts all day and feels great."),
            ("de", "Der Lippenstift hält den ganzen Tag und fühlt sich gut an."),
            ("fr", "Ce rouge à lèvres tient toute la journée."),
            ("es", "Este pintalabios dura todo el día y huele muy bien."),
            ("sv", "Läppstiftet håller hela dagen och känns mycket bra."),
            ("ko", "이 립스틱은 하루 종일 지속됩니다."),
            ("ja", "この口紅は一日中もちます。"),
            ("zh", "这支口红可以持续一整天。"),
        ] {
            assert_eq!(language(text), Some(code), "{text}");
        }
    }

    #[test]
    fn of_too_few_letters_nothing_is_said() {
        for text in ["", "12345 67 !!!", "ok", "👍👍👍", "5 / 5"] {
            assert_eq!(language(text), None, "{text}");
        }
    }
}
