//! `budget`: a monthly cost budget of AWS Budgets, with who is told when it runs out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_budgets::types::{
    self, BudgetType, ComparisonOperator, NotificationType, NotificationWithSubscribers, Spend, Subscriber,
    SubscriptionType, ThresholdType, TimeUnit,
};
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{dashboard, tag_lists, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// A monthly cost budget. Budgets have no region; when one has left the file it is looked for only where the stack has
/// alarms or SNS topics, and only under the stack's own name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account: up to 100 characters, no `:` and no `\`.
    #[schemars(regex(pattern = r"^[^:\\\\]{1,100}$"))]
    pub name: String,
    /// The limit of a month in US dollars.
    pub monthly_usd: f64,
    /// What costs count: values by filter as AWS names them, `TagKeyValue = ["user:KEY$VALUE"]`. Without any, all of the
    /// account's. A tag counts once it is activated as a cost-allocation tag.
    #[serde(default)]
    pub filters: BTreeMap<String, Vec<String>>,
    /// When who is told, five at most.
    #[serde(default)]
    pub notifications: Vec<Notification>,
}

/// When who is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// What is compared: `ACTUAL`, what was spent, or `FORECASTED`, what the month will come to.
    pub of: String,
    /// The share of the limit above which they are told, in percent.
    pub above_percent: f64,
    /// The mail addresses, ten at most; nothing is to be confirmed.
    #[serde(default)]
    pub email: BTreeSet<String>,
    /// The ARN of an SNS topic.
    #[serde(default)]
    pub topic: Option<String>,
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("monthly_usd"),
    in_place("filters"),
    compared(in_place("notifications"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "budgets:ModifyBudget",
    "budgets:ViewBudget",
    "budgets:ListTagsForResource",
    "budgets:TagResource",
    "tag:GetResources",
];

/// The kind.
#[derive(Debug)]
pub struct Budget;

fn canonical(spec: &mut Spec) -> Result<()> {
    let name = &spec.name;
    if !(1..=100).contains(&name.chars().count()) || name.contains([':', '\\']) || name.contains("/action/") {
        bail!("`{name}` can't be a budget's name: 1 to 100 characters without `:`, `\\` and `/action/`");
    }
    if !(spec.monthly_usd.is_finite() && spec.monthly_usd > 0.0) {
        bail!("monthly_usd must be above zero");
    }
    if spec.notifications.len() > 5 {
        bail!("a budget has at most five notifications, here are {}", spec.notifications.len());
    }
    for one in &spec.notifications {
        if !["ACTUAL", "FORECASTED"].contains(&one.of.as_str()) {
            bail!("`of` is `{}`; AWS takes ACTUAL and FORECASTED", one.of);
        }
        if !(one.above_percent.is_finite() && one.above_percent > 0.0) {
            bail!("above_percent must be above zero");
        }
        if one.email.is_empty() && one.topic.is_none() {
            bail!("a notification tells somebody: give `email` or `topic`");
        }
        if one.email.len() > 10 {
            bail!("a notification goes to ten addresses at most");
        }
        // AWS Budgets takes no longer ones.
        if let Some(long) = one.email.iter().find(|address| address.len() > 50) {
            bail!("`{long}` is longer than the 50 characters that AWS Budgets takes");
        }
    }
    Ok(())
}

#[async_trait]
impl Kind for Budget {
    describes!("budget", "a monthly cost budget", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let mut names: BTreeSet<String> = wanted.iter().map(|wanted| text(wanted.spec, "name").to_owned()).collect();
        if dashboard::is_watched(context).await? {
            names.insert(context.stack.clone());
        }
        let is_wanted = |name: &str| wanted.iter().any(|wanted| text(wanted.spec, "name") == name);
        let reads = names.iter().map(async |name| {
            let tags = match tags_of(context, name).await {
                // Many who may apply a stack may not look at what it costs: only a stack with a budget needs them to.
                Err(error) if !is_wanted(name) && denied(&error) => return Ok(None),
                tags => tags?,
            };
            let Some(tags) = tags else { return Ok(None) };
            match tags::address(context, "budget", &tags) {
                Some(address) => read(context, name, address, &tags).await,
                None => Ok(None),
            }
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let notifications = spec.notifications.iter().map(|one| {
            let with = NotificationWithSubscribers::builder().notification(notification(one));
            with.set_subscribers(Some(subscribers(one))).build().expect("subscribers are given")
        });
        let notifications = notifications.collect();
        let call = context.aws.budgets().create_budget().account_id(&context.account).budget(budget(&spec));
        let call = call.set_notifications_with_subscribers((!spec.notifications.is_empty()).then_some(notifications));
        match ask(call.set_resource_tags(Some(tag_lists::owned(context, address))).send()).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let tags = tags_of(context, &spec.name).await?.unwrap_or_default();
                if tags::address(context, "budget", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the budget {}", spec.name), &tags)
                        .context(format!("`lakewright adopt {address} {}` takes it over", spec.name)));
                }
                settle(context, &spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        settle(context, &spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        let call = context.aws.budgets().delete_budget().account_id(&context.account).budget_name(spec.name);
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.split_once(":budget/").map_or(id, |(_, name)| name);
        let Some(tags) = tags_of(context, name).await? else { return Ok(None) };
        read(context, name, address.clone(), &tags::claimed(context, address, id, tags)?).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.budgets().tag_resource().resource_arn(&outcome.id);
        let call = call.set_resource_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

fn arn(context: &Context, name: &str) -> String {
    format!("arn:{}:budgets::{}:budget/{name}", tags::partition(&context.region), context.account)
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let call = context.aws.budgets().list_tags_for_resource().resource_arn(arn(context, name));
    let answer = wait::found(ask(call.send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.resource_tags())))
}

fn denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_denied)
}

#[expect(deprecated, reason = "AWS takes the filters of old as before, and no others of a budget that has them")]
fn budget(spec: &Spec) -> types::Budget {
    let limit = Spend::builder().amount(spec.monthly_usd.to_string()).unit("USD");
    let filters = spec.filters.iter().map(|(key, values)| (key.clone(), values.clone())).collect();
    let budget = types::Budget::builder()
        .budget_name(&spec.name)
        .budget_type(BudgetType::Cost)
        .time_unit(TimeUnit::Monthly)
        .budget_limit(limit.build().expect("amount and unit are given"))
        .set_cost_filters(Some(filters));
    budget.build().expect("name, type and unit are given")
}

fn notification(one: &Notification) -> types::Notification {
    let notification = types::Notification::builder()
        .notification_type(NotificationType::from(one.of.as_str()))
        .comparison_operator(ComparisonOperator::GreaterThan)
        .threshold(one.above_percent)
        .threshold_type(ThresholdType::Percentage);
    notification.build().expect("type, comparison and threshold are given")
}

fn subscribers(one: &Notification) -> Vec<Subscriber> {
    let subscriber = |(kind, address): (SubscriptionType, &String)| {
        Subscriber::builder().subscription_type(kind).address(address).build().expect("type and address are given")
    };
    let mails = one.email.iter().map(|address| (SubscriptionType::Email, address));
    mails.chain(one.topic.iter().map(|arn| (SubscriptionType::Sns, arn))).map(subscriber).collect()
}

async fn read(context: &Context, name: &str, address: Address, tags: &Tags) -> Result<Option<Live>> {
    let call = context.aws.budgets().describe_budget().account_id(&context.account).budget_name(name);
    let Some(answer) = wait::found(ask(call.send()).await)? else { return Ok(None) };
    let budget = answer.budget.needed("budgets", "DescribeBudget.Budget")?;
    let limit = budget.budget_limit().map(|limit| limit.amount().parse());
    let limit = limit.transpose().with_context(|| format!("read the limit of the budget {name}"))?;
    let spec = Spec {
        name: name.to_owned(),
        // A budget with a limit for each month, or one that AWS adjusts, may have none of its own.
        monthly_usd: limit.unwrap_or_default(),
        filters: filters(&budget),
        notifications: notifications(context, name).await?,
    };
    let arn = arn(context, name);
    Ok(Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)])))
}

