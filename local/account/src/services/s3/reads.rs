//! Reading objects: whole, in ranges, under conditions.

use super::call::{Call, Reply};
use super::versions::{self, Version};
use super::{blobs, errors};
use crate::account::Account;
use crate::error::AwsError;
use axum::body::Body;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use std::ops::Range;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

pub(super) async fn get(call: &Call) -> Result<Reply, AwsError> {
    let (version, versioned) = call.transact(|state| {
        let bucket = call.bucket(state)?;
        let (_, version) = versions::find(state, &call.bucket, &call.key, call.parameter("versionId"))?;
        Ok((version, versions::versioned(&bucket)))
    })?;
    check(call, &version)?;
    let whole = 0..version.size;
    let part = call.number("partNumber")?;
    let range = match (part, call.header("range")) {
        (Some(part), _) => Some(part_range(&version, part)?),
        (None, Some(range)) => parse_range(range, version.size)?,
        (None, None) => None,
    };
    let mut reply = Reply::empty(if range.is_some() { 206 } else { 200 });
    let span = range.clone().unwrap_or(whole);
    reply = reply
        .header("etag", format!("\"{}\"", version.etag))
        .header("last-modified", http_date(version.modified))
        .header("accept-ranges", "bytes")
        .header("content-length", (span.end - span.start).to_string());
    for (name, value) in &version.headers {
        reply = reply.header(name, value.clone());
    }
    if range.is_some() {
        let last = span.end.saturating_sub(1);
        reply = reply.header("content-range", format!("bytes {}-{last}/{}", span.start, version.size));
    } else if call.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"))
        && let Some(checksum) = &version.checksum
    {
        reply = reply.header(&checksum.algorithm.header(), checksum.value.clone());
        reply = reply.header("x-amz-checksum-type", checksum.kind());
    }
    if versioned {
        reply = reply.header("x-amz-version-id", version.version.clone());
    }
    if !version.tags.is_empty() {
        reply = reply.header("x-amz-tagging-count", version.tags.len().to_string());
    }
    if part.is_some() && !version.parts.is_empty() {
        reply = reply.header("x-amz-mp-parts-count", version.parts.len().to_string());
    }
    for (name, value) in &call.query {
        if let Some(header) = name.strip_prefix("response-") {
            reply = reply.header(header, value.clone());
        }
    }
    if call.method != Method::HEAD {
        reply.body = content(&call.account, &version, span).await?;
    }
    Ok(reply)
}

/// The bytes of a version within `span`, as a stream over its files.
async fn content(account: &Account, version: &Version, span: Range<u64>) -> Result<Body, AwsError> {
    let mut readers = Vec::new();
    let mut start = 0;
    for blob in &version.blobs {
        let here = start..start + blob.size;
        start = here.end;
        let (from, to) = (span.start.max(here.start), span.end.min(here.end));
        if from >= to {
            continue;
        }
        // Opened now: the version may be deleted while it is being sent.
        let mut file =
            tokio::fs::File::open(blobs::path(account, &blob.file)).await.map_err(|error| errors::disk(&error))?;
        file.seek(std::io::SeekFrom::Start(from - here.start)).await.map_err(|error| errors::disk(&error))?;
        readers.push(ReaderStream::with_capacity(file.take(to - from), 1 << 18));
    }
    Ok(Body::from_stream(stream::iter(readers).flat_map(|reader| reader.map_err(std::io::Error::other))))
}

