//! Buckets, databases, models and the Athena workgroup.

use std::collections::BTreeSet;

use lakewright_config::{Manifest, Model, ModelMaintenance};
use serde_json::{Value, json};

use super::private::JOBS;
use super::{ARTIFACTS, Expansion, RESULTS, RUN_MODELS, bucket_address, key_arn};
use crate::kinds::{bucket, database, emr_application, object, saved_query, workgroup};
use crate::reference::escaped_text;
use crate::resource::Address;
use crate::stack::decode::defaults;
use crate::stack::queries::Database;
use crate::stack::sections::Bucket;
use crate::stack::tables::{Architecture, Batch, WarehouseMaintainedBy};

/// How old snapshots of models' tables get where the file doesn't say: Iceberg's own default, five days.
const SNAPSHOTS_AGE_MS: u64 = 5 * 86_400_000;

impl Expansion<'_> {
    pub(super) fn buckets(&mut self) {
        let file = self.file;
        for entry in &file.buckets {
            self.within(&entry.value.tags);
            let spec = self.bucket_spec(&entry.name, &entry.value);
            // A bucket takes logs in when its policy says so.
            let after = entry.value.access_logs.iter().map(|target| bucket_address(target)).collect();
            self.add(Address::new("bucket", entry.name.as_str()), &spec, &entry.span, after);
        }
        self.within_none();
        if file.buckets.get(ARTIFACTS).is_none() {
            let spec = self.bucket_spec(ARTIFACTS, &defaults());
            self.add(Address::new("bucket", ARTIFACTS), &spec, &file.stack.span, vec![]);
        }
    }

    /// Whether files of tables are in a bucket.
    fn has_tables(&self, bucket: &str) -> bool {
        let raw = self.file.tables.iter().map(|entry| &entry.value.bucket.value);
        let warehouse = self.file.batch.iter().map(|batch| &batch.bucket.value);
        raw.chain(warehouse).any(|name| name == bucket)
    }

    pub(super) fn bucket_spec(&self, name: &str, section: &Bucket) -> bucket::Spec {
        let rule = |id: &str| bucket::LifecycleRule {
            id: id.to_owned(),
            prefix: String::new(),
            expire_days: None,
            expire_versions_days: None,
            keep_versions: None,
            expire_delete_markers: false,
            abort_uploads_days: None,
            transitions: Vec::new(),
        };
        let mut lifecycle = vec![bucket::LifecycleRule { abort_uploads_days: Some(7), ..rule("unfinished-uploads") }];
        if section.versioning.value {
            let default = if self.has_tables(name) { TABLES_VERSIONS_DAYS } else { VERSIONS_DAYS };
            let days = section.expire_versions_after.as_ref().map_or(default, |age| age.in_days() as u32);
            let keep_versions = section.keep_versions.as_ref().map(|keep| keep.value.0 as u32);
            let versions = bucket::LifecycleRule { keep_versions, ..rule("older-versions") };
            // Else a marker stays for each of a table's files that is no more.
            let versions = bucket::LifecycleRule { expire_delete_markers: true, ..versions };
            lifecycle.push(bucket::LifecycleRule { expire_versions_days: Some(days), ..versions });
        }
        let transitions: Vec<_> = [
            (&section.infrequent_after, bucket::StorageClass::StandardIa),
            (&section.archive_after, bucket::StorageClass::GlacierIr),
        ]
        .into_iter()
        .filter_map(|(after, storage_class)| {
            let days = after.as_ref()?.in_days() as u32;
            Some(bucket::Transition { days, storage_class })
        })
        .collect();
        if section.expire_after.is_some() || !transitions.is_empty() {
            let expire_days = section.expire_after.as_ref().map(|age| age.in_days() as u32);
            lifecycle.push(bucket::LifecycleRule { expire_days, transitions, ..rule("age") });
        }
        let delivery = self.log_delivery(name);
        let logged =
            self.file.buckets.iter().filter(|one| one.value.access_logs.as_ref().is_some_and(|at| at.value == name));
        let logged: Vec<(String, String)> =
            logged.map(|one| (one.name.clone(), logs_prefix(&one.name, &one.value))).collect();
        let logs = section
            .access_logs
            .as_ref()
            .map(|target| bucket::AccessLogs { bucket: self.bucket(target), prefix: logs_prefix(name, section) });
        let destinations = self.called_by(name);
        let event_bridge = section.notify.value;
        let notifications = bucket::Notifications { event_bridge, destinations };
        let logged = self.logs_from(name, &logged);
        let code = self.code_by_deployers(name).into_iter().chain(self.authority_by_host(name));
        let policy = tls_only(&self.bucket_arn(name), code.chain(delivery).chain(logged).collect());
        bucket::Spec {
            policy: Some(policy),
            name: self.bucket(name).into(),
            ownership: bucket::Ownership::BucketOwnerEnforced,
            access_logs: logs,
            notifications: Some(notifications).filter(|told| *told != bucket::Notifications::default()),
            versioning: section.versioning.value,
            key: self.bucket_key(name).map(key_arn).map(Into::into),
            block_public_access: true,
            lifecycle,
        }
    }

    /// The statements of a bucket's policy that let the access logs of others in, each with the prefix of its keys.
    fn logs_from(&self, bucket: &str, sources: &[(String, String)]) -> Vec<Value> {
        let mut sids = BTreeSet::new();
        let statement = |(source, prefix): &(String, String)| {
            let letters = self.bucket(source).chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            let mut sid = format!("LogsOf{letters}");
            // Buckets whose names differ by dashes alone are distinguished by a letter, for digits may be a name's own.
            while !sids.insert(sid.clone()) {
                sid.push('z');
            }
            self.logs_of(bucket, source, prefix, &sid)
        };
        sources.iter().map(statement).collect()
    }

    /// The statement that lets the access logs of one in.
    fn logs_of(&self, bucket: &str, source: &str, prefix: &str, sid: &str) -> Value {
        json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "Service": "logging.s3.amazonaws.com" },
            "Action": "s3:PutObject",
            "Resource": format!("{}/{prefix}*", self.bucket_arn(bucket)),
            "Condition": {
                "ArnLike": { "aws:SourceArn": self.bucket_arn(source) },
                "StringEquals": { "aws:SourceAccount": self.target.account },
            },
        })
    }

    pub(super) fn databases(&mut self) {
        let file = self.file;
        if let Some(first) = file.tables.iter().next() {
            let spec = database::Spec {
                name: self.raw_database().into(),
                description: format!("the raw zone of {}", self.stack.name()),
                location: Some(format!("s3://{}/raw", self.bucket(&first.value.bucket)).into()),
            };
            self.add(Address::new("database", "raw"), &spec, &first.span, vec![bucket_address(&first.value.bucket)]);
        }
        if let Some(batch) = &file.batch {
            self.within(&batch.tags);
            let spec = database::Spec {
                name: self.warehouse_database().into(),
                description: format!("the warehouse of {}", self.stack.name()),
                location: Some(self.warehouse_location(&batch.bucket).into()),
            };
            self.add(Address::new("database", "warehouse"), &spec, &batch.span, vec![bucket_address(&batch.bucket)]);
        }
    }

    /// Where the warehouse's tables are.
    fn warehouse_location(&self, bucket: &str) -> String {
        format!("s3://{}/warehouse", self.bucket(bucket))
    }

    pub(super) fn batch(&mut self) {
        let Some(batch) = &self.file.batch else { return };
        let place = &batch.span;
        self.within(&batch.tags);
        let private = self.file.network.is_private();
        let spec = emr_application::Spec {
            name: self.stack.name().to_owned().into(),
            release_label: batch.release.value.clone().into(),
            architecture: match *batch.architecture {
                Architecture::X86 => emr_application::Architecture::X86,
                Architecture::Arm => emr_application::Architecture::Arm,
            },
            max_capacity: emr_application::MaxCapacity {
                vcpu: batch.max_vcpu.0 as u32,
                memory_gb: batch.max_memory_gb.0 as u32,
                disk_gb: batch.max_disk_gb.0 as u32,
            },
            idle_timeout_minutes: batch.idle_timeout.0.div_ceil(60_000) as u32,
            subnets: if private { self.subnets().into_iter().map(Into::into).collect() } else { vec![] },
            security_groups: if private {
                vec![Address::new("security_group", JOBS).output("id").into()]
            } else {
                vec![]
            },
            image: batch.image.as_ref().map(|image| image.value.clone()),
        };
        // Whoever submits a run knows the application, and the run writes its log.
        self.add(Address::new("emr_application", "main"), &spec, place, vec![bucket_address(RESULTS)]);
        self.job_role(batch);
        self.object("run_models", "jobs/run_models.py", RUN_MODELS.to_owned(), "text/x-python", place);
        let manifest = Manifest {
            database: self.warehouse_database(),
            location: self.warehouse_location(&batch.bucket),
            models: self.models(),
            maintenance: self.model_maintenance(batch),
        };
        let text = serde_json::to_string_pretty(&manifest).expect("a manifest is plain JSON");
        self.object("manifest", "models/manifest.json", text, "application/json", place);
        self.after_tables();
    }

    /// Lets what was added last wait for the tables: nobody sends a column, or expects one, that the catalog doesn't have yet.
    pub(super) fn after_tables(&mut self) {
        let resources = self.resources.iter().map(|resource| &resource.address);
        let tables: Vec<Address> = resources.filter(|address| address.kind == "table").cloned().collect();
        if let Some(last) = self.resources.last_mut() {
            last.after.extend(tables);
        }
    }

    /// How Spark maintains the models' tables, if it does.
    fn model_maintenance(&self, batch: &Batch) -> Option<ModelMaintenance> {
        let kept = &self.file.agents.stream;
        (batch.maintenance.value == WarehouseMaintainedBy::Spark).then(|| ModelMaintenance {
            every_ms: batch.maintenance_interval.0,
            snapshots_age_ms: kept.snapshots_age.as_ref().map_or(SNAPSHOTS_AGE_MS, |age| age.0),
            min_snapshots: kept.min_snapshots_to_keep.0 as u32,
            orphans_age_ms: self.file.warehouse_orphans_ms(),
        })
    }

    fn models(&self) -> Vec<Model> {
        let (raw, warehouse) = (self.raw_database(), self.warehouse_database());
        let models = self.stack.models.iter().map(|model| Model {
            name: model.name.clone(),
            materialization: model.materialization.value,
            key: model.key.iter().map(|column| column.value.clone()).collect(),
            // A model's file is SQL alone: nothing in it refers to a resource.
            sql: escaped_text(&model.sql(&raw, &warehouse)).into_owned(),
        });
        models.collect()
    }

    /// Adds an object of the artifacts bucket.
    pub(super) fn object(
        &mut self,
        name: &str,
        key: &str,
        content: String,
        kind: &str,
        place: &std::ops::Range<usize>,
    ) {
        let spec = object::Spec {
            bucket: self.bucket(ARTIFACTS).into(),
            key: key.to_owned(),
            content,
            content_type: kind.to_owned(),
        };
        self.add(Address::new("object", name), &spec, place, vec![bucket_address(ARTIFACTS)]);
    }

    pub(super) fn query(&mut self) {
        let query = &self.file.query;
        if self.file.tables.0.is_empty() {
            return;
        }
        self.within(&query.tags);
        let spec = workgroup::Spec {
            name: self.stack.name().to_owned().into(),
            description: format!("queries on {}", self.stack.name()),
            output_location: format!("s3://{}/athena/", self.bucket(RESULTS)).into(),
            key: self.bucket_key(RESULTS).map(key_arn).map(Into::into),
            bytes_scanned_cutoff_per_query: query.scan_limit.as_ref().map(|limit| limit.0),
        };
        let place = if query.span.is_empty() { self.file.stack.span.clone() } else { query.span.clone() };
        self.add(Address::new("workgroup", "main"), &spec, &place, vec![bucket_address(RESULTS)]);
        self.saved_queries();
    }

    fn saved_queries(&mut self) {
        let (raw, warehouse) = (self.raw_database(), self.warehouse_database());
        let stack = self.stack;
        for query in &stack.queries {
            let (database, name) = match query.database {
                Database::Raw => (&raw, "raw"),
                Database::Warehouse => (&warehouse, "warehouse"),
            };
            let spec = saved_query::Spec {
                name: query.name.clone(),
                description: query.description.clone(),
                workgroup: stack.name().to_owned().into(),
                database: database.clone(),
                sql: query.sql(&raw, &warehouse),
            };
            let after = vec![Address::new("workgroup", "main"), Address::new("database", name)];
            self.add(Address::new("saved_query", query.name.as_str()), &spec, &query.span, after);
        }
    }
}

/// A bucket policy that refuses whatever comes without TLS, and allows what more there is.
fn tls_only(arn: &str, more: Vec<Value>) -> Value {
    let mut statements = vec![json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, format!("{arn}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })];
    statements.extend(more);
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What the keys of a bucket's access logs begin with.
fn logs_prefix(name: &str, section: &Bucket) -> String {
    section.access_logs_prefix.as_ref().map_or_else(|| format!("{name}/"), |prefix| prefix.value.clone())
}
/// For how many days older versions are kept where a stack doesn't say it,
const VERSIONS_DAYS: u32 = 30;
/// and where tables are: each commit replaces files, and a table's own snapshots are its history.
const TABLES_VERSIONS_DAYS: u32 = 3;
