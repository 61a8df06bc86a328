//! The stack's own VPC: its subnets, gateways and routes.

use std::ops::Range;

use super::Expansion;
use crate::kinds::{elastic_ip, internet_gateway, nat_gateway, route_table, subnet, vpc, vpc_endpoint};
use crate::resource::Address;
use crate::stack::network::Nat;

/// The first eighth of private subnets. A subnet's range can't be changed, and whatever stands in it goes with it: public
/// subnets keep the eighth that they always had, so that private ones begin in the upper half, one for each of four zones.
const PRIVATE: u32 = 4;

/// The name of a zone's private subnet and of its route table.
pub(super) fn private(zone: &str) -> String {
    format!("private-{zone}")
}

impl Expansion<'_> {
    pub(super) fn own_network(&mut self) {
        let file = self.file;
        let network = &file.network;
        let place = &network.span;
        self.within(&network.tags);
        let zones: Vec<&str> = network.zone_letters();
        // The zones that have a public subnet: all of them when everything stands there, else those of NAT gateways.
        let public = match network.nat() {
            _ if !network.is_private() => zones.clone(),
            Nat::None => vec![],
            Nat::Single => zones[..1.min(zones.len())].to_vec(),
            Nat::PerZone => zones.clone(),
        };
        let vpc = Address::new("vpc", "main");
        let spec = vpc::Spec {
            cidr: network.cidr.to_string().into(),
            dns_support: true,
            dns_hostnames: true,
            default_group: vpc::DefaultGroup::Closed,
        };
        self.add(vpc.clone(), &spec, place, vec![]);
        for (index, zone) in zones.iter().enumerate().filter(|(_, zone)| public.contains(zone)) {
            self.subnet(zone, zone, index as u32, !network.is_private());
        }
        if network.is_private() {
            for (index, zone) in zones.iter().enumerate() {
                self.subnet(&private(zone), zone, PRIVATE + index as u32, false);
            }
        }
        if !public.is_empty() {
            self.internet(&public, place);
        }
        let tables = if network.is_private() {
            self.private_routes(&zones, &public, place);
            zones.iter().map(|zone| Address::new("route_table", private(zone)).output("id")).collect()
        } else {
            vec![Address::new("route_table", "public").output("id")]
        };
        let spec = vpc_endpoint::Spec {
            vpc: vpc.output("id").into(),
            service: "s3".into(),
            kind: vpc_endpoint::EndpointType::Gateway,
            route_tables: tables.into_iter().map(Into::into).collect(),
            subnets: vec![],
            security_groups: vec![],
            private_dns: false,
            policy: Some(self.s3_endpoint_policy()),
        };
        self.add(Address::new("vpc_endpoint", "s3"), &spec, place, vec![]);
    }

    fn subnet(&mut self, name: &str, zone: &str, eighth: u32, map_public_ip_on_launch: bool) {
        let network = &self.file.network;
        let spec = subnet::Spec {
            vpc: self.vpc().into(),
            cidr: network.cidr.part(3, eighth).to_string().into(),
            zone: format!("{}{zone}", self.target.region).into(),
            map_public_ip_on_launch,
        };
        self.add(Address::new("subnet", name), &spec, &network.span, vec![]);
    }

    /// The internet gateway, and the routes of public subnets to it.
    fn internet(&mut self, public: &[&str], place: &Range<usize>) {
        let gateway = Address::new("internet_gateway", "main");
        self.add(gateway.clone(), &internet_gateway::Spec { vpc: self.vpc().into() }, place, vec![]);
        let spec = route_table::Spec {
            vpc: self.vpc().into(),
            routes: vec![everywhere(&gateway)],
            subnets: public.iter().map(|zone| Address::new("subnet", *zone).output("id").into()).collect(),
        };
        self.add(Address::new("route_table", "public"), &spec, place, vec![]);
    }

    /// The NAT gateways, and a route table for each private subnet: to have more or fewer of the former changes routes
    /// in place.
    fn private_routes(&mut self, zones: &[&str], gateways: &[&str], place: &Range<usize>) {
        for zone in gateways {
            let address = Address::new("elastic_ip", format!("nat-{zone}"));
            self.add(address.clone(), &elastic_ip::Spec { network_border_group: None }, place, vec![]);
            let spec = nat_gateway::Spec {
                subnet: Address::new("subnet", *zone).output("id").into(),
                address: Some(address.output("id").into()),
            };
            // AWS gives up a gateway whose network has no way to the internet.
            let after = vec![Address::new("internet_gateway", "main"), Address::new("route_table", "public")];
            self.add(Address::new("nat_gateway", *zone), &spec, place, after);
        }
        for zone in zones {
            let near = gateways.iter().find(|gateway| *gateway == zone).or(gateways.first());
            let spec = route_table::Spec {
                vpc: self.vpc().into(),
                routes: near.iter().map(|zone| everywhere(&Address::new("nat_gateway", **zone))).collect(),
                subnets: vec![Address::new("subnet", private(zone)).output("id").into()],
            };
            self.add(Address::new("route_table", private(zone)), &spec, place, vec![]);
        }
    }

    /// What hosts need to reach AWS, and S3 above all, from which they install their agents.
    pub(super) fn ways_out(&self) -> Vec<Address> {
        let network = &self.file.network;
        let mut ways: Vec<Address> = self.interface_endpoints().into_iter().map(|(address, _)| address).collect();
        if network.existing.is_some() {
            return ways;
        }
        if network.is_private() {
            let zones = network.zone_letters();
            ways.extend(zones.iter().map(|zone| Address::new("route_table", private(zone))));
            ways.push(Address::new("vpc_endpoint", "s3"));
        } else {
            ways.push(Address::new("route_table", "public"));
        }
        ways
    }
}

/// The route for whatever has no other.
fn everywhere(target: &Address) -> route_table::Route {
    route_table::Route { destination: "0.0.0.0/0".into(), target: target.output("id") }
}
