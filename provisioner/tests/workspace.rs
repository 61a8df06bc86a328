//! The one profile: what moves the data is optimised, what only speaks to AWS isn't.

use std::path::Path;
use std::process::Command;

use toml::Value;

/// Crates that no record passes through.
const ASIDE: &[(&str, &str)] = &[
    ("lakewright", "plans and applies"),
    ("lakewright-account", "a tool: what matters of it is S3, which waits for the disk"),
    ("lakewright-agent", "starts the agents"),
    ("lakewright-aws", "waits for AWS; what it sends and receives is copied by its dependencies"),
    ("lakewright-batch", "submits models"),
    ("lakewright-ec2", "waits for AWS"),
    ("lakewright-features", "holds no code"),
    ("lakewright-local", "starts the local parts"),
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
        assert_eq!(level(name), if aside { None } else { Some(3) }, "{name}: opt-level 3, or a reason in ASIDE");
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
