//! Checks of tables that others made.

use lakewright_config::s3;

use super::super::Checker;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::tables::TableSection;

impl Checker<'_> {
    pub(super) fn existing_table(&mut self, table: &Entry<TableSection>) {
        let section = &table.value;
        let place = section.location.as_ref();
        let Some(existing) = &section.existing else {
            if let Some(location) = place {
                let title =
                    format!("the table `{}` is the stack's own, which says itself where its files are", table.name);
                self.push(
                    Diagnostic::new(location.span.clone(), title, "of no use here")
                        .help("remove it, or name the table that is there already by `existing = \"DATABASE.TABLE\"`"),
                );
            }
            return;
        };
        let is_named = |(database, name): (&str, &str)| !database.is_empty() && !name.is_empty() && !name.contains('.');
        if existing.sound && !section.existing_table().is_some_and(is_named) {
            let title = format!("`{}` names no table", existing.value);
            self.push(
                Diagnostic::new(existing.span.clone(), title, "no database and table")
                    .help("write it as in \"sales_db.orders\""),
            );
        }
        match place {
            None => {
                let title = format!("where the files of `{}` are isn't said", existing.value);
                self.push(
                    Diagnostic::new(existing.span.clone(), title, "needs `location`")
                        .help("add `location = \"s3://BUCKET/PREFIX\"`: the agent gets rights there and nowhere else"),
                );
            }
            Some(location) if location.sound && s3::object(location.trim_end_matches('/')).is_none() => {
                let title = format!("`{}` is no folder in S3", location.value);
                self.push(
                    Diagnostic::new(location.span.clone(), title, "no bucket and prefix")
                        .help("write it as in \"s3://bucket/warehouse/orders\""),
                );
            }
            Some(_) => {}
        }
        let theirs = [
            ("partition", section.partition.first().map(|field| &field.span)),
            ("sort", section.sort.first().map(|field| &field.span)),
            ("properties", section.properties.iter().next().map(|property| &property.span)),
        ];
        for (name, span) in theirs.into_iter().filter_map(|(name, span)| Some((name, span?))) {
            let title = format!("`{name}` of the table `{}` is its owner's", existing.value);
            self.push(
                Diagnostic::new(span.clone(), title, "an existing table isn't changed")
                    .help("remove it: files are written as the table asks"),
            );
        }
    }
    /// What plain files can't be.
    pub(super) fn plain_files(&mut self, table: &Entry<TableSection>) {
        let section = &table.value;
        if section.is_in_catalog() {
            return;
        }
        let of_catalog = [
            ("existing", section.existing.as_ref().map(|existing| &existing.span)),
            ("sort", section.sort.first().map(|field| &field.span)),
            ("properties", section.properties.iter().next().map(|property| &property.span)),
        ];
        for (name, span) in of_catalog.into_iter().filter_map(|(name, span)| Some((name, span?))) {
            let title = format!("`{name}` is for tables of the catalog, and `{}` is plain files", table.name);
            self.push(
                Diagnostic::new(
                    span.clone(),
                    title,
                    format!("has no use with `sink = \"{}\"`", section.sink.value.word()),
                )
                .help("remove it, or write `sink = \"iceberg\"`"),
            );
        }
        let renamed = section.columns.iter().find_map(|column| column.value.was.as_ref());
        if let Some(was) = renamed {
            let title = format!("columns of plain files aren't renamed, and `{}` is such a table", table.name);
            self.push(
                Diagnostic::new(was.span.clone(), title, "files that are there keep their names")
                    .help("add a column, or declare another table"),
            );
        }
    }
}
