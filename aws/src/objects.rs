//! The objects of S3: put, get, list, conditional writes.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::{ByteStream, DateTimeFormat};
use bytes::Bytes;

use crate::ask::ask;
use crate::chain::deepest;
use crate::client;
use crate::connection::Aws;
use crate::errors::{Error, Kind};
use crate::owners::Expecting;
use crate::retry;

/// The objects of a connection's buckets.
#[derive(Clone, Debug)]
pub struct Objects {
    client: Client,
    owner: Option<String>,
}

/// How an object is put.
#[derive(Debug, Clone, Default)]
pub struct Put {
    /// The media type.
    pub content_type: Option<String>,
    /// Only if there is no such object.
    pub if_none_match: bool,
    /// Only if the object has this ETag.
    pub if_match: Option<String>,
    /// What is kept beside it: lower-case names, values of printable ASCII.
    pub metadata: Vec<(String, String)>,
}

/// An object, or the range of it that was asked for.
#[derive(Debug, Clone)]
pub struct Object {
    /// The bytes.
    pub body: Bytes,
    /// The ETag with its quotes.
    pub etag: String,
    /// The size of the whole object.
    pub size: u64,
    /// The media type.
    pub content_type: Option<String>,
    /// What is kept beside it.
    pub metadata: Vec<(String, String)>,
}

/// An object without its bytes.
#[derive(Debug, Clone)]
pub struct Head {
    /// The ETag with its quotes.
    pub etag: String,
    /// The size.
    pub size: u64,
    /// The media type.
    pub content_type: Option<String>,
    /// What is kept beside it.
    pub metadata: Vec<(String, String)>,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The ETag with its quotes.
    pub etag: String,
    /// The size.
    pub size: u64,
    /// When it was written, as ISO 8601 in UTC.
    pub modified: String,
}

impl Aws {
    /// The client of S3: buckets in the path where an endpoint is set, checksums where AWS asks for them.
    pub fn s3_client(&self) -> Client {
        client!(self, "s3", aws_sdk_s3, |config| config
            .interceptor(Expecting(self.owners()))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .force_path_style(self.has_endpoint("S3")))
    }

    /// The objects of S3.
    pub fn objects(&self) -> Objects {
        Objects { client: self.s3_client(), owner: None }
    }
}

impl Objects {
    /// The same for a bucket whose name may be another account's: its objects are refused unless it is this account's.
    #[must_use]
    pub fn owned_by(self, account: &str) -> Self {
        Self { owner: Some(account.to_owned()), ..self }
    }

