//! Rules as they are written: TOML, nothing unknown, the place of every mistake.

use super::{Effect, Executed, Faults, Invalid, Rule};
use crate::services;
use lakewright_config::span;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::time::Duration;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    fault: Vec<Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "service")]
    service: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    operation: Option<String>,
    mutating: Option<bool>,
    #[serde(default, deserialize_with = "counted")]
    from: Option<u64>,
    #[serde(default, deserialize_with = "counted")]
    times: Option<u64>,
    #[serde(default, deserialize_with = "counted")]
    every: Option<u64>,
    #[serde(default, deserialize_with = "chance")]
    probability: Option<f64>,
    #[serde(default, deserialize_with = "filled")]
    error: Option<String>,
    #[serde(default, deserialize_with = "status")]
    status: Option<u16>,
    message: Option<String>,
    #[serde(default)]
    throttle: bool,
    #[serde(default, deserialize_with = "duration")]
    latency: Option<Duration>,
    #[serde(default, deserialize_with = "executed")]
    lost: Option<Executed>,
    #[serde(default, deserialize_with = "executed")]
    hang: Option<Executed>,
    #[serde(default, deserialize_with = "duration")]
    invisible: Option<Duration>,
}

pub(super) fn faults(text: &str) -> Result<Faults, Invalid> {
    let file: File = toml::from_str(text).map_err(|error| Invalid(error.to_string().trim_end().to_owned()))?;
    let mut rules = Vec::with_capacity(file.fault.len());
    for (index, written) in file.fault.into_iter().enumerate() {
        let line = text[..written.span().start.min(text.len())].matches('\n').count() + 1;
        let refused = |reason: String| Invalid(format!("fault {}, at line {line}: {reason}", index + 1));
        rules.push(written.into_inner().rule().map_err(refused)?);
    }
    Ok(Faults { seed: file.seed, rules })
}

impl Written {
    fn rule(self) -> Result<Rule, String> {
        let mut effects = Vec::new();
        match self.error {
            Some(code) => effects.push(Effect::Error {
                message: self.message.unwrap_or_else(|| format!("a fault rule answers {code}")),
                code,
                status: self.status.unwrap_or(500),
            }),
            None if self.status.is_some() || self.message.is_some() => {
                return Err("`status` and `message` belong to an `error`, and there is none".to_owned());
            }
            None => {}
        }
        if self.throttle {
            effects.push(Effect::Throttle);
        }
        effects.extend(self.lost.map(Effect::Lost));
        effects.extend(self.hang.map(Effect::Hang));
        effects.extend(self.invisible.map(Effect::Invisible));
        if effects.len() > 1 {
            let names: Vec<&str> = effects.iter().map(Effect::name).collect();
            return Err(format!("a rule has one effect beside `latency`, not {}", names.join(" and ")));
        }
        let effect = effects.pop();
        if effect.is_none() && self.latency.is_none() {
            return Err("no effect; give one of error, throttle, latency, lost, hang, invisible".to_owned());
        }
        Ok(Rule {
            service: self.service,
            operation: self.operation,
            mutating: self.mutating,
            from: self.from.unwrap_or(1),
            times: self.times,
            every: self.every.unwrap_or(1),
            probability: self.probability,
            latency: self.latency.unwrap_or_default(),
            effect,
        })
    }
}

fn service<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(from)?;
    let known = services::names();
    if known.contains(&name.as_str()) {
        return Ok(Some(name));
    }
    Err(D::Error::custom(format!("no service is signed as `{name}`; there are {}", known.join(", "))))
}

fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Err(D::Error::custom("must not be empty")) } else { Ok(Some(text)) }
}

fn counted<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let number = u64::deserialize(from)?;
    if number == 0 { Err(D::Error::custom("is counted from 1")) } else { Ok(Some(number)) }
}

