//! What requests ask of policies: a request asks for its action on the bucket or the object, for reading what it copies, and for the use of the key
//! that encrypts the object.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>

use http::HeaderMap;

use super::objects::{KMS_KEY, headers_of, key_of_bucket};
use super::scope;
use crate::access::{Ask, Caller, decide, refuse};
use crate::account::Account;
use crate::error::AwsError;
use crate::protocol::query;
use crate::services::kms;
use crate::state::{State, Tags};

/// What a request to S3 wants.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// The operation's name.
    pub operation: String,
    pub bucket: &'a str,
    pub key: &'a str,
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    /// The account that asks.
    pub account: &'a str,
    pub access_key: &'a str,
    pub region: &'a str,
    /// The tags that a new bucket is given.
    pub tags: Tags,
}

/// Operations on buckets whose actions have other names. What deletes a setting puts it.
const ACTIONS: [(&str, &str); 23] = [
    ("DeleteBucketCors", "PutBucketCORS"),
    ("DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("DeleteBucketReplication", "PutReplicationConfiguration"),
    ("DeleteBucketTagging", "PutBucketTagging"),
    ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("GetBucketCors", "GetBucketCORS"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("GetBucketReplication", "GetReplicationConfiguration"),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("PutBucketCors", "PutBucketCORS"),
    ("PutBucketEncryption", "PutEncryptionConfiguration"),
    ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("PutBucketReplication", "PutReplicationConfiguration"),
    ("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
];

/// Refuses a request that the policies don't allow.
pub(super) fn request(account: &Account, wanted: &Wanted<'_>) -> Result<(), AwsError> {
    if !account.enforce {
        return Ok(());
    }
    account.transact_at(scope(), |state| {
        let caller = Caller::of(state, wanted.access_key, wanted.account)?;
        let Some(asks) = asks(state, wanted) else {
            return if caller.is_administrator() { Ok(()) } else { Err(refuse::unknown("s3", &wanted.operation)) };
        };
        for ask in asks {
            decide(state, &caller, ask, wanted.region).map_err(|denied| refuse::error("s3", &denied))?;
        }
        hidden(state, &caller, wanted)
    })
}

/// The refusal of each object that a request deletes, where one may not be.
pub(super) fn objects(
    account: &Account,
    wanted: &Wanted<'_>,
    objects: &[(String, Option<String>)],
) -> Result<Vec<Option<AwsError>>, AwsError> {
    if !account.enforce {
        return Ok(objects.iter().map(|_| None).collect());
    }
    account.transact_at(scope(), |state| {
        let caller = Caller::of(state, wanted.access_key, wanted.account)?;
        let owner = owner(state, wanted.bucket, wanted.account);
        let judged = objects.iter().map(|(key, version)| {
            let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let mut ask = Ask::on(action, format!("arn:aws:s3:::{}/{key}", wanted.bucket));
            ask.owner = Some(owner.clone());
            decide(state, &caller, ask, wanted.region).err().map(|denied| refuse::error("s3", &denied))
        });
        Ok(judged.collect())
    })
}

/// Whether an object that isn't there may be distinguished from one that may not be read: only those who may list the bucket may.
fn hidden(state: &mut State<'_>, caller: &Caller, wanted: &Wanted<'_>) -> Result<(), AwsError> {
    let reads = matches!(wanted.operation.as_str(), "GetObject" | "HeadObject");
    let version = parameter(wanted, "versionId");
    if !reads || headers_of(state, wanted.bucket, wanted.key, version).is_some() {
        return Ok(());
    }
    let mut ask = Ask::on("s3:ListBucket", format!("arn:aws:s3:::{}", wanted.bucket));
    ask.owner = Some(owner(state, wanted.bucket, wanted.account));
    decide(state, caller, ask, wanted.region).map_err(|denied| refuse::error("s3", &denied))
}

fn owner(state: &State<'_>, bucket: &str, caller: &str) -> String {
    let known = state.get("s3/bucket", bucket).and_then(|bucket| bucket["owner"].as_str());
    known.unwrap_or(caller).to_owned()
}

fn parameter<'a>(wanted: &Wanted<'a>, name: &str) -> Option<&'a str> {
    wanted.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

fn header<'a>(wanted: &Wanted<'a>, name: &str) -> Option<&'a str> {
    wanted.headers.get(name).and_then(|value| value.to_str().ok())
}

