//! `release`: the agents' binary in the artifacts bucket, at `releases/SHA256/lakewright-agent`, and that for Graviton at
//! `releases/arm64/SHA256/lakewright-agent`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Listed, Put};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::object::{self, bucket_named, metadata, tags_of};
use super::spec::{compared, describes, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tagged, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

/// The binary that hosts install.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The artifacts bucket's name.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: String,
    /// The processors that it is for: `x86_64` or `arm64`. Default: `x86_64`.
    #[serde(default = "x86_64")]
    #[schemars(length(min = 1, max = 64))]
    pub architecture: String,
    /// The SHA-256 of the binary, in hexadecimal.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The file on this machine that is uploaded.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2048))]
    pub file: Option<String>,
}

fn x86_64() -> String {
    "x86_64".to_owned()
}

fn canonical(spec: &mut Spec) -> Result<()> {
    if !ARCHITECTURES.contains(&spec.architecture.as_str()) {
        bail!("`{}` is no architecture; write x86_64 or arm64", spec.architecture);
    }
    Ok(())
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

const ARCHITECTURES: [&str; 2] = ["x86_64", "arm64"];
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
    describes!("release", "the agents' binary in the artifacts bucket", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use("the bytes stored and requests")
    }

    fn moving_outputs(&self) -> &'static [&'static str] {
        OUTPUTS
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(30), Duration::from_secs(30), Duration::from_secs(1)]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let own = tagged::buckets(context).await?;
        let artifacts = own.get(&Address::new("bucket", "artifacts"));
        let mut buckets: Vec<String> = artifacts.cloned().into_iter().collect();
        buckets.extend(wanted.iter().filter_map(|one| bucket_named(&own, text(one.spec, "bucket"))));
        buckets.sort();
        buckets.dedup();
        let reads = buckets.iter().map(async |bucket| {
            let here = |one: &&Wanted<'_>| bucket_named(&own, text(one.spec, "bucket")).as_ref() == Some(bucket);
            let listed = match artifacts {
                Some(artifacts) if artifacts == bucket => object::published(context, bucket).await?,
                _ => listed(context, bucket).await?,
            };
            let reads = ARCHITECTURES.map(|architecture| {
                let for_it = |one: &&Wanted<'_>| here(one) && text(one.spec, "architecture") == architecture;
                read(context, (bucket, architecture), of(architecture, &listed), wanted.iter().find(for_it))
            });
            try_join_all(reads).await
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        publish(context, address, &typed(spec)?).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let outcome = publish(context, &live.address, &spec).await?;
        let listed = listed(context, &spec.bucket).await?;
        let mut releases = of(&spec.architecture, &listed);
        releases.retain(|release| hash_in(&spec.architecture, &release.key) != Some(&spec.sha256));
        for old in releases.iter().skip(KEPT - 1) {
            context.aws.objects().delete(&spec.bucket, &old.key).await?;
        }
        Ok(outcome)
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        for release in of(&spec.architecture, &listed(context, &spec.bucket).await?) {
            wait::found(context.aws.objects().delete(&spec.bucket, &release.key).await)?;
        }
        Ok(())
    }

    fn is_tagless(&self) -> bool {
        true
    }

    async fn tag(&self, _context: &Context, _outcome: &Outcome, _tags: &[(&str, &str)]) -> Result<()> {
        Ok(())
    }
}

/// The folder of the releases for an architecture.
pub fn folder(architecture: &str) -> &'static str {
    if architecture == "arm64" { FOLDER_ARM64 } else { FOLDER }
}

fn key(architecture: &str, sha256: &str) -> String {
    format!("{}/{sha256}/{NAME}", folder(architecture))
}

fn hash_in<'a>(architecture: &str, key: &'a str) -> Option<&'a str> {
    let hash = key.strip_prefix(folder(architecture))?.strip_prefix('/')?.strip_suffix(NAME)?.strip_suffix('/')?;
    (hash.len() == 64).then_some(hash)
}

/// All that is listed under a bucket's releases.
async fn listed(context: &Context, bucket: &str) -> Result<Arc<Vec<Listed>>, Error> {
    object::listed(context, bucket, BTreeSet::from([format!("{FOLDER}/")])).await
}

/// The releases for an architecture, the newest first.
fn of<'a>(architecture: &str, listed: &'a [Listed]) -> Vec<&'a Listed> {
    let mut releases: Vec<&Listed> =
        listed.iter().filter(|entry| hash_in(architecture, &entry.key).is_some()).collect();
    releases.sort_by(|a, b| b.modified.cmp(&a.modified));
    releases
}

