//! Conditions: `level == "debug" and not (status >= 500 or path matches /^\/health/)`.

mod scanner;

use regex::Regex;

use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;
use crate::value::{Scalar, Value};

/// A condition on an event.
///
/// A member that is missing, or null, equals nothing, is in no list and matches nothing; `!=` is the opposite of `==`. Of an array, one
/// item is enough. Numbers are compared as numbers, also where they are written as texts.
#[derive(Debug, Clone)]
pub struct Condition {
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Exists(Path),
    Equals(Path, Vec<Literal>),
    Order(Path, Order, f64),
    Matches(Path, Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Bool(bool),
}

impl Condition {
    /// Reads a condition; the mistake points at its place in the text.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        scanner::condition(text).map(|test| Self { test })
    }

    /// Whether an event meets it.
    pub fn is_met(&self, event: &mut Event<'_>) -> bool {
        self.test.holds(event)
    }

    /// The members that it looks at.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.test.paths(&mut paths);
        paths
    }
}

impl Test {
    fn holds(&self, event: &mut Event<'_>) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.holds(event)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(event)),
            Self::Not(test) => !test.holds(event),
            Self::Exists(path) => event.get(path).is_some_and(|value| value.scalar() != Some(Scalar::Null)),
            Self::Equals(path, literals) => any(event, path, |value| literals.iter().any(|literal| literal.is(value))),
            Self::Order(path, order, bound) => {
                any(event, path, |value| value.number().is_some_and(|number| order.holds(number, *bound)))
            }
            Self::Matches(path, regex) => {
                any(event, path, |value| value.text().is_some_and(|text| regex.is_match(text)))
            }
        }
    }

    fn paths(&self, paths: &mut Vec<Path>) {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().for_each(|test| test.paths(paths)),
            Self::Not(test) => test.paths(paths),
            Self::Exists(path) | Self::Equals(path, _) | Self::Order(path, ..) | Self::Matches(path, _) => {
                paths.push(path.clone());
            }
        }
    }
}

/// Whether a member, or an item of the array that it is, is such a scalar.
fn any(event: &mut Event<'_>, path: &Path, holds: impl Fn(&Scalar<'_>) -> bool) -> bool {
    let Some(value) = event.get(path) else { return false };
    if let Some(scalar) = value.scalar() {
        return holds(&scalar);
    }
    let items = value.array_mut();
    items.is_some_and(|items| items.iter().filter_map(Value::scalar).any(|scalar| holds(&scalar)))
}

impl Order {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::AtMost => number <= bound,
            Self::More => number > bound,
            Self::AtLeast => number >= bound,
        }
    }
}

impl Literal {
    fn is(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Self::Text(text), _) => value.text() == Some(text),
            (Self::Number(number), _) => value.number() == Some(*number),
            (Self::Bool(one), Scalar::Bool(other)) => one == other,
            (Self::Bool(one), Scalar::Text(text)) => text == if *one { "true" } else { "false" },
            (Self::Bool(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::event::Place;
    use crate::value::Object;

    fn holds(condition: &str, record: &str) -> bool {
        let place = Place { stream: "s", sequence: 0 };
        let mut event = Event::new(record.as_bytes(), place, DateTime::UNIX_EPOCH);
        event.set_body(Object::read(record).expect("an object"));
        Condition::parse(condition).unwrap_or_else(|mistake| panic!("{condition}: {mistake}")).is_met(&mut event)
    }

    const RECORD: &str = r#"{"level":"info","status":404,"code":"17","ok":true,"gone":null,"tags":["a","b"],"n":-1.5,
        "http":{"path":"/health/x","labels":{"app.io/name":"shop"}},"quote":"say \"hi\"","big":9007199254740993}"#;

    #[test]
    fn events_that_meet_it() {
        for condition in [
            r#"level == "info""#,
            r#"level != "debug""#,
            r#"level in ["debug", "info"]"#,
            "status == 404",
            r#"status == "404""#,
            "status in [200, 404]",
            "status>=400 and status<500",
            "code > 16 and code <= 17",
            "n < -1 and n == -1.5",
            "ok == true and ok != false",
            "level exists",
            "not gone exists",
            "not http.path.x exists",
            r#"tags == "b""#,
            r#"tags.0 == "a""#,
            r"http.path matches /^\/health/",
            r#"http.labels."app.io/name" == "shop""#,
            r#"quote == "say \"hi\"""#,
            r#"quote matches /"hi"$/"#,
            r#"absent != "x""#,
            "not (absent == 1)",
            "not (absent < 1) and not (absent >= 1)",
            r#"level == "debug" or status == 404 and ok == true"#,
            r#"(level == "debug" or status == 404) and not (ok == false)"#,
            "not not level exists",
            "status matches /^4/",
        ] {
            assert!(holds(condition, RECORD), "{condition}");
            assert!(!holds(&format!("not ({condition})"), RECORD), "{condition}");
        }
    }

    #[test]
    fn mistakes_point_at_their_place() {
        for (condition, column, what, fix) in [
            ("", 0, "a member is missing", "as in"),
            ("level", 5, "a comparison is missing", "exists"),
            ("level = \"x\"", 6, "`=`", "write `==`"),
            ("level == 'x'", 9, "single quotes", "double quotes"),
            ("level == x", 9, "a value is missing", "double quotes"),
            ("level == \"x", 9, "isn't closed", "quote"),
            ("a == 1 && b == 2", 7, "`&&`", "write `and`"),
            ("a == 1 || b == 2", 7, "`||`", "write `or`"),
            ("!(a == 1)", 0, "`!`", "write `not`"),
            (".level == 1", 0, "begins with a dot", "leave it out"),
            ("a == 1 b == 2", 7, "`b`", "`and` or `or`"),
            ("(a == 1", 7, "`)` is missing", "close"),
            ("a < \"x\"", 4, "numbers", "compare"),
            ("a in [1, 2", 10, "`]` is missing", "close"),
            ("a in []", 5, "is empty", "one value"),
            ("a in 1", 5, "a list is missing", "[\"x\", \"y\"]"),
            ("a matches \"x\"", 10, "an expression is missing", "slashes"),
            ("a matches /x", 10, "isn't closed", "slash"),
            ("a matches /(/", 10, "unclosed group", "syntax"),
            ("a == 1e999", 5, "is no number", "digits"),
            ("a..b == 1", 0, "a name is empty", "dots"),
            ("a == \"\\x\"", 6, "escape", "\\\\"),
            (&"(".repeat(100), 32, "nested deeper", "parts"),
            (&"not ".repeat(100), 128, "nested deeper", "parts"),
        ] {
            let mistake = Condition::parse(condition).expect_err(condition);
            let at = mistake.at.clone().expect("a place");
            assert_eq!(at.start, column, "{condition}: {mistake}");
            assert!(mistake.what.contains(what) && mistake.fix.contains(fix), "{condition}: {mistake}");
        }
    }
}
