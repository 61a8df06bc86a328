//! `auto_scaling_group`: keeps a number of hosts alive.

mod refresh;
mod wire;

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::refresh::refresh;
use self::wire::{create, described, groups_of_stack, outcome, owner, read, tag, update};
use super::spec::{compared, describes, differs, in_place, replaces, typed};
use super::{tag_lists, tags, wait};
use crate::cost::{Charge, Cost, Others};
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// Keeps a number of hosts alive: one that dies is replaced by a new one from the launch template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// The launch template's id, `${launch_template.app.id}`.
    #[schemars(regex(pattern = r"^lt-[0-9a-f]+$"))]
    pub launch_template: String,
    /// The version of the launch template that new hosts get: a number, `$Default` or `$Latest`. Default: `$Default`.
    #[serde(default = "default_version")]
    #[schemars(regex(pattern = r"^(\d+|\$Latest|\$Default)$"))]
    pub launch_template_version: String,
    /// The ids of the subnets that hosts are started in, `${subnet.a.id}`.
    #[schemars(inner(regex(pattern = r"^subnet-[0-9a-f]+$")))]
    pub subnets: Vec<String>,
    /// How many hosts at least.
    pub min: u32,
    /// How many hosts at most.
    pub max: u32,
    /// How many hosts are wanted.
    pub desired: u32,
    /// How many seconds after its start a host's health first counts. Default: 300.
    #[serde(default = "five_minutes")]
    pub grace_seconds: u32,
    /// What becomes of hosts that run when the launch template or its version changes here: `never`, they stay;
    /// `launch_first`, each is replaced once a new one runs; `terminate_first`, each ends before the new one starts. The version
    /// must be a number then, `${launch_template.app.version}`. Default: `never`.
    #[serde(default)]
    pub refresh: Refreshing,
}

/// How a group's hosts are replaced by new ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refreshing {
    /// Not at all.
    #[default]
    Never,
    /// The new one runs before the old one ends.
    LaunchFirst,
    /// The old one ends before the new one starts: both can't have what there is one of.
    TerminateFirst,
}

fn default_version() -> String {
    "$Default".to_owned()
}

