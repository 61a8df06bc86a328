//! What a line of words means to a search in user actions: browsers, products, brands, categories, places, actions and times where they
//! are known, words otherwise; and the query that follows. Nothing here reads or writes anything.

mod calendar;
mod dictionary;
mod empty;
pub mod facets;
mod lexicon;
mod parts;
mod places;
pub mod query;
mod stem;
#[cfg(test)]
mod tests;
mod words;

use anyhow::{Result, bail};
use chrono::NaiveDateTime;

pub use calendar::since;
pub use parts::{Field, Meaning, Part};

use crate::{plain, suggest};
use empty::WITHOUT;
use lexicon::Lexicon;
use words::{Kind, Token};

/// The members of user actions, which `field:value` may name.
pub const MEMBERS: [&str; 16] = [
    "brand",
    "category",
    "event_id",
    "event_time",
    "event_type",
    "ip_address",
    "location",
    "page_views",
    "product_id",
    "product_name",
    "search_keywords",
    "session_duration",
    "session_id",
    "user_agent",
    "user_id",
    "kafka_topic_id",
];

/// The longest line that is read, in characters.
const LONGEST: usize = 1000;

/// The values that an index holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Names of products.
    pub products: Vec<String>,
    /// Brands.
    pub brands: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
    /// Cities.
    pub cities: Vec<String>,
    /// Countries, by code or by name.
    pub countries: Vec<String>,
    /// Types of events.
    pub actions: Vec<String>,
    /// Members that `field:value` may name beside [`MEMBERS`].
    pub members: Vec<String>,
}

/// A line as it was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Understood {
    /// Its parts in their order.
    pub parts: Vec<Part>,
}

/// Understands a line, at a time in UTC.
///
/// # Errors
/// It is too long, or names a field that nobody knows.
pub fn understand(line: &str, known: &Known, now: NaiveDateTime) -> Result<Understood> {
    if line.chars().count() > LONGEST {
        bail!("a line has {LONGEST} characters at most: leave out what matters least");
    }
    let lexicon = Lexicon::new(known);
    let mut tokens = words::read(line, lexicon.dense());
    for token in tokens.iter_mut().filter(|token| token.is_word()) {
        if let Some(correct) = lexicon.correction(&token.fold) {
            token.fold = correct;
            token.corrected = true;
        }
    }
    without(&mut tokens);
    let mut reader = Reader { tokens: &tokens, lexicon: &lexicon, known, now, parts: Vec::new(), behind: None };
    let mut at = 0;
    while at < tokens.len() {
        at = reader.next(at)?;
    }
    Ok(Understood { parts: reader.parts })
}

/// Takes a word like `without` for a minus before what follows it.
fn without(tokens: &mut [Token]) {
    for at in 1..tokens.len() {
        let (before, rest) = tokens.split_at_mut(at);
        let (word, next) = (&mut before[at - 1], &mut rest[0]);
        if word.is_word() && WITHOUT.contains(&word.fold.as_str()) && next.kind != Kind::Break {
            next.excluded = true;
            word.kind = Kind::Break;
        }
    }
}

impl Understood {
    /// In one line: `Chrome (browser), lipstick (product), Stockholm (place), September 2023`.
    pub fn sentence(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(ToString::to_string).collect();
        if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
    }
}

/// Reads tokens from left to right.
struct Reader<'a> {
    tokens: &'a [Token],
    lexicon: &'a Lexicon,
    known: &'a Known,
    now: NaiveDateTime,
    parts: Vec<Part>,
    /// The place behind a product that the last part is: what follows there belongs to it.
    behind: Option<usize>,
}

