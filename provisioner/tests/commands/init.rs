//! What `init` writes: it is checked and applied as it is, and the second plan is empty.

use crate::place::Place;

/// Each flag of each question at least once, and those together that meet in one file.
const CASES: &[(&str, &[&str])] = &[
    ("defaults", &[]),
    ("cheapest", &["--size", "cheapest", "--agents", "producer,stream,shipper,batch"]),
    (
        "told",
        &[
            "--size",
            "cheapest",
            "--alarm-email",
            "ops@example.com",
            "--monthly-budget",
            "500",
            "--agents",
            "stream,batch",
        ],
    ),
    ("purse", &["--monthly-budget", "500", "--budget-email", "purse@example.com", "--agents", "none", "--zones", "2"]),
    ("password", &["--authentication", "scram", "--agents", "producer,shipper", "--alarm-email", "ops@example.com"]),
    (
        "production",
        &["--size", "production", "--agents", "producer,stream,shipper,batch", "--alarm-email", "ops@example.com"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_applies_as_it_is() {
    for (name, flags) in CASES {
        // Clusters of one account share the one Kafka behind it.
        let place = Place::new().await;
        let folder = place.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("stack.toml").display().to_string();
        let mut line = vec!["init", &file, "--name", name];
        line.extend(*flags);
        for (command, code) in [
            (line, 0),
            // Who applies a production stack, and within which boundary, is for its owner to say.
            (vec!["check", &file], i32::from(*name == "production")),
            (vec!["apply", &file, "--yes"], 0),
            (vec!["plan", &file, "--detailed-exitcode"], 0),
        ] {
            let said = place.run(&command).await;
            assert_eq!(said.code, Some(code), "{command:?}\n{}{}", said.out, said.err);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_region_is_the_one_that_is_named() {
    let place = Place::new().await;
    let folder = place.folder.path();
    for (flag, variables, expected) in [
        (None, &[][..], "eu-north-1"),
        (None, &[("AWS_DEFAULT_REGION", "us-east-1")], "us-east-1"),
        (None, &[("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_REGION", "us-west-2")], "us-west-2"),
        (Some("ap-northeast-1"), &[("AWS_REGION", "us-west-2")], "ap-northeast-1"),
        (None, &[("AWS_REGION", "nowhere"), ("AWS_DEFAULT_REGION", "eu-west-1")], "eu-west-1"),
    ] {
        let file = folder.join("region.toml");
        let path = file.display().to_string();
        let mut line = vec!["init", &path, "--force"];
        line.extend(flag.into_iter().flat_map(|region| ["--region", region]));
        let said = place.run_with(&line, variables).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(&format!("region = \"{expected}\"")), "{flag:?} {variables:?}\n{text}");
    }
    let said = place.run(&["init", "--force", "--region", "mars"]).await;
    assert!(said.code == Some(2) && said.err.contains("regions are named as in eu-north-1"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_stays_unless_forced() {
    let place = Place::new().await;
    let folder = place.folder.path();
    std::fs::create_dir(folder.join("models")).unwrap();
    let (file, model) = (folder.join("my.toml"), folder.join("models/sales.sql"));
    std::fs::write(&file, "mine").unwrap();
    std::fs::write(&model, "mine too").unwrap();
    let path = file.display().to_string();
    let line = ["init", &path, "--yes", "--agents", "batch"];
    let said = place.run(&line).await;
    assert!(said.code == Some(1) && said.err.contains("--force"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let said = place.run(&[&line[..], &["--force"]].concat()).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(std::fs::read_to_string(&file).unwrap().contains("[batch]"));
    assert_eq!(std::fs::read_to_string(&model).unwrap(), "mine too");
}