fn five_minutes() -> u32 {
    300
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("launch_template"),
    in_place("launch_template_version"),
    compared(in_place("subnets"), Comparing::AsSet),
    in_place("min"),
    in_place("max"),
    in_place("desired"),
    in_place("grace_seconds"),
    // It isn't the group's on AWS: it says how updates are made.
    compared(in_place("refresh"), Comparing::Never),
];
const OUTPUTS: &[&str] = &["name", "arn"];
const ACTIONS: &[&str] = &[
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:DescribeInstanceRefreshes",
    "autoscaling:CreateOrUpdateTags",
    "iam:CreateServiceLinkedRole",
    // Hosts are started in the caller's name.
    "ec2:RunInstances",
    "ec2:DescribeImages",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct AutoScalingGroup;

/// How long hosts may take to go.
const GONE: Duration = Duration::from_mins(30);
/// How long a group's running activity may keep it from being changed, or a new profile or template unseen.
const REFUSED: Duration = Duration::from_mins(5);

/// What so many hosts of a launch template are billed for.
fn hosts_of(template: &Value, hosts: f64) -> Vec<Charge> {
    let text = |name: &str| template[name].as_str().unwrap_or_default();
    let gib = template["volume_gib"].as_f64().unwrap_or_default();
    let mut charges = vec![
        Charge::hours(format!("ec2.{}.hour", text("instance_type")), hosts),
        Charge::new(format!("ebs.{}.gib_month", text("volume_type")), hosts * gib),
    ];
    if template["detailed_monitoring"] == true {
        // The seven metrics of an instance.
        charges.push(Charge::new("cloudwatch.metric.month", hosts * 7.0));
    }
    charges
}

#[async_trait]
impl Kind for AutoScalingGroup {
    describes!("auto_scaling_group", "keeps a number of hosts alive", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Unknown("what its hosts cost follows from a launch template that isn't the stack's")
    }

    fn cost_among(&self, spec: &Value, others: &Others<'_>) -> Cost {
        let text = |name: &str| spec[name].as_str().unwrap_or_default();
        let Some(template) = others.spec("launch_template", text("launch_template")) else { return self.cost(spec) };
        let hosts = spec["desired"].as_f64().unwrap_or_default();
        let mut charges = hosts_of(template, hosts);
        let subnets = spec["subnets"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if subnets.filter_map(|id| others.spec("subnet", id)).any(|subnet| subnet["public_addresses"] == true) {
            charges.push(Charge::hours("public_ipv4.hour", hosts));
        }
        Cost::Billed {
            charges,
            by_use: "the bytes that leave the zone, and bursts of t instances beyond their credits",
        }
    }

    /// The group's hosts stand in subnets and security groups until they are gone.
    fn occupies(&self) -> &'static [&'static str] {
        &["vpc", "subnet", "security_group", "volume"]
    }

    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(5), Duration::from_secs(5), Duration::from_mins(3)]
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let count = |spec: &Value, name: &str| spec[name].as_u64().unwrap_or_default();
        let fewer = count(live, "desired").saturating_sub(count(spec, "desired"));
        let sentence = match action {
            Action::Replace if self.coexists(live, spec) => {
                "its hosts and the agents on them end once the new group's have been started".to_owned()
            }
            Action::Replace => "its hosts and the agents on them stop until the new ones have booted".to_owned(),
            Action::Delete => "its hosts and the agents on them stop for good".to_owned(),
            Action::Update if fewer > 0 => format!("{fewer} of its hosts end, and the agents on them"),
            Action::Update
                if changed.iter().any(|name| ["launch_template", "launch_template_version"].contains(name)) =>
            {
                match typed::<Spec>(spec).map(|spec| spec.refresh) {
                    Ok(Refreshing::LaunchFirst) => {
                        return vec!["its hosts are replaced one after another, each once a new one runs".to_owned()];
                    }
                    Ok(Refreshing::TerminateFirst) => {
                        return vec![
                            "its hosts are replaced one after another; each and its agents are away until the new one has booted"
                                .to_owned(),
                        ];
                    }
                    _ => {}
                }
                "hosts that run keep what they were started as until they are replaced".to_owned()
            }
            Action::Update if changed.contains(&"subnets") => {
                "hosts in subnets that it leaves are replaced one after another".to_owned()
            }
            _ => return Vec::new(),
        };
        vec![sentence]
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let groups = groups_of_stack(context).await?;
        let live: Result<Vec<_>> = groups.iter().map(|group| read(context, group)).collect();
        Ok(live?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let tags = tags::own(context, address).iter().map(|(key, value)| tag(&spec.name, key, value)).collect();
        let call = create(context, &spec)?.set_tags(Some(tags));
        // AWS checks template, profile and images now, and may not know yet what was made a moment ago.
        let unseen = |error: &Error| error.is_not_found() || wait::not_yet(error) || error.is_busy();
        let patience = context.poll * 5;
        match wait::while_refused(context, patience, unseen, || ask(call.clone().send())).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let namesake = described(context, &spec.name).await?;
                if namesake.as_ref().and_then(|group| owner(context, group)).as_ref() != Some(address) {
                    let tags = namesake.map(|group| tag_lists::read(group.tags())).unwrap_or_default();
                    return Err(tags::taken(error, &format!("the auto-scaling group {}", spec.name), &tags));
                }
            }
            Err(error) => return Err(error.into()),
        }
        let group =
            wait::until(context, REFUSED, &format!("{} is not listed", spec.name), || described(context, &spec.name))
                .await?;
        outcome(&group)
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let others = ["launch_template", "launch_template_version"];
        let started_anew = changed.iter().any(|name| others.contains(&name.as_str()));
        // The refresh gives the group its template when every host has it: one that was interrupted is still to be seen.
        let refreshes = started_anew && spec.refresh != Refreshing::Never && spec.desired > 0;
        if !refreshes || changed.iter().any(|name| !others.contains(&name.as_str())) {
            let template = (!refreshes).then(|| wire::template(&spec));
            let call = update(context, &spec)?.set_launch_template(template);
            wait::while_refused(context, REFUSED, Error::is_busy, || ask(call.clone().send())).await?;
        }
        if refreshes {
            refresh(context, &spec).await?;
        }
        let Some(group) = described(context, &spec.name).await? else { bail!("{} is gone", live.id) };
        outcome(&group)
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        // AWS has no code for a group that isn't there: the list shows it.
        let Some(group) = described(context, &live.id).await? else { return Ok(()) };
        if group.status().is_none() {
            let call = context.aws.auto_scaling().delete_auto_scaling_group();
            let call = call.auto_scaling_group_name(&live.id).force_delete(true);
            wait::while_refused(context, REFUSED, Error::is_busy, || ask(call.clone().send())).await?;
        }
        wait::until(context, GONE, &format!("{} is still there", live.id), || async {
            Ok(described(context, &live.id).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(mut group) = described(context, name).await? else { return Ok(None) };
        let claimed = tags::claimed(context, address, id, tag_lists::read(group.tags()))?;
        group.tags = Some(tag_lists::listed(&claimed));
        read(context, &group)
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let tags = tags.iter().map(|(key, value)| tag(&outcome.id, key, value)).collect();
        ask(context.aws.auto_scaling().create_or_update_tags().set_tags(Some(tags)).send()).await?;
        Ok(())
    }
}

fn canonical(spec: &mut Spec) -> Result<()> {
    if spec.min > spec.desired || spec.desired > spec.max {
        bail!("`desired` is {}, which is not within {} to {}", spec.desired, spec.min, spec.max);
    }
    if spec.refresh != Refreshing::Never
        && spec.launch_template_version.starts_with("$D") | spec.launch_template_version.starts_with("$L")
    {
        bail!(
            "`launch_template_version` is {}: to refresh hosts it must be the number, ${{launch_template.NAME.version}}",
            spec.launch_template_version
        );
    }
    Ok(())
}
