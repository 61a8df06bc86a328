//! The report of the verification.

use std::fmt::Write as _;

use clap::builder::styling::AnsiColor;

use super::view::number;
use crate::cli::table::aligned;

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

/// The report as text.
pub fn report(checks: &[Check]) -> String {
    let header = ["checked", "expected", "found", "verdict"].map(str::to_owned);
    let row = |check: &Check| {
        let verdict = if check.wrong.is_empty() { "exact".to_owned() } else { check.wrong.join(", ") };
        vec![check.what.clone(), number(check.expected as f64), number(check.found as f64), verdict]
    };
    let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
    let mut text = aligned(&header, &[false, true, true, false], &rows);
    let wrong: Vec<&str> =
        checks.iter().filter(|check| !check.wrong.is_empty()).map(|check| check.what.as_str()).collect();
    let (green, red) = (AnsiColor::Green.on_default().bold(), AnsiColor::Red.on_default().bold());
    let _ = if wrong.is_empty() {
        writeln!(text, "\n{green}Verified:{green:#} {} checks, all exact.", checks.len())
    } else {
        writeln!(text, "\n{red}Not exact:{red:#} {}", wrong.join("; "))
    };
    text
}

/// Whether all of it is exact.
pub fn exact(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.wrong.is_empty())
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
        assert!(!exact(&checks) && exact(&checks[..1]));
        insta::assert_snapshot!(anstream::adapter::strip_str(&report(&checks)).to_string(), @r"
        checked                      expected  found  verdict
        ───────────────────────────  ────────  ─────  ──────────────
        raw zone: facts partition 0     1 200  1 200  exact
        warehouse: sales                1 200  1 199  1 rows missing

        Not exact: warehouse: sales
        ");
    }
}
