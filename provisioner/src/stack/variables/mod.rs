//! Variables: `[vars]` declares them, `${var.NAME}` stands for them, the command line and the environment give them values.

mod declared;
mod given;

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::decode::Node;
use super::diagnostics::{Diagnostic, Source, suggest};
pub use declared::Declared;
use declared::{Variable, declared, refuse};
pub use given::Given;
use given::{ENVIRONMENT, Outside, in_environment};

/// What begins a variable within a text.
const BEGIN: &str = "${var.";

/// Where variables can't stand, because they aren't known there yet.
const WITHOUT: [&str; 3] = ["vars", "extends", "remove"];

/// What came of replacing the variables.
#[derive(Debug, Default)]
pub struct Replaced {
    /// The places of variables, with what a mistake there should add.
    notes: Vec<(Range<usize>, String)>,
    /// The places whose variable has no value, which has been said.
    without: Vec<Range<usize>>,
}

impl Replaced {
    /// Adds to mistakes what stands in place of the variables, and drops those that follow from a missing one.
    pub fn explain(&self, list: &mut Vec<Diagnostic>) {
        list.retain(|mistake| !self.without.iter().any(|span| mistake.source == 0 && mistake.span == *span));
        for mistake in list.iter_mut().filter(|mistake| mistake.source == 0) {
            for (_, note) in self.notes.iter().filter(|(span, _)| mistake.span == *span) {
                mistake.help.push(note.clone());
            }
        }
    }
}

/// The texts that values are read from, which must live as long as the tree.
#[derive(Debug)]
pub struct Values(Vec<Outside>);

impl Values {
    /// The given values; `sources[own]` is the command line, and the environment follows it.
    pub fn new(given: &Given, sources: &[Source], own: usize) -> Self {
        Self(given.values(sources, own))
    }

    /// Replaces every variable in a tree by its value; mistakes are added to the list.
    pub fn replace<'i>(&'i self, tree: &mut Node<'i>, list: &mut Vec<Diagnostic>) -> (Replaced, Vec<Diagnostic>) {
        let DeValue::Table(table) = tree.get_mut() else { return Default::default() };
        let mut variables: Vec<Variable<'i>> = match table.get("vars").map(Spanned::get_ref) {
            Some(DeValue::Table(vars)) => {
                vars.iter().map(|(key, value)| declared(key.get_ref(), key.span(), value, list)).collect()
            }
            _ => Vec::new(),
        };
        for outside in &self.0 {
            outside.give(&mut variables, list);
        }
        let mut replaced = Replaced::default();
        // These stand where nothing else is wrong: they aren't dropped with what follows from them.
        let mut own = Vec::new();
        for (key, value) in table.iter_mut() {
            if WITHOUT.contains(&key.get_ref().as_ref()) {
                if key.get_ref() == "vars" {
                    refuse(value, &mut own);
                }
                continue;
            }
            replace(value, &variables, &mut replaced, &mut own);
        }
        for outside in self.0.iter().filter(|outside| outside.must_fit && outside.value.is_some()) {
            if let Some(variable) =
                variables.iter().find(|variable| variable.name == outside.name && !variable.used.get())
            {
                let title = format!("`--var {}` has no use", variable.name);
                own.push(
                    Diagnostic::new(variable.span.clone(), title, "nothing refers to this variable")
                        .help(format!("write `{BEGIN}{}}}` where it is meant, or leave the option out", variable.name)),
                );
            }
        }
        (replaced, own)
    }
}

fn replace<'i>(node: &mut Node<'i>, variables: &[Variable<'i>], replaced: &mut Replaced, list: &mut Vec<Diagnostic>) {
    let span = node.span();
    match node.get_mut() {
        DeValue::Table(table) => {
            for (_, value) in table.iter_mut() {
                replace(value, variables, replaced, list);
            }
        }
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                replace(item, variables, replaced, list);
            }
        }
        DeValue::String(text) if text.contains(BEGIN) => {
            let mut text_use = Use { span, variables, replaced, list };
            match text_use.value(&text.clone()) {
                Some(value) => *node.get_mut() = value,
                None => text_use.replaced.without.push(text_use.span),
            }
        }
        _ => {}
    }
}

/// A text with variables.
struct Use<'a, 'i> {
    span: Range<usize>,
    variables: &'a [Variable<'i>],
    replaced: &'a mut Replaced,
    list: &'a mut Vec<Diagnostic>,
}

impl<'i> Use<'_, 'i> {
    /// What stands for the text; nothing after saying why.
    fn value(&mut self, text: &str) -> Option<DeValue<'i>> {
        if let Some(name) = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix('}'))
            && !name.contains('}')
        {
            return self.of(name).map(|value| placed(value, &self.span));
        }
        let mut whole = String::new();
        let mut rest = text;
        let mut sound = true;
        while let Some((before, after)) = rest.split_once(BEGIN) {
            whole.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                let diagnostic =
                    Diagnostic::new(self.span.clone(), "a variable doesn't end", format!("`{BEGIN}` without `}}`"));
                self.list.push(diagnostic.help("write it as `${var.NAME}`"));
                return None;
            };
            match self.of(name) {
                Some(DeValue::Array(_)) => {
                    let title = format!("the variable `{name}` is an array");
                    let diagnostic = Diagnostic::new(self.span.clone(), title, "can't stand within a longer text");
                    self.list.push(diagnostic.help(format!("an array stands alone: `\"{BEGIN}{name}}}\"`")));
                    sound = false;
                }
                Some(value) => whole.push_str(&plain(&value)),
                None => sound = false,
            }
            rest = after;
        }
        whole.push_str(rest);
        sound.then(|| DeValue::String(whole.into()))
    }

    /// The value of a variable.
    fn of(&mut self, name: &str) -> Option<DeValue<'i>> {
        let Some(variable) = self.variables.iter().find(|variable| variable.name == name) else {
            let names = self.variables.iter().map(|variable| variable.name.as_str());
            let title = format!("there is no variable `{name}`");
            self.list.push(
                Diagnostic::new(self.span.clone(), title, "not in `[vars]`")
                    .help(suggest(name, names, "variables"))
                    .help(format!("`{name} = \"a default\"` under `[vars]` declares it")),
            );
            return None;
        };
        let first = !variable.used.replace(true);
        if variable.value.is_none() && variable.kind.is_some() && first {
            let title = format!("the variable `{name}` has no value");
            let environment = in_environment(name);
            self.list.push(
                Diagnostic::new(variable.span.clone(), title, "has no default")
                    .help(format!("`--var {name}=VALUE` gives it one, and so does {ENVIRONMENT}{environment}")),
            );
        }
        let value = variable.value.clone()?;
        let note = format!("`{BEGIN}{name}}}` is {} here, {}", shown(&value), variable.origin);
        self.replaced.notes.push((self.span.clone(), note));
        Some(value)
    }
}

/// A value whose parts all stand where the variable is used.
fn placed<'i>(value: DeValue<'i>, span: &Range<usize>) -> DeValue<'i> {
    let DeValue::Array(items) = value else { return value };
    let mut moved = DeArray::new();
    for item in items {
        moved.push(Spanned::new(span.clone(), placed(item.into_inner(), span)));
    }
    DeValue::Array(moved)
}

/// A value within a text.
fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        _ => String::new(),
    }
}

/// A value as a message shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Array(items) => {
            format!("[{}]", items.iter().map(|item| shown(item.get_ref())).collect::<Vec<_>>().join(", "))
        }
        other => plain(other),
    }
}
