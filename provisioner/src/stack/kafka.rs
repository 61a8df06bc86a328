//! The sections of a stack file that stand for Kafka: the cluster and its topics.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::de::DeValue;

use super::declare::{choice, section};
use super::decode::{At, Decode, Decoder, Named, Node};
use super::tags::Tagged;
use super::units::{Age, Period};
use super::values::{Setting, Whole};

choice! {
    /// Who runs the brokers.
    ClusterType {
        /// The stack: of the type and number that the file says.
        Provisioned = "provisioned",
        /// MSK, which scales them by itself and bills by use. Clients log in by IAM, and the agents make the topics.
        Serverless = "serverless",
    }
}

choice! {
    /// How Kafka's clients prove who they are.
    Authentication {
        /// By their AWS credentials over TLS: a role's policy says which topics it reads and writes.
        Iam = "iam",
        /// By name and password over TLS (SASL/SCRAM-SHA-512).
        Scram = "scram",
        /// Not at all, over TLS; only the network keeps others out.
        None = "none",
    }
}

choice! {
    /// How many metrics CloudWatch gets of a cluster; each level holds those before it.
    Monitoring {
        /// What costs nothing.
        Default = "default",
        /// More of each broker.
        PerBroker = "per_broker",
        /// Each topic on each broker too.
        PerTopicPerBroker = "per_topic_per_broker",
        /// Each partition too.
        PerTopicPerPartition = "per_topic_per_partition",
    }
}

/// One or more ways to prove who one is: `"iam"` or `["iam", "scram"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways(pub Vec<Authentication>);

impl Decode for Ways {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.get_ref() {
            DeValue::String(_) => Authentication::decode(node, decoder).map(|one| Self(vec![one])),
            DeValue::Array(items) => {
                let ways: Vec<_> = items.iter().map(|item| Authentication::decode(item, decoder)).collect();
                ways.into_iter().collect::<Option<_>>().map(Self)
            }
            _ => decoder.wrong_type(node, "a way or a list of ways, as in \"iam\" or [\"iam\", \"scram\"]"),
        }
    }

    fn placeholder() -> Self {
        Self(vec![Authentication::Iam])
    }

    fn json(&self) -> Value {
        self.0.iter().map(|way| Value::from(way.word())).collect()
    }
}

impl JsonSchema for Ways {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ways".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Authentication>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

section! {
    /// The Kafka cluster.
    Kafka {
        /// Who runs the brokers. A serverless cluster takes none of the fields that shape brokers.
        r#type: At<ClusterType> = At::given(ClusterType::Provisioned),
        /// Kafka's version as MSK names it, at least 3.6: older clusters have no topic API.
        version: At<String> = At::given("3.9.x"),
        /// How many brokers: a multiple of the number of zones that they stand in.
        brokers: At<Whole<1, 90>> = At::given(Whole(3)),
        /// A broker's instance type.
        instance_type: At<String> = At::given("kafka.m7g.large"),
        /// Each broker's storage in GiB. A floor: what MSK added by itself is no difference. It never takes any away, so that a file
        /// that lowers it is blocked.
        storage_gib: At<Whole<1, 16_384>> = At::given(Whole(100)),
        /// MSK grows each broker's storage by itself, up to so many GiB. Default: it doesn't.
        storage_max_gib: Option<At<Whole<1, 16_384>>> = None,
        /// The share of the storage in per cent whose use makes MSK grow it.
        storage_target: At<Whole<10, 80>> = At::given(Whole(60)),
        /// How clients prove who they are: one way or a list of ways, of which the agents take `iam`. Default: `iam`, or
        /// `scram` where `secret` names a user.
        authentication: Option<At<Ways>> = None,
        /// A secret with a user name and a password, one of `[secrets]`, whose user may log in. Where agents log in by `scram`,
        /// it is the user of all of them. Default: each agent has a user of its own, with a secret `AmazonMSK_STACK_AGENT`
        /// that its host's role alone reads.
        secret: Option<At<String>> = None,
        /// The secret that all agents shared before each had its own user, one of `[secrets]`: its user may log in, and they
        /// may read it, until this line goes. Apply the stack with it once, and without it when its hosts follow.
        former_secret: Option<At<String>> = None,
        /// After how many whole days an apply gives the agents' own users new passwords, `"90d"`: 1 to 3650. Default: never.
        rotate_after: Option<At<Age>> = None,
        /// The key that encrypts the brokers' storage and, unless `keys` in `[stack]` names another for secrets, those of the
        /// agents' own users, one of `[keys]`. Default: what `keys` says, else `main`. MSK never changes it: another one is another
        /// cluster.
        key: At<String> = At::given("main"),
        /// Settings of the brokers as in `server.properties`, over Lakewright's own: no automatic topics, a default
        /// replication of three and two replicas in sync.
        configuration: Named<At<Setting>> = Named(Vec::new()),
        /// How many metrics CloudWatch gets.
        monitoring: At<Monitoring> = At::given(Monitoring::Default),
        /// Whether each broker answers Prometheus for Kafka's own metrics.
        jmx_exporter: At<bool> = At::given(false),
        /// Whether each broker answers Prometheus for its host's metrics.
        node_exporter: At<bool> = At::given(false),
        /// A bucket that the brokers' logs go to besides their log group, one of `[buckets]` without a key of its own.
        log_bucket: Option<At<String>> = None,
        /// A cluster that exists already and isn't the stack's: topics are made on it, and it is left as it is.
        existing: Option<ExistingCluster> = None,
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

impl Kafka {
    /// The ways to log in, the agents' own first.
    pub fn ways(&self) -> Vec<Authentication> {
        let by_default = if self.secret.is_some() { Authentication::Scram } else { Authentication::Iam };
        let mut ways = self.authentication.as_ref().map_or_else(|| vec![by_default], |ways| ways.0.clone());
        ways.sort_by_key(|way| {
            [Authentication::Iam, Authentication::Scram, Authentication::None].iter().position(|one| one == way)
        });
        ways
    }

    /// Whether each agent logs in as a user of its own.
    pub fn has_own_users(&self) -> bool {
        self.secret.is_none() && self.ways().first() == Some(&Authentication::Scram)
    }

    /// Whether the topics can't be made from outside, so that the agents make them.
    pub fn is_serverless(&self) -> bool {
        *self.r#type == ClusterType::Serverless
    }
}

section! {
    /// A cluster that exists already.
    ExistingCluster {
        /// Its ARN, `arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID`.
        arn: At<String>,
        /// Its bootstrap string for the way that the agents log in: `HOST:PORT`, separated by commas.
        bootstrap: At<String>,
    }
}

section! {
    /// A Kafka topic.
    Topic {
        /// Its name on the cluster. Default: the section's name.
        name: Option<At<String>> = None,
        /// Whether others made it, who keep it: the stack reads or writes it, and neither makes, changes nor deletes it.
        existing: At<bool> = At::given(false),
        /// How many partitions. They can be added, never taken away.
        partitions: At<Whole<1, 4000>> = At::given(Whole(6)),
        /// How many brokers hold each partition. Default: three, or as many as there are brokers; a serverless cluster takes
        /// nothing but three.
        replication: Option<At<Whole<1, 15>>> = None,
        /// How long messages are kept.
        retention: At<Period> = At::given(Period::days(7)),
        /// Other settings of the topic, `"max.message.bytes" = 2097152`.
        configuration: Named<At<Setting>> = Named(Vec::new()),
    }
}
