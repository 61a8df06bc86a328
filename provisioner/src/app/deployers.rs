//! Who writes what hosts, jobs and builds run: a stack that names its deployers is applied by one of them.

use anyhow::{Result, bail};
use lakewright_iam::{Arn, is_like};
use serde_json::Value;

use super::desired::all_kinds;
use super::state::StackState;
use super::terminal::say;
use crate::names;
use crate::plan::{Plan, Step};
use crate::resource::{Desired, Resource};

/// What the ARNs of what stands in a bucket begin with, as kinds' facts have them.
const IN_BUCKET: &str = "s3:::{bucket}/";

/// An error where a plan writes what hosts, jobs and builds run, and whoever is at work isn't among those whom the stack lets: S3
/// would refuse that in the middle of the apply. Where only the bucket itself changes it is said, for that stays a matter of IAM.
pub fn refuse_stranger(state: &StackState, plan: &Plan) -> Result<()> {
    let Some((bucket, deployers)) = deployers(&state.desired) else { return Ok(()) };
    let Some(said) = stranger(&state.context.caller, &deployers) else { return Ok(()) };
    if plan.steps.iter().any(|step| writes_code(step, bucket)) {
        bail!("{said}");
    }
    if plan.steps.iter().any(|step| step.address == bucket.address) {
        say(&format!("warning: {said}"));
    }
    Ok(())
}

/// The bucket whose policy says who writes code, and the patterns of the ARNs of those who do.
fn deployers(desired: &Desired) -> Option<(&Resource, Vec<&str>)> {
    desired.resources.iter().find_map(|resource| {
        let statement = statement(resource, names::CODE_BY_DEPLOYERS)?;
        let arns = &statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
        let several = arns.as_array().into_iter().flatten();
        Some((resource, several.chain([arns]).filter_map(Value::as_str).collect()))
    })
}

fn statement<'a>(bucket: &'a Resource, sid: &str) -> Option<&'a Value> {
    bucket.spec["policy"]["Statement"].as_array()?.iter().find(|one| one["Sid"] == sid)
}

/// The folders of the bucket in which its policy lets nobody else write.
fn guarded(bucket: &Resource) -> Vec<&'static str> {
    let search = statement(bucket, names::AUTHORITY_BY_HOST).map(|_| names::SEARCH_FOLDER);
    names::CODE.into_iter().chain(search).collect()
}

/// Whether a step writes into one of the bucket's guarded folders.
fn writes_code(step: &Step, bucket: &Resource) -> bool {
    let spec = step.spec.as_ref().or_else(|| step.live.as_ref().map(|live| &live.spec));
    spec.is_some_and(|spec| is_code(&step.address.kind, spec, bucket))
}

/// Whether a resource of that kind stands in one of the bucket's guarded folders.
fn is_code(kind: &str, spec: &Value, bucket: &Resource) -> bool {
    let Some(kind) = all_kinds().get(kind) else { return false };
    // What a kind writes into a bucket has an ARN under the bucket's.
    let mut places = kind.facts().arns.iter().filter_map(|(_, arn)| arn.strip_prefix(IN_BUCKET)).peekable();
    let is_its = spec["bucket"] == bucket.spec["name"] || spec["bucket"] == format!("${{{}.name}}", bucket.address);
    if !is_its || places.peek().is_none() {
        return false;
    }
    let guarded = guarded(bucket);
    let is_guarded = |place: &str| place.split_once('/').is_some_and(|(folder, _)| guarded.contains(&folder));
    match spec["key"].as_str() {
        Some(key) => is_guarded(key),
        None => places.any(is_guarded),
    }
}

/// What is said of somebody who isn't among the deployers; nothing of one who may be.
fn stranger(caller: &str, deployers: &[&str]) -> Option<String> {
    let who = Who::of(caller)?;
    if deployers.iter().any(|pattern| who.may_be(pattern)) {
        return None;
    }
    // The account's root is always among them, and is nobody to apply a stack as.
    let named = deployers.iter().filter_map(|pattern| Arn::parse(pattern)).map(|arn| arn.resource);
    let named: Vec<&str> = named.filter(|resource| *resource != "root").collect();
    Some(format!(
        "you are {}, and not among `deployers` in [stack] ({}): the bucket of what hosts and jobs run refuses you; work as one of \
         them, or name yourself there",
        who.words(),
        named.join(", ")
    ))
}

/// Somebody as STS names them.
struct Who<'a> {
    account: &'a str,
    /// `role` or `user`, or all there is of others.
    kind: &'a str,
    /// A user's path and name; of a role the name alone, for STS doesn't say its path.
    name: &'a str,
}

