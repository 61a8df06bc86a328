//! Rows as a table, CSV or JSON.

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::Value;

use crate::app::query::Rows;
use crate::plain;
use crate::render::aligned;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Columns with a line above, for people.
    Table,
    /// Comma-separated values with a header, as RFC 4180 has it.
    Csv,
    /// An array of objects; numbers and booleans as such, NULL as null.
    Json,
}

/// For whom rows are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reader {
    /// Whether a terminal shows them: what acts on one is written out. A program gets CSV as the rows are.
    pub terminal: bool,
    /// Whether a spreadsheet reads them: what it would take for a formula begins with `'`.
    pub spreadsheet: bool,
}

/// The rows as text.
pub fn render(rows: &Rows, format: RowFormat, reader: Reader) -> Result<String> {
    Ok(match format {
        RowFormat::Table => table(rows),
        RowFormat::Csv if reader.terminal => plain::lines(&csv(rows, reader).replace("\r\n", "\n")).into_owned(),
        RowFormat::Csv => csv(rows, reader),
        RowFormat::Json => plain::json(&json(rows)?).into_owned(),
    })
}

fn table(rows: &Rows) -> String {
    let header: Vec<String> = rows.columns.iter().map(|(name, _)| name.clone()).collect();
    let right: Vec<bool> = rows.columns.iter().map(|(_, kind)| is_number(kind)).collect();
    let cells = |row: &Vec<Option<String>>| row.iter().map(|v| v.clone().unwrap_or_default()).collect::<Vec<_>>();
    let body: Vec<Vec<String>> = rows.rows.iter().map(cells).collect();
    let mut text = aligned(&header, &right, &body);
    let count = rows.rows.len();
    text.push_str(&format!("({count} row{})\n", if count == 1 { "" } else { "s" }));
    text
}

