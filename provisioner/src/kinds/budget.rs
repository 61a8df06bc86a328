//! `budget`: a monthly cost budget of AWS Budgets, with who is notified when it runs out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_budgets::types::{self, NotificationType, NotificationWithSubscribers, SubscriptionType};
use futures::future::try_join_all;
use lakewright_aws::{Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::wire::{budget, departures, filters, notification, of_wire, subscribers};
use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{text, words};
use super::{dashboard, tag_lists, tagged, tagging, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

mod wire;

text!(
    /// A budget's name: 1 to 100 characters, no `:` and no `\`.
    BudgetName,
    r"^[^:\\\\]{1,100}$",
    not "/action/" => "a budget's name can't hold `/action/`",
    not r"<[sS][cC][rR][iI][pP][tT]>[\s\S]*</[sS][cC][rR][iI][pP][tT]>" => "a budget's name can't hold a script"
);

text!(
    /// An SNS topic's ARN.
    TopicArn,
    r"^arn:aws[a-z-]*:sns:[!-~]+$"
);

/// A monthly cost budget. Budgets have no region; when one has left the file it is looked for only where the stack has
/// alarms or SNS topics, and only under the stack's own name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account: up to 100 characters, no `:` and no `\`.
    pub name: BudgetName,
    /// The limit of a month in US dollars.
    pub monthly_usd: f64,
    /// What costs count: values by filter as AWS names them, `TagKeyValue = ["user:KEY$VALUE"]`. Without any, all of the
    /// account's. A tag counts once it is activated as a cost-allocation tag.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z_]{1,64}$"}))]
    pub filters: BTreeMap<String, Vec<String>>,
    /// When who is notified, five at most.
    #[serde(default)]
    pub notifications: Vec<Notification>,
}

/// When who is notified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// What is compared: `ACTUAL`, what was spent, or `FORECASTED`, what the month will come to.
    pub of: Costs,
    /// The share of the limit above which they are notified, in percent.
    pub above_percent: f64,
    /// The mail addresses, ten at most; nothing is to be confirmed.
    #[serde(default)]
    #[schemars(inner(length(min = 1, max = 50)))]
    pub email: BTreeSet<String>,
    /// The ARN of an SNS topic.
    #[serde(default)]
    #[schemars(with = "Option<TopicArn>")]
    pub topic: Option<String>,
    /// How somebody's notification compares costs, if not by `GREATER_THAN`; it can't be declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub comparison: Option<String>,
    /// What somebody's notification takes its threshold for, if not for a `PERCENTAGE`; it can't be declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub threshold_type: Option<String>,
}

