//! S3: buckets and objects, path style, on disk.
//!
//! Documents of all buckets stand in one scope, because bucket names are unique across accounts. An object's bytes are
//! files that never change; a version's document names them, and its commit is what makes a write visible: a file
//! without a document is the trace of a crash and is swept at the start.

mod asks;
mod blobs;
mod body;
mod buckets;
mod call;
mod checksums;
mod copies;
mod deletes;
mod destinations;
mod errors;
mod lifecycle;
mod listing;
mod names;
mod objects;
#[cfg(test)]
mod power_cut;
mod reads;
mod settings;
mod uploads;
mod versions;
mod xml;

pub(crate) use errors::response as failure;
pub(crate) use lifecycle::expire as expire_versions;
pub(crate) use names::{asked, host_to_path};

use crate::account::Account;
use crate::credentials::Credentials;
use crate::error::AwsError;
use crate::state::of_all_accounts;
use crate::store::Scope;
use axum::body::Body;
use axum::response::Response;
use call::{Call, Reply};
use http::Method;
use http::request::Parts;
use std::sync::Arc;

/// Where the documents of S3 stand.
fn scope() -> Scope {
    of_all_accounts()
}

/// The service.
#[derive(Debug)]
pub(crate) struct S3;

impl S3 {
    /// Sweeps files that no document names.
    pub fn start(account: &Arc<Account>) {
        if let Err(error) = blobs::sweep(account) {
            tracing::warn!(%error, "cannot sweep unused files of S3");
        }
    }

    /// Answers one request.
    pub async fn answer(
        account: &Arc<Account>,
        parts: Parts,
        body: Body,
        caller: Option<(String, Credentials)>,
        request_id: &str,
    ) -> Response {
        let head = parts.method == Method::HEAD;
        let result = match caller {
            None => Err(errors::error("AccessDenied")),
            Some((owner, credentials)) => match Call::new(account.clone(), parts, owner, credentials) {
                Ok(call) => answer(&call, body).await,
                Err(error) => Err(error),
            },
        };
        match result {
            Ok(reply) => reply.into_response(request_id),
            Err(error) => errors::response(&error, request_id, head),
        }
    }
}

async fn answer(call: &Call, body: Body) -> Result<Reply, AwsError> {
    let body = judged(call, body).await?;
    let method = call.method.as_str();
    tracing::debug!(method, bucket = call.bucket, key = call.key, "s3 call");
    if call.bucket.is_empty() {
        return match method {
            "GET" => buckets::list(call),
            _ => Err(errors::error("MethodNotAllowed")),
        };
    }
    if call.key.is_empty() {
        return bucket(call, method, body).await;
    }
    match method {
        "GET" if call.has("uploadId") => uploads::list_parts(call),
        "GET" if call.has("tagging") => versions::get_tagging(call),
        "GET" if call.has("acl") => settings::get_acl(call),
        "GET" if call.has("attributes") => reads::attributes(call),
        "GET" | "HEAD" => reads::get(call).await,
        "PUT" if call.has("uploadId") && call.header("x-amz-copy-source").is_some() => copies::part(call).await,
        "PUT" if call.has("uploadId") => uploads::put_part(call, body).await,
        "PUT" if call.has("tagging") => versions::put_tagging(call, &body::small(call, body).await?),
        "PUT" if call.has("acl") => settings::put_acl(call),
        "PUT" if call.header("x-amz-copy-source").is_some() => copies::object(call),
        "PUT" if call.query.is_empty() || call.has("x-id") || call.has("X-Amz-Signature") => {
            objects::put(call, body).await
        }
        "POST" if call.has("uploads") => uploads::create(call),
        "POST" if call.has("uploadId") => uploads::complete(call, &body::small(call, body).await?),
        "DELETE" if call.has("uploadId") => uploads::abort(call),
        "DELETE" if call.has("tagging") => versions::delete_tagging(call),
        "DELETE" => deletes::object(call),
        "PUT" | "POST" => Err(errors::error("NotImplemented")),
        _ => Err(errors::error("MethodNotAllowed")),
    }
}

/// Refuses a request that the policies don't allow, in an account that enforces them. What it had to read of the body is
/// given back.
async fn judged(call: &Call, mut body: Body) -> Result<Body, AwsError> {
    if !call.account.enforce {
        return Ok(body);
    }
    let mut wanted = call.wanted();
    if wanted.operation == "CreateBucket" {
        let bytes = crate::bodies::whole(body, body::MAX_SMALL).await;
        let bytes = bytes.map_err(|_| errors::error("MaxMessageLengthExceeded"))?;
        wanted.tags = buckets::tags_given(&bytes);
        body = Body::from(bytes);
    }
    asks::request(&call.account, &wanted)?;
    Ok(body)
}

/// Settings of buckets that the local account doesn't have; without this list they would read as lists of objects.
const ABSENT: [&str; 6] =
    ["analytics", "intelligent-tiering", "inventory", "metadataTable", "metrics", "replicationMetrics"];

async fn bucket(call: &Call, method: &str, body: Body) -> Result<Reply, AwsError> {
    if let Some(name) = ABSENT.iter().find(|name| call.has(name)) {
        return Err(errors::because("NotImplemented", format!("the local account has no {name} of buckets")));
    }
    if let Some(setting) = settings::named(call) {
        return match method {
            "GET" => settings::get(call, setting),
            "PUT" => settings::put(call, setting, &body::small(call, body).await?),
            "DELETE" => settings::delete(call, setting),
            _ => Err(errors::error("MethodNotAllowed")),
        };
    }
    match method {
        "GET" if call.has("location") => buckets::location(call),
        "GET" if call.has("acl") => settings::get_acl(call),
        "PUT" if call.has("acl") => settings::put_acl(call),
        "GET" if call.has("policyStatus") => settings::policy_status(call),
        "GET" if call.has("versions") => listing::versions(call),
        "GET" if call.has("uploads") => uploads::list(call),
        "GET" => listing::objects(call),
        "HEAD" => buckets::head(call),
        "PUT" if call.query.is_empty() || call.has("x-id") => buckets::create(call, &body::small(call, body).await?),
        "POST" if call.has("delete") => deletes::many(call, &body::small(call, body).await?),
        "DELETE" if call.query.is_empty() || call.has("x-id") => buckets::delete(call),
        "PUT" | "POST" | "DELETE" => Err(errors::error("NotImplemented")),
        _ => Err(errors::error("MethodNotAllowed")),
    }
}