fn asks(state: &mut State<'_>, wanted: &Wanted<'_>) -> Option<Vec<Ask>> {
    let bucket = format!("arn:aws:s3:::{}", wanted.bucket);
    let object = format!("{bucket}/{}", wanted.key);
    // Whose name it may be is found out by whoever may make buckets.
    let own = wanted.operation == "CreateBucket";
    let owner_of = if own { wanted.account.to_owned() } else { owner(state, wanted.bucket, wanted.account) };
    let mut asks = match wanted.operation.as_str() {
        "ListBuckets" => vec![Ask::on("s3:ListAllMyBuckets", "*")],
        _ if wanted.key.is_empty() => on_bucket(wanted, &bucket)?,
        _ => on_object(wanted, &object)?,
    };
    for ask in &mut asks {
        ask.owner = Some(owner_of.clone());
    }
    asks.extend(copied(state, wanted));
    asks.extend(use_key(state, wanted, &bucket, &object));
    Some(asks)
}

fn on_bucket(wanted: &Wanted<'_>, bucket: &str) -> Option<Vec<Ask>> {
    let listed = |action: &str| {
        Ask::on(action, bucket)
            .key("s3:prefix", parameter(wanted, "prefix"))
            .key("s3:delimiter", parameter(wanted, "delimiter"))
            .key("s3:max-keys", parameter(wanted, "max-keys"))
    };
    Some(match wanted.operation.as_str() {
        "ListObjects" | "ListObjectsV2" => vec![listed("s3:ListBucket")],
        "HeadBucket" => vec![Ask::on("s3:ListBucket", bucket)],
        "ListObjectVersions" => vec![listed("s3:ListBucketVersions")],
        "ListMultipartUploads" => vec![listed("s3:ListBucketMultipartUploads")],
        // Each object is asked for by itself.
        "DeleteObjects" => Vec::new(),
        "CreateBucket" => {
            let mut asks = vec![Ask::on("s3:CreateBucket", bucket).key("s3:x-amz-acl", header(wanted, "x-amz-acl"))];
            if !wanted.tags.is_empty() {
                asks.push(Ask::on("s3:TagResource", bucket).tags(&wanted.tags));
            }
            if header(wanted, "x-amz-object-ownership").is_some() {
                asks.push(Ask::on("s3:PutBucketOwnershipControls", bucket));
            }
            asks
        }
        other => {
            let other = ACTIONS.iter().find(|(operation, _)| *operation == other).map_or(other, |(_, action)| action);
            let action = format!("s3:{other}");
            lakewright_iam::reference::action(&action)?;
            vec![Ask::on(&action, bucket)]
        }
    })
}

fn on_object(wanted: &Wanted<'_>, object: &str) -> Option<Vec<Ask>> {
    let versioned = parameter(wanted, "versionId").is_some();
    let either = |plain: &'static str, of_version: &'static str| if versioned { of_version } else { plain };
    let asks = match wanted.operation.as_str() {
        "GetObject" | "HeadObject" => vec![Ask::on(either("s3:GetObject", "s3:GetObjectVersion"), object)],
        "GetObjectAttributes" => vec![
            Ask::on(either("s3:GetObject", "s3:GetObjectVersion"), object),
            Ask::on(either("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"), object),
        ],
        "PutObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => put(wanted, object),
        "AbortMultipartUpload" => vec![Ask::on("s3:AbortMultipartUpload", object)],
        "ListParts" => vec![Ask::on("s3:ListMultipartUploadParts", object)],
        "DeleteObject" => vec![Ask::on(either("s3:DeleteObject", "s3:DeleteObjectVersion"), object)],
        "GetObjectTagging" => vec![Ask::on(either("s3:GetObjectTagging", "s3:GetObjectVersionTagging"), object)],
        "PutObjectTagging" => vec![Ask::on(either("s3:PutObjectTagging", "s3:PutObjectVersionTagging"), object)],
        "DeleteObjectTagging" => {
            vec![Ask::on(either("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"), object)]
        }
        "GetObjectAcl" => vec![Ask::on(either("s3:GetObjectAcl", "s3:GetObjectVersionAcl"), object)],
        "PutObjectAcl" => vec![Ask::on(either("s3:PutObjectAcl", "s3:PutObjectVersionAcl"), object)],
        _ => return None,
    };
    Some(asks)
}

