//! `emr_application`: a Spark application of EMR Serverless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use aws_sdk_emrserverless::types::{self, Application, ApplicationState};
use lakewright_aws::{ErrorKind, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::calls::{described, is_started, stopped};
use self::wire::{capacity_of, configured, image_of, outcome, read};
use super::emr::{self, SERVICE, id_in, is_gone, namesakes};
use super::spec::{compared, in_place, replaces};
use super::values::{SecurityGroupId, SubnetId, text, words};
use super::{tag_lists, tagged, tagging, tags, wait};
use crate::charge::Others;
use crate::kind::{
    Arn, Billing, Comparing, Context, Delta, ENDS, Facts, Field, Found, Kind, Outcome, Quota, Share, Step, Wanted, fits,
};
use crate::resource::{Action, Address};
use crate::services::Services as _;

mod calls;
mod wire;

text!(
    /// An application's name.
    ApplicationName,
    r"^[A-Za-z0-9._/#-]{1,64}$"
);
text!(
    /// A release of EMR, `emr-7.9.0`.
    ReleaseLabel,
    r"^[A-Za-z0-9._/-]{1,64}$"
);

/// A Spark application; it starts with the first job and stops by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name.
    pub name: ApplicationName,
    /// The EMR release.
    #[serde(default = "release_label")]
    pub release_label: ReleaseLabel,
    /// `X86_64` or `ARM64`.
    #[serde(default)]
    pub architecture: Architecture,
    /// The most that all workers together may use.
    #[serde(default)]
    pub max_capacity: MaxCapacity,
    /// After how many idle minutes it stops.
    #[serde(default = "idle_timeout_minutes")]
    #[schemars(range(min = 1, max = 10_080))]
    pub idle_timeout_minutes: u32,
    /// The subnets of its workers. Without them, workers reach S3 and Glue only.
    #[serde(default)]
    pub subnets: Vec<SubnetId>,
    /// The security groups of its workers.
    #[serde(default)]
    pub security_groups: Vec<SecurityGroupId>,
    /// The workers' image: its URI in a private ECR repository, with a tag or a digest, as in
    /// `123456789012.dkr.ecr.eu-north-1.amazonaws.com/models:1`. Default: EMR's own of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = IMAGE))]
    pub image: Option<String>,
}

/// The processors of an application's workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Intel's and AMD's.
    #[default]
    #[serde(rename = "X86_64")]
    X86,
    /// AWS's Graviton.
    #[serde(rename = "ARM64")]
    Arm,
    /// What else somebody gave an application; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Architecture <=> types::Architecture);

/// The most that an application may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxCapacity {
    /// Virtual processors.
    #[serde(default = "default_vcpu")]
    pub vcpu: u32,
    /// Memory in GB.
    #[serde(default = "default_memory_gb")]
    pub memory_gb: u32,
    /// Disk in GB.
    #[serde(default = "default_disk_gb")]
    pub disk_gb: u32,
}

impl Default for MaxCapacity {
    fn default() -> Self {
        Self { vcpu: default_vcpu(), memory_gb: default_memory_gb(), disk_gb: default_disk_gb() }
    }
}

fn release_label() -> ReleaseLabel {
    "emr-7.9.0".into()
}

fn idle_timeout_minutes() -> u32 {
    15
}

fn default_vcpu() -> u32 {
    16
}

fn default_memory_gb() -> u32 {
    64
}