impl Reader<'_> {
    /// Reads what stands at a place, and says where it goes on.
    fn next(&mut self, at: usize) -> Result<usize> {
        let token = &self.tokens[at];
        let meaning = match &token.kind {
            Kind::Break => return Ok(at + 1),
            Kind::Phrase => Meaning::Phrase(token.raw.clone()),
            Kind::Exact(member, quoted) => {
                self.check(member, &token.raw)?;
                Meaning::Exact { member: member.clone(), value: token.raw.clone(), whole: *quoted }
            }
            Kind::Word => return Ok(self.word(at)),
        };
        self.push(meaning, (at, at + 1));
        Ok(at + 1)
    }

    /// An error where a field is no member of user actions.
    fn check(&self, member: &str, value: &str) -> Result<()> {
        let members = MEMBERS.iter().copied().chain(self.known.members.iter().map(String::as_str));
        if members.clone().any(|known| known == member || member.strip_suffix(".keyword") == Some(known)) {
            return Ok(());
        }
        let near = match suggest::nearest(member, members) {
            Some(near) => format!("did you mean `{near}:{}`?", plain::line(value)),
            None => format!("fields are {}; in quotes it is a phrase", MEMBERS.join(", ")),
        };
        bail!("no user action has a field `{}`: {near}", plain::line(member));
    }

    fn word(&mut self, at: usize) -> usize {
        let rest = &self.tokens[at..];
        if let Some((count, span)) = calendar::read(rest, self.now) {
            self.push(Meaning::Time(span), (at, at + count));
            return at + count;
        }
        let length = rest.iter().position(|token| !token.is_word()).unwrap_or(rest.len());
        // A minus belongs to the word behind it.
        let together = rest[1..length].iter().position(|token| token.excluded).map_or(length, |found| found + 1);
        if let Some((count, known)) = self.lexicon.longest(&rest[..together]) {
            let typed = words_typed(&rest[..count]);
            let mut values = known.values.clone();
            if known.field == Field::Product {
                let typed = typed.to_lowercase();
                let corrected = rest[..count].iter().any(|token| token.corrected);
                if !corrected && !values.contains(&typed) {
                    values.push(typed);
                }
                if self.behind == Some(at) && !rest[0].excluded && self.extend(&values, (at, at + count)) {
                    self.behind = Some(at + count);
                    return at + count;
                }
                self.behind = Some(at + count);
            }
            self.push(Meaning::Known { field: known.field, values }, (at, at + count));
            return at + count;
        }
        let token = &rest[0];
        if !self.lexicon.is_empty_word(&token.fold) || token.excluded {
            self.push(Meaning::Text(token.raw.clone()), (at, at + 1));
        }
        at + 1
    }

    /// Adds words to the product that the last part is.
    fn extend(&mut self, more: &[String], place: (usize, usize)) -> bool {
        let corrections = self.corrections(place);
        let typed = words_typed(&self.tokens[place.0..place.1]);
        let Some(last) = self.parts.last_mut() else { return false };
        let Meaning::Known { field: Field::Product, values } = &mut last.meaning else { return false };
        if last.excluded {
            return false;
        }
        let (Some(first), Some(next)) = (values.first(), more.first()) else { return false };
        let mut all = vec![format!("{first} {next}")];
        if let (Some(first), Some(next)) = (values.get(1).or(values.first()), more.get(1).or(more.first())) {
            let other = format!("{first} {next}");
            if !all.contains(&other) {
                all.push(other);
            }
        }
        *values = all;
        last.typed = format!("{} {typed}", last.typed);
        last.corrections.extend(corrections);
        true
    }

    fn corrections(&self, (from, to): (usize, usize)) -> Vec<String> {
        self.tokens[from..to].iter().filter(|token| token.corrected).map(|token| token.raw.clone()).collect()
    }

    fn push(&mut self, meaning: Meaning, place: (usize, usize)) {
        let tokens = &self.tokens[place.0..place.1];
        let excluded = tokens[0].excluded;
        let is_text = matches!(meaning, Meaning::Text(_));
        // Words side by side are one part: more of them found is better.
        if is_text
            && !excluded
            && let Some(Part { meaning: Meaning::Text(words), typed, excluded: false, .. }) = self.parts.last_mut()
        {
            for text in [words, typed] {
                text.push(' ');
                text.push_str(&tokens[0].raw);
            }
            return;
        }
        let corrections = if is_text { Vec::new() } else { self.corrections(place) };
        self.parts.push(Part { meaning, typed: words_typed(tokens), excluded, corrections });
    }
}

/// Words as they were typed.
fn words_typed(tokens: &[Token]) -> String {
    let words: Vec<&str> = tokens.iter().map(|token| token.raw.as_str()).filter(|raw| !raw.is_empty()).collect();
    words.join(" ")
}
