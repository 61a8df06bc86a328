//! Uploads in parts.

use super::blobs::{self, Blob};
use super::body::{self, Received};
use super::call::{Call, Reply};
use super::checksums::{self, Algorithm, Checksum};
use super::objects;
use super::versions::Version;
use super::{errors, xml};
use crate::clock;
use crate::error::AwsError;
use crate::ids;
use crate::protocol::xml::escape;
use crate::state::State;
use axum::body::Body;
use indexmap::IndexMap;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// Every part but the last holds at least as much.
const MIN_PART: u64 = 5 << 20;

/// An upload that was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Upload {
    bucket: String,
    key: String,
    begun: i64,
    headers: IndexMap<String, String>,
    tags: IndexMap<String, String>,
    algorithm: Option<Algorithm>,
    /// Whether the checksum is that of the whole object.
    whole: bool,
}

/// A part that was uploaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    number: usize,
    etag: String,
    size: u64,
    modified: i64,
    checksum: Checksum,
    blobs: Vec<Blob>,
}

fn part_id(upload: &str, number: usize) -> String {
    format!("{upload}/{number:05}")
}

fn parts(state: &State<'_>, upload: &str) -> Vec<Part> {
    let from = format!("{upload}/");
    state
        .range("s3/part", &from)
        .take_while(|(id, _)| id.starts_with(&from))
        .filter_map(|(_, document)| Part::deserialize(document).ok())
        .collect()
}

/// The upload that the request names, if it is one of this bucket and key.
fn find(call: &Call, state: &State<'_>) -> Result<(String, Upload), AwsError> {
    call.bucket(state)?;
    let id = call.parameter("uploadId").unwrap_or_default();
    let upload: Option<Upload> = state.read("s3/upload", id);
    let upload = upload.filter(|upload| upload.bucket == call.bucket && upload.key == call.key);
    Ok((id.to_owned(), upload.ok_or_else(|| errors::error("NoSuchUpload").field("UploadId", id))?))
}

/// Removes an upload and its parts; their files.
fn drop_one(state: &mut State<'_>, id: &str) -> Vec<Blob> {
    let mut freed = Vec::new();
    for part in parts(state, id) {
        state.remove("s3/part", &part_id(id, part.number));
        freed.extend(part.blobs);
    }
    state.remove("s3/upload", id);
    freed
}

/// Removes every upload to a bucket; their files.
pub(super) fn drop_all(state: &mut State<'_>, bucket: &str) -> Vec<Blob> {
    let ids: Vec<String> =
        state.list("s3/upload").filter(|(_, upload)| upload["bucket"] == bucket).map(|(id, _)| id.to_owned()).collect();
    ids.iter().flat_map(|id| drop_one(state, id)).collect()
}

