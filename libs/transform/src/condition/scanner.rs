//! Reads conditions from their text.
//!
//! ```text
//! any     = all { "or" all }
//! all     = one { "and" one }
//! one     = "not" one | "(" any ")" | path test
//! test    = "exists" | ("==" | "!=") value | ("<" | "<=" | ">" | ">=") number
//!         | "in" "[" value { "," value } "]" | "matches" "/" expression "/"
//! ```

use std::ops::Range;

use super::{Literal, Order, Test};
use crate::mistake::Mistake;
use crate::path::Path;
use crate::pattern;

/// How deep parentheses and `not` may stand in each other.
const MAX_DEPTH: usize = 32;

/// Reads a whole condition.
pub fn condition(text: &str) -> Result<Test, Mistake> {
    let mut scanner = Scanner { text, at: 0, depth: 0 };
    let test = scanner.any()?;
    scanner.space();
    if scanner.rest().is_empty() {
        return Ok(test);
    }
    let (word, place) = scanner.word();
    Err(wrong(place, format!("`{word}` stands where the condition could end"), joining(word)))
}

/// What to write for what others join conditions by.
fn joining(word: &str) -> &'static str {
    match word {
        "&&" | "&" => "write `and`",
        "||" | "|" => "write `or`",
        ")" => "remove it, or open it with `(`",
        _ => "join two conditions with `and` or `or`",
    }
}

