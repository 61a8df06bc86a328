//! The network: where the stack stands, and who may talk to whom.

use lakewright_config::agents::Need;

use super::Expansion;
use super::subnets::private;
use crate::kinds::security_group;
use crate::kinds::security_group::{Protocol, Rule};
use crate::resource::Address;
use crate::stack::kafka::Authentication;

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
            let mut ingress = Vec::new();
            if let Some(search) = file.search.as_ref().filter(|search| search.host.value == host.name) {
                for shipper in self.hosts_with(Need::Search) {
                    if shipper != host.name {
                        ingress.push(from_group(**search.port as i32, &shipper, "documents from the shipper"));
                    }
                }
            }
            let spec =
                self.security_group(&host.name, format!("the hosts {} of {}", host.name, self.stack.name()), ingress);
            self.add(Address::new("security_group", host.name.as_str()), &spec, &host.span, vec![]);
        }
        self.network_groups();
        // Whoever comes to an existing cluster is up to its own groups.
        let Some(kafka) = file.kafka.as_ref().filter(|kafka| kafka.existing.is_none()) else { return };
        let ports = kafka.ways().into_iter().map(|way| match way {
            Authentication::Iam => 9098,
            Authentication::Scram => 9096,
            Authentication::None => 9094,
        });
        let clients = self.hosts_with(Need::Kafka);
        let mut ingress = vec![among_themselves("brokers among themselves")];
        for port in ports {
            ingress.extend(clients.iter().map(|host| from_group(port, host, "Kafka clients")));
        }
        let spec = self.security_group("kafka", format!("the brokers of {}", self.stack.name()), ingress);
        self.add(Address::new("security_group", "kafka"), &spec, &kafka.span, vec![]);
    }

    pub(super) fn security_group(&self, name: &str, description: String, ingress: Vec<Rule>) -> security_group::Spec {
        security_group::Spec {
            vpc: self.vpc().into(),
            name: self.named(name).into(),
            description: description.into(),
            ingress,
            egress: vec![Rule {
                protocol: Protocol::All,
                from_port: None,
                to_port: None,
                cidr: Some("0.0.0.0/0".into()),
                group: None,
                prefix_list: None,
                description: String::new().into(),
            }],
        }
    }

    /// The names of the hosts that run an agent with a need.
    pub(super) fn hosts_with(&self, need: Need) -> Vec<String> {
        let hosts = self.file.hosts.iter();
        let runs = hosts.filter(|host| host.value.agents.iter().any(|agent| agent.value.needs(need)));
        runs.map(|host| host.name.clone()).collect()
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
