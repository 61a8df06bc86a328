//! A stack file and those that it extends, read into one tree: what stands in the nearer file wins.
//!
//! The files are laid end to end, with a byte between two of them, so that one range of bytes says both the file and the
//! place in it ([`locate`]).

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::decode::{Decode as _, Decoder, Node};
use super::diagnostics::{Diagnostic, Source, suggest};

/// The key that names the file that a file extends.
const EXTENDS: &str = "extends";
/// The key that names what of the extended file is left out.
const REMOVE: &str = "remove";

/// The files of a stack, the stack file first, each followed by the one that it extends.
#[derive(Debug)]
pub struct Layers {
    /// The files.
    pub files: Vec<Source>,
    /// What is wrong with how they extend each other.
    pub mistakes: Vec<Diagnostic>,
}

/// Where the sources begin when they are laid end to end.
pub fn starts(sources: &[Source]) -> Vec<usize> {
    let next = |start: &mut usize, source: &Source| {
        let begin = *start;
        *start += source.text.len() + 1;
        Some(begin)
    };
    sources.iter().scan(0, next).collect()
}

/// The source and the place in it that a range in the sources laid end to end means.
pub fn locate(sources: &[Source], span: &Range<usize>) -> (usize, Range<usize>) {
    let starts = starts(sources);
    let index = starts.partition_point(|start| *start <= span.start).saturating_sub(1);
    let start = starts.get(index).copied().unwrap_or(0);
    (index, span.start - start..span.end.saturating_sub(start))
}

/// The stack file of that path and those that it extends.
pub fn read(path: &Path) -> Result<Layers> {
    let text = std::fs::read_to_string(path).with_context(|| {
        let hint = if path.exists() { "" } else { " (`lakewright init` writes a first one)" };
        format!("read the stack file {}{hint}", path.display())
    })?;
    let mut layers = Layers { files: vec![Source { path: path.display().to_string(), text }], mistakes: Vec::new() };
    let mut seen = vec![real(path)];
    let mut current = path.to_owned();
    while let Some((named, span)) = extended(&mut layers) {
        let next = current.parent().unwrap_or(Path::new("")).join(&named);
        if seen.contains(&real(&next)) {
            let title = format!("`{}` extends itself", next.display());
            layers.mistakes.push(
                Diagnostic::new(span, title, "a circle of files")
                    .help("let one of them hold what both need, and extend nothing"),
            );
            break;
        }
        match std::fs::read_to_string(&next) {
            Ok(text) => layers.files.push(Source { path: next.display().to_string(), text }),
            Err(error) => {
                let title = format!("the extended file `{}` can't be read", next.display());
                let fix = "name it relative to this file, as in `extends = \"base.toml\"`; variables can't stand here";
                layers.mistakes.push(Diagnostic::new(span, title, error.to_string()).help(fix));
                break;
            }
        }
        seen.push(real(&next));
        current = next;
    }
    Ok(layers)
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What the last file extends, with the place where it says so.
fn extended(layers: &mut Layers) -> Option<(String, Range<usize>)> {
    let file = layers.files.last()?;
    let start = starts(&layers.files).pop()?;
    let (table, _) = DeTable::parse_recoverable(&file.text);
    let node = table.get_ref().get(EXTENDS)?;
    let span = start + node.span().start..start + node.span().end;
    let mut decoder = Decoder::default();
    let node = Spanned::new(span.clone(), node.get_ref().clone());
    let named = decoder.enter::<String>(EXTENDS, &node);
    if layers.files.len() > 1 {
        // In the stack file itself it is decoded with everything else.
        layers.mistakes.append(&mut decoder.list);
    }
    named.map(|named| (named, span))
}

/// The files as one tree, and the last file, the farthest from the stack file, that has the section `[batch]`; or what
/// TOML can't read.
pub fn merged<'i>(
    files: &'i [Source],
    list: &mut Vec<Diagnostic>,
) -> Result<(Node<'i>, Option<usize>), Vec<Diagnostic>> {
    let mut trees = Vec::new();
    let mut unreadable = Vec::new();
    for (index, (file, start)) in files.iter().zip(starts(files)).enumerate() {
        let (table, errors) = DeTable::parse_recoverable(&file.text);
        unreadable.extend(errors.iter().map(|error| {
            let span = error.span().unwrap_or(0..0);
            Diagnostic::new(span, "this is no valid TOML", error.message()).within(index)
        }));
        let span = table.span();
        trees.push(shifted(Spanned::new(span, DeValue::Table(table.into_inner())), start));
    }
    if !unreadable.is_empty() {
        return Err(unreadable);
    }
    let batch =
        trees.iter().rposition(|tree| matches!(tree.get_ref(), DeValue::Table(table) if table.contains_key("batch")));
    let mut tree: Option<Node<'i>> = None;
    while let Some(mut over) = trees.pop() {
        let removed = removals(&mut over, !trees.is_empty(), list);
        tree = Some(match tree {
            None => {
                for (_, span) in removed {
                    let diagnostic = Diagnostic::new(span, "`remove` has nothing to remove from", "extends no file");
                    list.push(diagnostic.help("name the file with `extends = \"base.toml\"`, or remove the line"));
                }
                over
            }
            Some(mut base) => {
                for (path, span) in &removed {
                    remove(&mut base, path, span, list);
                }
                if let DeValue::Table(table) = base.get_mut() {
                    table.remove(EXTENDS);
                    table.remove(REMOVE);
                }
                over_base(base, over)
            }
        });
    }
    Ok((tree.expect("a stack has a file"), batch))
}

