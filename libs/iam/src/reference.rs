//! What AWS knows of actions: the types of resource that one takes and the condition keys that it brings.
//!
//! A statement whose resource an action doesn't take, or that rests on a key which the action doesn't bring, never allows
//! it, however well it reads. The facts stand in `facts.tsv`, whose head says where they come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use crate::arn::Arn;
use crate::evaluate::Request;
use crate::pattern::{Pattern, Style, covers_action};

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Such as `ec2:CreateVpc`.
    pub name: String,
    /// What it does.
    pub level: Level,
    /// The types of resource that it takes.
    pub types: Vec<Taken>,
    /// The keys that it brings whatever the resource.
    pub keys: Vec<String>,
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It lists what there is.
    List,
    /// It reads what something holds.
    Read,
    /// It makes, changes or deletes.
    Write,
    /// It changes who may do what.
    Permissions,
    /// It changes tags.
    Tagging,
}

/// A type of resource that an action takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The type, such as `vpc`.
    pub name: String,
    /// Whether each call of the action has one.
    pub required: bool,
    /// The keys that it brings.
    pub keys: Vec<String>,
}

/// All that is known.
struct Facts {
    actions: BTreeMap<String, Action>,
    /// The ARNs of a type, by service and type.
    types: HashMap<String, Vec<String>>,
}

static FACTS: LazyLock<Facts> = LazyLock::new(|| parse(include_str!("facts.tsv")));

/// The prefixes of keys that begin with `aws:` and that an action brings only when the reference lists them.
const LISTED: [&str; 3] = ["aws:requesttag/", "aws:resourcetag/", "aws:tagkeys"];

/// All actions that are known.
pub fn actions() -> impl Iterator<Item = &'static Action> {
    FACTS.actions.values()
}

/// What is known of an action; case doesn't count.
pub fn action(name: &str) -> Option<&'static Action> {
    FACTS.actions.get(&name.to_lowercase())
}

/// The known actions that a pattern covers, such as `ec2:Describe*`.
pub fn covered_by(pattern: &str) -> impl Iterator<Item = &'static Action> + use<> {
    let pattern = pattern.to_lowercase();
    // Only what begins as the pattern does is compared: most patterns are names, or say the service.
    let begins = pattern.split(['*', '?']).next().unwrap_or_default().to_owned();
    let near = FACTS.actions.range(begins.clone()..).take_while(move |(name, _)| name.starts_with(&begins));
    near.filter(move |(name, _)| covers_action(&pattern, name)).map(|(_, action)| action)
}

/// The ARNs of a type of resource, with `${Account}` and the like for what varies.
pub fn arns(service: &str, kind: &str) -> &'static [String] {
    FACTS.types.get(&format!("{service}:{kind}")).map_or(&[], Vec::as_slice)
}

/// Whether every request brings the key, whatever the action.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
pub fn is_global(key: &str) -> bool {
    let key = key.to_lowercase();
    key.starts_with("aws:") && !LISTED.iter().any(|listed| key.starts_with(listed))
}

/// Whether an action brings a key with a resource of a type. Without a type: with any of those that it takes.
///
/// False also for an action that isn't known.
pub fn supports(name: &str, kind: Option<&str>, key: &str) -> bool {
    let Some(action) = action(name) else { return false };
    is_global(key) || holds(&action.keys, key) || {
        let mut types = action.types.iter().filter(|one| kind.is_none_or(|kind| one.name == kind));
        types.any(|one| holds(&one.keys, key))
    }
}

/// Whether an action takes a resource of a type.
pub fn takes(name: &str, kind: &str) -> bool {
    action(name).is_some_and(|action| action.types.iter().any(|one| one.name == kind))
}

/// The type of resource that an ARN is to an action; nothing when the action takes none such.
///
/// A pattern of a policy is read alike: `arn:aws:ec2:*:*:vpc/*` is a `vpc`.
pub fn type_of(name: &str, arn: &str) -> Option<&'static Taken> {
    let action = action(name)?;
    let service = action.name.split(':').next()?;
    let fit = |one: &&Taken| {
        let written = arns(service, &one.name).iter().filter(|written| is_of(written, arn));
        written.map(|written| fixed(written).chars().filter(|letter| *letter != '*').count()).max()
    };
    action.types.iter().filter_map(|one| Some((fit(&one)?, one))).max_by_key(|(length, _)| *length).map(|(_, one)| one)
}

