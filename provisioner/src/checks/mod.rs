//! Checks of what a stack means: what is allowed and still seldom meant, each rule with its reason and its fix.

mod bucket_public;
mod bucket_without_key;
mod bucket_without_versions;
mod cluster_in_clear;
mod cluster_open;
mod cluster_two_zones;
mod cluster_without_acls;
mod code_prefixes_open;
mod default_group_open;
mod flow_log_one_sided;
mod foreign_policy;
mod host_metadata_v1;
mod host_previous_generation;
mod host_unknown_family;
mod host_volume_gp2;
mod host_volume_in_clear;
mod iam_write;
mod key_without_rotation;
mod log_group_without_key;
mod metadata_hops;
mod nat_one_zone;
mod no_alarms;
mod not_action;
mod open_ingress;
mod open_policy;
mod open_trust;
mod pass_role_any;
mod queue_without_dead_letters;
mod role_without_boundary;
mod search_in_clear;
mod search_open;
mod search_without_volume;
mod topic_one_copy;
mod topic_without_key;
mod url_with_credentials;
mod volume_gp2;
mod volume_in_clear;
mod wildcard_iam;

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kind::Kind;
use crate::kinds::{bucket, key, managed_policy, queue, role, sns_topic};
use crate::resource::{Address, Desired};

/// All rules, by name.
pub const RULES: &[Rule] = &[
    bucket_public::RULE,
    bucket_without_key::RULE,
    bucket_without_versions::RULE,
    cluster_in_clear::RULE,
    cluster_open::RULE,
    cluster_two_zones::RULE,
    cluster_without_acls::RULE,
    code_prefixes_open::RULE,
    default_group_open::RULE,
    flow_log_one_sided::RULE,
    foreign_policy::RULE,
    host_metadata_v1::RULE,
    host_previous_generation::RULE,
    host_unknown_family::RULE,
    host_volume_gp2::RULE,
    host_volume_in_clear::RULE,
    iam_write::RULE,
    key_without_rotation::RULE,
    log_group_without_key::RULE,
    metadata_hops::RULE,
    nat_one_zone::RULE,
    no_alarms::RULE,
    not_action::RULE,
    open_ingress::RULE,
    open_policy::RULE,
    open_trust::RULE,
    pass_role_any::RULE,
    queue_without_dead_letters::RULE,
    role_without_boundary::RULE,
    search_in_clear::RULE,
    search_open::RULE,
    search_without_volume::RULE,
    topic_one_copy::RULE,
    topic_without_key::RULE,
    url_with_credentials::RULE,
    volume_gp2::RULE,
    volume_in_clear::RULE,
    wildcard_iam::RULE,
];

/// What a change of a table breaks for those who read it or send to it, which no rule about resources finds: the word by which
/// it is allowed.
pub const BREAKING_CHANGE: &str = "breaking-change";

/// The rules that a production stack breaks nowhere, whatever the reason.
pub const NEVER_IN_PRODUCTION: [&str; 2] = ["search-in-clear", "search-open"];

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, by which it is allowed to be broken.
    pub name: &'static str,
    /// The kinds that it looks at.
    pub kinds: &'static [&'static str],
    /// Why it exists.
    pub reason: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What of a spec breaks it, one sentence each; made by [`typed`].
    breaks: fn(&Value, &Around<'_>) -> Vec<String>,
}

/// A rule that a resource breaks.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The resource.
    pub address: Address,
    /// What breaks it.
    pub text: String,
    /// Why that is meant, when the stack file says so.
    pub allowed: Option<String>,
}

/// A rule that may be broken by one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The rule's name.
    pub rule: String,
    /// The resource.
    pub address: Address,
    /// Why.
    pub reason: String,
}

/// The place of a resource that a rule looks at.
struct Around<'a> {
    /// Its address.
    address: &'a Address,
    /// The stack that it belongs to.
    desired: &'a Desired,
}

