//! No modules of different folders need each other, directly or by way of others, however deep the folders lie: what two need is
//! below both. Files of one folder may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::paths::{self, Module, module, named};
use crate::sources;

/// The circles among what stands in one folder in which something with a folder of its own takes part, a sentence each.
fn circles(files: &BTreeMap<Module, String>) -> Vec<String> {
    let mut known: BTreeSet<&[String]> = BTreeSet::new();
    for module in files.keys() {
        known.extend((0..=module.len()).map(|end| &module[..end]));
    }
    let mut edges: BTreeSet<(&[String], &[String])> = BTreeSet::new();
    for (from, code) in files {
        for path in named(code, from) {
            let longest = (0..=path.len()).rev().find_map(|end| known.get(&path[..end]));
            edges.extend(longest.map(|to| (&from[..], *to)));
        }
    }
    let folders: BTreeSet<&[String]> = known.iter().filter_map(|module| Some(module.split_last()?.1)).collect();
    let mut found = Vec::new();
    for folder in &folders {
        let child = |module: &[String]| module.strip_prefix(*folder).and_then(|rest| rest.first().cloned());
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in &edges {
            if let (Some(from), Some(to)) = (child(from), child(to)) {
                needs.entry(from).or_default().insert(to);
            }
        }
        let has_folder = |name: &String| folders.contains(&[*folder, std::slice::from_ref(name)].concat()[..]);
        let all = paths::circles(needs).into_iter().filter(|circle| circle.iter().any(has_folder));
        found.extend(all.map(|circle| format!("in {}: {}", folder.join("/"), circle.join(", "))));
    }
    found
}

#[test]
fn modules_of_different_folders_need_each_other_in_no_crate() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut found = Vec::new();
    for member in sources::members() {
        let root = workspace.join(&member).join("src");
        let files = sources::paths(&root).into_iter().map(|path| (module(&path), sources::read(&root, &path)));
        found.extend(circles(&files.collect()).into_iter().map(|circle| format!("{member} {circle}")));
    }
    assert!(found.is_empty(), "what several of them need belongs below them:\n{}", found.join("\n"));
}

#[test]
fn circles_are_found_at_each_depth_and_through_lists() {
    let file = |path: &str, code: &str| (module(Path::new(path)), code.to_owned());
    let clean = [
        file("lib.rs", "mod a; mod b;"),
        file("a/mod.rs", "use crate::b::{self, thing};"),
        file("a/x.rs", "use super::y::Y;"),
        file("a/y.rs", "use super::x::X; use self::tests::it;"),
        file("b.rs", "fn f() { other::crate::a() }"),
    ];
    assert_eq!(circles(&clean.clone().into()), Vec::<String>::new());
    let mut files: BTreeMap<Module, String> = clean.into();
    // By way of a third one, below another folder.
    files.extend([file("b.rs", "use crate::{c::C, d};"), file("c.rs", "use crate::d; use super::{d, a::{x::X}};")]);
    assert_eq!(circles(&files), ["in : a, b, c"]);
    files.extend([file("a/y/deep.rs", "fn f() -> super::super::x::X {}")]);
    assert_eq!(circles(&files), ["in : a, b, c", "in a: x, y"]);
}
