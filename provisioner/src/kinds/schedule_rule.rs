//! `schedule_rule`: an EventBridge rule that calls its targets by the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::spec::{describes, differs, in_place, replaces, typed, value, yes};
use super::tags::{self, Tags};
use super::wire::some_text;
use super::{tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

/// A rule on the default bus that calls its targets by the clock. Its targets are what stands here: any other is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub description: String,
    /// When: `rate(5 minutes)`, `rate(1 hour)` or `cron(0 10 * * ? *)`, in UTC.
    #[schemars(regex(pattern = r"^(rate|cron)\(.{1,240}\)$"))]
    pub schedule: String,
    /// Whether it calls at all. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is called, by ids of your own; five at most.
    pub targets: BTreeMap<String, Target>,
}

/// What a rule calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its ARN, `${function.hello.arn}`. A function must let `events.amazonaws.com` invoke it.
    pub arn: String,
    /// The JSON text that it is called with. Default: the event of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The ARN of the role that EventBridge acts as, for targets without permissions of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What else was set on a target by somebody; nothing can be declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
}

const FIELDS: &[Field] =
    &[replaces("name"), in_place("description"), in_place("schedule"), in_place("enabled"), in_place("targets")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "events:PutRule",
    "events:DescribeRule",
    "events:ListRules",
    "events:DeleteRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:ListTargetsByRule",
    "events:ListTagsForResource",
    "events:TagResource",
    "iam:PassRole",
    "tag:GetResources",
];

/// How long two changes of one rule may be in each other's way.
const CHANGED: Duration = Duration::from_mins(2);

/// The kind.
#[derive(Debug)]
pub struct ScheduleRule;

/// The schedule of so many milliseconds, which are whole minutes.
pub fn rate(milliseconds: u64) -> String {
    let minutes = (milliseconds / 60_000).max(1);
    let (number, unit) = match minutes {
        _ if minutes.is_multiple_of(1440) => (minutes / 1440, "day"),
        _ if minutes.is_multiple_of(60) => (minutes / 60, "hour"),
        _ => (minutes, "minute"),
    };
    format!("rate({number} {unit}{})", if number == 1 { "" } else { "s" })
}

fn canonical(spec: &mut Spec) -> Result<()> {
    let legal = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (1..=64).contains(&name.len()) && name.chars().all(fits)
    };
    if !spec.name.contains("${") && !legal(&spec.name) {
        bail!("a rule can't be named `{}`: only letters, digits, `.`, `-` and `_`, 64 at most", spec.name);
    }
    if !is_schedule(&spec.schedule) {
        bail!("`{}` is no schedule; write it as in rate(5 minutes), rate(1 hour) or cron(0 10 * * ? *)", spec.schedule);
    }
    if spec.targets.is_empty() || spec.targets.len() > 5 {
        bail!("a rule has one to five targets, this one has {}", spec.targets.len());
    }
    for (id, target) in &spec.targets {
        if !legal(id) {
            bail!("a target can't have the id `{id}`: only letters, digits, `.`, `-` and `_`, 64 at most");
        }
        if target.settings.is_some() {
            bail!("targets.{id}: `settings` can't be declared");
        }
        let input = target.input.as_deref().filter(|input| !input.contains("${"));
        if input.is_some_and(|input| serde_json::from_str::<Value>(input).is_err()) {
            bail!("targets.{id}: `input` is no JSON");
        }
    }
    Ok(())
}

fn is_schedule(text: &str) -> bool {
    let within = |kind: &str| text.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = within("rate") {
        let Some((number, unit)) = rate.split_once(' ') else { return false };
        return match number.parse::<u32>() {
            Ok(1) => ["minute", "hour", "day"].contains(&unit),
            Ok(number) => number > 0 && ["minutes", "hours", "days"].contains(&unit),
            Err(_) => false,
        };
    }
    let fields: Vec<&str> = within("cron").unwrap_or_default().split_whitespace().collect();
    fields.len() == 6 && (fields[2] == "?") != (fields[4] == "?")
}