fn default_disk_gb() -> u32 {
    200
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("release_label"),
    in_place("architecture"),
    in_place("max_capacity"),
    in_place("idle_timeout_minutes"),
    compared(in_place("subnets"), Comparing::AsSet),
    compared(in_place("security_groups"), Comparing::AsSet),
    in_place("image"),
];
/// `settings` is a digest of what runs that go on need it to be stopped for.
const OUTPUTS: &[&str] = &["arn", "id", "name", "settings"];
const ACTIONS: &[&str] = &[
    "emr-serverless:CreateApplication",
    "emr-serverless:UpdateApplication",
    "emr-serverless:DeleteApplication",
    "emr-serverless:GetApplication",
    "emr-serverless:ListApplications",
    "emr-serverless:ListTagsForResource",
    "emr-serverless:ListJobRuns",
    "emr-serverless:CancelJobRun",
    "emr-serverless:StartApplication",
    "emr-serverless:StopApplication",
    "iam:CreateServiceLinkedRole",
];
const ARNS: &[Arn] = &[("arn", "emr-serverless:{region}:{account}:/applications/*")];
const FACTS: Facts = Facts {
    expected: [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(60)],
    moving_outputs: &["settings"],
    unmoving_fields: &WHILE_STARTED,
    renamed_fields: &[("limits", "max_capacity"), ("idle_minutes", "idle_timeout_minutes")],
    quota: Some(Quota::ServerlessProcessors),
    tag_types: &["emr-serverless"],
    review: &["image"],
    linked_roles: &["ops.emr-serverless.amazonaws.com"],
    arns: ARNS,
    rights: super::rights::code::SPARK,
    billing: Billing::ByUse(
        "the processors, memory and disks of its workers by the second while jobs run, and until it is idle",
    ),
    follows: &[(
        ENDS,
        "its running jobs are waited for, the stack's streaming runs are cancelled, and its job history goes",
    )],
    tagging: Some(&tagging::EmrServerless),
    ..Facts::of("emr_application", "a Spark application of EMR Serverless", FIELDS, OUTPUTS, ACTIONS)
};

/// What EMR changes of a started application:
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/updating-running-applications.html>
const WHILE_STARTED: [&str; 2] = ["max_capacity", "image"];
/// How long an application may take to start, stop and go; a stop waits for running jobs.
const CHANGED: Duration = Duration::from_secs(1800);
/// The kind.
#[derive(Debug)]
pub struct EmrApplication;

