//! All that is known by name: what the index holds, and the dictionary; by words, by stems, and by words nearly so.

use std::collections::{HashMap, HashSet};

use super::dictionary::{ACTIONS, BROWSERS};
use super::empty::{EMPTY, WITHOUT};
use super::parts::Field;
use super::places::{CITIES, COUNTRIES};
use super::stem::Language;
use super::words::{Token, fold, is_dense, of_value};
use super::{Known, calendar};

/// How many words a name has at most; of a longer one the first count.
const LONGEST: usize = 6;
/// How many words of a product's name are known: each run of them has an entry in each language.
const NAME_WORDS: usize = 12;
/// How many spellings of one stem are looked for.
const SPELLINGS: usize = 3;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub field: Field,
    /// As the index has it.
    pub values: Vec<String>,
}

/// Names by their words.
#[derive(Debug, Default)]
pub struct Lexicon {
    exact: HashMap<String, Entry>,
    stems: HashMap<(Language, String), Entry>,
    /// Single words that names are made of.
    words: HashSet<String>,
    /// Words by their count of letters, for what is nearly one.
    by_length: HashMap<usize, Vec<String>>,
    dense: Vec<String>,
    empty: HashSet<String>,
}

impl Lexicon {
    /// That of an index.
    pub fn new(known: &Known) -> Self {
        let mut lexicon = Self { empty: EMPTY.iter().map(|word| fold(word)).collect(), ..Self::default() };
        lexicon.add_actions(known);
        for browser in BROWSERS {
            for called in browser.called {
                lexicon.add(&of_value(called), Field::Browser, browser.name, &[]);
            }
        }
        lexicon.add_places(known);
        for brand in &known.brands {
            lexicon.add(&of_value(brand), Field::Brand, brand, &[]);
        }
        for category in &known.categories {
            lexicon.add(&of_value(category), Field::Category, category, &Language::ALL);
        }
        for product in &known.products {
            lexicon.add_product(product);
        }
        lexicon.finish();
        lexicon
    }

    fn add_actions(&mut self, known: &Known) {
        for action in ACTIONS {
            let held = action.values.iter().copied().find(|value| known.actions.iter().any(|known| known == value));
            let value = held.unwrap_or(action.values[0]);
            for (language, names) in action.called {
                for called in *names {
                    self.add(&of_value(called), Field::Action, value, language.as_slice());
                }
            }
            self.add(&of_value(value), Field::Action, value, &[]);
        }
        for value in &known.actions {
            self.add(&of_value(value), Field::Action, value, &[]);
            self.add(&of_value(&value.replace(['_', '-', '.'], " ")), Field::Action, value, &[Language::English]);
        }
    }

    fn add_places(&mut self, known: &Known) {
        for city in &known.cities {
            self.add(&of_value(city), Field::City, city, &[]);
        }
        for names in CITIES {
            let held = |city: &&String| names.iter().any(|name| fold(name) == fold(city));
            let Some(city) = known.cities.iter().find(held) else { continue };
            for name in *names {
                self.add(&of_value(name), Field::City, city, &[]);
            }
        }
        for (code, names) in COUNTRIES {
            let held = |country: &&String| *country == code || names.iter().any(|name| fold(name) == fold(country));
            let country = known.countries.iter().find(held).map_or(*code, String::as_str);
            for name in *names {
                self.add(&of_value(name), Field::Country, country, &[]);
            }
        }
        for country in known.countries.iter().filter(|country| country.len() > 2) {
            self.add(&of_value(country), Field::Country, country, &[]);
        }
        // A code counts in capitals only: `IN` and `in` are different things.
        for country in known.countries.iter().filter(|country| country.len() == 2) {
            self.exact
                .entry(country.to_uppercase())
                .or_insert_with(|| Entry { field: Field::Country, values: vec![country.clone()] });
        }
    }

    /// A product is known by any words of its name that stand side by side.
    fn add_product(&mut self, product: &str) {
        let shown: Vec<&str> = product.split_whitespace().take(NAME_WORDS).collect();
        for from in 0..shown.len() {
            for to in from + 1..=shown.len().min(from + LONGEST) {
                let value = shown[from..to].join(" ").to_lowercase();
                let words = of_value(&value);
                let is_name = words.iter().any(|word| word.chars().count() > 1 && !self.empty.contains(word));
                if is_name {
                    self.add(&words, Field::Product, &value, &Language::ALL);
                }
            }
        }
    }

