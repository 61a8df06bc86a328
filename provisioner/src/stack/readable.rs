//! What a query may read: tables of the catalog, and the columns that they declare.

use super::decode::Entry;
use super::diagnostics::{Diagnostic, suggest};
use super::sections::File;
use super::sql::{Named, Read, Zone};
use super::tables::TableSection;

/// What to say of what reads a table of plain files by SQL.
pub(super) fn not_in_catalog(table: &str, span: std::ops::Range<usize>) -> Diagnostic {
    let title = format!("`{table}` is no table of the catalog, but plain files");
    Diagnostic::new(span, title, "reads it")
        .help(format!("write `sink = \"iceberg\"` in `[tables.{table}]`, or leave `sink` out"))
}

/// What is wrong with the columns that a query surely takes from the raw zone: they are declared there, under the names
/// that they have now.
pub(super) fn column_mistakes(file: &File, reads: &[Read], columns: &[Named]) -> Vec<Diagnostic> {
    let tables = reads.iter().filter(|read| read.zone == Zone::Raw).filter_map(|read| file.tables.get(&read.table));
    let tables: Vec<_> = tables.collect();
    // A word alone may be a column of whatever else the query reads.
    let only_declared = reads.iter().all(|read| read.zone == Zone::Raw && file.tables.get(&read.table).is_some());
    let mut list = Vec::new();
    for named in columns {
        let name = named.column.as_str();
        let owner = named.table.as_ref();
        let meant: Vec<_> = tables.iter().filter(|table| owner.is_none_or(|owner| *owner == table.name)).collect();
        let declared = meant.iter().any(|table| table.value.columns.get(name).is_some());
        let own = meant.iter().flat_map(|table| table.value.own_columns()).any(|own| own.name == name);
        if meant.is_empty() || declared || own {
            continue;
        }
        let (title, label, help) = match (meant.iter().find_map(|table| now_named(table, name)), owner) {
            (Some((table, now)), _) if owner.is_some() || only_declared => (
                format!("the column `{name}` of `raw.{table}` is `{now}` now"),
                "its old name",
                format!("write `{now}`, or `{now} AS {name}` where the result keeps the old name"),
            ),
            (_, Some(owner)) => {
                let known = meant.iter().flat_map(|table| table.value.columns.names());
                (format!("table `{owner}` has no column `{name}`"), "not declared", suggest(name, known, "columns"))
            }
            _ => continue,
        };
        list.push(Diagnostic::new(named.span.clone(), title, label).help(help));
    }
    list
}

/// The table and the name that a column has there now, if it had this one before.
fn now_named<'a>(table: &'a Entry<TableSection>, before: &str) -> Option<(&'a str, &'a str)> {
    let mut columns = table.value.columns.iter();
    let now = columns.find(|column| column.value.was.as_ref().is_some_and(|was| was.value == before))?;
    Some((&table.name, &now.name))
}
