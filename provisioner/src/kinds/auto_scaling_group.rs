//! `auto_scaling_group`: keeps a number of hosts alive.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, typed, value};
use super::tags;
use super::wait;
use super::wire::number;
use crate::cost::{Charge, Cost, Others};
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Condition, Live};

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
/// How long the replacement of all hosts may take.
const REFRESHED: Duration = Duration::from_hours(2);

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
        let input = json!({"Filters": [{"Name": format!("tag:{}", tags::STACK), "Values": [context.stack]}]});
        let groups = groups(context, input).await?;
        Ok(groups.iter().filter_map(|group| read(context, group)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut input = spec.input();
        input["Tags"] =
            tags::own(context, address).into_iter().map(|(key, value)| tag(&spec.name, key, &value)).collect();
        // AWS checks template, profile and images now, and may not know yet what was made a moment ago.
        let unseen = |error: &Error| error.is_not_found() || wait::not_yet(error) || error.is_busy();
        let patience = context.poll * 5;
        let call = || context.aws.call(Service::AutoScaling, "CreateAutoScalingGroup", input.clone());
        match wait::while_refused(context, patience, unseen, call).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let namesake = described(context, &spec.name).await?;
                if namesake.as_ref().and_then(|group| owner(context, group)).as_ref() != Some(address) {
                    let tags = namesake.map(|group| tags::of(list(&group, "Tags"))).unwrap_or_default();
                    return Err(tags::taken(error, &format!("the auto-scaling group {}", spec.name), &tags));
                }
            }
            Err(error) => return Err(error.into()),
        }
        let group =
            wait::until(context, REFUSED, &format!("{} is not listed", spec.name), || described(context, &spec.name))
                .await?;
        Ok(outcome(&group))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let mut input = spec.input();
        let others = ["launch_template", "launch_template_version"];
        let started_anew = changed.iter().any(|name| others.contains(&name.as_str()));
        // The refresh gives the group its template when every host has it: one that was interrupted is still to be seen.
        let refreshes = started_anew && spec.refresh != Refreshing::Never && spec.desired > 0;
        if refreshes {
            input.as_object_mut().expect("an input is an object").shift_remove("LaunchTemplate");
        }
        if !refreshes || changed.iter().any(|name| !others.contains(&name.as_str())) {
            let call = || context.aws.call(Service::AutoScaling, "UpdateAutoScalingGroup", input.clone());
            wait::while_refused(context, REFUSED, Error::is_busy, call).await?;
        }
        if refreshes {
            refresh(context, &spec).await?;
        }
        let Some(group) = described(context, &spec.name).await? else { bail!("{} is gone", live.id) };
        Ok(outcome(&group))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        // AWS has no code for a group that isn't there: the list tells.
        let Some(group) = described(context, &live.id).await? else { return Ok(()) };
        if text(&group, "Status").is_empty() {
            let input = json!({"AutoScalingGroupName": live.id, "ForceDelete": true});
            let call = || context.aws.call(Service::AutoScaling, "DeleteAutoScalingGroup", input.clone());
            wait::while_refused(context, REFUSED, Error::is_busy, call).await?;
        }
        wait::until(context, GONE, &format!("{} is still there", live.id), || async {
            Ok(described(context, &live.id).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(group) = described(context, name).await? else { return Ok(None) };
        Ok(read(context, &tags::claim(context, address, id, group, "Tags")?))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let tags: Vec<Value> = tags.iter().map(|(key, value)| tag(&outcome.id, key, value)).collect();
        let input = json!({"Tags": tags});
        context.aws.call(Service::AutoScaling, "CreateOrUpdateTags", input).await?;
        Ok(())
    }
}

impl Spec {
    fn template(&self) -> Value {
        json!({"LaunchTemplateId": self.launch_template, "Version": self.launch_template_version})
    }

    fn input(&self) -> Value {
        json!({
            "AutoScalingGroupName": self.name,
            "LaunchTemplate": self.template(),
            "VPCZoneIdentifier": self.subnets.join(","),
            "MinSize": self.min,
            "MaxSize": self.max,
            "DesiredCapacity": self.desired,
            "HealthCheckType": "EC2",
            "HealthCheckGracePeriod": self.grace_seconds,
        })
    }
}

/// Replaces the hosts that aren't of the spec's launch template, and waits until the group is.
async fn refresh(context: &Context, spec: &Spec) -> Result<()> {
    let (least, most) = match spec.refresh {
        Refreshing::TerminateFirst => (0, 100),
        _ => (100, 200),
    };
    let input = json!({
        "AutoScalingGroupName": spec.name,
        "Strategy": "Rolling",
        "DesiredConfiguration": {"LaunchTemplate": spec.template()},
        "Preferences": {
            "MinHealthyPercentage": least,
            "MaxHealthyPercentage": most,
            // Hosts that were started since are left alone.
            "SkipMatching": true,
        },
    });
    // One that an interrupted apply began, or somebody, is waited for.
    let call = || context.aws.call(Service::AutoScaling, "StartInstanceRefresh", input.clone());
    let started = wait::while_refused(context, REFRESHED, Error::is_busy, call).await?;
    let id = text(&started, "InstanceRefreshId");
    let what = format!("the hosts of {} are still being replaced", spec.name);
    wait::until(context, REFRESHED, &what, || async {
        let input = json!({"AutoScalingGroupName": spec.name, "InstanceRefreshIds": [id]});
        let answer = context.aws.call(Service::AutoScaling, "DescribeInstanceRefreshes", input).await?;
        let Some(refresh) = list(&answer, "InstanceRefreshes").first() else { return Ok(None) };
        match text(refresh, "Status") {
            "Successful" => Ok(Some(())),
            "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful" => {
                bail!("the hosts of {} were not replaced: {}", spec.name, text(refresh, "StatusReason"))
            }
            _ => Ok(None),
        }
    })
    .await
}

/// A tag of a group; hosts get their own from the launch template.
fn tag(group: &str, key: &str, value: &str) -> Value {
    json!({
        "ResourceId": group,
        "ResourceType": "auto-scaling-group",
        "Key": key,
        "Value": value,
        "PropagateAtLaunch": false,
    })
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

async fn groups(context: &Context, mut input: Value) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let answer = context.aws.call(Service::AutoScaling, "DescribeAutoScalingGroups", input.clone()).await?;
        all.extend_from_slice(list(&answer, "AutoScalingGroups"));
        match text(&answer, "NextToken") {
            "" => return Ok(all),
            next => input["NextToken"] = json!(next),
        }
    }
}

