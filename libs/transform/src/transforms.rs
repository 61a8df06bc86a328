//! What each transform does. Each is a file, and a line here.

mod analyze_text;
mod geo_point;
mod mask;
mod members;
mod parse;
mod sample;
mod timestamp;
mod types;
mod user_agent;

use std::fmt;
use std::sync::Arc;

use lakewright_config::agents::shipper::transforms::{Route, Step};

use crate::event::Event;
use crate::mistake::Mistake;
use crate::outcome::Dropped;
use crate::path::Path;

/// What a transform says of an event that it was applied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Go,
    /// It is left out.
    Drop(Dropped),
}

/// A transform.
pub trait Apply: fmt::Debug + Send + Sync {
    /// Applies it; an error says why it can't be, and leaves the event as it was.
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String>;

    /// The members that it looks for; none where it looks at all.
    fn reads(&self) -> Option<Vec<Path>>;

    /// Whether it makes members of a record's text.
    fn parses(&self) -> bool {
        false
    }
}

/// Makes a transform ready, or says all that is wrong with its settings.
pub fn compile(step: &Step) -> Result<Box<dyn Apply>, Vec<Mistake>> {
    Ok(match step {
        Step::ParseJson(settings) => parse::json(settings)?,
        Step::ParseLogfmt(settings) => parse::logfmt(settings)?,
        Step::ParseRegex(settings) => parse::regex(settings)?,
        Step::ParseLog(settings) => parse::log(settings)?,
        Step::Rename(settings) => Box::new(members::Renaming::new(settings)?),
        Step::Remove(settings) => Box::new(members::Removing::new(settings)?),
        Step::Mask(settings) => Box::new(mask::Masking::new(settings)?),
        Step::Types(settings) => Box::new(types::Typing::new(settings)?),
        Step::GeoPoint(settings) => Box::new(geo_point::Locating::new(settings)?),
        Step::Timestamp(settings) => Box::new(timestamp::Timing::new(settings)?),
        Step::UserAgent(settings) => Box::new(user_agent::Reading::new(settings)?),
        Step::AnalyzeText(settings) => Box::new(analyze_text::Analyzing::new(settings)?),
        Step::Sample(settings) => Box::new(sample::Sampling::new(settings)?),
        Step::Drop(_) => Box::new(Dropping),
        Step::Route(settings) => Box::new(Routing::new(settings)?),
    })
}

/// Reads the paths of several settings and collects what is wrong with them.
#[derive(Debug, Default)]
struct Paths {
    mistakes: Vec<Mistake>,
}

impl Paths {
    /// The path that a setting names.
    fn one(&mut self, setting: &'static str, text: &str) -> Option<Path> {
        self.read(setting, text, None)
    }

    /// The path that an item of a setting names.
    fn item(&mut self, setting: &'static str, text: &str) -> Option<Path> {
        self.read(setting, text, Some(text))
    }

    fn read(&mut self, setting: &'static str, text: &str, item: Option<&str>) -> Option<Path> {
        Path::parse(text)
            .map_err(|what| {
                let fix = "write names with dots between them, as `user.name`, odd ones in double quotes";
                let mistake = Mistake::new(setting, format!("`{text}` names no member: {what}"), fix);
                self.mistakes.push(item.map_or_else(|| mistake.clone(), |item| mistake.clone().item(item)));
            })
            .ok()
    }

    fn push(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// What was made of them, if nothing is wrong.
    fn finish<T>(self, made: Option<T>) -> Result<T, Vec<Mistake>> {
        match made {
            Some(made) if self.mistakes.is_empty() => Ok(made),
            _ => Err(self.mistakes),
        }
    }
}

/// Leaves out every event that it is applied to.
#[derive(Debug)]
struct Dropping;

impl Apply for Dropping {
    fn apply(&self, _: &mut Event<'_>) -> Result<Verdict, String> {
        Ok(Verdict::Drop(Dropped::Condition))
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(Vec::new())
    }
}

/// Names an index of their own for events.
#[derive(Debug)]
struct Routing {
    to: Arc<str>,
}

impl Routing {
    fn new(Route { to }: &Route) -> Result<Self, Vec<Mistake>> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let sound = (1..=64).contains(&to.len()) && to.chars().all(legal) && to.starts_with(begins);
        if !sound || to == "rejected" {
            let what = if sound {
                "`rejected` is where rejected records go".to_owned()
            } else {
                format!("`{to}` can't be part of an index's name")
            };
            let fix = "write 1 to 64 lower-case letters, digits, `-` and `_`, beginning with a letter or digit";
            return Err(vec![Mistake::new("to", what, fix)]);
        }
        Ok(Self { to: Arc::from(to.as_str()) })
    }
}

impl Apply for Routing {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        event.set_route(&self.to);
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(Vec::new())
    }
}
