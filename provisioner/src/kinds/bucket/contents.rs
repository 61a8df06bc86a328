//! Emptying a bucket, older versions and unfinished uploads included, and deleting it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{S3Request, list, text, xml};
use serde_json::{Value, json};

use super::{NAMESPACE, send};
use crate::kind::Context;
use crate::kinds::wait;

/// How long others may go on writing into a bucket that is being deleted.
const PATIENCE: Duration = Duration::from_secs(300);

/// Empties a bucket and deletes it; that it was missing is success.
pub(super) async fn delete_bucket(context: &Context, name: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let emptied = empty(context, name).await?;
        if !emptied {
            return Ok(());
        }
        match wait::found(send(context, "DELETE", name, "", String::new()).await) {
            Ok(_) => return Ok(()),
            // Somebody wrote meanwhile.
            Err(error) if error.is_dependency_violation() && start.elapsed() < PATIENCE => {
                tokio::time::sleep(context.poll).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Deletes a bucket in which the plan found nothing; if something is in it by now, nobody has agreed to lose that.
pub(super) async fn delete_empty_bucket(context: &Context, name: &str) -> Result<()> {
    let answer = wait::found(send(context, "DELETE", name, "", String::new()).await);
    answer.context("it was empty when the plan was made; plan again if what is in it now may go")?;
    Ok(())
}

/// Whether nothing is in a bucket, not even an older version; not if it may not be looked into.
pub(super) async fn is_empty(context: &Context, name: &str) -> Result<bool> {
    match send(context, "GET", name, "versions", String::new()).await {
        Ok(answer) => {
            let page = answer.xml().map_err(anyhow::Error::msg)?;
            Ok(list(&page, "Version").is_empty() && list(&page, "DeleteMarker").is_empty())
        }
        Err(error) if error.is_denied() || error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes everything in a bucket; false if there is no such bucket.
async fn empty(context: &Context, name: &str) -> Result<bool> {
    loop {
        let Some(answer) = wait::found(send(context, "GET", name, "versions", String::new()).await)? else {
            return Ok(false);
        };
        let page = answer.xml().map_err(anyhow::Error::msg)?;
        let versions = list(&page, "Version").iter().chain(list(&page, "DeleteMarker"));
        let objects: Vec<Value> = versions
            .map(|version| json!({"Key": text(version, "Key"), "VersionId": text(version, "VersionId")}))
            .collect();
        if objects.is_empty() {
            break;
        }
        let body = xml::document("Delete", NAMESPACE, &json!({"Object": objects, "Quiet": true}));
        let answer = send(context, "POST", name, "delete", body).await?.xml().map_err(anyhow::Error::msg)?;
        if let Some(error) = list(&answer, "Error").first() {
            bail!("S3 can't delete {} from {name}: {}", text(error, "Key"), text(error, "Message"));
        }
    }
    while let Some(answer) = wait::found(send(context, "GET", name, "uploads", String::new()).await)? {
        let page = answer.xml().map_err(anyhow::Error::msg)?;
        let uploads = list(&page, "Upload");
        if uploads.is_empty() {
            return Ok(true);
        }
        for upload in uploads {
            let request = S3Request {
                method: "DELETE".parse().expect("a method"),
                bucket: name.to_owned(),
                key: text(upload, "Key").to_owned(),
                query: vec![("uploadId".into(), Some(text(upload, "UploadId").to_owned()))],
                ..S3Request::default()
            };
            wait::found(context.aws.s3().send(request).await)?;
        }
    }
    Ok(false)
}
