//! Every metric that the table of agents declares is made by its agent, and only the table holds metrics' names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lakewright_config::agents::AGENTS;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust files under a folder of the workspace.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

/// The constants of an agent's metrics with their names, as its file declares them: `CONSTANT = Counter "NAME", ROLE;`.
fn declared(word: &str) -> Vec<(String, String)> {
    let text = read(&workspace().join(format!("config/src/agents/{word}.rs")));
    let line = |line: &str| {
        let (constant, rest) = line.trim().split_once(" = ")?;
        let rest = ["Counter ", "Gauge ", "Histogram "].iter().find_map(|kind| rest.strip_prefix(kind))?;
        Some((constant.to_owned(), rest.split('"').nth(1)?.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Whether a text holds a word that no letter, digit or underscore makes longer at its end.
fn holds(text: &str, word: &str) -> bool {
    let longer = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[at + word.len()..].starts_with(longer))
}

#[test]
fn every_metric_of_the_table_is_made_by_its_agent() {
    for about in AGENTS {
        let word = about.word;
        let constants = declared(word);
        let names: BTreeSet<&str> = constants.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, about.metrics.iter().map(|metric| metric.name).collect(), "config/src/agents/{word}.rs");
        let code: String = sources(&format!("agents/{word}/src")).iter().map(|path| read(path)).collect();
        for (constant, name) in &constants {
            assert!(holds(&code, &format!("&{word}::{constant}")), "the agent {word} makes no metric {name}");
        }
    }
}

#[test]
fn no_metric_is_named_by_a_text() {
    let names: BTreeSet<&str> = AGENTS.iter().flat_map(|about| about.metrics).map(|metric| metric.name).collect();
    for path in ["agents", "libs", "provisioner/src"].into_iter().flat_map(sources) {
        let text = read(&path);
        for name in &names {
            let file = path.strip_prefix(workspace()).expect("a file of the workspace").display();
            assert!(!holds(&text, &format!("\"{name}")), "{file} names the metric {name}; take its constant");
        }
    }
}
