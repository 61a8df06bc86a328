//! `release`: the agents' binary in the artifacts bucket, at `releases/SHA256/lakewright-agent`, and that for Graviton at
//! `releases/arm64/SHA256/lakewright-agent`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Listed, Put};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::object::{self, bucket_named, metadata, tags_of};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{BucketName, text};
use super::{tagged, wait};
use crate::charge::Cost;
use crate::kind::{Comparing, Context, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;

text!(
    /// A SHA-256 in hexadecimal, lower case.
    Sha256Hex,
    r"^[0-9a-f]{64}$"
);

/// The processors that a binary is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Those of Intel and AMD.
    #[default]
    #[serde(rename = "x86_64")]
    X86,
    /// Graviton.
    Arm64,
}

/// The binary that hosts install.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The artifacts bucket's name.
    pub bucket: BucketName,
    /// The processors that it is for: `x86_64` or `arm64`. Default: `x86_64`.
    #[serde(default)]
    pub architecture: Architecture,
    /// The SHA-256 of the binary, in hexadecimal.
    pub sha256: Sha256Hex,
    /// Its size in bytes.
    pub size: u64,
    /// The file on this machine that is uploaded.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    pub file: Option<String>,
}

const FIELDS: &[Field] = &[
    replaces("bucket"),
    replaces("architecture"),
    in_place("sha256"),
    in_place("size"),
    compared(in_place("file"), Comparing::Never),
];
const OUTPUTS: &[&str] = &["key", "url", "sha256"];
const ACTIONS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"];
const FACTS: Facts = Facts {
    is_tagless: true,
    moving_outputs: OUTPUTS,
    expected: [Duration::from_secs(30), Duration::from_secs(30), Duration::from_secs(1)],
    tag_types: &["s3"],
    ..Facts::of("release", "the agents' binary in the artifacts bucket", FIELDS, OUTPUTS, ACTIONS)
};

const FOLDER: &str = "releases";
const FOLDER_ARM64: &str = "releases/arm64";
const NAME: &str = "lakewright-agent";
/// How many releases stay: hosts that have not converged yet still fetch the one before.
const KEPT: usize = 2;

/// The kind.
#[derive(Debug)]
pub struct Release;

