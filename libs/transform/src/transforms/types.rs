//! `types`.

use std::borrow::Cow;
use std::net::IpAddr;

use lakewright_config::agents::shipper::transforms::{Types, ValueType};

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::value::{Scalar, Value};

/// Gives members types.
#[derive(Debug)]
pub struct Typing {
    fields: Vec<(Path, ValueType)>,
}

impl Typing {
    pub fn new(settings: &Types) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let read = |(field, kind): (&String, &ValueType)| paths.item("fields", field).map(|path| (path, *kind));
        let fields: Vec<_> = settings.fields.iter().filter_map(read).collect();
        if settings.fields.is_empty() {
            let fix = "name one, as in `{ status = \"int\" }`";
            paths.push(Mistake::new("fields", "no member is given a type", fix));
        }
        paths.finish(Some(Self { fields }))
    }
}

impl Apply for Typing {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let mut failed = None;
        for (path, kind) in &self.fields {
            let Some(value) = event.get(path) else { continue };
            if let Err(reason) = convert(value, *kind) {
                failed.get_or_insert(format!("`{path}` is {reason}"));
            }
        }
        failed.map_or(Ok(Verdict::Go), Err)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(self.fields.iter().map(|(path, _)| path.clone()).collect())
    }
}

/// Gives a value, or each item of an array, a type. One that can't have it stays, and so do null and what has it already.
fn convert(value: &mut Value<'_>, kind: ValueType) -> Result<(), String> {
    let Some(scalar) = value.scalar() else {
        let what = value.kind();
        let items = value.array_mut().ok_or_else(|| format!("{what}, which can't be made {}", named(kind)))?;
        let mut failed = None;
        for item in items {
            let converted = match item.scalar() {
                Some(_) => convert(item, kind),
                None => Err(format!("{} in an array", item.kind())),
            };
            if let Err(reason) = converted {
                failed.get_or_insert(reason);
            }
        }
        return failed.map_or(Ok(()), Err);
    };
    let made = match (kind, &scalar) {
        (_, Scalar::Null) => return Ok(()),
        (ValueType::Bool, Scalar::Bool(_)) | (ValueType::Text, Scalar::Text(_)) => return Ok(()),
        (ValueType::Int, Scalar::Number(text) | Scalar::Text(text)) => int(text).map(Value::Int),
        (ValueType::Float, Scalar::Number(text)) if scalar.number().is_some() && !text.is_empty() => return Ok(()),
        (ValueType::Float, Scalar::Text(_)) => scalar.number().map(Value::Float),
        (ValueType::Bool, Scalar::Number(text) | Scalar::Text(text)) => boolean(text).map(Value::Bool),
        (ValueType::Text, Scalar::Number(text)) => Some(Value::Text(Cow::Owned(text.clone().into_owned()))),
        (ValueType::Text, Scalar::Bool(value)) => Some(Value::Text(Cow::Owned(value.to_string()))),
        (ValueType::Ip, Scalar::Text(text)) => {
            text.trim().parse::<IpAddr>().ok().map(|address| Value::Text(Cow::Owned(address.to_string())))
        }
        _ => None,
    };
    let made = made.ok_or_else(|| format!("{}, no {}", shown(&scalar), named(kind)));
    drop(scalar);
    *value = made?;
    Ok(())
}

/// A whole number; of one with a fraction only if that is zero.
fn int(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_prefix('+').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text);
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    let (whole, fraction) = text.split_once('.')?;
    if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') { whole.parse().ok() } else { None }
}

fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let one_of = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if one_of(["true", "yes", "on", "1"]) => Some(true),
        () if one_of(["false", "no", "off", "0"]) => Some(false),
        () => None,
    }
}

fn named(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Int => "whole number of 64 bits",
        ValueType::Float => "number",
        ValueType::Bool => "boolean",
        ValueType::Text => "text",
        ValueType::Ip => "IP address",
    }
}

fn shown(scalar: &Scalar<'_>) -> String {
    match scalar {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(text) => text.chars().take(40).collect(),
        Scalar::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
    }
}
