//! Models: SQL files whose comment lines at the start say how the query's rows become a table's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use lakewright_config::Materialization;

use super::decode::At;
use super::diagnostics::{Diagnostic, suggest};
use super::sql::{self, Read, Zone, references, statement_mistakes, unqualified_tables};
use crate::plan::Step;

/// A model's file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// The model's name: the file's without `.sql`.
    pub name: String,
    /// The path as messages show it.
    pub path: String,
    /// The text.
    pub text: String,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The name of its table in the warehouse.
    pub name: String,
    /// The index of its file among the sources.
    pub source: usize,
    /// How the query's rows become the table's.
    pub materialization: At<Materialization>,
    /// The columns that identify a row.
    pub key: Vec<At<String>>,
    /// The file's text.
    pub text: String,
    /// The query within the text.
    pub body: Range<usize>,
    /// The tables that it reads.
    pub reads: Vec<Read>,
}

impl Model {
    /// The columns that the query names.
    pub fn columns(&self) -> Vec<sql::Named> {
        sql::columns(&self.text, self.body.clone())
    }

    /// Whether the query reads a table of the raw zone and names a column so.
    fn may_read(&self, table: &str, column: &str) -> bool {
        self.reads.iter().any(|read| read.zone == Zone::Raw && read.table == table)
            && self
                .columns()
                .iter()
                .any(|named| named.column == column && named.table.as_ref().is_none_or(|owner| owner == table))
    }

    /// The query with `raw.` and `warehouse.` replaced by the names of the databases.
    pub fn sql(&self, raw: &str, warehouse: &str) -> String {
        qualified(&self.text, self.body.clone(), &self.reads, raw, warehouse)
    }
}

/// Says which models name a column that a step takes away or renames.
pub fn tell_models(step: &mut Step, models: &[Model]) {
    if step.address.kind != "table" {
        return;
    }
    for change in &step.changes {
        let Some(path) = change.path.strip_prefix("columns[") else { continue };
        let old = match path.split_once(']') {
            Some((name, "")) if change.after.is_null() => name,
            Some((_, ".name")) => change.before.as_str().unwrap_or_default(),
            _ => continue,
        };
        let concerned = models.iter().filter(|model| model.may_read(&step.address.name, old));
        let names: Vec<&str> = concerned.map(|model| model.name.as_str()).collect();
        if let [one] = names[..] {
            step.consequences.push(format!("the model {one} names the column {old}: change it too"));
        } else if !names.is_empty() {
            step.consequences.push(format!("the models {} name the column {old}: change them too", names.join(", ")));
        }
    }
}

/// The statement within a text, the tables that it reads named by their databases.
pub fn qualified(text: &str, body: Range<usize>, reads: &[Read], raw: &str, warehouse: &str) -> String {
    let mut sql = String::new();
    let mut position = body.start;
    for read in reads {
        sql.push_str(&text[position..read.span.start]);
        let database = if read.zone == Zone::Raw { raw } else { warehouse };
        sql.extend([database, ".", read.table.as_str()]);
        position = read.span.end;
    }
    sql.push_str(&text[position..body.end]);
    sql
}

/// The statement of a text that is nothing else.
pub fn statement(text: &str) -> Range<usize> {
    body(text, 0)
}

/// The front matter's keys.
const KEYS: [&str; 2] = ["materialization", "key"];

/// The ways to materialise, as the front matter writes them.
const MATERIALIZATIONS: [(&str, Materialization); 3] =
    [("merge", Materialization::Merge), ("append", Materialization::Append), ("replace", Materialization::Replace)];

/// Reads a model's file; mistakes are added to the list.
pub fn read(file: &ModelFile, source: usize, list: &mut Vec<Diagnostic>) -> Model {
    let mut materialization = None;
    let mut key = Vec::new();
    let mut start = 0;
    for line in file.text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !(trimmed.is_empty() || trimmed.starts_with("--")) {
            break;
        }
        if let Some((name, value)) = front_matter(line) {
            let shift = |span: Range<usize>| start + span.start..start + span.end;
            match &line[name.clone()] {
                "materialization" => materialization = Some(read_materialization(line, value, start, source, list)),
                "key" => key = read_words(line, &value, start),
                word => list.push(
                    Diagnostic::new(
                        shift(name.clone()),
                        format!("unknown setting `{word}` of a model"),
                        "not known here",
                    )
                    .help(suggest(word, KEYS, "settings"))
                    .within(source),
                ),
            }
        }
        start += line.len();
    }
    let body = body(&file.text, start);
    let materialization = materialization.unwrap_or_else(|| {
        list.push(
            Diagnostic::new(
                0..first_line(&file.text),
                format!("model `{}` lacks its materialization", file.name),
                "required",
            )
            .help("begin the file with a line `-- materialization: merge`, `append` or `replace`")
            .within(source),
        );
        At { value: Materialization::Replace, span: 0..0, sound: false }
    });
    if materialization.sound && *materialization == Materialization::Merge && key.is_empty() {
        list.push(
            Diagnostic::new(
                materialization.span.clone(),
                format!("model `{}` lacks its key", file.name),
                "merges by a key",
            )
            .help("name the columns that identify a row in a line `-- key: COLUMN, COLUMN`")
            .within(source),
        );
    }
    let mut mistakes = statement_mistakes(&file.text, body.clone(), "model");
    mistakes.extend(unqualified_tables(&file.text, body.clone()));
    list.extend(mistakes.into_iter().map(|mistake| mistake.within(source)));
    let reads = references(&file.text, body.clone());
    Model { name: file.name.clone(), source, materialization, key, text: file.text.clone(), body, reads }
}

