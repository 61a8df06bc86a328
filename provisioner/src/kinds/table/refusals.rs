//! What Iceberg, or its readers, can't make of a living table's columns.

use std::collections::BTreeMap;

use lakewright_config::{Column, PartitionField};

use super::renames::renamed;
use super::{Observed, Spec};
use crate::resource::Obstacle;

/// Why a living table can't become what a spec says.
pub(super) fn refused(live: &Spec, observed: &Observed, spec: &Spec) -> Option<Obstacle> {
    let has = |name: &String| live.columns.iter().any(|column| column.name == *name);
    if let Some((name, was)) = spec.renames.iter().find(|(name, was)| has(name) && has(was)) {
        return Some(Obstacle::new(
            format!("the column {name} can't be what {was} was: the table has both"),
            format!("take `was` away and declare {was} too, or drop it first"),
        ));
    }
    let (live, names) = renamed(live, spec);
    let now = |column: &String| {
        let name = names.iter().find(|[was, _]| was == column).map_or(column, |[_, name]| name);
        name.clone()
    };
    let divided_by: Vec<String> = observed.divided_by.iter().map(now).collect();
    // With an order of its own, the spec takes the place of the one that is there.
    let sorted_by = if spec.sort.is_empty() { observed.sorted_by.iter().map(now).collect() } else { Vec::new() };
    // What came from messages doesn't go: others may divide files and sort rows by it.
    let goes = |name: &String| !observed.evolved.contains_key(name);
    let divided_by: Vec<String> = divided_by.into_iter().filter(goes).collect();
    let sorted_by: Vec<String> = sorted_by.into_iter().filter(goes).collect();
    refusal(&live.columns, &live.partition, &spec.columns)
        .or_else(|| divided_before(&divided_by, &spec.columns))
        .or_else(|| sorted(&sorted_by, &spec.columns))
        .or_else(|| taken(&observed.others, &spec.columns))
}

/// Why the columns of a living table can't become these, which no reader of the existing files could follow.
pub(super) fn refusal(live: &[Column], partition: &[PartitionField], columns: &[Column]) -> Option<Obstacle> {
    let divided = |column: &&Column| partition.iter().any(|field| field.column == column.name);
    let gone = live.iter().filter(divided).find(|old| !columns.iter().any(|new| new.name == old.name));
    if let Some(gone) = gone {
        return Some(Obstacle::new(
            format!("the column {} can't go: the files that are there are divided by it", gone.name),
            "keep it, or make a table of another name",
        ));
    }
    columns.iter().find_map(|after| match live.iter().find(|before| before.name == after.name) {
        Some(before) => refused_change(before, after),
        None if after.required => Some(Obstacle::new(
            format!("the new column {} can't be required: the rows that the table has lack it", after.name),
            "declare it without `required`",
        )),
        None => None,
    })
}

/// Why a column can't go that files were divided by at any time: readers look its values up in what describes them.
pub(super) fn divided_before(divided_by: &[String], columns: &[Column]) -> Option<Obstacle> {
    let gone = divided_by.iter().find(|name| !columns.iter().any(|column| column.name == **name))?;
    Some(Obstacle::new(
        format!("the column {gone} can't go: files were divided by it once, and readers need it to read them"),
        "keep it, or make a table of another name",
    ))
}

/// Why a column can't go that rows are sorted by now.
fn sorted(sorted_by: &[String], columns: &[Column]) -> Option<Obstacle> {
    let gone = sorted_by.iter().find(|name| !columns.iter().any(|column| column.name == **name))?;
    Some(Obstacle::new(
        format!("the column {gone} can't go: the table's rows are sorted by it"),
        "keep it, or declare `sort` without it",
    ))
}

/// Why a column can't be declared that exists with a type which no stack can declare; `others` are those by name, with
/// their types.
pub(super) fn taken(others: &BTreeMap<String, String>, columns: &[Column]) -> Option<Obstacle> {
    let (name, kind) = others.iter().find(|(name, _)| columns.iter().any(|one| one.name == **name))?;
    Some(Obstacle::new(
        format!(
            "the column {name} is there with the type {kind}, which no stack can declare and Iceberg doesn't change"
        ),
        format!("give the stack's column another name, or drop or rename {name} by hand"),
    ))
}

/// Why one column can't become the other.
fn refused_change(before: &Column, after: &Column) -> Option<Obstacle> {
    let name = &after.name;
    if !after.column_type.widens(&before.column_type) {
        return Some(Obstacle::new(
            format!(
                "the column {name} can't change from {} to {}: Iceberg only widens int to long, float to double, and \
                 decimals of the same scale, and structs get members but lose none",
                before.column_type, after.column_type
            ),
            format!("write `{}` again, or add a column under a new name", before.column_type),
        ));
    }
    (after.required && !before.required).then(|| {
        Obstacle::new(format!("the column {name} can't become required: rows may lack it"), "leave `required` away")
    })
}
