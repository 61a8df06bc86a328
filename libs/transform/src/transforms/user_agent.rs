//! `user_agent`, by the lists of woothee.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use lakewright_config::agents::shipper::transforms::UserAgent;
use parking_lot::Mutex;
use woothee::parser::Parser;

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::value::{Object, Value};

/// How many bytes of a name are looked at; browsers' are shorter.
const MAX_LOOKED_AT: usize = 1_024;
/// How many names are remembered: some megabytes at most.
const REMEMBERED: usize = 1_024;

/// What of a name is written, member by member.
type Parts = Arc<[(&'static str, String)]>;

/// Takes the names of browsers apart.
pub struct Reading {
    field: Path,
    into: Path,
    parser: Parser,
    /// Names that were taken apart: the same come again and again, and each takes microseconds.
    known: Mutex<HashMap<String, Parts>>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("field", &self.field).field("into", &self.into).finish_non_exhaustive()
    }
}

impl Reading {
    pub fn new(settings: &UserAgent) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let (field, into) = (paths.one("field", &settings.field), paths.one("into", &settings.into));
        let made = field.zip(into).map(|(field, into)| Self {
            field,
            into,
            parser: Parser::new(),
            known: Mutex::new(HashMap::new()),
        });
        if let Some(made) = made.as_ref().filter(|made| made.into == made.field) {
            let fix = "name another one; the text stays where it is";
            paths.push(Mistake::new("into", format!("`{}` is the member that is read", made.into), fix));
        }
        paths.finish(made)
    }

    fn parts(&self, text: &str) -> Parts {
        let looked_at = &text[..text.floor_char_boundary(MAX_LOOKED_AT)];
        if let Some(known) = self.known.lock().get(looked_at) {
            return Arc::clone(known);
        }
        let parts: Parts = self.parser.parse(looked_at).map_or_else(Arc::default, |found| {
            let all = [
                ("name", found.name),
                ("version", found.version),
                ("os", found.os),
                ("os_version", found.os_version.as_ref()),
                ("category", found.category),
            ];
            let said = |(_, value): &(&str, &str)| !value.is_empty() && *value != "UNKNOWN";
            all.into_iter().filter(said).map(|(name, value)| (name, value.to_owned())).collect()
        });
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(looked_at.to_owned(), Arc::clone(&parts));
        parts
    }
}

impl Apply for Reading {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let Some(text) = event.text(&self.field) else { return Ok(Verdict::Go) };
        let parts = self.parts(&text?);
        if parts.is_empty() {
            return Ok(Verdict::Go);
        }
        let mut object = Object::with_capacity(parts.len());
        for (name, value) in parts.iter() {
            object.insert(Cow::Borrowed(name), Value::Text(Cow::Owned(value.clone())));
        }
        event.set(&self.into, Value::Object(object))?;
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(vec![self.field.clone()])
    }
}
