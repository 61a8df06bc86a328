//! Functions: each with its role, its log group and what calls it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Expansion;
use super::policy::{Statements, own, trust};
use crate::kinds::{function, log_group, partition, role, schedule_rule};
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::functions::{Code, Function};
use crate::stack::tables::Architecture;

impl Expansion<'_> {
    pub(super) fn functions(&mut self) {
        let file = self.file;
        for entry in &file.functions {
            self.function(entry);
        }
    }

    fn function(&mut self, entry: &Entry<Function>) {
        let section = &entry.value;
        let part = format!("function-{}", entry.name);
        let (role, log) = (Address::new("role", part.as_str()), Address::new("log_group", part.as_str()));
        // Under the stack's own prefix, where groups are found whatever the file still names.
        let group = format!("/lakewright/{}/functions/{}", self.stack.name(), entry.name);
        let spec =
            log_group::Spec { name: group.clone(), retention_days: self.file.stack.log_retention.in_days() as u32 };
        self.add(log.clone(), &spec, &entry.span, vec![]);
        let spec = self.function_role(entry, &part, &group);
        self.add(role.clone(), &spec, &entry.span, vec![]);

        let address = Address::new("function", entry.name.as_str());
        let code = self.stack.codes.get(&address);
        let spec = function::Spec {
            name: self.named(&entry.name),
            description: section.description.value.clone(),
            source: code.map(|code| code.path.clone()),
            inline: section.inline.as_ref().map(|code| code.value.clone()),
            code_sha256: code.map(|code| code.sha256.clone()).unwrap_or_default(),
            runtime: section.runtime.value.clone(),
            handler: section.handler.value.clone(),
            role: role.output("arn"),
            memory_mb: section.memory_mb.0 as u32,
            timeout_seconds: (section.timeout.0 / 1000) as u32,
            environment: section.environment.iter().map(|one| (one.name.clone(), one.value.0.clone())).collect(),
            architecture: match *section.architecture {
                Architecture::X86 => "x86_64".to_owned(),
                Architecture::Arm => "arm64".to_owned(),
            },
            log_group: group,
            permissions: self.permissions(entry),
        };
        self.add(address.clone(), &spec, &entry.span, vec![log]);
        if let Some(every) = &section.every {
            let target = schedule_rule::Target { arn: address.output("arn"), input: None, role: None, settings: None };
            let spec = schedule_rule::Spec {
                name: self.named(&entry.name),
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
        policies.insert("function".to_owned(), statements.policy());
        if !entry.value.statements.is_empty() {
            policies.insert("own".to_owned(), own(&entry.value.statements));
        }
        role::Spec {
            name: self.named(part),
            description: format!("the function {} of {}", entry.name, self.stack.name()),
            trust: trust("lambda.amazonaws.com", None),
            policies,
            attached: vec![],
            session_seconds: 3600,
        }
    }

    /// Who calls it. They are named by ARNs that follow from their names: they refer to the function themselves.
    fn permissions(&self, entry: &Entry<Function>) -> function::Permissions {
        let mut permissions = function::Permissions::new();
        if entry.value.every.is_some() {
            let rule = self.arn("events", &format!("rule/{}", self.named(&entry.name)));
            permissions.insert("schedule".to_owned(), function::Permission::invoke("events.amazonaws.com", rule));
        }
        permissions
    }

    /// An ARN in the stack's region and account.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let (region, account) = (&self.target.region, &self.target.account);
        format!("arn:{}:{service}:{region}:{account}:{resource}", partition(region))
    }

    /// A single resource's spec with the hash of the code that it names.
    pub(super) fn with_code(&self, address: &Address, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if let Some(Code { path, sha256 }) = self.stack.codes.get(address).filter(|_| spec["source"].is_string()) {
            spec["source"] = path.as_str().into();
            spec["code_sha256"] = sha256.as_str().into();
        }
        spec
    }
}
