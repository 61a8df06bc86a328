//! Checks of models against the tables and each other.

use lakewright_config::ColumnType;

use super::names::identifier_mistake;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::models::{Model, order};
use crate::stack::readable::{column_mistakes, not_in_catalog};
use crate::stack::sections::File;
use crate::stack::sql::Zone;
use crate::stack::tables::{Batch, TableSection, raw_tables};

/// Checks the models' names, the tables that they read, and that no circle of them waits for itself.
pub(in crate::stack) fn check_models(file: &File, batch: &Batch, models: &[Model], list: &mut Vec<Diagnostic>) {
    if models.is_empty() {
        list.push(
            Diagnostic::new(
                batch.models.span_or(&batch.span),
                format!("the folder `{}` holds no models", *batch.models),
                "no file ends in .sql",
            )
            .help("put a file NAME.sql into it for each table of the warehouse"),
        );
    }
    for model in models {
        if let Some(mistake) = identifier_mistake(&model.name) {
            list.push(
                Diagnostic::new(0..0, format!("a model can't be named `{}`", model.name), mistake)
                    .help("rename the file: its name becomes the table's")
                    .within(model.source),
            );
        }
        for read in &model.reads {
            let (known, plural, help): (Vec<&str>, _, _) = match read.zone {
                Zone::Raw => (
                    raw_tables(&file.tables).chain(["dead_letters"]).collect(),
                    "tables",
                    format!("a section `[tables.{}]` declares it", read.table),
                ),
                Zone::Warehouse => (
                    models.iter().map(|model| model.name.as_str()).collect(),
                    "models",
                    format!("a file `{}/{}.sql` makes it", *batch.models, read.table),
                ),
            };
            if known.contains(&read.table.as_str()) {
                if read.zone == Zone::Raw {
                    if file.tables.get(&read.table).is_some_and(|table| !table.value.is_in_catalog()) {
                        list.push(not_in_catalog(&read.table, read.span.clone()).within(model.source));
                        continue;
                    }
                    list.extend(file.tables.get(&read.table).and_then(unreadable).map(|(column, reason)| {
                        let title = format!("Spark, which runs the models, can't read `raw.{}`", read.table);
                        Diagnostic::new(read.span.clone(), title, reason)
                            .help(format!(
                                "declare `{column}` as a string or a long, or read the table by Athena alone"
                            ))
                            .within(model.source)
                    }));
                }
                continue;
            }
            let what = if read.zone == Zone::Raw { "table of the raw zone" } else { "model" };
            list.push(
                Diagnostic::new(read.span.clone(), format!("there is no {what} `{}`", read.table), "reads it")
                    .help(suggest(&read.table, known.iter().copied(), plural))
                    .help(help)
                    .within(model.source),
            );
        }
    }
    for model in models {
        let mistakes = column_mistakes(file, &model.reads, &model.columns());
        list.extend(mistakes.into_iter().map(|mistake| mistake.within(model.source)));
    }
    if let Err(circle) = order(models) {
        let path: Vec<&str> = circle.iter().map(|index| models[*index].name.as_str()).collect();
        let first = &models[circle[0]];
        let second = path.get(1).copied().unwrap_or_default();
        let read = first.reads.iter().find(|read| read.zone == Zone::Warehouse && read.table == second);
        list.push(
            Diagnostic::new(
                read.map_or(0..0, |read| read.span.clone()),
                format!("models wait for each other: {}", path.join(" → ")),
                "a circle",
            )
            .help("let one of them read the raw zone instead")
            .within(first.source),
        );
    }
}

/// The column for which Spark refuses a table as a whole, and why (Iceberg's `TypeToSparkType`: "Spark does not support
/// time fields").
fn unreadable(table: &Entry<TableSection>) -> Option<(&str, String)> {
    let is_time = |one: &ColumnType| *one == ColumnType::Time;
    let column = table.value.columns.iter().find(|column| column.value.column_type.has(is_time))?;
    Some((&column.name, format!("its column `{}` holds a time of day", column.name)))
}
