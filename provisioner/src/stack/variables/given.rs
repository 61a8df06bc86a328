//! The values that the command line and the environment give to variables.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::declared::{Type, Variable};
use crate::stack::diagnostics::{Diagnostic, Source, nearest, suggest};
use crate::stack::layers::starts;

/// What begins the name of an environment variable that gives a value.
pub(super) const ENVIRONMENT: &str = "LAKEWRIGHT_VAR_";

/// The values that are given from outside of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Those of the command line, `NAME=VALUE`; the last one of a name counts.
    pub arguments: Vec<String>,
    /// Those of the environment, name and value.
    pub environment: Vec<(String, String)>,
    /// Whether the arguments are another stack's, with which this one is compared: those that it doesn't declare, or
    /// doesn't use, are passed over.
    pub of_another: bool,
}

impl Given {
    /// The variables in the arguments and in this process's environment.
    pub fn new(arguments: &[String]) -> Self {
        let own =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment = own.filter(|(name, _)| name.starts_with(ENVIRONMENT)).collect();
        Self { arguments: arguments.to_vec(), environment, of_another: false }
    }

    /// The same for a stack that is compared with the one that they are given for.
    #[must_use]
    pub fn of_another(self) -> Self {
        Self { of_another: true, ..self }
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
    pub(super) fn values(&self, sources: &[Source], own: usize) -> Vec<Outside> {
        let starts = starts(sources);
        let mut values = Vec::new();
        let mut start = starts[own];
        for argument in &self.arguments {
            let begin = start + "--var ".len();
            values.push(Outside { must_fit: !self.of_another, ..Outside::new(argument, begin, true) });
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
pub(super) struct Outside {
    pub(super) name: String,
    /// The value as it was written; nothing without a `=`.
    pub(super) value: Option<String>,
    /// The value as a document, `v = VALUE`.
    document: String,
    /// The place of the name.
    name_span: Range<usize>,
    /// The place of the value.
    span: Range<usize>,
    /// Whether it stands on the command line.
    argument: bool,
    /// Whether it is a mistake when the stack doesn't declare it or doesn't use it.
    pub(super) must_fit: bool,
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
            // The environment may be meant for another stack.
            must_fit: false,
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
pub(super) fn in_environment(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

impl Outside {
    /// Gives the value to its variable.
    pub(super) fn give<'i>(&'i self, variables: &mut [Variable<'i>], list: &mut Vec<Diagnostic>) {
        let known: Vec<String> = variables.iter().map(|variable| variable.name.clone()).collect();
        let known = || known.iter().map(String::as_str);
        let Some(variable) = variables.iter_mut().find(|variable| self.is_for(&variable.name)) else {
            if self.must_fit {
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
