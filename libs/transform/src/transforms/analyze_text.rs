//! `analyze_text`, by what [`lakewright_text`] finds.

use std::borrow::Cow;

use lakewright_config::agents::shipper::transforms::{AnalyzeText, Finding};
use lakewright_text::{Entities, NameMistake};

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::value::{Object, Value};

/// The most keyphrases.
const KEYPHRASES_MOST: u8 = 20;

/// Says what texts say.
#[derive(Debug)]
pub struct Analyzing {
    field: Path,
    into: Path,
    find: Vec<Finding>,
    keyphrases: usize,
    entities: Entities,
}

impl Analyzing {
    pub fn new(settings: &AnalyzeText) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let (field, into) = (paths.one("field", &settings.field), paths.one("into", &settings.into));
        if let Some(into) = into.as_ref().filter(|into| field.as_ref().is_some_and(|field| into.overlaps(field))) {
            let fix = "name another one; the text stays where it is";
            paths.push(Mistake::new("into", format!("`{into}` is the member that is read, or stands in it"), fix));
        }
        if settings.find.is_empty() {
            let fix = "write some of language, sentiment, keyphrases, entities, or leave `find` out for all";
            paths.push(Mistake::new("find", "nothing is to be found".to_owned(), fix));
        }
        if settings.keyphrases > KEYPHRASES_MOST {
            let fix = "write 20 at most: more say nothing more";
            paths.push(Mistake::new("keyphrases", format!("{} keyphrases are many", settings.keyphrases), fix));
        }
        let names = settings.names.iter().map(|(kind, names)| (kind.clone(), names.clone())).collect();
        let entities = Entities::new(names).map_err(|mistake| paths.push(said(mistake))).ok();
        let made = field.zip(into).zip(entities).map(|((field, into), entities)| Self {
            field,
            into,
            find: settings.find.clone(),
            keyphrases: usize::from(settings.keyphrases),
            entities,
        });
        paths.finish(made)
    }

    fn finds(&self, what: Finding) -> bool {
        self.find.contains(&what)
    }

    fn analysis<'a>(&self, text: &str) -> Object<'a> {
        // Entities alone need none.
        let needs = self.find.iter().any(|what| *what != Finding::Entities);
        let language = if needs { lakewright_text::language(text) } else { None };
        let mut object = Object::with_capacity(4);
        if let Some(language) = language.filter(|_| self.finds(Finding::Language)) {
            object.insert(Cow::Borrowed("language"), Value::Text(Cow::Borrowed(language)));
        }
        if language == Some("en") && self.finds(Finding::Sentiment) {
            let found = lakewright_text::sentiment(text);
            let mut sentiment = Object::with_capacity(2);
            sentiment.insert(Cow::Borrowed("label"), Value::Text(Cow::Borrowed(found.mood.word())));
            sentiment.insert(Cow::Borrowed("score"), Value::Float(found.score));
            object.insert(Cow::Borrowed("sentiment"), Value::Object(sentiment));
        }
        if let Some(language) = language.filter(|_| self.finds(Finding::Keyphrases)) {
            let phrases = lakewright_text::keyphrases(text, language, self.keyphrases);
            if !phrases.is_empty() {
                let phrases = phrases.into_iter().map(|phrase| Value::Text(Cow::Owned(phrase))).collect();
                object.insert(Cow::Borrowed("keyphrases"), Value::Array(phrases));
            }
        }
        if self.finds(Finding::Entities) {
            let mut entities = Object::new();
            for found in self.entities.find(text) {
                let value = Value::Text(Cow::Owned(found.text));
                match entities.get_mut(found.kind) {
                    Some(Value::Array(others)) => others.push(value),
                    _ => entities.insert(Cow::Owned(found.kind.to_owned()), Value::Array(vec![value])),
                }
            }
            if !entities.is_empty() {
                object.insert(Cow::Borrowed("entities"), Value::Object(entities));
            }
        }
        object
    }
}

/// What is wrong with names.
fn said(mistake: NameMistake) -> Mistake {
    match mistake {
        NameMistake::Kind(kind) => {
            let fix = "write small letters, digits and `_`; money, date and percent are found anyway";
            Mistake::new("names", format!("`{kind}` can't be a kind of names"), fix)
        }
        NameMistake::Name(kind, name) => {
            let fix = "write 1 to 200 bytes";
            Mistake::new("names", format!("`{name}` of `{kind}` can't be looked for"), fix).item(&kind)
        }
        NameMistake::Many(count) => Mistake::new("names", format!("{count} names are many"), "write 100,000 at most"),
    }
}

impl Apply for Analyzing {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let Some(text) = event.text(&self.field) else { return Ok(Verdict::Go) };
        let analysis = self.analysis(&text?);
        if !analysis.is_empty() {
            event.set(&self.into, Value::Object(analysis))?;
        }
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(vec![self.field.clone()])
    }
}
