//! Saved queries: statements that people find in the Athena workgroup under a name.

use std::ops::Range;
use std::path::Path;

use super::declare::{choice, section};
use super::decode::{At, Entry};
use super::diagnostics::{Diagnostic, Source, suggest};
use super::layers::locate;
use super::models::{qualified, statement};
use super::readable::{column_mistakes, not_in_catalog};
use super::sections::File;
use super::sql::{self, Read, Zone};
use super::tables::raw_tables;

choice! {
    /// A database of the stack.
    Database {
        /// The warehouse, which the models make.
        Warehouse = "warehouse",
        /// The raw zone.
        Raw = "raw",
    }
}

section! {
    /// A query that is saved in the Athena workgroup: people find it in the console, `lakewright query --saved NAME` runs it.
    QuerySection {
        /// The statement. Tables are named `raw.NAME` and `warehouse.NAME`, as in models; names alone are of `database`.
        sql: Option<At<String>> = None,
        /// The file that holds the statement in place of `sql`, beside the stack file.
        file: Option<At<String>> = None,
        /// What it answers.
        description: At<String> = At::given(""),
        /// Where tables are that are named without `raw.` or `warehouse.`.
        database: At<Database> = At::given(Database::Warehouse),
    }
}

/// A saved query without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedQuery {
    /// Its name.
    pub name: String,
    /// What it answers.
    pub description: String,
    /// Where tables are that are named alone.
    pub database: Database,
    /// Where its section stands.
    pub span: Range<usize>,
    text: String,
    body: Range<usize>,
    reads: Vec<Read>,
}

impl SavedQuery {
    /// The statement with `raw.` and `warehouse.` replaced by the names of the databases.
    pub fn sql(&self, raw: &str, warehouse: &str) -> String {
        qualified(&self.text, self.body.clone(), &self.reads, raw, warehouse)
    }
}

/// The longest name that Athena takes.
const LONGEST_NAME: usize = 128;
/// The longest description, with room for whose it is.
const LONGEST_DESCRIPTION: usize = 1024 - 128;

/// A statement, and where mistakes in it are shown.
struct Text {
    text: String,
    /// The index of its file.
    source: usize,
    /// Where it begins in that file; none where it is written with escapes, and only the whole has a place.
    start: Option<usize>,
    /// The place of the whole.
    span: Range<usize>,
}

impl Text {
    fn place(&self, diagnostic: Diagnostic) -> Diagnostic {
        let span = match self.start {
            Some(start) => start + diagnostic.span.start..start + diagnostic.span.end,
            None => self.span.clone(),
        };
        Diagnostic { span, ..diagnostic }.within(self.source)
    }
}

/// Reads the saved queries of a file; `open` gives the text of a file. Mistakes are added to the list, and the files that are
/// shown in them to the sources.
pub fn read(
    file: &File,
    open: &dyn Fn(&Path) -> Option<String>,
    models: &[&str],
    sources: &mut Vec<Source>,
    list: &mut Vec<Diagnostic>,
) -> Vec<SavedQuery> {
    let mut queries = Vec::new();
    for entry in &file.queries {
        check(file, entry, list);
        let Some(text) = text(entry, open, sources, list) else { continue };
        let body = statement(&text.text);
        let reads = sql::references(&text.text, body.clone());
        let mut mistakes = sql::statement_mistakes(&text.text, body.clone(), "saved query");
        for (zone, name, span) in named(entry, &text.text, &body, &reads) {
            mistakes.extend(unknown(file, models, zone, &name, span));
        }
        mistakes.extend(column_mistakes(file, &reads, &sql::columns(&text.text, body.clone())));
        list.extend(mistakes.into_iter().map(|mistake| text.place(mistake)));
        queries.push(SavedQuery {
            name: entry.name.clone(),
            description: entry.value.description.value.clone(),
            database: entry.value.database.value,
            span: entry.span.clone(),
            text: text.text,
            body,
            reads,
        });
    }
    queries
}