    /// The first that has a name keeps it; of products more spellings may have one stem.
    fn add(&mut self, words: &[String], field: Field, value: &str, languages: &[Language]) {
        let words = &words[..words.len().min(LONGEST)];
        if words.is_empty() {
            return;
        }
        self.words.extend(words.iter().cloned());
        let entry = || Entry { field, values: vec![value.to_owned()] };
        self.exact.entry(words.join(" ")).or_insert_with(entry);
        for language in languages {
            let found =
                self.stems.entry((*language, stems(words.iter().map(String::as_str), *language))).or_insert_with(entry);
            let room = found.field == Field::Product && field == Field::Product && found.values.len() < SPELLINGS;
            if room && !found.values.iter().any(|known| known == value) {
                found.values.push(value.to_owned());
            }
        }
    }

    fn finish(&mut self) {
        let names = self.exact.keys().flat_map(|name| name.split(' '));
        let dense = names.chain(self.exact.keys().map(String::as_str)).map(str::to_owned);
        let of_dates = calendar::vocabulary().map(str::to_owned);
        let all = dense.chain(of_dates).chain(self.empty.iter().cloned());
        let dense: HashSet<String> = all.filter(|word| !word.contains(' ') && word.chars().any(is_dense)).collect();
        self.dense = dense.into_iter().collect();
        let of_dates = calendar::vocabulary().filter(|word| word.len() > 3).map(str::to_owned);
        let words: HashSet<String> = self.words.iter().cloned().chain(of_dates).collect();
        for word in words.into_iter().filter(|word| !word.chars().any(is_dense)) {
            self.by_length.entry(word.chars().count()).or_default().push(word);
        }
        for words in self.by_length.values_mut() {
            words.sort();
        }
    }

    /// The known words of scripts without spaces.
    pub fn dense(&self) -> &[String] {
        &self.dense
    }

    /// Whether a word says nothing by itself.
    pub fn is_empty_word(&self, word: &str) -> bool {
        self.empty.contains(word) || word == ".." || WITHOUT.contains(&word)
    }

    /// The longest name that words begin with, and how many words it has.
    pub fn longest(&self, tokens: &[Token]) -> Option<(usize, &Entry)> {
        (1..=tokens.len().min(LONGEST)).rev().find_map(|count| {
            let tokens = &tokens[..count];
            if let [token] = tokens
                && self.empty.contains(&token.fold)
                && !is_code(&token.raw)
            {
                return None;
            }
            let folds = || tokens.iter().map(|token| token.fold.as_str());
            let code = tokens
                .first()
                .filter(|token| count == 1 && is_code(&token.raw))
                .and_then(|token| self.exact.get(&token.raw));
            let found = code.or_else(|| self.exact.get(&folds().collect::<Vec<_>>().join(" "))).or_else(|| {
                let stemmed = |language: &Language| self.stems.get(&(*language, stems(folds(), *language)));
                Language::ALL.iter().find_map(stemmed)
            });
            Some((count, found?))
        })
    }

    /// Whether a word stands in a name, or a form of it does.
    fn knows(&self, word: &str) -> bool {
        let stemmed = |language: &Language| self.stems.contains_key(&(*language, language.stem(word)));
        self.words.contains(word)
            || self.is_empty_word(word)
            || calendar::knows(word)
            || Language::ALL.iter().any(stemmed)
    }

    /// The known word that an unknown one is nearest to, as far as it may be a slip: one letter in a word of four or five letters or
    /// at its begin, two in a word of seven or more. Two letters that changed places are one.
    pub fn correction(&self, word: &str) -> Option<String> {
        let length = word.chars().count();
        if length < 4 || !word.chars().all(|letter| letter.is_alphabetic() && !is_dense(letter)) || self.knows(word) {
            return None;
        }
        let most = if length < 7 { 1 } else { 2 };
        let mut best: Option<(usize, &String)> = None;
        for other in (length - most..=length + most).filter_map(|length| self.by_length.get(&length)).flatten() {
            let distance = strsim::osa_distance(word, other);
            let same_begin = word.chars().next() == other.chars().next();
            let is_near = distance <= most && (same_begin || (distance == 1 && length > 5));
            let rank = distance * 2 + usize::from(!same_begin);
            if is_near && other.chars().count() > 3 && best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, other));
            }
        }
        best.map(|(_, word)| word.clone())
    }
}

/// Whether a word is written as countries' codes are.
fn is_code(raw: &str) -> bool {
    raw.len() == 2 && raw.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn stems<'a>(words: impl Iterator<Item = &'a str>, language: Language) -> String {
    words.map(|word| language.stem(word)).collect::<Vec<_>>().join(" ")
}
