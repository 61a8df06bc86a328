//! A table for people.

use crate::plain;

/// The header, a line and the rows; `right` says which columns hold numbers, which stand to the right. What others wrote
/// in a cell acts on no terminal.
pub fn aligned(header: &[String], right: &[bool], body: &[Vec<String>]) -> String {
    let written = |row: &[String]| -> Vec<String> { row.iter().map(|cell| plain::line(cell).into_owned()).collect() };
    let header = &written(header);
    let body = &body.iter().map(|row| written(row)).collect::<Vec<_>>();
    let width = |column: usize| {
        let cells = body.iter().filter_map(|row| row.get(column)).chain(header.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if right.get(column).copied().unwrap_or_default() {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(header);
    let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    text.push_str(&(rule.join("  ") + "\n"));
    for row in body {
        text.push_str(&line(row));
    }
    text
}