pub(super) fn create(call: &Call) -> Result<Reply, AwsError> {
    let tags = objects::tags(call)?;
    let algorithm = call.header("x-amz-checksum-algorithm").map(Algorithm::named).transpose()?;
    let kind = call.header("x-amz-checksum-type");
    let whole = kind == Some("FULL_OBJECT") || (kind.is_none() && matches!(algorithm, None | Some(Algorithm::Crc64)));
    if whole && algorithm == Some(Algorithm::Sha256) {
        return Err(errors::because(
            "InvalidRequest",
            "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
        ));
    }
    call.transact(|state| {
        let bucket = call.bucket(state)?;
        let id = ids::letters(64, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        let headers = objects::described(call, &bucket)?;
        let upload =
            Upload { bucket: call.bucket.clone(), key: call.key.clone(), begun: state.now(), headers, tags, algorithm, whole };
        state.put("s3/upload", &id, upload);
        let mut reply = Reply::xml(format!(
            "<InitiateMultipartUploadResult xmlns=\"{NAMESPACE}\"><Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
            call.bucket,
            escape(&call.key)
        ));
        if let Some(algorithm) = algorithm {
            reply = reply
                .header("x-amz-checksum-algorithm", algorithm.name())
                .header("x-amz-checksum-type", if whole { "FULL_OBJECT" } else { "COMPOSITE" });
        }
        Ok(reply)
    })
}

/// The part number of the request.
pub(super) fn number(call: &Call) -> Result<usize, AwsError> {
    call.number("partNumber")?.filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        errors::because("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    })
}

pub(super) async fn put_part(call: &Call, body: Body) -> Result<Reply, AwsError> {
    number(call)?;
    call.transact(|state| find(call, state).map(|_| ()))?;
    let received = body::to_disk(call, body).await?;
    let part = keep(call, received)?;
    Ok(Reply::empty(200)
        .header("etag", format!("\"{}\"", part.etag))
        .header(&part.checksum.algorithm.header(), part.checksum.value.clone()))
}

/// Keeps bytes as the request's part, in the place of an earlier one of that number.
pub(super) fn keep(call: &Call, received: Received) -> Result<Part, AwsError> {
    let number = number(call)?;
    let blob = received.blob.clone();
    let done = call.transact(|state| {
        let (id, _) = find(call, state)?;
        let part = Part {
            number,
            etag: received.md5,
            size: received.blob.size,
            modified: state.now(),
            checksum: received.checksum,
            blobs: vec![received.blob],
        };
        let replaced: Option<Part> = state.read("s3/part", &part_id(&id, number));
        state.put("s3/part", &part_id(&id, number), &part);
        Ok((part, replaced.map(|part| part.blobs).unwrap_or_default()))
    });
    match done {
        Ok((part, replaced)) => {
            blobs::release(&call.account, &replaced);
            Ok(part)
        }
        Err(error) => {
            blobs::discard(&call.account, &[blob]);
            Err(error)
        }
    }
}

impl Part {
    /// The answer to copying bytes into the part.
    pub fn copied(&self) -> Reply {
        Reply::xml(format!(
            "<CopyPartResult xmlns=\"{NAMESPACE}\"><ETag>&quot;{}&quot;</ETag><LastModified>{}</LastModified></CopyPartResult>",
            self.etag,
            clock::iso(self.modified)
        ))
    }
}

pub(super) fn complete(call: &Call, body: &[u8]) -> Result<Reply, AwsError> {
    let document = xml::parse(body, "CompleteMultipartUpload")?;
    let mut asked = Vec::new();
    for part in document.all("Part") {
        let number: usize = part.need("PartNumber")?.parse().map_err(|_| errors::error("MalformedXML"))?;
        asked.push((number, part.need("ETag")?.trim_matches('"').to_owned(), part.clone()));
    }
    if asked.is_empty() {
        return Err(errors::error("MalformedXML"));
    }
    if asked.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(errors::error("InvalidPartOrder"));
    }
    let (reply, freed) = call.transact(|state| {
        let (id, upload) = find(call, state)?;
        let mut given = parts(state, &id);
        let mut chosen = Vec::new();
        for (number, etag, element) in &asked {
            let index = given.iter().position(|part| part.number == *number && part.etag == *etag);
            let part = given.remove(index.ok_or_else(|| errors::error("InvalidPart").field("PartNumber", *number))?);
            let told = element.text_of(&part.checksum.algorithm.element());
            if told.is_some_and(|value| value != part.checksum.value) {
                return Err(errors::error("InvalidPart").field("PartNumber", *number));
            }
            chosen.push(part);
        }
        if chosen.iter().rev().skip(1).any(|part| part.size < MIN_PART) {
            return Err(errors::error("EntityTooSmall"));
        }
        let mut whole = Md5::new();
        for part in &chosen {
            whole.update(hex::decode(&part.etag).unwrap_or_default());
        }
        let etag = format!("{}-{}", hex::encode(whole.finalize()), chosen.len());
        // Parts that came with other checksums than the upload's can't be put together.
        let algorithm = upload.algorithm.unwrap_or(chosen[0].checksum.algorithm);
        let sums: Vec<_> = chosen.iter().map(|part| (part.checksum.clone(), part.size)).collect();
        let same = sums.iter().all(|(checksum, _)| checksum.algorithm == algorithm);
        let checksum = same.then(|| checksums::of_parts(algorithm, &sums, upload.whole)).flatten();
        let version = Version {
            key: call.key.clone(),
            version: String::new(),
            modified: state.now(),
            marker: false,
            size: chosen.iter().map(|part| part.size).sum(),
            etag: etag.clone(),
            parts: chosen.iter().map(|part| part.size).collect(),
            blobs: chosen.into_iter().flat_map(|part| part.blobs).collect(),
            headers: upload.headers,
            tags: upload.tags,
            checksum: checksum.clone(),
        };
        let kept = version.blobs.clone();
        let (mut reply, mut freed) = objects::commit(call, state, version)?;
        let mut unused = drop_one(state, &id);
        unused.retain(|blob| !kept.contains(blob));
        freed.extend(unused);
        let sum = checksum.map(|checksum| {
            let element = checksum.algorithm.element();
            format!("<{element}>{}</{element}><ChecksumType>{}</ChecksumType>", checksum.value, checksum.kind())
        });
        let answer = Reply::xml(format!(
            "<CompleteMultipartUploadResult xmlns=\"{NAMESPACE}\"><Location>{}/{}/{}</Location><Bucket>{}</Bucket><Key>{}</Key><ETag>&quot;{etag}&quot;</ETag>{}</CompleteMultipartUploadResult>",
            call.account.endpoint,
            call.bucket,
            escape(&call.key),
            call.bucket,
            escape(&call.key),
            sum.unwrap_or_default()
        ));
        reply.headers.retain(|(name, _)| name != "etag" && !name.starts_with("x-amz-checksum"));
        reply.headers.extend(answer.headers);
        reply.body = answer.body;
        Ok((reply, freed))
    })?;
    blobs::release(&call.account, &freed);
    Ok(reply)
}

pub(super) fn abort(call: &Call) -> Result<Reply, AwsError> {
    let freed = call.transact(|state| {
        let (id, _) = find(call, state)?;
        Ok(drop_one(state, &id))
    })?;
    blobs::release(&call.account, &freed);
    Ok(Reply::empty(204))
}

pub(super) fn list_parts(call: &Call) -> Result<Reply, AwsError> {
    let marker = call.number("part-number-marker")?.unwrap_or_default();
    let most = call.number("max-parts")?.unwrap_or(1000).min(1000);
    call.transact(|state| {
        let (id, _) = find(call, state)?;
        let parts: Vec<Part> = parts(state, &id).into_iter().filter(|part| part.number > marker).collect();
        let truncated = parts.len() > most;
        let mut out = String::new();
        for part in parts.iter().take(most) {
            let element = part.checksum.algorithm.element();
            out.push_str(&format!(
                "<Part><PartNumber>{}</PartNumber><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size><{element}>{}</{element}></Part>",
                part.number,
                clock::iso(part.modified),
                part.etag,
                part.size,
                part.checksum.value
            ));
        }
        let next = parts[..most.min(parts.len())].last().map_or(0, |part| part.number);
        Ok(Reply::xml(format!(
            "<ListPartsResult xmlns=\"{NAMESPACE}\"><Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId><PartNumberMarker>{marker}</PartNumberMarker><NextPartNumberMarker>{next}</NextPartNumberMarker><MaxParts>{most}</MaxParts><IsTruncated>{truncated}</IsTruncated><StorageClass>STANDARD</StorageClass>{out}</ListPartsResult>",
            call.bucket,
            escape(&call.key)
        )))
    })
}

pub(super) fn list(call: &Call) -> Result<Reply, AwsError> {
    let prefix = call.parameter("prefix").unwrap_or_default();
    call.transact(|state| {
        call.bucket(state)?;
        let mut found: Vec<(String, Upload)> = state
            .list("s3/upload")
            .filter_map(|(id, document)| Some((id.to_owned(), Upload::deserialize(document).ok()?)))
            .filter(|(_, upload)| upload.bucket == call.bucket && upload.key.starts_with(prefix))
            .collect();
        found.sort_by(|(_, one), (_, other)| (&one.key, one.begun).cmp(&(&other.key, other.begun)));
        let out: String = found
            .iter()
            .map(|(id, upload)| {
                format!(
                    "<Upload><Key>{}</Key><UploadId>{id}</UploadId><Initiated>{}</Initiated><StorageClass>STANDARD</StorageClass></Upload>",
                    escape(&upload.key),
                    clock::iso(upload.begun)
                )
            })
            .collect();
        Ok(Reply::xml(format!(
            "<ListMultipartUploadsResult xmlns=\"{NAMESPACE}\"><Bucket>{}</Bucket><Prefix>{}</Prefix><MaxUploads>1000</MaxUploads><IsTruncated>false</IsTruncated>{out}</ListMultipartUploadsResult>",
            call.bucket,
            escape(prefix)
        )))
    })
}
