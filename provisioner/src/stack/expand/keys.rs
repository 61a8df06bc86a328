//! Keys: those of the file, those of the classes of data, and who may use them.

use std::collections::BTreeSet;

use lakewright_iam::suffix;
use serde_json::{Value, json};

use super::{ARTIFACTS, Expansion, RESULTS, key_arn};
use crate::kinds::key;
use crate::names;
use crate::resource::{Address, Resource};
use crate::stack::decode::{At, defaults};
use crate::stack::kafka::Kafka;
use crate::stack::keys::Class;
use crate::stack::sections::{Key, Secret};

/// What administrators of a key may do: everything but to use it, and to let somebody use it by its policy or by a grant.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>
const ADMINISTRATION: &[&str] = &[
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
];
/// What users of a key may do.
const USE: &[&str] = &["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"];
/// What a service does that publishes to a topic under a key.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html>
const PUBLISH: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey*"];
/// EventBridge.
const EVENTS: &str = "events.amazonaws.com";

impl Expansion<'_> {
    /// Adds the keys, before what stands behind that place: who uses them is known when all else is there.
    pub(super) fn keys(&mut self, place: usize) {
        let behind = self.resources.split_off(place);
        let used = |name: &str| {
            self.encrypts_builds_logs(name) || behind.iter().any(|one| names_key(&one.spec, &key_arn(name)))
        };
        let file = self.file;
        let classes = [Class::Data, Class::Logs, Class::Secrets].into_iter();
        let made: BTreeSet<&str> = classes.filter_map(|class| file.class_key(class)).collect();
        let made = made.into_iter().filter(|name| file.keys.get(name).is_none() && used(name));
        for name in made.collect::<Vec<_>>() {
            self.key(name, &defaults(), &behind, &file.stack.span);
        }
        for entry in &file.keys {
            self.within(&entry.value.tags);
            self.key(&entry.name, &entry.value, &behind, &entry.span);
        }
        self.resources.extend(behind);
    }

    fn key(&mut self, name: &str, section: &Key, others: &[Resource], span: &std::ops::Range<usize>) {
        let spec = key::Spec {
            alias: self.named(name).into(),
            description: section.description.value.clone(),
            rotation: section.rotation.value,
            policy: self.key_policy(name, section, others),
            deletion_days: section.deletion_days.0 as u32,
        };
        self.add(Address::new("key", name), &spec, span, vec![]);
    }

    /// The key of the brokers.
    pub(super) fn kafka_key<'a>(&'a self, kafka: &'a Kafka) -> &'a str {
        self.written_or(&kafka.key, Class::Data)
    }

    /// The key of a secret.
    pub(super) fn secret_key<'a>(&'a self, secret: &'a Secret) -> &'a str {
        self.written_or(&secret.key, Class::Secrets)
    }

    /// The key of the users that agents log in to Kafka as.
    pub(super) fn users_key<'a>(&'a self, kafka: &'a Kafka) -> &'a str {
        self.file.class_key(Class::Secrets).unwrap_or_else(|| self.kafka_key(kafka))
    }

    fn written_or<'a>(&'a self, key: &'a At<String>, class: Class) -> &'a str {
        let of_class = self.file.class_key(class).filter(|_| !key.written());
        of_class.unwrap_or(&key.value)
    }

    /// The key of logs, if they have one.
    pub(super) fn log_key(&self) -> Option<String> {
        self.file.class_key(Class::Logs).map(key_arn)
    }

    /// The key that encrypts what is put into a bucket, one of `[keys]`. Results hold what tables hold: without a word in the
    /// file, the stack's `main` key encrypts them, or the first one. The bucket `artifacts` holds no data, and S3's own keys must
    /// encrypt what AWS writes logs to.
    pub(super) fn bucket_key(&self, bucket: &str) -> Option<&str> {
        let file = self.file;
        let section = file.buckets.get(bucket).map(|bucket| &bucket.value);
        if let Some(key) = section.and_then(|section| section.key.as_ref()) {
            return Some(&key.value);
        }
        let data = file.class_key(Class::Data);
        match section {
            None if bucket == RESULTS => data.or_else(|| file.first_key()),
            Some(_) if bucket != ARTIFACTS && !self.takes_logs(bucket) => data,
            _ => None,
        }
    }

    /// Whether AWS writes logs to a bucket.
    fn takes_logs(&self, bucket: &str) -> bool {
        let is_it = |at: Option<&At<String>>| at.is_some_and(|at| at.value == bucket);
        let of_brokers = self.file.kafka.as_ref().is_some_and(|kafka| is_it(kafka.log_bucket.as_ref()));
        of_brokers || self.file.buckets.iter().any(|one| is_it(one.value.access_logs.as_ref()))
    }

    /// Whether a key encrypts the log group of the pipeline's builds, which is made last.
    fn encrypts_builds_logs(&self, key: &str) -> bool {
        self.file.pipeline.is_some() && self.file.class_key(Class::Logs) == Some(key)
    }

    /// A key's policy; none where it is the one that every key has, by which IAM policies of the account decide.
    fn key_policy(&self, name: &str, key: &Key, others: &[Resource]) -> Option<Value> {
        let named = |arns: &[At<String>]| arns.iter().map(|arn| arn.value.clone()).collect::<Vec<String>>();
        let people =
            [("Administrators", named(&key.administrators), ADMINISTRATION), ("Users", named(&key.users), USE)];
        let people = people.into_iter().filter(|(_, arns, _)| !arns.is_empty()).map(|(sid, arns, actions)| {
            json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": arns}, "Action": actions, "Resource": "*"})
        });
        let hosts = &self.file.hosts;
        let on_volumes = hosts.iter().any(|host| host.value.key.as_ref().is_some_and(|key| key.value == name));
        let volumes = if on_volumes { self.launches() } else { Vec::new() };
        let of_key: Vec<&Resource> = others.iter().filter(|one| one.spec["key"] == key_arn(name)).collect();
        let services = self.logs_under(name, &of_key).into_iter().chain(self.notices_under(&of_key));
        let more: Vec<Value> = volumes.into_iter().chain(people).chain(services).collect();
        if more.is_empty() {
            return None;
        }
        let mut statements = vec![json!({
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": { "AWS": self.account_arn() },
            "Action": "kms:*",
            "Resource": "*",
        })];
        statements.extend(more);
        Some(json!({ "Version": "2012-10-17", "Statement": statements }))
    }

    /// The statement that lets CloudWatch Logs encrypt the log groups among what is under a key. It names the group in the
    /// context of each encryption.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html>
    fn logs_under(&self, key: &str, of_key: &[&Resource]) -> Option<Value> {
        let own = names::log_groups(self.stack.name());
        let groups = of_key.iter().filter(|one| one.address.kind == "log_group");
        let builds = self.log_group_name("pipeline");
        let builds = Some(builds.as_str()).filter(|_| self.encrypts_builds_logs(key));
        let groups: BTreeSet<String> = groups
            .filter_map(|group| group.spec["name"].as_str())
            .chain(builds)
            .map(|name| if name.starts_with(&own) { format!("{own}*") } else { name.to_owned() })
            .map(|name| self.arn("logs", &format!("log-group:{name}")))
            .collect();
        if groups.is_empty() {
            return None;
        }
        let region = &self.target.region;
        Some(json!({
            "Sid": "Logs",
            "Effect": "Allow",
            "Principal": { "Service": format!("logs.{region}.{}", suffix(region)) },
            "Action": USE,
            "Resource": "*",
            "Condition": { "ArnLike": { "kms:EncryptionContext:aws:logs:arn": groups } },
        }))
    }

    /// The statements that let those services publish whom the topics among what is under a key let in, for the stack's account.
    /// EventBridge doesn't say to KMS for whom it publishes.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services>
    fn notices_under(&self, of_key: &[&Resource]) -> Vec<Value> {
        let topics = of_key.iter().filter(|one| one.address.kind == "sns_topic");
        let statements = topics.flat_map(|topic| topic.spec["policy"]["Statement"].as_array().into_iter().flatten());
        let services: BTreeSet<&str> = statements
            .filter(|statement| statement["Effect"] == "Allow")
            .flat_map(|statement| {
                let named = &statement["Principal"]["Service"];
                named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice)
            })
            .filter_map(Value::as_str)
            .collect();
        let (silent, saying): (Vec<&str>, Vec<&str>) = services.into_iter().partition(|service| *service == EVENTS);
        let statement = |sid: &str, services: &[&str]| {
            json!({
                "Sid": sid, "Effect": "Allow", "Principal": { "Service": services }, "Action": PUBLISH, "Resource": "*",
            })
        };
        let mut all = Vec::new();
        if !saying.is_empty() {
            let mut notices = statement("Notices", &saying);
            notices["Condition"] = json!({ "StringEquals": { "aws:SourceAccount": self.target.account } });
            all.push(notices);
        }
        if !silent.is_empty() {
            all.push(statement("Events", &silent));
        }
        all
    }

    /// The statements of a key for volumes: an auto-scaling group starts hosts by a role of AWS's own, which no IAM policy of the
    /// account reaches. It is named by a condition: AWS makes it with the account's first group, and KMS refuses principals
    /// that don't exist.
    /// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html>
    fn launches(&self) -> Vec<Value> {
        let account = &self.target.account;
        let role = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
        let launching = json!({
            "kms:CallerAccount": account,
            "aws:PrincipalArn": self.iam_arn(&format!("role/{role}")),
        });
        vec![
            json!({
                "Sid": "Volumes",
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                "Resource": "*",
                "Condition": { "StringEquals": launching },
            }),
            json!({
                "Sid": "VolumesGrant",
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": { "StringEquals": launching, "Bool": { "kms:GrantIsForAWSResource": true } },
            }),
        ]
    }
}

/// Whether a spec refers to a key.
fn names_key(spec: &Value, arn: &str) -> bool {
    match spec {
        Value::String(text) => text.contains(arn),
        Value::Array(items) => items.iter().any(|item| names_key(item, arn)),
        Value::Object(members) => members.values().any(|member| names_key(member, arn)),
        _ => false,
    }
}
