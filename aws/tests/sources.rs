//! What an error code means stands in one file: no other source of the workspace decides by codes or messages.

use std::path::{Path, PathBuf};

/// What a decision by code or message begins with.
const DECISIONS: [&str; 8] = [
    ".code ==",
    ".code !=",
    ".code.as_str()",
    ".code.starts_with(",
    ".code.ends_with(",
    ".code.contains(",
    ".message.contains(",
    "matches!(error.code",
];

/// Folders that may: the tables, and the emulator, whose own errors have nothing but AWS's codes.
const LEFT_OUT: [&str; 2] = ["aws/src/errors", "local/account"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

/// All Rust sources below a folder, but for what builds leave behind and for hidden folders.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines that decide by a code or a message, as numbers from 1; those of the tests at a file's end may compare what
/// is shown to people.
fn decisions(text: &str) -> Vec<usize> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let decides = |line: &str| {
        // The exit codes that some programs end with are no strings.
        let line = line.replace(".code == Some(", "").replace(".code != Some(", "");
        DECISIONS.iter().any(|decision| line.contains(decision))
    };
    code.lines().zip(1..).filter(|(line, _)| decides(line)).map(|(_, number)| number).collect()
}

#[test]
fn decisions_by_code_and_message_are_recognised() {
    for line in [
        r#"Err(error) if error.code == "NoSuchKey" => {}"#,
        "Err(error) if refusal.code != CONFLICT => {}",
        r#"matches!(error.code.as_str(), "A" | "B")"#,
        r#"error.message.contains("cannot be assumed")"#,
        r#"if error.code.starts_with("AlreadyExists") {"#,
    ] {
        assert_eq!(decisions(&format!("fn one() {{\n{line}\n}}")), [2], "{line}");
    }
    for line in [
        "assert!(said.code == Some(2));",
        "Err(error) if error.kind == ErrorKind::NotSet => {}",
        r#"let one = ("max.message.bytes", error.code());"#,
    ] {
        assert_eq!(decisions(line), [0; 0], "{line}");
    }
}

#[test]
fn nothing_outside_the_tables_decides_by_code_or_message() {
    let root = root();
    let mut found = Vec::new();
    sources(&root, &mut found);
    let is_seen = |name: &str| found.contains(&root.join(name));
    assert!(is_seen("provisioner/src/kinds/bucket.rs") && is_seen("libs/lake/src/commit.rs"), "{}", root.display());
    let mut said = Vec::new();
    for path in found {
        let name = path.strip_prefix(&root).expect("it is below").to_owned();
        let is_test = name.components().any(|part| part.as_os_str() == "tests");
        if is_test || LEFT_OUT.iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable source");
        said.extend(decisions(&text).into_iter().map(|line| format!("{}:{line}", name.display())));
    }
    assert!(said.is_empty(), "decide by `error.kind`, of a row in aws/src/errors/table.rs: {}", said.join(", "));
}
