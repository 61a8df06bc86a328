//! Checks of tables, batch and search.

mod existing;
mod reading;

use lakewright_config::{Column, ColumnType, Transform, raw_columns};

use super::Checker;
use super::names::identifier_mistake;
use crate::kinds::emr_application::is_image;
use crate::names;
use crate::stack::decode::Entry;
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::engine::emr_release;
use crate::stack::tables::TableSection;
use crate::stack::units::Period;

impl Checker<'_> {
    pub(super) fn tables(&mut self) {
        let file = self.file;
        for table in &file.tables {
            let section = &table.value;
            if table.name == "dead_letters" {
                self.push(
                    Diagnostic::new(table.span.clone(), "the table `dead_letters` is Lakewright's own", "name taken")
                        .help("messages that fit no table go there; choose another name"),
                );
            }
            self.refer("topic", "topics", &file.topics, &section.topic, &table.span);
            self.refer("bucket", "buckets", &file.buckets, &section.bucket, &table.span);
            self.columns(table);
            self.renames(table);
            self.reading(table);
            self.properties(table);
            self.existing_table(table);
            self.plain_files(table);
            // What names a column of a table without any is reported with that.
            if !table.value.columns.0.is_empty() {
                self.table_key(table);
                self.partition(table);
                self.sort(table);
            }
        }
    }

    fn columns(&mut self, table: &Entry<TableSection>) {
        let own = table.value.own_columns();
        if table.value.columns.0.is_empty() && !table.value.span.is_empty() {
            self.push(
                Diagnostic::new(table.span.clone(), format!("table `{}` has no columns", table.name), "empty")
                    .help("add `columns = { id = \"string\" }` or a section of columns"),
            );
        }
        for column in &table.value.columns {
            if own.iter().any(|own| own.name == column.name) {
                let title = format!("the column `{}` is Lakewright's own", column.name);
                self.push(
                    Diagnostic::new(column.span.clone(), title, "name taken")
                        .help("the table carries it after the declared ones: choose another name"),
                );
            } else if let Some(mistake) = identifier_mistake(&column.name) {
                let title = format!("a column can't be named `{}`", column.name);
                self.push(
                    Diagnostic::new(column.span.clone(), title, mistake).help("Athena reads lower case names only"),
                );
            }
        }
    }

    /// The name that a column had before is nobody's now, and was one column's.
    fn renames(&mut self, table: &Entry<TableSection>) {
        let columns = &table.value.columns;
        let mut seen: Vec<&str> = Vec::new();
        for column in columns {
            let Some(was) = column.value.was.as_ref().filter(|was| was.sound) else { continue };
            let (name, before) = (&column.name, &was.value);
            let (title, label, help) = if before == name {
                (format!("the column `{name}` can't be renamed to itself"), "its own name", "write the name before")
            } else if columns.get(before).is_some() {
                (
                    format!("the column `{name}` can't have been `{before}`: a column is named so now"),
                    "names a column",
                    "a message that carries that name could mean either of them; rename one first, apply, and take its \
                     `was` away before the other gets the name",
                )
            } else if seen.contains(&before.as_str()) {
                (
                    format!("two columns of table `{}` can't both have been `{before}`", table.name),
                    "repeated",
                    "the values go to one of them; declare the other as a new column",
                )
            } else if raw_columns().iter().any(|own| own.name == *before) || identifier_mistake(before).is_some() {
                (
                    format!("no column can have been named `{before}`"),
                    "no declared column has such a name",
                    "write the name that the stack file gave it before",
                )
            } else {
                seen.push(before);
                continue;
            };
            self.push(Diagnostic::new(was.span.clone(), title, label).help(help));
        }
    }

    fn table_key(&mut self, table: &Entry<TableSection>) {
        let key = &table.value.key;
        if key.sound && key.is_empty() {
            self.push(
                Diagnostic::new(key.span.clone(), format!("the key of table `{}` is empty", table.name), "no columns")
                    .help("name the columns that identify the fact that a row records"),
            );
        }
        for (at, column) in key.iter().enumerate().filter(|(_, column)| column.sound) {
            if key[..at].iter().any(|other| other.value == column.value) {
                let title = format!("`{}` is named twice in the key", column.value);
                self.push(Diagnostic::new(column.span.clone(), title, "once is enough").help("remove it"));
                continue;
            }
            let added: Vec<Column> = table.value.reading().added();
            let added = added.iter().find(|own| own.name == column.value).map(|own| &own.column_type);
            let column_type = match (added, table.value.columns.get(column)) {
                (Some(own), _) => own,
                (None, Some(found)) if found.value.sound => &found.value.column_type,
                (None, Some(_)) => continue,
                (None, None) => {
                    self.no_column(table, column, &column.span);
                    continue;
                }
            };
            if column_type.is_nested() || matches!(column_type, ColumnType::Float | ColumnType::Double) {
                let title = format!("`{}` can't be part of a key", column.value);
                let label = format!("is a {column_type}");
                self.push(Diagnostic::new(column.span.clone(), title, label).help(
                    "keys are compared for equality: take columns that are no lists, maps, structs or floating numbers",
                ));
            }
        }
    }

    fn partition(&mut self, table: &Entry<TableSection>) {
        let mut names: Vec<String> = Vec::new();
        for field in table.value.partition.iter().filter(|field| field.sound) {
            let Some(column_type) = self.type_of(table, &field.column, &field.span) else { continue };
            if let Some(needed) = unfit(field.transform, &column_type) {
                self.unfit(&field.value, &column_type, needed, &field.span);
            }
            if names.contains(&field.name()) {
                let title = format!("table `{}` is partitioned by `{}` twice", table.name, field.value);
                self.push(Diagnostic::new(field.span.clone(), title, "repeated"));
            }
            if field.transform != Transform::Identity && table.value.columns.get(&field.name()).is_some() {
                let title = format!("`{}` needs the name of the column `{}`", field.value, field.name());
                self.push(
                    Diagnostic::new(
                        field.span.clone(),
                        title,
                        "a partition field is named after its column and transform",
                    )
                    .help("Iceberg keeps the names of columns and of partition fields apart: rename the column"),
                );
            }
            names.push(field.name());
        }
    }

    fn properties(&mut self, table: &Entry<TableSection>) {
        for property in table.value.properties.iter().filter(|property| property.name.starts_with("lakewright.")) {
            let title = format!("the property `{}` is Lakewright's own", property.name);
            self.push(Diagnostic::new(property.span.clone(), title, "name taken").help("remove it"));
        }
    }

    fn sort(&mut self, table: &Entry<TableSection>) {
        for field in table.value.sort.iter().filter(|field| field.sound) {
            let by = &field.value.by;
            let Some(column_type) = self.type_of(table, &by.column, &field.span) else { continue };
            let needed = match by.transform {
                Transform::Identity => column_type.is_nested().then_some("a column that is no list, map or struct"),
                other => unfit(other, &column_type),
            };
            if let Some(needed) = needed {
                self.unfit(&field.value, &column_type, needed, &field.span);
            }
        }
    }

    /// The type of a column of a table, its own ones among them; `None` when it isn't known, which is said.
    fn type_of(
        &mut self,
        table: &Entry<TableSection>,
        column: &str,
        span: &std::ops::Range<usize>,
    ) -> Option<ColumnType> {
        let mut own = table.value.own_columns().into_iter();
        if let Some(own) = own.find(|own| own.name == column) {
            return Some(own.column_type);
        }
        let Some(declared) = table.value.columns.get(column) else {
            self.no_column(table, column, span);
            return None;
        };
        declared.value.sound.then(|| declared.value.column_type.clone())
    }

    fn unfit(
        &mut self,
        field: &dyn std::fmt::Display,
        column_type: &ColumnType,
        needed: &str,
        span: &std::ops::Range<usize>,
    ) {
        let title = format!("`{field}` doesn't fit a column of type {column_type}");
        self.push(
            Diagnostic::new(span.clone(), title, format!("needs {needed}"))
                .help("Iceberg defines this transform for those types only"),
        );
    }

    fn no_column(&mut self, table: &Entry<TableSection>, column: &str, span: &std::ops::Range<usize>) {
        let title = format!("table `{}` has no column `{column}`", table.name);
        let help = suggest(column, table.value.columns.names(), "columns");
        self.push(Diagnostic::new(span.clone(), title, "not among its columns").help(help));
    }

    pub(super) fn batch(&mut self) {
        let Some(batch) = &self.file.batch else { return };
        self.refer("bucket", "buckets", &self.file.buckets, &batch.bucket, &batch.span);
        self.statements(&batch.statements);
        if let Some(image) = batch.image.as_ref().filter(|image| image.sound && !is_image(image)) {
            let title = format!("`{}` is no image that EMR takes", image.value);
            self.push(
                Diagnostic::new(image.span.clone(), title, "not of a private ECR repository").help(
                    "write its URI with a tag or a digest, 123456789012.dkr.ecr.eu-north-1.amazonaws.com/models:1",
                ),
            );
        }
        if batch.every.sound && batch.every.0 < 1000 {
            let title = "`every` is out of range";
            self.push(Diagnostic::new(batch.every.span.clone(), title, "must be at least a second"));
        }
        for (name, time) in [("timeout", &batch.timeout), ("idle_timeout", &batch.idle_timeout)] {
            if time.sound && !(Period::seconds(60)..=Period::days(7)).contains(time) {
                let title = format!("`{name}` is out of range");
                self.push(Diagnostic::new(time.span.clone(), title, "must be between a minute and a week"));
            }
        }
        if batch.release.sound && emr_release(&batch.release).is_none() {
            let title = format!("`{}` is no EMR release", batch.release.value);
            self.push(
                Diagnostic::new(batch.release.span.clone(), title, "no such release")
                    .help("write it as in `emr-7.9.0`"),
            );
        }
    }

    pub(super) fn search(&mut self) {
        if let Some(search) = &self.file.search {
            self.refer("host", "hosts", &self.file.hosts, &search.host, &search.span);
            let index = &search.index;
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            if index.sound && (index.is_empty() || !index.chars().all(allowed) || index.starts_with(['-', '_', '.'])) {
                let title = format!("an index can't be named `{}`", index.value);
                let label = "only lower case letters, digits, `-`, `_` and `.`, a letter first";
                self.push(Diagnostic::new(index.span.clone(), title, label));
            } else if index.sound && index.len() > 255 {
                let title = format!("an index's name of {} characters is too long", index.len());
                self.push(Diagnostic::new(index.span.clone(), title, "at most 255"));
            }
            if let Some(age) = search.rotate_after.as_ref().filter(|age| age.sound && !*search.login) {
                let title = "`rotate_after` has no use where nobody logs in";
                self.push(
                    Diagnostic::new(age.span.clone(), title, "there is no password")
                        .help("remove it, or take `login = false` away"),
                );
            }
            let secrets = &self.file.secrets;
            let own = [names::SEARCH_ADMIN, names::SEARCH_SHIPPER].map(names::search_secret);
            for entry in own.iter().filter_map(|name| secrets.get(name)) {
                let title = format!("the secret `{}` is the search index's own", entry.name);
                self.push(
                    Diagnostic::new(entry.span.clone(), title, "name taken by Lakewright's own")
                        .help("give it another name, and say so in [moved] if it is there already"),
                );
            }
        }
    }
}

/// The types that a transform needs, when the given one is none of them.
fn unfit(transform: Transform, column_type: &ColumnType) -> Option<&'static str> {
    use ColumnType::{Binary, Boolean, Date, Decimal, Double, Float, Int, Long, Timestamp, Timestamptz, Uuid};
    let (fits, needed) = match transform {
        // The Iceberg crate's manifests take no UUID as a partition's value.
        Transform::Identity => (
            !column_type.is_nested() && *column_type != Uuid,
            "a column that is no list, map, struct or uuid (a uuid is divided by `bucket(N, …)`)",
        ),
        Transform::Year | Transform::Month | Transform::Day => {
            (matches!(column_type, Date | Timestamp | Timestamptz), "a date or a timestamp")
        }
        Transform::Hour => (matches!(column_type, Timestamp | Timestamptz), "a timestamp"),
        Transform::Bucket(_) => (
            !column_type.is_nested() && !matches!(column_type, Boolean | Float | Double),
            "a type that can be hashed: no boolean, float, double, list, map or struct",
        ),
        Transform::Truncate(_) => (
            matches!(column_type, Int | Long | Decimal(..) | ColumnType::String | Binary),
            "a whole number, decimal, string or binary",
        ),
    };
    (!fits).then_some(needed)
}