async fn read(
    context: &Context,
    (bucket, architecture): (&str, &str),
    releases: Vec<&Listed>,
    wanted: Option<&Wanted<'_>>,
) -> Result<Option<Live>> {
    let hash = |key| hash_in(architecture, key);
    let meant = wanted.map(|wanted| text(wanted.spec, "sha256"));
    let exact = releases.iter().find(|release| meant.is_some_and(|meant| hash(&release.key) == Some(meant)));
    let Some(release) = exact.or(releases.first()).copied() else { return Ok(None) };
    let address = match wanted {
        Some(wanted) => Some(wanted.address.clone()),
        None => {
            let head = context.aws.objects().head(bucket, &release.key).await?;
            head.and_then(|head| tags::address(context, "release", &tags_of(&head.metadata)))
        }
    };
    let Some(address) = address else { return Ok(None) };
    let sha256 = hash(&release.key).expect("releases are listed by their hash").to_owned();
    let url = format!("s3://{bucket}/{}", release.key);
    let outputs = [("key", release.key.as_str()), ("url", &url), ("sha256", &sha256)];
    let spec = Spec {
        bucket: bucket.to_owned(),
        architecture: architecture.to_owned(),
        sha256: sha256.clone(),
        size: release.size,
        file: None,
    };
    Ok(Some(tags::live(address, &Tags::new(), &url, value(&spec), &outputs)))
}

/// Uploads the binary unless it is there.
async fn publish(context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
    let (bucket, key) = (&spec.bucket, key(&spec.architecture, &spec.sha256));
    if context.aws.objects().head(bucket, &key).await?.is_none_or(|head| head.size != spec.size) {
        let file = spec.file.as_deref().context("no file is given for a release that isn't published yet")?;
        let body = tokio::fs::read(file).await.with_context(|| format!("read the agents' binary {file}"))?;
        let found = hex::encode(Sha256::digest(&body));
        if found != spec.sha256 {
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

/// The SHA-256 and size of a file. The hash is kept in `cache` and holds as long as path, size and time of the file
/// do, so that a plan doesn't read a large binary every time.
pub fn hash_file(file: &Path, cache: &Path) -> Result<(String, u64)> {
    let about = file.metadata().with_context(|| format!("read {}", file.display()))?;
    let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let size = about.len();
    let known = format!("{}\t{size}\t{modified}", file.canonicalize()?.display());
    let kept = std::fs::read_to_string(cache).unwrap_or_default();
    if let Some((hash, of)) = kept.trim_end().split_once('\t')
        && of == known
        && hash.len() == 64
    {
        return Ok((hash.to_owned(), size));
    }
    let mut reader = File::open(file).with_context(|| format!("read {}", file.display()))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 << 10];
    loop {
        match reader.read(&mut chunk)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    let hash = hex::encode(hash.finalize());
    // A cache that can't be written costs time only.
    if let Some(folder) = cache.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let _ = std::fs::write(cache, format!("{hash}\t{known}\n"));
    Ok((hash, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_kept_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, cache) = (folder.path().join("agent"), folder.path().join("cache/agent"));
        std::fs::write(&file, "one").expect("written");
        let (one, size) = hash_file(&file, &cache).expect("hashed");
        assert_eq!((one.as_str(), size), ("7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed", 3));
        let kept = std::fs::read_to_string(&cache).expect("kept");
        std::fs::write(&cache, kept.replace(&one, &"0".repeat(64))).expect("written");
        assert_eq!(hash_file(&file, &cache).expect("from the cache").0, "0".repeat(64));
        std::fs::write(&file, "four").expect("written");
        assert_ne!(hash_file(&file, &cache).expect("hashed anew").0, "0".repeat(64));
    }

    #[test]
    fn keys_hold_the_hash() {
        let hash = "a".repeat(64);
        for (architecture, other) in [("x86_64", "arm64"), ("arm64", "x86_64")] {
            assert_eq!(hash_in(architecture, &key(architecture, &hash)), Some(hash.as_str()));
            assert_eq!(hash_in(other, &key(architecture, &hash)), None);
        }
        assert_eq!(key("x86_64", &hash), format!("releases/{hash}/lakewright-agent"));
        assert_eq!(hash_in("x86_64", "releases/short/lakewright-agent"), None);
        assert_eq!(hash_in("x86_64", "releases/notes.txt"), None);
    }
}
