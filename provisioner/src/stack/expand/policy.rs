//! Rights: a role's policy is what its host's agents, or the models, touch.

use lakewright_config::{Table, s3};
use lakewright_iam::suffix;
use serde_json::{Value, json};

use super::{ARTIFACTS, Expansion, RESULTS, key_arn};
use crate::kind::{ADDRESS, STACK};
use crate::kinds::role;
use crate::resource::Address;
use crate::stack::decode::At;
use crate::stack::decode::Entry;
use crate::stack::functions::Statement;
use crate::stack::hosts::Host;
use crate::stack::tables::Batch;

/// Beyond so many raw tables a policy takes them all together: IAM lets the inline policies of a role have 10,240 characters.
const NAMED_TABLES: usize = 16;

/// What Session Manager's agent does on a host, of which IAM can't name any resource. AWS's own policy for it would let every host
/// read every parameter of the account.
const SESSIONS: &[&str] = &[
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

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
    /// Reading, and writing what isn't deleted again: whoever comes by these rights erases nothing.
    Append,
    Write,
}

impl Expansion<'_> {
    /// Sessions by Systems Manager take the place of open ports and keys.
    pub(super) fn open_sessions(&self, statements: &mut Statements, host: &Entry<Host>) {
        if !*host.value.session_manager {
            return;
        }
        statements.allow("Sessions", SESSIONS, &["*".to_owned()]);
        statements.allow("Reachable", &["ssm:UpdateInstanceInformation"], &[self.arn("ec2", "instance/*")]);
        self.record_sessions(statements);
    }

    /// Finding the hosts' data volumes and attaching them to hosts of the group.
    pub(super) fn attach_volumes(&self, statements: &mut Statements, host: &Entry<Host>) {
        if host.value.data_volume_gib.is_none() {
            return;
        }
        let arn = |what: &str| vec![self.arn("ec2", &format!("{what}/*"))];
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
            let region = &self.target.region;
            let service = format!("ec2.{region}.{}", suffix(region));
            let via = json!({ "StringEquals": { "kms:ViaService": service } });
            statements.allow_if("VolumeKey", &["kms:Decrypt", "kms:DescribeKey"], &key, &via);
            let grants = json!({ "Bool": { "kms:GrantIsForAWSResource": true } });
            statements.allow_if("VolumeKeyGrant", &["kms:CreateGrant"], &key, &grants);
        }
    }

    /// The role that models run as.
    pub(super) fn job_role(&mut self, batch: &Batch) {
        let mut statements = Statements::default();
        self.objects(&mut statements, "Artifacts", Access::Read, ARTIFACTS, &["jobs".into(), "models".into()]);
        let logs = self.file.agents.batch.log_prefix.value.clone();
        self.objects(&mut statements, "Logs", Access::Append, RESULTS, &[logs]);
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
        let applications = self.arn("emr-serverless", "/applications/*");
        let trust = self.trust_for("emr-serverless.amazonaws.com", Some(&applications));
        let spec = role::Spec {
            policies: [("models".to_owned(), statements.policy())]
                .into_iter()
                .chain((!batch.statements.is_empty()).then(|| ("own".to_owned(), own(&batch.statements))))
                .collect(),
            ..self.role("batch-jobs", format!("the models of {}", self.stack.name()), trust)
        };
        self.add(Address::new("role", "batch-jobs"), &spec, &batch.span, vec![]);
    }

    /// The stack's own Iceberg tables of the raw zone and their database, as things of the catalog.
    pub(super) fn own_raw_tables(&self) -> Vec<String> {
        let raw = self.raw_database();
        let tables = self.declared_tables().into_iter().filter(Table::is_own).chain(self.dead_letters());
        let mut things = vec![format!("database/{raw}")];
        if self.names_tables() {
            things.extend(tables.map(|table| format!("table/{raw}/{}", table.name)));
        } else {
            things.push(format!("table/{raw}/*"));
        }
        things
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
        self.within_bucket(statements, sid, access, &self.bucket_arn(bucket), prefixes);
        if let Some(key) = self.bucket_key(bucket) {
            let actions: &[&str] = match access {
                Access::Read => &["kms:Decrypt"],
                Access::Append | Access::Write => &["kms:Decrypt", "kms:GenerateDataKey"],
            };
            self.by_key(statements, &format!("{sid}Key"), (actions, key), "s3");
        }
        // What is there stays under the key that it was written with.
        for (index, key) in self.file.buckets.get(bucket).into_iter().flat_map(|one| &one.value.former_keys).enumerate()
        {
            self.by_key(statements, &format!("{sid}FormerKey{index}"), (&["kms:Decrypt"], key), "s3");
        }
    }

    /// Lets objects of a bucket be used below some prefixes.
    fn within_bucket(&self, statements: &mut Statements, sid: &str, access: Access, arn: &str, prefixes: &[String]) {
        let resources: Vec<String> = prefixes.iter().map(|prefix| format!("{arn}/{prefix}/*")).collect();
        let actions: &[&str] = match access {
            Access::Read => &["s3:GetObject"],
            Access::Append => &["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            Access::Write => &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        };
        self.on_buckets(statements, sid, (actions, &resources), None);
        let patterns: Vec<String> =
            prefixes.iter().flat_map(|prefix| [prefix.clone(), format!("{prefix}/*")]).collect();
        let within = json!({ "s3:prefix": patterns });
        let arn = arn.to_owned();
        self.on_buckets(statements, &format!("{sid}List"), (&["s3:ListBucket"], &[arn]), Some(("StringLike", within)));
    }

    /// The buckets of raw tables, each with the prefixes of those in it.
    pub(super) fn raw_prefixes(&self) -> Vec<(String, Vec<String>)> {
        let mut buckets: Vec<(String, Vec<String>)> = Vec::new();
        let all = self.file.tables.iter();
        let tables = all.clone().filter(|table| table.value.existing.is_none());
        let first = all.clone().next().map(|first| (first.value.bucket.value.clone(), "raw/dead_letters".to_owned()));
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

    /// Lets an agent write to the tables that others made.
    pub(super) fn existing_tables(&self, statements: &mut Statements) {
        let tables = self.declared_tables().into_iter();
        let existing = tables.filter_map(|table| Some((table.existing.clone()?, table)));
        for (index, (name, table)) in existing.enumerate() {
            let things = [format!("database/{}", table.database), format!("table/{}/{name}", table.database)];
            let actions = ["glue:GetDatabase", "glue:GetTable", "glue:UpdateTable"];
            statements.allow(&format!("Existing{index}Catalog"), &actions, &self.catalog(&things));
            let Some((bucket, prefix)) = s3::place(&table.location) else { continue };
            let prefix = prefix.trim_end_matches('/');
            let arn = self.target.site().unowned("s3", bucket);
            self.within_bucket(statements, &format!("Existing{index}"), Access::Write, &arn, &[prefix.to_owned()]);
        }
    }

    /// Whether policies name each raw table; those of many would outgrow what IAM takes.
    pub(super) fn names_tables(&self) -> bool {
        self.file.tables.iter().count() <= NAMED_TABLES
    }

    pub(super) fn write_logs(&self, statements: &mut Statements, agent: &str) {
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