#[async_trait]
impl Kind for ScheduleRule {
    describes!("schedule_rule", "an EventBridge rule that calls by the clock", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    /// Rules on the default bus are free; what they call is billed there.
    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "events").await?.into_iter().collect();
        let mut names: BTreeSet<&str> =
            tagged.keys().filter_map(|arn| arn.split_once(":rule/")).map(|it| it.1).collect();
        names.extend(wanted.iter().map(|wanted| text(wanted.spec, "name")));
        // One list tells of all whose names begin as the stack's do; others are asked for one by one.
        let own = format!("{}-", context.stack);
        let prefixes: BTreeSet<&str> =
            names.iter().map(|name| if name.starts_with(&own) { own.as_str() } else { name }).collect();
        let lists = try_join_all(prefixes.into_iter().map(|prefix| rules(context, prefix))).await?;
        let rules = lists.into_iter().flatten().filter(|rule| names.contains(text(rule, "Name")));
        let reads = rules.map(|rule| {
            let known = tagged.get(text(&rule, "Arn")).cloned();
            async move {
                let tags = match known {
                    Some(tags) => tags,
                    None => tags_of(context, text(&rule, "Arn")).await?,
                };
                read(context, &rule, &tags).await
            }
        });
        let mut found: Vec<Live> = try_join_all(reads).await?.into_iter().flatten().collect();
        // Prefixes may overlap.
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        // PutRule overwrites whatever has the name: whose it is must be known before.
        let known = wait::found(call(context, "DescribeRule", json!({"Name": spec.name})).await)?;
        if let Some(rule) = known {
            let tags = tags_of(context, text(&rule, "Arn")).await?;
            if tags::address(context, "schedule_rule", &tags).as_ref() != Some(address) {
                let whose =
                    tags.get(tags::STACK).map(|stack| format!(": it is the stack {stack}'s")).unwrap_or_default();
                bail!("the rule {} is there already and isn't this stack's{whose}", spec.name);
            }
        }
        let mut input = settings(&spec);
        input["Tags"] = tags::pairs(context, address);
        settle(context, &spec, input).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        settle(context, &spec, settings(&spec)).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let name = text(&live.spec, "name");
        let Some(targets) = targets(context, name).await? else { return Ok(()) };
        remove(context, name, targets.keys().cloned().collect()).await?;
        wait::found(alone(context, "DeleteRule", json!({"Name": name})).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(rule) = wait::found(call(context, "DescribeRule", json!({"Name": name})).await)? else {
            return Ok(None);
        };
        if text(&rule, "ScheduleExpression").is_empty() {
            bail!("{id} waits for events; a schedule_rule calls by the clock");
        }
        let tags = tags::claimed(context, address, id, tags_of(context, text(&rule, "Arn")).await?)?;
        read(context, &rule, &tags).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        alone(context, "TagResource", json!({"ResourceARN": outcome.id, "Tags": tags::list_of(tags)})).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Events, operation, input).await
}

/// Calls once no other change of the rule is under way.
async fn alone(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    wait::while_refused(context, CHANGED, Error::is_precondition_failed, || call(context, operation, input.clone()))
        .await
}

async fn rules(context: &Context, prefix: &str) -> Result<Vec<Value>> {
    let mut input = json!({"NamePrefix": prefix});
    let mut all = Vec::new();
    loop {
        let page = call(context, "ListRules", input.clone()).await?;
        all.extend_from_slice(list(&page, "Rules"));
        match text(&page, "NextToken") {
            "" => return Ok(all),
            next => input["NextToken"] = json!(next),
        }
    }
}

async fn tags_of(context: &Context, arn: &str) -> Result<Tags> {
    let answer = wait::found(call(context, "ListTagsForResource", json!({"ResourceARN": arn})).await)?;
    Ok(answer.map(|answer| tags::of(list(&answer, "Tags"))).unwrap_or_default())
}

/// The targets of a rule by their ids; none if the rule isn't there.
async fn targets(context: &Context, rule: &str) -> Result<Option<BTreeMap<String, Target>>> {
    let mut input = json!({"Rule": rule});
    let mut all = BTreeMap::new();
    loop {
        let Some(page) = wait::found(call(context, "ListTargetsByRule", input.clone()).await)? else {
            return Ok(None);
        };
        all.extend(list(&page, "Targets").iter().map(|target| (text(target, "Id").to_owned(), target_of(target))));
        match text(&page, "NextToken") {
            "" => return Ok(Some(all)),
            next => input["NextToken"] = json!(next),
        }
    }
}

