//! `budget`: a monthly cost budget of AWS Budgets, with who is told when it runs out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, typed, value};
use super::tags::{self, Tags};
use super::{dashboard, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

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
        let notifications: Vec<Value> = spec
            .notifications
            .iter()
            .map(|one| json!({"Notification": notification(one), "Subscribers": subscribers(one)}))
            .collect();
        let mut input = json!({"Budget": budget(&spec), "ResourceTags": tags::pairs(context, address)});
        if !notifications.is_empty() {
            input["NotificationsWithSubscribers"] = json!(notifications);
        }
        match call(context, "CreateBudget", input).await {
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
        wait::found(call(context, "DeleteBudget", json!({"BudgetName": spec.name})).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.split_once(":budget/").map_or(id, |(_, name)| name);
        let Some(tags) = tags_of(context, name).await? else { return Ok(None) };
        read(context, name, address.clone(), &tags::claimed(context, address, id, tags)?).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let input = json!({"ResourceARN": outcome.id, "ResourceTags": tags::list_of(tags)});
        wait::visible(context, || context.aws.call(Service::Budgets, "TagResource", input.clone())).await?;
        Ok(())
    }
}

/// Calls an operation on the account's budgets.
async fn call(context: &Context, operation: &str, mut input: Value) -> Result<Value, Error> {
    input["AccountId"] = json!(context.account);
    context.aws.call(Service::Budgets, operation, input).await
}

fn arn(context: &Context, name: &str) -> String {
    format!("arn:{}:budgets::{}:budget/{name}", tags::partition(&context.region), context.account)
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let input = json!({"ResourceARN": arn(context, name)});
    let answer = wait::found(context.aws.call(Service::Budgets, "ListTagsForResource", input).await)?;
    Ok(answer.map(|answer| tags::of(list(&answer, "ResourceTags"))))
}

fn denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_denied)
}

fn budget(spec: &Spec) -> Value {
    json!({
        "BudgetName": spec.name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": spec.monthly_usd.to_string(), "Unit": "USD"},
        "CostFilters": spec.filters,
    })
}

fn notification(one: &Notification) -> Value {
    json!({
        "NotificationType": one.of, "ComparisonOperator": "GREATER_THAN", "Threshold": one.above_percent,
        "ThresholdType": "PERCENTAGE",
    })
}

fn subscribers(one: &Notification) -> Value {
    let mails = one.email.iter().map(|address| json!({"SubscriptionType": "EMAIL", "Address": address}));
    mails.chain(one.topic.iter().map(|arn| json!({"SubscriptionType": "SNS", "Address": arn}))).collect()
}

async fn read(context: &Context, name: &str, address: Address, tags: &Tags) -> Result<Option<Live>> {
    let Some(answer) = wait::found(call(context, "DescribeBudget", json!({"BudgetName": name})).await)? else {
        return Ok(None);
    };
    let budget = &answer["Budget"];
    let filters = budget["CostFilters"].as_object().into_iter().flatten();
    let amount = text(&budget["BudgetLimit"], "Amount").parse().unwrap_or_default();
    let spec = Spec {
        name: name.to_owned(),
        monthly_usd: amount,
        filters: filters.map(|(key, _)| (key.clone(), super::wire::texts(&budget["CostFilters"], key))).collect(),
        notifications: notifications(context, name).await?,
    };
    let arn = arn(context, name);
    Ok(Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)])))
}

async fn notifications(context: &Context, name: &str) -> Result<Vec<Notification>> {
    let answer = call(context, "DescribeNotificationsForBudget", json!({"BudgetName": name})).await?;
    let reads = list(&answer, "Notifications").iter().map(async |one| {
        let mut named = one.clone();
        if let Some(members) = named.as_object_mut() {
            members.remove("NotificationState");
        }
        let input = json!({"BudgetName": name, "Notification": named});
        let answer = call(context, "DescribeSubscribersForNotification", input).await?;
        let of_type = |kind: &str| {
            let all = list(&answer, "Subscribers").iter().filter(|one| text(one, "SubscriptionType") == kind);
            all.map(|one| text(one, "Address").to_owned()).collect::<BTreeSet<_>>()
        };
        Ok::<_, anyhow::Error>(Notification {
            of: text(one, "NotificationType").to_owned(),
            above_percent: one["Threshold"].as_f64().unwrap_or_default(),
            email: of_type("EMAIL"),
            topic: of_type("SNS").into_iter().next(),
        })
    });
    try_join_all(reads).await
}

/// Brings a living budget to the spec. A notification that differs in anything is made anew.
async fn settle(context: &Context, spec: &Spec) -> Result<()> {
    call(context, "UpdateBudget", json!({"NewBudget": budget(spec)})).await?;
    let living = notifications(context, &spec.name).await?;
    for one in living.iter().filter(|one| !spec.notifications.contains(one)) {
        let input = json!({"BudgetName": spec.name, "Notification": notification(one)});
        wait::found(call(context, "DeleteNotification", input).await)?;
    }
    for one in spec.notifications.iter().filter(|one| !living.contains(one)) {
        let input =
            json!({"BudgetName": spec.name, "Notification": notification(one), "Subscribers": subscribers(one)});
        call(context, "CreateNotification", input).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(budget(&spec)["BudgetLimit"]["Amount"], "500");
    }
}
