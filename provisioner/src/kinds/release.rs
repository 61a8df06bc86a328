//! `release`: a program of Lakewright's in the artifacts bucket, at `releases/SHA256/lakewright-agent`, and the one for Graviton at
//! `releases/arm64/SHA256/lakewright-agent`; so with `lakewright`, which a pipeline's builds run, and `lakewright-stream.jar`, which
//! Spark runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Listed, Put};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::each::{One, each};
use super::object::{self, bucket_named, metadata, tags_of};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{BucketName, text};
use super::{tagged, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
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

/// A program of Lakewright's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Program {
    /// The agents, which hosts install.
    #[default]
    #[serde(rename = "lakewright-agent")]
    Agent,
    /// What applies stacks, which builds of a pipeline run.
    #[serde(rename = "lakewright")]
    Lakewright,
    /// The stream agent's work as a job of Spark's, for all processors.
    #[serde(rename = "lakewright-stream.jar")]
    StreamJob,
}

impl Program {
    /// Every program.
    const ALL: [Self; 3] = [Self::Agent, Self::Lakewright, Self::StreamJob];

    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "lakewright-agent",
            Self::Lakewright => "lakewright",
            Self::StreamJob => "lakewright-stream.jar",
        }
    }
}

/// A binary that hosts install or builds run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The artifacts bucket's name.
    pub bucket: BucketName,
    /// The processors that it is for: `x86_64` or `arm64`. Default: `x86_64`.
    #[serde(default)]
    pub architecture: Architecture,
    /// The program: `lakewright-agent`, which hosts install, `lakewright`, which builds run, or `lakewright-stream.jar`, which
    /// Spark runs. Default: `lakewright-agent`.
    #[serde(default)]
    pub program: Program,
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
    replaces("program"),
    in_place("sha256"),
    in_place("size"),
    compared(in_place("file"), Comparing::Never),
];
const OUTPUTS: &[&str] = &["key", "url", "sha256"];
const ACTIONS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"];
const ARNS: &[Arn] = &[("published", "s3:::{bucket}/releases/*")];
const FACTS: Facts = Facts {
    is_tagless: true,
    relocates: true,
    moving_outputs: OUTPUTS,
    expected: [Duration::from_secs(30), Duration::from_secs(30), Duration::from_secs(1)],
    tag_types: &["s3"],
    review: &["architecture", "sha256"],
    arns: ARNS,
    billing: Billing::ByUse("the bytes stored and requests"),
    ..Facts::of("release", "a program of Lakewright's in the artifacts bucket", FIELDS, OUTPUTS, ACTIONS)
};

const FOLDER: &str = "releases";
const FOLDER_ARM64: &str = "releases/arm64";
/// How many releases stay: hosts that have not converged yet still fetch the one before.
const KEPT: usize = 2;

/// The kind.
#[derive(Debug)]
pub struct Release;

