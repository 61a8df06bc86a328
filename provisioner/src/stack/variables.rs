//! Variables: `[vars]` declares them, `${var.NAME}` stands for them, the command line and the environment give them values.

use std::cell::Cell;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::decode::{Decode, Decoder, Node};
use super::diagnostics::{Diagnostic, Source, nearest, suggest};
use super::layers::starts;

/// What begins the name of an environment variable that gives a value.
pub const ENVIRONMENT: &str = "LAKEWRIGHT_VAR_";
/// What begins a variable within a text.
const BEGIN: &str = "${var.";
/// Where variables can't stand, because they aren't known there yet.
const WITHOUT: [&str; 3] = ["vars", "extends", "remove"];

/// The values that are given from outside of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Those of the command line, `NAME=VALUE`; the last one of a name counts.
    pub arguments: Vec<String>,
    /// Those of the environment, name and value.
    pub environment: Vec<(String, String)>,
}

impl Given {
    /// The variables in the arguments and in this process's environment.
    pub fn new(arguments: &[String]) -> Self {
        let own =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment = own.filter(|(name, _)| name.starts_with(ENVIRONMENT)).collect();
        Self { arguments: arguments.to_vec(), environment }
    }

    /// Both as sources, for messages: what was typed, and what the environment holds.
    pub fn sources(&self) -> [Source; 2] {
        let arguments = self.arguments.iter().map(|argument| format!("--var {argument}\n"));
        let environment = self.environment.iter().map(|(name, value)| format!("{name}={value}\n"));
        [
            Source { path: "the command line".to_owned(), text: arguments.collect() },
            Source { path: "the environment".to_owned(), text: environment.collect() },
        ]
    }

    /// The values with their places, in a form that TOML can read.
    fn values(&self, sources: &[Source], own: usize) -> Vec<Outside> {
        let starts = starts(sources);
        let mut values = Vec::new();
        let mut start = starts[own];
        for argument in &self.arguments {
            let begin = start + "--var ".len();
            values.push(Outside::new(argument, begin, true));
            start = begin + argument.len() + 1;
        }
        let mut start = starts[own + 1];
        for (name, value) in &self.environment {
            values.push(Outside::new(&format!("{name}={value}"), start, false));
            start += name.len() + value.len() + 2;
        }
        values
    }
}

/// A value from outside.
#[derive(Debug)]
struct Outside {
    name: String,
    /// The value as it was written; nothing without a `=`.
    value: Option<String>,
    /// The value as a document, `v = VALUE`.
    document: String,
    /// The place of the name.
    name_span: Range<usize>,
    /// The place of the value.
    span: Range<usize>,
    /// Whether it stands on the command line.
    argument: bool,
}

impl Outside {
    fn new(text: &str, start: usize, argument: bool) -> Self {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        let begin = start + (name.len() + 1).min(text.len());
        Self {
            name: name.to_owned(),
            document: format!("v = {}", value.as_deref().unwrap_or_default()),
            value,
            name_span: start..start + name.len(),
            span: begin..start + text.len(),
            argument,
        }
    }

    fn is_for(&self, name: &str) -> bool {
        if self.argument {
            self.name == name
        } else {
            self.name.strip_prefix(ENVIRONMENT) == Some(&in_environment(name))
        }
    }
}

/// A variable's name as the environment writes it, without what begins it.
fn in_environment(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The types that a variable can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    String,
    Number,
    Boolean,
    Array,
}

const TYPES: [(&str, &str, Type); 4] = [
    ("string", "a string", Type::String),
    ("number", "a number", Type::Number),
    ("boolean", "true or false", Type::Boolean),
    ("array", "an array, as in [\"a\", \"b\"]", Type::Array),
];

impl Type {
    fn of(value: &DeValue<'_>) -> Option<Self> {
        Some(match value {
            DeValue::String(_) => Self::String,
            DeValue::Integer(_) | DeValue::Float(_) => Self::Number,
            DeValue::Boolean(_) => Self::Boolean,
            DeValue::Array(_) => Self::Array,
            DeValue::Datetime(_) | DeValue::Table(_) => return None,
        })
    }

    fn words(self) -> &'static str {
        TYPES.iter().find(|(_, _, one)| *one == self).expect("every type has words").1
    }
}

/// A variable with its value.
struct Variable<'i> {
    name: String,
    span: Range<usize>,
    /// Its type; nothing when the declaration is wrong.
    kind: Option<Type>,
    value: Option<DeValue<'i>>,
    /// Where the value comes from, in words.
    origin: &'static str,
    used: Cell<bool>,
}

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
        for outside in self.0.iter().filter(|outside| outside.argument && outside.value.is_some()) {
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

impl Outside {
    /// Gives the value to its variable.
    fn give<'i>(&'i self, variables: &mut [Variable<'i>], list: &mut Vec<Diagnostic>) {
        let known: Vec<String> = variables.iter().map(|variable| variable.name.clone()).collect();
        let known = || known.iter().map(String::as_str);
        let Some(variable) = variables.iter_mut().find(|variable| self.is_for(&variable.name)) else {
            // The environment may be meant for another stack.
            if self.argument {
                let mut diagnostic = Diagnostic::new(
                    self.name_span.clone(),
                    format!("there is no variable `{}`", self.name),
                    "not in `[vars]`",
                )
                .help(suggest(&self.name, known().collect::<Vec<_>>(), "variables"));
                if nearest(&self.name, known()).is_none() {
                    diagnostic = diagnostic.help(format!("`{} = \"a default\"` under `[vars]` declares it", self.name));
                }
                list.push(diagnostic);
            }
            return;
        };
        let Some(text) = self.value.as_deref() else {
            let title = format!("`--var {}` gives no value", self.name);
            list.push(
                Diagnostic::new(self.name_span.clone(), title, "`=` is missing").help("write it as `--var NAME=VALUE`"),
            );
            return;
        };
        let Some(kind) = variable.kind else { return };
        let origin = if self.argument { "from the command line" } else { "from the environment" };
        // What is typed wins, wherever it stands in the list.
        if !self.argument && variable.origin == "from the command line" {
            return;
        }
        let value = if kind == Type::String { Some(DeValue::String(text.into())) } else { self.read(kind) };
        if value.is_none() {
            let title = format!("the variable `{}` takes {}", variable.name, kind.words());
            list.push(Diagnostic::new(self.span.clone(), title, format!("this is not {}", kind.words())));
        }
        variable.value = value;
        variable.origin = origin;
        if variable.value.is_none() {
            variable.kind = None;
        }
    }

    /// The value as TOML reads it, if it has that type.
    fn read(&self, kind: Type) -> Option<DeValue<'_>> {
        let table = DeTable::parse(&self.document).ok()?.into_inner();
        let mut members = table.into_iter();
        let (_, value) = members.next()?;
        let value = value.into_inner();
        (members.next().is_none() && Type::of(&value) == Some(kind)).then_some(value)
    }
}

