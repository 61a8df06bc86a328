//! Copying objects, and copying bytes into the parts of an upload.

use super::blobs;
use super::body::Received;
use super::call::{Call, Reply};
use super::checksums::{Algorithm, Hasher};
use super::versions::{self, Version};
use super::{errors, objects, reads, uploads};
use crate::clock;
use crate::error::AwsError;
use crate::protocol::query;
use crate::state::State;
use axum::body::Body;
use md5::{Digest, Md5};
use serde_json::Value;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

/// The version that `x-amz-copy-source` names, and its bucket.
fn source(call: &Call, state: &State<'_>) -> Result<(Version, Value), AwsError> {
    let header = call.header("x-amz-copy-source").unwrap_or_default();
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (header, None),
    };
    let path = query::decode(path, false);
    let (bucket, key) = path.trim_start_matches('/').split_once('/').ok_or_else(|| {
        errors::because("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    })?;
    let found = call.named(state, bucket)?;
    let (_, source) = versions::find(state, bucket, key, version)?;
    let etag = |name: &str| call.header(name).map(|etag| etag.trim_matches('"') == source.etag);
    if etag("x-amz-copy-source-if-match") == Some(false) || etag("x-amz-copy-source-if-none-match") == Some(true) {
        return Err(errors::error("PreconditionFailed"));
    }
    Ok((source, found))
}

pub(super) fn object(call: &Call) -> Result<Reply, AwsError> {
    let replace = call.header("x-amz-metadata-directive") == Some("REPLACE");
    let retag = call.header("x-amz-tagging-directive") == Some("REPLACE");
    let tags = objects::tags(call)?;
    let (reply, freed) = call.transact(|state| {
        let bucket = call.bucket(state)?;
        let (source, from) = source(call, state)?;
        let itself = from["name"] == call.bucket.as_str() && source.key == call.key;
        let changed = replace || call.header("x-amz-storage-class").is_some() || call.header("x-amz-server-side-encryption").is_some();
        if itself && !changed && !call.header("x-amz-copy-source").is_some_and(|header| header.contains("versionId=")) {
            return Err(errors::because("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."));
        }
        let mut headers = objects::described(call, &bucket)?;
        if !replace {
            let encryption = headers.into_iter().filter(|(name, _)| name.starts_with("x-amz-server-side-encryption"));
            let encryption: Vec<_> = encryption.collect();
            headers = source.headers.clone();
            headers.retain(|name, _| !name.starts_with("x-amz-server-side-encryption"));
            headers.extend(encryption);
        }
        let blobs = source.blobs.iter().map(|blob| blobs::link(&call.account, blob)).collect::<Result<_, _>>()?;
        let version = Version {
            key: call.key.clone(),
            version: String::new(),
            modified: state.now(),
            headers,
            tags: if retag { tags } else { source.tags.clone() },
            blobs,
            ..source.clone()
        };
        let (etag, modified) = (version.etag.clone(), version.modified);
        let (mut reply, freed) = objects::commit(call, state, version)?;
        if versions::versioned(&from) {
            reply = reply.header("x-amz-copy-source-version-id", source.version);
        }
        reply.headers.retain(|(name, _)| name != "etag");
        reply.headers.push(("content-type".to_owned(), "application/xml".to_owned()));
        reply.body = Body::from(format!(
            "<CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ETag>&quot;{etag}&quot;</ETag><LastModified>{}</LastModified></CopyObjectResult>",
            clock::iso(modified)
        ));
        Ok((reply, freed))
    })?;
    blobs::release(&call.account, &freed);
    Ok(reply)
}

pub(super) async fn part(call: &Call) -> Result<Reply, AwsError> {
    uploads::number(call)?;
    let version = call.transact(|state| Ok(source(call, state)?.0))?;
    let range = match call.header("x-amz-copy-source-range") {
        Some(header) => reads::parse_range(header, version.size)?.ok_or_else(|| {
            errors::because("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
        })?,
        None => 0..version.size,
    };
    let account = call.account.clone();
    let copied = tokio::task::spawn_blocking(move || copy(&account, &version, range)).await;
    let received = copied.map_err(AwsError::internal)?.map_err(|error| errors::disk(&error))?;
    Ok(uploads::keep(call, received)?.copied())
}

/// Writes the bytes of `version` within `range` to a new file.
fn copy(account: &crate::account::Account, version: &Version, range: Range<u64>) -> std::io::Result<Received> {
    let file = blobs::name();
    let path = blobs::place(account, &file)?;
    let mut out = std::fs::File::create(&path)?;
    let mut md5 = Md5::new();
    let mut hasher = Hasher::new(Algorithm::Crc64);
    let mut start = 0;
    for blob in &version.blobs {
        let (from, to) = (range.start.max(start), range.end.min(start + blob.size));
        if from < to {
            let mut input = std::fs::File::open(blobs::path(account, &blob.file))?;
            input.seek(SeekFrom::Start(from - start))?;
            let mut input = input.take(to - from);
            let mut buffer = vec![0; 1 << 20];
            loop {
                let read = input.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                md5.update(&buffer[..read]);
                hasher.update(&buffer[..read]);
                out.write_all(&buffer[..read])?;
            }
        }
        start += blob.size;
    }
    account.disk.sync(&out)?;
    blobs::settle(account, &path)?;
    let blob = blobs::Blob { file, size: range.end - range.start };
    Ok(Received { blob, md5: hex::encode(md5.finalize()), checksum: hasher.finish() })
}
