//! The network: VPC, subnets, routes, and who may talk to whom.

use super::Expansion;
use crate::kinds::security_group::Rule;
use crate::kinds::{internet_gateway, route_table, security_group, subnet, vpc, vpc_endpoint};
use crate::resource::Address;
use crate::stack::hosts::Agent;
use crate::stack::sections::Authentication;

impl Expansion<'_> {
    pub(super) fn network(&mut self) {
        let network = &self.file.network;
        let place = &network.span;
        let vpc = Address::new("vpc", "main");
        let spec = vpc::Spec { cidr: network.cidr.to_string(), dns_support: true, dns_hostnames: true };
        self.add(vpc.clone(), &spec, place, vec![]);
        for (index, zone) in network.zones.iter().enumerate() {
            let spec = subnet::Spec {
                vpc: vpc.output("id"),
                cidr: network.cidr.part(3, index as u32).to_string(),
                zone: format!("{}{}", self.target.region, zone.value),
                public_addresses: true,
            };
            self.add(Address::new("subnet", zone.value.as_str()), &spec, place, vec![]);
        }
        let gateway = Address::new("internet_gateway", "main");
        self.add(gateway.clone(), &internet_gateway::Spec { vpc: vpc.output("id") }, place, vec![]);
        let routes = Address::new("route_table", "public");
        let spec = route_table::Spec {
            vpc: vpc.output("id"),
            routes: vec![route_table::Route { destination: "0.0.0.0/0".into(), target: gateway.output("id") }],
            subnets: self.subnets(),
        };
        self.add(routes.clone(), &spec, place, vec![]);
        let spec = vpc_endpoint::Spec {
            vpc: vpc.output("id"),
            service: "s3".into(),
            way: vpc_endpoint::Way::Gateway,
            route_tables: vec![routes.output("id")],
            subnets: vec![],
            security_groups: vec![],
            private_names: false,
            policy: None,
        };
        self.add(Address::new("vpc_endpoint", "s3"), &spec, place, vec![]);
        self.security_groups();
    }

    /// References to the ids of all subnets.
    pub(super) fn subnets(&self) -> Vec<String> {
        let zones = self.file.network.zones.iter();
        zones.map(|zone| Address::new("subnet", zone.value.as_str()).output("id")).collect()
    }

    fn security_groups(&mut self) {
        let file = self.file;
        for host in &file.hosts {
            let mut ingress = Vec::new();
            if let Some(search) = file.search.as_ref().filter(|search| search.host.value == host.name) {
                for shipper in self.hosts_with(&[Agent::Shipper]) {
                    if shipper != host.name {
                        ingress.push(from_group(**search.port as i32, &shipper, "documents from the shipper"));
                    }
                }
            }
            let spec =
                self.security_group(&host.name, format!("the hosts {} of {}", host.name, self.stack.name()), ingress);
            self.add(Address::new("security_group", host.name.as_str()), &spec, &host.span, vec![]);
        }
        let Some(kafka) = &file.kafka else { return };
        let port = match *kafka.authentication {
            Authentication::Scram => 9096,
            Authentication::None => 9094,
        };
        let clients = self.hosts_with(&[Agent::Producer, Agent::Stream, Agent::Shipper]);
        let mut ingress = vec![Rule {
            protocol: "all".into(),
            from_port: None,
            to_port: None,
            cidr: None,
            group: Some("self".into()),
            prefix_list: None,
            description: "brokers among themselves".into(),
        }];
        ingress.extend(clients.iter().map(|host| from_group(port, host, "Kafka clients")));
        let spec = self.security_group("kafka", format!("the brokers of {}", self.stack.name()), ingress);
        self.add(Address::new("security_group", "kafka"), &spec, &kafka.span, vec![]);
    }

    fn security_group(&self, name: &str, description: String, ingress: Vec<Rule>) -> security_group::Spec {
        security_group::Spec {
            vpc: Address::new("vpc", "main").output("id"),
            name: self.named(name),
            description,
            ingress,
            egress: vec![Rule {
                protocol: "all".into(),
                from_port: None,
                to_port: None,
                cidr: Some("0.0.0.0/0".into()),
                group: None,
                prefix_list: None,
                description: String::new(),
            }],
        }
    }

    /// The names of the hosts that run one of the agents.
    pub(super) fn hosts_with(&self, agents: &[Agent]) -> Vec<String> {
        let hosts = self.file.hosts.iter();
        let runs = hosts.filter(|host| host.value.agents.iter().any(|agent| agents.contains(&agent.value)));
        runs.map(|host| host.name.clone()).collect()
    }
}

fn from_group(port: i32, host: &str, description: &str) -> Rule {
    Rule {
        protocol: "tcp".into(),
        from_port: Some(port),
        to_port: Some(port),
        cidr: None,
        group: Some(Address::new("security_group", host).output("id")),
        prefix_list: None,
        description: description.into(),
    }
}