impl<'a> Around<'a> {
    /// The stack's resources of a kind; those whose spec the kind can't read are left out, for the plan refuses them.
    fn of<K: Kind>(&self, _kind: &K) -> impl Iterator<Item = (&'a Address, K::Spec)> + use<'a, K> {
        let all = self.desired.resources.iter().filter(|resource| resource.address.kind == K::FACTS.name);
        all.filter_map(|resource| Some((&resource.address, K::Spec::deserialize(&resource.spec).ok()?)))
    }
}

/// What breaks a rule of specs of a type, asked of a spec as JSON.
fn typed<S: DeserializeOwned>(
    breaks: fn(&S, &Around<'_>) -> Vec<String>,
    spec: &Value,
    around: &Around<'_>,
) -> Vec<String> {
    match S::deserialize(spec) {
        Ok(spec) => breaks(&spec, around),
        Err(error) => vec![format!("the rule can't read its spec: {error}")],
    }
}

/// What breaks a rule of policies, asked of each document of a resource with how one says it: `its policy reads`.
fn of_policies(breaks: fn(&str, &Value) -> Vec<String>, spec: &Value, around: &Around<'_>) -> Vec<String> {
    let own = |policy: Option<Value>| policy.map(|policy| ("its policy".to_owned(), policy)).into_iter().collect();
    let documents: Result<Vec<(String, Value)>, _> = match around.address.kind.as_str() {
        "bucket" => bucket::Spec::deserialize(spec).map(|bucket| own(bucket.policy)),
        "key" => key::Spec::deserialize(spec).map(|key| own(key.policy)),
        "managed_policy" => {
            managed_policy::Spec::deserialize(spec).map(|policy| vec![("its document".to_owned(), policy.document)])
        }
        "queue" => queue::Spec::deserialize(spec).map(|queue| own(queue.policy)),
        "role" => role::Spec::deserialize(spec).map(|role| {
            role.policies.into_iter().map(|(name, policy)| (format!("its policy {name}"), policy)).collect()
        }),
        "sns_topic" => sns_topic::Spec::deserialize(spec).map(|topic| own(topic.policy)),
        _ => Ok(Vec::new()),
    };
    match documents {
        Ok(documents) => documents.iter().flat_map(|(name, policy)| breaks(name, policy)).collect(),
        Err(error) => vec![format!("the rule can't read its spec: {error}")],
    }
}

/// The one sentence about a rule that is broken, or none.
fn said(broken: bool, text: impl Into<String>) -> Vec<String> {
    if broken { vec![text.into()] } else { Vec::new() }
}

/// Every rule that a resource of the stack breaks, in the order of the file; those that may be broken say why.
pub fn findings(desired: &Desired, allowed: &[Allowed]) -> Vec<Finding> {
    let mut found = Vec::new();
    for resource in &desired.resources {
        let around = Around { address: &resource.address, desired };
        for rule in RULES.iter().filter(|rule| rule.kinds.contains(&resource.address.kind.as_str())) {
            let reason = allowed.iter().find(|one| one.rule == rule.name && one.address == resource.address);
            found.extend((rule.breaks)(&resource.spec, &around).into_iter().map(|text| Finding {
                rule,
                address: resource.address.clone(),
                text,
                allowed: reason.map(|one| one.reason.clone()),
            }));
        }
    }
    found
}

/// What the stack file allows although nothing breaks it: it hides what comes later.
pub fn idle<'a>(found: &[Finding], allowed: &'a [Allowed]) -> Vec<&'a Allowed> {
    let broken: BTreeSet<(&str, &Address)> = found.iter().map(|one| (one.rule.name, &one.address)).collect();
    allowed.iter().filter(|one| !broken.contains(&(one.rule.as_str(), &one.address))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::kinds;
    use crate::resource::Resource;

    /// The spec of a resource of a kind, with what the kind requires and its defaults added.
    fn whole(kind: &str, partial: Value) -> Value {
        let mut spec = match kind {
            "alarm" => json!({
                "name": "lag",
                "metric": {"namespace": "shop", "name": "lag"},
                "comparison": "GreaterThanThreshold",
                "threshold": 1,
            }),
            "bucket" => json!({"name": "shop-raw"}),
            "cluster" => json!({
                "name": "shop",
                "kafka_version": "3.9.x",
                "brokers": 3,
                "instance_type": "kafka.m7g.large",
                "subnets": ["${subnet.a.id}", "${subnet.b.id}", "${subnet.c.id}"],
                "security_groups": ["${security_group.brokers.id}"],
                "storage_gib": 100,
                "authentication": {"iam": true},
                "encryption_key": "${key.main.arn}",
            }),
            "function" => json!({
                "name": "hello", "runtime": "python3.13", "handler": "index.handler", "inline": "x",
                "role": "arn:aws:iam::123456789012:role/hello",
            }),
            "flow_log" => json!({"vpc": "${vpc.main.id}", "bucket": "${bucket.flows.arn}"}),
            "key" => json!({"alias": "shop"}),
            "launch_template" => json!({
                "name": "shop-hosts",
                "image": "ami-0ab1",
                "instance_type": "m7i.large",
                "security_groups": [],
            }),
            "msk_configuration" => json!({"name": "shop"}),
            "log_group" => json!({"name": "/shop/stream"}),
            "managed_policy" => json!({"name": "shop", "document": {"Statement": []}}),
            "nat_gateway" => json!({"subnet": "${subnet.public.id}"}),
            "object" => json!({"bucket": "shop-raw", "key": "notes", "content": "x"}),
            "queue" => json!({"name": "orders"}),
            "release" => json!({"bucket": "shop-raw", "sha256": "0".repeat(64), "size": 1}),
            "role" => json!({"name": "shop", "trust": {"Statement": []}}),
            "route_table" => json!({"vpc": "${vpc.main.id}"}),
            "security_group" => json!({"vpc": "${vpc.main.id}", "name": "hosts", "description": "the hosts"}),
            "sns_topic" => json!({"name": "shop-alarms"}),
            "subnet" => json!({"vpc": "${vpc.main.id}", "cidr": "10.0.0.0/24", "zone": "eu-north-1a"}),
            "topic" => json!({"cluster": "${cluster.main.arn}", "name": "t", "partitions": 1, "replication_factor": 3}),
            "vpc" => json!({"cidr": "10.0.0.0/16"}),
            "volume" => json!({"zone": "eu-north-1a", "size_gib": 100}),
            other => panic!("no rule looks at the kind {other}"),
        };
        let partial = partial.as_object().expect("a spec is an object").clone();
        spec.as_object_mut().expect("a spec is an object").extend(partial);
        let kind = kinds::named(kind).expect("a kind");
        kind.normalise(&spec).unwrap_or_else(|error| panic!("{}: {error:#}", kind.name()))
    }

    /// A stack of resources, each with a part of its spec.
    pub(super) fn stack(resources: &[(&str, Value)]) -> Desired {
        let resource = |(address, partial): &(&str, Value)| {
            let address: Address = address.parse().expect("an address");
            let spec = whole(&address.kind, partial.clone());
            Resource { address, spec, after: BTreeSet::new(), tags: std::collections::BTreeMap::new(), span: None }
        };
        Desired {
            stack: "s".to_owned(),
            resources: resources.iter().map(resource).collect(),
            moved: Vec::new(),
            foreign_buckets: std::collections::BTreeMap::new(),
            ignore_tags: Vec::new(),
        }
    }

    /// What breaks a rule in a stack, with the addresses.
    pub(super) fn lines(rule: &Rule, desired: &Desired) -> Vec<String> {
        let found = findings(desired, &[]).into_iter().filter(|one| one.rule.name == rule.name);
        found.map(|one| format!("{}: {}", one.address, one.text)).collect()
    }

    /// What breaks a rule in a stack of one resource, of which a part is given.
    pub(super) fn texts(rule: &Rule, partial: Value) -> Vec<String> {
        let desired = stack(&[(&format!("{}.one", rule.kinds[0]), partial)]);
        let found = findings(&desired, &[]).into_iter().filter(|one| one.rule.name == rule.name);
        found.map(|one| one.text).collect()
    }

    #[test]
    fn each_rule_has_a_file_and_a_kind() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
        let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").file_name());
        let names = files.map(|file| file.to_str().expect("a name").trim_end_matches(".rs").replace('_', "-"));
        let sorted: BTreeSet<String> = names.filter(|name| name != "mod").collect();
        let sorted: Vec<String> = sorted.into_iter().collect();
        assert_eq!(RULES.iter().map(|rule| rule.name).collect::<Vec<_>>(), sorted);
        assert!(NEVER_IN_PRODUCTION.iter().all(|name| RULES.iter().any(|rule| rule.name == *name)));
        let table = include_str!("mod.rs").lines().filter_map(|line| line.trim().strip_suffix("::RULE,"));
        assert_eq!(table.map(|file| file.replace('_', "-")).collect::<Vec<_>>(), sorted);
        for rule in RULES {
            assert!(
                !rule.kinds.is_empty() && rule.kinds.iter().all(|kind| kinds::named(kind).is_some()),
                "{}",
                rule.name
            );
        }
    }

