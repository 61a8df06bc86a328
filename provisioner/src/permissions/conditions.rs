//! Conditions as policies have them.

use std::collections::{BTreeMap, BTreeSet};

use lakewright_iam::{partition, suffix};
use serde_json::{Value, json};

use super::{Deployer, Purpose};
use crate::kind::{AnyKind, STACK, When};
use crate::kinds;
use crate::names;

/// The services that encrypt a stack's things with its keys, in the caller's name.
const ENCRYPTING: &[&str] = &["ec2", "kafka", "logs", "s3", "secretsmanager", "sns", "sqs"];
/// Of those the one that a plan reads from.
const READ: &[&str] = &["s3"];

/// Operators with their keys and values.
pub(super) type Conditions = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Conditions as JSON; null for none.
pub(super) fn written(conditions: &Conditions) -> Value {
    if conditions.is_empty() {
        return Value::Null;
    }
    let value = |values: &BTreeSet<String>| match values.first() {
        Some(only) if values.len() == 1 => json!(only),
        _ => json!(values),
    };
    let keys = |keys: &BTreeMap<String, BTreeSet<String>>| -> Value {
        keys.iter().map(|(key, values)| (key.clone(), value(values))).collect()
    };
    conditions.iter().map(|(operator, of)| (operator.clone(), keys(of))).collect()
}

impl Deployer<'_> {
    /// All of some conditions; none where one of them can't be met in this stack.
    pub(super) fn conditions(&self, all: &[When], purpose: Purpose) -> Option<Conditions> {
        let mut conditions = Conditions::new();
        for when in all {
            for (operator, key, values) in self.condition(*when, purpose) {
                if values.is_empty() {
                    return None;
                }
                conditions.entry(operator.to_owned()).or_default().entry(key).or_default().extend(values);
            }
        }
        Some(conditions)
    }

    /// Operators, keys and values; a key without values is never met.
    fn condition(&self, when: When, purpose: Purpose) -> Vec<(&'static str, String, Vec<String>)> {
        let Self { desired, account, region, boundary, .. } = self;
        let stack = &desired.stack;
        let one = |operator, key: &str, value: &str| vec![(operator, key.to_owned(), vec![value.to_owned()])];
        let owned = format!("aws:ResourceTag/{STACK}");
        let made = format!("aws:RequestTag/{STACK}");
        match when {
            When::Here => one("StringEquals", "aws:RequestedRegion", region),
            When::OnBehalf => one("Bool", "aws:ViaAWSService", "true"),
            When::OfAccount => one("StringEquals", "aws:ResourceAccount", account),
            When::Owned => one("StringEquals", &owned, stack),
            When::Made => one("StringEquals", &made, stack),
            When::Kept => one("StringEqualsIfExists", &made, stack),
            When::Unclaimed => one("Null", &owned, "true"),
            When::Unaliased => one("Null", "kms:ResourceAliases", "true"),
            When::InACreate => vec![("StringEquals", "ec2:CreateAction".to_owned(), self.creates())],
            When::FromTemplate => {
                one("ArnLike", "ec2:LaunchTemplate", &self.arn("ec2:{region}:{account}:launch-template/*"))
            }
            When::MadeByMsk => self.by_msk("aws:RequestTag"),
            When::OwnedByMsk => self.by_msk("aws:ResourceTag"),
            When::Bounded => {
                boundary.map(|arn| one("StringEquals", "iam:PermissionsBoundary", arn)).unwrap_or_default()
            }
            When::Unbounded if boundary.is_none() => Vec::new(),
            When::Unbounded => vec![("StringEquals", "iam:PermissionsBoundary".to_owned(), Vec::new())],
            When::Attached => vec![("ArnEquals", "iam:PolicyARN".to_owned(), self.attached())],
            When::OwnPolicies => {
                one("ArnLike", "iam:PolicyARN", &self.arn("iam::{account}:policy/lakewright/{stack}/*"))
            }
            When::PassedOn => {
                let mut services = self.services(|kind| kind.facts().passes_roles_to);
                if partition(region) == "aws-cn" {
                    services.extend(services.clone().iter().map(|service| format!("{service}.cn")));
                }
                vec![("StringEquals", "iam:PassedToService".to_owned(), services)]
            }
            When::Linked => {
                let services = self.services(|kind| kind.facts().linked_roles);
                vec![("StringEquals", "iam:AWSServiceName".to_owned(), services)]
            }
            When::Used => {
                let services = if purpose == Purpose::Plan { READ } else { ENCRYPTING };
                let services = services.iter().map(|service| format!("{service}.{region}.{}", suffix(region)));
                vec![("StringEquals", "kms:ViaService".to_owned(), services.collect())]
            }
            When::Granted => one("Bool", "kms:GrantIsForAWSResource", "true"),
            When::OwnDomains => {
                let key = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
                let mut all = one("Null", key, "false");
                all.push(("ForAllValues:StringLike", key.to_owned(), self.list(&["domain"])));
                all
            }
            When::OfKafka => one("StringEquals", "application-autoscaling:service-namespace", "kafka"),
        }
    }

    /// What MSK tags in the caller's name.
    /// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonMSKFullAccess.html>
    fn by_msk(&self, tags: &str) -> Vec<(&'static str, String, Vec<String>)> {
        vec![
            ("StringEquals", format!("{tags}/AWSMSKManaged"), vec!["true".to_owned()]),
            ("StringLike", format!("{tags}/ClusterArn"), self.list(&["serverless"])),
        ]
    }

    /// The policies that roles attach which don't apply the stack.
    fn attached(&self) -> Vec<String> {
        let bounded =
            self.desired.resources.iter().filter(|one| !names::DEPLOYERS.contains(&one.address.name.as_str()));
        let arns = bounded.flat_map(|one| self.filled(one, "{attached_policies}"));
        arns.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn list(&self, words: &[&str]) -> Vec<String> {
        self.named(words).into_iter().collect()
    }

    /// What the stack's kinds say of services.
    fn services(&self, of: impl Fn(&dyn AnyKind) -> &'static [&'static str]) -> Vec<String> {
        let present = self.desired.resources.iter().filter_map(|resource| kinds::named(&resource.address.kind));
        let services: BTreeSet<&str> = present.flat_map(|kind| of(kind).iter().copied()).collect();
        services.into_iter().map(str::to_owned).collect()
    }

    /// The operations of EC2 that make what the stack holds.
    fn creates(&self) -> Vec<String> {
        let present = self.desired.resources.iter().filter_map(|resource| kinds::named(&resource.address.kind));
        let makes = |name: &&str| {
            ["Allocate", "Create", "Run"].iter().any(|verb| name.starts_with(verb))
                && !["CreateTags", "CreateRoute", "CreateLaunchTemplateVersion"].contains(name)
        };
        let operations = present.flat_map(AnyKind::actions).filter_map(|action| action.strip_prefix("ec2:"));
        let operations: BTreeSet<&str> = operations.filter(makes).collect();
        operations.into_iter().map(str::to_owned).collect()
    }
}
