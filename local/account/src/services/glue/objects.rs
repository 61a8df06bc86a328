//! Objects that other services read and write in S3, by the account's own S3 and without the network.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::Method;
use lakewright_config::s3;

use crate::account::Account;
use crate::credentials::Credentials;
use crate::error::AwsError;
use crate::request::Request;
use crate::services::s3::S3;

/// The largest object that a service reads.
const LARGEST: usize = 256 << 20;

/// Writes an object at `s3://BUCKET/KEY`.
pub(crate) async fn put(account: &Arc<Account>, request: &Request, url: &str, body: Bytes) -> Result<(), AwsError> {
    call(account, request, Method::PUT, url, body).await.map(|_| ())
}

/// Reads the object at `s3://BUCKET/KEY`.
pub(crate) async fn get(account: &Arc<Account>, request: &Request, url: &str) -> Result<Bytes, AwsError> {
    call(account, request, Method::GET, url, Bytes::new()).await
}

/// Looks whether an object is at `s3://BUCKET/KEY` that may be read.
pub(crate) async fn look(account: &Arc<Account>, request: &Request, url: &str) -> Result<(), AwsError> {
    call(account, request, Method::HEAD, url, Bytes::new()).await.map(|_| ())
}

/// Deletes the object at `s3://BUCKET/KEY`.
pub(crate) async fn delete(account: &Arc<Account>, request: &Request, url: &str) -> Result<(), AwsError> {
    call(account, request, Method::DELETE, url, Bytes::new()).await.map(|_| ())
}

async fn call(
    account: &Arc<Account>,
    request: &Request,
    method: Method,
    url: &str,
    body: Bytes,
) -> Result<Bytes, AwsError> {
    let refused = |message: String| AwsError::new("InvalidInputException", message);
    let (bucket, key) = s3::object(url).ok_or_else(|| refused(format!("Not a location in S3: {url}")))?;
    let length = body.len();
    let sent = http::Request::builder()
        .method(method)
        .uri(format!("/{bucket}/{}", encode(key)))
        .header(http::header::HOST, account.endpoint.trim_start_matches("http://"))
        .header(http::header::CONTENT_LENGTH, length)
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .body(())
        .map_err(|error| refused(format!("Not a location in S3: {url}: {error}")))?;
    let (parts, ()) = sent.into_parts();
    let credentials = Credentials {
        access_key: request.access_key.clone(),
        region: request.region.clone(),
        service: "s3".to_owned(),
    };
    let caller = Some((request.account.clone(), credentials));
    let answer = S3::answer(account, parts, Body::from(body), caller, &request.request_id).await;
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), LARGEST).await.map_err(AwsError::internal)?;
    if status.is_success() {
        return Ok(body);
    }
    let text = String::from_utf8_lossy(&body);
    let part = |name: &str| {
        let inner = text.split_once(&format!("<{name}>"))?.1;
        let (inner, _) = inner.split_once(&format!("</{name}>"))?;
        Some(quick_xml::escape::unescape(inner).map_or_else(|_| inner.to_owned(), Cow::into_owned))
    };
    let code = part("Code").unwrap_or_else(|| status.to_string());
    Err(refused(format!("{url}: {code}: {}", part("Message").unwrap_or_default())))
}

fn encode(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
