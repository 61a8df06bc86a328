//! `auto_scaling_group`: keeps a number of hosts alive.

mod hosts;
mod refresh;
mod suspended;
mod wire;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::refresh::refresh;
use self::suspended::{ENDING, SUSPENDED, resume, stopped};
use self::wire::{create, described, groups_of_stack, named_tag, outcome, owner, read, tag, update};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{NO_CONTROL, SubnetId, none_of, text};
use super::{launch_template, subnet, tag_lists, wait};
use crate::charge::{Charge, Cost, Others};
use crate::families::processors;
use crate::kind::{Arn, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Quota, Share, Step, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// A launch template's id, `lt-0123456789abcdef0`.
    LaunchTemplateId,
    r"^lt-[0-9a-f]{1,17}$"
);
text!(
    /// A version of a launch template: a number, `$Default` or `$Latest`.
    TemplateVersion,
    r"^([0-9]{1,19}|\$Latest|\$Default)$"
);

/// Keeps a number of hosts alive: one that dies is replaced by a new one from the launch template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(length(min = 1, max = 255), extend("not" = none_of(&[NO_CONTROL])))]
    pub name: String,
    /// The launch template's id, `${launch_template.app.id}`.
    pub launch_template: LaunchTemplateId,
    /// The version of the launch template that new hosts get: a number, `$Default` or `$Latest`. Default: `$Default`.
    #[serde(default = "default_version")]
    pub launch_template_version: TemplateVersion,
    /// The ids of the subnets that hosts are started in, `${subnet.a.id}`.
    pub subnets: Vec<SubnetId>,
    /// How many hosts at least.
    pub min_size: u32,
    /// How many hosts at most.
    pub max_size: u32,
    /// How many hosts are wanted.
    pub desired_capacity: u32,
    /// How many seconds after its start a host's health first counts. Default: 300.
    #[serde(default = "five_minutes")]
    pub health_check_grace_seconds: u32,
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

fn default_version() -> TemplateVersion {
    "$Default".into()
}

