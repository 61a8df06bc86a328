//! `lakewright check --compat`: against a file, and against a revision of git.

use std::path::Path;

use tokio::process::Command;

/// Runs a program in a folder: its exit code and all that it prints.
async fn run(folder: &Path, program: &str, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).env("NO_COLOR", "1").env("HOME", folder);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn a_pull_request_that_breaks_readers_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (here, stacks) = (folder.path(), folder.path().join("stacks"));
    let minimal =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/minimal.toml")).unwrap();
    std::fs::create_dir(&stacks).unwrap();
    std::fs::write(here.join("base.toml"), &minimal).unwrap();
    std::fs::write(stacks.join("shop.toml"), "extends = \"../base.toml\"\n").unwrap();
    for words in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "first"],
    ] {
        assert_eq!(run(here, "git", words).await, (Some(0), String::new()));
    }
    let lakewright = env!("CARGO_BIN_EXE_lakewright");
    let compat = |base: &'static str, stack: &'static str| async move {
        run(here, lakewright, &["check", stack, "--compat", base]).await
    };

    let (code, said) = compat("HEAD", "stacks/shop.toml").await;
    assert!(code == Some(0) && said.contains("Nothing breaks"), "{said}");
    let changed = minimal.replace("quantity = \"int\"", "quantity = \"string\"");
    std::fs::write(here.join("base.toml"), &changed).unwrap();
    std::fs::write(here.join("before.toml"), &minimal).unwrap();
    for base in ["HEAD", "before.toml"] {
        let (code, said) = compat(base, "stacks/shop.toml").await;
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("readers and producers table.sales: the column `quantity` was int, and is string"),
            "{said}"
        );
        assert!(said.contains("../base.toml:"), "the place is named: {said}");
    }
    let meant = format!("{changed}\n[allow.breaking-change]\n\"table.sales\" = \"agreed\"\n");
    std::fs::write(here.join("base.toml"), meant).unwrap();
    let (code, said) = compat("HEAD", "stacks/shop.toml").await;
    assert!(code == Some(0) && said.contains("allowed: agreed"), "{said}");
    // Agreed once: it is no excuse for the next change.
    let committed = ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-am", "second"];
    assert_eq!(run(here, "git", &committed).await, (Some(0), String::new()));
    let again = std::fs::read_to_string(here.join("base.toml")).unwrap().replace("quantity = \"string\", ", "");
    std::fs::write(here.join("base.toml"), &again).unwrap();
    let (code, said) = compat("HEAD", "stacks/shop.toml").await;
    assert!(code == Some(1) && said.contains("the column `quantity` is gone"), "{said}");
    // The rules don't call it idle.
    let (_, said) = run(here, lakewright, &["check", "stacks/shop.toml"]).await;
    assert!(!said.contains("breaking-change"), "{said}");

    // The base is read with those variables that it declares.
    let with = |vars: &str| format!("{vars}{}", again.replace("brokers = 2", "brokers = \"${var.brokers}\""));
    std::fs::write(here.join("declares.toml"), with("[vars]\nbrokers = 2\n")).unwrap();
    for (base, brokers) in [("HEAD", "4"), ("before.toml", "4"), ("declares.toml", "4"), ("declares.toml", "three")] {
        let var = format!("brokers={brokers}");
        std::fs::write(here.join("base.toml"), with("[vars]\nbrokers = 2\n")).unwrap();
        let (code, said) = run(here, lakewright, &["check", "stacks/shop.toml", "--compat", base, "--var", &var]).await;
        let compared = said.contains("the column `quantity` is gone") || said.contains("Nothing breaks");
        assert_eq!(compared, brokers == "4", "{base}, {code:?}: {said}");
    }
    std::fs::write(here.join("base.toml"), &again).unwrap();
    let (_, said) =
        run(here, lakewright, &["check", "stacks/shop.toml", "--compat", "HEAD", "--var", "brokers=4"]).await;
    assert!(said.contains("there is no variable `brokers`"), "a mistake in what is checked stays one: {said}");

    std::fs::write(here.join("new.toml"), &minimal).unwrap();
    let (code, said) = compat("HEAD", "new.toml").await;
    assert!(code == Some(0) && said.contains("HEAD has no such stack file"), "{said}");
    for base in ["no-branch", "--help", ""] {
        let words = ["check".to_owned(), "stacks/shop.toml".to_owned(), format!("--compat={base}")];
        let (code, said) = run(here, lakewright, &words.each_ref().map(String::as_str)).await;
        assert!(code == Some(1) && said.contains("neither a file nor a revision of git"), "{base}: {said}");
    }
}
