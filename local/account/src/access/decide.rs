//! The decision over one action on one resource.

use std::collections::BTreeSet;
use std::sync::Mutex;

use lakewright_iam::{Arn, Decision, Policies, Request, reference};

use super::{Ask, Caller, global, policies};
use crate::clock;
use crate::fields::Fields as _;
use crate::state::{GLOBAL, State, Tags, tags_of};
use crate::store::Scope;

/// A request that was refused, and why.
#[derive(Debug)]
pub(crate) struct Denied {
    pub request: Request,
    pub decision: Decision,
}

/// Names of condition keys that hold a resource's tags, before the tag's own key.
const RESOURCE_TAGS: [&str; 5] = [
    "aws:ResourceTag/",
    "ec2:ResourceTag/",
    "iam:ResourceTag/",
    "secretsmanager:ResourceTag/",
    "autoscaling:ResourceTag/",
];

/// Whether a caller may do what is asked, in a region.
pub(crate) fn decide(state: &mut State<'_>, caller: &Caller, ask: Ask, region: &str) -> Result<(), Box<Denied>> {
    if caller.is_administrator() && !ask.action.starts_with("sts:AssumeRole") && is_own(caller, &ask) {
        return Ok(());
    }
    let request = request(state, caller, ask, region);
    let (resource, rule) = policies::of_resource(state, &request.action, &request.resource, &request.owner);
    let policies = Policies { resource, rule, ..caller.policies.clone() };
    let decision = policies.evaluate(&request);
    if decision.is_allowed() {
        return Ok(());
    }
    if let Some(missing) = request.missing(&decision) {
        tracing::warn!(caller = caller.principal.arn(), %missing, "denied");
    }
    Err(Box::new(Denied { request, decision }))
}

/// The question itself, without the keys that AWS brings.
fn plain(caller: &Caller, ask: &Ask) -> Request {
    let request = Request::new(caller.principal.clone(), &ask.action, &ask.resource);
    match &ask.owner {
        Some(owner) => request.owned_by(owner),
        None => request,
    }
}

/// Whether what is asked about stands in the caller's own account.
fn is_own(caller: &Caller, ask: &Ask) -> bool {
    Some(plain(caller, ask).owner.as_str()) == caller.principal.account()
}

/// The question as AWS asks it, with the keys that it brings for the action.
fn request(state: &mut State<'_>, caller: &Caller, ask: Ask, region: &str) -> Request {
    let mut request = plain(caller, &ask);
    let account = caller.principal.account().unwrap_or_default().to_owned();
    let now = state.now();
    let keys = &mut request.keys;
    keys.set("aws:RequestedRegion", region);
    keys.set("aws:ResourceAccount", &request.owner);
    keys.set("s3:ResourceAccount", &request.owner);
    keys.set("kms:CallerAccount", account);
    keys.set("ec2:Region", region);
    // What AWS is asked by HTTPS from the host's own network.
    keys.set("aws:SecureTransport", "true");
    keys.set("aws:SourceIp", "127.0.0.1");
    keys.set("aws:ViaAWSService", "false");
    keys.set("aws:CurrentTime", clock::iso(now));
    keys.set("aws:EpochTime", (now / 1000).to_string());
    for (key, value) in &caller.tags {
        keys.set(&format!("aws:PrincipalTag/{key}"), value);
    }
    for (key, value) in tags(state, &ask.resource, &request.owner) {
        for prefix in RESOURCE_TAGS {
            request.keys.set(&format!("{prefix}{key}"), &value);
        }
    }
    if let Some(key) = Arn::parse(&ask.resource).filter(|arn| arn.is("kms", "key")) {
        let aliases = aliases(state, Scope::new(&request.owner, key.region), key.resource);
        request.keys.set_all("kms:ResourceAliases", aliases);
    }
    request.keys.extend(&ask.keys);
    if reference::action(&ask.action).is_none() || !reference::is_asked_on(&ask.action, &ask.resource) {
        strange(&ask);
        return request;
    }
    request.as_known()
}

/// Reports once an action on a resource that AWS's reference doesn't have: a mistake of a mapping here.
fn strange(ask: &Ask) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let first = TOLD.lock().is_ok_and(|mut told| told.insert(ask.action.clone()));
    if first {
        tracing::error!(
            action = ask.action,
            resource = ask.resource,
            "AWS's reference has no such action on such a resource"
        );
    }
}

/// The aliases that stand for a key, which is given as `key/ID`.
fn aliases(state: &mut State<'_>, scope: Scope, key: &str) -> Vec<String> {
    let id = key.strip_prefix("key/").unwrap_or(key);
    let state = state.at(scope);
    let own = state.list("kms/alias").filter(|(_, alias)| alias.text("TargetKeyId") == Some(id));
    own.map(|(name, _)| name.to_owned()).collect()
}

/// The tags of a resource.
fn tags(state: &mut State<'_>, arn: &str, owner: &str) -> Tags {
    // The tags of buckets count only where somebody has switched that on, which nobody can here.
    if arn.starts_with("arn:aws:s3:::") {
        return Tags::new();
    }
    if !arn.starts_with("arn:aws:iam:") {
        // Streams have the tags of their group; what has no region is tagged in its service's own.
        let arn = arn.split(":log-stream:").next().unwrap_or(arn);
        // A key stands in another scope than the object that it encrypts.
        let region = Arn::parse(arn).map_or("", |arn| arn.region);
        let regions = if region.is_empty() { vec![GLOBAL, "us-east-1"] } else { vec![region] };
        let of = |region: &str| state.at(Scope::new(owner, region)).tags(arn);
        return regions.into_iter().flat_map(of).collect();
    }
    let state = state.at(global(owner));
    let name = arn.rsplit('/').next().unwrap_or_default();
    let found = match Arn::parse(arn).map_or("", |arn| arn.kind()) {
        "role" => state.get("iam/role", name),
        "instance-profile" => state.get("iam/profile", name),
        "policy" => state.get("iam/policy", arn),
        "oidc-provider" => state.get("iam/oidc", arn),
        _ => None,
    };
    // What is kept by its ARN doesn't repeat it.
    found
        .filter(|thing| thing.text("Arn").is_none_or(|own| own == arn))
        .map_or_else(Tags::new, |thing| tags_of(thing.list("Tags"), "Key", "Value"))
}
