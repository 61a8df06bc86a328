//! `serverless_cluster`: an MSK Serverless cluster.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::types::{
    Cluster, Iam, ServerlessClientAuthentication, ServerlessRequest, ServerlessSasl, VpcConfig,
};
use futures::future::try_join_all;
use lakewright_aws::Needed as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::msk::{self, OUTPUTS};
use super::spec::{compared, describes, differs, replaces, typed, value};
use super::{tag_lists, tags};
use crate::cost::{Charge, Cost};
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// An MSK Serverless cluster: AWS runs the brokers, scales them and bills by use. Clients log in by IAM, and nothing of a
/// living one can be changed. Its topics can't be made from outside its network: the agents make theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region, among provisioned clusters too.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"))]
    pub name: String,
    /// The ids of the subnets that clients reach it in, in two zones at least.
    #[schemars(inner(regex(pattern = r"^subnet-[0-9a-f]+$")))]
    pub subnets: Vec<String>,
    /// The ids of the security groups that say who may reach it, five at most.
    #[schemars(inner(regex(pattern = r"^sg-[0-9a-f]+$")))]
    pub security_groups: Vec<String>,
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
    "kafka:TagResource",
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
/// The kind's name in addresses.
const KIND: &str = "serverless_cluster";

/// The kind.
#[derive(Debug)]
pub struct ServerlessCluster;

#[async_trait]
impl Kind for ServerlessCluster {
    describes!("serverless_cluster", "an MSK Serverless cluster", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed {
            charges: vec![Charge::hours("msk.serverless.cluster.hour", 1.0)],
            by_use: "each partition's hours, the bytes written and read, and the bytes stored",
        }
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_mins(5), Duration::from_secs(2), Duration::from_mins(5)]
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        let sentences: &[&str] = match action {
            Action::Create => &["its topics appear when the agents that use them start"],
            Action::Replace => &["topics are made anew by the agents, without what the old ones held"],
            Action::Update => &[],
            Action::Delete => &["its producers and consumers stop"],
        };
        sentences.iter().map(|sentence| (*sentence).to_owned()).collect()
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let clusters = msk::clusters(context, KIND).await?;
        try_join_all(clusters.iter().map(|(address, cluster)| found(context, address, cluster))).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let network = VpcConfig::builder()
            .set_subnet_ids(Some(spec.subnets.clone()))
            .set_security_group_ids(Some(spec.security_groups.clone()));
        let sasl = ServerlessSasl::builder().iam(Iam::builder().enabled(true).build()).build();
        let serverless = ServerlessRequest::builder()
            .vpc_configs(network.build())
            .client_authentication(ServerlessClientAuthentication::builder().sasl(sasl).build());
        let call = context.aws.kafka().create_cluster_v2().serverless(serverless.build());
        let arn = msk::make(context, address, &spec.name, call).await?;
        let cluster = msk::settled(context, &arn, msk::CHANGED).await?;
        msk::outcome(context, &cluster).await
    }

    async fn update(&self, _context: &Context, live: &Live, _spec: &Value, _changed: &[String]) -> Result<Outcome> {
        bail!("nothing of the serverless cluster {} can be changed: this is a bug in lakewright", live.id)
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        msk::delete(context, &live.id).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let Some(cluster) = msk::named(context, id).await? else { return Ok(None) };
        if cluster.serverless().is_none() {
            bail!("{id} is a provisioned cluster; adopt it as a `cluster`");
        }
        let cluster = msk::claim(context, address, id, cluster)?;
        found(context, address, &cluster).await.map(Some)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        msk::tag(context, &outcome.id, tags).await
    }
}

fn canonical(spec: &mut Spec) -> Result<()> {
    if spec.subnets.len() < 2 {
        bail!("a serverless cluster needs subnets in two zones at least");
    }
    if spec.security_groups.len() > 5 {
        bail!("a serverless cluster takes five security groups at most");
    }
    Ok(())
}

async fn found(context: &Context, address: &Address, cluster: &Cluster) -> Result<Live> {
    let arn = msk::arn(cluster)?;
    let brokers = if msk::is_usable(cluster) { msk::bootstrap(context, arn).await? } else { None };
    let outputs = msk::outputs(cluster, brokers.as_ref())?;
    let outputs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let serverless = cluster.serverless().needed("kafka", "Cluster.Serverless")?;
    let network = serverless.vpc_configs().first().needed("kafka", "Serverless.VpcConfigs")?;
    let spec = Spec {
        name: msk::name(cluster)?.to_owned(),
        subnets: network.subnet_ids().to_vec(),
        security_groups: network.security_group_ids().to_vec(),
    };
    let tags = tag_lists::read_map(cluster.tags());
    let live = tags::live(address.clone(), &tags, arn, value(&spec), &outputs);
    Ok(Live { condition: msk::condition(cluster)?, ..live })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_zone_is_refused() {
        let spec = |subnets: &[&str]| json!({"name": "shop", "subnets": subnets, "security_groups": ["sg-1"]});
        let refused = ServerlessCluster.normalise(&spec(&["subnet-1"])).expect_err("one subnet");
        assert!(refused.to_string().contains("two zones"), "{refused}");
        assert!(ServerlessCluster.normalise(&spec(&["subnet-1", "subnet-2"])).is_ok());
    }
}
