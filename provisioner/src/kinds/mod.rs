//! The resource kinds: one file and one line each.

mod msk;
mod policy;
mod spec;
mod tagged;
mod tags;
#[cfg(test)]
mod testing;
mod wait;
mod wire;

pub mod auto_scaling_group;
pub mod bucket;
pub mod cluster;
pub mod database;
pub mod emr_application;
pub mod instance_profile;
pub mod internet_gateway;
pub mod key;
pub mod launch_template;
pub mod log_group;
pub mod msk_configuration;
pub mod object;
pub mod release;
pub mod role;
pub mod route_table;
pub mod scram_association;
pub mod secret;
pub mod security_group;
pub mod subnet;
pub mod table;
pub mod topic;
pub mod vpc;
pub mod vpc_endpoint;
pub mod workgroup;

use crate::kind::Kind;

/// Every kind.
pub fn all() -> &'static [&'static dyn Kind] {
    &[
        &auto_scaling_group::AutoScalingGroup,
        &bucket::Bucket,
        &cluster::Cluster,
        &database::Database,
        &emr_application::EmrApplication,
        &instance_profile::InstanceProfile,
        &internet_gateway::InternetGateway,
        &key::Key,
        &launch_template::LaunchTemplate,
        &log_group::LogGroup,
        &msk_configuration::MskConfiguration,
        &object::Object,
        &release::Release,
        &role::Role,
        &route_table::RouteTable,
        &scram_association::ScramAssociation,
        &secret::Secret,
        &security_group::SecurityGroup,
        &subnet::Subnet,
        &table::Table,
        &topic::Topic,
        &vpc::Vpc,
        &vpc_endpoint::VpcEndpoint,
        &workgroup::Workgroup,
    ]
}

/// The kind of this name.
pub fn named(name: &str) -> Option<&'static dyn Kind> {
    all().iter().copied().find(|kind| kind.name() == name)
}
