//! Quotas of an account, and what one resource takes of them.

/// A quota of an account in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Elastic IP addresses.
    Addresses,
    /// VPCs.
    Vpcs,
    /// NAT gateways in the zone that has most.
    NatGateways,
    /// Security groups.
    SecurityGroups,
    /// Virtual processors of running on-demand instances of the standard families.
    Processors,
    /// Brokers of provisioned MSK clusters.
    Brokers,
    /// Virtual processors that workers of EMR Serverless use at once.
    ServerlessProcessors,
}

impl Quota {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Addresses,
        Self::Vpcs,
        Self::NatGateways,
        Self::SecurityGroups,
        Self::Processors,
        Self::Brokers,
        Self::ServerlessProcessors,
    ];

    /// What it counts.
    pub fn words(self) -> &'static str {
        match self {
            Self::Addresses => "Elastic IP addresses",
            Self::Vpcs => "VPCs",
            Self::NatGateways => "NAT gateways in one zone",
            Self::SecurityGroups => "security groups",
            Self::Processors => "processors of running standard instances",
            Self::Brokers => "MSK brokers",
            Self::ServerlessProcessors => "processors of EMR Serverless",
        }
    }
}

/// What one resource takes of the quota that its kind counts for.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// How many of what the quota counts.
    pub amount: f64,
    /// The zone, of a quota that counts each by itself; empty for the others.
    pub zone: String,
}

impl Share {
    /// So many, of a quota of the whole region.
    pub fn of(amount: impl Into<f64>) -> Self {
        Self { amount: amount.into(), zone: String::new() }
    }
}