/// The same tree with every place moved.
fn shifted(node: Node<'_>, by: usize) -> Node<'_> {
    let moved = |span: Range<usize>| if span.is_empty() { span } else { span.start + by..span.end + by };
    let span = moved(node.span());
    let value = match node.into_inner() {
        DeValue::Table(table) => {
            let mut members = DeTable::new();
            for (key, value) in table {
                members.insert(Spanned::new(moved(key.span()), key.into_inner()), shifted(value, by));
            }
            DeValue::Table(members)
        }
        DeValue::Array(array) => {
            let mut items = DeArray::new();
            for item in array {
                items.push(shifted(item, by));
            }
            DeValue::Array(items)
        }
        plain => plain,
    };
    Spanned::new(span, value)
}

/// Tables are merged member by member; of anything else the nearer file's stays.
fn over_base<'i>(base: Node<'i>, over: Node<'i>) -> Node<'i> {
    let span = over.span();
    match (base.into_inner(), over.into_inner()) {
        (DeValue::Table(base), DeValue::Table(mut over)) => {
            let mut members = DeTable::new();
            for (key, value) in base {
                match over.remove_entry(key.get_ref().as_ref()) {
                    Some((key, nearer)) => members.insert(key, over_base(value, nearer)),
                    None => members.insert(key, value),
                };
            }
            for (key, value) in over {
                members.insert(key, value);
            }
            Spanned::new(span, DeValue::Table(members))
        }
        (_, over) => Spanned::new(span, over),
    }
}

/// What a file removes from the one that it extends, with the places where it says so. Of the stack file, which is decoded
/// afterwards, only what could be read; in the others mistakes are reported here.
fn removals(tree: &mut Node<'_>, extended: bool, list: &mut Vec<Diagnostic>) -> Vec<(String, Range<usize>)> {
    let DeValue::Table(table) = tree.get_ref() else { return Vec::new() };
    let Some(node) = table.get(REMOVE) else { return Vec::new() };
    let mut decoder = Decoder::default();
    let removed = decoder.enter::<Vec<super::At<String>>>(REMOVE, node).unwrap_or_else(Vec::placeholder);
    if extended {
        list.append(&mut decoder.list);
    }
    removed.into_iter().filter(|one| one.sound).map(|one| (one.value, one.span)).collect()
}

/// Takes a key such as `topics.events` out of a tree.
fn remove(tree: &mut Node<'_>, path: &str, span: &Range<usize>, list: &mut Vec<Diagnostic>) {
    let Some(keys) = dotted(path) else {
        let diagnostic = Diagnostic::new(span.clone(), format!("`{path}` is no key"), "can't be read");
        list.push(diagnostic.help("write it as TOML does, as in `remove = [\"topics.events\", \"hosts.data\"]`"));
        return;
    };
    let mut node = tree;
    for (index, key) in keys.iter().enumerate() {
        let DeValue::Table(table) = node.get_mut() else { break };
        if !table.contains_key(key.as_str()) {
            let within = keys[..index].join(".");
            let place = if within.is_empty() { "the extended file".to_owned() } else { format!("its `{within}`") };
            let names = table.keys().map(|key| key.get_ref().as_ref());
            let names: Vec<&str> = names.filter(|name| ![EXTENDS, REMOVE].contains(name)).collect();
            let diagnostic = Diagnostic::new(span.clone(), format!("there is no `{path}` to remove"), "nothing there");
            list.push(diagnostic.help(format!("in {place}, {}", suggest(key, names, "keys"))));
            return;
        }
        if index + 1 == keys.len() {
            table.remove(key.as_str());
            return;
        }
        node = table.get_mut(key.as_str()).expect("the key was found");
    }
    let diagnostic = Diagnostic::new(span.clone(), format!("there is no `{path}` to remove"), "nothing there");
    list.push(diagnostic.help(format!("only tables hold keys: one before the end of `{path}` is none")));
}

/// The keys of a path as TOML writes it.
fn dotted(path: &str) -> Option<Vec<String>> {
    let text = format!("{path} = 0");
    let mut table = DeTable::parse(&text).ok()?.into_inner();
    let mut keys = Vec::new();
    loop {
        let (key, value) = table.into_iter().next()?;
        keys.push(key.into_inner().into_owned());
        match value.into_inner() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(keys),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_tells_file_and_place() {
        let source = |text: &str| Source { path: text.to_owned(), text: text.to_owned() };
        let sources = [source("four"), source("seven--"), source("")];
        assert_eq!(starts(&sources), [0, 5, 13]);
        assert_eq!(locate(&sources, &(0..4)), (0, 0..4));
        assert_eq!(locate(&sources, &(4..4)), (0, 4..4));
        assert_eq!(locate(&sources, &(5..8)), (1, 0..3));
        assert_eq!(locate(&sources, &(12..12)), (1, 7..7));
        assert_eq!(locate(&sources, &(13..13)), (2, 0..0));
    }

    #[test]
    fn paths_are_read_as_toml_reads_keys() {
        assert_eq!(dotted("topics.events"), Some(vec!["topics".to_owned(), "events".to_owned()]));
        assert_eq!(
            dotted("allow.open-ingress.\"security_group.web\"").map(|keys| keys[2].clone()),
            Some("security_group.web".to_owned())
        );
        assert_eq!(dotted("a b"), None);
        assert_eq!(dotted(""), None);
    }
}
