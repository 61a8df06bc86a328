//! The one profile: what moves the data and what judges each call is optimised, what only speaks to AWS isn't. The manifests: what a crate
//! depends on, its code names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Value;

/// Crates that no record passes through.
const ASIDE: &[(&str, &str)] = &[
    ("lakewright", "plans and applies"),
    ("lakewright-account", "a tool: what matters of it is S3, which waits for the disk"),
    ("lakewright-acls", "asks Kafka a few times an hour"),
    ("lakewright-agent", "starts the agents"),
    ("lakewright-aws", "waits for AWS; what it sends and receives is copied by its dependencies"),
    ("lakewright-batch", "submits models"),
    ("lakewright-ec2", "waits for AWS"),
    ("lakewright-features", "holds no code"),
    ("lakewright-local", "starts the local parts"),
    ("lakewright-platform", "waits for others: the search cluster, status pages, signals"),
    ("lakewright-registry", "answers once for each schema"),
    ("lakewright-samples", "makes a few messages a second on laptops"),
    ("lakewright-sql", "plans queries, which DataFusion runs"),
];

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Value::Table(text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn every_crate_on_the_datas_way_is_optimised_and_no_sdk_crate_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let workspace = read(&root.join("Cargo.toml"));
    let level = |name: &str| {
        workspace["profile"]["dev"]["package"].get(name).and_then(|package| package["opt-level"].as_integer())
    };
    let members = workspace["workspace"]["members"].as_array().expect("members");
    for member in members.iter().filter_map(Value::as_str) {
        let package = read(&root.join(member).join("Cargo.toml"));
        let name = package["package"]["name"].as_str().expect("a name");
        let aside = ASIDE.iter().any(|(aside, _)| *aside == name);
        assert_eq!(level(name), Some(if aside { 0 } else { 3 }), "{name}: opt-level 3, or 0 and a reason in ASIDE");
    }
    let dependencies = workspace["workspace"]["dependencies"].as_table().expect("dependencies");
    let mut sdk = dependencies.keys().filter(|name| name.starts_with("aws-sdk-")).peekable();
    assert!(sdk.peek().is_some());
    for name in sdk {
        assert_eq!(level(name), Some(0), "{name} takes its time to build: opt-level 0");
    }
}

#[test]
fn the_provisioner_links_ec2_and_the_agents_dont() {
    let crates = |program: &str| {
        let arguments = ["tree", "--package", program, "--edges", "normal", "--prefix", "none", "--offline"];
        let output = Command::new(env!("CARGO")).args(arguments).output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(crates("lakewright").contains("aws-sdk-ec2 "));
    let agent = crates("lakewright-agent");
    assert!(agent.contains("aws-sdk-s3 ") && !agent.contains("aws-sdk-ec2 "));
}

/// What a crate depends on without naming it, by crate and dependency.
const UNNAMED: &[(&str, &[&str], &str)] = &[(
    "lakewright-lake",
    &["arrow-ipc", "bon", "object_store"],
    "asks for the features that DataFusion asks of them, so that agents alone and the workspace share one build",
)];

/// The text of a crate's sources below the folders, without comments, and that of the files that they take in by
/// `#[path]`.
fn code(package: &Path, folders: &[&str]) -> String {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| package.join(folder)).collect();
    let (mut read, mut code) = (BTreeSet::new(), String::new());
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a folder of sources");
            waiting.extend(entries.map(|entry| entry.expect("a file of the folder").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
            if !read.insert(path.canonicalize().expect("a file")) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source");
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                if let Some(other) = line.split_once("#[path = \"").and_then(|(_, rest)| rest.split_once('"')) {
                    waiting.push(path.with_file_name(other.0));
                }
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    code
}

/// Whether the code names a crate.
fn names(code: &str, library: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(library).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + library.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// The name that code has for a dependency, where it isn't the package's with `_` for `-`.
fn library(dependency: &str) -> String {
    match dependency {
        "layout-rs" => "layout".to_owned(),
        "md-5" => "md5".to_owned(),
        other => other.replace('-', "_"),
    }
}

/// A crate's dependencies that none of its code names.
fn unnamed(package: &Path, manifest: &Value) -> BTreeSet<String> {
    const TESTS: [&str; 5] = ["src", "tests", "benches", "examples", "build.rs"];
    let mut unnamed = BTreeSet::new();
    for (table, folders) in
        [("dependencies", &TESTS[..1]), ("dev-dependencies", &TESTS[..]), ("build-dependencies", &TESTS[4..])]
    {
        let code = code(package, folders);
        let dependencies = manifest.get(table).and_then(Value::as_table);
        let dependencies = dependencies.into_iter().flat_map(|table| table.keys());
        unnamed.extend(dependencies.filter(|one| !names(&code, &library(one))).cloned());
    }
    unnamed.remove("lakewright-features");
    unnamed
}

#[test]
fn every_dependency_is_named_by_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let workspace = read(&root.join("Cargo.toml"));
    let mut used = BTreeSet::new();
    for member in workspace["workspace"]["members"].as_array().expect("members").iter().filter_map(Value::as_str) {
        let manifest = read(&root.join(member).join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().expect("a name");
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let asked = manifest.get(table).and_then(Value::as_table).into_iter().flatten();
            used.extend(asked.filter(|(_, one)| one.get("workspace").is_some()).map(|(name, _)| name.clone()));
        }
        // The crate whose dependencies are there for their features alone.
        if name == "lakewright-features" {
            continue;
        }
        let allowed = UNNAMED.iter().filter(|(package, ..)| *package == name).flat_map(|(_, some, _)| some.iter());
        let allowed: BTreeSet<String> = allowed.map(|one| (*one).to_owned()).collect();
        assert_eq!(unnamed(&root.join(member), &manifest), allowed, "{name}: dependencies that no code names");
    }
    let declared = workspace["workspace"]["dependencies"].as_table().expect("dependencies");
    let unused: Vec<&String> = declared.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "in [workspace.dependencies], and no crate's: {unused:?}");
}

#[test]
fn a_dependency_that_only_a_comment_or_another_name_holds_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("src/lib.rs", "// rand::random\nuse hyper_util as h;\nfn f() { md5::new(); serde_json::json!(1); }\n");
    write("tests/it.rs", "#[path = \"../shared/support.rs\"]\nmod support;\n");
    write("shared/support.rs", "use axum::Router;\n");
    let dependencies = |names: &[&str]| names.iter().map(|name| format!("{name} = \"1\"\n")).collect::<String>();
    let manifest = format!(
        "[dependencies]\n{}[dev-dependencies]\n{}",
        dependencies(&["rand", "hyper", "hyper-util", "md-5", "serde_json"]),
        dependencies(&["axum", "hyper-util", "insta"])
    );
    let found = unnamed(folder.path(), &Value::Table(manifest.parse().expect("TOML")));
    assert_eq!(found, ["hyper", "insta", "rand"].map(str::to_owned).into());
}
