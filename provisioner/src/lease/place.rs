//! The object that holds the lease: in a bucket of the account and region, which the first apply makes.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration};
use lakewright_aws::{Aws, ErrorKind, Objects, Put, ask};

use super::document::{Document, VERSION};
use crate::names;

/// How long S3 may deny knowing a bucket that it has just made.
const KNOWN: Duration = Duration::from_secs(30);

/// Where a stack's lease is.
#[derive(Debug, Clone)]
pub struct Place {
    aws: Aws,
    bucket: String,
    key: String,
    account: String,
    poll: Duration,
}

/// A document as it was read or written.
#[derive(Debug, Clone)]
pub struct Version {
    /// The document.
    pub document: Document,
    /// What S3 calls this version of it.
    pub etag: String,
}

impl Place {
    /// The place of a stack's lease.
    pub fn new(aws: &Aws, account: &str, stack: &str, poll: Duration) -> Self {
        let bucket = names::state_bucket(account, aws.region());
        Self { aws: aws.clone(), bucket, key: format!("stacks/{stack}.json"), account: account.to_owned(), poll }
    }

    /// The name of the place, for people.
    pub fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The document; none if there is none yet.
    pub async fn read(&self) -> Result<Option<Version>> {
        let object = match self.objects().get(&self.bucket, &self.key, None).await {
            Ok(object) => object,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read the lease {}", self.name())),
        };
        let unreadable = || format!("the lease {} can't be read; `lakewright unlock` makes it anew", self.name());
        let value: serde_json::Value = serde_json::from_slice(&object.body).with_context(unreadable)?;
        if let Some(version) = value["version"].as_u64()
            && version != u64::from(VERSION)
        {
            bail!("the lease {} has the format {version}, and this lakewright knows {VERSION}: update it", self.name());
        }
        let document = serde_json::from_value(value).with_context(unreadable)?;
        Ok(Some(Version { document, etag: object.etag }))
    }

    /// Writes the document in place of the version that was read; of none, when there was none. Nothing comes back when
    /// somebody else wrote before.
    pub async fn write(&self, document: &Document, before: Option<&str>) -> Result<Option<Version>> {
        let document = document.clone();
        let body = serde_json::to_vec_pretty(&document).expect("the document holds only what JSON has");
        let put = Put {
            content_type: Some("application/json".to_owned()),
            if_none_match: before.is_none(),
            if_match: before.map(str::to_owned),
            ..Put::default()
        };
        match self.objects().put(&self.bucket, &self.key, body.into(), put).await {
            Ok(etag) => Ok(Some(Version { document, etag })),
            // An attempt whose answer was lost may have written it, and its repetition met its own work.
            Err(error) if error.is_precondition_failed() || error.lost || error.is_not_found() => {
                match self.read().await? {
                    Some(found) if found.document == document => Ok(Some(found)),
                    _ if error.is_precondition_failed() || error.is_not_found() => Ok(None),
                    _ => Err(error).with_context(|| format!("write the lease {}", self.name())),
                }
            }
            Err(error) => Err(error).with_context(|| format!("write the lease {}", self.name())),
        }
    }

    /// Makes the bucket, unless it is there: closed to the public.
    pub async fn make(&self) -> Result<()> {
        let s3 = self.aws.s3_client();
        let region = self.aws.region();
        let elsewhere = (region != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(region);
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        match ask(s3.create_bucket().bucket(&self.bucket).set_create_bucket_configuration(elsewhere).send()).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::OwnedAlready => {}
            Err(error) if error.kind == ErrorKind::NameTaken => bail!(
                "the bucket {} for the leases of this account belongs to somebody else, who took its name: ask AWS \
                 Support for it, or work in another region",
                self.bucket
            ),
            Err(error) => return Err(error).with_context(|| format!("make the bucket {} for leases", self.bucket)),
        }
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
                    return Ok(());
                }
            }
        }
    }

    /// Takes the lease away, and the bucket if no other stack has one there.
    pub async fn remove(&self) -> Result<()> {
        match self.objects().delete(&self.bucket, &self.key).await {
            Err(error) if !error.is_not_found() => {
                return Err(error).with_context(|| format!("delete the lease {}", self.name()));
            }
            _ => {}
        }
        let delete = self.aws.s3_client().delete_bucket().bucket(&self.bucket).expected_bucket_owner(&self.account);
        match ask(delete.send()).await {
            Err(error) if error.kind != ErrorKind::NotEmpty && !error.is_not_found() => {
                Err(error).with_context(|| format!("delete the bucket {}", self.bucket))
            }
            _ => Ok(()),
        }
    }

    /// The objects of the bucket. Its name can be guessed: one that somebody else made is refused.
    fn objects(&self) -> Objects {
        self.aws.objects().owned_by(&self.account)
    }
}