fn csv(rows: &Rows, reader: Reader) -> String {
    let field = |text: &str, is_formula: bool| {
        let text = if reader.spreadsheet && is_formula { format!("'{text}") } else { text.to_owned() };
        if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let names = rows.columns.iter().map(|(name, _)| field(name, is_formula("", name)));
    let mut text = names.collect::<Vec<_>>().join(",") + "\r\n";
    for row in &rows.rows {
        let kinds = rows.columns.iter().map(|(_, kind)| kind.as_str()).chain(std::iter::repeat(""));
        let fields = row.iter().zip(kinds).map(|(value, kind)| {
            value.as_deref().map_or_else(String::new, |value| field(value, is_formula(kind, value)))
        });
        text.push_str(&(fields.collect::<Vec<_>>().join(",") + "\r\n"));
    }
    text
}

/// Whether a spreadsheet would take a value for a formula; a negative number is none.
fn is_formula(kind: &str, value: &str) -> bool {
    let is_number = is_number(kind) && value.parse::<f64>().is_ok();
    value.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number
}

/// An array of objects, a member a line. It is written by hand because a decimal keeps its digits: as a number in memory it
/// would lose some.
fn json(rows: &Rows) -> Result<String> {
    let object = |row: &Vec<Option<String>>| -> Result<String> {
        let members = rows.columns.iter().zip(row).map(|((name, kind), value)| {
            let name = serde_json::to_string(name).context("write a column's name as JSON")?;
            Ok(format!("    {name}: {}", typed(kind, value.as_deref())))
        });
        Ok(format!("  {{\n{}\n  }}", members.collect::<Result<Vec<String>>>()?.join(",\n")))
    };
    let objects = rows.rows.iter().map(object).collect::<Result<Vec<String>>>()?;
    Ok(if objects.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", objects.join(",\n")) })
}

/// A value as JSON: a number where its type and its text are one, so that `NaN` stays text.
fn typed(kind: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return "null".to_owned() };
    let is_json = match kind {
        "boolean" => matches!(value, "true" | "false"),
        kind => is_number(kind) && serde_json::from_str::<serde_json::Number>(value).is_ok(),
    };
    if is_json { value.to_owned() } else { Value::from(value).to_string() }
}

fn is_number(kind: &str) -> bool {
    matches!(kind, "tinyint" | "smallint" | "integer" | "int" | "bigint" | "float" | "real" | "double")
        || kind.starts_with("decimal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let columns = [("country", "varchar"), ("orders", "bigint"), ("amount", "decimal(12,2)")];
        let row = |values: [Option<&str>; 3]| values.map(|value| value.map(str::to_owned)).to_vec();
        Rows {
            columns: columns.map(|(name, kind)| (name.to_owned(), kind.to_owned())).to_vec(),
            rows: vec![row([Some("Sweden, north"), Some("12"), Some("7.50")]), row([None, Some("3"), Some("1200.00")])],
        }
    }

    #[test]
    fn people_read_columns() {
        insta::assert_snapshot!(render(&rows(), RowFormat::Table, Reader::default()).expect("text"), @r"
        country        orders   amount
        ─────────────  ──────  ───────
        Sweden, north      12     7.50
                            3  1200.00
        (2 rows)
        ");
    }

    #[test]
    fn programs_read_csv_and_json() {
        assert_eq!(
            render(&rows(), RowFormat::Csv, Reader::default()).expect("text"),
            "country,orders,amount\r\n\"Sweden, north\",12,7.50\r\n,3,1200.00\r\n"
        );
        let json: Value =
            serde_json::from_str(&render(&rows(), RowFormat::Json, Reader::default()).expect("text")).expect("JSON");
        assert_eq!(json[1], serde_json::json!({ "country": null, "orders": 3, "amount": 1200.0 }));
        let text = render(&rows(), RowFormat::Json, Reader::default()).expect("text");
        assert!(text.contains("\"amount\": 1200.00"), "a decimal keeps its digits: {text}");
        let none = Rows { rows: Vec::new(), ..rows() };
        assert_eq!(render(&none, RowFormat::Json, Reader::default()).expect("text"), "[]\n");
        let digits = "12345678901234567890123456789012345678";
        assert_eq!(typed("decimal(38,0)", Some(digits)), digits);
        assert_eq!(typed("double", Some("NaN")), "\"NaN\"");
        assert_eq!(typed("unknown", None), "null");
    }

    /// A text and a number.
    fn row(text: &str, number: &str) -> Rows {
        let columns = [("what", "varchar"), ("how_many", "bigint")];
        Rows {
            columns: columns.map(|(name, kind)| (name.to_owned(), kind.to_owned())).to_vec(),
            rows: vec![vec![Some(text.to_owned()), Some(number.to_owned())]],
        }
    }

    #[test]
    fn what_a_row_holds_acts_on_no_terminal() {
        let rows = row("\x1b]0;pwned\x07\u{9b}2J\u{202e}", "1");
        let terminal = Reader { terminal: true, ..Reader::default() };
        for format in [RowFormat::Table, RowFormat::Csv, RowFormat::Json] {
            let text = render(&rows, format, terminal).expect("text");
            assert_eq!(plain::lines(&text), text, "{format:?}");
        }
        let text = render(&rows, RowFormat::Table, terminal).expect("text");
        assert!(text.contains("\\x1b]0;pwned\\x07\\x9b2J\\u{202e}"), "{text}");
        let text = render(&rows, RowFormat::Csv, Reader::default()).expect("text");
        assert!(text.contains("\x1b]0;pwned\x07\u{9b}2J\u{202e},1\r\n"), "a program gets the data: {text:?}");
    }

    #[test]
    fn a_spreadsheet_gets_no_formulas_when_it_is_said() {
        let spreadsheet = Reader { spreadsheet: true, ..Reader::default() };
        let cells = |text: &str, number: &str, reader: Reader| {
            let text = render(&row(text, number), RowFormat::Csv, reader).expect("text");
            text.lines().nth(1).unwrap_or_default().to_owned()
        };
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert_eq!(cells(text, "-7", spreadsheet), format!("'{text},-7"));
            assert_eq!(cells(text, "-7", Reader::default()), format!("{text},-7"));
        }
        assert_eq!(cells("=HYPERLINK(\"http://x\",1)", "1", spreadsheet), "\"'=HYPERLINK(\"\"http://x\"\",1)\",1");
        assert_eq!(cells("a=b", "-1e5", spreadsheet), "a=b,-1e5");
        assert_eq!(cells("", "-cmd|' /C calc'!A0", spreadsheet), ",'-cmd|' /C calc'!A0");
    }
}