/// Whether a resource is what an action is asked on: an ARN of a type that it takes, or `*` where it takes none.
pub fn is_asked_on(name: &str, resource: &str) -> bool {
    let Some(action) = action(name) else { return false };
    if resource == "*" { action.types.is_empty() } else { type_of(name, resource).is_some() }
}

impl Request {
    /// The request as AWS would bring it: without the keys that the action doesn't bring with this resource.
    #[must_use]
    pub fn as_known(mut self) -> Self {
        let (action, kind) = (self.action.clone(), type_of(&self.action, &self.resource));
        let kind = kind.map_or("", |kind| kind.name.as_str());
        self.keys.retain(|key| supports(&action, Some(kind), key));
        self
    }
}

/// Whether a list of keys holds one: `aws:RequestTag/${TagKey}` stands for every tag.
fn holds(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| match known.split_once("${").or_else(|| known.split_once('<')) {
        Some((prefix, _)) => key.len() > prefix.len() && key.to_lowercase().starts_with(&prefix.to_lowercase()),
        None => {
            let (known, key) = (known.to_lowercase(), key.to_lowercase());
            known == key || known.strip_suffix("/tag-key").is_some_and(|prefix| key.starts_with(&format!("{prefix}/")))
        }
    })
}

/// An ARN of the reference with `*` in the place of what varies.
fn fixed(written: &str) -> String {
    let mut out = String::new();
    let mut rest = written;
    while let Some((before, variable)) = rest.split_once("${") {
        out.push_str(before);
        out.push('*');
        rest = variable.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

/// Whether an ARN is written as the reference writes those of a type.
fn is_of(written: &str, arn: &str) -> bool {
    let written = fixed(written);
    let (Some(written), Some(arn)) = (Arn::parse(&written), Arn::parse(arn)) else { return false };
    let fits = |written: &str, part: &str| Pattern::plain(written, Style::Text).matches(part);
    // Partition, region and account of a pattern may be any.
    let may_be_any = |written: &str, part: &str| part == "*" || fits(written, part);
    may_be_any(written.partition, arn.partition)
        && fits(written.service, arn.service)
        && may_be_any(written.region, arn.region)
        && may_be_any(written.account, arn.account)
        && fits(written.resource, arn.resource)
}

fn parse(text: &str) -> Facts {
    let mut sets: HashMap<&str, Vec<String>> = HashMap::new();
    let mut facts = Facts { actions: BTreeMap::new(), types: HashMap::new() };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        match columns[..] {
            ["keys", number, keys] => {
                sets.insert(number, keys.split(' ').map(str::to_owned).collect());
            }
            ["type", name, arn] => facts.types.entry(name.to_owned()).or_default().push(arn.to_owned()),
            [name, level, ref taken @ ..] => {
                let action = read(name, level, taken, &sets);
                facts.actions.insert(name.to_lowercase(), action);
            }
            _ => unreachable!("each line of the facts has its columns"),
        }
    }
    facts
}

fn read(name: &str, level: &str, columns: &[&str], sets: &HashMap<&str, Vec<String>>) -> Action {
    let level = match level {
        "L" => Level::List,
        "R" => Level::Read,
        "P" => Level::Permissions,
        "T" => Level::Tagging,
        _ => Level::Write,
    };
    let mut action = Action { name: name.to_owned(), level, types: Vec::new(), keys: Vec::new() };
    for column in columns {
        let (kind, number) = column.split_once('=').unwrap_or((column, ""));
        let keys = sets.get(number).cloned().unwrap_or_default();
        if kind == "-" {
            action.keys = keys;
        } else {
            let required = kind.ends_with('*');
            action.types.push(Taken { name: kind.trim_end_matches('*').to_owned(), required, keys });
        }
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::Principal;

    #[test]
    fn facts_are_whole() {
        for action in actions() {
            let (service, _) = action.name.split_once(':').expect("a service and a name");
            for one in &action.types {
                assert!(!arns(service, &one.name).is_empty(), "{} takes {}, which has no ARN", action.name, one.name);
            }
            let keys = action.types.iter().flat_map(|one| &one.keys).chain(&action.keys);
            for key in keys {
                assert!(key.contains(':') && !key.contains(' '), "{}: the key {key}", action.name);
            }
        }
        for line in include_str!("facts.tsv").lines().filter(|line| !line.starts_with('#') && line.contains('=')) {
            for column in line.split('\t').skip(2).filter_map(|column| column.split_once('=')) {
                let set = format!("\nkeys\t{}\t", column.1);
                assert!(include_str!("facts.tsv").contains(&set), "{line}: there are no keys {}", column.1);
            }
        }
    }

    #[test]
    fn an_action_brings_the_keys_of_its_row() {
        for (name, kind, key, expected) in [
            ("ec2:CreateVpc", Some("vpc"), "aws:RequestTag/lakewright:stack", true),
            ("ec2:CreateVpc", Some("vpc"), "aws:ResourceTag/lakewright:stack", false),
            ("ec2:DeleteVpc", Some("vpc"), "aws:ResourceTag/lakewright:stack", true),
            ("ec2:DescribeVpcs", None, "aws:ResourceTag/lakewright:stack", false),
            ("ec2:DescribeVpcs", None, "aws:RequestedRegion", true),
            ("ec2:CreateTags", Some("vpc"), "ec2:CreateAction", true),
            ("iam:PassRole", Some("role"), "iam:PassedToService", true),
            ("iam:CreateRole", Some("role"), "iam:PermissionsBoundary", true),
            ("iam:CreateRole", Some("role"), "aws:ResourceTag/a", false),
            ("iam:DeleteRole", Some("role"), "aws:ResourceTag/a", true),
            ("iam:AttachRolePolicy", Some("role"), "iam:PolicyARN", true),
            ("kms:Decrypt", Some("key"), "kms:ViaService", true),
            ("kms:Decrypt", Some("key"), "KMS:EncryptionContext:aws:s3:arn", true),
            ("s3:ListBucket", Some("bucket"), "s3:prefix", true),
            ("s3:GetObject", Some("object"), "s3:prefix", false),
            ("s3:NoSuchAction", None, "aws:RequestedRegion", false),
        ] {
            assert_eq!(supports(name, kind, key), expected, "{name} {kind:?} {key}");
        }
    }

    #[test]
    fn an_arn_is_of_the_type_that_says_most_of_it() {
        for (name, arn, expected) in [
            ("s3:GetObject", "arn:aws:s3:::bucket/a/b", Some("object")),
            ("s3:ListBucket", "arn:aws:s3:::bucket", Some("bucket")),
            ("ec2:AttachVolume", "arn:aws:ec2:r:1:volume/vol-1", Some("volume")),
            ("ec2:AttachVolume", "arn:aws:ec2:*:*:instance/*", Some("instance")),
            ("ec2:AttachVolume", "arn:aws:ec2:r:1:vpc/vpc-1", None),
            ("ec2:DescribeVpcs", "arn:aws:ec2:r:1:vpc/vpc-1", None),
            ("iam:PassRole", "arn:aws-cn:iam::1:role/a/b", Some("role")),
            ("logs:PutLogEvents", "arn:aws:logs:r:1:log-group:/a:log-stream:b", Some("log-stream")),
        ] {
            assert_eq!(type_of(name, arn).map(|one| one.name.as_str()), expected, "{name} {arn}");
        }
        assert!(is_asked_on("ec2:DescribeVpcs", "*") && !is_asked_on("ec2:DeleteVpc", "*"));
        assert!(covered_by("ec2:DeleteV*").any(|action| action.name == "ec2:DeleteVpc"));
    }

    #[test]
    fn a_request_keeps_the_keys_that_aws_brings() {
        let session = Principal::session("arn:aws:iam::123456789012:role/r", "s");
        let request = Request::new(session, "ec2:CreateVpc", "arn:aws:ec2:r:123456789012:vpc/*")
            .key("aws:RequestTag/a", "b")
            .key("aws:ResourceTag/a", "b")
            .key("aws:RequestedRegion", "r")
            .as_known();
        assert!(request.keys.one("aws:RequestTag/a").is_some() && request.keys.one("aws:RequestedRegion").is_some());
        assert!(request.keys.one("aws:ResourceTag/a").is_none() && request.keys.one("aws:PrincipalArn").is_some());
    }
}
