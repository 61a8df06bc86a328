//! `schedule_rule`: an EventBridge rule that calls its targets by the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_eventbridge::operation::put_rule::builders::PutRuleFluentBuilder;
use aws_sdk_eventbridge::types::{Rule, RuleState};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::targets::{put, remove, targets};
use super::each::{self, One, each};
use super::spec::{in_place, replaces, yes};
use super::tags::{self, Tags};
use super::values::{RoleArn, text};
use super::{tag_lists, tagged, wait};
use crate::kind::{Arn, Billing, Context, Delta, Departure, Facts, Field, Found, Grant, Kind, Outcome, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

mod settings;
mod targets;

text!(
    /// A rule's name: letters, digits, `.`, `-` and `_`, 64 at most.
    RuleName,
    r"^[A-Za-z0-9._-]{1,64}$"
);
text!(
    /// A schedule, `rate(5 minutes)` or `cron(0 10 * * ? *)`.
    Schedule,
    r"^(rate|cron)\(.{1,240}\)$"
);

/// A rule on the default bus that calls its targets by the clock. Its targets are what stands here: any other is drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: RuleName,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub description: String,
    /// When: `rate(5 minutes)`, `rate(1 hour)` or `cron(0 10 * * ? *)`, in UTC.
    pub schedule: Schedule,
    /// Whether it calls at all. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What is called, by ids of your own; five at most.
    #[schemars(extend("propertyNames" = {"pattern": RuleName::PATTERN}))]
    pub targets: BTreeMap<String, Target>,
}

/// What a rule calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its ARN, `${function.hello.arn}`. A function must let `events.amazonaws.com` invoke it, and a queue let it send.
    #[schemars(length(min = 1, max = 1600), regex(pattern = "^arn:aws[a-z-]*:[!-~]+$"))]
    pub arn: String,
    /// The JSON text that it is called with. Default: the event of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub input: Option<String>,
    /// The ARN of the role that EventBridge acts as, for targets without permissions of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RoleArn>")]
    pub role: Option<String>,
    /// What else was set on a target by somebody; nothing can be declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
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
    "events:UntagResource",
    "iam:PassRole",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("rule", "events:{region}:{account}:rule/{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["events:rule"],
    review: &["targets"],
    arns: ARNS,
    passes_roles_to: &["events.amazonaws.com"],
    rights: super::rights::messages::SCHEDULES,
    billing: Billing::Free,
    ..Facts::of("schedule_rule", "an EventBridge rule that calls by the clock", FIELDS, OUTPUTS, ACTIONS)
};

const SERVICE: &str = "events";
/// How long two changes of one rule may be in each other's way.
const CHANGED: Duration = Duration::from_mins(2);

/// The kind.
#[derive(Debug)]
pub struct ScheduleRule;

