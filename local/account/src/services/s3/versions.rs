//! Versions of objects: their documents, what is current, and their tags.

use super::blobs::Blob;
use super::call::{Call, Reply};
use super::checksums::Checksum;
use super::{errors, xml};
use crate::error::AwsError;
use crate::ids;
use crate::protocol::xml::escape;
use crate::state::State;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub key: String,
    /// `null` for what was written without versioning.
    pub version: String,
    /// Milliseconds since the epoch.
    pub modified: i64,
    #[serde(default)]
    pub marker: bool,
    #[serde(default)]
    pub size: u64,
    /// Without quotes.
    #[serde(default)]
    pub etag: String,
    #[serde(default)]
    pub blobs: Vec<Blob>,
    /// The headers that come back as they were sent.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    #[serde(default)]
    pub tags: IndexMap<String, String>,
    #[serde(default)]
    pub checksum: Option<Checksum>,
    /// The sizes of the parts it was uploaded in; empty when it was put whole.
    #[serde(default)]
    pub parts: Vec<u64>,
}

/// The collection of a bucket's versions.
pub(super) fn collection(bucket: &str) -> String {
    format!("s3/object/{bucket}")
}

/// The first possible document id of a key; versions follow it, the newest first.
pub(super) fn first(key: &str) -> String {
    format!("{key}\0")
}

/// The document id of a version that is newer than all that a key has, whatever the clock says.
fn newest(state: &State<'_>, bucket: &str, key: &str) -> String {
    let from = first(key);
    let before = state.range(&collection(bucket), &from).next().and_then(|(id, _)| {
        let number = id.strip_prefix(&from)?.parse::<u64>().ok()?;
        Some(u64::MAX - number)
    });
    let now = chrono::Utc::now().timestamp_micros() as u64;
    format!("{from}{:020}", u64::MAX - before.map_or(now, |before| now.max(before + 1)))
}

/// All versions of a key with their document ids, the newest first.
pub(super) fn of_key(state: &State<'_>, bucket: &str, key: &str) -> Vec<(String, Version)> {
    let from = first(key);
    state
        .range(&collection(bucket), &from)
        .take_while(|(id, _)| id.starts_with(&from))
        .filter_map(|(id, document)| Some((id.to_owned(), Version::deserialize(document).ok()?)))
        .collect()
}

/// The version that a read asks for: the named one, or the current one if that is no delete marker.
pub(super) fn find(
    state: &State<'_>,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<(String, Version), AwsError> {
    let missing = || errors::error("NoSuchKey").field("Key", key);
    let mut versions = of_key(state, bucket, key).into_iter();
    match version {
        None => match versions.next() {
            None => Err(missing()),
            Some((_, version)) if version.marker => Err(missing().field("DeleteMarker", true)),
            Some(found) => Ok(found),
        },
        Some(id) => match versions.find(|(_, version)| version.version == id) {
            None => Err(errors::error("NoSuchVersion").field("Key", key).field("VersionId", id)),
            Some((_, version)) if version.marker => Err(errors::error("MethodNotAllowed").field("DeleteMarker", true)),
            Some(found) => Ok(found),
        },
    }
}

/// Whether versioning is or was on: only then do answers carry version ids.
pub(super) fn versioned(bucket: &Value) -> bool {
    bucket["versioning"].is_string()
}

/// Adds a version as the current one; returns its id and the files that it replaced.
pub(super) fn add(state: &mut State<'_>, bucket: &Value, mut version: Version) -> (String, Vec<Blob>) {
    let name = bucket["name"].as_str().unwrap_or_default();
    let mut replaced = Vec::new();
    let id = newest(state, name, &version.key);
    if bucket["versioning"] == "Enabled" {
        version.version = ids::letters(32, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    } else {
        "null".clone_into(&mut version.version);
        for (id, old) in of_key(state, name, &version.key) {
            if old.version == "null" {
                state.remove(&collection(name), &id);
                replaced.extend(old.blobs);
            }
        }
    }
    let version_id = version.version.clone();
    state.put(&collection(name), &id, version);
    (version_id, replaced)
}

/// Refuses a write whose `If-Match` or `If-None-Match` doesn't hold for the current version.
pub(super) fn check_write(call: &Call, state: &State<'_>) -> Result<(), AwsError> {
    let (wanted, refused) = (call.header("if-match"), call.header("if-none-match"));
    if wanted.is_none() && refused.is_none() {
        return Ok(());
    }
    let current = find(state, &call.bucket, &call.key, None).ok().map(|(_, version)| version);
    let failed = |condition: &str| Err(errors::error("PreconditionFailed").field("Condition", condition));
    if let Some(etag) = refused {
        if etag != "*" {
            return Err(errors::because("NotImplemented", "a write takes only * as If-None-Match"));
        }
        if current.is_some() {
            return failed("If-None-Match");
        }
    }
    match (wanted, current) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(errors::error("NoSuchKey").field("Key", call.key.as_str())),
        (Some(wanted), Some(current)) if wanted == "*" || wanted.trim_matches('"') == current.etag => Ok(()),
        _ => failed("If-Match"),
    }
}

/// Tags from a `Tagging` document, checked.
pub(super) fn tags(document: &[u8], most: usize) -> Result<IndexMap<String, String>, AwsError> {
    let root = xml::parse(document, "Tagging")?;
    let set = root.child("TagSet").ok_or_else(|| errors::error("MalformedXML"))?;
    let pairs: Vec<(String, String)> = set
        .all("Tag")
        .map(|tag| Ok((tag.need("Key")?.to_owned(), tag.text_of("Value").unwrap_or_default().to_owned())))
        .collect::<Result<_, AwsError>>()?;
    checked(pairs, most)
}

/// Tags, checked for their number, lengths and repeated keys.
pub(super) fn checked(pairs: Vec<(String, String)>, most: usize) -> Result<IndexMap<String, String>, AwsError> {
    let invalid = |message: &str| Err(errors::because("InvalidTag", message));
    if pairs.len() > most {
        return Err(errors::because("BadRequest", format!("a resource cannot have more than {most} tags")));
    }
    let mut tags = IndexMap::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return invalid("The TagKey or TagValue you have provided is invalid");
        }
        if key.starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester");
        }
        if tags.insert(key, value).is_some() {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(tags)
}

/// A `Tagging` document.
pub(super) fn tagging(tags: &IndexMap<String, String>) -> Reply {
    let set: String = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escape(key), escape(value)))
        .collect();
    Reply::xml(format!("<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>{set}</TagSet></Tagging>"))
}

pub(super) fn get_tagging(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        call.bucket(state)?;
        let (_, version) = find(state, &call.bucket, &call.key, call.parameter("versionId"))?;
        Ok(tagging(&version.tags).header("x-amz-version-id", version.version))
    })
}

pub(super) fn put_tagging(call: &Call, body: &[u8]) -> Result<Reply, AwsError> {
    let tags = tags(body, 10)?;
    retag(call, tags, 200)
}

pub(super) fn delete_tagging(call: &Call) -> Result<Reply, AwsError> {
    retag(call, IndexMap::new(), 204)
}

fn retag(call: &Call, tags: IndexMap<String, String>, status: u16) -> Result<Reply, AwsError> {
    call.transact(|state| {
        call.bucket(state)?;
        let (id, mut version) = find(state, &call.bucket, &call.key, call.parameter("versionId"))?;
        version.tags = tags;
        let reply = Reply::empty(status).header("x-amz-version-id", version.version.clone());
        state.put(&collection(&call.bucket), &id, version);
        Ok(reply)
    })
}
