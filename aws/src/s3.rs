//! S3: objects, listings, and any other request.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Client, Outgoing};
use crate::endpoint::{percent_encode, query_string};
use crate::errors::{Error, Kind};
use crate::protocol::Request;
use crate::{service, text, xml};

/// The S3 client of a [`Client`].
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
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

/// Any request to S3.
#[derive(Debug, Clone, Default)]
pub struct S3Request {
    /// The method.
    pub method: Method,
    /// The bucket; empty for requests to the account.
    pub bucket: String,
    /// The key; empty for requests to the bucket.
    pub key: String,
    /// The query: `("lifecycle", None)`, `("prefix", Some("a/"))`.
    pub query: Vec<(String, Option<String>)>,
    /// Headers besides those of signature and checksum.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Any answer of S3.
#[derive(Debug, Clone)]
pub struct S3Response {
    /// The status: a success.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl S3Response {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a value; an empty one is an empty object.
    pub fn xml(&self) -> Result<Value, String> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        xml::parse(&self.body).map(|(_, value)| value)
    }

    fn etag(&self) -> String {
        self.header("etag").unwrap_or_default().to_owned()
    }

    fn length(&self) -> u64 {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(self.body.len() as u64)
    }

    fn content_type(&self) -> Option<String> {
        self.header("content-type").map(str::to_owned)
    }

    fn metadata(&self) -> Vec<(String, String)> {
        let named = self.headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-amz-meta-")?;
            Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        });
        named.collect()
    }
}

