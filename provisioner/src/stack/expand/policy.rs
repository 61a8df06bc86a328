//! Rights: a role's policy is what its host's agents, or the models, touch.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::agents::{self, used_topics};
use super::{ARTIFACTS, Expansion, Target, key_arn};
use crate::kind::{ADDRESS, STACK};
use crate::kinds::{self, oidc_provider, role};
use crate::resource::{Address, Desired, Resource};
use crate::stack::ci::Provider;
use crate::stack::decode::At;
use crate::stack::decode::Entry;
use crate::stack::functions::Statement;
use crate::stack::hosts::{Agent, Host};
use crate::stack::kafka::{Authentication, Kafka};
use crate::stack::tables::Batch;

/// Beyond so many raw tables a policy takes them all together: IAM lets the inline policies of a role have 10,240 characters.
const NAMED_TABLES: usize = 16;

/// AWS's policy for what Session Manager's agent does on a host.
const SESSIONS: &str = "iam::aws:policy/AmazonSSMManagedInstanceCore";

/// The statements of a policy under construction.
#[derive(Debug, Default)]
pub(super) struct Statements(pub(super) Vec<Value>);

impl Statements {
    pub(super) fn allow(&mut self, sid: &str, actions: &[&str], resources: &[String]) {
        self.0.push(json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources }));
    }

    pub(super) fn allow_if(&mut self, sid: &str, actions: &[&str], resources: &[String], condition: &Value) {
        self.0.push(
            json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources, "Condition": condition }),
        );
    }

    pub(super) fn policy(self) -> Value {
        json!({ "Version": "2012-10-17", "Statement": self.0 })
    }
}