#[async_trait]
impl Kind for Release {
    type Spec = Spec;
    type Observed = ();

    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn cost(&self, _spec: &Spec) -> Cost {
        Cost::by_use("the bytes stored and requests")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let own = tagged::buckets(context).await?;
        let artifacts = own.get(&Address::new("bucket", "artifacts"));
        let mut buckets: Vec<String> = artifacts.cloned().into_iter().collect();
        buckets.extend(wanted.iter().filter_map(|one| bucket_named(&own, &one.spec.bucket)));
        buckets.sort();
        buckets.dedup();
        let reads = buckets.iter().map(async |bucket| {
            let here = |one: &&Wanted<'_, Spec>| bucket_named(&own, &one.spec.bucket).as_ref() == Some(bucket);
            let listed = match artifacts {
                Some(artifacts) if artifacts == bucket => object::published(context, bucket).await?,
                _ => listed(context, bucket).await?,
            };
            let reads = [Architecture::X86, Architecture::Arm64].map(|architecture| {
                let for_it = |one: &&Wanted<'_, Spec>| here(one) && one.spec.architecture == architecture;
                read(context, (bucket, architecture), of(architecture, &listed), wanted.iter().find(for_it))
            });
            try_join_all(reads).await
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        publish(context, address, spec).await
    }

    async fn update(&self, context: &Context, live: &Found<Spec>, spec: &Spec, _changed: &[String]) -> Result<Outcome> {
        let outcome = publish(context, &live.address, spec).await?;
        let listed = listed(context, &spec.bucket).await?;
        let mut releases = of(spec.architecture, &listed);
        releases.retain(|release| hash_in(spec.architecture, &release.key) != Some(&spec.sha256));
        for old in releases.iter().skip(KEPT - 1) {
            context.aws.objects().delete(&spec.bucket, &old.key).await?;
        }
        Ok(outcome)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let spec = &live.spec;
        for release in of(spec.architecture, &listed(context, &spec.bucket).await?) {
            wait::found(context.aws.objects().delete(&spec.bucket, &release.key).await)?;
        }
        Ok(())
    }

    async fn tag(&self, _context: &Context, _outcome: &Outcome, _tags: &[(&str, &str)]) -> Result<()> {
        Ok(())
    }
}

/// The folder of the releases for an architecture.
pub fn folder(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86 => FOLDER,
        Architecture::Arm64 => FOLDER_ARM64,
    }
}

fn key(architecture: Architecture, sha256: &str) -> String {
    format!("{}/{sha256}/{NAME}", folder(architecture))
}

fn hash_in(architecture: Architecture, key: &str) -> Option<&str> {
    let hash = key.strip_prefix(folder(architecture))?.strip_prefix('/')?.strip_suffix(NAME)?.strip_suffix('/')?;
    (hash.len() == 64).then_some(hash)
}

/// All that is listed under a bucket's releases.
async fn listed(context: &Context, bucket: &str) -> Result<Arc<Vec<Listed>>, Error> {
    object::listed(context, bucket, BTreeSet::from([format!("{FOLDER}/")])).await
}

/// The releases for an architecture, the newest first.
fn of(architecture: Architecture, listed: &[Listed]) -> Vec<&Listed> {
    let mut releases: Vec<&Listed> =
        listed.iter().filter(|entry| hash_in(architecture, &entry.key).is_some()).collect();
    releases.sort_by(|a, b| b.modified.cmp(&a.modified));
    releases
}

async fn read(
    context: &Context,
    (bucket, architecture): (&str, Architecture),
    releases: Vec<&Listed>,
    wanted: Option<&Wanted<'_, Spec>>,
) -> Result<Option<Found<Spec>>> {
    let hash = |key| hash_in(architecture, key);
    let meant = wanted.map(|wanted| wanted.spec.sha256.as_str());
    let exact = releases.iter().find(|release| meant.is_some() && hash(&release.key) == meant);
    let Some(release) = exact.or(releases.first()).copied() else { return Ok(None) };
    let address = match wanted {
        Some(wanted) => Some(wanted.address.clone()),
        None => {
            let head = context.aws.objects().head(bucket, &release.key).await?;
            head.and_then(|head| tags::address(context, "release", &tags_of(&head.metadata)))
        }
    };
    let Some(address) = address else { return Ok(None) };
    let sha256 = hash(&release.key).expect("releases are listed by their hash");
    let url = format!("s3://{bucket}/{}", release.key);
    let outputs = [("key", release.key.as_str()), ("url", &url), ("sha256", sha256)];
    let spec = Spec { bucket: bucket.into(), architecture, sha256: sha256.into(), size: release.size, file: None };
    Ok(Some(tags::found(address, &Tags::new(), &url, spec, &outputs)))
}

/// Uploads the binary unless it is there.
async fn publish(context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
    let (bucket, key) = (&spec.bucket, key(spec.architecture, &spec.sha256));
    if context.aws.objects().head(bucket, &key).await?.is_none_or(|head| head.size != spec.size) {
        let file = spec.file.as_deref().context("no file is given for a release that isn't published yet")?;
        let body = tokio::fs::read(file).await.with_context(|| format!("read the agents' binary {file}"))?;
        let found = hex::encode(Sha256::digest(&body));
        if spec.sha256 != *found {
            bail!("{file} has changed since the plan: its SHA-256 is {found}, planned was {}; plan again", spec.sha256);
        }
        let put = Put {
            content_type: Some("application/octet-stream".into()),
            metadata: metadata(context, address),
            ..Put::default()
        };
        context.aws.objects().put(bucket, &key, body.into(), put).await?;
    }
    let url = format!("s3://{bucket}/{key}");
    Ok(tags::outcome(&url, &[("key", &key), ("url", &url), ("sha256", &spec.sha256)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_the_hash() {
        use Architecture::{Arm64, X86};
        let hash = "a".repeat(64);
        for (architecture, other) in [(X86, Arm64), (Arm64, X86)] {
            assert_eq!(hash_in(architecture, &key(architecture, &hash)), Some(hash.as_str()));
            assert_eq!(hash_in(other, &key(architecture, &hash)), None);
        }
        assert_eq!(key(X86, &hash), format!("releases/{hash}/lakewright-agent"));
        assert_eq!(hash_in(X86, "releases/short/lakewright-agent"), None);
        assert_eq!(hash_in(X86, "releases/notes.txt"), None);
    }
}
