//! `emr_application`: a Spark application of EMR Serverless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, ErrorKind, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, in_place, replaces, typed, value};
use super::wire::{number, some_text, texts};
use super::{tagged, tags, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

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
/// The states of applications that live.
const LIVING: [&str; 6] = ["CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED"];

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
        let mut known: BTreeMap<String, Value> = described(context, ids).await?;
        let mut found: Vec<Live> = known.values().filter_map(|application| read(context, application)).collect();
        // A new one beside the old one that it replaces has the other name.
        let is = |live: &Live, wanted: &Wanted<'_>| {
            live.address == *wanted.address && text(&live.spec, "name") == text(wanted.spec, "name")
        };
        let missing = wanted.iter().filter(|wanted| !found.iter().any(|live| is(live, wanted)));
        let names: BTreeSet<&str> = missing.map(|wanted| text(wanted.spec, "name")).collect();
        if !names.is_empty() {
            let namesakes = namesakes(context, &names).await?;
            let new = namesakes.iter().map(String::as_str).filter(|id| !known.contains_key(*id));
            known = described(context, new).await?;
            found.extend(known.values().filter_map(|application| read(context, application)));
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut input = settings(&spec);
        input["name"] = json!(spec.name);
        if let Some(image) = &spec.image {
            input["imageConfiguration"] = json!({"imageUri": image});
        }
        input["type"] = json!("SPARK");
        input["clientToken"] = json!(tags::client_token(context, address, &spec));
        input["tags"] = tags::object(context, address);
        let made = call(context, "CreateApplication", input).await?;
        let id = text(&made, "applicationId");
        let what = format!("the EMR application {id} is not made");
        let application = wait::until(context, CHANGED, &what, || async {
            let Some(application) = describe(context, id).await? else { return Ok(None) };
            match text(&application, "state") {
                "CREATING" => Ok(None),
                "TERMINATED" => bail!("EMR gave {id} up: {}", text(&application, "stateDetails")),
                _ => Ok(Some(application)),
            }
        })
        .await?;
        Ok(outcome(&application))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let gone = || anyhow!("the EMR application {} is gone", live.id);
        let before = describe(context, &live.id).await?.ok_or_else(gone)?;
        let mut input = settings(&spec);
        // An image configuration without an image takes the image away.
        input["imageConfiguration"] = spec.image.as_ref().map_or_else(|| json!({}), |image| json!({"imageUri": image}));
        let started = ["STARTING", "STARTED"].contains(&text(&before, "state"));
        let stays = started && changed.iter().all(|name| WHILE_STARTED.contains(&name.as_str()));
        if stays {
            let taken = ["maximumCapacity", "imageConfiguration"];
            input.as_object_mut().expect("settings are an object").retain(|name, _| taken.contains(&name.as_str()));
        }
        input["applicationId"] = json!(live.id);
        let what = format!("the EMR application {} is started again and again", live.id);
        let updated = wait::until(context, CHANGED, &what, || async {
            if !stays && stopped(context, &live.id).await?.is_none() {
                return Err(gone());
            }
            let mut input = input.clone();
            input["clientToken"] = json!(uuid::Uuid::new_v4().to_string());
            let error = match call(context, "UpdateApplication", input).await {
                Ok(mut updated) => return Ok(Some(updated["application"].take())),
                Err(error) => error,
            };
            // A job may have started it in between.
            if !stays && error.kind == ErrorKind::Invalid && is_started(context, &live.id).await? {
                return Ok(None);
            }
            Err(error.into())
        })
        .await?;
        if started && !stays {
            call(context, "StartApplication", json!({"applicationId": live.id})).await?;
        }
        Ok(outcome(&updated))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        if stopped(context, &live.id).await?.is_none() {
            return Ok(());
        }
        wait::found(call(context, "DeleteApplication", json!({"applicationId": live.id})).await)?;
        wait::until(context, CHANGED, &format!("the EMR application {} is still there", live.id), || async {
            let application = describe(context, &live.id).await?;
            Ok(application.is_none_or(|application| text(&application, "state") == "TERMINATED").then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let id = id.rsplit('/').next().unwrap_or(id);
        let Some(application) = describe(context, id).await? else { return Ok(None) };
        if !text(&application, "type").eq_ignore_ascii_case("spark") {
            bail!("{id} runs {}; a stack's applications run Spark", text(&application, "type"));
        }
        Ok(read(context, &tags::claim_object(context, address, id, application, "tags")?))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let arn = outcome.outputs.get("arn").map(String::as_str).unwrap_or_default();
        call(context, "TagResource", json!({"resourceArn": arn, "tags": tags::map(tags)})).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::EmrServerless, operation, input).await
}

fn settings(spec: &Spec) -> Value {
    let Limits { vcpu, memory_gb, disk_gb } = spec.limits;
    let limits = json!({
        "cpu": format!("{vcpu} vCPU"),
        "memory": format!("{memory_gb} GB"),
        "disk": format!("{disk_gb} GB"),
    });
    json!({
        "releaseLabel": spec.release_label,
        "architecture": spec.architecture,
        "maximumCapacity": limits,
        "autoStartConfiguration": {"enabled": true},
        "autoStopConfiguration": {"enabled": true, "idleTimeoutMinutes": spec.idle_minutes},
        "networkConfiguration": {"subnetIds": spec.subnets, "securityGroupIds": spec.security_groups},
    })
}

async fn describe(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = call(context, "GetApplication", json!({"applicationId": id})).await;
    Ok(wait::found(answer)?.map(|mut answer| answer["application"].take()))
}

/// The applications with these ids that are there.
async fn described<'a>(context: &Context, ids: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, Value>> {
    let reads = ids.map(async |id| Ok::<_, anyhow::Error>((id.to_owned(), describe(context, id).await?)));
    let all = try_join_all(reads).await?.into_iter();
    Ok(all.filter_map(|(id, application)| Some((id, application?))).collect())
}

/// The ids of the living applications of these names, whoever they belong to: the list has no tags.
async fn namesakes(context: &Context, names: &BTreeSet<&str>) -> Result<Vec<String>> {
    let mut input = json!({"maxResults": 50, "states": LIVING});
    let mut ids = Vec::new();
    loop {
        let page = call(context, "ListApplications", input.clone()).await?;
        let named = list(&page, "applications").iter().filter(|one| names.contains(text(one, "name")));
        ids.extend(named.map(|application| text(application, "id").to_owned()));
        match text(&page, "nextToken") {
            "" => return Ok(ids),
            next => input["nextToken"] = json!(next),
        }
    }
}

async fn is_started(context: &Context, id: &str) -> Result<bool> {
    let application = describe(context, id).await?;
    Ok(application.is_some_and(|application| ["STARTING", "STARTED"].contains(&text(&application, "state"))))
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

/// Stops an application and waits until it stands still; none if it is gone.
async fn stopped(context: &Context, id: &str) -> Result<Option<Value>> {
    wait::until(context, CHANGED, &format!("the EMR application {id} doesn't stop"), || async {
        let Some(application) = describe(context, id).await? else { return Ok(Some(None)) };
        match text(&application, "state") {
            "TERMINATED" => Ok(Some(None)),
            "CREATED" | "STOPPED" => Ok(Some(Some(application))),
            "STARTED" => match call(context, "StopApplication", json!({"applicationId": id})).await {
                Ok(_) => Ok(None),
                // Jobs haven't ended yet.
                Err(error) if error.kind == ErrorKind::WrongState => Ok(None),
                Err(error) => Err(error.into()),
            },
            _ => Ok(None),
        }
    })
    .await
}

fn outcome(application: &Value) -> Outcome {
    let (arn, id, name) = (text(application, "arn"), text(application, "applicationId"), text(application, "name"));
    tags::outcome(id, &[("arn", arn), ("id", id), ("name", name)])
}

fn read(context: &Context, application: &Value) -> Option<Live> {
    let tags = tags::of_object(&application["tags"]);
    let address = tags::address(context, "emr_application", &tags)?;
    let state = text(application, "state");
    if state == "TERMINATED" {
        return None;
    }
    let capacity = &application["maximumCapacity"];
    // `16 vCPU`, `64 GB`
    let amount = |name: &str| text(capacity, name).split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default();
    let stop = &application["autoStopConfiguration"];
    let network = &application["networkConfiguration"];
    let (arn, id, name) = (text(application, "arn"), text(application, "applicationId"), text(application, "name"));
    let spec = Spec {
        name: name.to_owned(),
        release_label: text(application, "releaseLabel").to_owned(),
        architecture: text(application, "architecture").to_owned(),
        limits: Limits { vcpu: amount("cpu"), memory_gb: amount("memory"), disk_gb: amount("disk") },
        idle_minutes: if stop["enabled"] == false { 0 } else { number(stop, "idleTimeoutMinutes") },
        subnets: texts(network, "subnetIds"),
        security_groups: texts(network, "securityGroupIds"),
        image: some_text(&application["imageConfiguration"], "imageUri"),
    };
    let mut live = tags::live(address, &tags, id, value(&spec), &[("arn", arn), ("id", id), ("name", name)]);
    if state == "CREATING" {
        live.condition = Condition::Pending(state.to_owned());
    }
    Some(live)
}