    /// Writes an object; the answer is its ETag. An error with `lost` may stand for a write that took effect.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes, options: Put) -> Result<String, Error> {
        let Put { content_type, if_none_match, if_match, metadata } = options;
        let metadata = (!metadata.is_empty()).then(|| metadata.into_iter().collect());
        let put = self.client.put_object().bucket(bucket).key(key).body(ByteStream::from(body));
        let put = put
            .set_content_type(content_type)
            .set_if_none_match(if_none_match.then(|| "*".to_owned()))
            .set_if_match(if_match)
            .set_metadata(metadata)
            .set_expected_bucket_owner(self.owner.clone());
        // TLS protects the body on its way; hashing it a second time would cost as much as sending it.
        let written = ask(put.customize().disable_payload_signing().send()).await?;
        needed("PutObject", "ETag", written.e_tag)
    }

    /// Reads an object, or a range of it. A missing one is an error of [`Error::is_not_found`].
    pub async fn get(&self, bucket: &str, key: &str, range: Option<Range<u64>>) -> Result<Object, Error> {
        let range = range.map(|range| {
            let last = range.end.saturating_sub(1).max(range.start);
            format!("bytes={}-{last}", range.start)
        });
        let mut attempt = 0;
        loop {
            let get = self.client.get_object().bucket(bucket).key(key).set_range(range.clone());
            let answer = ask(get.set_expected_bucket_owner(self.owner.clone()).send()).await?;
            attempt += 1;
            let body = match answer.body.collect().await {
                Ok(body) => body.into_bytes(),
                // The SDK repeats what fails before the body begins; a body that breaks off is read anew from its start.
                Err(_) if attempt < retry::ATTEMPTS => {
                    tokio::time::sleep(retry::backoff(attempt)).await;
                    continue;
                }
                Err(error) => return Err(Error::no_answer("s3", "GetObject", deepest(&error))),
            };
            let whole = answer.content_range.as_deref().and_then(|range| range.rsplit('/').next()?.parse().ok());
            return Ok(Object {
                etag: needed("GetObject", "ETag", answer.e_tag)?,
                size: whole.unwrap_or(body.len() as u64),
                content_type: answer.content_type,
                metadata: sorted(answer.metadata),
                body,
            });
        }
    }

    /// What is known of an object, or `None` if it isn't there.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Option<Head>, Error> {
        let head = self.client.head_object().bucket(bucket).key(key).set_expected_bucket_owner(self.owner.clone());
        match ask(head.send()).await {
            Ok(answer) => Ok(Some(Head {
                etag: needed("HeadObject", "ETag", answer.e_tag)?,
                size: size("HeadObject", answer.content_length)?,
                content_type: answer.content_type,
                metadata: sorted(answer.metadata),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; that it was missing is success.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let delete = self.client.delete_object().bucket(bucket).key(key).set_expected_bucket_owner(self.owner.clone());
        match ask(delete.send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object that has this ETag; false where it has another one, or is missing.
    pub async fn delete_unchanged(&self, bucket: &str, key: &str, etag: &str) -> Result<bool, Error> {
        let delete = self.client.delete_object().bucket(bucket).key(key).if_match(etag);
        match ask(delete.set_expected_bucket_owner(self.owner.clone()).send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_precondition_failed() || error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All objects whose keys begin with `prefix`, in the order of their keys.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, Error> {
        let (mut found, mut next) = self.list_page(bucket, prefix, None).await?;
        while let Some(token) = next {
            let (more, after) = self.list_page(bucket, prefix, Some(token)).await?;
            found.extend(more);
            next = after;
        }
        Ok(found)
    }

    /// The next objects whose keys begin with `prefix`, at most 1,000, in the order of their keys, and the token for
    /// those after them, if there are any.
    pub async fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix).set_continuation_token(token);
        let page = ask(list.set_expected_bucket_owner(self.owner.clone()).send()).await?;
        let found = entries(&page)?;
        Ok((found, page.next_continuation_token.filter(|_| page.is_truncated == Some(true))))
    }

    /// The first object whose key begins with `prefix` and comes after `after`. It takes the right to list alone: to look for
    /// an object that isn't there takes the right to list without a condition.
    pub async fn first_after(&self, bucket: &str, prefix: &str, after: &str) -> Result<Option<Listed>, Error> {
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix).start_after(after).max_keys(1);
        let list = list.set_expected_bucket_owner(self.owner.clone());
        let mut next = None;
        // A page may be empty, as where versions of deleted objects stand, and not be the last.
        loop {
            let page = ask(list.clone().set_continuation_token(next).send()).await?;
            let found = entries(&page)?.into_iter().find(|entry| entry.key.as_str() > after);
            next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
            if found.is_some() || next.is_none() {
                return Ok(found);
            }
        }
    }

    /// All objects whose keys begin with one of the prefixes, in the order of their keys: a walk through the bucket that
    /// steps over what lies between them, so that prefixes with little beside them come in one answer.
    pub async fn list_among(&self, bucket: &str, prefixes: &BTreeSet<String>) -> Result<Vec<Listed>, Error> {
        let Some(first) = prefixes.first() else { return Ok(Vec::new()) };
        if prefixes.len() == 1 {
            return self.list(bucket, first).await;
        }
        let is_meant = |key: &str| prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
        let mut found = Vec::new();
        let mut after = before(first).to_owned();
        loop {
            let list = self.client.list_objects_v2().bucket(bucket).start_after(&after);
            let page = ask(list.set_expected_bucket_owner(self.owner.clone()).send()).await?;
            let mut entries = entries(&page)?;
            let last = entries.last().map(|entry| entry.key.clone());
            entries.retain(|entry| is_meant(&entry.key));
            found.append(&mut entries);
            let Some(last) = last.filter(|_| page.is_truncated == Some(true)) else { return Ok(found) };
            after = if is_meant(&last) {
                last
            } else {
                let Some(next) = prefixes.iter().find(|prefix| **prefix > last) else { return Ok(found) };
                last.max(before(next).to_owned())
            };
        }
    }
}

fn entries(page: &ListObjectsV2Output) -> Result<Vec<Listed>, Error> {
    let listed = |entry: &aws_sdk_s3::types::Object| {
        let modified = entry.last_modified.and_then(|time| time.fmt(DateTimeFormat::DateTimeWithOffset).ok());
        Ok(Listed {
            key: needed(LIST, "Key", entry.key.clone())?,
            etag: needed(LIST, "ETag", entry.e_tag.clone())?,
            size: size(LIST, entry.size)?,
            modified: needed(LIST, "LastModified", modified)?,
        })
    };
    page.contents().iter().map(listed).collect()
}

const LIST: &str = "ListObjectsV2";

/// A key that stands before all that begin with the prefix, its very self among them.
fn before(prefix: &str) -> &str {
    let mut characters = prefix.chars();
    characters.next_back();
    characters.as_str()
}

fn needed<T>(operation: &str, member: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::missing("s3", &format!("{operation}.{member}")))
}

fn size(operation: &str, value: Option<i64>) -> Result<u64, Error> {
    let size = value.and_then(|size| u64::try_from(size).ok());
    needed(operation, "ContentLength", size)
}

fn sorted(metadata: Option<HashMap<String, String>>) -> Vec<(String, String)> {
    let mut metadata: Vec<(String, String)> = metadata.unwrap_or_default().into_iter().collect();
    metadata.sort();
    metadata
}