fn wrong(place: Range<usize>, what: impl Into<String>, fix: impl Into<String>) -> Mistake {
    Mistake::new("when", what, fix).at(place)
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// What stands next, up to white space or a sign, and its place.
    fn word(&self) -> (&'t str, Range<usize>) {
        let rest = self.rest();
        let sign = |c: char| "()[],=!<>&|'\"".contains(c);
        let end = match rest.chars().next() {
            None => 0,
            Some(first) if "()[],'\"".contains(first) => 1,
            Some(first) if sign(first) => rest.find(|c| !sign(c) || "()[],'\"".contains(c)).unwrap_or(rest.len()),
            Some(_) => rest.find(|c: char| c.is_whitespace() || sign(c)).unwrap_or(rest.len()),
        };
        (&rest[..end], self.at..self.at + end)
    }

    /// Takes a word, if it stands next.
    fn takes(&mut self, word: &str) -> bool {
        self.space();
        let is_next = self.word().0 == word;
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    fn any(&mut self) -> Result<Test, Mistake> {
        let mut tests = vec![self.all()?];
        while self.takes("or") {
            tests.push(self.all()?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Any(tests) })
    }

    fn all(&mut self) -> Result<Test, Mistake> {
        let mut tests = vec![self.one()?];
        while self.takes("and") {
            tests.push(self.one()?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) })
    }

    fn one(&mut self) -> Result<Test, Mistake> {
        self.space();
        let (word, place) = self.word();
        if matches!(word, "not" | "(") {
            if self.depth >= MAX_DEPTH {
                let what = format!("it is nested deeper than {MAX_DEPTH} levels");
                return Err(wrong(place, what, "write it in parts, in several transforms"));
            }
            self.depth += 1;
            self.at = place.end;
            let test = if word == "not" { Test::Not(Box::new(self.one()?)) } else { self.grouped()? };
            self.depth -= 1;
            return Ok(test);
        }
        if word.starts_with('!') {
            return Err(wrong(place.start..place.start + 1, "`!` is no word of conditions", "write `not`"));
        }
        let path = self.path()?;
        self.test(path)
    }

    fn grouped(&mut self) -> Result<Test, Mistake> {
        let test = self.any()?;
        self.space();
        match self.word() {
            (")", place) => self.at = place.end,
            ("", place) => return Err(wrong(place, "`)` is missing", "close the parenthesis")),
            (word, place) => {
                let what = format!("`{word}` stands where the condition could end");
                return Err(wrong(place, what, joining(word)));
            }
        }
        Ok(test)
    }

    fn path(&mut self) -> Result<Path, Mistake> {
        let start = self.at;
        let (mut quoted, mut end) = (false, self.text.len());
        for (at, c) in self.rest().char_indices() {
            if c == '"' {
                quoted = !quoted;
            } else if !quoted && (c.is_whitespace() || "()[],=!<>&|'".contains(c)) {
                end = start + at;
                break;
            }
        }
        let (text, place) = (&self.text[start..end], start..end);
        if text.is_empty() {
            let what = "a member is missing";
            return Err(wrong(place, what, "begin with its name, as in `level == \"debug\"`"));
        }
        if text.starts_with('.') {
            return Err(wrong(place, "a name begins with a dot", "leave it out"));
        }
        let path = Path::parse(text).map_err(|what| {
            wrong(place, format!("`{text}`: {what}"), "write names with dots between them, odd ones in double quotes")
        })?;
        self.at = end;
        Ok(path)
    }

    fn test(&mut self, path: Path) -> Result<Test, Mistake> {
        self.space();
        let (word, place) = self.word();
        let order = match word {
            "<" => Some(Order::Less),
            "<=" => Some(Order::AtMost),
            ">" => Some(Order::More),
            ">=" => Some(Order::AtLeast),
            _ => None,
        };
        self.at = place.end;
        if let Some(order) = order {
            return self.order(path, order);
        }
        match word {
            "exists" => Ok(Test::Exists(path)),
            "==" => Ok(Test::Equals(path, vec![self.value()?])),
            "!=" => Ok(Test::Not(Box::new(Test::Equals(path, vec![self.value()?])))),
            "in" => Ok(Test::Equals(path, self.list()?)),
            "matches" => self.expression(path),
            "=" => Err(wrong(place, "`=` compares nothing", "write `==`")),
            "" => {
                let fix = format!("say what of `{path}`, as in `{path} == \"x\"` or `{path} exists`");
                Err(wrong(place, "a comparison is missing", fix))
            }
            other => {
                let fix = "write one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `exists`, `matches`";
                Err(wrong(place, format!("`{other}` is no comparison"), fix))
            }
        }
    }

    fn order(&mut self, path: Path, order: Order) -> Result<Test, Mistake> {
        self.space();
        let start = self.at;
        match self.value()? {
            Literal::Number(number) => Ok(Test::Order(path, order, number)),
            Literal::Text(_) | Literal::Bool(_) => {
                let fix = "compare with a number, without quotes";
                Err(wrong(start..self.at, "only numbers are less or more than others", fix))
            }
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, Mistake> {
        self.space();
        let start = self.at;
        if !self.takes("[") {
            return Err(wrong(self.word().1, "a list is missing", "write one in brackets, as `[\"x\", \"y\"]`"));
        }
        if self.takes("]") {
            return Err(wrong(start..self.at, "the list is empty", "name one value at least"));
        }
        let mut list = vec![self.value()?];
        loop {
            self.space();
            match self.word() {
                (",", place) => self.at = place.end,
                ("]", place) => {
                    self.at = place.end;
                    return Ok(list);
                }
                (_, place) => return Err(wrong(place, "`,` or `]` is missing", "close the list with `]`")),
            }
            list.push(self.value()?);
        }
    }

    fn value(&mut self) -> Result<Literal, Mistake> {
        self.space();
        let (word, place) = self.word();
        match word {
            "\"" => return self.text().map(Literal::Text),
            "'" => return Err(wrong(place, "a text stands in single quotes", "write it in double quotes")),
            _ => self.at = place.end,
        }
        match word {
            "true" => return Ok(Literal::Bool(true)),
            "false" => return Ok(Literal::Bool(false)),
            _ => {}
        }
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        match word.parse::<f64>() {
            Ok(number) if is_number && number.is_finite() => Ok(Literal::Number(number)),
            _ if is_number => Err(wrong(
                place,
                format!("`{word}` is no number"),
                "write digits, as in 500 or -0.5; a text in double quotes",
            )),
            _ => {
                let fix = "write a text in double quotes, a number, `true` or `false`";
                Err(wrong(place, "a value is missing", fix))
            }
        }
    }

    fn text(&mut self) -> Result<String, Mistake> {
        let start = self.at;
        let (mut out, mut escaped) = (String::new(), false);
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '"' | '\\' if escaped => out.push(c),
                _ if escaped => {
                    let place = start + at - 1..start + at + c.len_utf8();
                    return Err(wrong(
                        place,
                        format!("`\\{c}` is no escape"),
                        "write `\\\\` for a backslash, `\\\"` for a quote",
                    ));
                }
                '"' => {
                    self.at = start + at + 1;
                    return Ok(out);
                }
                '\\' => {}
                _ => out.push(c),
            }
            escaped = c == '\\' && !escaped;
        }
        Err(wrong(start..self.text.len(), "a text isn't closed", "add a double quote at its end"))
    }

    fn expression(&mut self, path: Path) -> Result<Test, Mistake> {
        self.space();
        let start = self.at;
        let Some(rest) = self.rest().strip_prefix('/') else {
            let fix = "write a regular expression between slashes, as `/^4[0-9]/`";
            return Err(wrong(self.word().1, "an expression is missing", fix));
        };
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            if c == '/' && !escaped {
                self.at = start + at + 2;
                let regex = pattern::compile("when", &rest[..at].replace("\\/", "/"));
                return regex.map(|regex| Test::Matches(path, regex)).map_err(|mistake| mistake.at(start..self.at));
            }
            escaped = c == '\\' && !escaped;
        }
        Err(wrong(start..self.text.len(), "an expression isn't closed", "add a slash at its end"))
    }
}
