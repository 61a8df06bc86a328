//! Those who apply a stack, and an evaluator that is asked what they may do.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use lakewright::permissions::Deployer;
use lakewright::resource::Desired;
use lakewright::stack::{Given, Programs, Stack, Target, expand, load};
use lakewright_iam::{Document, Kind, Policies, Policy, Principal, Request};
use serde_json::Value;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-north-1";
/// A policy that bounds roles.
pub const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/shop-boundary";

fn read(path: &Path) -> Stack {
    let given = |name: &str, value: &str| format!("{name}={value}");
    let mut arguments = Vec::new();
    if path.ends_with("existing.toml") {
        arguments = vec![
            given("vpc", "vpc-0123456789abcdef0"),
            given("a", "subnet-0123456789abcdef0"),
            given("b", "subnet-0123456789abcdef1"),
        ];
    }
    let given = Given { arguments, ..Given::default() };
    load(path, &given).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()))
}

/// Every stack file of the repository.
pub fn stacks() -> Vec<(String, Stack)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths: Vec<PathBuf> = ["stacks", "tests/e2e/stacks"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10);
    paths.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(path))).collect()
}

/// The shop.
pub fn shop() -> Stack {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/shop.toml"))
}

/// What a stack stands for.
pub fn desired(stack: &Stack) -> Desired {
    let target = Target { account: ACCOUNT.to_owned(), region: REGION.to_owned() };
    expand(stack, &target, &Programs::default())
}

/// Who applies it.
pub fn deployer(desired: &Desired) -> Deployer<'_> {
    Deployer {
        desired,
        account: ACCOUNT,
        region: REGION,
        role: None,
        boundary: None,
        state_bucket: "lakewright-123456789012-eu-north-1",
        is_own: false,
    }
}

/// Policies, to be asked.
pub fn judged(policies: &[Value]) -> Policies {
    let policy = |policy: &Value| Policy::new("deployer", Document::parse(Kind::Identity, policy).unwrap());
    Policies::of_identity(policies.iter().map(policy))
}

fn asked(action: &str, resource: &str, keys: &[(&str, &str)]) -> Request {
    let who = Principal::session("arn:aws:iam::123456789012:role/deployer", "apply");
    let request =
        Request::new(who, action, resource).key("aws:RequestedRegion", REGION).key("aws:ResourceAccount", ACCOUNT);
    keys.iter().fold(request, |request, (key, value)| request.key(key, value)).as_known()
}

/// Whether they allow it, with the keys that AWS brings.
pub fn allows(policies: &Policies, action: &str, resource: &str, keys: &[(&str, &str)]) -> bool {
    policies.evaluate(&asked(action, resource, keys)).is_allowed()
}

/// The texts of a list.
pub fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn statements(policies: &[Value]) -> impl Iterator<Item = &Value> {
    policies.iter().flat_map(|policy| policy["Statement"].as_array().unwrap())
}

/// The statements that allow something.
pub fn allowing(policies: &[Value]) -> impl Iterator<Item = &Value> {
    statements(policies).filter(|statement| statement["Effect"] == "Allow")
}

/// What carries the tag of the stack `shop`.
pub const OWNED: &[(&str, &str)] = &[("aws:ResourceTag/lakewright:stack", "shop")];
/// What is tagged as the stack `shop`'s by the request.
pub const MADE: &[(&str, &str)] = &[("aws:RequestTag/lakewright:stack", "shop")];
