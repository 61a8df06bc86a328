//! `object`: a small text in a bucket, such as an agent's configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Listed, Put};
use lakewright_config::s3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{One, each};
use super::spec::{in_place, reference, replaces};
use super::tags::{self, Tags};
use super::values::BucketName;
use super::{tagged, wait};
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::reference::meant;
use crate::resource::Address;
use seal::Seen;

mod seal;

/// An object whose content stands in the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The bucket's name.
    pub bucket: BucketName,
    /// The key, without a slash at the start.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// The content, at most 1 MiB of UTF-8.
    pub content: String,
    /// The media type.
    #[serde(default = "content_type")]
    #[schemars(length(min = 1, max = 256))]
    pub content_type: String,
}

fn content_type() -> String {
    "text/plain; charset=utf-8".into()
}

const FIELDS: &[Field] = &[replaces("bucket"), replaces("key"), in_place("content"), in_place("content_type")];
const OUTPUTS: &[&str] = &["key", "url", "etag"];
const ACTIONS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"];
const ARNS: &[Arn] = &[
    ("object", "s3:::{bucket}/{key:folder}*"),
    ("published", "s3:::{bucket}/hosts/*"),
    ("published", "s3:::{bucket}/jobs/*"),
    ("published", "s3:::{bucket}/models/*"),
];
const FACTS: Facts = Facts {
    is_tagless: true,
    is_sealed: true,
    moving_outputs: &["etag"],
    identified_by: &["bucket", "key"],
    tag_types: &["s3"],
    review: &["bucket", "key", "content"],
    arns: ARNS,
    billing: Billing::ByUse("the bytes stored and requests"),
    ..Facts::of("object", "a small text in a bucket", FIELDS, OUTPUTS, ACTIONS)
};

/// Beyond this a text is no configuration.
const LARGEST: usize = 1 << 20;
/// Where the stack's own objects stand besides those that it wants now.
const FOLDERS: [&str; 3] = ["hosts/", "jobs/", "models/"];
/// Where releases stand.
const RELEASES: &str = "releases/";

/// The kind.
#[derive(Debug)]
pub struct Object;

#[async_trait]
impl Kind for Object {
    type Spec = Spec;
    type Observed = Seen;
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.key.starts_with('/') && !spec.key.contains("${") {
            bail!("`{}` is no key; keys look like jobs/run.py", spec.key);
        }
        if spec.content.len() > LARGEST {
            bail!("{} has {} bytes; an object of a stack has at most {LARGEST}", spec.key, spec.content.len());
        }
        Ok(())
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec, Seen>>> {
        let own = tagged::buckets(context).await?;
        let named = |wanted: &Wanted<'_, Spec>| bucket_named(&own, &wanted.spec.bucket);
        let artifacts = own.get(&Address::new("bucket", "artifacts"));
        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for wanted in wanted {
            let folder = folder(&wanted.spec.key);
            let Some(bucket) = named(wanted) else { continue };
            if artifacts != Some(&bucket) || !FOLDERS.contains(&folder) {
                places.entry(bucket).or_default().insert(folder.to_owned());
            }
        }
        let lists = places.iter().map(|(bucket, folders)| One {
            address: None,
            id: String::new(),
            read: async move {
                let listed = listed(context, bucket, folders.clone()).await?;
                Ok(Some(
                    listed.iter().map(|entry| ((bucket.clone(), entry.key.clone()), entry.clone())).collect::<Vec<_>>(),
                ))
            },
        });
        let published = artifacts.map(|bucket| One {
            address: None,
            id: String::new(),
            read: async move { published(context, bucket).await.map(Some).map_err(anyhow::Error::new) },
        });
        let (lists, published) =
            tokio::try_join!(each(context, FACTS.name, lists), each(context, FACTS.name, published))?;
        let published = published.iter().flat_map(|list| list.iter()).filter(|entry| !entry.key.starts_with(RELEASES));
        let published = published.filter_map(|entry| Some(((artifacts?.clone(), entry.key.clone()), entry.clone())));
        let entries: BTreeMap<(String, String), Listed> = lists.into_iter().flatten().chain(published).collect();
        let wanted: BTreeMap<(String, String), &Wanted<'_, Spec>> =
            wanted.iter().filter_map(|one| Some(((named(one)?, one.spec.key.clone()), one))).collect();
        let buckets: BTreeSet<&String> = own.values().collect();
        let reads = entries.iter().map(|(place, entry)| {
            let (bucket, key) = place;
            let wanted = wanted.get(place).copied();
            let stacks_own = buckets.contains(bucket);
            let read = async move {
                match known(context, bucket, entry, wanted).await {
                    Some(known) => Ok(Some(known)),
                    None => read(context, (bucket, entry), wanted.map(|wanted| wanted.address), stacks_own).await,
                }
            };
            One { address: wanted.map(|wanted| wanted.address.clone()), id: url(bucket, key), read }
        });
        each(context, FACTS.name, reads).await
    }