/// What Athena would refuse, and what has nowhere to be.
fn check(file: &File, entry: &Entry<QuerySection>, list: &mut Vec<Diagnostic>) {
    let section = &entry.value;
    if entry.name.len() > LONGEST_NAME || entry.name.trim().is_empty() {
        list.push(Diagnostic::new(
            entry.span.clone(),
            "a saved query's name must have 1 to 128 characters",
            "Athena takes no such name",
        ));
    }
    if section.description.len() > LONGEST_DESCRIPTION {
        let title = format!("the description of `{}` is too long", entry.name);
        let label = format!("{LONGEST_DESCRIPTION} bytes at most");
        list.push(Diagnostic::new(section.description.span.clone(), title, label));
    }
    if file.tables.0.is_empty() {
        list.push(
            Diagnostic::new(entry.span.clone(), format!("query `{}` has no workgroup", entry.name), "nothing to query")
                .help("a stack with a table has a workgroup: declare one in a section `[tables.NAME]`"),
        );
    }
    if section.database.sound && section.database.value == Database::Warehouse && file.batch.is_none() {
        list.push(
            Diagnostic::new(
                section.database.span_or(&entry.span),
                format!("query `{}` has no warehouse", entry.name),
                "there is no section `[batch]`",
            )
            .help("write `database = \"raw\"`, or add a section `[batch]` and models"),
        );
    }
}

/// The statement of a section; none after saying what is wrong.
fn text(
    entry: &Entry<QuerySection>,
    open: &dyn Fn(&Path) -> Option<String>,
    sources: &mut Vec<Source>,
    list: &mut Vec<Diagnostic>,
) -> Option<Text> {
    let section = &entry.value;
    match (&section.sql, &section.file) {
        (Some(sql), None) if sql.sound => {
            let (index, local) = locate(sources, &sql.span);
            let written = sources[index].text.get(local).unwrap_or_default();
            let start = written.find(sql.value.as_str()).map(|offset| sql.span.start + offset);
            Some(Text { text: sql.value.clone(), source: 0, start, span: sql.span.clone() })
        }
        (None, Some(file)) if file.sound => {
            let (index, _) = locate(sources, &file.span);
            let path = Path::new(&sources[index].path).parent().unwrap_or(Path::new("")).join(&file.value);
            let Some(text) = open(&path) else {
                let title = format!("the file `{}` can't be read", file.value);
                list.push(
                    Diagnostic::new(file.span.clone(), title, "no such file beside the stack file")
                        .help("write its path from the stack file's folder, as in \"queries/top.sql\""),
                );
                return None;
            };
            sources.push(Source { path: path.display().to_string(), text: text.clone() });
            let span = 0..text.len();
            Some(Text { text, source: sources.len() - 1, start: Some(0), span })
        }
        (None, None) | (Some(_), Some(_)) => {
            let title = format!("query `{}` must have either `sql` or `file`", entry.name);
            let label = if section.sql.is_some() { "has both" } else { "has neither" };
            let place = section.file.as_ref().map_or(&entry.span, |file| &file.span);
            list.push(Diagnostic::new(place.clone(), title, label));
            None
        }
        _ => None,
    }
}

/// The tables that a statement names: those of a zone, and those alone, which are of the section's database.
fn named(
    entry: &Entry<QuerySection>,
    text: &str,
    body: &Range<usize>,
    reads: &[Read],
) -> Vec<(Zone, String, Range<usize>)> {
    let zone = if entry.value.database.value == Database::Raw { Zone::Raw } else { Zone::Warehouse };
    let of_zones = reads.iter().map(|read| (read.zone, read.table.clone(), read.span.clone()));
    let alone = sql::tables_alone(text, body.clone()).into_iter().map(|(name, span)| (zone, name, span));
    of_zones.chain(alone).collect()
}

/// What to say of a table that isn't there.
fn unknown(file: &File, models: &[&str], zone: Zone, name: &str, span: Range<usize>) -> Option<Diagnostic> {
    let (what, known): (_, Vec<&str>) = match zone {
        Zone::Raw => ("table of the raw zone", raw_tables(&file.tables).chain(["dead_letters"]).collect()),
        Zone::Warehouse => ("model", models.to_vec()),
    };
    if zone == Zone::Raw && file.tables.get(name).is_some_and(|table| !table.value.is_in_catalog()) {
        return Some(not_in_catalog(name, span));
    }
    (!known.contains(&name)).then(|| {
        Diagnostic::new(span, format!("there is no {what} `{name}`"), "reads it").help(suggest(name, known, "tables"))
    })
}