/// What is done with the objects under a prefix, or with topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Expansion<'_> {
    /// The role of a group of hosts.
    pub(super) fn host_role(&mut self, host: &Entry<Host>) {
        let mut policies = std::collections::BTreeMap::new();
        let mut statements = Statements::default();
        self.objects(
            &mut statements,
            "Artifacts",
            Access::Read,
            ARTIFACTS,
            &[format!("hosts/{}", host.name), "releases".into()],
        );
        self.attach_volumes(&mut statements, host);
        self.write_own_name(&mut statements, host);
        policies.insert("host".to_owned(), statements.policy());
        if !host.value.statements.is_empty() {
            policies.insert("own".to_owned(), own(&host.value.statements));
        }
        for agent in &host.value.agents {
            let mut statements = Statements::default();
            agents::expansion_of(agent.value).rights(self, &mut statements);
            self.write_logs(&mut statements, agent.word());
            policies.insert(agent.word().to_owned(), statements.policy());
        }
        let spec = role::Spec {
            name: self.named(&host.name).into(),
            description: format!("the hosts {} of {}", host.name, self.stack.name()),
            trust: trust("ec2.amazonaws.com", None),
            policies,
            // Sessions by Systems Manager take the place of open ports and keys.
            attached_policies: if *host.value.session_manager {
                vec![format!("arn:{}:{SESSIONS}", self.partition()).into()]
            } else {
                vec![]
            },
            max_session_seconds: 3600,
        };
        self.add(Address::new("role", host.name.as_str()), &spec, &host.span, vec![]);
    }

    /// Finding the hosts' data volumes and attaching them to hosts of the group.
    fn attach_volumes(&self, statements: &mut Statements, host: &Entry<Host>) {
        if host.value.data_volume_gib.is_none() {
            return;
        }
        let Target { account, region } = self.target;
        let arn = |what: &str| vec![format!("arn:{}:ec2:{region}:{account}:{what}/*", kinds::partition(region))];
        let indices = 0..host.value.count.0;
        let addresses: Vec<String> = indices.clone().map(|index| format!("volume.{}-{index}", host.name)).collect();
        let names: Vec<String> = indices.map(|index| self.named(&format!("{}-{index}", host.name))).collect();
        let stack = self.stack.name();
        statements.allow("FindVolume", &["ec2:DescribeVolumes"], &["*".to_owned()]);
        let tagged = |tag: &str, values: &[String]| {
            json!({ "StringEquals": {
                format!("aws:ResourceTag/{STACK}"): stack, format!("aws:ResourceTag/{tag}"): values,
            } })
        };
        let attach = ["ec2:AttachVolume"];
        statements.allow_if("AttachVolume", &attach, &arn("volume"), &tagged(ADDRESS, &addresses));
        statements.allow_if("AttachToHost", &attach, &arn("instance"), &tagged("Name", &names));
        if let Some(key) = &host.value.key {
            let key = [key_arn(key)];
            let via = json!({ "StringEquals": { "kms:ViaService": format!("ec2.{region}.amazonaws.com") } });
            statements.allow_if("VolumeKey", &["kms:Decrypt", "kms:DescribeKey"], &key, &via);
            let grants = json!({ "Bool": { "kms:GrantIsForAWSResource": true } });
            statements.allow_if("VolumeKeyGrant", &["kms:CreateGrant"], &key, &grants);
        }
    }

    /// The role that a pipeline applies the stack as, and the provider whose tokens it shows.
    pub(super) fn ci(&mut self) {
        let Some(ci) = &self.file.ci else { return };
        let host = match *ci.provider {
            Provider::Github => "token.actions.githubusercontent.com",
        };
        let Target { account, region } = self.target.clone();
        let partition = kinds::partition(&region);
        let provider = Address::new("oidc_provider", ci.provider.word());
        let federated = if *ci.existing {
            format!("arn:{partition}:iam::{account}:oidc-provider/{host}")
        } else {
            let spec = oidc_provider::Spec {
                url: format!("https://{host}").into(),
                client_ids: vec!["sts.amazonaws.com".to_owned()],
            };
            self.add(provider.clone(), &spec, &ci.span, vec![]);
            provider.output("arn")
        };
        let subject = match &ci.environment {
            Some(environment) => format!("environment:{}", environment.value),
            None => format!("ref:refs/heads/{}", *ci.branch),
        };
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": federated },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                format!("{host}:aud"): "sts.amazonaws.com",
                format!("{host}:sub"): format!("repo:{}:{subject}", *ci.repository),
            } },
        }] });
        let mut spec = role::Spec {
            name: self.named("ci").into(),
            description: format!("what applies {} from {}", self.stack.name(), *ci.repository),
            trust,
            policies: std::collections::BTreeMap::new(),
            attached_policies: vec![],
            // A cluster takes up to forty minutes.
            max_session_seconds: 14_400,
        };
        let address = Address::new("role", "ci");
        let mut resources = self.resources.clone();
        resources.push(Resource { address: address.clone(), spec: json!({}), after: BTreeSet::new(), span: None });
        let desired = Desired { stack: self.stack.name().to_owned(), resources, moved: Vec::new() };
        let policy = crate::permissions::policy(&desired, &account, &region, partition);
        spec.policies.insert("apply".to_owned(), policy);
        self.add(address, &spec, &ci.span, vec![]);
    }

    /// The role that models run as.
    pub(super) fn job_role(&mut self, batch: &Batch) {
        let mut statements = Statements::default();
        self.objects(&mut statements, "Artifacts", Access::Read, ARTIFACTS, &["jobs".into(), "models".into()]);
        let logs = self.file.agents.batch.log_prefix.value.clone();
        self.objects(&mut statements, "Logs", Access::Write, ARTIFACTS, &[logs]);
        for (index, (bucket, prefixes)) in self.raw_prefixes().into_iter().enumerate() {
            self.objects(&mut statements, &format!("Raw{index}"), Access::Read, &bucket, &prefixes);
        }
        self.objects(&mut statements, "Warehouse", Access::Write, &batch.bucket, &["warehouse".into()]);
        let (raw, warehouse) = (self.raw_database(), self.warehouse_database());
        let reads = ["glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables"];
        let default = self.catalog(&["database/default".into()]);
        statements.allow(
            "ReadCatalog",
            &reads,
            &[self.catalog(&[format!("database/{raw}"), format!("table/{raw}/*")]), default].concat(),
        );
        statements.allow(
            "WriteCatalog",
            &[&reads[..], &["glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"]].concat(),
            &self.catalog(&[format!("database/{warehouse}"), format!("table/{warehouse}/*")]),
        );
        let spec = role::Spec {
            name: self.named("batch-jobs").into(),
            description: format!("the models of {}", self.stack.name()),
            trust: trust("emr-serverless.amazonaws.com", Some(&self.target.account)),
            policies: [("models".to_owned(), statements.policy())]
                .into_iter()
                .chain((!batch.statements.is_empty()).then(|| ("own".to_owned(), own(&batch.statements))))
                .collect(),
            attached_policies: vec![],
            max_session_seconds: 3600,
        };
        self.add(Address::new("role", "batch-jobs"), &spec, &batch.span, vec![]);
    }

    /// ARNs of things in the Glue catalog, with the catalog itself, which every call touches.
    pub(super) fn catalog(&self, things: &[String]) -> Vec<String> {
        let arn = |thing: &str| self.arn("glue", thing);
        std::iter::once(arn("catalog")).chain(things.iter().map(|thing| arn(thing))).collect()
    }

    /// Rights on the objects under some prefixes of a bucket, and on the key that encrypts them.
    pub(super) fn objects(
        &self,
        statements: &mut Statements,
        sid: &str,
        access: Access,
        bucket: &str,
        prefixes: &[String],
    ) {
        let arn = self.bucket_arn(bucket);
        let resources: Vec<String> = prefixes.iter().map(|prefix| format!("{arn}/{prefix}/*")).collect();
        let actions: &[&str] = match access {
            Access::Read => &["s3:GetObject"],
            Access::Write => &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        };
        statements.allow(sid, actions, &resources);
        let patterns: Vec<String> =
            prefixes.iter().flat_map(|prefix| [prefix.clone(), format!("{prefix}/*")]).collect();
        let condition = json!({ "StringLike": { "s3:prefix": patterns } });
        statements.allow_if(&format!("{sid}List"), &["s3:ListBucket"], &[arn], &condition);
        let key = self.file.buckets.get(bucket).and_then(|bucket| bucket.value.key.as_ref());
        if let Some(key) = key {
            let actions: &[&str] = match access {
                Access::Read => &["kms:Decrypt"],
                Access::Write => &["kms:Decrypt", "kms:GenerateDataKey"],
            };
            statements.allow(&format!("{sid}Key"), actions, &[key_arn(key)]);
        }
    }

    /// What a Kafka client needs to log in, and under IAM to read and write its topics.
    pub(super) fn log_in(&self, statements: &mut Statements, agent: Agent, access: Access) {
        let Some(kafka) = &self.file.kafka else { return };
        if kafka.ways()[0] == Authentication::Iam {
            self.use_topics(statements, kafka, agent, access);
            return;
        }
        let Some(secret) = &kafka.secret else { return };
        let arn = Address::new("secret", secret.value.as_str()).output("arn");
        statements.allow("KafkaUser", &["secretsmanager:GetSecretValue"], &[arn]);
        if let Some(section) = self.file.secrets.get(secret) {
            statements.allow("KafkaUserKey", &["kms:Decrypt"], &[key_arn(&section.value.key)]);
        }
    }

    fn use_topics(&self, statements: &mut Statements, kafka: &Kafka, agent: Agent, access: Access) {
        let writes = access == Access::Write;
        let cluster: &[&str] = if writes {
            &["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
        } else {
            &["kafka-cluster:Connect"]
        };
        statements.allow("Kafka", cluster, &[self.kafka_arn(kafka, "")]);
        let mut actions = vec!["kafka-cluster:DescribeTopic"];
        actions.push(if writes { "kafka-cluster:WriteData" } else { "kafka-cluster:ReadData" });
        if kafka.is_serverless() {
            actions.extend([
                "kafka-cluster:CreateTopic",
                "kafka-cluster:AlterTopic",
                "kafka-cluster:DescribeTopicDynamicConfiguration",
                "kafka-cluster:AlterTopicDynamicConfiguration",
            ]);
        }
        let topics = used_topics(agent, self.file);
        let topics: Vec<String> =
            topics.iter().map(|topic| self.kafka_arn(kafka, &format!("topic/{}", self.topic(topic)))).collect();
        statements.allow("KafkaTopics", &actions, &topics);
        if let Some(group) = agents::expansion_of(agent).group(self) {
            let actions = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"];
            statements.allow("KafkaGroup", &actions, &[self.kafka_arn(kafka, &format!("group/{group}"))]);
        }
    }

    /// The buckets of raw tables, each with the prefixes of those in it.
    pub(super) fn raw_prefixes(&self) -> Vec<(String, Vec<String>)> {
        let mut buckets: Vec<(String, Vec<String>)> = Vec::new();
        let tables = self.file.tables.iter();
        let first =
            tables.clone().next().map(|first| (first.value.bucket.value.clone(), "raw/dead_letters".to_owned()));
        let places = tables.map(|table| (table.value.bucket.value.clone(), format!("raw/{}", table.name)));
        for (bucket, prefix) in places.chain(first) {
            let prefix = if self.names_tables() { prefix } else { "raw".to_owned() };
            match buckets.iter_mut().find(|(name, _)| *name == bucket) {
                Some((_, prefixes)) if prefixes.contains(&prefix) => {}
                Some((_, prefixes)) => prefixes.push(prefix),
                None => buckets.push((bucket, vec![prefix])),
            }
        }
        buckets
    }

    /// Whether policies name each raw table; those of many would outgrow what IAM takes.
    pub(super) fn names_tables(&self) -> bool {
        self.file.tables.iter().count() <= NAMED_TABLES
    }

    fn write_logs(&self, statements: &mut Statements, agent: &str) {
        let group = self.log_group_name(agent);
        let arn = self.arn("logs", &format!("log-group:{group}"));
        let actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
        statements.allow("AgentLog", &actions, &[arn.clone(), format!("{arn}:*")]);
    }
}

/// The statements that a stack file writes for a role.
pub(super) fn own(written: &[At<Statement>]) -> Value {
    Statements(written.iter().map(|statement| statement.value.0.clone()).collect()).policy()
}

/// A trust policy for a service of AWS, acting for an account.
pub(super) fn trust(service: &str, account: Option<&str>) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": { "Service": service },
        "Action": "sts:AssumeRole",
    });
    if let Some(account) = account {
        statement["Condition"] = json!({ "StringEquals": { "aws:SourceAccount": account } });
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}
