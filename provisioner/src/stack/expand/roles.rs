//! Roles: what all of them have in common, whom they trust, and those that apply the stack.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Value, json};

use super::Expansion;
use crate::kinds::role::{self, PolicyArn};
use crate::kinds::{managed_policy, oidc_provider};
use crate::names;
use crate::permissions::{Deployer, Purpose};
use crate::resource::{Address, Desired, Resource};
use crate::stack::ci::Provider;

impl Expansion<'_> {
    /// A role of the stack that may do nothing yet: under the stack's own path, and within its boundary.
    pub(super) fn role(&self, part: &str, description: String, trust: Value) -> role::Spec {
        let stack = &self.file.stack;
        role::Spec {
            name: self.named(part).into(),
            path: Some(names::identities(&stack.name).into()),
            description,
            trust,
            policies: BTreeMap::new(),
            attached_policies: vec![],
            permissions_boundary: self.target.boundary(stack).map(Into::into),
            max_session_seconds: 3600,
        }
    }

    /// A role that applies the stack, which no boundary of its other roles holds: it makes those.
    pub(super) fn deploying_role(&self, part: &str, description: String, trust: Value) -> role::Spec {
        role::Spec { permissions_boundary: None, ..self.role(part, description, trust) }
    }

    /// The trust in a service that acts for one thing of the stack's account, or for what fits a pattern; for whatever there is of
    /// the account where the service doesn't say for what it acts.
    pub(super) fn trust_for(&self, service: &str, source: Option<&str>) -> Value {
        let mut trust = trust(service);
        let mut condition = json!({ "StringEquals": { "aws:SourceAccount": self.target.account } });
        if let Some(source) = source {
            condition["ArnLike"] = json!({ "aws:SourceArn": source });
        }
        trust["Statement"][0]["Condition"] = condition;
        trust
    }

    /// Makes the policies of a role that plans or applies a stack with these resources, for it to attach: more than a role holds
    /// itself.
    pub(super) fn deploying(&mut self, part: &str, resources: Vec<Resource>, purpose: Purpose) -> Vec<PolicyArn> {
        let stack = &self.file.stack;
        let desired = Desired {
            stack: stack.name.value.clone(),
            resources,
            moved: Vec::new(),
            foreign_buckets: super::foreign_buckets(self.file),
            ignore_tags: Vec::new(),
        };
        let boundary = self.target.boundary(stack);
        let deployer = Deployer {
            desired: &desired,
            account: &self.target.account,
            region: &self.target.region,
            role: None,
            boundary: boundary.as_deref(),
            state_bucket: &self.target.state_bucket(stack),
            is_own: true,
        };
        let policies = deployer.policies(purpose).into_iter().enumerate();
        let attached = policies.map(|(index, document)| {
            let part = format!("{part}-{}", index + 1);
            let address = Address::new("managed_policy", part.as_str());
            let spec = managed_policy::Spec { name: self.named(&part).into(), document };
            self.add(address.clone(), &spec, &(0..0), vec![]);
            address.output("arn").into()
        });
        attached.collect()
    }

    /// A resource that isn't there yet, as far as who makes it must know: a role or a provider by its name.
    pub(super) fn to_come(address: Address, spec: Value) -> Resource {
        Resource { address, spec, after: BTreeSet::new(), tags: BTreeMap::new(), span: None }
    }

    /// The role that a workflow applies the stack as, and the provider whose tokens it shows.
    pub(super) fn ci(&mut self) {
        let Some(ci) = &self.file.ci else { return };
        self.within(&ci.tags);
        let host = ci.provider.host();
        let federated = if *ci.existing {
            self.iam_arn(&format!("oidc-provider/{host}"))
        } else {
            self.identities(*ci.provider, &ci.span)
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
        let description = format!("what applies {} from {}", self.stack.name(), *ci.repository);
        let mut resources = self.resources.clone();
        resources.push(Self::to_come(Address::new("role", "ci"), json!({ "name": self.named("ci") })));
        let spec = role::Spec {
            attached_policies: self.deploying("ci", resources, Purpose::Apply),
            // A cluster takes up to forty minutes.
            max_session_seconds: 14_400,
            ..self.deploying_role("ci", description, trust)
        };
        self.add(Address::new("role", "ci"), &spec, &ci.span, vec![]);
    }

    /// The provider of a workflow's tokens; its ARN.
    fn identities(&mut self, provider: Provider, place: &Range<usize>) -> String {
        let address = Address::new("oidc_provider", provider.word());
        let spec = oidc_provider::Spec {
            url: format!("https://{}", provider.host()).into(),
            client_ids: vec!["sts.amazonaws.com".to_owned()],
        };
        self.add(address.clone(), &spec, place, vec![]);
        address.output("arn")
    }
}

/// The trust in a service of AWS that says of nobody for whom it acts.
pub(super) fn trust(service: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": service },
        "Action": "sts:AssumeRole",
    }] })
}
