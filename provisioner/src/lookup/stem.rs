//! Words without their endings of number, case, tense and person, so that `lipsticks` is found as `lipstick`.
//!
//! The endings are those that the first steps of Snowball's stemmers (snowballstem.org) take off; derived words (`nation`, `national`)
//! stay apart, for a value is meant and no family of words.

/// A language whose endings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Swedish.
    Swedish,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::English, Self::German, Self::French, Self::Spanish, Self::Swedish];

    /// Endings, the longest first.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::English => &[],
            Self::German => &["ern", "em", "en", "er", "es", "et", "st", "e", "n", "s", "t"],
            Self::French => &["issent", "ees", "ent", "ais", "ait", "ant", "ez", "ee", "es", "er", "e", "s", "x"],
            Self::Spanish => &[
                "aciones", "iendo", "ieron", "ando", "aron", "adas", "ados", "idas", "idos", "ada", "ado", "ida",
                "ido", "es", "as", "os", "an", "ar", "er", "ir", "io", "a", "e", "o", "s",
            ],
            Self::Swedish => &[
                "arnas", "ornas", "ernas", "arna", "orna", "erna", "andet", "ande", "aren", "ades", "ade", "are",
                "ast", "ar", "or", "er", "en", "et", "at", "te", "as", "es", "a", "e", "n", "t", "s",
            ],
        }
    }

    /// The word, folded, without its ending. At least four letters are left, or three of English.
    pub fn stem(self, word: &str) -> String {
        if !word.is_ascii() || word.len() < 4 || word.bytes().any(|byte| byte.is_ascii_digit()) {
            return word.to_owned();
        }
        if self == Self::English {
            return english(word);
        }
        let fits = |ending: &&&str| word.ends_with(**ending) && word.len() - ending.len() >= 4;
        let ending = self.endings().iter().find(fits).map_or(0, |ending| ending.len());
        word[..word.len() - ending].to_owned()
    }
}

/// Steps 0 to 1c of Snowball's English stemmer, and the `e` at the end.
fn english(word: &str) -> String {
    let word = word.strip_suffix("'s").unwrap_or(word);
    let vowel = |text: &str| text.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    let mut stem = if let Some(rest) = word.strip_suffix("sses") {
        format!("{rest}ss")
    } else if let Some(rest) = ["ies", "ied"].iter().find_map(|ending| word.strip_suffix(ending)) {
        format!("{rest}y")
    } else if let Some(rest) = word
        .strip_suffix("es")
        .filter(|rest| rest.ends_with(['x', 'z']) || rest.ends_with("sh") || rest.ends_with("ch"))
    {
        rest.to_owned()
    } else if word.ends_with("ss") || word.ends_with("us") {
        word.to_owned()
    } else {
        word.strip_suffix('s').unwrap_or(word).to_owned()
    };
    let short =
        ["ing", "ed"].iter().find_map(|ending| stem.strip_suffix(ending)).filter(|rest| rest.len() > 2 && vowel(rest));
    if let Some(rest) = short {
        let bytes = rest.as_bytes();
        let doubled = bytes[bytes.len() - 1] == bytes[bytes.len() - 2] && !rest.ends_with(['l', 's', 'z', 'e', 'o']);
        stem = rest[..rest.len() - usize::from(doubled)].to_owned();
    }
    match stem.strip_suffix('e') {
        Some(rest) if rest.len() > 2 => rest.to_owned(),
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        let same = |language: Language, words: &[&str]| {
            let stems: std::collections::BTreeSet<String> = words.iter().map(|word| language.stem(word)).collect();
            assert_eq!(stems.len(), 1, "{stems:?}");
        };
        same(Language::English, &["lipstick", "lipsticks"]);
        same(Language::English, &["purchase", "purchases", "purchased", "purchasing"]);
        same(Language::English, &["watch", "watches", "watched"]);
        same(Language::English, &["shopped", "shopping", "shop"]);
        same(Language::English, &["battery", "batteries"]);
        same(Language::English, &["dress", "dresses"]);
        same(Language::German, &["bestellung", "bestellungen"]);
        same(Language::French, &["commande", "commandes", "commandee"]);
        same(Language::Spanish, &["compra", "compras", "comprado", "compraron"]);
        same(Language::Swedish, &["sokning", "sokningar", "sokningarna"]);
        assert_ne!(Language::English.stem("charger"), Language::English.stem("charge"));
        for word in ["tea", "東京都心部", "sm-s931b", "bus"] {
            assert_eq!(Language::ALL.map(|language| language.stem(word)), [word; 5]);
        }
    }
}