impl<'a> Who<'a> {
    fn of(caller: &'a str) -> Option<Self> {
        let arn = Arn::parse(caller)?;
        let (kind, name) = match arn.resource.split_once('/') {
            Some(("assumed-role", rest)) => ("role", rest.split('/').next().unwrap_or_default()),
            Some((kind, name)) => (kind, name),
            None => (arn.resource, ""),
        };
        Some(Self { account: arn.account, kind, name })
    }

    fn words(&self) -> String {
        if self.name.is_empty() { self.kind.to_owned() } else { format!("{}/{}", self.kind, self.name) }
    }

    /// Whether a pattern of ARNs fits them, under whatever path a role may have.
    fn may_be(&self, pattern: &str) -> bool {
        let Some(arn) = Arn::parse(pattern).filter(|arn| arn.account == self.account) else { return false };
        let Some((kind, pattern)) = arn.resource.split_once('/') else { return arn.resource == self.words() };
        if kind != self.kind {
            return false;
        }
        if is_like(pattern, self.name) {
            return true;
        }
        // The path ends at a slash of the pattern's, or within what a wildcard stands for.
        kind == "role"
            && pattern.match_indices(['/', '*', '?']).any(|(at, sign)| {
                let rest = if sign == "*" { &pattern[at..] } else { &pattern[at + 1..] };
                is_like(rest, self.name)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::*;

    #[test]
    fn code_is_what_is_put_into_a_guarded_folder_of_that_bucket() {
        let bucket = |sids: &[&str]| {
            let statements: Vec<Value> = sids.iter().map(|sid| json!({ "Sid": sid })).collect();
            let spec = json!({"name": "shop-artifacts", "policy": { "Statement": statements }});
            let address = "bucket.artifacts".parse().expect("an address");
            Resource { address, spec, after: BTreeSet::new(), tags: BTreeMap::new(), span: None }
        };
        let both = bucket(&[names::CODE_BY_DEPLOYERS, names::AUTHORITY_BY_HOST]);
        let is = |kind: &str, spec: Value| is_code(kind, &spec, &both);
        for name in ["shop-artifacts", "${bucket.artifacts.name}"] {
            assert!(is("object", json!({"bucket": name, "key": "hosts/app/stream.json"})), "{name}");
            assert!(is("release", json!({"bucket": name, "sha256": "0"})), "{name}");
            assert!(!is("object", json!({"bucket": name, "key": "mine/hosts/x"})), "{name}");
        }
        let authority = json!({"bucket": "shop-artifacts", "key": names::SEARCH_AUTHORITY});
        assert!(is("object", authority.clone()));
        assert!(!is_code("object", &authority, &bucket(&[names::CODE_BY_DEPLOYERS])), "nothing guards it");
        // Another bucket's folder, and a key that names no object.
        assert!(!is("object", json!({"bucket": "shop-raw", "key": "hosts/x"})));
        assert!(!is("secret", json!({"bucket": "shop-artifacts", "key": "hosts/x"})));
    }

    #[test]
    fn a_slip_in_the_deployers_is_said_to_who_isnt_meant() {
        let of = |name: &str| format!("arn:aws:iam::123456789012:{name}");
        let all = [of("root"), of("role/deployr"), of("role/teams/data/lead"), of("role/ci-?"), of("user/a/anna")];
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let role = |name: &str| format!("arn:aws:sts::123456789012:assumed-role/{name}/session");
        let said = stranger(&role("ops"), &all).expect("nobody among them");
        assert!(said.starts_with("you are role/ops, and not among `deployers`"), "{said}");
        assert!(said.contains("(role/deployr, role/teams/data/lead"), "{said}");
        for fine in [role("deployr"), role("lead"), role("ci-1"), of("root"), of("user/a/anna")] {
            assert_eq!(stranger(&fine, &all), None, "{fine}");
        }
        for wrong in [role("deployer"), role("leader"), role("ci-12"), of("user/anna"), of("user/deployr")] {
            assert!(stranger(&wrong, &all).is_some(), "{wrong}");
        }
        // STS names a role without its path, which a star may stand for.
        for under in ["role/teams/*", "role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*"] {
            assert_eq!(stranger(&role("AWSReservedSSO_Admin_0a1b"), &[&of(under)]), None, "{under}");
        }
        assert!(stranger("arn:aws:sts::210987654321:assumed-role/deployr/s", &all).is_some(), "another account's");
    }
}
