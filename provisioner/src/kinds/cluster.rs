//! `cluster`: a provisioned MSK cluster.

mod changes;
mod wire;

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_kafka::types;
use lakewright_aws::Needed as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::changes::{changes, refusal};
use self::wire::{departures, read};
use super::each::{One, each};
use super::msk::{self, OUTPUTS};
use super::spec::{compared, in_place, replaces, yes};
use super::values::{BucketName, ClusterArn, KeyId, LogGroupName, SecurityGroupId, SubnetId, text, words};
use super::{tag_lists, tagging, tags, wait};
use crate::charge::{Charge, Cost, Others};
use crate::kind::{
    Arn, Changing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Quota, Share, Step, Wanted,
};
use crate::resource::{Action, Address, Obstacle};
use crate::services::Services as _;

text!(
    /// The name of a cluster of either type.
    ClusterName,
    r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
);
text!(
    /// A broker's instance type.
    BrokerType,
    r"^(kafka|express)\.[a-z0-9.-]{1,56}$"
);

/// A provisioned MSK cluster. MSK changes one thing at a time, and each change takes minutes to an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: ClusterName,
    /// Kafka's version as MSK names it, `3.9.x`; it can be raised, not lowered.
    #[schemars(length(min = 1, max = 128))]
    pub kafka_version: String,
    /// How many brokers: a multiple of the number of subnets; it can be raised.
    pub brokers: u32,
    /// A broker's instance type, `kafka.t3.small`, `kafka.m7g.large`.
    pub instance_type: BrokerType,
    /// The ids of the subnets, one in each of two or three zones.
    pub subnets: Vec<SubnetId>,
    /// The ids of the brokers' security groups.
    pub security_groups: Vec<SecurityGroupId>,
    /// Each broker's storage in GiB. A floor: MSK only grows it, and may have grown it by itself.
    pub storage_gib: u32,
    /// The settings; absent: MSK's default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// How clients prove who they are.
    pub authentication: Authentication,
    /// The ARN of the KMS key that the storage is encrypted with, `${key.main.arn}`.
    pub encryption_key: KeyId,
    /// What is allowed between clients and brokers. Default: `TLS`.
    #[serde(default)]
    pub client_encryption: ClientEncryption,
    /// Whether brokers talk to each other over TLS. Default: true.
    #[serde(default = "yes")]
    pub broker_encryption: bool,
    /// How many metrics CloudWatch gets. Default: `DEFAULT`.
    #[serde(default)]
    pub monitoring: Monitoring,
    /// Whether each broker answers Prometheus for Kafka's own metrics. Default: false.
    #[serde(default)]
    pub jmx_exporter: bool,
    /// Whether each broker answers Prometheus for its host's metrics. Default: false.
    #[serde(default)]
    pub node_exporter: bool,
    /// Where the brokers' logs go. Default: nowhere.
    #[serde(default)]
    pub logs: Logs,
}

/// A revision of an MSK configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The configuration's ARN, `${msk_configuration.main.arn}`.
    #[schemars(with = "ClusterArn")]
    pub arn: String,
    /// The revision's number, `${msk_configuration.main.revision}`.
    #[schemars(regex(pattern = "^[0-9]{1,18}$"))]
    pub revision: String,
}

/// How clients prove who they are; more than one way may be open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// By name and password, SASL/SCRAM-SHA-512. Default: false.
    #[serde(default)]
    pub scram: bool,
    /// By IAM. Default: false.
    #[serde(default)]
    pub iam: bool,
    /// By certificates of these private certificate authorities, by ARN. Default: none.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^arn:aws[a-z-]*:acm-pca:[!-~]+$")))]
    pub certificate_authorities: Vec<String>,
    /// Not at all. Default: false.
    #[serde(default)]
    pub unauthenticated: bool,
}

/// What is allowed between clients and brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientEncryption {
    /// TLS only.
    #[default]
    Tls,
    /// Either.
    TlsPlaintext,
    /// Plain text only.
    Plaintext,
    /// What else somebody allowed on a cluster; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(ClientEncryption);