#[async_trait]
impl Kind for EmrApplication {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.subnets.is_empty() != spec.security_groups.is_empty() {
            bail!("subnets and security_groups go together: give both or none");
        }
        Ok(())
    }

    fn share(&self, spec: &Spec, _others: &Others<'_>) -> Share {
        Share::of(spec.max_capacity.vcpu)
    }

    /// Names needn't be unique.
    fn coexists(&self, _live: &Spec, _spec: &Spec) -> bool {
        true
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        if step.action != Action::Update {
            return Vec::new();
        }
        let sentence = if step.changed.iter().all(|name| WHILE_STARTED.contains(name)) {
            "jobs that run go on as they began; the next ones run so"
        } else {
            "a started application is stopped for it once its running jobs have ended, and started again; the stack's \
             streaming runs, which have no end, are cancelled for it"
        };
        vec![sentence.to_owned()]
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // The tagging API knows the stack's own, those long gone too, but not those just made.
        let tagged = tagged::resources(context, "emr-serverless").await?;
        let ids = tagged.iter().filter_map(|(arn, _)| id_in(arn));
        let address = |id: &str| {
            let own = tagged.iter().find(|(arn, _)| arn.ends_with(&format!("/{id}")));
            own.and_then(|(_, tags)| tags::address(context, FACTS.name, tags))
        };
        let known = described(context, ids, address).await?;
        let mut found = all(context, &known)?;
        // A new one beside the old one that it replaces has the other name.
        let is = |live: &Found<Spec>, wanted: &Wanted<'_, Spec>| {
            live.address == *wanted.address && live.spec.name == wanted.spec.name
        };
        let missing = wanted.iter().filter(|wanted| !found.iter().any(|live| is(live, wanted)));
        let names: BTreeSet<&str> = missing.map(|wanted| wanted.spec.name.as_str()).collect();
        if !names.is_empty() {
            let namesakes = namesakes(context, &names).await?;
            let new = namesakes.iter().map(|(id, _)| id.as_str()).filter(|id| !known.contains_key(*id));
            found.extend(all(context, &described(context, new, address).await?)?);
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = configured!(context.aws.emr_serverless().create_application(), spec)
            .name(spec.name.as_str())
            .maximum_capacity(capacity_of(spec)?)
            .set_image_configuration(spec.image.is_some().then(|| image_of(spec)))
            .r#type("SPARK")
            .client_token(tags::client_token(context, address, spec))
            .set_tags(Some(tag_lists::owned_map(context, address)));
        let made = ask(call.send()).await?;
        let id = made.application_id().needed(SERVICE, "CreateApplication.applicationId")?;
        let what = format!("the EMR application {id} is not made");
        let application = wait::until(context, CHANGED, &what, || async {
            let Some(application) = emr::application(context, id).await? else { return Ok(None) };
            match application.state() {
                ApplicationState::Creating => Ok(None),
                ApplicationState::Terminated => {
                    bail!("EMR gave {id} up: {}", application.state_details().unwrap_or_default())
                }
                _ => Ok(Some(application)),
            }
        })
        .await?;
        outcome(&application)
    }

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        let gone = || anyhow!("the EMR application {} is gone", live.id);
        let before = emr::application(context, &live.id).await?.ok_or_else(gone)?;
        // An image configuration without an image takes the image away. EMR takes it whole: how a tag of the image is resolved
        // stays as somebody made it.
        let mut image = image_of(spec);
        let former = before.image_configuration().filter(|_| spec.image.is_some());
        image.application_level_digest_resolution =
            former.and_then(types::ImageConfiguration::application_level_digest_resolution);
        let call = context.aws.emr_serverless().update_application().image_configuration(image);
        let call = call.application_id(&live.id).maximum_capacity(capacity_of(spec)?);
        let started = is_started(&before);
        let stays = started && changed.iter().all(|name| WHILE_STARTED.contains(&name.as_str()));
        let call = if stays { call } else { configured!(call, spec) };
        let what = format!("the EMR application {} is started again and again", live.id);
        let updated = wait::until(context, CHANGED, &what, || async {
            if !stays && stopped(context, &live.id).await?.is_none() {
                return Err(gone());
            }
            let call = call.clone().client_token(uuid::Uuid::new_v4().to_string());
            let error = match ask(call.send()).await {
                Ok(updated) => return Ok(Some(updated.application.needed(SERVICE, "UpdateApplication.application")?)),
                Err(error) => error,
            };
            // A job may have started it in between.
            if !stays
                && error.kind == ErrorKind::Invalid
                && emr::application(context, &live.id).await?.as_ref().is_some_and(is_started)
            {
                return Ok(None);
            }
            Err(error.into())
        })
        .await?;
        if started && !stays {
            ask(context.aws.emr_serverless().start_application().application_id(&live.id).send()).await?;
        }
        outcome(&updated)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        if stopped(context, &live.id).await?.is_none() {
            return Ok(());
        }
        wait::found(ask(context.aws.emr_serverless().delete_application().application_id(&live.id).send()).await)?;
        wait::until(context, CHANGED, &format!("the EMR application {} is still there", live.id), || async {
            Ok(is_gone(context, &live.id).await?.then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let id = id.rsplit('/').next().unwrap_or(id);
        let Some(mut application) = emr::application(context, id).await? else { return Ok(None) };
        if !application.r#type().eq_ignore_ascii_case("spark") {
            bail!("{id} runs {}; a stack's applications run Spark", application.r#type());
        }
        let claimed = tags::claimed(context, address, id, tag_lists::read_map(application.tags()))?;
        application.tags = Some(claimed.into_iter().collect());
        read(context, &application)
    }
}

/// The stack's own among applications.
fn all(context: &Context, applications: &BTreeMap<String, Application>) -> Result<Vec<Found<Spec>>> {
    let read = applications.values().map(|application| read(context, application));
    Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The URI of an image in a private ECR repository, with a tag or a digest, as EMR Serverless takes it.
const IMAGE: &str = concat!(
    r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.[a-z0-9._-]+/([a-z0-9]+([-._][a-z0-9]+)*/)*[a-z0-9]+([-._][a-z0-9]+)*",
    r"(:[a-zA-Z0-9_][a-zA-Z0-9._-]*|@sha256:[0-9a-f]{64})$"
);

/// Whether a text is the URI of an image in a private ECR repository, with a tag or a digest; a reference may become one.
pub fn is_image(uri: &str) -> bool {
    uri.contains("${") || fits(IMAGE, uri)
}
