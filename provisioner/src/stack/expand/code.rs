//! What hosts, jobs and builds run stands in the bucket `artifacts`: who may write it there.

use serde_json::{Value, json};

use super::{ARTIFACTS, Expansion};
use crate::names::CODE;

/// What changes an object, or brings back what stood there before.
const WRITES: [&str; 5] =
    ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject", "s3:ReplicateDelete", "s3:ReplicateObject"];

impl Expansion<'_> {
    /// The statement of a bucket's policy by which nobody but those who apply the stack writes code; nothing for other buckets,
    /// and for a stack that doesn't say who applies it.
    ///
    /// Changing the policy itself stays a matter of IAM alone: whoever is left out by mistake names themselves and applies.
    pub(super) fn code_by_deployers(&self, bucket: &str) -> Option<Value> {
        let deployers = self.deployers().filter(|_| bucket == ARTIFACTS)?;
        let arn = self.bucket_arn(bucket);
        Some(json!({
            "Sid": "CodeByDeployers",
            "Effect": "Deny",
            "Principal": "*",
            "Action": WRITES,
            "Resource": CODE.map(|folder| format!("{arn}/{folder}/*")),
            "Condition": { "ArnNotLike": { "aws:PrincipalArn": deployers } },
        }))
    }

    /// The patterns of the ARNs of those who apply the stack: its role, its pipelines, whom the file names, and the account's root, so that
    /// no mistake shuts the account out.
    fn deployers(&self) -> Option<Vec<String>> {
        let named = &self.file.stack.deployers;
        if !named.written() {
            return None;
        }
        let in_account = |what: &str| self.iam_arn(what);
        let mut all = vec![in_account("root")];
        let pipelines = [("ci", self.file.ci.is_some()), ("pipeline-apply", self.file.pipeline.is_some())];
        for (part, _) in pipelines.into_iter().filter(|(_, exists)| *exists) {
            // A role's name is the account's only one, whatever its path: these are one role, wherever it stands.
            let name = self.named(part);
            all.push(in_account(&format!("role/{name}")));
            all.push(in_account(&format!("role/lakewright/{}/{name}", self.stack.name())));
        }
        all.extend(self.file.stack.role.iter().map(|role| role.value.clone()));
        let pattern = |text: &String| if text.starts_with("arn:") { text.clone() } else { in_account(text) };
        all.extend(named.iter().map(|one| pattern(&one.value)));
        Some(all)
    }
}
