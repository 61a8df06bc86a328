//! Emptying a bucket, older versions and unfinished uploads included, and deleting it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use lakewright_aws::{Error, Needed as _, ask};

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
        match wait::found(ask(context.aws.s3_client().delete_bucket().bucket(name).send()).await) {
            Ok(_) => return Ok(()),
            // Somebody wrote meanwhile.
            Err(error) if error.is_dependency_violation() && start.elapsed() < PATIENCE => {
                tokio::time::sleep(context.pace.poll).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Deletes a bucket in which the plan found nothing; if something is in it by now, nobody has agreed to lose that.
pub(super) async fn delete_empty_bucket(context: &Context, name: &str) -> Result<()> {
    let answer = wait::found(ask(context.aws.s3_client().delete_bucket().bucket(name).send()).await);
    answer.context("it was empty when the plan was made; plan again if what is in it now may go")?;
    Ok(())
}

/// Whether nothing is in a bucket, not even an older version; not if it may not be looked into.
pub(super) async fn is_empty(context: &Context, name: &str) -> Result<bool> {
    match ask(context.aws.s3_client().list_object_versions().bucket(name).send()).await {
        Ok(page) => Ok(page.versions().is_empty() && page.delete_markers().is_empty()),
        Err(error) if error.is_denied() || error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes everything in a bucket; false if there is no such bucket.
async fn empty(context: &Context, name: &str) -> Result<bool> {
    let s3 = &context.aws.s3_client();
    loop {
        let page = wait::found(ask(s3.list_object_versions().bucket(name).send()).await)?;
        let Some(page) = page else { return Ok(false) };
        let objects = identifiers(&page)?;
        if objects.is_empty() {
            break;
        }
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().expect("objects are given");
        let answer = ask(s3.delete_objects().bucket(name).delete(delete).send()).await?;
        if let Some(error) = answer.errors().first() {
            return Err(refused(error)).with_context(|| {
                format!("S3 can't delete {} from {name}", error.key().unwrap_or("an object that it doesn't name"))
            });
        }
    }
    while let Some(page) = wait::found(ask(s3.list_multipart_uploads().bucket(name).send()).await)? {
        if page.uploads().is_empty() {
            return Ok(true);
        }
        for upload in page.uploads() {
            let key = upload.key().needed("s3", "MultipartUpload.Key")?;
            let id = upload.upload_id().needed("s3", "MultipartUpload.UploadId")?;
            wait::found(ask(s3.abort_multipart_upload().bucket(name).key(key).upload_id(id).send()).await)?;
        }
    }
    Ok(false)
}

/// What a page of a bucket's versions names.
fn identifiers(page: &ListObjectVersionsOutput) -> Result<Vec<ObjectIdentifier>, Error> {
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    let identifier = |(key, id): (Option<&str>, Option<&str>)| {
        let key = key.needed("s3", "ObjectVersion.Key")?;
        let id = id.needed("s3", "ObjectVersion.VersionId")?;
        Ok(ObjectIdentifier::builder().key(key).version_id(id).build().expect("the key is given"))
    };
    versions.chain(markers).map(identifier).collect()
}

/// What S3 says of one object among many that were to be deleted, as an error of its own.
fn refused(error: &aws_sdk_s3::types::Error) -> Error {
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    Error::answered("s3", "DeleteObjects", code, message, 200, "")
}
