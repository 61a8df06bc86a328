//! `[vars]`: what variables there are, and what each can be.

use std::cell::Cell;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::BEGIN;
use crate::stack::decode::{Decode, Decoder, Node};
use crate::stack::diagnostics::{Diagnostic, suggest};

/// The types that a variable can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
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
    pub(super) fn of(value: &DeValue<'_>) -> Option<Self> {
        Some(match value {
            DeValue::String(_) => Self::String,
            DeValue::Integer(_) | DeValue::Float(_) => Self::Number,
            DeValue::Boolean(_) => Self::Boolean,
            DeValue::Array(_) => Self::Array,
            DeValue::Datetime(_) | DeValue::Table(_) => return None,
        })
    }

    pub(super) fn words(self) -> &'static str {
        TYPES.iter().find(|(_, _, one)| *one == self).expect("every type has words").1
    }
}

/// A variable with its value.
pub(super) struct Variable<'i> {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    /// Its type; nothing when the declaration is wrong.
    pub(super) kind: Option<Type>,
    pub(super) value: Option<DeValue<'i>>,
    /// Where the value comes from, in words.
    pub(super) origin: &'static str,
    pub(super) used: Cell<bool>,
}

/// The variable that a line of `[vars]` declares.
pub(super) fn declared<'i>(
    name: &str,
    span: Range<usize>,
    node: &Node<'i>,
    list: &mut Vec<Diagnostic>,
) -> Variable<'i> {
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
pub(super) fn refuse(node: &Node<'_>, list: &mut Vec<Diagnostic>) {
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