async fn described(context: &Context, name: &str) -> Result<Option<Value>> {
    Ok(groups(context, json!({"AutoScalingGroupNames": [name]})).await?.into_iter().next())
}

fn owner(context: &Context, group: &Value) -> Option<Address> {
    tags::address(context, "auto_scaling_group", &tags::of(list(group, "Tags")))
}

fn outcome(group: &Value) -> Outcome {
    let name = text(group, "AutoScalingGroupName");
    tags::outcome(name, &[("name", name), ("arn", text(group, "AutoScalingGroupARN"))])
}

fn read(context: &Context, group: &Value) -> Option<Live> {
    let address = owner(context, group)?;
    let (name, template) = (text(group, "AutoScalingGroupName"), &group["LaunchTemplate"]);
    let spec = Spec {
        name: name.to_owned(),
        launch_template: text(template, "LaunchTemplateId").to_owned(),
        launch_template_version: text(template, "Version").to_owned(),
        subnets: text(group, "VPCZoneIdentifier").split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        min: number(group, "MinSize"),
        max: number(group, "MaxSize"),
        desired: number(group, "DesiredCapacity"),
        grace_seconds: number(group, "HealthCheckGracePeriod"),
        refresh: Refreshing::Never,
    };
    let outputs = [("name", name), ("arn", text(group, "AutoScalingGroupARN"))];
    let mut live = tags::live(address, &tags::of(list(group, "Tags")), name, value(&spec), &outputs);
    if !text(group, "Status").is_empty() {
        live.condition = Condition::Pending(text(group, "Status").to_owned());
    }
    Some(live)
}