impl S3 {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes an object; the answer is its ETag. An error with `lost` may stand for a write that took effect.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes, options: Put) -> Result<String, Error> {
        let mut headers = Vec::new();
        if let Some(content_type) = options.content_type {
            headers.push(("content-type".to_owned(), content_type));
        }
        if options.if_none_match {
            headers.push(("if-none-match".to_owned(), "*".to_owned()));
        }
        if let Some(etag) = options.if_match {
            headers.push(("if-match".to_owned(), etag));
        }
        headers.extend(options.metadata.into_iter().map(|(name, value)| (format!("x-amz-meta-{name}"), value)));
        let request = S3Request { method: Method::PUT, headers, body, ..at(bucket, key) };
        Ok(self.run("PutObject", request).await?.etag())
    }

    /// Reads an object, or a range of it. A missing one is an error of [`Error::is_not_found`].
    pub async fn get(&self, bucket: &str, key: &str, range: Option<Range<u64>>) -> Result<Object, Error> {
        let mut request = at(bucket, key);
        if let Some(range) = range {
            let last = range.end.saturating_sub(1).max(range.start);
            request.headers.push(("range".to_owned(), format!("bytes={}-{last}", range.start)));
        }
        let answer = self.run("GetObject", request).await?;
        let whole = answer.header("content-range").and_then(|range| range.rsplit('/').next()?.parse().ok());
        Ok(Object {
            etag: answer.etag(),
            size: whole.unwrap_or(answer.body.len() as u64),
            content_type: answer.content_type(),
            metadata: answer.metadata(),
            body: answer.body,
        })
    }

    /// What is known of an object, or `None` if it isn't there.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Option<Head>, Error> {
        match self.run("HeadObject", S3Request { method: Method::HEAD, ..at(bucket, key) }).await {
            Ok(answer) => Ok(Some(Head {
                etag: answer.etag(),
                size: answer.length(),
                content_type: answer.content_type(),
                metadata: answer.metadata(),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; that it was missing is success.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        match self.run("DeleteObject", S3Request { method: Method::DELETE, ..at(bucket, key) }).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All objects whose keys begin with `prefix`, in the order of their keys.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, Error> {
        let mut found = Vec::new();
        let mut query = vec![("prefix", prefix.to_owned())];
        loop {
            let page = self.page(bucket, &query).await?;
            found.extend(entries(&page));
            match text(&page, "NextContinuationToken") {
                next if is_truncated(&page) && !next.is_empty() => {
                    query.truncate(1);
                    query.push(("continuation-token", next.to_owned()));
                }
                _ => return Ok(found),
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
            let page = self.page(bucket, &[("start-after", after.clone())]).await?;
            let mut entries: Vec<Listed> = entries(&page).collect();
            let last = entries.last().map(|entry| entry.key.clone());
            entries.retain(|entry| is_meant(&entry.key));
            found.append(&mut entries);
            let Some(last) = last.filter(|_| is_truncated(&page)) else { return Ok(found) };
            after = if is_meant(&last) {
                last
            } else {
                let Some(next) = prefixes.iter().find(|prefix| **prefix > last) else { return Ok(found) };
                last.max(before(next).to_owned())
            };
        }
    }

    /// A page of a list; equal ones of a round of reading are asked for once.
    async fn page(&self, bucket: &str, query: &[(&str, String)]) -> Result<Value, Error> {
        let ask = async {
            let given = query.iter().map(|(name, value)| ((*name).to_owned(), Some(value.clone())));
            let query = std::iter::once(("list-type".to_owned(), Some("2".to_owned()))).chain(given).collect();
            let answer = self.run("ListObjectsV2", S3Request { query, ..at(bucket, "") }).await?;
            answer.xml().map_err(|reason| unreadable("ListObjectsV2", &answer, &reason))
        };
        match self.client.answers() {
            Some(answers) => answers.of(service::S3.name, "ListObjectsV2", &json!([bucket, query]), ask).await,
            None => ask.await,
        }
    }

    /// Sends any request. A body gets the checksum that settings of buckets and bulk deletions ask for.
    pub async fn send(&self, mut request: S3Request) -> Result<S3Response, Error> {
        if !request.body.is_empty() {
            let checksum = STANDARD.encode(Sha256::digest(&request.body));
            request.headers.push(("x-amz-checksum-sha256".into(), checksum));
        }
        let settings: Vec<&str> = request.query.iter().map(|(name, _)| name.as_str()).collect();
        let operation = if settings.is_empty() {
            format!("{} {}/{}", request.method, request.bucket, request.key)
        } else {
            format!("{} {}/{}?{}", request.method, request.bucket, request.key, settings.join("&"))
        };
        self.run(&operation, request).await
    }

    async fn run(&self, operation: &str, request: S3Request) -> Result<S3Response, Error> {
        let (base, mut target) = self.place(&request.bucket);
        if !request.key.is_empty() {
            if !target.ends_with('/') {
                target.push('/');
            }
            percent_encode(&mut target, &request.key, true);
        }
        if target.is_empty() {
            target.push('/');
        }
        target.push_str(&query_string(&request.query));
        let request = Request { method: request.method, target, headers: request.headers, body: request.body };
        let api = &service::S3;
        let answer = self.client.execute(Outgoing { api, operation, base, request, once: false }).await?;
        Ok(S3Response { status: answer.status.as_u16(), headers: answer.headers, body: answer.body })
    }

    /// Scheme and host, and the path of the bucket: in the host on AWS, in the path on a set endpoint and for names
    /// with dots, which no certificate covers.
    fn place(&self, bucket: &str) -> (String, String) {
        let region = self.client.region();
        let custom = self.client.endpoints().custom(&service::S3);
        if custom.is_none() && !bucket.is_empty() && !bucket.contains('.') {
            return (format!("https://{bucket}.s3.{region}.amazonaws.com"), "/".into());
        }
        let base = custom.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let path = if bucket.is_empty() { String::new() } else { format!("/{bucket}") };
        (base, path)
    }
}

fn at(bucket: &str, key: &str) -> S3Request {
    S3Request { bucket: bucket.to_owned(), key: key.to_owned(), ..S3Request::default() }
}

fn entries(page: &Value) -> impl Iterator<Item = Listed> {
    crate::list(page, "Contents").iter().map(|entry| Listed {
        key: text(entry, "Key").to_owned(),
        etag: text(entry, "ETag").to_owned(),
        size: text(entry, "Size").parse().unwrap_or_default(),
        modified: text(entry, "LastModified").to_owned(),
    })
}

fn is_truncated(page: &Value) -> bool {
    text(page, "IsTruncated") == "true"
}

/// A key that stands before all that begin with the prefix, its very self among them.
fn before(prefix: &str) -> &str {
    let mut characters = prefix.chars();
    characters.next_back();
    characters.as_str()
}

fn unreadable(operation: &str, answer: &S3Response, reason: &str) -> Error {
    Error { lost: false, ..Error::bad_answer(service::S3.name, operation, answer.status, reason) }
}
