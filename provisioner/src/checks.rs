//! Checks of what a stack means: what is allowed and still seldom meant, each rule with its reason and its cure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::families;
use crate::resource::{Address, Desired};

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, by which it is allowed to be broken.
    pub name: &'static str,
    /// The kind that it looks at.
    pub kind: &'static str,
    /// Why it is there.
    pub reason: &'static str,
    /// What to do.
    pub cure: &'static str,
    /// What of a spec breaks it, one sentence each.
    breaks: fn(&Value) -> Vec<String>,
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

/// How a host's user data names the data volume of a search index.
const SEARCH_MOUNT: &str = "MOUNT=/var/lib/elasticsearch";

/// All rules, by name.
pub const RULES: &[Rule] = &[
    Rule {
        name: "bucket-public",
        kind: "bucket",
        reason: "one wrong policy or access list makes its objects readable by everybody",
        cure: "leave `block_public_access` on, and serve what is public from another bucket",
        breaks: |spec| said(spec["block_public_access"] == false, "public access isn't blocked"),
    },
    Rule {
        name: "bucket-without-key",
        kind: "bucket",
        reason: "with S3's own keys everybody who may read the bucket reads it; a key of the stack is a second lock with a log",
        cure: "name a key: `key = \"main\"`",
        breaks: |spec| said(spec["key"].is_null(), "its objects are encrypted by S3's own keys only"),
    },
    Rule {
        name: "bucket-without-versions",
        kind: "bucket",
        reason: "what is overwritten or deleted by mistake is gone for good",
        cure: "leave `versioning` on; a lifecycle rule ends older versions",
        breaks: |spec| said(spec["versioning"] == false, "overwritten and deleted objects aren't kept"),
    },
    Rule {
        name: "cluster-in-clear",
        kind: "cluster",
        reason: "whoever is in the network reads everything",
        cure: "use TLS between clients and brokers, and between brokers",
        breaks: |spec| {
            let mut found = Vec::new();
            let clients = spec["client_encryption"].as_str().unwrap_or("TLS");
            found.extend(said(clients != "TLS", &format!("clients may talk to brokers by {clients}")));
            found.extend(said(spec["broker_encryption"] == false, "brokers talk to each other in clear"));
            found
        },
    },
    Rule {
        name: "cluster-open",
        kind: "cluster",
        reason: "every process in the network may read and write every topic",
        cure: "authenticate clients: `authentication = \"scram\"`",
        breaks: |spec| said(spec["authentication"]["unauthenticated"] == true, "clients needn't prove who they are"),
    },
    Rule {
        name: "cluster-two-zones",
        kind: "cluster",
        reason: "with fewer than three zones the loss of one stops writers that wait for two copies",
        cure: "give the network three zones",
        breaks: |spec| {
            let zones = spec["subnets"].as_array().map_or(0, Vec::len);
            said(zones < 3, &format!("its brokers stand in {zones} zone{}", if zones == 1 { "" } else { "s" }))
        },
    },
    Rule {
        name: "flow-log-one-sided",
        kind: "flow_log",
        reason: "connections that were refused tell of scans and of rules that are missing",
        cure: "write all connections: `traffic = \"all\"`",
        breaks: |spec| said(spec["traffic"] == "accept", "refused connections aren't written down"),
    },
    Rule {
        name: "host-metadata-v1",
        kind: "launch_template",
        reason: "without tokens any request that a program on the host can be made to send reads the host's credentials",
        cure: "leave `metadata_tokens_required` on",
        breaks: |spec| said(spec["metadata_tokens_required"] == false, "the metadata service answers without a token"),
    },
    Rule {
        name: "host-previous-generation",
        kind: "launch_template",
        reason: "AWS has newer types that are faster at the same price, and offers old ones in fewer zones each year",
        cure: "choose a type of a newer family: m7i or m7g for m4, t3 for t1",
        breaks: |spec| {
            let name = text(spec, "instance_type");
            said(families::is_previous(name), &format!("{name} is of a previous generation"))
        },
    },
    Rule {
        name: "host-unknown-family",
        kind: "launch_template",
        reason: "AWS would refuse to start a host of a type that there isn't",
        cure: "write a type that AWS offers, or allow it when it is newer than this program",
        breaks: |spec| {
            let name = text(spec, "instance_type");
            let near = families::unknown(name);
            near.map(|near| format!("{name} is of no family known here: {near} is the nearest")).into_iter().collect()
        },
    },
    Rule {
        name: "host-volume-gp2",
        kind: "launch_template",
        reason: "gp3 costs a fifth less and is no slower however small the volume is",
        cure: "write `volume_type = \"gp3\"`",
        breaks: |spec| said(spec["volume_type"] == "gp2", "its volume is of the type gp2"),
    },
    Rule {
        name: "host-volume-in-clear",
        kind: "launch_template",
        reason: "snapshots and lost disks can be read",
        cure: "leave `volume_encrypted` on",
        breaks: |spec| said(spec["volume_encrypted"] == false, "its volume isn't encrypted"),
    },
    Rule {
        name: "key-without-rotation",
        kind: "key",
        reason: "what one key has encrypted grows for ever, and with it what its loss reveals",
        cure: "leave `rotation` on: AWS changes the material, and old data stays readable",
        breaks: |spec| said(spec["rotation"] == false, "its material never changes"),
    },
    Rule {
        name: "nat-one-zone",
        kind: "nat_gateway",
        reason: "when its zone is lost, the others lose their way out with it; and what goes through it from them is billed",
        cure: "have one in each zone: `nat = \"per-zone\"`",
        // What breaks it stands in `AMONG`: no gateway knows who uses it.
        breaks: |_| Vec::new(),
    },
    Rule {
        name: "no-alarms",
        kind: "cluster",
        reason: "a full disk or a silent agent is noticed when somebody misses the rows",
        cure: "add a section `[alarms]` with the address of those who look after it",
        // What breaks it stands in `AMONG`: alarms are resources of their own.
        breaks: |_| Vec::new(),
    },
    Rule {
        name: "open-ingress",
        kind: "security_group",
        reason: "scanners find it within minutes",
        cure: "name the ranges or groups that may come in; reach hosts by Session Manager",
        breaks: |spec| {
            let rules = spec["ingress"].as_array().into_iter().flatten();
            let open = rules.filter(|rule| matches!(rule["cidr"].as_str(), Some("0.0.0.0/0" | "::/0")));
            open.map(|rule| format!("the whole internet may come in by {}", ports(rule))).collect()
        },
    },
    Rule {
        name: "search-without-volume",
        kind: "launch_template",
        reason: "the index goes with the host: the one that replaces it begins with nothing",
        cure: "give the host a volume that outlives it: `data_volume_gib = 100`",
        breaks: |spec| {
            let starts = text(spec, "user_data");
            let indexes = starts.contains("elasticsearch.service");
            said(indexes && !starts.contains(SEARCH_MOUNT), "the search index stands on the host's own disk")
        },
    },
    Rule {
        name: "topic-one-copy",
        kind: "topic",
        reason: "the loss of one broker's disk loses records",
        cure: "keep at least two copies, three where there are three zones",
        breaks: |spec| said(spec["replication"] == 1, "one broker holds the only copy of each partition"),
    },
    Rule {
        name: "volume-gp2",
        kind: "volume",
        reason: "gp3 costs a fifth less and is no slower however small the volume is",
        cure: "write `type = \"gp3\"`: EBS changes it in place",
        breaks: |spec| said(spec["type"] == "gp2", "it is of the type gp2"),
    },
    Rule {
        name: "volume-in-clear",
        kind: "volume",
        reason: "snapshots and lost disks can be read",
        cure: "leave `encrypted` on",
        breaks: |spec| said(spec["encrypted"] == false, "it isn't encrypted"),
    },
    Rule {
        name: "wildcard-iam",
        kind: "role",
        reason: "whoever gets hold of the role gets hold of everything it names",
        cure: "name the actions and the resources that are needed",
        breaks: |spec| {
            let policies = spec["policies"].as_object().into_iter().flatten();
            let mut found: Vec<String> = policies.flat_map(|(name, policy)| wildcards(name, policy)).collect();
            let attached = spec["attached"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let wide = attached.filter(|arn| {
                ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"].iter().any(|name| arn.ends_with(name))
            });
            found.extend(wide.map(|arn| format!("{arn} is attached")));
            found
        },
    },
];

/// What breaks a rule by what else there is, by the rule's name.
const AMONG: &[(&str, fn(&Address, &Desired) -> Vec<String>)] =
    &[("nat-one-zone", zones_behind), ("no-alarms", unwatched)];

/// Every rule that a resource of the stack breaks, in the order of the file; those that may be broken say why.
pub fn findings(desired: &Desired, allowed: &[Allowed]) -> Vec<Finding> {
    let mut found = Vec::new();
    for resource in &desired.resources {
        for rule in RULES.iter().filter(|rule| rule.kind == resource.address.kind) {
            let reason = allowed.iter().find(|one| one.rule == rule.name && one.address == resource.address);
            let among = AMONG.iter().filter(|(name, _)| *name == rule.name);
            let among = among.flat_map(|(_, breaks)| breaks(&resource.address, desired));
            found.extend((rule.breaks)(&resource.spec).into_iter().chain(among).map(|text| Finding {
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

fn said(broken: bool, text: &str) -> Vec<String> {
    if broken { vec![text.to_owned()] } else { Vec::new() }
}

/// Whether nothing tells anybody when the cluster, or what works on it, is in trouble.
fn unwatched(_cluster: &Address, desired: &Desired) -> Vec<String> {
    let watched = desired.resources.iter().any(|resource| resource.address.kind == "alarm");
    said(!watched, "the stack has no alarm")
}

/// Whether subnets of several zones have their way out by one NAT gateway.
fn zones_behind(gateway: &Address, desired: &Desired) -> Vec<String> {
    let of_kind = |kind: &'static str| desired.resources.iter().filter(move |one| one.address.kind == kind);
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let leads_there = |table: &&crate::resource::Resource| {
        let routes = table.spec["routes"].as_array().into_iter().flatten();
        routes.into_iter().any(|route| route["target"] == gateway.output("id"))
    };
    let subnets: Vec<String> =
        of_kind("route_table").filter(leads_there).flat_map(|table| texts(&table.spec["subnets"])).collect();
    let behind = of_kind("subnet").filter(|subnet| subnets.contains(&subnet.address.output("id")));
    let zones: BTreeSet<&str> = behind.filter_map(|subnet| subnet.spec["zone"].as_str()).collect();
    said(zones.len() > 1, &format!("it is the only way out of {} zones", zones.len()))
}

fn text<'a>(spec: &'a Value, field: &str) -> &'a str {
    spec[field].as_str().unwrap_or_default()
}

fn ports(rule: &Value) -> String {
    let protocol = rule["protocol"].as_str().unwrap_or("tcp");
    match (rule["from_port"].as_i64(), rule["to_port"].as_i64()) {
        (Some(from), Some(to)) if from == to => format!("{protocol} port {from}"),
        (Some(from), Some(to)) => format!("{protocol} ports {from} to {to}"),
        _ if protocol == "all" => "every protocol".to_owned(),
        _ => protocol.to_owned(),
    }
}

/// The statements of a policy that allow everything of a service, or something on everything that could be narrower.
fn wildcards(name: &str, policy: &Value) -> Vec<String> {
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let allows = statements.filter(|statement| statement["Effect"] == "Allow");
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let mut found = Vec::new();
    for statement in allows {
        let everywhere = texts(&statement["Resource"]).iter().any(|resource| resource == "*");
        let wide: Vec<String> =
            texts(&statement["Action"]).into_iter().filter(|action| action == "*" || action.ends_with(":*")).collect();
        if everywhere && !wide.is_empty() && statement["Condition"].is_null() {
            found.push(format!("its policy {name} allows {} on everything", wide.join(", ")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds;
    use crate::resource::Resource;

    fn stack(resources: &[(&str, Value)]) -> Desired {
        let resource = |(address, spec): &(&str, Value)| Resource {
            address: address.parse().expect("an address"),
            spec: spec.clone(),
            after: BTreeSet::new(),
            span: None,
        };
        Desired { stack: "s".to_owned(), resources: resources.iter().map(resource).collect(), moved: Vec::new() }
    }

    #[test]
    fn rules_look_at_kinds_and_fields_that_there_are() {
        for rule in RULES {
            assert!(kinds::named(rule.kind).is_some(), "{}", rule.name);
        }
        assert!(AMONG.iter().all(|(name, _)| RULES.iter().any(|rule| rule.name == *name)));
        let sorted: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(sorted.into_iter().collect::<Vec<_>>(), RULES.iter().map(|rule| rule.name).collect::<Vec<_>>());
    }

    #[test]
    fn one_gateway_for_several_zones_is_found() {
        let table = |gateway: &str, subnet: &str| {
            json!({
                "routes": [{"destination": "0.0.0.0/0", "target": format!("${{nat_gateway.{gateway}.id}}")}],
                "subnets": [format!("${{subnet.{subnet}.id}}")],
            })
        };
        let with = |second: &str| {
            let desired = stack(&[
                ("subnet.a", json!({"zone": "eu-north-1a"})),
                ("subnet.b", json!({"zone": "eu-north-1b"})),
                ("nat_gateway.a", json!({})),
                ("nat_gateway.b", json!({})),
                ("route_table.a", table("a", "a")),
                ("route_table.b", table(second, "b")),
                ("flow_log.main", json!({"traffic": "accept"})),
            ]);
            let found = findings(&desired, &[]);
            found.iter().map(|one| format!("{}: {}", one.address, one.text)).collect::<Vec<_>>()
        };
        let one_sided = "flow_log.main: refused connections aren't written down";
        assert_eq!(with("a"), ["nat_gateway.a: it is the only way out of 2 zones", one_sided]);
        assert_eq!(with("b"), [one_sided]);
    }

    #[test]
    fn what_is_seldom_meant_is_found_and_can_be_allowed() {
        let statement =
            |action: &str, resource: &str| json!({"Effect": "Allow", "Action": [action], "Resource": resource});
        let policy = |statement: Value| json!({"Statement": [statement]});
        let desired = stack(&[
            (
                "security_group.a",
                json!({"ingress": [
                    {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0"},
                    {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "10.0.0.0/8"},
                ]}),
            ),
            ("bucket.b", json!({"block_public_access": false, "versioning": true, "key": "${key.main.arn}"})),
            (
                "role.r",
                json!({"policies": {
                    "wide": policy(statement("s3:*", "*")),
                    "narrow": policy(statement("s3:GetObject", "*")),
                    "own": policy(statement("s3:*", "arn:aws:s3:::mine/*")),
                }}),
            ),
            ("topic.t", json!({"replication": 1})),
            ("launch_template.l", json!({"instance_type": "m4.large", "volume_type": "gp2"})),
            ("launch_template.s", json!({"instance_type": "m77i.large", "volume_type": "gp3"})),
            ("volume.v", json!({"type": "gp2", "encrypted": false})),
            (
                "launch_template.index",
                json!({"instance_type": "m7i.large", "user_data": "start elasticsearch.service"}),
            ),
            (
                "launch_template.index-0",
                json!({
                    "instance_type": "m7i.large",
                    "user_data": "MOUNT=/var/lib/elasticsearch\nstart elasticsearch.service",
                }),
            ),
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
        assert_eq!(found[3].allowed.as_deref(), Some("a test"));
        assert_eq!(idle(&found, &allowed), [&allowed[1]]);
    }
}
