//! The section of a stack file that stands for the network, its own or one that is there already.

use super::declare::{choice, section};
use super::decode::{At, Named};
use super::tags::Tagged;
use super::values::Cidr;

choice! {
    /// What kind of subnets hosts, brokers and Spark stand in.
    Subnets {
        /// Subnets with a route to the internet: hosts get public addresses, and nothing lets anybody in.
        Public = "public",
        /// Subnets without one: nobody has a public address, and the way out leads through NAT gateways and endpoints.
        Private = "private",
    }
}

choice! {
    /// The NAT gateways of private subnets.
    Nat {
        /// None: what isn't reached by an endpoint isn't reached at all.
        None = "none",
        /// One, in the first zone: when that zone is lost, no other has a way out.
        Single = "single",
        /// One in each zone.
        PerZone = "per-zone",
    }
}

section! {
    /// The network: one VPC with a public or private subnet in each zone, and no address open to the internet.
    Network {
        /// The range of addresses, /16 to /25. Each zone gets an eighth of it, so that zones can be added later; private
        /// subnets get theirs in the upper half, of at most four zones.
        cidr: At<Cidr> = At::given("10.20.0.0/16".parse::<Cidr>().expect("a network")),
        /// The letters of the availability zones within the region. Brokers stand in the first three at most.
        zones: At<Vec<At<String>>> = At::given(["a", "b", "c"].map(At::given).to_vec()),
        /// What hosts, brokers and Spark stand in: public subnets, or private ones. Brokers can't move: another choice replaces
        /// the Kafka cluster.
        subnets: At<Subnets> = At::given(Subnets::Public),
        /// The NAT gateways of private subnets. Default: `single`.
        nat: Option<At<Nat>> = None,
        /// AWS services that are reached by interface endpoints, by their short names, `glue`, `secretsmanager`. S3 is always
        /// reached by an endpoint of its own, free of charge.
        endpoints: Vec<At<String>> = Vec::new(),
        /// Whether all connections are written to a log group, `/lakewright/STACK/flow-logs`.
        flow_logs: At<bool> = At::given(false),
        /// A VPC that is there already, for the stack to stand in. Without this section the stack makes its own.
        existing: Option<Existing> = None,
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

section! {
    /// A VPC and subnets that are there already: the stack makes no VPC, subnet, gateway or route, and never changes them.
    Existing {
        /// The VPC's id, `vpc-…`.
        vpc: At<String>,
        /// A subnet of each zone, by the zone's letter: `{ a = "subnet-…", b = "subnet-…" }`.
        subnets: Named<At<String>>,
    }
}

impl Network {
    /// The letters of the zones that the stack stands in.
    pub fn zone_letters(&self) -> Vec<&str> {
        match &self.existing {
            Some(existing) => existing.subnets.names().collect(),
            None => self.zones.iter().map(|zone| zone.value.as_str()).collect(),
        }
    }

    /// Where the zones are named.
    pub fn zones_span(&self) -> std::ops::Range<usize> {
        self.existing.as_ref().map_or_else(|| self.zones.span_or(&self.span), |existing| existing.span.clone())
    }

    /// Whether hosts, brokers and Spark stand in private subnets.
    pub fn is_private(&self) -> bool {
        *self.subnets == Subnets::Private
    }

    /// The NAT gateways that the stack makes.
    pub fn nat(&self) -> Nat {
        if !self.is_private() || self.existing.is_some() {
            return Nat::None;
        }
        self.nat.as_ref().map_or(Nat::Single, |nat| nat.value)
    }

    /// Whether members reach nothing but what endpoints lead to.
    pub fn is_closed(&self) -> bool {
        self.is_private() && self.existing.is_none() && self.nat() == Nat::None
    }
}
