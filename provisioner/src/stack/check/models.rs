//! Checks of models against the tables and each other.

use super::names::identifier_mistake;
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::models::{Model, order};
use crate::stack::sections::File;
use crate::stack::sql::Zone;
use crate::stack::tables::Batch;

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
                    file.tables.names().chain(["dead_letters"]).collect(),
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