#[async_trait]
impl Kind for Release {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    /// Whoever has no file keeps what is published.
    fn relocated(&self, live: &Spec, spec: &Spec, _moves: bool) -> Option<Spec> {
        let has_none = spec.size == 0 && spec.file.is_none();
        has_none.then(|| Spec { sha256: live.sha256.clone(), size: live.size, ..spec.clone() })
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let own = tagged::buckets(context).await?;
        let artifacts = own.get(&Address::new("bucket", "artifacts"));
        let mut buckets: Vec<String> = artifacts.cloned().into_iter().collect();
        buckets.extend(wanted.iter().filter_map(|one| bucket_named(&own, &one.spec.bucket)));
        buckets.sort();
        buckets.dedup();
        let of_bucket = async |bucket: &String| {
            let here = |one: &&Wanted<'_, Spec>| bucket_named(&own, &one.spec.bucket).as_ref() == Some(bucket);
            let listed = match artifacts {
                Some(artifacts) if artifacts == bucket => object::published(context, bucket).await?,
                _ => listed(context, bucket).await?,
            };
            let reads = builds().map(|build| {
                let for_it = |one: &&Wanted<'_, Spec>| here(one) && Build::of(one.spec) == build;
                let wanted = wanted.iter().find(for_it);
                let read = read(context, (bucket, build), build.among(&listed), wanted);
                One { address: wanted.map(|one| one.address.clone()), id: bucket.clone(), read }
            });
            each(context, FACTS.name, reads).await.map(Some)
        };
        // Which releases of a bucket that can't be listed are the stack's nobody can say.
        let reads = buckets.iter().map(|bucket| One { address: None, id: String::new(), read: of_bucket(bucket) });
        Ok(each(context, FACTS.name, reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        publish(context, address, spec).await
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let outcome = publish(context, &live.address, spec).await?;
        let listed = listed(context, &spec.bucket).await?;
        let build = Build::of(spec);
        let mut releases = build.among(&listed);
        releases.retain(|release| build.hash_in(&release.key) != Some(&spec.sha256));
        for old in releases.iter().skip(KEPT - 1) {
            context.aws.objects().delete(&spec.bucket, &old.key).await?;
        }
        Ok(outcome)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let spec = &live.spec;
        for release in Build::of(spec).among(&listed(context, &spec.bucket).await?) {
            wait::found(context.aws.objects().delete(&spec.bucket, &release.key).await)?;
        }
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

/// The key of a program's release.
pub fn key(program: Program, architecture: Architecture, sha256: &str) -> String {
    Build { program, architecture }.key(sha256)
}

/// A program for an architecture: its releases stand in one folder, each under its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Build {
    program: Program,
    architecture: Architecture,
}

/// Every program for every architecture.
fn builds() -> impl Iterator<Item = Build> {
    let architectures = [Architecture::X86, Architecture::Arm64].into_iter();
    architectures.flat_map(|architecture| Program::ALL.map(|program| Build { program, architecture }))
}

impl Build {
    fn of(spec: &Spec) -> Self {
        Self { program: spec.program, architecture: spec.architecture }
    }

    fn key(self, sha256: &str) -> String {
        format!("{}/{sha256}/{}", folder(self.architecture), self.program.name())
    }

    fn hash_in(self, key: &str) -> Option<&str> {
        let below = key.strip_prefix(folder(self.architecture))?.strip_prefix('/')?;
        let hash = below.strip_suffix(self.program.name())?.strip_suffix('/')?;
        (hash.len() == 64).then_some(hash)
    }

    /// Its releases, the newest first.
    fn among(self, listed: &[Listed]) -> Vec<&Listed> {
        let mut releases: Vec<&Listed> = listed.iter().filter(|entry| self.hash_in(&entry.key).is_some()).collect();
        releases.sort_by(|a, b| b.modified.cmp(&a.modified));
        releases
    }
}

/// All that is listed under a bucket's releases.
async fn listed(context: &Context, bucket: &str) -> Result<Arc<Vec<Listed>>, Error> {
    object::listed(context, bucket, BTreeSet::from([format!("{FOLDER}/")])).await
}

async fn read(
    context: &Context,
    (bucket, build): (&str, Build),
    releases: Vec<&Listed>,
    wanted: Option<&Wanted<'_, Spec>>,
) -> Result<Option<Found<Spec>>> {
    let hash = |key| build.hash_in(key);
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
    let Build { program, architecture } = build;
    let size = release.size;
    let spec = Spec { bucket: bucket.into(), architecture, program, sha256: sha256.into(), size, file: None };
    Ok(Some(tags::found(address, &Tags::new(), &url, spec, &outputs)))
}

/// Uploads the binary unless it is there.
async fn publish(context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
    let (bucket, key) = (&spec.bucket, Build::of(spec).key(&spec.sha256));
    if context.aws.objects().head(bucket, &key).await?.is_none_or(|head| head.size != spec.size) {
        let file = spec.file.as_deref().context("no file is given for a release that isn't published yet")?;
        let body = tokio::fs::read(file).await.with_context(|| format!("read the program {file}"))?;
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
        let hash = "a".repeat(64);
        for build in builds() {
            for other in builds() {
                let found = other.hash_in(&build.key(&hash)).map(str::to_owned);
                assert_eq!(found, (other == build).then(|| hash.clone()), "{build:?} {other:?}");
            }
        }
        let agent = Build { program: Program::Agent, architecture: Architecture::X86 };
        assert_eq!(agent.key(&hash), format!("releases/{hash}/lakewright-agent"));
        assert_eq!(key(Program::Lakewright, Architecture::X86, &hash), format!("releases/{hash}/lakewright"));
        assert_eq!(agent.hash_in("releases/short/lakewright-agent"), None);
        assert_eq!(agent.hash_in("releases/notes.txt"), None);
    }

    #[test]
    fn who_has_no_file_keeps_what_is_published() {
        let spec = |hash: &str, size: u64, file: Option<&str>| Spec {
            bucket: "b".into(),
            architecture: Architecture::X86,
            program: Program::StreamJob,
            sha256: hash.repeat(64).into(),
            size,
            file: file.map(str::to_owned),
        };
        let (live, none, other) = (spec("a", 9, None), spec("0", 0, None), spec("b", 8, Some("x.jar")));
        assert_eq!(Release.relocated(&live, &none, false), Some(live.clone()));
        assert_eq!(Release.relocated(&live, &other, false), None);
    }
}