fn five_minutes() -> u32 {
    300
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("launch_template"),
    in_place("launch_template_version"),
    compared(in_place("subnets"), Comparing::AsSet),
    in_place("min_size"),
    in_place("max_size"),
    in_place("desired_capacity"),
    in_place("health_check_grace_seconds"),
    // It isn't the group's on AWS: it says how updates are made.
    compared(in_place("refresh"), Comparing::Never),
];
const OUTPUTS: &[&str] = &["name", "arn"];
const ACTIONS: &[&str] = &[
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:ResumeProcesses",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:DescribeInstanceRefreshes",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:DeleteTags",
    "iam:CreateServiceLinkedRole",
    // Hosts are started in the caller's name.
    "ec2:RunInstances",
    "ec2:DescribeImages",
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "ec2:DescribeVolumes",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("group", "autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}")];
const FACTS: Facts = Facts {
    // The group's hosts stand in subnets and security groups until they are gone.
    occupies: &["vpc", "subnet", "security_group", "volume"],
    expected: [Duration::from_secs(5), Duration::from_secs(5), Duration::from_mins(3)],
    renamed_fields: &[
        ("min", "min_size"),
        ("max", "max_size"),
        ("desired", "desired_capacity"),
        ("grace_seconds", "health_check_grace_seconds"),
    ],
    identified_by: &["name"],
    tag_types: &["ec2:instance", "ec2:volume"],
    quota: Some(Quota::Processors),
    arns: ARNS,
    linked_roles: &["autoscaling.amazonaws.com"],
    rights: super::rights::network::GROUPS_OF_HOSTS,
    follows: &[(&[Action::Delete], "its hosts and the agents on them stop for good")],
    ..Facts::of("auto_scaling_group", "keeps a number of hosts alive", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct AutoScalingGroup;

/// How long hosts may take to go.
const GONE: Duration = Duration::from_mins(30);
/// How long a group's running activity may keep it from being changed, or a new profile or template unseen.
const REFUSED: Duration = Duration::from_mins(5);
/// How long what a group is made of may be unseen.
const UNSEEN: Duration = Duration::from_secs(25);

/// What so many hosts of a launch template are billed for.
fn hosts_of(template: &launch_template::Spec, hosts: f64) -> Vec<Charge> {
    let mut charges = vec![
        Charge::hours(format!("ec2.{}.hour", template.instance_type), hosts),
        Charge::new(format!("ebs.{}.gib_month", template.volume_type), hosts * f64::from(template.volume_size_gib)),
    ];
    if template.detailed_monitoring {
        // The seven metrics of an instance.
        charges.push(Charge::new("cloudwatch.metric.month", hosts * 7.0));
    }
    charges
}

#[async_trait]
impl Kind for AutoScalingGroup {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if spec.min_size > spec.desired_capacity || spec.desired_capacity > spec.max_size {
            let Spec { min_size, max_size, desired_capacity, .. } = spec;
            bail!("`desired_capacity` is {desired_capacity}, which is not within {min_size} to {max_size}");
        }
        let version = spec.launch_template_version.as_str();
        if spec.refresh != Refreshing::Never && ["$Default", "$Latest"].contains(&version) {
            bail!(
                "`launch_template_version` is {version}: to refresh hosts it must be the number, \
                 ${{launch_template.NAME.version}}"
            );
        }
        Ok(())
    }

    fn cost(&self, _spec: &Spec) -> Cost {
        Cost::Unknown("what its hosts cost follows from a launch template that isn't the stack's")
    }

    fn cost_among(&self, spec: &Spec, others: &Others<'_>) -> Cost {
        let Some(template) = others.spec("launch_template", &spec.launch_template) else { return self.cost(spec) };
        let Ok(template) = launch_template::Spec::deserialize(template) else {
            return Cost::Unknown("its launch template can't be read: another version of lakewright wrote it");
        };
        let hosts = f64::from(spec.desired_capacity);
        let mut charges = hosts_of(&template, hosts);
        let subnets = spec.subnets.iter().filter_map(|id| others.spec("subnet", id));
        if subnets.flat_map(subnet::Spec::deserialize).any(|subnet| subnet.map_public_ip_on_launch) {
            charges.push(Charge::hours("public_ipv4.hour", hosts));
        }
        Cost::Billed {
            charges,
            by_use: "the bytes that leave the zone, and bursts of t instances beyond their credits",
        }
    }

    fn share(&self, spec: &Spec, others: &Others<'_>) -> Share {
        let template = others.spec("launch_template", &spec.launch_template);
        let template = template.and_then(|template| launch_template::Spec::deserialize(template).ok());
        let each = template.map_or(0.0, |template| processors(&template.instance_type));
        Share::of(f64::from(spec.desired_capacity) * each)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let both = step.live.zip(step.spec);
        let fewer = both.map_or(0, |(live, spec)| live.desired_capacity.saturating_sub(spec.desired_capacity));
        let sentence = match step.action {
            Action::Replace if both.is_some_and(|(live, spec)| self.coexists(live, spec)) => {
                "its hosts and the agents on them end once the new group's have been started".to_owned()
            }
            Action::Replace => "its hosts and the agents on them stop until the new ones have booted".to_owned(),
            Action::Update if fewer > 0 => format!("{fewer} of its hosts end, and the agents on them"),
            Action::Update if step.updates("launch_template") || step.updates("launch_template_version") => {
                let sentence = match step.spec.map(|spec| spec.refresh) {
                    Some(Refreshing::LaunchFirst) => {
                        "its hosts are replaced one after another, each once a new one runs"
                    }
                    Some(Refreshing::TerminateFirst) => {
                        "its hosts are replaced one after another; each and its agents are away until the new one has \
                         booted"
                    }
                    _ => "hosts that run keep what they were started as until they are replaced",
                };
                sentence.to_owned()
            }
            Action::Update if step.updates("subnets") => {
                "hosts in subnets that it leaves are replaced one after another".to_owned()
            }
            _ => String::new(),
        };
        let resumed = "what was suspended goes on: hosts are started, ended and replaced again".to_owned();
        let resumed = step.updates(SUSPENDED).then_some(resumed);
        resumed.into_iter().chain(Some(sentence).filter(|sentence| !sentence.is_empty())).collect()
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let groups = groups_of_stack(context).await?;
        let mut parts = hosts::of_groups(context, &groups).await?;
        let found: Result<Vec<_>> = groups.iter().map(|group| read(context, group)).collect();
        let mut found: Vec<Found<Spec>> = found?.into_iter().flatten().collect();
        for group in &mut found {
            group.parts = parts.remove(&group.id).unwrap_or_default();
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let tags = tags::own(context, address).iter().map(|(key, value)| tag(&spec.name, key, value)).collect();
        let call = create(context, spec)?.set_tags(Some(tags));
        // AWS checks template, profile and images now, and may not know yet what was made a moment ago.
        let unseen = |error: &Error| error.is_not_found() || wait::not_yet(error) || error.is_busy();
        let patience = context.pace.patience(UNSEEN);
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

    async fn update(&self, context: &Context, Delta { live, spec, changed }: Delta<'_, Spec>) -> Result<Outcome> {
        let others = ["launch_template", "launch_template_version"];
        let (resumes, changed): (Vec<&str>, Vec<&str>) =
            changed.iter().map(String::as_str).partition(|name| *name == SUSPENDED);
        let started_anew = changed.iter().any(|name| others.contains(name));
        // The refresh gives the group its template when every host has it: one that was interrupted is still to be seen.
        let refreshes = started_anew && spec.refresh != Refreshing::Never && spec.desired_capacity > 0;
        let updates = if refreshes { changed.iter().any(|name| !others.contains(name)) } else { !changed.is_empty() };
        if updates {
            let template = (!refreshes).then(|| wire::template(spec));
            let call = update(context, spec)?.set_launch_template(template);
            wait::while_refused(context, REFUSED, Error::is_busy, || ask(call.clone().send())).await?;
        }
        // No host is started or ended that the new sizes don't ask for, and none can be replaced before.
        if !resumes.is_empty() {
            resume(context, &spec.name, &[]).await?;
        }
        if refreshes {
            refresh(context, spec).await?;
        }
        let Some(group) = described(context, &spec.name).await? else { bail!("{} is gone", live.id) };
        outcome(&group)
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        // AWS has no code for a group that isn't there: the list shows it.
        let Some(group) = described(context, &live.id).await? else { return Ok(()) };
        if group.status().is_none() {
            // A group that ends no hosts stays for ever.
            if suspended::among(&group, ENDING).next().is_some() {
                resume(context, &live.id, ENDING).await?;
            }
            let call = context.aws.auto_scaling().delete_auto_scaling_group();
            let call = call.auto_scaling_group_name(&live.id).force_delete(true);
            wait::while_refused(context, REFUSED, Error::is_busy, || ask(call.clone().send())).await?;
        }
        let began = Instant::now();
        wait::until(context, GONE, &format!("{} is still there", live.id), || async {
            let Some(group) = described(context, &live.id).await? else { return Ok(Some(())) };
            stopped(context, &group, ENDING, began)?;
            Ok(None)
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
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

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let tags = keys.iter().map(|key| named_tag(&outcome.id, key).build()).collect();
        ask(context.aws.auto_scaling().delete_tags().set_tags(Some(tags)).send()).await?;
        Ok(())
    }

    async fn tag_parts(&self, context: &Context, outcome: &Outcome, tags: &Tags, gone: &[&str]) -> Result<()> {
        hosts::tag(context, &outcome.id, tags, gone).await
    }
}