/// Refuses or shortens a read whose conditions don't hold.
fn check(call: &Call, version: &Version) -> Result<(), AwsError> {
    let matches = |list: &str| {
        list.split(',')
            .any(|etag| matches!(etag.trim().trim_matches('"'), "*") || etag.trim().trim_matches('"') == version.etag)
    };
    let seconds = version.modified / 1000;
    let date = |name: &str| {
        let text = call.header(name)?;
        DateTime::parse_from_rfc2822(text).ok().map(|date| date.timestamp())
    };
    let failed = |condition: &str| errors::error("PreconditionFailed").field("Condition", condition);
    match call.header("if-match") {
        Some(list) if !matches(list) => return Err(failed("If-Match")),
        None if date("if-unmodified-since").is_some_and(|limit| seconds > limit) => {
            return Err(failed("If-Unmodified-Since"));
        }
        _ => {}
    }
    match call.header("if-none-match") {
        Some(list) if matches(list) => Err(errors::error("NotModified")),
        None if date("if-modified-since").is_some_and(|limit| seconds <= limit) => Err(errors::error("NotModified")),
        _ => Ok(()),
    }
}

/// The bytes of a part; an object that was put whole is its own part 1.
fn part_range(version: &Version, part: usize) -> Result<Range<u64>, AwsError> {
    if version.parts.is_empty() && part == 1 {
        return Ok(0..version.size);
    }
    let wrong = || errors::because("InvalidPartNumber", "The requested partnumber is not satisfiable").status(416);
    let size = part.checked_sub(1).and_then(|index| version.parts.get(index)).ok_or_else(wrong)?;
    let start: u64 = version.parts[..part - 1].iter().sum();
    Ok(start..start + size)
}

/// One range of a `Range` header. Several ranges or another unit are answered with the whole object, as on S3.
pub(super) fn parse_range(header: &str, size: u64) -> Result<Option<Range<u64>>, AwsError> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let unsatisfiable = || errors::error("InvalidRange").field("ActualObjectSize", size.to_string());
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.trim().is_empty() => first..size,
        (None, Some(length)) if first.trim().is_empty() && length > 0 => size.saturating_sub(length)..size,
        (None, Some(0)) if first.trim().is_empty() => return Err(unsatisfiable()),
        _ => return Ok(None),
    };
    if range.start >= size { Err(unsatisfiable()) } else { Ok(Some(range)) }
}

/// An HTTP date.
pub(super) fn http_date(millis: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

pub(super) fn attributes(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        call.bucket(state)?;
        let (_, version) = versions::find(state, &call.bucket, &call.key, call.parameter("versionId"))?;
        let asked = call.header("x-amz-object-attributes").unwrap_or_default();
        let wanted = |name: &str| asked.split(',').any(|item| item.trim() == name);
        let mut out = String::new();
        if wanted("ETag") {
            out.push_str(&format!("<ETag>{}</ETag>", version.etag));
        }
        if let Some(checksum) = version.checksum.as_ref().filter(|_| wanted("Checksum")) {
            let element = checksum.algorithm.element();
            out.push_str(&format!(
                "<Checksum><{element}>{}</{element}><ChecksumType>{}</ChecksumType></Checksum>",
                checksum.value,
                checksum.kind()
            ));
        }
        if wanted("ObjectParts") && !version.parts.is_empty() {
            out.push_str(&format!("<ObjectParts><PartsCount>{}</PartsCount></ObjectParts>", version.parts.len()));
        }
        if wanted("StorageClass") {
            out.push_str("<StorageClass>STANDARD</StorageClass>");
        }
        if wanted("ObjectSize") {
            out.push_str(&format!("<ObjectSize>{}</ObjectSize>", version.size));
        }
        Ok(Reply::xml(format!("<GetObjectAttributesResponse xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{out}</GetObjectAttributesResponse>"))
            .header("last-modified", http_date(version.modified)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_header() {
        let range = |text: &str| parse_range(text, 10).ok().flatten();
        assert_eq!(range("bytes=2-4"), Some(2..5));
        assert_eq!(range("bytes=8-100"), Some(8..10));
        assert_eq!(range("bytes=-3"), Some(7..10));
        assert_eq!(range("bytes=-30"), Some(0..10));
        assert_eq!(range("bytes=4-"), Some(4..10));
        assert_eq!(range("bytes=5-4"), None);
        assert!(parse_range("bytes=10-", 10).is_err());
        assert!(parse_range("bytes=-0", 10).is_err());
    }
}
