//! The things of EC2 that are listed by filters, described by an id, and carry tags.

use anyhow::Result;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, Filter, Tag};

use crate::kind::Context;
use crate::kinds::wait;

/// A thing of EC2.
pub(in crate::kinds) trait Thing: Sized + Send + Sync {
    /// Its id.
    fn id(&self) -> Result<&str, Error>;

    /// Its tags.
    fn tags(&self) -> &[Tag];

    /// The same with other tags.
    fn with_tags(self, tags: Vec<Tag>) -> Self;

    /// Those that all filters let through.
    fn list(context: &Context, filters: Vec<Filter>) -> impl Future<Output = Result<Vec<Self>>> + Send;

    /// The one with an id.
    fn described(context: &Context, id: &str) -> impl Future<Output = Result<Option<Self>>> + Send;
}

/// Says of each type the member that is its id, and of the operation that describes it the parameters that take filters and ids,
/// and the member that holds the answer.
macro_rules! things {
    ($($thing:ident: $id:ident $member:literal, $describe:ident($filters:ident, $ids:ident) -> $things:ident;)+) => {$(
        impl Thing for types::$thing {
            fn id(&self) -> Result<&str, Error> {
                self.$id().needed("ec2", $member)
            }

            fn tags(&self) -> &[Tag] {
                self.tags()
            }

            fn with_tags(mut self, tags: Vec<Tag>) -> Self {
                self.tags = Some(tags);
                self
            }

            async fn list(context: &Context, filters: Vec<Filter>) -> Result<Vec<Self>> {
                let call = context.aws.ec2().$describe().$filters(Some(filters));
                Ok(ask_all(call.into_paginator().items().send()).await?)
            }

            async fn described(context: &Context, id: &str) -> Result<Option<Self>> {
                let found = wait::found(ask(context.aws.ec2().$describe().$ids(id).send()).await)?;
                Ok(found.and_then(|answer| answer.$things?.into_iter().next()))
            }
        }
    )+};
}

things! {
    FlowLog: flow_log_id "FlowLog.FlowLogId", describe_flow_logs(set_filter, flow_log_ids) -> flow_logs;
    InternetGateway: internet_gateway_id "InternetGateway.InternetGatewayId",
        describe_internet_gateways(set_filters, internet_gateway_ids) -> internet_gateways;
    LaunchTemplate: launch_template_id "LaunchTemplate.LaunchTemplateId",
        describe_launch_templates(set_filters, launch_template_ids) -> launch_templates;
    NatGateway: nat_gateway_id "NatGateway.NatGatewayId",
        describe_nat_gateways(set_filter, nat_gateway_ids) -> nat_gateways;
    RouteTable: route_table_id "RouteTable.RouteTableId",
        describe_route_tables(set_filters, route_table_ids) -> route_tables;
    SecurityGroup: group_id "SecurityGroup.GroupId", describe_security_groups(set_filters, group_ids) -> security_groups;
    Subnet: subnet_id "Subnet.SubnetId", describe_subnets(set_filters, subnet_ids) -> subnets;
    Volume: volume_id "Volume.VolumeId", describe_volumes(set_filters, volume_ids) -> volumes;
    Vpc: vpc_id "Vpc.VpcId", describe_vpcs(set_filters, vpc_ids) -> vpcs;
    VpcEndpoint: vpc_endpoint_id "VpcEndpoint.VpcEndpointId",
        describe_vpc_endpoints(set_filters, vpc_endpoint_ids) -> vpc_endpoints;
}

/// EC2 lists all addresses at once.
impl Thing for types::Address {
    fn id(&self) -> Result<&str, Error> {
        self.allocation_id().needed("ec2", "Address.AllocationId")
    }

    fn tags(&self) -> &[Tag] {
        self.tags()
    }

    fn with_tags(mut self, tags: Vec<Tag>) -> Self {
        self.tags = Some(tags);
        self
    }

    async fn list(context: &Context, filters: Vec<Filter>) -> Result<Vec<Self>> {
        let answer = ask(context.aws.ec2().describe_addresses().set_filters(Some(filters)).send()).await?;
        Ok(answer.addresses.unwrap_or_default())
    }

    async fn described(context: &Context, id: &str) -> Result<Option<Self>> {
        let found = wait::found(ask(context.aws.ec2().describe_addresses().allocation_ids(id).send()).await)?;
        Ok(found.and_then(|answer| answer.addresses?.into_iter().next()))
    }
}
