//! Which modules a source names, and which of them need each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path from the crate's root.
pub type Module = Vec<String>;

/// The module that a file holds; the root is empty.
pub fn module(path: &Path) -> Module {
    let parts =
        path.with_extension("").components().map(|part| part.as_os_str().to_str().expect("UTF-8").to_owned()).collect();
    let mut parts: Module = parts;
    parts.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    parts
}

/// The names of a path's list in braces, each with what follows it: `a, b::{c, d}` are `a`, `b::c` and `b::d`.
fn listed(list: &str, before: &[String], found: &mut Vec<Module>) {
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return one(&list[start..at], before, found),
            '}' => depth -= 1,
            ',' if depth == 0 => {
                one(&list[start..at], before, found);
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// A path that goes on from where `before` leads.
fn one(path: &str, before: &[String], found: &mut Vec<Module>) {
    let mut parts = before.to_vec();
    let mut rest = path.trim_start();
    loop {
        if let Some(list) = rest.strip_prefix('{') {
            return listed(list, &parts, found);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !name.is_empty() && name != "self" {
            parts.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(more) => rest = more,
            None => return found.push(parts),
        }
    }
}

/// The paths that a file names from the root, from itself or from those above it, with the names of things at their ends.
pub fn named(code: &str, own: &Module) -> Vec<Module> {
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            if code[..at].ends_with(is_part) {
                continue;
            }
            let (mut from, mut rest) = (own.clone(), &code[at..]);
            if let Some(below) = rest.strip_prefix("crate::") {
                (from, rest) = (Module::new(), below);
            }
            while let Some(above) = rest.strip_prefix("super::") {
                from.pop();
                rest = above;
            }
            one(rest, &from, &mut found);
        }
    }
    found
}

/// What each needs, directly or by way of others.
fn reached(mut needs: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    for name in needs.values().flatten().cloned().collect::<Vec<_>>() {
        needs.entry(name).or_default();
    }
    loop {
        let before = needs.clone();
        for reached in needs.values_mut() {
            let further: Vec<String> = reached.iter().flat_map(|name| before[name].iter().cloned()).collect();
            reached.extend(further);
        }
        if needs == before {
            return needs;
        }
    }
}

/// Those that need each other, by what each needs directly: the members of each circle, in the order of their first ones.
pub fn circles(direct: BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<String>> {
    let needs = reached(direct);
    let of = |name: &String| {
        let others = needs[name].iter().filter(|other| needs[*other].contains(name));
        others.cloned().collect::<Vec<_>>()
    };
    needs.keys().map(of).filter(|circle| circle.len() > 1).collect()
}
