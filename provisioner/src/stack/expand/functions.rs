//! Functions: each with its role, its log group and what calls it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::policy::{Statements, own};
use super::{ARTIFACTS, Expansion};
use crate::kinds::{self, bucket, function, role, schedule_rule};
use crate::reference::{self, resolve};
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::functions::{Code, Function};
use crate::stack::tables::Architecture;

/// Code as a spec has it: what can't be a reference to a resource goes up as it is.
fn as_it_is(code: &str) -> String {
    reference::code(code, |kind| kinds::named(kind).is_some()).into_owned()
}

impl Expansion<'_> {
    pub(super) fn functions(&mut self) {
        let file = self.file;
        for entry in &file.functions {
            self.within(&entry.value.tags);
            self.function(entry);
        }
    }

    fn function(&mut self, entry: &Entry<Function>) {
        let section = &entry.value;
        let part = format!("function-{}", entry.name);
        let (role, log) = (Address::new("role", part.as_str()), Address::new("log_group", part.as_str()));
        // Under the stack's own prefix, where groups are found whatever the file still names.
        let part_log = format!("functions/{}", entry.name);
        let group = self.log_group_name(&part_log);
        self.add(log.clone(), &self.log_group(&part_log), &entry.span, vec![]);
        let spec = self.function_role(entry, &part, &group);
        self.add(role.clone(), &spec, &entry.span, vec![]);

        let address = Address::new("function", entry.name.as_str());
        let code = self.stack.codes.get(&address);
        let spec = function::Spec {
            name: self.named(&entry.name).into(),
            description: section.description.value.clone(),
            source: code.map(|code| code.path.clone()),
            inline: section.inline.as_ref().map(|code| as_it_is(&code.value)),
            code_sha256: code.map(|code| code.sha256.clone()).unwrap_or_default().into(),
            runtime: section.runtime.value.clone(),
            handler: section.handler.value.clone().into(),
            role: role.output("arn").into(),
            memory_mb: section.memory_mb.0 as u32,
            timeout_seconds: (section.timeout.0 / 1000) as u32,
            environment: section.environment.iter().map(|one| (one.name.clone(), self.literal(&one.value.0))).collect(),
            architecture: match *section.architecture {
                Architecture::X86 => function::Architecture::X86,
                Architecture::Arm => function::Architecture::Arm,
            },
            log_group: group.into(),
            permissions: self.permissions(entry),
        };
        self.add(address.clone(), &spec, &entry.span, vec![log]);
        if let Some(every) = &section.every {
            let target = schedule_rule::Target { arn: address.output("arn"), input: None, role: None, settings: None };
            let spec = schedule_rule::Spec {
                name: self.named(&entry.name).into(),
                description: format!("calls the function {} of {}", entry.name, self.stack.name()),
                schedule: schedule_rule::rate(every.0),
                enabled: true,
                targets: [("function".to_owned(), target)].into(),
            };
            self.add(Address::new("schedule_rule", entry.name.as_str()), &spec, &every.span, vec![]);
        }
    }

    fn function_role(&self, entry: &Entry<Function>, part: &str, group: &str) -> role::Spec {
        let mut policies = BTreeMap::new();
        let mut statements = Statements::default();
        let arn = self.arn("logs", &format!("log-group:{group}:*"));
        statements.allow("Log", &["logs:CreateLogStream", "logs:PutLogEvents"], &[arn]);
        if let Some(upload) = &entry.value.on_upload {
            let objects = format!("{}/{}*", self.bucket_arn(&upload.bucket), *upload.prefix);
            let bucket = self.file.buckets.get(&upload.bucket).map(|bucket| &bucket.value);
            // An event names the version that was uploaded.
            let versioned = bucket.is_some_and(|bucket| *bucket.versioning);
            let reads: &[&str] = if versioned { &["s3:GetObject", "s3:GetObjectVersion"] } else { &["s3:GetObject"] };
            self.on_buckets(&mut statements, "Uploads", (reads, &[objects]), None);
            if let Some(key) = self.bucket_key(&upload.bucket) {
                self.by_key(&mut statements, "UploadsKey", (&["kms:Decrypt"], key), "s3");
            }
        }
        policies.insert("function".to_owned(), statements.policy());
        if !entry.value.statements.is_empty() {
            policies.insert("own".to_owned(), self.without_buckets(own(&entry.value.statements)));
        }
        let description = format!("the function {} of {}", entry.name, self.stack.name());
        // Lambda says for which account it acts, and for which function nowhere in its documentation.
        let trust = self.trust_for("lambda.amazonaws.com", None);
        role::Spec { policies, ..self.role(part, description, trust) }
    }

    /// Who calls it. They are named by ARNs that follow from their names: they refer to the function themselves.
    fn permissions(&self, entry: &Entry<Function>) -> function::Permissions {
        let mut permissions = function::Permissions::new();
        if entry.value.every.is_some() {
            let rule = self.arn("events", &format!("rule/{}", self.named(&entry.name)));
            permissions.insert("schedule".to_owned(), function::Permission::invoke("events.amazonaws.com", rule));
        }
        if let Some(upload) = &entry.value.on_upload {
            let bucket = self.bucket_arn(&upload.bucket);
            let permission = function::Permission {
                source_account: Some(self.target.account.clone()),
                ..function::Permission::invoke("s3.amazonaws.com", bucket)
            };
            permissions.insert("upload".to_owned(), permission);
        }
        permissions
    }

    /// The functions that S3 calls on uploads into a bucket.
    pub(super) fn called_by(&self, bucket: &str) -> Vec<bucket::Destination> {
        let uploads = self.file.functions.iter().filter_map(|entry| Some((entry, entry.value.on_upload.as_ref()?)));
        let uploads = uploads.filter(|(_, upload)| *upload.bucket == bucket);
        uploads
            .map(|(entry, upload)| bucket::Destination {
                id: self.named(&entry.name),
                arn: Address::new("function", entry.name.as_str()).output("arn"),
                events: vec!["s3:ObjectCreated:*".to_owned()],
                prefix: upload.prefix.value.clone(),
                suffix: upload.suffix.value.clone(),
            })
            .collect()
    }

    /// The value with the names and ARNs of the stack's buckets in the place of references to them: a bucket that calls a
    /// function is made after it.
    fn without_buckets(&self, value: Value) -> Value {
        resolve(&value, &|reference| {
            let name = reference.address.name.as_str();
            let ours = name == ARTIFACTS || self.file.buckets.get(name).is_some();
            match (reference.address.kind.as_str(), reference.output.as_str()) {
                ("bucket", "name") if ours => Some(self.bucket(name)),
                ("bucket", "arn") if ours => Some(self.bucket_arn(name)),
                _ => None,
            }
        })
    }

    fn literal(&self, text: &str) -> String {
        match self.without_buckets(text.into()) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// A single resource's spec with the hash of the code that it names.
    pub(super) fn with_code(&self, address: &Address, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if let Some(code) = spec["inline"].as_str().filter(|_| address.kind == "function") {
            spec["inline"] = as_it_is(code).into();
        }
        if let Some(Code { path, sha256 }) = self.stack.codes.get(address).filter(|_| spec["source"].is_string()) {
            spec["source"] = path.as_str().into();
            spec["code_sha256"] = sha256.as_str().into();
        }
        spec
    }
}
