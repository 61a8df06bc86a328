//! The object that holds the lease: in a bucket of the account and region, which the first apply makes.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{Client, Error, ErrorKind, S3Request, S3Response, xml};
use serde_json::json;

use super::document::{Document, VERSION};

/// How long S3 may deny knowing a bucket that it has just made.
const KNOWN: Duration = Duration::from_secs(30);

/// Where a stack's lease is.
#[derive(Debug, Clone)]
pub struct Place {
    aws: Client,
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
    pub fn new(aws: &Client, account: &str, stack: &str, poll: Duration) -> Self {
        let bucket = format!("lakewright-{account}-{}", aws.region());
        Self { aws: aws.clone(), bucket, key: format!("stacks/{stack}.json"), account: account.to_owned(), poll }
    }

    /// The name of the place, for people.
    pub fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The document; none if there is none yet.
    pub async fn read(&self) -> Result<Option<Version>> {
        let object = match self.object("GET", Vec::new(), Vec::new()).await {
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
        Ok(Some(Version { document, etag: object.header("etag").unwrap_or_default().to_owned() }))
    }

    /// Writes the document in place of the version that was read; of none, when there was none. Nothing comes back when
    /// somebody else wrote before.
    pub async fn write(&self, document: &Document, before: Option<&str>) -> Result<Option<Version>> {
        let document = document.clone();
        let body = serde_json::to_vec_pretty(&document).expect("the document holds only what JSON has");
        let condition = match before {
            Some(etag) => ("if-match".to_owned(), etag.to_owned()),
            None => ("if-none-match".to_owned(), "*".to_owned()),
        };
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        match self.object("PUT", vec![kind, condition], body).await {
            Ok(answer) => {
                let etag = answer.header("etag").unwrap_or_default().to_owned();
                Ok(Some(Version { document, etag }))
            }
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
        let region = self.aws.region();
        let body = if region == "us-east-1" {
            String::new()
        } else {
            xml::document("CreateBucketConfiguration", NAMESPACE, &json!({"LocationConstraint": region}))
        };
        match self.send("PUT", &[], body).await {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::OwnedAlready => {}
            Err(error) if error.kind == ErrorKind::NameTaken => bail!(
                "the bucket {} for the leases of this account belongs to somebody else, who took its name: ask AWS \
                 Support for it, or work in another region",
                self.bucket
            ),
            Err(error) => return Err(error).with_context(|| format!("make the bucket {} for leases", self.bucket)),
        }
        let closed = json!({
            "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true,
        });
        let body = xml::document("PublicAccessBlockConfiguration", NAMESPACE, &closed);
        let start = tokio::time::Instant::now();
        loop {
            match self.send("PUT", &[("publicAccessBlock", None)], body.clone()).await {
                Err(error) if error.is_not_found() && start.elapsed() < KNOWN => tokio::time::sleep(self.poll).await,
                answer => {
                    return answer.with_context(|| format!("close the bucket {} to the public", self.bucket));
                }
            }
        }
    }

    /// Takes the lease away, and the bucket if no other stack has one there.
    pub async fn remove(&self) -> Result<()> {
        match self.object("DELETE", Vec::new(), Vec::new()).await {
            Err(error) if !error.is_not_found() => {
                return Err(error).with_context(|| format!("delete the lease {}", self.name()));
            }
            _ => {}
        }
        match self.send("DELETE", &[], String::new()).await {
            Err(error) if error.kind != ErrorKind::NotEmpty && !error.is_not_found() => {
                Err(error).with_context(|| format!("delete the bucket {}", self.bucket))
            }
            _ => Ok(()),
        }
    }

    /// A request to the object. The bucket's name can be guessed: one that somebody else made is refused.
    async fn object(
        &self,
        method: &str,
        mut headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<S3Response, Error> {
        headers.push((OWNER.to_owned(), self.account.clone()));
        let request = S3Request {
            method: method.parse().expect("a method"),
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            headers,
            body: body.into(),
            ..S3Request::default()
        };
        self.aws.s3().send(request).await
    }

    async fn send(&self, method: &str, query: &[(&str, Option<&str>)], body: String) -> Result<(), Error> {
        let request = S3Request {
            method: method.parse().expect("a method"),
            bucket: self.bucket.clone(),
            query: query.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect(),
            headers: if method == "PUT" && query.is_empty() {
                Vec::new()
            } else {
                vec![(OWNER.to_owned(), self.account.clone())]
            },
            body: body.into(),
            ..S3Request::default()
        };
        self.aws.s3().send(request).await.map(|_| ())
    }
}

/// The header by which S3 refuses a bucket of another account.
const OWNER: &str = "x-amz-expected-bucket-owner";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
