//! What the lease object was before: the versions that the bucket keeps, also of one that was deleted.

use anyhow::{Context as _, Result};
use lakewright_aws::ask;

use super::document::Document;
use super::place::Place;
use crate::record::{Key, Scope};

/// How many versions are looked at: each renewal makes one, and what was written last by somebody who signs isn't far.
const MOST: usize = 200;
/// How many are looked at until one counts: whoever may write the lease may write as many as they like that don't.
const ALL: usize = 5000;

/// The key that signed what a stack remembers, if the one at its alias signed nothing of it.
pub fn signed_by_another<'a>(
    key: &Key,
    scope: &Scope,
    documents: impl Iterator<Item = &'a Document> + Clone,
) -> Option<String> {
    if documents.clone().any(|document| document.is_signed(scope, &key.public)) {
        return None;
    }
    let mut others = documents.filter(|one| one.signature.is_some() && one.memory.key != key.arn);
    others.next().map(|document| document.memory.key.clone())
}

impl Place {
    /// The documents that stood here, the latest first; those that nobody can read are left out, and of a bucket without
    /// versions the last one is all. `counts` says what is looked for.
    pub async fn earlier(&self, counts: impl Fn(&Document) -> bool) -> Result<Vec<Document>> {
        let context = || format!("read the versions of the lease {}", self.name());
        let s3 = self.aws.s3_client();
        let list =
            s3.list_object_versions().bucket(&self.bucket).prefix(&self.key).expected_bucket_owner(&self.account);
        let (mut versions, mut key, mut id) = (Vec::new(), None, None);
        loop {
            let page = match ask(list.clone().set_key_marker(key).set_version_id_marker(id).send()).await {
                Ok(page) => page,
                Err(error) if error.is_not_found() => return Ok(Vec::new()),
                Err(error) => return Err(error).with_context(context),
            };
            let own = page.versions().iter().filter(|version| version.key() == Some(&self.key));
            versions.extend(own.filter_map(|version| version.version_id().map(str::to_owned)));
            (key, id) = (page.next_key_marker, page.next_version_id_marker);
            if page.is_truncated != Some(true) || versions.len() >= ALL {
                break;
            }
        }
        let mut documents: Vec<Document> = Vec::new();
        let mut found_one = false;
        for (index, version) in versions.into_iter().take(ALL).enumerate() {
            if index >= MOST && found_one {
                break;
            }
            let call = s3.get_object().bucket(&self.bucket).key(&self.key).version_id(version);
            let found = match ask(call.expected_bucket_owner(&self.account).send()).await {
                Ok(found) => found,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error).with_context(context),
            };
            let body = found.body.collect().await.with_context(context)?.into_bytes();
            if let Some(document) = serde_json::from_slice(&body).ok().and_then(|value| Document::read(value).ok()) {
                found_one |= counts(&document);
                documents.push(document);
            }
        }
        Ok(documents)
    }
}
