//! The network: where the stack stands, and who may talk to whom.

use std::collections::BTreeMap;

use lakewright_config::agents::Need;

use super::Expansion;
use super::subnets::private;
use crate::kinds::security_group;
use crate::kinds::security_group::{Protocol, Rule};
use crate::names::STREAM_JOB;
use crate::resource::Address;
use crate::stack::kafka::{Authentication, Kafka};

/// The port of HTTPS.
const HTTPS: i32 = 443;
/// Every address.
const ANYWHERE: &str = "0.0.0.0/0";

impl Expansion<'_> {
    pub(super) fn network(&mut self) {
        if self.file.network.existing.is_none() {
            self.own_network();
        }
        self.security_groups();
        self.endpoints();
        self.flow_logs();
    }

    /// The VPC's id, or the reference to it.
    pub(super) fn vpc(&self) -> String {
        let existing = self.file.network.existing.as_ref();
        existing.map_or_else(|| Address::new("vpc", "main").output("id"), |existing| existing.vpc.value.clone())
    }

    /// The ids of the subnets that hosts, brokers and Spark stand in, or references to them.
    pub(super) fn subnets(&self) -> Vec<String> {
        let network = &self.file.network;
        if let Some(existing) = &network.existing {
            return existing.subnets.iter().map(|subnet| subnet.value.value.clone()).collect();
        }
        let name = |zone: &&str| if network.is_private() { private(zone) } else { (*zone).to_owned() };
        network.zone_letters().iter().map(|zone| Address::new("subnet", name(zone)).output("id")).collect()
    }

    fn security_groups(&mut self) {
        let file = self.file;
        for host in &file.hosts {
            self.within(&host.value.tags);
            let mut ingress = Vec::new();
            if let Some(search) = file.search.as_ref().filter(|search| search.host.value == host.name) {
                for shipper in self.hosts_with(Need::Search) {
                    if shipper != host.name {
                        ingress.push(from_group(**search.port as i32, &shipper, "documents from the shipper"));
                    }
                }
            }
            let description = format!("the hosts {} of {}", host.name, self.stack.name());
            let mut spec = self.security_group(&host.name, description, ingress);
            let needs = |need: Need| host.value.agents.iter().any(|agent| agent.value.needs(need));
            let own: Vec<i32> = host.value.egress_ports.iter().map(|port| port.value.0 as i32).collect();
            spec.egress.extend(self.ways_to(needs, &own));
            self.add(Address::new("security_group", host.name.as_str()), &spec, &host.span, vec![]);
        }
        self.network_groups();
        // Whoever comes to an existing cluster is up to its own groups.
        let Some(kafka) = file.kafka.as_ref().filter(|kafka| kafka.existing.is_none()) else { return };
        self.within(&kafka.tags);
        let mut clients = self.hosts_with(Need::Kafka);
        clients.extend(file.streams_on_spark().then(|| STREAM_JOB.to_owned()));
        let mut ingress = vec![among_themselves("brokers among themselves")];
        for port in ports(kafka) {
            ingress.extend(clients.iter().map(|host| from_group(port, host, "Kafka clients")));
        }
        let mut spec = self.security_group("kafka", format!("the brokers of {}", self.stack.name()), ingress);
        // They answer, and ask nobody but each other.
        spec.egress = vec![among_themselves("brokers among themselves")];
        self.add(Address::new("security_group", "kafka"), &spec, &kafka.span, vec![]);
    }

    /// What agents with these needs reach besides what everybody does: the brokers and the search index, by the ports of their
    /// connections, and ports that the file names. Groups that named each other would be a circle: addresses are those of the
    /// network.
    pub(super) fn ways_to(&self, needs: impl Fn(Need) -> bool, own: &[i32]) -> Vec<Rule> {
        let network = &self.file.network;
        let within = if network.existing.is_none() { network.cidr.to_string() } else { ANYWHERE.to_owned() };
        let mut ways: BTreeMap<i32, (String, &str)> = BTreeMap::new();
        if let Some(search) = self.file.search.as_ref().filter(|_| needs(Need::Search)) {
            ways.insert(**search.port as i32, (within.clone(), "documents to the search index"));
        }
        if let Some(kafka) = self.file.kafka.as_ref().filter(|_| needs(Need::Kafka)) {
            let place = if kafka.existing.is_none() { within } else { ANYWHERE.to_owned() };
            ways.extend(ports(kafka).into_iter().map(|port| (port, (place.clone(), "Kafka"))));
        }
        ways.extend(own.iter().map(|port| (*port, (ANYWHERE.to_owned(), "as the stack says"))));
        ways.remove(&HTTPS);
        ways.into_iter().map(|(port, (cidr, description))| to_range(port, &cidr, description)).collect()
    }

    /// A group whose members reach what speaks HTTPS: AWS, and what they are installed from. Whom they ask for names, the time
    /// and their credentials no group stands in the way of.
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html>
    pub(super) fn security_group(&self, name: &str, description: String, ingress: Vec<Rule>) -> security_group::Spec {
        security_group::Spec {
            vpc: self.vpc().into(),
            name: self.named(name).into(),
            description: description.into(),
            ingress,
            egress: vec![to_range(HTTPS, ANYWHERE, "AWS, and what is installed")],
        }
    }

    /// The names of the hosts that run an agent with a need.
    pub(super) fn hosts_with(&self, need: Need) -> Vec<String> {
        let hosts = self.file.hosts.iter();
        let runs = hosts.filter(|host| host.value.agents.iter().any(|agent| agent.value.needs(need)));
        runs.map(|host| host.name.clone()).collect()
    }
}

/// The ports of the brokers for the ways that clients log in; of an existing cluster those that it is reached by.
fn ports(kafka: &Kafka) -> Vec<i32> {
    if let Some(existing) = &kafka.existing {
        let brokers = existing.bootstrap.split(',');
        return brokers.filter_map(|broker| broker.trim().rsplit_once(':')?.1.parse().ok()).collect();
    }
    let port = |way: Authentication| match way {
        Authentication::Iam => 9098,
        Authentication::Scram => 9096,
        Authentication::None => 9094,
    };
    kafka.ways().into_iter().map(port).collect()
}

fn to_range(port: i32, cidr: &str, description: &str) -> Rule {
    Rule {
        protocol: Protocol::Tcp,
        from_port: Some(port),
        to_port: Some(port),
        cidr: Some(cidr.to_owned()),
        group: None,
        prefix_list: None,
        description: description.into(),
    }
}

pub(super) fn from_group(port: i32, host: &str, description: &str) -> Rule {
    Rule {
        protocol: Protocol::Tcp,
        from_port: Some(port),
        to_port: Some(port),
        cidr: None,
        group: Some(Address::new("security_group", host).output("id")),
        prefix_list: None,
        description: description.into(),
    }
}

/// Everything between the members of a group.
pub(super) fn among_themselves(description: &str) -> Rule {
    Rule {
        protocol: Protocol::All,
        from_port: None,
        to_port: None,
        cidr: None,
        group: Some("self".into()),
        prefix_list: None,
        description: description.into(),
    }
}