/// The schedule of so many milliseconds, which are whole minutes.
pub fn rate(milliseconds: u64) -> Schedule {
    let minutes = (milliseconds / 60_000).max(1);
    let (number, unit) = match minutes {
        _ if minutes.is_multiple_of(1440) => (minutes / 1440, "day"),
        _ if minutes.is_multiple_of(60) => (minutes / 60, "hour"),
        _ => (minutes, "minute"),
    };
    format!("rate({number} {unit}{})", if number == 1 { "" } else { "s" }).into()
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
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if !spec.schedule.contains("${") && !is_schedule(&spec.schedule) {
            bail!(
                "`{}` is no schedule; write it as in rate(5 minutes), rate(1 hour) or cron(0 10 * * ? *)",
                spec.schedule
            );
        }
        if spec.targets.is_empty() || spec.targets.len() > 5 {
            bail!("a rule has one to five targets, this one has {}", spec.targets.len());
        }
        for (id, target) in &spec.targets {
            let input = target.input.as_deref().filter(|input| !input.contains("${"));
            if input.is_some_and(|input| serde_json::from_str::<Value>(input).is_err()) {
                bail!("targets.{id}: `input` is no JSON");
            }
        }
        Ok(())
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        let acts = |target: &Target| {
            let role = target.role.as_deref()?;
            Some(Grant::to("it", format!("act as {role} to call {}", target.arn)))
        };
        spec.targets.values().filter_map(acts).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "events").await?.into_iter().collect();
        let mut names: BTreeSet<&str> =
            tagged.keys().filter_map(|arn| arn.split_once(":rule/")).map(|it| it.1).collect();
        names.extend(wanted.iter().map(|wanted| wanted.spec.name.as_str()));
        // One list holds all whose names begin as the stack's do; others are asked for one by one.
        let own = format!("{}-", context.stack);
        let prefixes: BTreeSet<&str> =
            names.iter().map(|name| if name.starts_with(&own) { own.as_str() } else { name }).collect();
        let lists = try_join_all(prefixes.into_iter().map(|prefix| rules(context, prefix))).await?;
        let rules = lists.iter().flatten().filter(|rule| rule.name().is_some_and(|name| names.contains(name)));
        let reads = rules.map(|rule| {
            let (name, tags) = (rule.name().unwrap_or_default(), rule.arn().and_then(|arn| tagged.get(arn)));
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name.as_str() == name);
            let read = async move {
                let tags = match tags {
                    Some(tags) => tags.clone(),
                    None => tags_of(context, arn_of(rule)?).await?,
                };
                read(context, rule, &tags).await
            };
            One { address, id: name.to_owned(), read }
        });
        let mut found: Vec<Found<Spec>> = each(context, FACTS.name, reads).await?;
        // Prefixes may overlap.
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        // PutRule overwrites whatever has the name: whose it is must be known before.
        if let Some(rule) = described(context, &spec.name).await? {
            let tags = tags_of(context, arn_of(&rule)?).await?;
            if tags::address(context, "schedule_rule", &tags).as_ref() != Some(address) {
                let whose =
                    tags.get(tags::STACK).map(|stack| format!(": it is the stack {stack}'s")).unwrap_or_default();
                bail!("the rule {} is there already and isn't this stack's{whose}", spec.name);
            }
        }
        let call = put_rule(context, spec).set_tags(Some(tag_lists::owned(context, address)));
        settle(context, spec, call).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        settle(context, spec, put_rule(context, spec)).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let name = live.spec.name.as_str();
        let Some(targets) = targets(context, name).await? else { return Ok(()) };
        remove(context, name, targets.keys().cloned().collect()).await?;
        let call = context.aws.event_bridge().delete_rule().name(name);
        wait::found(alone(context, || ask(call.clone().send())).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(rule) = described(context, name).await? else { return Ok(None) };
        if rule.schedule_expression().is_none_or(str::is_empty) {
            bail!("{id} waits for events; a schedule_rule calls by the clock");
        }
        let tags = tags::claimed(context, address, id, tags_of(context, arn_of(&rule)?).await?)?;
        read(context, &rule, &tags).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.event_bridge().tag_resource().resource_arn(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written(tags)));
        alone(context, || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let call = context.aws.event_bridge().untag_resource().resource_arn(&outcome.id);
        let call = call.set_tag_keys(Some(tag_lists::keys(keys)));
        alone(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

/// Calls once no other change of the rule is under way.
async fn alone<T, F>(context: &Context, call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    wait::while_refused(context, CHANGED, Error::is_precondition_failed, call).await
}

async fn rules(context: &Context, prefix: &str) -> Result<Vec<Rule>, Error> {
    let call = context.aws.event_bridge().list_rules().name_prefix(prefix);
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page = ask(call.clone().set_next_token(next).send()).await?;
        all.extend(page.rules.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// The rule of that name, as lists show it.
async fn described(context: &Context, name: &str) -> Result<Option<Rule>, Error> {
    let answer = wait::found(ask(context.aws.event_bridge().describe_rule().name(name).send()).await)?;
    Ok(answer.map(|rule| {
        Rule::builder()
            .set_name(rule.name)
            .set_arn(rule.arn)
            .set_state(rule.state)
            .set_description(rule.description)
            .set_schedule_expression(rule.schedule_expression)
            .set_event_pattern(rule.event_pattern)
            .set_role_arn(rule.role_arn)
            .build()
    }))
}

async fn tags_of(context: &Context, arn: &str) -> Result<Tags> {
    let answer = ask(context.aws.event_bridge().list_tags_for_resource().resource_arn(arn).send()).await;
    Ok(wait::found(answer)?.map(|answer| tag_lists::read(answer.tags())).unwrap_or_default())
}

fn arn_of(rule: &Rule) -> Result<&str, Error> {
    rule.arn().needed(SERVICE, "Rule.Arn")
}

fn put_rule(context: &Context, spec: &Spec) -> PutRuleFluentBuilder {
    let call = context.aws.event_bridge().put_rule().name(spec.name.as_str()).description(&spec.description);
    let state = if spec.enabled { RuleState::Enabled } else { RuleState::Disabled };
    call.schedule_expression(spec.schedule.as_str()).state(state)
}

/// Writes the rule, gives it the targets of the spec and takes all others.
async fn settle(context: &Context, spec: &Spec, call: PutRuleFluentBuilder) -> Result<Outcome> {
    let made = alone(context, || ask(call.clone().send())).await?;
    let name = &spec.name;
    let present = targets(context, name).await?.unwrap_or_default();
    remove(context, name, present.keys().filter(|id| !spec.targets.contains_key(*id)).cloned().collect()).await?;
    let due: Vec<_> = spec.targets.iter().filter(|(id, target)| present.get(*id) != Some(target)).collect();
    put(context, name, &due).await?;
    let arn = made.rule_arn().needed(SERVICE, "PutRule.RuleArn")?;
    Ok(tags::outcome(arn, &[("arn", arn), ("name", name)]))
}

/// The rule with these tags; none if they aren't the stack's.
async fn read(context: &Context, rule: &Rule, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "schedule_rule", tags) else { return Ok(None) };
    let (name, arn) = (rule.name().needed(SERVICE, "Rule.Name")?, arn_of(rule)?);
    let Some(targets) = targets(context, name).await? else { return Ok(None) };
    let state = rule.state().needed(SERVICE, "Rule.State")?;
    let spec = Spec {
        name: name.into(),
        description: rule.description().unwrap_or_default().to_owned(),
        // A rule that waits for events has none.
        schedule: rule.schedule_expression().unwrap_or_default().into(),
        enabled: matches!(state, RuleState::Enabled | RuleState::EnabledWithAllCloudtrailManagementEvents),
        targets,
    };
    let mut found = tags::found(address, tags, arn, spec, &[("arn", arn), ("name", name)]);
    // PutRule takes away what it isn't given.
    let others = [
        Departure::of("event_pattern", rule.event_pattern(), Value::Null),
        Departure::of("role", rule.role_arn(), Value::Null),
    ];
    found.departures = others.into_iter().flatten().collect();
    Ok(Some(found))
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
}