#[expect(deprecated, reason = "AWS gives the filters of old back to whoever doesn't ask for expressions")]
fn filters(budget: &types::Budget) -> BTreeMap<String, Vec<String>> {
    let filters = budget.cost_filters().into_iter().flatten();
    filters.map(|(key, values)| (key.clone(), values.clone())).collect()
}

async fn notifications(context: &Context, name: &str) -> Result<Vec<Notification>> {
    let call = context.aws.budgets().describe_notifications_for_budget().account_id(&context.account);
    let found = ask_all(call.budget_name(name).into_paginator().items().send()).await?;
    let reads = found.into_iter().map(async |mut one| {
        // What its state is names no notification.
        one.notification_state = None;
        let call = context.aws.budgets().describe_subscribers_for_notification().account_id(&context.account);
        let call = call.budget_name(name).notification(one.clone());
        let all = ask_all(call.into_paginator().items().send()).await?;
        let of_type = |kind: &SubscriptionType| {
            let all = all.iter().filter(|one| one.subscription_type() == kind);
            let addresses = all.map(|one| one.address().needed("budgets", "Subscriber.Address").map(str::to_owned));
            addresses.collect::<Result<BTreeSet<_>, _>>()
        };
        Ok::<_, Error>(Notification {
            of: one.notification_type().as_str().to_owned(),
            above_percent: one.threshold(),
            email: of_type(&SubscriptionType::Email)?,
            topic: of_type(&SubscriptionType::Sns)?.into_iter().next(),
        })
    });
    Ok(try_join_all(reads).await?)
}