/// Writing an object, with its tags and its access list where the request gives some.
fn put(wanted: &Wanted<'_>, object: &str) -> Vec<Ask> {
    let encryption = "x-amz-server-side-encryption";
    let ask = Ask::on("s3:PutObject", object)
        .key("s3:x-amz-acl", header(wanted, "x-amz-acl"))
        .key("s3:x-amz-copy-source", header(wanted, "x-amz-copy-source"))
        .key("s3:x-amz-storage-class", header(wanted, "x-amz-storage-class"))
        .key("s3:if-none-match", header(wanted, "if-none-match"))
        .key("s3:if-match", header(wanted, "if-match"))
        .key("s3:x-amz-server-side-encryption", header(wanted, encryption))
        .key("s3:x-amz-server-side-encryption-aws-kms-key-id", header(wanted, &format!("{encryption}-aws-kms-key-id")));
    let mut asks = vec![ask];
    if header(wanted, "x-amz-tagging").is_some() {
        asks.push(Ask::on("s3:PutObjectTagging", object));
    }
    if header(wanted, "x-amz-acl").is_some_and(|acl| acl != "private") {
        asks.push(Ask::on("s3:PutObjectAcl", object));
    }
    asks
}

/// Reading what a request copies.
fn copied(state: &mut State<'_>, wanted: &Wanted<'_>) -> Vec<Ask> {
    let Some((bucket, key, version)) = source(wanted) else { return Vec::new() };
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let mut ask = Ask::on(action, format!("arn:aws:s3:::{bucket}/{key}"));
    ask.owner = Some(owner(state, &bucket, wanted.account));
    vec![ask]
}

fn source(wanted: &Wanted<'_>) -> Option<(String, String, Option<String>)> {
    let given = header(wanted, "x-amz-copy-source")?;
    let (path, version) =
        given.split_once("?versionId=").map_or((given, None), |(path, id)| (path, Some(id.to_owned())));
    let path = query::decode(path.trim_start_matches('/'), false);
    let (bucket, key) = path.split_once('/')?;
    Some((bucket.to_owned(), key.to_owned(), version))
}

/// What S3 does with keys in the caller's name: of the object that is read or copied, and of the one that is written.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>
fn use_key(state: &mut State<'_>, wanted: &Wanted<'_>, bucket: &str, object: &str) -> Vec<Ask> {
    let mut asks = Vec::new();
    let mut add = |state: &mut State<'_>, actions: &[&str], key: Option<String>, context: &str| {
        let arn = key.and_then(|key| kms::key_arn(state, wanted.account, wanted.region, &key));
        for action in arn.iter().flat_map(|_| actions) {
            let ask = Ask::on(action, arn.clone().unwrap_or_default());
            let ask = ask.by_service().key("kms:ViaService", Some(&format!("s3.{}.amazonaws.com", wanted.region)));
            asks.push(ask.key("kms:EncryptionContext:aws:s3:arn", Some(context)));
        }
    };
    match wanted.operation.as_str() {
        "GetObject" => {
            let headers = headers_of(state, wanted.bucket, wanted.key, parameter(wanted, "versionId"));
            let key = headers.and_then(|headers| headers.get(KMS_KEY).cloned());
            add(state, &["kms:Decrypt"], key, object);
        }
        "PutObject" | "CopyObject" => {
            let key = written_with(state, wanted);
            add(state, &["kms:GenerateDataKey"], key, bucket);
        }
        "CreateMultipartUpload" | "UploadPart" | "UploadPartCopy" | "CompleteMultipartUpload" => {
            let key = written_with(state, wanted);
            add(state, &["kms:Decrypt", "kms:GenerateDataKey"], key, bucket);
        }
        _ => {}
    }
    if let Some((from, key, version)) = source(wanted) {
        let headers = headers_of(state, &from, &key, version.as_deref());
        let key_of = headers.and_then(|headers| headers.get(KMS_KEY).cloned());
        add(state, &["kms:Decrypt"], key_of, &format!("arn:aws:s3:::{from}/{key}"));
    }
    asks
}

/// The key that an object is written with: the request's, else the bucket's.
fn written_with(state: &State<'_>, wanted: &Wanted<'_>) -> Option<String> {
    match header(wanted, "x-amz-server-side-encryption") {
        Some(_) => header(wanted, KMS_KEY).map(str::to_owned),
        None => key_of_bucket(state.get("s3/bucket", wanted.bucket)?),
    }
}

#[cfg(test)]
mod tests;