/// The places of name and value in a line `-- name: value`; `None` for any other comment.
fn front_matter(line: &str) -> Option<(Range<usize>, Range<usize>)> {
    let content = line.trim_start().strip_prefix("--")?;
    let offset = line.len() - content.len();
    let (name, value) = content.split_once(':')?;
    let word = name.trim();
    if word.is_empty() || !word.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
        return None;
    }
    let name_start = offset + name.len() - name.trim_start().len();
    let value_start = offset + name.len() + 1 + value.len() - value.trim_start().len();
    Some((name_start..name_start + word.len(), value_start..value_start + value.trim().len()))
}

fn read_materialization(
    line: &str,
    value: Range<usize>,
    start: usize,
    source: usize,
    list: &mut Vec<Diagnostic>,
) -> At<Materialization> {
    let word = &line[value.clone()];
    let span = start + value.start..start + value.end;
    if let Some((_, found)) = MATERIALIZATIONS.iter().find(|(name, _)| *name == word) {
        return At { value: *found, span, sound: true };
    }
    let names = MATERIALIZATIONS.map(|(name, _)| name);
    list.push(
        Diagnostic::new(span.clone(), format!("`materialization` can't be `{word}`"), "no such choice")
            .help(suggest(word, names, "choices"))
            .within(source),
    );
    At { value: Materialization::Replace, span, sound: false }
}

/// The words of a list separated by commas, with their places.
fn read_words(line: &str, value: &Range<usize>, start: usize) -> Vec<At<String>> {
    let mut position = value.start;
    let mut words = Vec::new();
    for part in line[value.clone()].split(',') {
        let word = part.trim();
        let begin = start + position + part.len() - part.trim_start().len();
        if !word.is_empty() {
            words.push(At { value: word.to_owned(), span: begin..begin + word.len(), sound: true });
        }
        position += part.len() + 1;
    }
    words
}

/// The query: what follows the front matter, without blanks and the semicolon at the end.
fn body(text: &str, start: usize) -> Range<usize> {
    let start = start.min(text.len());
    let rest = text[start..].trim_end();
    let rest = rest.strip_suffix(';').map_or(rest, str::trim_end);
    start..start + rest.len()
}

fn first_line(text: &str) -> usize {
    text.lines().next().map_or(0, str::len)
}

/// The models in an order in which each follows those that it reads; alphabetical where it doesn't matter. Or a circle
/// of models, as a path whose end is its start.
pub fn order(models: &[Model]) -> Result<Vec<usize>, Vec<usize>> {
    let indices: BTreeMap<&str, usize> = models.iter().enumerate().map(|(i, model)| (model.name.as_str(), i)).collect();
    let needs = |index: usize| -> BTreeSet<usize> {
        let reads = models[index].reads.iter().filter(|read| read.zone == Zone::Warehouse);
        reads.filter_map(|read| indices.get(read.table.as_str()).copied()).collect()
    };
    let mut done: Vec<usize> = Vec::new();
    let mut waiting: Vec<usize> = indices.values().copied().collect();
    while !waiting.is_empty() {
        let Some(position) = waiting.iter().position(|index| needs(*index).iter().all(|need| done.contains(need)))
        else {
            return Err(circle(waiting[0], |index| needs(index).into_iter().find(|need| !done.contains(need))));
        };
        done.push(waiting.remove(position));
    }
    Ok(done)
}

/// Walks from a model to one that it waits for until one comes again.
fn circle(start: usize, next: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut path = vec![start];
    let mut current = start;
    while let Some(following) = next(current) {
        if let Some(begin) = path.iter().position(|index| *index == following) {
            path.drain(..begin);
            path.push(following);
            break;
        }
        path.push(following);
        current = following;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, text: &str) -> (Model, Vec<String>) {
        let mut list = Vec::new();
        let file = ModelFile { name: name.into(), path: format!("{name}.sql"), text: text.into() };
        let model = read(&file, 1, &mut list);
        (model, list.into_iter().map(|mistake| mistake.title).collect())
    }

    #[test]
    fn a_model_is_read() {
        let text = "-- The users: newest row of each.\n-- materialization: merge\n-- key: id, day\n\nSELECT 'raw.x' AS a FROM \
                    raw.users -- raw.no\nJOIN warehouse.sales ON 1 = 1;\n";
        let (model, mistakes) = model("users", text);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(*model.materialization, Materialization::Merge);
        assert_eq!(model.key.iter().map(|key| &text[key.span.clone()]).collect::<Vec<_>>(), ["id", "day"]);
        assert_eq!(
            model.sql("shop_raw", "shop"),
            "SELECT 'raw.x' AS a FROM shop_raw.users -- raw.no\nJOIN shop.sales ON 1 = 1"
        );
    }

    #[test]
    fn wrong_front_matter_is_named() {
        let (_, mistakes) = model("users", "-- materialisation: merge\nSELECT 1");
        assert_eq!(
            mistakes,
            ["unknown setting `materialisation` of a model", "model `users` lacks its materialization"]
        );
        assert_eq!(model("users", "-- materialization: merge\nSELECT 1").1, ["model `users` lacks its key"]);
        assert_eq!(model("users", "-- materialization: marge\nSELECT 1").1, ["`materialization` can't be `marge`"]);
    }

    #[test]
    fn models_follow_what_they_read_and_circles_are_found() {
        let read =
            |name, table| model(name, &format!("-- materialization: replace\nSELECT 1 FROM warehouse.{table}")).0;
        let models = [read("a", "b"), read("b", "c"), read("c", "elsewhere")];
        assert_eq!(order(&models), Ok(vec![2, 1, 0]));
        let models = [read("a", "b"), read("b", "c"), read("c", "b")];
        assert_eq!(order(&models), Err(vec![1, 2, 1]));
    }
}
