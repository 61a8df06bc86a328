//! The bucket of an account's leases in a region: made by the first apply there, and kept from everybody else.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ObjectOwnership,
    PublicAccessBlockConfiguration, VersioningConfiguration,
};
use lakewright_aws::{Error, ErrorKind, Needed as _, ask};
use lakewright_iam::Site;
use serde_json::json;

use super::place::Place;
use crate::reading::is_denied;

/// How long S3 may deny knowing a bucket that it has just made.
const KNOWN: Duration = Duration::from_secs(30);

impl Place {
    /// Makes the bucket, unless it is there.
    pub(super) async fn make(&self) -> Result<()> {
        let s3 = self.aws.s3_client();
        let head = s3.head_bucket().bucket(&self.bucket).expected_bucket_owner(&self.account);
        match ask(head.send()).await {
            // An apply that was killed may have left it without its settings; who may not write them didn't make it.
            Ok(_) => return self.settle().await.or_else(|error| if is_denied(&error) { Ok(()) } else { Err(error) }),
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                return Err(self.whose(error).await.context(format!("look at the bucket {} for leases", self.bucket)));
            }
        }
        let region = self.aws.region();
        let elsewhere = (region != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(region);
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let create = s3.create_bucket().bucket(&self.bucket).set_create_bucket_configuration(elsewhere);
        match ask(create.object_ownership(ObjectOwnership::BucketOwnerEnforced).send()).await {
            Ok(_) => self.settle().await,
            Err(error) if error.kind == ErrorKind::OwnedAlready => self.settle().await,
            Err(error) if error.kind == ErrorKind::NameTaken => bail!("{}", self.taken()),
            Err(error) if error.is_denied() => bail!(
                "the bucket {} for the leases of this account isn't there, and these credentials may not make it: let somebody \
                 apply first who has what `lakewright permissions --for setup` prints, or make it and name it by \
                 `state_bucket` in [stack]",
                self.bucket
            ),
            Err(error) => Err(error).with_context(|| format!("make the bucket {} for leases", self.bucket)),
        }
    }

    /// Closes the bucket to the public and to whoever speaks in clear, and keeps what is overwritten.
    async fn settle(&self) -> Result<()> {
        let s3 = self.aws.s3_client();
        let closed = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let close = s3.put_public_access_block().bucket(&self.bucket).public_access_block_configuration(closed);
        let close = close.expected_bucket_owner(&self.account);
        let start = tokio::time::Instant::now();
        loop {
            match ask(close.clone().send()).await {
                Err(error) if error.is_not_found() && start.elapsed() < KNOWN => tokio::time::sleep(self.poll).await,
                answer => {
                    answer.with_context(|| format!("close the bucket {} to the public", self.bucket))?;
                    break;
                }
            }
        }
        let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let keep = s3.put_bucket_versioning().bucket(&self.bucket).versioning_configuration(versions);
        let kept = ask(keep.expected_bucket_owner(&self.account).send()).await;
        kept.with_context(|| format!("keep the versions of what stands in the bucket {}", self.bucket))?;
        let policy = s3.put_bucket_policy().bucket(&self.bucket).policy(self.over_tls());
        let put = ask(policy.expected_bucket_owner(&self.account).send()).await;
        put.with_context(|| format!("close the bucket {} to whoever speaks in clear", self.bucket))?;
        Ok(())
    }

    fn over_tls(&self) -> String {
        let arn = Site { region: self.aws.region(), account: &self.account }.unowned("s3", &self.bucket);
        let statement = json!({
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn.clone(), format!("{arn}/*")],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        });
        json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    }

    /// The error, or what a denial means where the bucket may be somebody else's.
    pub(super) async fn whose(&self, error: Error) -> anyhow::Error {
        if !error.is_denied() {
            return error.into();
        }
        let s3 = self.aws.s3_client();
        let own = s3.head_bucket().bucket(&self.bucket).expected_bucket_owner(&self.account);
        if ask(own.send()).await.is_ok() {
            return error.into();
        }
        let anybody = self.aws.of_anybody().s3_client().head_bucket().bucket(&self.bucket);
        if ask(anybody.send()).await.is_ok() {
            return anyhow!("{}", self.taken());
        }
        anyhow!(
            "{}; or it is this account's, and the credentials may not list it: `lakewright permissions` prints what they need",
            self.taken()
        )
    }

    fn taken(&self) -> String {
        format!(
            "the bucket {} for the leases of this account belongs to somebody else, who took its name: choose another by \
             `state_bucket` in [stack], the same for all stacks that borrow from each other",
            self.bucket
        )
    }

    /// Deletes the versions that the bucket kept of the lease.
    pub(super) async fn forget(&self) -> Result<()> {
        let s3 = self.aws.s3_client();
        let name = || format!("delete what the lease {} was", self.name());
        let (mut key, mut version) = (None, None);
        loop {
            let list = s3.list_object_versions().bucket(&self.bucket).prefix(&self.key);
            let list = list.set_key_marker(key).set_version_id_marker(version).expected_bucket_owner(&self.account);
            let page = match ask(list.send()).await {
                Err(error) if error.is_not_found() => return Ok(()),
                page => page.with_context(name)?,
            };
            let versions = page.versions().iter().map(|one| (one.key(), one.version_id()));
            let all = versions.chain(page.delete_markers().iter().map(|one| (one.key(), one.version_id())));
            for (_, version) in all.filter(|(key, _)| *key == Some(self.key.as_str())) {
                let version = version.needed("s3", "ListObjectVersions.VersionId")?;
                let delete = s3.delete_object().bucket(&self.bucket).key(&self.key).version_id(version);
                ask(delete.expected_bucket_owner(&self.account).send()).await.with_context(name)?;
            }
            if page.is_truncated != Some(true) {
                return Ok(());
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
        }
    }
}
