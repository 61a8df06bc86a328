//! What hosts, jobs and builds run stands in the bucket `artifacts`: who may write it there.

use serde_json::{Value, json};

use super::{ARTIFACTS, Expansion};
use crate::names::{AUTHORITY_BY_HOST, CODE, CODE_BY_DEPLOYERS, SEARCH_FOLDER, identities};

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
            "Sid": CODE_BY_DEPLOYERS,
            "Effect": "Deny",
            "Principal": "*",
            "Action": WRITES,
            "Resource": CODE.map(|folder| format!("{arn}/{folder}/*")),
            "Condition": { "ArnNotLike": { "aws:PrincipalArn": deployers } },
        }))
    }

    /// The statement of a bucket's policy by which nobody but the search host, and those who apply the stack, says which certificates the
    /// shipper trusts; nothing for other buckets, without such a host, and for a stack that doesn't say who applies it.
    pub(super) fn authority_by_host(&self, bucket: &str) -> Option<Value> {
        let mut writers = self.deployers().filter(|_| bucket == ARTIFACTS)?;
        writers.extend(self.authority_writers()?);
        Some(json!({
            "Sid": AUTHORITY_BY_HOST,
            "Effect": "Deny",
            "Principal": "*",
            "Action": WRITES,
            "Resource": format!("{}/{SEARCH_FOLDER}/*", self.bucket_arn(bucket)),
            "Condition": { "ArnNotLike": { "aws:PrincipalArn": writers } },
        }))
    }

    /// The ARNs of a role of the stack's, wherever it stands.
    pub(super) fn role_arns(&self, name: &str) -> [String; 2] {
        ["/".to_owned(), identities(self.stack.name())].map(|path| self.iam_arn(&format!("role{path}{name}")))
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
            all.extend(self.role_arns(&self.named(part)));
        }
        all.extend(self.file.stack.role.iter().map(|role| role.value.clone()));
        let pattern = |text: &String| if text.starts_with("arn:") { text.clone() } else { in_account(text) };
        all.extend(named.iter().map(|one| pattern(&one.value)));
        Some(all)
    }
}
