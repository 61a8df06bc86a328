//! `lakewright transform test`, as it is typed: on a machine that has no AWS settings at all.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const STACK: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

[agents.shipper]
topics = ["app", "web"]

[[agents.shipper.transforms]]
type = "parse_json"
on_error = "refuse"

[[agents.shipper.transforms]]
type = "drop"
when = 'level == "debug"'

[[agents.shipper.transforms]]
type = "types"
fields = { status = "int" }
from = ["web"]

[[agents.shipper.transforms]]
type = "mask"
what = ["email"]

[[agents.shipper.transforms]]
type = "route"
to = "audit"
when = "audit exists"
"#;

/// What a command answers: exit code, standard output, standard error.
fn asked(folder: &Path, words: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    std::fs::write(folder.join("stack.toml"), STACK).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakewright"));
    command.args(["transform", "test", "stack.toml"]).args(words).current_dir(folder).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses its options doesn't read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn each_line_is_shown_as_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let lines =
        "{\"a\":\"ann@example.com\",\"status\":\"200\"}\n{\"level\":\"debug\"}\n{\"status\":\"many\",\"audit\":1}";
    let (code, out, err) = asked(folder.path(), &["--source", "web"], lines.as_bytes());
    assert_eq!(
        (code, err.as_str()),
        (Some(0), "3 lines: 2 kept, 1 of them with errors; 1 left out; 0 refused.\n"),
        "{out}"
    );
    let shown = "\
line 1 kept
    {
  -   \"a\": \"ann@example.com\",
  -   \"status\": \"200\"
  +   \"a\": \"***\",
  +   \"status\": 200
    }
line 2 left out by drop (transform 2): its condition is met
  {\"level\":\"debug\"}
line 3 kept, to the index of audit
  ! types (transform 3): `status` is \"many\", no whole number of 64 bits
    {
      \"status\": \"many\",
  -   \"audit\": 1
  +   \"audit\": 1,
  +   \"transform_errors\": [
  +     \"types (transform 3): `status` is \\\"many\\\", no whole number of 64 bits\"
  +   ]
    }
";
    assert_eq!(out, shown);
}

#[test]
fn a_refused_line_is_an_error_and_its_text_does_nothing_to_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lines"), b"plain \x1b[2J\xff\n").unwrap();
    let (code, out, err) = asked(folder.path(), &["lines", "--source", "app"], b"");
    assert_eq!(code, Some(1), "{out}{err}");
    let shown =
        "line 1 refused: parse_json (transform 1): the record isn't UTF-8 at byte 10 of 11\n  plain \\x1b[2J\u{fffd}\n";
    assert_eq!(out, shown);
    let (code, out, _) = asked(folder.path(), &["-", "--source", "app", "--format", "json"], b"{\"a\":1}\nx\n");
    assert_eq!(code, Some(1));
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["outcome"], &lines[0]["event"]["a"]), (&"keep".into(), &1.into()));
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["by"]["type"], &lines[1]["line"]),
        (&"refuse".into(), &"parse_json".into(), &2.into())
    );
}

#[test]
fn cases_hold_what_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let cases = r#"
{"name": "addresses are hidden", "source": "app", "input": {"a": "ann@example.com"}, "output": {"a": "***"}}
{"name": "no debug lines", "source": "app", "input": {"level": "debug"}, "output": "drop"}
{"source": "web", "input": "{\"status\":\"7\",\"audit\":1}", "output": {"audit": 1, "status": 7}, "route": "audit"}
{"source": "web", "input": "x", "output": "refuse"}
"#;
    std::fs::write(folder.path().join("cases"), cases).unwrap();
    let (code, out, err) = asked(folder.path(), &["--expect", "cases"], b"");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("ok case 1, addresses are hidden") && out.ends_with("4 cases, all as expected.\n"), "{out}");

    let wrong = r#"[{"source": "web", "input": {"status": "8"}, "output": {"status": "8"}}, {"source": "app", "input": "x", "output": {}}]"#;
    std::fs::write(folder.path().join("cases"), wrong).unwrap();
    let (code, out, _) = asked(folder.path(), &["--expect", "cases"], b"");
    assert_eq!(code, Some(1));
    let shown = "\
not as expected: case 1
  the event differs
    {
  -   \"status\": \"8\"
  +   \"status\": 8
    }
not as expected: case 2
  expected an event, and it was refuse
  what it became: refused: parse_json (transform 1): expected value at line 1 column 1
  x
2 cases, 2 not as expected.
";
    assert_eq!(out, shown);
}

#[test]
fn what_cannot_be_tried_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cases"), "{\"input\": 1}\n").unwrap();
    for (words, part) in [
        (&[][..], "name one of them: --source app or web"),
        (&["--source", "wbe"], "did you mean `web`?"),
        (&["none", "--source", "app"], "open none"),
        (&["--expect", "cases"], "cases:1"),
        (&["--source", "app", "--time", "noon"], "2026-01-02T15:04:05Z"),
    ] {
        let (code, out, err) = asked(folder.path(), words, b"");
        assert!(code.is_some_and(|code| code > 0) && err.contains(part), "{words:?} {code:?}\n{out}{err}");
    }
}
