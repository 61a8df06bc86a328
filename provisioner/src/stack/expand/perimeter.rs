//! What stands around rights on buckets and keys: whose a bucket must be, and by which service a key may be used.

use lakewright_iam::suffix;
use serde_json::{Value, json};

use super::policy::Statements;
use super::{Expansion, key_arn};

/// The buckets of AWS that hosts are updated from: the packages of Amazon Linux.
/// <https://docs.aws.amazon.com/linux/al2023/ug/managing-repos-os-updates.html>
const PACKAGES: &[&str] = &["al2023-repos-REGION-de612dc2"];
/// Those of Systems Manager's agent, and of CloudWatch's, which it installs.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-minimum-s3-permissions.html>
const SYSTEMS_MANAGER: &[&str] = &[
    "amazon-ssm-REGION",
    "amazon-ssm-packages-REGION",
    "amazoncloudwatch-agent-REGION",
    "aws-ssm-REGION",
    "aws-ssm-distributor-file-REGION",
    "aws-ssm-document-attachments-REGION",
    "patch-baseline-snapshot-REGION",
    "REGION-birdwatcher-prod",
];
/// That of EMR.
/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/private-subnet-iampolicy.html>
const EMR: &[&str] = &["repo.REGION.emr.amazonaws.com"];

impl Expansion<'_> {
    /// Rights on buckets and objects of the stack, under a further condition or none: a bucket whose name another account has
    /// taken is none of the stack's.
    pub(super) fn on_buckets(
        &self,
        statements: &mut Statements,
        sid: &str,
        (actions, resources): (&[&str], &[String]),
        more: Option<(&str, Value)>,
    ) {
        let mut condition = json!({ "StringEquals": { "aws:ResourceAccount": self.target.account } });
        if let Some((operator, keys)) = more {
            condition[operator] = keys;
        }
        statements.allow_if(sid, actions, resources, &condition);
    }

    /// Rights on a key of the stack, which is used by a service for its caller and never for itself.
    pub(super) fn by_key(
        &self,
        statements: &mut Statements,
        sid: &str,
        (actions, key): (&[&str], &str),
        service: &str,
    ) {
        let region = &self.target.region;
        let service = format!("{service}.{region}.{}", suffix(region));
        let condition = json!({ "StringEquals": { "kms:ViaService": service } });
        statements.allow_if(sid, actions, &[key_arn(key)], &condition);
    }

    /// What goes through the network's way to S3: whatever concerns buckets of the account and those of others that the stack
    /// names, and reading what hosts and Spark are installed and updated from.
    pub(super) fn s3_endpoint_policy(&self) -> Value {
        let anybody = |sid: &str, action: &str, on: &[String]| {
            let (effect, everybody) = ("Allow", "*");
            json!({ "Sid": sid, "Effect": effect, "Principal": everybody, "Action": [action], "Resource": on })
        };
        let owned_by = |mut statement: Value, account: &str| {
            statement["Condition"] = json!({ "StringEquals": { "aws:ResourceAccount": [account] } });
            statement
        };
        let arn = |bucket: &str| self.target.site().unowned("s3", bucket);
        let mut statements = vec![owned_by(anybody("Account", "s3:*", &["*".to_owned()]), &self.target.account)];
        for (index, one) in self.file.stack.foreign_buckets.iter().enumerate() {
            let both = [arn(&one.name), format!("{}/*", arn(&one.name))];
            statements.push(owned_by(anybody(&format!("Foreign{index}"), "s3:*", &both), &one.value));
        }
        let mut sources = PACKAGES.to_vec();
        sources.extend(SYSTEMS_MANAGER);
        if self.file.uses_emr() {
            sources.extend(EMR);
        }
        let sources: Vec<String> =
            sources.iter().map(|name| format!("{}/*", arn(&name.replace("REGION", &self.target.region)))).collect();
        statements.push(anybody("Updates", "s3:GetObject", &sources));
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}
