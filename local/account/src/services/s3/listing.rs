//! Lists of objects and of versions.

use super::call::{Call, Reply};
use super::errors;
use super::versions::{self, Version};
use crate::clock;
use crate::error::AwsError;
use crate::protocol::xml::escape;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::collections::BTreeSet;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The parameters that all lists share.
struct Asked<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    most: usize,
    encode: bool,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Call) -> Result<Self, AwsError> {
        let encode = match call.parameter("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(_) => return Err(errors::because("InvalidArgument", "Invalid Encoding Method specified in Request")),
        };
        Ok(Self {
            prefix: call.parameter("prefix").unwrap_or_default(),
            delimiter: call.parameter("delimiter").unwrap_or_default(),
            most: call.number("max-keys")?.unwrap_or(1000).min(1000),
            encode,
        })
    }

    /// The part of a key that it shares with others, up to the delimiter after the prefix.
    fn common(&self, key: &'a str) -> Option<&'a str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.strip_prefix(self.prefix)?;
        let end = rest.find(self.delimiter)? + self.delimiter.len();
        Some(&key[..self.prefix.len() + end])
    }

    /// A name as it goes into the answer.
    fn name(&self, text: &str) -> String {
        if !self.encode {
            return escape(text);
        }
        let mut out = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~/*".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }

    fn head(&self, root: &str, bucket: &str, truncated: bool) -> String {
        let mut out =
            format!("<{root} xmlns=\"{NAMESPACE}\"><Name>{bucket}</Name><Prefix>{}</Prefix>", self.name(self.prefix));
        if !self.delimiter.is_empty() {
            out.push_str(&format!("<Delimiter>{}</Delimiter>", self.name(self.delimiter)));
        }
        if self.encode {
            out.push_str("<EncodingType>url</EncodingType>");
        }
        out.push_str(&format!("<MaxKeys>{}</MaxKeys><IsTruncated>{truncated}</IsTruncated>", self.most));
        out
    }
}

fn prefixes(asked: &Asked<'_>, common: &BTreeSet<String>) -> String {
    common
        .iter()
        .map(|prefix| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", asked.name(prefix)))
        .collect()
}

pub(super) fn objects(call: &Call) -> Result<Reply, AwsError> {
    let second = call.parameter("list-type") == Some("2");
    let asked = Asked::of(call)?;
    let after = if second {
        match call.parameter("continuation-token") {
            Some(token) => URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| errors::because("InvalidArgument", "The continuation token provided is incorrect"))?,
            None => call.parameter("start-after").unwrap_or_default().to_owned(),
        }
    } else {
        call.parameter("marker").unwrap_or_default().to_owned()
    };
    let owner = !second || call.parameter("fetch-owner") == Some("true");
    call.transact(|state| {
        call.bucket(state)?;
        let mut common = BTreeSet::new();
        let mut entries = String::new();
        let mut count = 0;
        let mut last = String::new();
        let mut truncated = false;
        let mut seen = String::new();
        let start = versions::first(asked.prefix.max(after.as_str()));
        let start = if asked.prefix > after.as_str() { asked.prefix.to_owned() } else { start };
        for (id, document) in state.range(&versions::collection(&call.bucket), &start) {
            let key = id.split('\0').next().unwrap_or_default();
            if !key.starts_with(asked.prefix) {
                break;
            }
            // Only the newest version of each key counts, and the token's own key was listed before.
            if key == seen || key <= after.as_str() {
                continue;
            }
            key.clone_into(&mut seen);
            if document["marker"] == true {
                continue;
            }
            let shared = asked.common(key);
            if shared.is_some_and(|shared| common.contains(shared) || after.starts_with(shared)) {
                continue;
            }
            if count == asked.most {
                truncated = asked.most > 0;
                break;
            }
            count += 1;
            if let Some(shared) = shared {
                shared.clone_into(&mut last);
                common.insert(shared.to_owned());
                continue;
            }
            key.clone_into(&mut last);
            let Ok(version) = Version::deserialize(document) else { continue };
            entries.push_str(&format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag>",
                asked.name(key),
                clock::iso(version.modified),
                version.etag
            ));
            if let Some(checksum) = &version.checksum {
                entries.push_str(&format!(
                    "<ChecksumAlgorithm>{}</ChecksumAlgorithm><ChecksumType>{}</ChecksumType>",
                    checksum.algorithm.name(),
                    checksum.kind()
                ));
            }
            entries.push_str(&format!("<Size>{}</Size>", version.size));
            if owner {
                entries.push_str(&format!("<Owner><ID>{}</ID></Owner>", call.caller));
            }
            let class = version.headers.get("x-amz-storage-class").map_or("STANDARD", String::as_str);
            entries.push_str(&format!("<StorageClass>{}</StorageClass></Contents>", escape(class)));
        }
        let mut out = asked.head("ListBucketResult", &call.bucket, truncated);
        if second {
            out.push_str(&format!("<KeyCount>{count}</KeyCount>"));
            if let Some(token) = call.parameter("continuation-token") {
                out.push_str(&format!("<ContinuationToken>{}</ContinuationToken>", escape(token)));
            }
            if let Some(start) = call.parameter("start-after") {
                out.push_str(&format!("<StartAfter>{}</StartAfter>", asked.name(start)));
            }
            if truncated {
                out.push_str(&format!(
                    "<NextContinuationToken>{}</NextContinuationToken>",
                    URL_SAFE_NO_PAD.encode(&last)
                ));
            }
        } else {
            out.push_str(&format!("<Marker>{}</Marker>", asked.name(&after)));
            if truncated && !asked.delimiter.is_empty() {
                out.push_str(&format!("<NextMarker>{}</NextMarker>", asked.name(&last)));
            }
        }
        out.push_str(&entries);
        out.push_str(&prefixes(&asked, &common));
        out.push_str("</ListBucketResult>");
        Ok(Reply::xml(out))
    })
}

pub(super) fn versions(call: &Call) -> Result<Reply, AwsError> {
    let asked = Asked::of(call)?;
    let key_marker = call.parameter("key-marker").unwrap_or_default();
    let version_marker = call.parameter("version-id-marker").filter(|marker| !marker.is_empty());
    call.transact(|state| {
        call.bucket(state)?;
        let mut common = BTreeSet::new();
        let mut entries = String::new();
        let mut count = 0;
        let mut last = (String::new(), String::new());
        let mut truncated = false;
        let mut seen = String::new();
        let mut past_marker = false;
        for (id, document) in state.range(&versions::collection(&call.bucket), asked.prefix) {
            let key = id.split('\0').next().unwrap_or_default();
            if !key.starts_with(asked.prefix) {
                break;
            }
            let latest = key != seen;
            key.clone_into(&mut seen);
            let Ok(version) = Version::deserialize(document) else { continue };
            if key < key_marker || (key == key_marker && version_marker.is_none() && !key_marker.is_empty()) {
                continue;
            }
            if key == key_marker && !past_marker && version_marker.is_some() {
                past_marker = version_marker == Some(version.version.as_str());
                continue;
            }
            let shared = asked.common(key);
            if shared.is_some_and(|shared| common.contains(shared) || key_marker.starts_with(shared)) {
                continue;
            }
            if count == asked.most {
                truncated = asked.most > 0;
                break;
            }
            count += 1;
            if let Some(shared) = shared {
                last = (shared.to_owned(), String::new());
                common.insert(shared.to_owned());
                continue;
            }
            last = (key.to_owned(), version.version.clone());
            let element = if version.marker { "DeleteMarker" } else { "Version" };
            entries.push_str(&format!(
                "<{element}><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{latest}</IsLatest><LastModified>{}</LastModified>",
                asked.name(key),
                version.version,
                clock::iso(version.modified)
            ));
            if !version.marker {
                entries.push_str(&format!(
                    "<ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass>",
                    version.etag, version.size
                ));
            }
            entries.push_str(&format!("<Owner><ID>{}</ID></Owner></{element}>", call.caller));
        }
        let mut out = asked.head("ListVersionsResult", &call.bucket, truncated);
        out.push_str(&format!("<KeyMarker>{}</KeyMarker>", asked.name(key_marker)));
        out.push_str(&format!("<VersionIdMarker>{}</VersionIdMarker>", escape(version_marker.unwrap_or_default())));
        if truncated {
            out.push_str(&format!("<NextKeyMarker>{}</NextKeyMarker>", asked.name(&last.0)));
            if !last.1.is_empty() {
                out.push_str(&format!("<NextVersionIdMarker>{}</NextVersionIdMarker>", last.1));
            }
        }
        out.push_str(&entries);
        out.push_str(&prefixes(&asked, &common));
        out.push_str("</ListVersionsResult>");
        Ok(Reply::xml(out))
    })
}