/// Brings a living budget to the spec. A notification that differs in anything is made anew.
async fn settle(context: &Context, spec: &Spec) -> Result<()> {
    let budgets = context.aws.budgets();
    ask(budgets.update_budget().account_id(&context.account).new_budget(budget(spec)).send()).await?;
    let living = notifications(context, &spec.name).await?;
    for one in living.iter().filter(|one| !spec.notifications.contains(one)) {
        let call = budgets.delete_notification().account_id(&context.account).budget_name(&spec.name);
        wait::found(ask(call.notification(notification(one)).send()).await)?;
    }
    for one in spec.notifications.iter().filter(|one| !living.contains(one)) {
        let call = budgets.create_notification().account_id(&context.account).budget_name(&spec.name);
        let call = call.notification(notification(one)).set_subscribers(Some(subscribers(one)));
        ask(call.send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_budgets_refuses_is_refused() {
        let with = |name: &str, given: Value| {
            let mut spec = json!({"name": "shop", "monthly_usd": 500});
            spec[name] = given;
            Budget.normalise(&spec)
        };
        let one = |of: &str, percent: f64, email: Value| json!([{"of": of, "above_percent": percent, "email": email}]);
        assert!(with("notifications", one("ACTUAL", 80.0, json!(["a@b.c"]))).is_ok());
        for (name, given) in [
            ("name", json!("a:b")),
            ("monthly_usd", json!(0)),
            ("notifications", one("SPENT", 80.0, json!(["a@b.c"]))),
            ("notifications", one("ACTUAL", 0.0, json!(["a@b.c"]))),
            ("notifications", one("ACTUAL", 80.0, json!([]))),
        ] {
            assert!(with(name, given.clone()).is_err(), "{name} = {given}");
        }
    }

    #[test]
    fn amounts_are_written_as_aws_takes_them() {
        let spec =
            typed(&Budget.normalise(&json!({"name": "shop", "monthly_usd": 500})).expect("a spec")).expect("typed");
        assert_eq!(budget(&spec).budget_limit().map(Spend::amount), Some("500"));
    }
}
