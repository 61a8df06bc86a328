//! Who may do what from now on: what a plan changes of it, statement by statement.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::{AnyKind, Grant};
use crate::kinds;
use crate::plain;
use crate::plan::{Action, Plan, Step};
use crate::reference::{self, Reference, resolve};
use crate::resource::Address;

/// The width that sentences are wrapped at.
const WIDTH: usize = 110;
/// What the section is called.
pub const TITLE: &str = "Who may do what from now on";

/// What changes of who may do what by one resource.
pub struct Rights<'a> {
    /// The resource.
    pub address: &'a Address,
    /// What becomes of it.
    pub action: Action,
    /// The sentences that end and those that begin, `-` and `+`, each in lines.
    pub sentences: Vec<(char, Vec<String>)>,
    /// How many stay.
    pub stays: usize,
}

/// What the plan changes, by resource in its order.
pub fn rights(plan: &Plan) -> Vec<Rights<'_>> {
    let outputs = outputs(plan);
    let known = |reference: &Reference| outputs.get(&reference.address)?.get(reference.output.as_str()).copied();
    plan.steps.iter().filter_map(|step| of_step(step, &known)).collect()
}

/// The outputs that are known before apply.
fn outputs(plan: &Plan) -> BTreeMap<&Address, BTreeMap<&str, &str>> {
    // A name that the file says is known of what isn't made yet too.
    let made = plan.steps.iter().filter(|step| matches!(step.action, Action::Create | Action::Replace));
    let made = made.filter_map(|step| {
        let spec = step.spec.as_ref()?;
        let given = kinds::named(&step.address.kind)?.facts().given_outputs.iter();
        let given = given.filter_map(|name| Some((*name, spec[*name].as_str().filter(|text| !text.contains("${"))?)));
        Some((&step.address, given.collect()))
    });
    let unchanged = plan.unchanged.iter().map(|one| (&one.live.address, &one.live, false));
    let blocked = plan.blocked.iter().filter_map(|one| one.step.as_ref()?.live.as_ref());
    let unchanged = unchanged.chain(blocked.map(|live| (&live.address, live, false)));
    let updated = plan.steps.iter().filter(|step| step.action == Action::Update);
    let updated = updated.filter_map(|step| Some((&step.address, step.live.as_ref()?, !step.changes.is_empty())));
    let lives = unchanged.chain(updated).map(|(address, live, changes)| {
        let moving = kinds::named(&address.kind).filter(|_| changes).map(|kind| kind.facts().moving_outputs);
        let stays = |name: &str| !moving.is_some_and(|moving| moving.contains(&name));
        let outputs = live.outputs.iter().filter(|(name, _)| stays(name));
        (address, outputs.map(|(name, value)| (name.as_str(), value.as_str())).collect())
    });
    lives.chain(made).collect()
}

fn of_step<'a>(step: &'a Step, known: &dyn Fn(&Reference) -> Option<&'a str>) -> Option<Rights<'a>> {
    let kind = kinds::named(&step.address.kind)?;
    let live = step.live.as_ref().filter(|_| step.action != Action::Create);
    let before = live.map(|live| kind.grants(&live.spec)).unwrap_or_default();
    let after = step.spec.as_ref().map(|spec| kind.grants(&desired(kind, spec, known))).unwrap_or_default();
    let mut sentences = Vec::new();
    if step.action == Action::Delete {
        // What goes lets nobody do anything any more.
        let goes = match before.len() {
            0 => return None,
            1 => "it goes, and 1 right with it".to_owned(),
            number => format!("it goes, and {number} rights with it"),
        };
        sentences.push(('-', vec![goes]));
        return Some(Rights { address: &step.address, action: step.action, sentences, stays: 0 });
    }
    for (sign, these, others) in [('-', &before, &after), ('+', &after, &before)] {
        let changed =
            these.iter().enumerate().filter(|(index, one)| !others.contains(one) && !these[..*index].contains(one));
        sentences.extend(changed.map(|(_, one)| (sign, lines(one))));
    }
    let stays = after.iter().filter(|one| before.contains(one)).count();
    (!sentences.is_empty()).then_some(Rights { address: &step.address, action: step.action, sentences, stays })
}

/// What is desired, as AWS would give it back: of references only those stay that are known after apply.
fn desired<'a>(kind: &dyn AnyKind, spec: &Value, known: &dyn Fn(&Reference) -> Option<&'a str>) -> Value {
    let resolved = resolve(spec, &|reference| known(reference).map(str::to_owned));
    reference::plain(&kind.normalise(&resolved).unwrap_or(resolved)).into_owned()
}

/// The sentence in lines; those after the first are indented. No word is cut.
fn lines(grant: &Grant) -> Vec<String> {
    let words = grant.words();
    let words = plain::line(&words);
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let last = lines.last_mut().expect("there is a first line");
        let is_first = last.trim().is_empty();
        if !is_first && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("  {word}"));
        } else {
            if !is_first {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_wrapped_and_never_cut() {
        let long = format!("arn:{}", "x".repeat(150));
        let grant = Grant::to("it", format!("{} on {long} and more", ["s3:GetObject,"; 20].join(" ")));
        let lines = lines(&grant);
        assert!(lines.len() > 3 && lines[1..].iter().all(|line| line.starts_with("  ")), "{lines:?}");
        assert_eq!(lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "), grant.words());
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH || line.trim() == long), "{lines:?}");
    }
}
