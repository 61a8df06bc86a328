//! Metric math, as far as alarms write it: arithmetic, comparisons, `IF`, `FILL`, `METRICS()` and what sums up a list.

use std::collections::BTreeMap;

/// How deep an expression may be nested; a longer one isn't understood.
const DEEPEST: u32 = 32;

/// The value of an expression at one time, of the values that metrics have then; none where one that it takes has none, and
/// for what isn't understood.
pub(super) fn value(expression: &str, metrics: &BTreeMap<String, f64>) -> Option<f64> {
    let mut reading = Reading { rest: expression, metrics, depth: 0 };
    let value = reading.comparison()?;
    reading.rest.trim().is_empty().then_some(())?;
    value.one()
}

/// What a part of an expression is.
#[derive(Debug, Clone)]
enum Part {
    /// A number, or a metric; none where it has no value at that time.
    One(Option<f64>),
    /// A list of metrics.
    Many(Vec<f64>),
}

impl Part {
    fn one(self) -> Option<f64> {
        match self {
            Self::One(value) => value.filter(|value| value.is_finite()),
            Self::Many(_) => None,
        }
    }
}

struct Reading<'a> {
    rest: &'a str,
    metrics: &'a BTreeMap<String, f64>,
    depth: u32,
}

impl Reading<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The first of some signs that comes next; longer ones stand first.
    fn one_of<'s>(&mut self, signs: &[&'s str]) -> Option<&'s str> {
        signs.iter().copied().find(|sign| self.takes(sign))
    }

    fn comparison(&mut self) -> Option<Part> {
        let mut left = self.sum()?;
        while let Some(sign) = self.one_of(&[">=", "<=", "==", "!=", ">", "<"]) {
            let right = self.sum()?;
            left = both(left, right, |a, b| {
                let holds = match sign {
                    ">=" => a >= b,
                    "<=" => a <= b,
                    "==" => (a - b).abs() < f64::EPSILON,
                    "!=" => (a - b).abs() >= f64::EPSILON,
                    ">" => a > b,
                    _ => a < b,
                };
                f64::from(u8::from(holds))
            })?;
        }
        Some(left)
    }

    fn sum(&mut self) -> Option<Part> {
        let mut left = self.product()?;
        while let Some(sign) = self.one_of(&["+", "-"]) {
            let right = self.product()?;
            left = both(left, right, |a, b| if sign == "+" { a + b } else { a - b })?;
        }
        Some(left)
    }

    fn product(&mut self) -> Option<Part> {
        let mut left = self.factor()?;
        while let Some(sign) = self.one_of(&["*", "/"]) {
            let right = self.factor()?;
            // What is divided by nothing has no value.
            left = both(left, right, |a, b| if sign == "*" { a * b } else { a / b })?;
        }
        Some(left)
    }

    /// All that is nested begins with a factor.
    fn factor(&mut self) -> Option<Part> {
        self.depth += 1;
        let part = if self.depth > DEEPEST { None } else { self.bare_factor() };
        self.depth -= 1;
        part
    }

    fn bare_factor(&mut self) -> Option<Part> {
        if self.takes("-") {
            return both(Part::One(Some(0.0)), self.factor()?, |a, b| a - b);
        }
        if self.takes("(") {
            let inner = self.comparison()?;
            return self.takes(")").then_some(inner);
        }
        if self.takes("[") {
            return self.list("]").map(|parts| Part::Many(values(parts)));
        }
        let text = self.rest.trim_start();
        let word: &str =
            &text[..text.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c))).unwrap_or(text.len())];
        self.rest = &text[word.len()..];
        if let Ok(number) = word.parse::<f64>() {
            return Some(Part::One(Some(number)));
        }
        if self.takes("(") {
            let parts = self.list(")")?;
            return call(word, parts, self.metrics);
        }
        // A metric begins with a small letter.
        let is_metric = word.starts_with(|c: char| c.is_ascii_lowercase());
        is_metric.then(|| Part::One(self.metrics.get(word).copied()))
    }

    /// Parts with commas between them, up to a closing sign.
    fn list(&mut self, end: &str) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        if self.takes(end) {
            return Some(parts);
        }
        loop {
            parts.push(self.comparison()?);
            if self.takes(end) {
                return Some(parts);
            }
            self.takes(",").then_some(())?;
        }
    }
}