    #[test]
    fn a_spec_that_its_kind_cannot_read_breaks_the_rule() {
        let mut desired = stack(&[("bucket.b", json!({"key": "${key.main.arn}", "versioning": true}))]);
        assert_eq!(findings(&desired, &[]).len(), 0);
        desired.resources[0].spec["versioning"] = json!("yes");
        let found = findings(&desired, &[]);
        assert!(found.len() > 1 && found.iter().all(|one| one.text.contains("can't read")), "{found:?}");
    }

    #[test]
    fn what_is_seldom_meant_is_found_and_can_be_allowed() {
        let desired = stack(&[
            ("security_group.a", json!({"ingress": [{"from_port": 22, "cidr": "0.0.0.0/0"}]})),
            ("bucket.b", json!({"block_public_access": false, "versioning": true, "key": "${key.main.arn}"})),
            (
                "role.r",
                json!({"policies": {"wide": {"Statement": [
                    {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"},
                ]}}}),
            ),
            ("topic.t", json!({"replication_factor": 1})),
            ("launch_template.l", json!({"instance_type": "m4.large", "volume_type": "gp2"})),
            ("launch_template.s", json!({"instance_type": "m77i.large"})),
            ("volume.v", json!({"type": "gp2", "encrypted": false})),
            ("launch_template.index", json!({"user_data": "start elasticsearch.service"})),
        ]);
        let allowed = [
            Allowed { rule: "topic-one-copy".into(), address: "topic.t".parse().unwrap(), reason: "a test".into() },
            Allowed { rule: "open-ingress".into(), address: "topic.t".parse().unwrap(), reason: "nonsense".into() },
        ];
        let found = findings(&desired, &allowed);
        let lines: Vec<String> =
            found.iter().map(|one| format!("{} {}: {}", one.rule.name, one.address, one.text)).collect();
        assert_eq!(
            lines,
            [
                "open-ingress security_group.a: the whole internet may come in by tcp port 22",
                "bucket-public bucket.b: public access isn't blocked",
                "role-without-boundary role.r: it has no boundary",
                "wildcard-iam role.r: its policy wide allows s3:* on everything",
                "topic-one-copy topic.t: one broker holds the only copy of each partition",
                "host-previous-generation launch_template.l: m4.large is of a previous generation",
                "host-volume-gp2 launch_template.l: its volume is of the type gp2",
                "host-unknown-family launch_template.s: m77i.large is of no family known here: m7i is the nearest",
                "volume-gp2 volume.v: it is of the type gp2",
                "volume-in-clear volume.v: it isn't encrypted",
                "search-without-volume launch_template.index: the search index stands on the host's own disk",
            ]
        );
        assert_eq!(found[4].allowed.as_deref(), Some("a test"));
        assert_eq!(idle(&found, &allowed), [&allowed[1]]);
    }
}
