//! What Iceberg, or its readers, can't make of a living table's columns.

use std::collections::BTreeMap;

use lakewright_config::{Column, PartitionField};

use crate::resource::Obstacle;

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
pub(super) fn sorted(sorted_by: &[String], columns: &[Column]) -> Option<Obstacle> {
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
