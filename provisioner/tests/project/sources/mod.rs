//! The sources of a crate, as tests read them.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of this crate's sources.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The folders of the workspace's crates.
pub fn members() -> Vec<String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).expect("the workspace's manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members");
    members.iter().map(|member| member.as_str().expect("a folder").to_owned()).collect()
}

/// Every file below a folder of sources but those of tests.
pub fn paths(root: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    collect(root, &mut paths);
    let below = paths.iter().map(|path| path.strip_prefix(root).expect("a file below the root").to_owned());
    below.filter(|path| !is_of_tests(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a file of the folder").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn is_of_tests(path: &Path) -> bool {
    let is_file = ["tests.rs", "testing.rs"].iter().any(|name| path.ends_with(name));
    is_file || path.components().any(|part| part.as_os_str() == "tests")
}

/// The top-level module that a file belongs to: its first folder, or its own name.
pub fn module(path: &Path) -> String {
    let first = path.components().next().expect("a path").as_os_str().to_str().expect("a name in UTF-8");
    first.trim_end_matches(".rs").to_owned()
}

/// The lines of a source that count: no comments, and nothing that is compiled for unit tests only.
pub fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let item = lines.find(|line| !line.trim_start().starts_with("#[")).unwrap_or_default();
            if item.ends_with('{') {
                let indentation = &item[..item.len() - item.trim_start().len()];
                let end = format!("{indentation}}}");
                lines.find(|line| line.starts_with(&end));
            }
        } else if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The code of a file below a folder of sources.
pub fn read(root: &Path, path: &Path) -> String {
    code(&fs::read_to_string(root.join(path)).expect("a source"))
}