fn both(left: Part, right: Part, of: impl Fn(f64, f64) -> f64) -> Option<Part> {
    match (left, right) {
        (Part::One(left), Part::One(right)) => Some(Part::One(left.zip(right).map(|(a, b)| of(a, b)))),
        _ => None,
    }
}

/// The values that there are of some parts.
fn values(parts: Vec<Part>) -> Vec<f64> {
    let of = |part| match part {
        Part::One(value) => value.into_iter().collect(),
        Part::Many(values) => values,
    };
    parts.into_iter().flat_map(of).collect()
}

fn call(name: &str, mut parts: Vec<Part>, metrics: &BTreeMap<String, f64>) -> Option<Part> {
    let one = match (name, parts.len()) {
        ("METRICS", 0) => return Some(Part::Many(metrics.values().copied().collect())),
        ("IF", 2 | 3) => {
            let otherwise = if parts.len() == 3 { parts.pop()? } else { Part::One(None) };
            let (then, condition) = (parts.pop()?, parts.pop()?);
            return match condition.one() {
                Some(condition) if condition != 0.0 => Some(then),
                Some(_) => Some(otherwise),
                None => Some(Part::One(None)),
            };
        }
        ("FILL", 2) => {
            let (filling, given) = (parts.pop()?, parts.pop()?);
            given.one().or_else(|| filling.one())
        }
        ("ABS", 1) => parts.pop()?.one().map(f64::abs),
        ("MAX" | "MIN" | "SUM" | "AVG", 1..) => {
            let all = values(parts);
            match name {
                _ if all.is_empty() => None,
                "MAX" => all.into_iter().reduce(f64::max),
                "MIN" => all.into_iter().reduce(f64::min),
                "SUM" => Some(all.iter().sum()),
                _ => Some(all.iter().sum::<f64>() / all.len() as f64),
            }
        }
        _ => return None,
    };
    Some(Part::One(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expression: &str, metrics: &[(&str, f64)]) -> Option<f64> {
        value(expression, &metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
    }

    #[test]
    fn a_share_is_calculated() {
        let share = "IF(records + dead > 0, 100 * dead / (records + dead), 0)";
        assert_eq!(of(share, &[("records", 90.0), ("dead", 10.0)]), Some(10.0));
        assert_eq!(of(share, &[("records", 0.0), ("dead", 0.0)]), Some(0.0));
        assert_eq!(of(share, &[("records", 1.0)]), None, "of what has no value nothing follows");
    }

    #[test]
    fn lists_are_summed_up() {
        let brokers = [("broker1", 1.0), ("broker2", 5.0), ("broker3", 3.0)];
        assert_eq!(of("MAX(METRICS())", &brokers), Some(5.0));
        assert_eq!(of("MIN([broker1, broker3]) + SUM(METRICS())", &brokers), Some(10.0));
        assert_eq!(of("AVG(METRICS())", &brokers), Some(3.0));
        assert_eq!(of("MAX(METRICS())", &[]), None);
    }

    #[test]
    fn signs_bind_as_in_arithmetic() {
        assert_eq!(of("1 + 2 * -a - 4 / 2", &[("a", 3.0)]), Some(-7.0));
        assert_eq!(of("FILL(a, 7) >= 7", &[]), Some(1.0));
        assert_eq!(of("a / b", &[("a", 1.0), ("b", 0.0)]), None);
        for strange in ["a +", "RATE(a)", "(a", "a b", "METRICS()", ""] {
            assert_eq!(of(strange, &[("a", 1.0), ("b", 1.0)]), None, "{strange}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_not_understood() {
        assert_eq!(of(&format!("{}1{}", "(".repeat(20), ")".repeat(20)), &[]), Some(1.0));
        for deep in ["(".repeat(1_000_000), "-".repeat(1_000_000), "ABS(".repeat(1_000_000), "[".repeat(1_000_000)] {
            assert_eq!(of(&deep, &[]), None);
        }
    }
}
