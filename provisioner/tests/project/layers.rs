//! The top-level modules of the crate stand in layers: each names only those below it, so that no two of them need each
//! other, directly or by way of others. In the other crates of the workspace no two do either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::paths;
use crate::sources::{self, code, module};

/// The modules from bottom to top.
const LAYERS: &[&str] = &[
    "plain",
    "resource",
    "reference",
    "names",
    "suggest",
    "lookup",
    "families",
    "services",
    "intents",
    "record",
    "reading",
    "charge",
    "kind",
    "kinds",
    "plan",
    "cost",
    "quotas",
    "permissions",
    "checks",
    "lease",
    "apply",
    "sweep",
    "whose",
    "stack",
    "compat",
    "render",
    "app",
    "up",
    "cli",
];

/// The files of `cli` that start `up`.
const STARTS_UP: [&str; 2] = ["cli/commands.rs", "cli/mod.rs"];

/// A file, and the top-level modules that it names.
struct Source {
    /// Its path below `src`.
    path: PathBuf,
    /// The module that it belongs to.
    module: String,
    /// The others that it names.
    names: BTreeSet<String>,
}

/// Every file of the crate but its roots and those of tests.
fn files() -> Vec<Source> {
    files_below(&sources::root())
}

/// Every file below a crate's folder of sources but its roots and those of tests.
fn files_below(root: &Path) -> Vec<Source> {
    let paths: Vec<PathBuf> = sources::paths(root).into_iter().filter(|path| !is_root(path)).collect();
    let modules: BTreeSet<String> = paths.iter().map(|path| module(path)).collect();
    let source = |path: PathBuf| {
        let module = module(&path);
        let named = named(&sources::read(root, &path), &path);
        let names = named.into_iter().filter(|name| modules.contains(name) && *name != module).collect();
        Source { path, module, names }
    };
    paths.into_iter().map(source).collect()
}

fn is_root(path: &Path) -> bool {
    path == Path::new("lib.rs") || path == Path::new("main.rs")
}

/// The modules right below the root of the crate that a file names.
fn named(code: &str, path: &Path) -> BTreeSet<String> {
    paths::named(code, &paths::module(path)).into_iter().filter_map(|path| path.into_iter().next()).collect()
}

#[test]
fn every_top_level_module_has_one_layer() {
    let modules: BTreeSet<String> = files().into_iter().map(|source| source.module).collect();
    let layers: BTreeSet<String> = LAYERS.iter().map(|layer| (*layer).to_owned()).collect();
    assert_eq!(modules, layers);
    assert_eq!(layers.len(), LAYERS.len(), "a module stands in the list twice");
}

#[test]
fn modules_name_only_those_below_them() {
    let heights: BTreeMap<&str, usize> = LAYERS.iter().copied().zip(0..).collect();
    let mut wrong = Vec::new();
    for Source { path, module, names } in files() {
        let too_high = names.iter().filter(|name| heights.get(name.as_str()) >= heights.get(module.as_str()));
        wrong.extend(too_high.map(|name| format!("{} names `{name}`, which stands above `{module}`", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The modules of each circle, and the circles in the order of their first modules.
fn circles(files: &[Source]) -> BTreeSet<Vec<String>> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Source { module, names, .. } in files {
        needs.entry(module.clone()).or_default().extend(names.iter().cloned());
    }
    paths::circles(needs)
}

#[test]
fn modules_of_no_crate_need_each_other() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut found = Vec::new();
    for member in sources::members() {
        let circles = circles(&files_below(&workspace.join(&member).join("src")));
        found.extend(circles.into_iter().map(|circle| format!("{member}: {}", circle.join(", "))));
    }
    let what = "what several of them need belongs into a module below them, or they are one:";
    assert!(found.is_empty(), "modules need each other, directly or by way of others; {what}\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_across_a_third_module() {
    let source = |module: &str, names: &[&str]| Source {
        path: PathBuf::new(),
        module: module.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let files = [source("a", &["b"]), source("b", &["c"]), source("c", &["a", "d"]), source("d", &[])];
    assert_eq!(circles(&files), BTreeSet::from([["a", "b", "c"].map(str::to_owned).to_vec()]));
}

#[test]
fn commands_and_up_meet_only_where_up_is_started() {
    let files = files();
    let of_up = files.iter().filter(|source| source.module == "cli" && source.names.contains("up"));
    let mut starts: Vec<&Path> = of_up.map(|source| source.path.as_path()).collect();
    starts.sort();
    assert_eq!(starts, STARTS_UP.map(Path::new));
    for module in ["up", "cli"] {
        let mut of_module = files.iter().filter(|source| source.module == module);
        assert!(of_module.any(|source| source.names.contains("app")), "{module} is made of use cases");
    }
}

#[test]
fn names_are_found_wherever_paths_may_stand() {
    let text = "\
use super::super::suggest;
use super::step;
use crate::kind::{Context, Kind};
use crate::{cost, plan::{self, Plan}, resource::Address};
// use crate::up;
fn live(live: &crate::sweep::Live) {}
#[cfg(test)]
#[path = \"fake.rs\"]
mod fake {
    use crate::cli;
}
#[cfg(test)]
mod testing;
fn after() { crate::render::text(othercrate::apply) }
";
    let found = named(&code(text), Path::new("plan/step.rs"));
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["cost", "kind", "plan", "render", "resource", "suggest", "sweep"]);
}