    fn seal(&self, seen: &Seen) -> Option<String> {
        seen.seal.clone()
    }

    async fn seals(
        &self,
        context: &Context,
        written: &[(Wanted<'_, Spec>, &Outcome)],
    ) -> Result<BTreeMap<Address, String>> {
        seal::of_written(context, written).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        if let Some(there) = context.aws.objects().head(&spec.bucket, &spec.key).await? {
            let tags = tags_of(&there.metadata);
            if tags::address(context, "object", &tags).as_ref() != Some(address) {
                let owner = tags.get(tags::STACK).map(|owner| format!(", but of the stack {owner}"));
                bail!(
                    "the object {} exists and isn't this stack's {address}{}; choose another key, or delete it",
                    url(&spec.bucket, &spec.key),
                    owner.unwrap_or_default()
                );
            }
        }
        put(context, address, spec).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec, Seen>) -> Result<Outcome> {
        put(context, &live.address, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec, Seen>) -> Result<()> {
        wait::found(context.aws.objects().delete(&live.spec.bucket, &live.spec.key).await)?;
        Ok(())
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let Some((bucket, key)) = s3::object(&outcome.id) else { return Ok(()) };
        // What stands beside an object can't change without the object.
        let stored = context.aws.objects().get(bucket, key, None).await?;
        let mut metadata = stored.metadata;
        for (key, value) in tags {
            let Some(name) = METADATA.iter().find(|(tag, _)| tag == key).map(|(_, name)| *name) else { continue };
            metadata.retain(|(known, _)| known != name);
            metadata.push((name.to_owned(), (*value).to_owned()));
        }
        let put = Put { content_type: stored.content_type, if_match: Some(stored.etag), metadata, ..Put::default() };
        context.aws.objects().put(bucket, key, stored.body, put).await?;
        Ok(())
    }
}

const STACK: &str = "lakewright-stack";
const ADDRESS: &str = "lakewright-address";
const APPLIED: &str = "lakewright-applied";
/// What an object carries instead of tags.
const METADATA: [(&str, &str); 3] = [(tags::STACK, STACK), (tags::ADDRESS, ADDRESS), (tags::APPLIED, APPLIED)];

/// What lies in the artifacts bucket where the stack's objects and releases stand, one walk for both kinds: queries'
/// results and jobs' logs, of which there are many, are stepped over.
pub(super) async fn published(context: &Context, artifacts: &str) -> Result<Arc<Vec<Listed>>, Error> {
    let folders = FOLDERS.into_iter().chain([RELEASES]).map(str::to_owned).collect();
    listed(context, artifacts, folders).await
}

/// What lies in a bucket under the prefixes, if there is such a bucket; a sweep asks once.
pub(super) async fn listed(
    context: &Context,
    bucket: &str,
    prefixes: BTreeSet<String>,
) -> Result<Arc<Vec<Listed>>, Error> {
    let question = (bucket.to_owned(), prefixes.clone());
    let list = async {
        let found = wait::found(context.aws.objects().list_among(bucket, &prefixes).await)?;
        Ok(found.unwrap_or_default())
    };
    context.reading.of(|queries| &queries.objects, question, list).await
}

/// The name that a spec's `bucket` means, if its bucket exists.
pub(super) fn bucket_named(own: &BTreeMap<Address, String>, bucket: &str) -> Option<String> {
    match reference(bucket) {
        Some(address) => own.get(&address).cloned(),
        None => Some(bucket.to_owned()),
    }
}

/// What stands beside the stack's objects, so that they are found when the file no longer names them.
pub(super) fn metadata(context: &Context, address: &Address) -> Vec<(String, String)> {
    vec![(STACK.to_owned(), context.stack.clone()), (ADDRESS.to_owned(), address.to_string())]
}

/// What stands beside an object, as tags.
pub(super) fn tags_of(metadata: &[(String, String)]) -> Tags {
    let name = |name: &str| match name {
        STACK => tags::STACK.to_owned(),
        ADDRESS => tags::ADDRESS.to_owned(),
        APPLIED => tags::APPLIED.to_owned(),
        other => other.to_owned(),
    };
    metadata.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

/// What of a key ends with its first slash.
fn folder(key: &str) -> &str {
    key.split_inclusive('/').next().unwrap_or_default()
}

fn url(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

async fn put(context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
    let put =
        Put { content_type: Some(spec.content_type.clone()), metadata: metadata(context, address), ..Put::default() };
    let etag = context.aws.objects().put(&spec.bucket, &spec.key, spec.content.clone().into(), put).await?;
    let url = url(&spec.bucket, &spec.key);
    Ok(tags::outcome(&url, &[("key", &spec.key), ("url", &url), ("etag", &etag)]))
}

/// An object that is known by its seal: it is as it was when that was signed. None of what has to be read.
async fn known(
    context: &Context,
    bucket: &str,
    entry: &Listed,
    wanted: Option<&Wanted<'_, Spec>>,
) -> Option<Found<Spec, Seen>> {
    let wanted = wanted?;
    let signed = context.records.seal(wanted.address).await?;
    // What it is to be is a guess at what it is, which the seal proves or doesn't.
    let meant = |text: &str| Some(meant(text, &|reference| context.reading.output(reference))?.into_owned());
    let spec = Spec {
        bucket: bucket.into(),
        key: entry.key.clone(),
        content: meant(&wanted.spec.content)?,
        content_type: meant(&wanted.spec.content_type)?,
    };
    if seal::of(wanted.address, entry, &spec) != signed {
        return None;
    }
    let tags = tags_of(&metadata(context, wanted.address));
    Some(found(wanted.address.clone(), &tags, spec, (&entry.etag, Some(signed))))
}

/// An object as it exists; none if it isn't this stack's, even if one of its key is wanted: creating that one then
/// says whose it is.
async fn read(
    context: &Context,
    (bucket, entry): (&str, &Listed),
    wanted: Option<&Address>,
    stacks_own: bool,
) -> Result<Option<Found<Spec, Seen>>> {
    let key = &entry.key;
    let Some(stored) = wait::found(context.aws.objects().get(bucket, key, None).await)? else { return Ok(None) };
    let tags = tags_of(&stored.metadata);
    // Whoever puts something else over a stack's object takes its metadata away too; in a bucket of the stack that
    // is a difference to fix, and not somebody else's object.
    let own = tags::address(context, "object", &tags);
    let overwritten = stacks_own && !tags.contains_key(tags::STACK);
    let address = if own.is_some() || overwritten { wanted.cloned().or(own.clone()) } else { None };
    let Some(address) = address else { return Ok(None) };
    let spec = Spec {
        bucket: bucket.into(),
        key: key.clone(),
        content: String::from_utf8_lossy(&stored.body).into_owned(),
        content_type: stored.content_type.clone().unwrap_or_default(),
    };
    let is_listed = stored.etag == entry.etag && own.as_ref() == Some(&address);
    let is_it = is_listed && spec.content.as_bytes() == stored.body && seal::is_over(entry, context.aws.now());
    let seal = is_it.then(|| seal::of(&address, entry, &spec));
    Ok(Some(found(address, &tags, spec, (&stored.etag, seal))))
}

fn found(address: Address, tags: &Tags, spec: Spec, (etag, seal): (&str, Option<String>)) -> Found<Spec, Seen> {
    let url = url(&spec.bucket, &spec.key);
    let outputs = [("key", spec.key.clone()), ("url", url.clone()), ("etag", etag.to_owned())];
    let outputs = outputs.each_ref().map(|(name, value)| (*name, value.as_str()));
    Found { observed: Seen { seal }, ..tags::found(address, tags, &url, spec, &outputs) }
}
