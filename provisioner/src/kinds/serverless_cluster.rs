//! `serverless_cluster`: an MSK Serverless cluster.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::types::{
    Cluster, Iam, ServerlessClientAuthentication, ServerlessRequest, ServerlessSasl, VpcConfig,
};
use lakewright_aws::Needed as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterName;
use super::each::{One, each};
use super::msk::{self, OUTPUTS};
use super::spec::{compared, replaces};
use super::values::{SecurityGroupId, SubnetId};
use super::{tag_lists, tagging, tags};
use crate::charge::HOURS;
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

/// An MSK Serverless cluster: AWS runs the brokers, scales them and bills by use. Clients log in by IAM, and nothing of a
/// living one can be changed. Its topics can't be made from outside its network: the agents make theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region, among provisioned clusters too.
    pub name: ClusterName,
    /// The ids of the subnets that clients reach it in, in two zones at least.
    pub subnets: Vec<SubnetId>,
    /// The ids of the security groups that say who may reach it, five at most.
    pub security_groups: Vec<SecurityGroupId>,
}

const FIELDS: &[Field] = &[
    replaces("name"),
    compared(replaces("subnets"), Comparing::AsSet),
    compared(replaces("security_groups"), Comparing::AsSet),
];
const ACTIONS: &[&str] = &[
    "kafka:CreateClusterV2",
    "kafka:DeleteCluster",
    "kafka:DescribeClusterV2",
    "kafka:ListClustersV2",
    "kafka:GetBootstrapBrokers",
    // MSK makes interface endpoints and its own role in the caller's name.
    "ec2:CreateTags",
    "ec2:CreateVpcEndpoint",
    "ec2:DeleteVpcEndpoints",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "ec2:DescribeVpcAttribute",
    "iam:CreateServiceLinkedRole",
];
const ARNS: &[Arn] = &[
    ("cluster", "kafka:{region}:{account}:cluster/{name}/*"),
    ("topics", "kafka:{region}:{account}:topic/{name}/*/*"),
    ("topic_arn", "kafka:{region}:{account}:topic/{name}/*/*"),
    ("group_arn", "kafka:{region}:{account}:group/{name}/*"),
    ("serverless", "kafka:{region}:{account}:cluster/{name}/*"),
];
const FACTS: Facts = Facts {
    holds_data: true,
    expected: [Duration::from_mins(5), Duration::from_secs(2), Duration::from_mins(5)],
    identified_by: &["name"],
    arns: ARNS,
    linked_roles: &["kafka.amazonaws.com"],
    billing: Billing::Monthly(
        "msk.serverless.cluster.hour",
        HOURS,
        "each partition's hours, the bytes written and read, and the bytes stored",
    ),
    follows: &[
        (&[Action::Create], "its topics appear when the agents that use them start"),
        (&[Action::Replace], "topics are made anew by the agents, without what the old ones held"),
        (&[Action::Delete], "its producers and consumers stop"),
    ],
    tagging: Some(&tagging::Kafka),
    ..Facts::of("serverless_cluster", "an MSK Serverless cluster", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct ServerlessCluster;

#[async_trait]
impl Kind for ServerlessCluster {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.subnets.len() < 2 {
            bail!("a serverless cluster needs subnets in two zones at least");
        }
        if spec.security_groups.len() > 5 {
            bail!("a serverless cluster takes five security groups at most");
        }
        Ok(())
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let clusters = msk::clusters(context, FACTS.name).await?;
        let reads = clusters.iter().map(|(address, cluster)| One {
            address: Some(address.clone()),
            id: cluster.cluster_name().unwrap_or_default().to_owned(),
            read: async move { found(context, address, cluster).await.map(Some) },
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let network = VpcConfig::builder()
            .set_subnet_ids(Some(spec.subnets.iter().map(ToString::to_string).collect()))
            .set_security_group_ids(Some(spec.security_groups.iter().map(ToString::to_string).collect()));
        let sasl = ServerlessSasl::builder().iam(Iam::builder().enabled(true).build()).build();
        let serverless = ServerlessRequest::builder()
            .vpc_configs(network.build())
            .client_authentication(ServerlessClientAuthentication::builder().sasl(sasl).build());
        let call = context.aws.kafka().create_cluster_v2().serverless(serverless.build());
        let arn = msk::make(context, address, &spec.name, call).await?;
        let cluster = msk::settled(context, &arn, msk::CHANGED).await?;
        msk::outcome(context, &cluster).await
    }

    async fn update(&self, _context: &Context, Delta { live, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        bail!("nothing of the serverless cluster {} can be changed: this is a bug in lakewright", live.id)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        msk::delete(context, &live.id).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(cluster) = msk::named(context, id).await? else { return Ok(None) };
        if cluster.serverless().is_none() {
            bail!("{id} is a provisioned cluster; adopt it as a `cluster`");
        }
        let cluster = msk::claim(context, address, id, cluster)?;
        found(context, address, &cluster).await.map(Some)
    }
}

async fn found(context: &Context, address: &Address, cluster: &Cluster) -> Result<Found<Spec>> {
    let arn = msk::arn(cluster)?;
    let brokers = if msk::is_usable(cluster) { msk::bootstrap(context, arn).await? } else { None };
    let outputs = msk::outputs(cluster, brokers.as_ref())?;
    let outputs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let serverless = cluster.serverless().needed("kafka", "Cluster.Serverless")?;
    let network = serverless.vpc_configs().first().needed("kafka", "Serverless.VpcConfigs")?;
    let spec = Spec {
        name: msk::name(cluster)?.into(),
        subnets: network.subnet_ids().iter().cloned().map(Into::into).collect(),
        security_groups: network.security_group_ids().iter().cloned().map(Into::into).collect(),
    };
    let tags = tag_lists::read_map(cluster.tags());
    let found = tags::found(address.clone(), &tags, arn, spec, &outputs);
    Ok(Found { condition: msk::condition(cluster)?, ..found })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn one_zone_is_refused() {
        let spec = |subnets: &[&str]| json!({"name": "shop", "subnets": subnets, "security_groups": ["sg-1"]});
        let refused = ServerlessCluster.normalise(&spec(&["subnet-1"])).expect_err("one subnet");
        assert!(refused.to_string().contains("two zones"), "{refused}");
        assert!(ServerlessCluster.normalise(&spec(&["subnet-1", "subnet-2"])).is_ok());
    }
}
