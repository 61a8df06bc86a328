//! S3's errors: their statuses, messages and XML.

use crate::error::{AwsError, ErrorCode};
use crate::protocol::xml::escape;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

/// The error of `code` with its status and a plain message.
pub(super) fn error(code: &str) -> AwsError {
    let (status, message) = match code {
        "AccessDenied" => (403, "Access Denied"),
        "BadDigest" => (400, "The digest that you sent did not match what was received."),
        "BucketAlreadyExists" => (409, "The bucket name belongs to another account; bucket names are shared by all."),
        "BucketAlreadyOwnedByYou" => (409, "The bucket exists already, and you own it."),
        "BucketNotEmpty" => (409, "The bucket you tried to delete is not empty."),
        "EntityTooSmall" => (400, "A part other than the last is smaller than 5 MiB."),
        "EntityTooLarge" => (400, "The upload is larger than an object may be."),
        "IllegalLocationConstraintException" => {
            (400, "The location constraint does not fit the region that the request was sent to.")
        }
        "IncompleteBody" => (400, "The body is shorter than its stated length."),
        "InternalError" => (500, "An internal error happened. Try again."),
        "InvalidArgument" => (400, "Invalid Argument"),
        "InvalidBucketName" => (400, "The specified bucket is not valid."),
        "InvalidDigest" => (400, "The Content-MD5 you specified is not valid."),
        "InvalidPart" => (400, "A part was not found, or its entity tag did not match."),
        "InvalidPartOrder" => (400, "The parts are not in ascending order."),
        "InvalidRange" => (416, "The requested range is not satisfiable"),
        "KeyTooLongError" => (400, "The key is longer than 1024 bytes."),
        "MalformedPolicy" => (400, "The policy is not valid."),
        "MalformedXML" => (400, "The XML was not well-formed or did not fit its schema."),
        "MethodNotAllowed" => (405, "The method is not allowed against this resource."),
        "MissingContentLength" => (411, "The Content-Length header is missing."),
        "NoSuchBucket" => (404, "The specified bucket does not exist"),
        "NoSuchBucketPolicy" => (404, "The bucket policy does not exist"),
        "NoSuchKey" => (404, "The specified key does not exist."),
        "NoSuchTagSet" => (404, "The TagSet does not exist"),
        "NoSuchUpload" => (404, "The upload does not exist; it may have been aborted or completed."),
        "NoSuchVersion" => (404, "The specified version does not exist."),
        "NotImplemented" => (501, "The local account does not have this function of S3."),
        "NotModified" => (304, "Not Modified"),
        "PreconditionFailed" => (412, "At least one of the pre-conditions you specified did not hold"),
        "XAmzContentSHA256Mismatch" => (400, "The x-amz-content-sha256 header does not match what was received."),
        other if other.starts_with("NoSuch") || other.ends_with("NotFoundError") => {
            (404, "The configuration does not exist")
        }
        _ => (400, "The request is not valid."),
    };
    AwsError::new(code, message).status(status)
}

/// The error of `code` with a message of its own.
pub(super) fn because(code: &str, message: impl Into<String>) -> AwsError {
    AwsError { message: message.into(), ..error(code) }
}

/// A failure of the disk.
pub(super) fn disk(cause: &std::io::Error) -> AwsError {
    tracing::error!(%cause, "S3 cannot use its folder");
    because("InternalError", format!("the local account cannot use its disk: {cause}"))
}

/// The answer that states the error.
pub(crate) fn response(error: &AwsError, request_id: &str, head: bool) -> Response {
    let mut more = String::new();
    for (name, value) in &error.fields {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        more.push_str(&format!("<{name}>{}</{name}>", escape(&text)));
    }
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>{more}<RequestId>{request_id}</RequestId><HostId>local</HostId></Error>",
        escape(&error.code),
        escape(&error.message),
    );
    let empty = head || error.status == 304;
    let mut response = Response::new(if empty { Body::empty() } else { Body::from(body) });
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.extensions_mut().insert(ErrorCode(error.code.clone()));
    let headers = response.headers_mut();
    if !empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    if let Some(region) = error.fields.get("Region").and_then(|region| region.as_str())
        && let Ok(region) = HeaderValue::from_str(region)
    {
        headers.insert("x-amz-bucket-region", region);
    }
    if error.fields.contains_key("DeleteMarker") {
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amz-request-id", id);
    }
    response
}