/// The variable that a line of `[vars]` declares.
fn declared<'i>(name: &str, span: Range<usize>, node: &Node<'i>, list: &mut Vec<Diagnostic>) -> Variable<'i> {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !word {
        let diagnostic =
            Diagnostic::new(span.clone(), format!("a variable can't be named `{name}`"), "no name of a variable");
        list.push(diagnostic.help("a letter first, then letters, digits, `_` and `-`"));
    }
    let mut variable = Variable {
        name: name.to_owned(),
        span,
        kind: None,
        value: None,
        origin: "from `[vars]`",
        used: Cell::new(false),
    };
    match node.get_ref() {
        DeValue::Table(_) => {
            let mut decoder = Decoder::default();
            let fields = decoder.fields(node, &["description", "type", "default"]);
            list.extend(decoder.list.into_iter().map(|mut mistake| {
                mistake.title = mistake.title.replace("the stack", &format!("`vars.{name}`")).replace("section", "key");
                mistake.help.iter_mut().for_each(|help| *help = help.replace("sections", "keys"));
                mistake
            }));
            let Some(fields) = fields else { return variable };
            let default = fields.table.get("default");
            let named = fields
                .table
                .get("type")
                .map(|node| (node.span(), node.get_ref().as_str().unwrap_or_default().to_owned()));
            variable.kind = match (&named, default) {
                (Some((span, word)), _) => match TYPES.iter().find(|(known, ..)| known == word) {
                    Some((.., kind)) => Some(*kind),
                    None => {
                        let diagnostic = Diagnostic::new(
                            span.clone(),
                            format!("a variable can't be of type `{word}`"),
                            "no such type",
                        );
                        list.push(diagnostic.help(suggest(word, TYPES.map(|(known, ..)| known), "types")));
                        None
                    }
                },
                (None, Some(default)) => Type::of(default.get_ref()),
                (None, None) => Some(Type::String),
            };
            if let Some(default) = default {
                match variable.kind {
                    Some(kind) if Type::of(default.get_ref()) == Some(kind) => {
                        variable.value = Some(default.get_ref().clone());
                    }
                    Some(kind) => {
                        let title = format!("the variable `{name}` takes {}", kind.words());
                        list.push(Diagnostic::new(default.span(), title, "its default is something else"));
                        variable.kind = None;
                    }
                    None if named.is_none() => list.push(no_value(default, name)),
                    None => {}
                }
            }
        }
        value => match Type::of(value) {
            Some(kind) => {
                variable.kind = Some(kind);
                variable.value = Some(value.clone());
            }
            None => list.push(no_value(node, name)),
        },
    }
    variable
}

fn no_value(node: &Node<'_>, name: &str) -> Diagnostic {
    Diagnostic::new(node.span(), format!("the variable `{name}` can't have this value"), "no value of a variable")
        .help("it is a string, a number, true or false, or an array")
}

/// Says where a variable's own declaration refers to another.
fn refuse(node: &Node<'_>, list: &mut Vec<Diagnostic>) {
    match node.get_ref() {
        DeValue::String(text) if text.contains(BEGIN) => {
            let diagnostic = Diagnostic::new(node.span(), "a variable can't refer to another one", "stands as it is");
            list.push(diagnostic.help("put the two together where they are used, as in `\"${var.a}-${var.b}\"`"));
        }
        DeValue::Array(items) => items.iter().for_each(|item| refuse(item, list)),
        DeValue::Table(table) => table.values().for_each(|value| refuse(value, list)),
        _ => {}
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

/// A line of `[vars]`, which is read before everything else is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared;

impl Decode for Declared {
    fn decode(_: &Node<'_>, _: &mut Decoder) -> Option<Self> {
        Some(Self)
    }

    fn placeholder() -> Self {
        Self
    }
}

impl JsonSchema for Declared {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Variable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A variable: its default, or a table with `description`, `type` and `default`.",
            "anyOf": [
                { "type": ["string", "number", "boolean", "array"] },
                {
                    "type": "object",
                    "properties": {
                        "description": { "type": "string", "description": "What it is for." },
                        "type": {
                            "type": "string",
                            "enum": ["string", "number", "boolean", "array"],
                            "description": "What it takes. Default: the type of its default, else a string.",
                        },
                        "default": {
                            "type": ["string", "number", "boolean", "array"],
                            "description": "Its value unless another is given. Without one a value must be given.",
                        },
                    },
                    "additionalProperties": false,
                },
            ],
        })
    }
}
