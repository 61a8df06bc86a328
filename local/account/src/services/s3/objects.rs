//! Writing whole objects.

use super::body::{self, Received};
use super::call::{Call, Reply};
use super::versions::{self, Version};
use super::{blobs, errors, xml};
use crate::error::AwsError;
use crate::protocol::query;
use crate::state::State;
use axum::body::Body;
use indexmap::IndexMap;
use serde_json::Value;

/// The headers that are kept and given back.
const KEPT: [&str; 9] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-storage-class",
    "x-amz-server-side-encryption-context",
];

/// The header that names the key of an object.
pub(super) const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";

/// What the request says about the object besides its bytes: headers to keep, encryption, metadata.
pub(super) fn described(call: &Call, bucket: &Value) -> Result<IndexMap<String, String>, AwsError> {
    let mut kept = IndexMap::new();
    for name in KEPT {
        if let Some(value) = call.header(name) {
            let value = if name == "content-encoding" {
                // The framing of the transfer is not part of the object.
                value.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect::<Vec<_>>().join(",")
            } else {
                value.to_owned()
            };
            let default = name == "x-amz-storage-class" && value == "STANDARD";
            if !value.is_empty() && !default {
                kept.insert(name.to_owned(), value);
            }
        }
    }
    kept.entry("content-type".to_owned()).or_insert_with(|| "binary/octet-stream".to_owned());
    let mut size = 0;
    for (name, value) in &call.headers {
        if name.as_str().starts_with("x-amz-meta-") {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            size += name.as_str().len() - "x-amz-meta-".len() + value.len();
            kept.insert(name.as_str().to_owned(), value);
        }
    }
    if size > 2048 {
        return Err(errors::because(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    encryption(call, bucket, &mut kept)?;
    Ok(kept)
}

fn encryption(call: &Call, bucket: &Value, kept: &mut IndexMap<String, String>) -> Result<(), AwsError> {
    let algorithm = "x-amz-server-side-encryption";
    let key = KMS_KEY;
    let bucket_key = "x-amz-server-side-encryption-bucket-key-enabled";
    if let Some(asked) = call.header(algorithm) {
        if !["AES256", "aws:kms", "aws:kms:dsse"].contains(&asked) {
            return Err(errors::because("InvalidArgument", "The encryption method specified is not supported"));
        }
        kept.insert(algorithm.to_owned(), asked.to_owned());
        for name in [key, bucket_key] {
            if let Some(value) = call.header(name) {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
        return Ok(());
    }
    let rule = rule(bucket);
    let default = rule.child("ApplyServerSideEncryptionByDefault").cloned().unwrap_or_default();
    kept.insert(algorithm.to_owned(), default.text_of("SSEAlgorithm").unwrap_or("AES256").to_owned());
    if let Some(id) = default.text_of("KMSMasterKeyID") {
        kept.insert(key.to_owned(), id.to_owned());
        if rule.text_of("BucketKeyEnabled") == Some("true") {
            kept.insert(bucket_key.to_owned(), "true".to_owned());
        }
    }
    Ok(())
}

/// The rule by which a bucket encrypts what says nothing of it.
fn rule(bucket: &Value) -> xml::Element {
    let document = bucket["settings"]["encryption"].as_str().unwrap_or_default();
    let document = xml::parse(document.as_bytes(), "ServerSideEncryptionConfiguration").ok();
    document.and_then(|document| document.child("Rule").cloned()).unwrap_or_default()
}

/// The key that a bucket encrypts new objects with.
pub(super) fn key_of_bucket(bucket: &Value) -> Option<String> {
    let default = rule(bucket).child("ApplyServerSideEncryptionByDefault").cloned()?;
    default.text_of("KMSMasterKeyID").map(str::to_owned)
}

/// The headers that are kept with an object, or with a version of it; nothing when it isn't there.
pub(super) fn headers_of(
    state: &State<'_>,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Option<IndexMap<String, String>> {
    versions::find(state, bucket, key, version).ok().map(|(_, version)| version.headers)
}

/// The tags that the request's header brings.
pub(super) fn tags(call: &Call) -> Result<IndexMap<String, String>, AwsError> {
    versions::checked(query::pairs(call.header("x-amz-tagging").unwrap_or_default()), 10)
}

pub(super) async fn put(call: &Call, body: Body) -> Result<Reply, AwsError> {
    let tags = tags(call)?;
    // Refused before the bytes are taken in where that is clear already; decided again at the commit.
    let headers = call.transact(|state| {
        let bucket = call.bucket(state)?;
        versions::check_write(call, state)?;
        described(call, &bucket)
    })?;
    let Received { blob, md5, checksum } = body::to_disk(call, body).await?;
    let written = blob.clone();
    let done = call.transact(|state| {
        let version = Version {
            key: call.key.clone(),
            version: String::new(),
            modified: state.now(),
            marker: false,
            size: blob.size,
            etag: md5,
            blobs: if blob.size == 0 { Vec::new() } else { vec![blob] },
            headers,
            tags,
            checksum: Some(checksum),
            parts: Vec::new(),
        };
        commit(call, state, version)
    });
    match done {
        Ok((reply, replaced)) => {
            blobs::release(&call.account, &replaced);
            if written.size == 0 {
                blobs::discard(&call.account, &[written]);
            }
            Ok(reply)
        }
        Err(error) => {
            blobs::discard(&call.account, &[written]);
            Err(error)
        }
    }
}

/// Makes `version` the current one if the request's conditions hold; the answer's headers and the files set free.
pub(super) fn commit(
    call: &Call,
    state: &mut State<'_>,
    version: Version,
) -> Result<(Reply, Vec<blobs::Blob>), AwsError> {
    let bucket = call.bucket(state)?;
    versions::check_write(call, state)?;
    let mut reply = Reply::empty(200).header("etag", format!("\"{}\"", version.etag));
    if let Some(checksum) = &version.checksum {
        reply = reply.header(&checksum.algorithm.header(), checksum.value.clone());
        reply = reply.header("x-amz-checksum-type", checksum.kind());
    }
    for (name, value) in version.headers.iter().filter(|(name, _)| name.starts_with("x-amz-server-side-encryption")) {
        reply = reply.header(name, value.clone());
    }
    let (id, replaced) = versions::add(state, &bucket, version);
    if versions::versioned(&bucket) {
        reply = reply.header("x-amz-version-id", id);
    }
    Ok((reply, replaced))
}
