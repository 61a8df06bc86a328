//! A list of transforms, ready to be applied.

use std::sync::Arc;

use lakewright_config::agents::shipper::transforms::{OnError, Step, Transform};

use crate::condition::Condition;
use crate::event::{Event, Failure, MESSAGE};
use crate::mistake::Mistake;
use crate::outcome::{Dropped, Outcome};
use crate::path::Path;
use crate::transforms::{Apply, Verdict, compile};

/// The longest reason that is noted, in bytes.
const MAX_REASON: usize = 256;
/// The most transforms of a shipper.
const MAX_TRANSFORMS: usize = 100;

/// One transform, compiled.
#[derive(Debug)]
struct One {
    index: usize,
    /// As errors name it: `parse_json (transform 1)`.
    name: String,
    from: Vec<String>,
    when: Option<Condition>,
    on_error: OnError,
    step: Box<dyn Apply>,
}

/// Transforms in their order.
#[derive(Debug, Clone, Default)]
pub struct Transforms {
    all: Vec<Arc<One>>,
}

impl Transforms {
    /// The transforms of a list, or all that is wrong with it.
    pub fn new(list: &[Transform]) -> Result<Self, Vec<Mistake>> {
        let (mut all, mut mistakes) = (Vec::new(), Vec::new());
        if list.len() > MAX_TRANSFORMS {
            let what = format!("{} transforms", list.len());
            let fix = format!("{MAX_TRANSFORMS} are the most: one `rename`, `types` or `remove` takes many members");
            mistakes.push(Mistake::new("type", what, fix).of(MAX_TRANSFORMS));
        }
        for (index, one) in list.iter().enumerate() {
            let when = one.when.as_deref().map(Condition::parse).transpose();
            let when = when.unwrap_or_else(|mistake| {
                mistakes.push(mistake.of(index));
                None
            });
            if matches!(one.step, Step::Drop(_)) && one.when.is_none() {
                let fix = "say which, as in `when = 'level == \"debug\"'`";
                mistakes.push(Mistake::new("when", "`drop` would leave out every event", fix).of(index));
            }
            match compile(&one.step) {
                Ok(step) => all.push(Arc::new(One {
                    index,
                    name: format!("{} (transform {})", one.step.word(), index + 1),
                    from: one.from.clone(),
                    when,
                    on_error: one.on_error,
                    step,
                })),
                Err(more) => mistakes.extend(more.into_iter().map(|mistake| mistake.of(index))),
            }
        }
        if mistakes.is_empty() { Ok(Self { all }) } else { Err(mistakes) }
    }

    /// Those that take records of a source.
    #[must_use]
    pub fn of(&self, source: &str) -> Self {
        let takes = |one: &&Arc<One>| one.from.is_empty() || one.from.iter().any(|from| from == source);
        Self { all: self.all.iter().filter(takes).cloned().collect() }
    }

    /// Whether there are none: records go on as they are.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Applies them in their order.
    pub fn apply(&self, event: &mut Event<'_>) -> Outcome {
        for one in &self.all {
            if one.when.as_ref().is_some_and(|when| !when.is_met(event)) {
                continue;
            }
            match one.step.apply(event) {
                Ok(Verdict::Go) => {}
                Ok(Verdict::Drop(why)) => return Outcome::Drop { by: one.index, why },
                Err(reason) => {
                    let reason = bounded(reason);
                    match one.on_error {
                        OnError::Keep => event.fail(Failure { by: one.index, reason }, &one.name),
                        OnError::Refuse => {
                            return Outcome::Refuse { by: one.index, reason: format!("{}: {reason}", one.name) };
                        }
                        OnError::Drop => return Outcome::Drop { by: one.index, why: Dropped::Error(reason) },
                    }
                }
            }
        }
        Outcome::Keep
    }
}

/// A reason without what is too long of it.
fn bounded(mut reason: String) -> String {
    if reason.len() > MAX_REASON {
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        reason.push('…');
    }
    reason
}

/// Everything that is wrong with a list for these sources: also what names no source, and what looks for members before anything
/// has parsed the record. Those of `of_objects` need no parser ([`Event::of_object`]).
pub fn mistakes(list: &[Transform], texts: &[&str], of_objects: &[&str]) -> Vec<Mistake> {
    let sources: Vec<&str> = texts.iter().chain(of_objects).copied().collect();
    let mut found = Transforms::new(list).err().unwrap_or_default();
    for (index, one) in list.iter().enumerate() {
        for from in one.from.iter().filter(|from| !sources.contains(&from.as_str())) {
            let known = sources.iter().map(|source| format!("`{source}`")).collect::<Vec<_>>().join(", ");
            let fix = if known.is_empty() { "remove it".to_owned() } else { format!("the sources are {known}") };
            found.push(Mistake::new("from", format!("there is no source `{from}`"), fix).item(from).of(index));
        }
    }
    let mut early: Vec<usize> = texts.iter().flat_map(|source| before_parsing(list, source)).collect();
    early.sort_unstable();
    early.dedup();
    let settled: Vec<usize> = found.iter().map(|mistake| mistake.index).collect();
    for index in early.into_iter().filter(|index| !settled.contains(index)) {
        let what = "it looks for members of a record that nothing has parsed yet";
        let fix = "put a parser before it, as `type = \"parse_json\"`; until then a record has one member, `message`";
        found.push(Mistake::new("type", what, fix).of(index));
    }
    found.sort_by_key(|mistake| mistake.index);
    found
}

/// The transforms that look for other members than `message` before one has parsed the records of a source.
fn before_parsing(list: &[Transform], source: &str) -> Vec<usize> {
    let takes = |one: &Transform| one.from.is_empty() || one.from.iter().any(|from| from == source);
    let mut early = Vec::new();
    for (index, one) in list.iter().enumerate().filter(|(_, one)| takes(one)) {
        let names_others = |paths: Vec<Path>| paths.iter().any(|path| path.steps()[0] != MESSAGE);
        let condition = one.when.as_deref().and_then(|when| Condition::parse(when).ok());
        let step = compile(&one.step).ok();
        let reads = step.as_ref().is_some_and(|step| step.reads().is_none_or(names_others));
        if reads || condition.is_some_and(|condition| names_others(condition.paths())) {
            early.push(index);
        }
        if step.is_some_and(|step| step.parses()) {
            break;
        }
    }
    early
}
