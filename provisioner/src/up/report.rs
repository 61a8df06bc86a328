//! The report of the verification.

use std::fmt::Write as _;

use clap::builder::styling::AnsiColor;

use super::view::number;
use crate::render::aligned;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub what: String,
    /// How many there must be.
    pub expected: i64,
    /// How many there are.
    pub found: i64,
    /// What is wrong; empty when it is exact.
    pub wrong: Vec<String>,
}

/// What the verification found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// All that was checked.
    pub checks: Vec<Check>,
    /// How many records the log holds; none if nothing was held against it.
    pub held: Option<i64>,
    /// Whether a producer ran.
    pub produced: bool,
    /// How many dead letters are among the raw zone's rows.
    pub dead_letters: Option<i64>,
}

impl Verified {
    /// All that is not exact, or keeps the checks from saying anything.
    fn wrong(&self) -> Vec<&str> {
        let not_exact = self.checks.iter().filter(|check| !check.wrong.is_empty());
        let mut wrong: Vec<&str> = not_exact.map(|check| check.what.as_str()).collect();
        if self.checks.is_empty() {
            wrong.push("nothing was checked, as no agent ran whose work can be");
        }
        if self.produced && self.held == Some(0) {
            wrong.push("a producer ran and the log is empty");
        }
        wrong
    }

    /// Whether all of it is exact, and that says something.
    pub fn exact(&self) -> bool {
        self.wrong().is_empty()
    }
}

/// Whether all of it is exact.
pub fn exact(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.wrong.is_empty())
}

/// The report as text.
pub fn report(verified: &Verified) -> String {
    let checks = &verified.checks;
    let header = ["checked", "expected", "found", "verdict"].map(str::to_owned);
    let row = |check: &Check| {
        let verdict = if check.wrong.is_empty() { "exact".to_owned() } else { check.wrong.join(", ") };
        vec![check.what.clone(), number(check.expected as f64), number(check.found as f64), verdict]
    };
    let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
    let mut text = aligned(&header, &[false, true, true, false], &rows);
    if let Some(letters) = verified.dead_letters {
        let _ = writeln!(text, "\nDead letters: {}, counted in the raw zone", number(letters as f64));
    }
    let wrong = verified.wrong();
    let (green, red) = (AnsiColor::Green.on_default().bold(), AnsiColor::Red.on_default().bold());
    let _ = if wrong.is_empty() {
        writeln!(text, "\n{green}Verified:{green:#} {} checks, all exact.", checks.len())
    } else {
        writeln!(text, "\n{red}Not exact:{red:#} {}", wrong.join("; "))
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_exact_is_named() {
        let check = |what: &str, found: i64, wrong: &[&str]| Check {
            what: what.to_owned(),
            expected: 1200,
            found,
            wrong: wrong.iter().map(|text| (*text).to_owned()).collect(),
        };
        let checks =
            [check("raw zone: facts partition 0", 1200, &[]), check("warehouse: sales", 1199, &["1 rows missing"])];
        let verified = |checks: &[Check]| Verified {
            checks: checks.to_vec(),
            held: Some(1200),
            produced: true,
            dead_letters: Some(7),
        };
        assert!(!verified(&checks).exact() && verified(&checks[..1]).exact());
        insta::assert_snapshot!(anstream::adapter::strip_str(&report(&verified(&checks))).to_string(), @r"
        checked                      expected  found  verdict
        ───────────────────────────  ────────  ─────  ──────────────
        raw zone: facts partition 0     1 200  1 200  exact
        warehouse: sales                1 200  1 199  1 rows missing

        Dead letters: 7, counted in the raw zone

        Not exact: warehouse: sales
        ");
    }
    #[test]
    fn what_says_nothing_does_not_pass() {
        let nothing = Verified::default();
        assert!(!nothing.exact());
        assert!(report(&nothing).contains("nothing was checked"), "{}", report(&nothing));
        let check = Check { what: "raw zone".to_owned(), expected: 0, found: 0, wrong: Vec::new() };
        let empty = Verified { checks: vec![check], held: Some(0), produced: true, dead_letters: Some(0) };
        assert!(!empty.exact());
        assert!(report(&empty).contains("a producer ran and the log is empty"), "{}", report(&empty));
        assert!(Verified { produced: false, ..empty }.exact(), "an empty log that nobody writes to is exact");
    }
}
