//! What a request to S3 names: its bucket, which may stand in the host, and its operation, which stands nowhere.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, header};

use crate::protocol::query;

/// Settings of buckets by their query parameter, as they stand in the names of operations.
const SETTINGS: [(&str, &str); 15] = [
    ("versioning", "BucketVersioning"),
    ("encryption", "BucketEncryption"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("policy", "BucketPolicy"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("tagging", "BucketTagging"),
    ("notification", "BucketNotificationConfiguration"),
    ("cors", "BucketCors"),
    ("logging", "BucketLogging"),
    ("accelerate", "BucketAccelerateConfiguration"),
    ("requestPayment", "BucketRequestPayment"),
    ("website", "BucketWebsite"),
    ("replication", "BucketReplication"),
    ("object-lock", "ObjectLockConfiguration"),
];

/// Puts the bucket that the host names, as in `BUCKET.localhost` and `BUCKET.s3.localhost`, before the path.
pub(crate) fn host_to_path(head: &mut Parts) {
    let Some(bucket) = hosted(&head.headers) else { return };
    let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if let Ok(uri) = format!("/{bucket}{target}").parse() {
        head.uri = uri;
    }
}

/// The bucket that the host names.
fn hosted(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let name = host.strip_suffix(".localhost")?;
    let name = name.strip_suffix(".s3").unwrap_or(name);
    (name != "s3").then(|| name.to_owned())
}

/// The operation that a request asks for, and the bucket or the object in it.
pub(crate) fn asked(head: &Parts) -> (String, Option<String>) {
    let path = query::decode(head.uri.path(), false);
    let path = path.strip_prefix('/').unwrap_or(&path);
    let pairs = query::pairs(head.uri.query().unwrap_or_default());
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let method = head.method.as_str();
    let named = match (bucket, key) {
        ("", _) => "ListBuckets".to_owned(),
        (_, "") => on_bucket(method, &pairs),
        _ => on_object(method, &pairs, &head.headers).to_owned(),
    };
    (named, (!path.is_empty()).then(|| path.trim_end_matches('/').to_owned()))
}

fn has(pairs: &[(String, String)], name: &str) -> bool {
    pairs.iter().any(|(given, _)| given == name)
}

fn on_bucket(method: &str, pairs: &[(String, String)]) -> String {
    let verb = match method {
        "PUT" => "Put",
        "DELETE" => "Delete",
        _ => "Get",
    };
    if let Some((_, setting)) = SETTINGS.iter().find(|(name, _)| has(pairs, name)) {
        return match (verb, *setting) {
            ("Delete", "BucketLifecycleConfiguration") => "DeleteBucketLifecycle".to_owned(),
            _ => format!("{verb}{setting}"),
        };
    }
    let name = match method {
        _ if has(pairs, "acl") => return format!("{verb}BucketAcl"),
        "GET" if has(pairs, "location") => "GetBucketLocation",
        "GET" if has(pairs, "policyStatus") => "GetBucketPolicyStatus",
        "GET" if has(pairs, "versions") => "ListObjectVersions",
        "GET" if has(pairs, "uploads") => "ListMultipartUploads",
        "GET" if has(pairs, "list-type") => "ListObjectsV2",
        "GET" => "ListObjects",
        "HEAD" => "HeadBucket",
        "PUT" => "CreateBucket",
        "POST" => "DeleteObjects",
        _ => "DeleteBucket",
    };
    name.to_owned()
}

fn on_object(method: &str, pairs: &[(String, String)], headers: &HeaderMap) -> &'static str {
    let copy = headers.contains_key("x-amz-copy-source");
    match method {
        "GET" if has(pairs, "uploadId") => "ListParts",
        "GET" if has(pairs, "tagging") => "GetObjectTagging",
        "GET" if has(pairs, "acl") => "GetObjectAcl",
        "GET" if has(pairs, "attributes") => "GetObjectAttributes",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if has(pairs, "uploadId") && copy => "UploadPartCopy",
        "PUT" if has(pairs, "uploadId") => "UploadPart",
        "PUT" if has(pairs, "tagging") => "PutObjectTagging",
        "PUT" if has(pairs, "acl") => "PutObjectAcl",
        "PUT" if copy => "CopyObject",
        "PUT" => "PutObject",
        "POST" if has(pairs, "uploads") => "CreateMultipartUpload",
        "POST" => "CompleteMultipartUpload",
        "DELETE" if has(pairs, "uploadId") => "AbortMultipartUpload",
        "DELETE" if has(pairs, "tagging") => "DeleteObjectTagging",
        _ => "DeleteObject",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_stand_in_the_host() {
        for (host, target, path) in [
            ("127.0.0.1:4566", "/b/k", "/b/k"),
            ("localhost:4566", "/b/k", "/b/k"),
            ("s3.localhost:4566", "/b/k", "/b/k"),
            ("b.localhost:4566", "/k?versions", "/b/k?versions"),
            ("b.c.s3.localhost:4566", "/", "/b.c/"),
            ("b.localhost", "/?x", "/b/?x"),
        ] {
            let request = http::Request::builder().uri(target).header("host", host);
            let (mut head, ()) = request.body(()).unwrap().into_parts();
            host_to_path(&mut head);
            assert_eq!(head.uri.to_string(), path, "{host} {target}");
        }
    }

    #[test]
    fn requests_have_the_names_of_aws() {
        for (method, target, operation, resource) in [
            ("GET", "/", "ListBuckets", None),
            ("PUT", "/b", "CreateBucket", Some("b")),
            ("PUT", "/b/", "CreateBucket", Some("b")),
            ("GET", "/b?versioning", "GetBucketVersioning", Some("b")),
            ("PUT", "/b?lifecycle=", "PutBucketLifecycleConfiguration", Some("b")),
            ("DELETE", "/b?lifecycle", "DeleteBucketLifecycle", Some("b")),
            ("PUT", "/b?publicAccessBlock", "PutPublicAccessBlock", Some("b")),
            ("GET", "/b?list-type=2&prefix=x", "ListObjectsV2", Some("b")),
            ("HEAD", "/b", "HeadBucket", Some("b")),
            ("POST", "/b?delete", "DeleteObjects", Some("b")),
            ("PUT", "/b/a%20b/c?x-id=PutObject", "PutObject", Some("b/a b/c")),
            ("PUT", "/b/c?partNumber=1&uploadId=u", "UploadPart", Some("b/c")),
            ("POST", "/b/c?uploads", "CreateMultipartUpload", Some("b/c")),
            ("HEAD", "/b/c", "HeadObject", Some("b/c")),
            ("DELETE", "/b/c", "DeleteObject", Some("b/c")),
        ] {
            let (head, ()) = http::Request::builder().method(method).uri(target).body(()).unwrap().into_parts();
            assert_eq!(asked(&head), (operation.to_owned(), resource.map(str::to_owned)), "{method} {target}");
        }
    }
}