/// The costs that are compared with the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Costs {
    /// What was spent.
    Actual,
    /// What the month will come to.
    Forecasted,
    /// What else somebody's notification compares; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Costs <=> NotificationType);

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("monthly_usd"),
    in_place("filters"),
    compared(in_place("notifications"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] =
    &["budgets:ModifyBudget", "budgets:ViewBudget", "budgets:ListTagsForResource", "tag:GetResources"];
const ARNS: &[Arn] = &[("budget", "budgets::{account}:budget/{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    arns: ARNS,
    rights: super::rights::watch::MONEY,
    billing: Billing::Free,
    tagging: Some(&tagging::Budgets),
    ..Facts::of("budget", "a monthly cost budget", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Budget;

#[async_trait]
impl Kind for Budget {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if !(spec.monthly_usd.is_finite() && spec.monthly_usd > 0.0) {
            bail!("monthly_usd must be above zero");
        }
        if spec.notifications.len() > 5 {
            bail!("a budget has at most five notifications, here are {}", spec.notifications.len());
        }
        for one in &spec.notifications {
            if !(one.above_percent.is_finite() && one.above_percent > 0.0) {
                bail!("above_percent must be above zero");
            }
            if one.email.is_empty() && one.topic.is_none() {
                bail!("a notification goes to somebody: give `email` or `topic`");
            }
            if one.email.len() > 10 {
                bail!("a notification goes to ten addresses at most");
            }
        }
        Ok(())
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let mut names: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.spec.name.as_str()).collect();
        if dashboard::is_watched(context).await? {
            names.insert(&context.stack);
        }
        // Many who may apply a stack may not look at what it costs: that stops nothing but what is done to budgets.
        let reads = names.iter().map(|name| {
            let read = async move {
                match tagged::owner(context, FACTS.name, None, tags_of(context, name)).await? {
                    Some((address, tags)) => read(context, name, address, &tags).await,
                    None => Ok(None),
                }
            };
            let address = each::address(context, FACTS.name, None, wanted, |spec| spec.name.as_str() == *name);
            One { address, id: (*name).to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let notifications = spec.notifications.iter().map(|one| {
            let with = NotificationWithSubscribers::builder().notification(notification(one));
            with.set_subscribers(Some(subscribers(one))).build().expect("subscribers are given")
        });
        let notifications = notifications.collect();
        let call = context.aws.budgets().create_budget().account_id(&context.account).budget(budget(spec));
        let call = call.set_notifications_with_subscribers((!spec.notifications.is_empty()).then_some(notifications));
        match ask(call.set_resource_tags(Some(tag_lists::owned(context, address))).send()).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let tags = tags_of(context, &spec.name).await?.unwrap_or_default();
                tags::own_or_taken(context, address, error, &format!("the budget {}", spec.name), &tags).map_err(
                    |taken| taken.context(format!("`lakewright adopt {address} {}` takes it over", spec.name)),
                )?;
                settle(context, spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        settle(context, spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.budgets().delete_budget().account_id(&context.account);
        wait::found(ask(call.budget_name(live.spec.name.as_str()).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.split_once(":budget/").map_or(id, |(_, name)| name);
        let Some(tags) = tags_of(context, name).await? else { return Ok(None) };
        read(context, name, address.clone(), &tags::claimed(context, address, id, tags)?).await
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().global("budgets", &format!("budget/{name}"))
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

async fn described(context: &Context, name: &str) -> Result<Option<types::Budget>> {
    let call = context.aws.budgets().describe_budget().account_id(&context.account).budget_name(name);
    let answer = wait::found(ask(call.send()).await)?;
    Ok(answer.map(|answer| answer.budget.needed("budgets", "DescribeBudget.Budget")).transpose()?)
}

async fn read(context: &Context, name: &str, address: Address, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(budget) = described(context, name).await? else { return Ok(None) };
    let limit = budget.budget_limit().map(|limit| limit.amount().parse());
    let limit = limit.transpose().with_context(|| format!("read the limit of the budget {name}"))?;
    let spec = Spec {
        name: name.into(),
        // A budget with a limit for each month, or one that AWS adjusts, may have none of its own.
        monthly_usd: limit.unwrap_or_default(),
        filters: filters(&budget),
        notifications: notifications(context, name).await?,
    };
    let arn = arn(context, name);
    let mut found = tags::found(address, tags, &arn, spec, &[("arn", &arn), ("name", name)]);
    found.departures = departures(&budget);
    Ok(Some(found))
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
        Ok::<_, anyhow::Error>(of_wire(&one, of_type(&SubscriptionType::Email)?, of_type(&SubscriptionType::Sns)?))
    });
    try_join_all(reads).await
}

/// Brings a living budget to the spec. A notification that differs in anything is made anew.
async fn settle(context: &Context, spec: &Spec) -> Result<()> {
    let budgets = context.aws.budgets();
    let mut new = budget(spec);
    // What a call leaves out, AWS takes for its default: what no spec says stays as somebody made it.
    if let Some(live) = described(context, &spec.name).await? {
        new.time_period = live.time_period;
        new.billing_view_arn = live.billing_view_arn;
    }
    ask(budgets.update_budget().account_id(&context.account).new_budget(new).send()).await?;
    let living = notifications(context, &spec.name).await?;
    for one in living.iter().filter(|one| !spec.notifications.contains(one)) {
        let call = budgets.delete_notification().account_id(&context.account).budget_name(spec.name.as_str());
        wait::found(ask(call.notification(notification(one)).send()).await)?;
    }
    for one in spec.notifications.iter().filter(|one| !living.contains(one)) {
        let call = budgets.create_notification().account_id(&context.account).budget_name(spec.name.as_str());
        let call = call.notification(notification(one)).set_subscribers(Some(subscribers(one)));
        ask(call.send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind as _;

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
}
