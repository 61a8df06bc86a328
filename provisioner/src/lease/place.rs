//! The object that holds the lease: in a bucket of the account and region, which the first apply makes.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{Aws, ErrorKind, Object, Objects, Put, ask};

use super::document::{Document, FORMER, VERSION};
use crate::kind::Context;
use crate::names;

/// Where a stack's lease is.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) aws: Aws,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) account: String,
    pub(super) poll: Duration,
}

/// Whether reading a document failed by what stands there, which nobody can read.
pub fn is_unreadable(error: &anyhow::Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<serde_json::Error>)
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
    pub fn new(context: &Context) -> Self {
        let Context { aws, account, stack, state_bucket, pace, .. } = context;
        let bucket = state_bucket.clone().unwrap_or_else(|| names::state_bucket(account, aws.region()));
        let key = format!("stacks/{stack}.json");
        Self { aws: aws.clone(), bucket, key, account: account.clone(), poll: pace.poll }
    }

    /// The name of the place, for people.
    pub fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The document; none if there is none yet.
    pub async fn read(&self) -> Result<Option<Version>> {
        self.stored().await?.map(|object| self.version(object)).transpose()
    }

    async fn stored(&self) -> Result<Option<Object>> {
        match self.objects().get(&self.bucket, &self.key, None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.whose(error).await.context(format!("read the lease {}", self.name()))),
        }
    }

    /// The document in what stands there.
    fn version(&self, object: Object) -> Result<Version> {
        let unreadable = || format!("the lease {} can't be read; `lakewright unlock` makes it anew", self.name());
        let value: serde_json::Value = serde_json::from_slice(&object.body).with_context(unreadable)?;
        if let Some(version) = value["version"].as_u64()
            && version != u64::from(VERSION)
            && version != u64::from(FORMER)
        {
            bail!("the lease {} has the format {version}, and this lakewright knows {VERSION}: update it", self.name());
        }
        let document = Document::read(value).with_context(unreadable)?;
        Ok(Version { document, etag: object.etag })
    }

    /// Writes the document in place of the version that was read; of none, when there was none. Nothing comes back when
    /// somebody else wrote before.
    pub async fn write(&self, document: &Document, before: Option<&str>) -> Result<Option<Version>> {
        let document = document.clone();
        let body = document.written();
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

    /// Takes away what stands there now, if nobody can read it; false where it was none of that. What the bucket keeps of what stood there
    /// before stays, and can be put back.
    pub async fn put_aside_unreadable(&self) -> Result<bool> {
        let Some(object) = self.stored().await? else { return Ok(false) };
        let etag = object.etag.clone();
        match self.version(object) {
            Ok(_) => Ok(false),
            // Somebody may write a sound one in this very moment.
            Err(error) if is_unreadable(&error) => {
                let gone = self.objects().delete_unchanged(&self.bucket, &self.key, &etag).await;
                gone.with_context(|| format!("delete the lease {}", self.name()))
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(&self) -> Result<()> {
        match self.objects().delete(&self.bucket, &self.key).await {
            Err(error) if !error.is_not_found() => {
                Err(error).with_context(|| format!("delete the lease {}", self.name()))
            }
            _ => Ok(()),
        }
    }

    /// Takes the lease away with all that it was, and the bucket if no other stack has one there: for the end of a destroy.
    pub async fn remove(&self) -> Result<()> {
        self.delete().await?;
        self.forget().await?;
        let delete = self.aws.s3_client().delete_bucket().bucket(&self.bucket).expected_bucket_owner(&self.account);
        match ask(delete.send()).await {
            // It is the account's, not the stack's: who may apply a stack need not be allowed to delete it.
            Err(error) if error.kind != ErrorKind::NotEmpty && !error.is_not_found() && !error.is_denied() => {
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
