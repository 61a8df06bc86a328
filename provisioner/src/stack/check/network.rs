//! Checks of the network: its division, its ways out, the endpoints that a closed one needs, and one that is there already.

use std::collections::{BTreeMap, BTreeSet};

use lakewright_config::agents::Need;

use super::Checker;
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::kafka::Authentication;
use crate::stack::network::Existing;

/// How many zones a private network has at most: its other eighths are public.
const PRIVATE_ZONES: usize = 4;

/// The services with interface endpoints that stacks have a use for.
const SERVICES: &[&str] = &[
    "athena",
    "autoscaling",
    "cloudformation",
    "cloudtrail",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "elasticloadbalancing",
    "emr-serverless",
    "events",
    "firehose",
    "glue",
    "kafka",
    "kinesis-streams",
    "kms",
    "lakeformation",
    "lambda",
    "logs",
    "monitoring",
    "rds",
    "redshift-data",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "ssmmessages",
    "states",
    "sts",
    "tagging",
    "xray",
];

/// Whether a text is an identifier of EC2's with this prefix: `vpc-` and hexadecimal digits.
fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|digits| (8..=17).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn is_zone(text: &str) -> bool {
    text.len() == 1 && text.starts_with(|c: char| c.is_ascii_lowercase())
}

impl Checker<'_> {
    pub(super) fn network(&mut self) {
        let network = &self.file.network;
        match &network.existing {
            Some(existing) => self.existing_network(existing),
            None => self.own_network(),
        }
        self.endpoints();
        if network.is_closed() {
            self.closed_network();
        }
    }

    fn own_network(&mut self) {
        let network = &self.file.network;
        let place = network.cidr.span_or(&network.span);
        if network.cidr.sound && network.cidr.prefix > 25 {
            self.push(
                Diagnostic::new(place, format!("the network {} is too small", *network.cidr), "too small to divide")
                    .help("each zone gets an eighth of it and AWS makes no subnet below /28: write /25 or a wider network"),
            );
        }
        if network.zones.is_empty() || network.zones.len() > 8 {
            self.push(Diagnostic::new(network.zones.span.clone(), "`zones` must name one to eight zones", ""));
        } else if network.is_private() && network.zones.len() > PRIVATE_ZONES {
            let title = format!("a private network has at most {PRIVATE_ZONES} zones");
            self.push(
                Diagnostic::new(network.zones.span.clone(), title, format!("{} zones", network.zones.len())).help(
                    "private subnets get the upper half of the network, an eighth in each zone: name fewer zones",
                ),
            );
        }
        for (index, zone) in network.zones.iter().enumerate() {
            if !zone.sound {
                continue;
            }
            if !is_zone(zone) {
                self.push(
                    Diagnostic::new(
                        zone.span.clone(),
                        format!("`{}` is no zone of a region", zone.value),
                        "must be a letter",
                    )
                    .help("write the last letter of the zone's name: `a` for eu-north-1a"),
                );
            } else if network.zones[..index].iter().any(|other| other.value == zone.value) {
                self.push(Diagnostic::new(
                    zone.span.clone(),
                    format!("zone `{}` stands here twice", zone.value),
                    "repeated",
                ));
            }
        }
        if let Some(nat) = network.nat.as_ref().filter(|nat| nat.sound)
            && network.subnets.sound
            && !network.is_private()
        {
            self.push(
                Diagnostic::new(nat.span.clone(), "`nat` has no use in a public network", "nobody would go through it")
                    .help("write `subnets = \"private\"`, or remove the line"),
            );
        }
    }

    /// What a stack writes of a network that it doesn't make.
    fn existing_network(&mut self, existing: &Existing) {
        let network = &self.file.network;
        let written = [
            ("cidr", network.cidr.written(), &network.cidr.span, "the VPC has its range already"),
            ("zones", network.zones.written(), &network.zones.span, "the zones are those of its `subnets`"),
        ];
        let nat = network.nat.as_ref().map(|nat| ("nat", true, &nat.span, "the VPC has its ways out already"));
        for (name, _, span, why) in written.into_iter().chain(nat).filter(|(_, written, ..)| *written) {
            let title = format!("`{name}` contradicts `[network.existing]`");
            self.push(Diagnostic::new(span.clone(), title, why).help("remove the line, or `[network.existing]`"));
        }
        let vpc = &existing.vpc;
        if vpc.sound && !is_id(vpc, "vpc-") {
            let title = format!("`{}` is no VPC's id", vpc.value);
            self.push(
                Diagnostic::new(vpc.span.clone(), title, "no id")
                    .help("ids are written as in `vpc-0123456789abcdef0`; `aws ec2 describe-vpcs` lists yours"),
            );
        }
        if existing.subnets.0.is_empty() {
            let example = "subnets = { a = \"subnet-0123456789abcdef0\" }";
            self.push(
                Diagnostic::new(existing.span.clone(), "`network.existing` names no subnet", "nothing to stand in")
                    .help(format!("name one for each zone: `{example}`")),
            );
        }
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for subnet in &existing.subnets {
            if !is_zone(&subnet.name) {
                let title = format!("`{}` is no zone of a region", subnet.name);
                self.push(
                    Diagnostic::new(subnet.span.clone(), title, "must be a letter")
                        .help("write the last letter of the zone's name: `a` for eu-north-1a"),
                );
            }
            let id = &subnet.value;
            if !id.sound {
                continue;
            }
            if !is_id(id, "subnet-") {
                let title = format!("`{}` is no subnet's id", id.value);
                self.push(
                    Diagnostic::new(id.span.clone(), title, "no id")
                        .help("ids are written as in `subnet-0123456789abcdef0`"),
                );
            } else if let Some(zone) = seen.insert(id.as_str(), subnet.name.as_str()) {
                let title = format!("the subnet `{}` stands here twice", id.value);
                self.push(Diagnostic::new(id.span.clone(), title, format!("that of zone `{zone}` already")));
            }
        }
    }

    fn endpoints(&mut self) {
        let endpoints = &self.file.network.endpoints;
        for (index, service) in endpoints.iter().enumerate().filter(|(_, service)| service.sound) {
            let title = format!("`{}` can't be an endpoint", service.value);
            let name = service.as_str();
            if matches!(name, "s3" | "dynamodb") {
                let help = if name == "s3" {
                    "a network of the stack's own reaches S3 by a gateway endpoint already: remove it"
                } else {
                    "write it as a gateway endpoint, free of charge: `[resource.vpc_endpoint.dynamodb]`"
                };
                self.push(Diagnostic::new(service.span.clone(), title, "reached by routes").help(help));
            } else if !SERVICES.contains(&name) {
                let service_name = name.strip_prefix("com.amazonaws.").and_then(|rest| rest.split_once('.'));
                let meant = service_name.map_or(name, |(_, name)| name);
                self.push(
                    Diagnostic::new(service.span.clone(), title, "no service is named so")
                        .help(suggest(meant, SERVICES.iter().copied(), "services"))
                        .help("one that isn't among them is written as `[resource.vpc_endpoint.NAME]`"),
                );
            } else if endpoints[..index].iter().any(|other| other.value == service.value) {
                let title = format!("the endpoint `{name}` stands here twice");
                self.push(Diagnostic::new(service.span.clone(), title, "repeated"));
            }
        }
    }

    /// What members of a network without a way out can't do without.
    fn closed_network(&mut self) {
        let file = self.file;
        let network = &file.network;
        let place = network.nat.as_ref().map_or_else(|| network.span.clone(), |nat| nat.span.clone());
        if let Some(search) = &file.search {
            let title = "the search host has no way to install Elasticsearch";
            self.push(
                Diagnostic::new(search.host.span_or(&search.span), title, "artifacts.elastic.co is on the internet")
                    .help(
                        "it couldn't give itself the name by which the shipper finds it either: Route 53 has no endpoint in a VPC",
                    )
                    .help("write `nat = \"single\"` in `[network]`"),
            );
        }
        let given: BTreeSet<&str> = network.endpoints.iter().map(|service| service.value.as_str()).collect();
        let missing: BTreeMap<&str, &str> =
            self.needed_endpoints().into_iter().filter(|(service, _)| !given.contains(service)).collect();
        if missing.is_empty() {
            return;
        }
        let all: BTreeSet<&str> = given.iter().copied().chain(missing.keys().copied()).collect();
        let line: Vec<String> = all.iter().map(|service| format!("\"{service}\"")).collect();
        let title = match missing.len() {
            1 => "a network without a way out lacks an endpoint".to_owned(),
            count => format!("a network without a way out lacks {count} endpoints"),
        };
        let mut diagnostic = Diagnostic::new(place, title, "only endpoints lead out of it");
        for (service, why) in &missing {
            diagnostic = diagnostic.help(format!("`{service}`: {why}"));
        }
        self.push(diagnostic.help(format!("write `endpoints = [{}]`, or `nat = \"single\"`", line.join(", "))));
    }

    /// The services that members of the network call, with the first reason for each.
    fn needed_endpoints(&self) -> BTreeMap<&'static str, &'static str> {
        let file = self.file;
        let runs = |need: Need| self.needing(need).is_some();
        let on_hosts = file.hosts.iter().any(|host| !host.value.agents.is_empty());
        // The stream's job on Spark reports as agents do.
        let with_agents = on_hosts || file.streams_on_spark();
        let scram = file.kafka.as_ref().is_some_and(|kafka| kafka.ways().first() == Some(&Authentication::Scram));
        let sessions = file.hosts.iter().any(|host| *host.value.session_manager);
        let volumes = file.hosts.iter().any(|host| host.value.data_volume_gib.is_some());
        let spark = file.uses_emr();
        let keys = !file.keys.0.is_empty() || file.stack.keys.is_some();
        let logins = file.search.as_ref().is_some_and(|search| *search.login);
        let registries = file.tables.iter().any(|table| table.value.registry_secret.is_some());
        let table = [
            ("ec2", volumes, "hosts look for their data volumes and attach them"),
            ("ec2messages", sessions, "hosts are reached by Session Manager"),
            ("emr-serverless", runs(Need::Models), "the batch agent starts the models' runs"),
            ("glue", runs(Need::Tables), "the stream agent commits to tables of the catalog"),
            ("glue", file.batch.is_some(), "models read and write tables of the catalog"),
            ("kms", keys && (with_agents || spark), "what agents and models read is encrypted by the stack's keys"),
            ("kms", keys && logins, "the passwords of those who search are encrypted by the stack's keys"),
            ("kms", keys && sessions, "what is typed in sessions is encrypted by the stack's keys"),
            ("logs", with_agents, "the agents' logs go to CloudWatch"),
            ("logs", sessions, "sessions are written to CloudWatch's logs"),
            ("monitoring", on_hosts, "the hosts' metrics go to CloudWatch"),
            ("secretsmanager", scram && runs(Need::Kafka), "agents read Kafka's password"),
            (
                "secretsmanager",
                registries && runs(Need::Tables),
                "the stream agent reads the schema registry's password",
            ),
            ("secretsmanager", logins, "the search host reads its users' passwords"),
            ("ssm", sessions, "hosts are reached by Session Manager"),
            ("ssmmessages", sessions, "hosts are reached by Session Manager"),
            ("sts", with_agents || spark, "agents and models act as their roles"),
        ];
        let mut needed = BTreeMap::new();
        for (service, why) in table.into_iter().filter_map(|(service, needs, why)| needs.then_some((service, why))) {
            needed.entry(service).or_insert(why);
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id("vpc-0123456789abcdef0", "vpc-") && is_id("vpc-1a2b3c4d", "vpc-"));
        assert!(!is_id("vpc-main", "vpc-") && !is_id("subnet-1a2b3c4d", "vpc-") && !is_id("vpc-", "vpc-"));
    }
}
