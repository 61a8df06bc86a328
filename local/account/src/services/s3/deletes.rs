//! Deleting objects and versions.

use super::blobs::{self, Blob};
use super::call::{Call, Reply};
use super::versions::{self, Version};
use super::{asks, errors, xml};
use crate::error::AwsError;
use crate::protocol::xml::escape;
use crate::state::State;
use indexmap::IndexMap;
use serde_json::Value;

/// What a delete did.
#[derive(Default)]
struct Deleted {
    /// The version id of the marker that was made or deleted.
    marker: Option<String>,
    version: Option<String>,
    freed: Vec<Blob>,
}

pub(super) fn object(call: &Call) -> Result<Reply, AwsError> {
    let deleted = call.transact(|state| {
        let bucket = call.bucket(state)?;
        if let Some(wanted) = call.header("if-match") {
            let (_, current) = versions::find(state, &call.bucket, &call.key, None)?;
            if wanted != "*" && wanted.trim_matches('"') != current.etag {
                return Err(errors::error("PreconditionFailed").field("Condition", "If-Match"));
            }
        }
        one(state, &bucket, &call.key, call.parameter("versionId"))
    })?;
    blobs::release(&call.account, &deleted.freed);
    let mut reply = Reply::empty(204);
    if deleted.marker.is_some() {
        reply = reply.header("x-amz-delete-marker", "true");
    }
    if let Some(version) = deleted.version.or(deleted.marker) {
        reply = reply.header("x-amz-version-id", version);
    }
    Ok(reply)
}

/// Deletes the named version, or puts a delete marker on a versioned object, or deletes the object.
fn one(state: &mut State<'_>, bucket: &Value, key: &str, version: Option<&str>) -> Result<Deleted, AwsError> {
    let name = bucket["name"].as_str().unwrap_or_default();
    if let Some(wanted) = version {
        let found = versions::of_key(state, name, key).into_iter().find(|(_, version)| version.version == wanted);
        let mut deleted = Deleted { version: Some(wanted.to_owned()), ..Deleted::default() };
        if let Some((id, version)) = found {
            state.remove(&versions::collection(name), &id);
            if version.marker {
                deleted.marker = Some(wanted.to_owned());
            }
            deleted.freed = version.blobs;
        }
        return Ok(deleted);
    }
    if versions::versioned(bucket) {
        let marker = Version {
            key: key.to_owned(),
            version: String::new(),
            modified: state.now(),
            marker: true,
            size: 0,
            etag: String::new(),
            blobs: Vec::new(),
            headers: IndexMap::new(),
            tags: IndexMap::new(),
            checksum: None,
            parts: Vec::new(),
        };
        let (id, freed) = versions::add(state, bucket, marker);
        return Ok(Deleted { marker: Some(id), version: None, freed });
    }
    let mut deleted = Deleted::default();
    for (id, version) in versions::of_key(state, name, key) {
        state.remove(&versions::collection(name), &id);
        deleted.freed.extend(version.blobs);
    }
    Ok(deleted)
}

pub(super) fn many(call: &Call, body: &[u8]) -> Result<Reply, AwsError> {
    let document = xml::parse(body, "Delete")?;
    let quiet = document.text_of("Quiet") == Some("true");
    let objects: Vec<(String, Option<String>)> = document
        .all("Object")
        .map(|object| {
            // A key may begin or end with white space: its text counts as it is.
            let key = object.child("Key").map(|key| key.text.clone()).filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| errors::error("MalformedXML"))?;
            Ok((key, object.text_of("VersionId").filter(|id| !id.is_empty()).map(str::to_owned)))
        })
        .collect::<Result<_, AwsError>>()?;
    if objects.is_empty() || objects.len() > 1000 {
        return Err(errors::error("MalformedXML"));
    }
    let refused = asks::objects(&call.account, &call.wanted(), &objects)?;
    let (out, freed) = call.transact(|state| {
        let bucket = call.bucket(state)?;
        let mut out = String::new();
        let mut freed = Vec::new();
        for ((key, version), refusal) in objects.iter().zip(&refused) {
            if let Some(AwsError { code, message, .. }) = refusal {
                let (key, message) = (escape(key), escape(message));
                out.push_str(&format!(
                    "<Error><Key>{key}</Key><Code>{code}</Code><Message>{message}</Message></Error>"
                ));
                continue;
            }
            let deleted = one(state, &bucket, key, version.as_deref())?;
            freed.extend(deleted.freed);
            if quiet {
                continue;
            }
            out.push_str(&format!("<Deleted><Key>{}</Key>", escape(key)));
            if let Some(version) = deleted.version {
                out.push_str(&format!("<VersionId>{version}</VersionId>"));
            }
            if let Some(marker) = deleted.marker {
                out.push_str(&format!(
                    "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId>"
                ));
            }
            out.push_str("</Deleted>");
        }
        Ok((out, freed))
    })?;
    blobs::release(&call.account, &freed);
    Ok(Reply::xml(format!("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{out}</DeleteResult>")))
}