fn chance<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let chance = f64::deserialize(from)?;
    if (0.0..=1.0).contains(&chance) { Ok(Some(chance)) } else { Err(D::Error::custom("must be between 0 and 1")) }
}

fn status<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    let status = u16::deserialize(from)?;
    if (400..600).contains(&status) { Ok(Some(status)) } else { Err(D::Error::custom("must be between 400 and 599")) }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be true, false or \"request\"")]
enum Extent {
    Flag(bool),
    Word(String),
}

fn executed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Executed>, D::Error> {
    match Extent::deserialize(from)? {
        Extent::Flag(true) => Ok(Some(Executed::Yes)),
        Extent::Flag(false) => Ok(None),
        Extent::Word(word) if word == "request" => Ok(Some(Executed::No)),
        Extent::Word(word) => Err(D::Error::custom(format!("must be true, false or \"request\", not \"{word}\""))),
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    span(&text).map(Some).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is no time; write a number and ms, s, m or h, such as \"20ms\" or \"1.5s\""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Faults::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_understood() {
        let faults = Faults::parse(
            r#"
            seed = 42
            [[fault]]
            service = "ec2"
            operation = "Create*"
            mutating = true
            from = 3
            times = 2
            every = 5
            probability = 0.2
            latency = "20ms"
            error = "InternalError"
            status = 503
            message = "no"
            [[fault]]
            lost = "request"
            [[fault]]
            hang = true
            [[fault]]
            invisible = "1.5s"
            [[fault]]
            throttle = true
            "#,
        )
        .unwrap();
        assert_eq!(faults.seed, 42);
        let first = Rule {
            service: Some("ec2".to_owned()),
            operation: Some("Create*".to_owned()),
            mutating: Some(true),
            from: 3,
            times: Some(2),
            every: 5,
            probability: Some(0.2),
            latency: Duration::from_millis(20),
            effect: Some(Effect::Error { code: "InternalError".to_owned(), status: 503, message: "no".to_owned() }),
        };
        assert_eq!(faults.rules[0], first);
        let effects: Vec<_> = faults.rules[1..].iter().map(|rule| rule.effect.clone().unwrap()).collect();
        let invisible = Effect::Invisible(Duration::from_millis(1500));
        assert_eq!(effects, [Effect::Lost(Executed::No), Effect::Hang(Executed::Yes), invisible, Effect::Throttle]);
        assert_eq!(Faults::parse("").unwrap(), Faults::default());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (line, expected) in [
            ("sevice = \"ec2\"", "sevice"),
            ("service = \"ecc\"", "no service is signed as `ecc`"),
            ("operation = \"\"", "must not be empty"),
            ("from = 0", "is counted from 1"),
            ("times = -1", "line 3"),
            ("probability = 1.5", "between 0 and 1"),
            ("status = 200", "between 400 and 599"),
            ("latency = \"20\"", "is no time"),
            ("latency = \"-2s\"", "is no time"),
            ("lost = \"answer\"", "must be true, false or \"request\", not \"answer\""),
            ("hang = 1", "must be true, false or \"request\""),
            ("throttle = \"yes\"", "line 3"),
        ] {
            let said = refused(&format!("[[fault]]\nerror = \"X\"\n{line}\n"));
            assert!(said.contains(expected), "{line}: {said}");
            assert!(said.contains("line 3"), "{line}: {said}");
        }
        assert!(refused("sed = 1").contains("sed"));
    }

    #[test]
    fn a_rule_has_one_effect() {
        let said = refused("[[fault]]\nthrottle = true\n\n[[fault]]\nservice = \"s3\"\n");
        assert!(said.starts_with("fault 2, at line 4: no effect"), "{said}");
        let said = refused("[[fault]]\nlost = true\nerror = \"X\"\n");
        assert!(said.contains("not error and lost"), "{said}");
        let said = refused("[[fault]]\nlost = true\nstatus = 500\n");
        assert!(said.contains("belong to an `error`"), "{said}");
    }
}
