//! `emr_application`: a Spark application of EMR Serverless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use aws_sdk_emrserverless::types::{Application, ApplicationState};
use lakewright_aws::{ErrorKind, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::calls::{describe, described, is_started, namesakes, stopped};
use self::wire::{configured, image_of, limits_of, outcome, read};
use super::spec::{compared, describes, in_place, replaces, text, typed};
use super::{tag_lists, tagged, tags, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

mod calls;
mod wire;

/// A Spark application; it starts with the first job and stops by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._/#-]{1,64}$"))]
    pub name: String,
    /// The EMR release.
    #[serde(default = "release_label")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._/-]{1,64}$"))]
    pub release_label: String,
    /// `X86_64` or `ARM64`.
    #[serde(default = "architecture")]
    #[schemars(regex(pattern = r"^(ARM64|X86_64)$"))]
    pub architecture: String,
    /// The most that all workers together may use.
    #[serde(default)]
    pub limits: Limits,
    /// After how many idle minutes it stops.
    #[serde(default = "idle_minutes")]
    pub idle_minutes: u32,
    /// The subnets of its workers. Without them, workers reach S3 and Glue only.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^subnet-[0-9a-f]+$")))]
    pub subnets: Vec<String>,
    /// The security groups of its workers.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^sg-[0-9a-f]+$")))]
    pub security_groups: Vec<String>,
    /// The workers' image: its URI in a private ECR repository, with a tag or a digest. Default: EMR's own of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
}

/// The most that an application may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Virtual processors.
    #[serde(default = "limit_vcpu")]
    pub vcpu: u32,
    /// Memory in GB.
    #[serde(default = "limit_memory_gb")]
    pub memory_gb: u32,
    /// Disk in GB.
    #[serde(default = "limit_disk_gb")]
    pub disk_gb: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { vcpu: limit_vcpu(), memory_gb: limit_memory_gb(), disk_gb: limit_disk_gb() }
    }
}

fn release_label() -> String {
    "emr-7.9.0".into()
}

fn architecture() -> String {
    "X86_64".into()
}

fn idle_minutes() -> u32 {
    15
}

fn limit_vcpu() -> u32 {
    16
}

fn limit_memory_gb() -> u32 {
    64
}

fn limit_disk_gb() -> u32 {
    200
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("release_label"),
    in_place("architecture"),
    in_place("limits"),
    in_place("idle_minutes"),
    compared(in_place("subnets"), Comparing::AsSet),
    compared(in_place("security_groups"), Comparing::AsSet),
    in_place("image"),
];
const OUTPUTS: &[&str] = &["arn", "id", "name"];
const ACTIONS: &[&str] = &[
    "emr-serverless:CreateApplication",
    "emr-serverless:UpdateApplication",
    "emr-serverless:DeleteApplication",
    "emr-serverless:GetApplication",
    "emr-serverless:ListApplications",
    "emr-serverless:StartApplication",
    "emr-serverless:StopApplication",
    "emr-serverless:TagResource",
    "iam:CreateServiceLinkedRole",
];

/// What EMR changes of a started application:
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/updating-running-applications.html>
const WHILE_STARTED: [&str; 2] = ["limits", "image"];
/// How long an application may take to start, stop and go; a stop waits for running jobs.
const CHANGED: Duration = Duration::from_secs(1800);
const SERVICE: &str = "emr-serverless";

/// The kind.
#[derive(Debug)]
pub struct EmrApplication;

fn canonical(spec: &mut Spec) -> Result<()> {
    if !["X86_64", "ARM64"].contains(&spec.architecture.as_str()) {
        bail!("`{}` is no architecture; write X86_64 or ARM64", spec.architecture);
    }
    if let Some(image) = spec.image.as_deref().filter(|image| !is_image(image)) {
        bail!(
            "`image` is `{image}`: EMR takes an image of a private ECR repository with a tag or a digest, as in \
             123456789012.dkr.ecr.eu-north-1.amazonaws.com/models:1"
        );
    }
    if !(1..=10_080).contains(&spec.idle_minutes) {
        bail!("`idle_minutes` is {}; EMR takes 1 to 10,080, a week", spec.idle_minutes);
    }
    if spec.subnets.is_empty() != spec.security_groups.is_empty() {
        bail!("subnets and security_groups go together: give both or none");
    }
    Ok(())
}