fn target_of(target: &Value) -> Target {
    let mut rest: Map<String, Value> = target.as_object().cloned().unwrap_or_default();
    rest.retain(|name, value| !value.is_null() && !["Id", "Arn", "Input", "RoleArn"].contains(&name.as_str()));
    Target {
        arn: text(target, "Arn").to_owned(),
        input: some_text(target, "Input"),
        role: some_text(target, "RoleArn"),
        settings: (!rest.is_empty()).then_some(Value::Object(rest)),
    }
}

fn settings(spec: &Spec) -> Value {
    json!({
        "Name": spec.name,
        "Description": spec.description,
        "ScheduleExpression": spec.schedule,
        "State": if spec.enabled { "ENABLED" } else { "DISABLED" },
    })
}

/// Writes the rule, gives it the targets of the spec and takes all others.
async fn settle(context: &Context, spec: &Spec, input: Value) -> Result<Outcome> {
    let made = alone(context, "PutRule", input).await?;
    let name = &spec.name;
    let present = targets(context, name).await?.unwrap_or_default();
    remove(context, name, present.keys().filter(|id| !spec.targets.contains_key(*id)).cloned().collect()).await?;
    let due = spec.targets.iter().filter(|(id, target)| present.get(*id) != Some(target));
    let due: Vec<Value> = due.map(|(id, target)| entry(id, target)).collect();
    if !due.is_empty() {
        let input = json!({"Rule": name, "Targets": due});
        let answer = wait::visible(context, || alone(context, "PutTargets", input.clone())).await?;
        accepted(&answer)?;
    }
    let arn = text(&made, "RuleArn");
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

fn entry(id: &str, target: &Target) -> Value {
    let mut entry = json!({"Id": id, "Arn": target.arn});
    for (member, value) in [("Input", &target.input), ("RoleArn", &target.role)] {
        if let Some(value) = value {
            entry[member] = json!(value);
        }
    }
    entry
}

async fn remove(context: &Context, rule: &str, ids: Vec<String>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let answer = wait::found(alone(context, "RemoveTargets", json!({"Rule": rule, "Ids": ids})).await)?;
    let mut answer = answer.unwrap_or_default();
    // That one was missing is success.
    if let Some(failed) = answer["FailedEntries"].as_array_mut() {
        failed.retain(|failed| text(failed, "ErrorCode") != "ResourceNotFoundException");
    }
    accepted(&answer)
}

/// The calls succeed as a whole; each target's failure stands in the answer.
fn accepted(answer: &Value) -> Result<()> {
    match list(answer, "FailedEntries").first() {
        None => Ok(()),
        Some(failed) => bail!(
            "EventBridge refuses the target {}: {}: {}",
            text(failed, "TargetId"),
            text(failed, "ErrorCode"),
            text(failed, "ErrorMessage")
        ),
    }
}

/// The rule with these tags; none if they aren't the stack's.
async fn read(context: &Context, rule: &Value, tags: &Tags) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "schedule_rule", tags) else { return Ok(None) };
    let (name, arn) = (text(rule, "Name"), text(rule, "Arn"));
    let Some(targets) = targets(context, name).await? else { return Ok(None) };
    let spec = Spec {
        name: name.to_owned(),
        description: text(rule, "Description").to_owned(),
        schedule: text(rule, "ScheduleExpression").to_owned(),
        enabled: text(rule, "State").starts_with("ENABLED"),
        targets,
    };
    Ok(Some(tags::live(address, tags, arn, value(&spec), &[("arn", arn), ("name", name)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_become_rates() {
        let minute = 60_000;
        for (period, text) in [
            (minute, "rate(1 minute)"),
            (90 * minute, "rate(90 minutes)"),
            (60 * minute, "rate(1 hour)"),
            (48 * 60 * minute, "rate(2 days)"),
        ] {
            assert_eq!(rate(period), text);
            assert!(is_schedule(text));
        }
        for wrong in ["rate(1 hours)", "rate(0 minutes)", "rate(2 weeks)", "cron(* * * * *)", "cron(0 1 ? * ? *)", "1h"]
        {
            assert!(!is_schedule(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_others_set_on_a_target_shows() {
        let target =
            target_of(&json!({"Id": "a", "Arn": "arn", "Input": "{}", "RetryPolicy": {"MaximumRetryAttempts": 1}}));
        assert_eq!(target.input.as_deref(), Some("{}"));
        assert_eq!(target.settings, Some(json!({"RetryPolicy": {"MaximumRetryAttempts": 1}})));
    }
}
