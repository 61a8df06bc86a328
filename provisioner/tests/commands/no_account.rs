//! What can be asked of a stack file or a saved plan without an account: on a machine that has no AWS settings at all.

use std::net::TcpListener;
use std::path::Path;

use tokio::process::Command;

use crate::place::Place;

/// What is typed, and what the answer holds.
const ASKED: &[(&[&str], &str)] = &[
    (&["graph", "SHOP"], "<svg"),
    (&["graph", "SHOP", "--format", "dot"], "\"table.sales\" -> \"database.raw\""),
    (&["graph", "shop.plan", "--format", "dot"], "[label=\"+ table.sales\""),
    (&["graph", "shop.plan", "--changes"], "+ table.sales"),
    (&["show", "shop.plan"], "table.sales"),
    (&["explain", "bucket"], "bucket"),
    (&["explain", "bucket.raw", "--stack", "SHOP"], "is needed by"),
    (&["check", "SHOP"], "nothing found"),
    (&["check", "--rules"], "open-ingress"),
    (&["cost", "SHOP"], "cluster.main"),
    (&["permissions", "SHOP", "--account", "123456789012"], "kafka:CreateClusterV2"),
    (&["schema"], "\"$defs\""),
    (&["schema", "--kinds"], "## bucket"),
    (&["completion", "bash"], "lakewright"),
    (&["init", "new.toml", "--yes"], ""),
    (&["graph", "new.toml", "--format", "dot"], "digraph"),
];

/// Runs them with these variables alone.
async fn ask(folder: &Path, variables: &[(&str, &str)]) {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/shop.toml").display().to_string();
    let _ = std::fs::remove_file(folder.join("new.toml"));
    for (words, expected) in ASKED {
        let words: Vec<&str> = words.iter().map(|word| if *word == "SHOP" { &shop } else { *word }).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakewright"));
        command.args(&words).current_dir(folder).env_clear().envs(variables.iter().copied());
        // What hosts install is a file beside the program, or this one.
        command.env("LAKEWRIGHT_AGENT", folder.join("lakewright-agent"));
        let output = command.stdin(std::process::Stdio::null()).output().await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{words:?}\n{out}\n{err}");
        assert!(out.contains(expected), "{words:?}\n{out}\n{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_file_tells_much_without_an_account() {
    let place = Place::new().await;
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/shop.toml").display().to_string();
    let saved = place.folder.path().join("shop.plan").display().to_string();
    let plan = place.run(&["plan", &shop, "--out", &saved]).await;
    assert_eq!(plan.code, Some(0), "{}", plan.err);

    ask(place.folder.path(), &[("AWS_EC2_METADATA_DISABLED", "true")]).await;

    // Whatever would be asked of AWS or of the instance that this might be comes in here.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let watched = ["AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    ask(place.folder.path(), &watched.map(|name| (name, url.as_str()))).await;
    assert!(listener.accept().is_err(), "something was asked");
}

#[tokio::test]
async fn a_shell_that_evaluates_nothing_stops_there() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("eval $({} env) && echo went on", env!("CARGO_BIN_EXE_lakewright"));
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output().await.unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!output.stderr.is_empty(), "what is wrong is said");
}

#[tokio::test]
async fn mistakes_are_said_to_hide_what_rules_find() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evil.toml");
    std::fs::write(&file, "[stack]\nname = \"evil\"\n[resource.key.k]\nalias = \"not this\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lakewright")).arg("check").arg(&file).output().await.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("the rules weren't judged") && err.contains("not a valid alias"), "{err}");
}