#[async_trait]
impl Kind for EmrApplication {
    describes!("emr_application", "a Spark application of EMR Serverless", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use(
            "the processors, memory and disks of its workers by the second while jobs run, and until it is idle",
        )
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(60)]
    }

    /// Names needn't be unique.
    fn coexists(&self, _live: &Value, _spec: &Value) -> bool {
        true
    }

    fn consequences(&self, action: Action, changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update if changed.iter().all(|name| WHILE_STARTED.contains(name)) => {
                vec!["jobs that run go on as they began; the next ones run so".to_owned()]
            }
            Action::Update => {
                vec![
                    "a started application is stopped for it once its running jobs have ended, and started again"
                        .to_owned(),
                ]
            }
            Action::Replace | Action::Delete => {
                vec!["its running jobs are waited for, and its job history goes".to_owned()]
            }
            Action::Create => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        // The tagging API knows the stack's own, those long gone too, but not those just made.
        let tagged = tagged::resources(context, "emr-serverless").await?;
        let ids = tagged.iter().filter_map(|(arn, _)| arn.split_once("/applications/")).map(|(_, id)| id);
        let known = described(context, ids).await?;
        let mut found = all(context, &known)?;
        // A new one beside the old one that it replaces has the other name.
        let is = |live: &Live, wanted: &Wanted<'_>| {
            live.address == *wanted.address && text(&live.spec, "name") == text(wanted.spec, "name")
        };
        let missing = wanted.iter().filter(|wanted| !found.iter().any(|live| is(live, wanted)));
        let names: BTreeSet<&str> = missing.map(|wanted| text(wanted.spec, "name")).collect();
        if !names.is_empty() {
            let namesakes = namesakes(context, &names).await?;
            let new = namesakes.iter().map(String::as_str).filter(|id| !known.contains_key(*id));
            found.extend(all(context, &described(context, new).await?)?);
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = configured!(context.aws.emr_serverless().create_application(), &spec)
            .name(&spec.name)
            .maximum_capacity(limits_of(&spec)?)
            .set_image_configuration(spec.image.is_some().then(|| image_of(&spec)))
            .r#type("SPARK")
            .client_token(tags::client_token(context, address, &spec))
            .set_tags(Some(tag_lists::owned_map(context, address)));
        let made = ask(call.send()).await?;
        let id = made.application_id().needed(SERVICE, "CreateApplication.applicationId")?;
        let what = format!("the EMR application {id} is not made");
        let application = wait::until(context, CHANGED, &what, || async {
            let Some(application) = describe(context, id).await? else { return Ok(None) };
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

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let gone = || anyhow!("the EMR application {} is gone", live.id);
        let before = describe(context, &live.id).await?.ok_or_else(gone)?;
        // An image configuration without an image takes the image away.
        let call = context.aws.emr_serverless().update_application().image_configuration(image_of(&spec));
        let call = call.application_id(&live.id).maximum_capacity(limits_of(&spec)?);
        let started = is_started(&before);
        let stays = started && changed.iter().all(|name| WHILE_STARTED.contains(&name.as_str()));
        let call = if stays { call } else { configured!(call, &spec) };
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
                && describe(context, &live.id).await?.as_ref().is_some_and(is_started)
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

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        if stopped(context, &live.id).await?.is_none() {
            return Ok(());
        }
        wait::found(ask(context.aws.emr_serverless().delete_application().application_id(&live.id).send()).await)?;
        wait::until(context, CHANGED, &format!("the EMR application {} is still there", live.id), || async {
            let application = describe(context, &live.id).await?;
            Ok(application.is_none_or(|it| *it.state() == ApplicationState::Terminated).then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let id = id.rsplit('/').next().unwrap_or(id);
        let Some(mut application) = describe(context, id).await? else { return Ok(None) };
        if !application.r#type().eq_ignore_ascii_case("spark") {
            bail!("{id} runs {}; a stack's applications run Spark", application.r#type());
        }
        let claimed = tags::claimed(context, address, id, tag_lists::read_map(application.tags()))?;
        application.tags = Some(claimed.into_iter().collect());
        read(context, &application)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let arn = outcome.outputs.get("arn").map(String::as_str).unwrap_or_default();
        let call = context.aws.emr_serverless().tag_resource().resource_arn(arn);
        ask(call.set_tags(Some(tag_lists::written_map(tags))).send()).await?;
        Ok(())
    }
}

/// The stack's own among applications.
fn all(context: &Context, applications: &BTreeMap<String, Application>) -> Result<Vec<Live>> {
    let read = applications.values().map(|application| read(context, application));
    Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Whether a text is the URI of an image in a private ECR repository, with a tag or a digest; a reference may become one.
pub fn is_image(uri: &str) -> bool {
    let Some((host, rest)) = uri.split_once('/') else { return uri.contains("${") };
    let account = host.split_once(".dkr.ecr.").map(|(account, _)| account);
    let numbered =
        account.is_some_and(|account| account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit()));
    uri.contains("${")
        || numbered && rest.split_once(':').is_some_and(|(name, tag)| !name.is_empty() && !tag.is_empty())
}