/// How many metrics CloudWatch gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Monitoring {
    /// What costs nothing.
    #[default]
    Default,
    /// More per broker.
    PerBroker,
    /// Per topic and broker too.
    PerTopicPerBroker,
    /// Per partition too.
    PerTopicPerPartition,
    /// What else somebody gave a cluster; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Monitoring);

/// Where the brokers' logs go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// A CloudWatch log group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LogGroupName>")]
    pub log_group: Option<String>,
    /// A bucket's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BucketName>")]
    pub bucket: Option<String>,
    /// The prefix of the keys in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub prefix: Option<String>,
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("kafka_version"),
    in_place("brokers"),
    in_place("instance_type"),
    compared(replaces("subnets"), Comparing::AsSet),
    compared(replaces("security_groups"), Comparing::AsSet),
    Field { name: "storage_gib", change: Changing::InPlace, compare: Comparing::AsFloor },
    in_place("configuration"),
    in_place("authentication"),
    replaces("encryption_key"),
    in_place("client_encryption"),
    replaces("broker_encryption"),
    in_place("monitoring"),
    in_place("jmx_exporter"),
    in_place("node_exporter"),
    in_place("logs"),
];
const ACTIONS: &[&str] = &[
    "kafka:CreateClusterV2",
    "kafka:DeleteCluster",
    "kafka:DescribeClusterV2",
    "kafka:ListClustersV2",
    "kafka:GetBootstrapBrokers",
    "kafka:UpdateBrokerCount",
    "kafka:UpdateBrokerStorage",
    "kafka:UpdateBrokerType",
    "kafka:UpdateClusterConfiguration",
    "kafka:UpdateClusterKafkaVersion",
    "kafka:UpdateMonitoring",
    "kafka:UpdateSecurity",
    // Whoever logged in by a password is let go where the file has no such way any more.
    "kafka:BatchDisassociateScramSecret",
    // MSK makes interfaces, log deliveries and its own role in the caller's name.
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "ec2:DescribeRouteTables",
    "iam:CreateServiceLinkedRole",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:PutResourcePolicy",
];
const ARNS: &[Arn] = &[
    ("cluster", "kafka:{region}:{account}:cluster/{name}/*"),
    ("topics", "kafka:{region}:{account}:topic/{name}/*/*"),
    ("topic_arn", "kafka:{region}:{account}:topic/{name}/*/*"),
    ("group_arn", "kafka:{region}:{account}:group/{name}/*"),
];
const FACTS: Facts = Facts {
    holds_data: true,
    expected: [Duration::from_mins(25), Duration::from_mins(30), Duration::from_mins(10)],
    identified_by: &["name"],
    quota: Some(Quota::Brokers),
    review: &["authentication"],
    arns: ARNS,
    linked_roles: &["kafka.amazonaws.com"],
    rights: super::rights::streams::CLUSTERS_OF_THE_STACK,
    follows: &[
        (&[Action::Create], "Kafka can be used after 15 to 40 minutes"),
        (&[Action::Replace], "Kafka stands still until the new cluster can be used, after 15 to 40 minutes"),
        (&[Action::Replace], "topics are made anew, without what the old ones held"),
        (&[Action::Delete], "its producers and consumers stop"),
    ],
    tagging: Some(&tagging::Kafka),
    ..Facts::of("cluster", "a provisioned MSK cluster", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Cluster;

#[async_trait]
impl Kind for Cluster {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        let ways = &spec.authentication;
        if !ways.scram && !ways.iam && ways.certificate_authorities.is_empty() && !ways.unauthenticated {
            bail!(
                "nobody can log in: switch on one of `scram`, `iam`, `unauthenticated`, or name \
                 `certificate_authorities`"
            );
        }
        if spec.logs.prefix.is_some() && spec.logs.bucket.is_none() {
            bail!("the logs have a `prefix` and no `bucket`");
        }
        Ok(())
    }

    fn cost(&self, spec: &Spec) -> Cost {
        let brokers = f64::from(spec.brokers);
        let charges = vec![
            Charge::hours(format!("msk.{}.hour", spec.instance_type), brokers),
            Charge::new("msk.storage.gib_month", brokers * f64::from(spec.storage_gib)),
        ];
        let by_use = if spec.monitoring == Monitoring::Default {
            "the bytes between its zones and clients in others"
        } else {
            "metrics beyond the default ones, and the bytes between its zones and clients in others"
        };
        Cost::Billed { charges, by_use }
    }

    fn share(&self, spec: &Spec, _others: &Others<'_>) -> Share {
        Share::of(spec.brokers)
    }

    fn refuses(&self, live: &Spec, _observed: &(), spec: &Spec) -> Option<Obstacle> {
        refusal(live, spec)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let rolling = ["kafka_version", "instance_type", "configuration", "authentication", "client_encryption"];
        let sentence = if rolling.iter().any(|name| step.updates(name)) {
            "brokers restart one after another; clients reconnect"
        } else if step.updates("brokers") {
            "new brokers hold nothing until partitions are moved to them or made"
        } else if step.updates("storage_gib") {
            "MSK grows storage again only after six hours, and never shrinks it"
        } else {
            return Vec::new();
        };
        vec![sentence.to_owned()]
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let clusters = msk::clusters(context, "cluster").await?;
        let reads = clusters.iter().map(|(address, cluster)| One {
            address: Some(address.clone()),
            id: cluster.cluster_name().unwrap_or_default().to_owned(),
            read: async move { found(context, address, cluster).await.map(Some) },
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.kafka().create_cluster_v2().provisioned(spec.provisioned()?);
        let arn = msk::make(context, address, &spec.name, call).await?;
        let cluster = msk::settled(context, &arn, msk::CHANGED).await?;
        msk::outcome(context, &cluster).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        let mut cluster = msk::settled(context, &live.id, msk::CHANGED).await?;
        for change in changes(spec, changed)? {
            let version = version(&cluster)?.to_owned();
            change.keeping(&cluster).send(context, &live.id, &version).await?;
            cluster = changed_from(context, &live.id, &version).await?;
        }
        msk::outcome(context, &cluster).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        msk::delete(context, &live.id).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(cluster) = msk::named(context, id).await? else { return Ok(None) };
        if cluster.provisioned().is_none() {
            bail!("{id} is a serverless cluster; adopt it as a `serverless_cluster`");
        }
        let cluster = msk::claim(context, address, id, cluster)?;
        found(context, address, &cluster).await.map(Some)
    }
}

fn version(cluster: &types::Cluster) -> Result<&str> {
    Ok(cluster.current_version().needed("kafka", "Cluster.CurrentVersion")?)
}

/// Waits until a change is over: MSK gives the cluster a new version with each.
async fn changed_from(context: &Context, arn: &str, former: &str) -> Result<types::Cluster> {
    wait::until(context, msk::CHANGED, &format!("{arn} is still changing"), || async {
        let cluster = msk::settled(context, arn, msk::CHANGED).await?;
        Ok((version(&cluster)? != former).then_some(cluster))
    })
    .await
}

/// A described cluster with its bootstrap strings, as far as it has some already.
async fn found(context: &Context, address: &Address, cluster: &types::Cluster) -> Result<Found<Spec>> {
    let arn = msk::arn(cluster)?;
    let brokers = if msk::is_usable(cluster) { msk::bootstrap(context, arn).await? } else { None };
    let outputs = msk::outputs(cluster, brokers.as_ref())?;
    let outputs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let tags = tag_lists::read_map(cluster.tags());
    let found = tags::found(address.clone(), &tags, arn, read(cluster)?, &outputs);
    Ok(Found { condition: msk::condition(cluster)?, departures: departures(cluster), ..found })
}
