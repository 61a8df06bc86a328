//! Budgets and their tags.

use super::notifications::{notification, subscriber_list};
use super::{BUDGETS, invalid, missing, named, not_found, paged};
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Value, json};

const MEMBERS: [&str; 9] = [
    "BudgetName",
    "BudgetLimit",
    "CostFilters",
    "CostTypes",
    "TimeUnit",
    "TimePeriod",
    "BudgetType",
    "FilterExpression",
    "Metrics",
];
const TYPES: [&str; 6] =
    ["USAGE", "COST", "RI_UTILIZATION", "RI_COVERAGE", "SAVINGS_PLANS_UTILIZATION", "SAVINGS_PLANS_COVERAGE"];
const UNITS: [&str; 4] = ["DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY"];
/// The end of a budget that is given none: 15 June 2087.
const END: i64 = 3_706_473_600;

fn arn(request: &Request, name: &str) -> String {
    format!("arn:aws:budgets::{}:budget/{name}", request.account)
}

/// A budget as it is kept, from the input's, with the defaults of AWS.
fn budget(given: &Value, now: i64) -> Result<Value, AwsError> {
    let members = given.as_object().ok_or_else(|| missing("budget"))?;
    if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(invalid(format!("the local account knows no member {unknown} of a budget")));
    }
    let name = given.need("BudgetName", missing)?;
    if name.chars().count() > 100 || name.contains([':', '\\']) || name.contains("/action/") {
        return Err(invalid("the budget's name holds : or \\ or is longer than 100 characters"));
    }
    let kind = given.need("BudgetType", missing)?;
    let unit = given.need("TimeUnit", missing)?;
    if !TYPES.contains(&kind) || !UNITS.contains(&unit) {
        return Err(invalid("BudgetType or TimeUnit is none that there is"));
    }
    let limit = given.member("BudgetLimit").ok_or_else(|| missing("budgetLimit"))?;
    let amount = limit.need("Amount", missing)?.parse::<f64>().ok().filter(|amount| *amount > 0.0);
    let amount = amount.ok_or_else(|| invalid("Budget limit must be a positive number"))?;
    if kind == "COST" && limit.text("Unit") != Some("USD") {
        return Err(invalid("Unit of a cost budget must be USD"));
    }
    if given.member("CostFilters").is_some() && given.member("FilterExpression").is_some() {
        return Err(invalid("CostFilters and FilterExpression can't be given together"));
    }
    let filters = given.member("CostFilters").cloned().unwrap_or(json!({}));
    for (key, values) in filters.as_object().into_iter().flatten() {
        let texts = values.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string));
        let tags = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        if !texts || (key == "TagKeyValue" && !tags.clone().all(|tag| tag.contains('$'))) {
            return Err(invalid(format!("the filter {key} is not valid: tags are written as user:KEY$VALUE")));
        }
    }
    let today = DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default();
    let first = NaiveDate::from_ymd_opt(today.year(), today.month(), 1).unwrap_or_default();
    let start = first.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc().timestamp();
    let mut kept = given.clone();
    kept["CostFilters"] = filters;
    kept["BudgetLimit"]["Amount"] = json!(format!("{amount:?}"));
    let types = given.member("CostTypes").cloned().unwrap_or(json!({}));
    let types = [
        ("IncludeTax", true),
        ("IncludeSubscription", true),
        ("UseBlended", false),
        ("IncludeRefund", true),
        ("IncludeCredit", true),
        ("IncludeUpfront", true),
        ("IncludeRecurring", true),
        ("IncludeOtherSubscription", true),
        ("IncludeSupport", true),
        ("IncludeDiscount", true),
        ("UseAmortized", false),
    ]
    .map(|(name, default)| (name.to_owned(), json!(types.flag(name).unwrap_or(default))));
    kept["CostTypes"] = Value::Object(types.into_iter().collect());
    kept["TimePeriod"] = json!({
        "Start": given.member("TimePeriod").and_then(|time| time.number("Start")).unwrap_or(start),
        "End": given.member("TimePeriod").and_then(|time| time.number("End")).unwrap_or(END),
    });
    kept["LastUpdatedTime"] = json!(now as f64 / 1000.0);
    kept["CalculatedSpend"] = json!({ "ActualSpend": { "Amount": "0.0", "Unit": "USD" } });
    Ok(kept)
}

fn tags(request: &Request) -> Result<Tags, AwsError> {
    let tags = tags_of(request.input.list("ResourceTags"), "Key", "Value");
    match refused_tag(&tags) {
        Some(key) => Err(invalid(format!("the tag {key} is not valid"))),
        None if tags.len() > 200 => Err(AwsError::new("ServiceQuotaExceededException", "too many tags")),
        None => Ok(tags),
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    request.input.need("AccountId", missing)?;
    let mut kept = budget(request.input.member("Budget").ok_or_else(|| missing("budget"))?, state.now())?;
    let name = kept.text("BudgetName").unwrap_or_default().to_owned();
    let tags = tags(request)?;
    let mut notifications = Vec::new();
    for one in request.input.list("NotificationsWithSubscribers") {
        let subscribers = subscriber_list(one.list("Subscribers"))?;
        notifications.push(notification(one.member("Notification"), subscribers)?);
    }
    if notifications.len() > 5 {
        return Err(AwsError::new("CreationLimitExceededException", "a budget has at most 5 notifications"));
    }
    if state.get(BUDGETS, &name).is_some() {
        let message = format!("Error creating budget: {name} - the budget already exists.");
        return Err(AwsError::new("DuplicateRecordException", message));
    }
    kept["notifications"] = Value::Array(notifications);
    state.put(BUDGETS, &name, kept);
    state.set_tags(&arn(request, &name), &tags);
    Ok(json!({}))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    request.input.need("AccountId", missing)?;
    let mut kept = budget(request.input.member("NewBudget").ok_or_else(|| missing("newBudget"))?, state.now())?;
    let name = kept.text("BudgetName").unwrap_or_default().to_owned();
    let before = state.get(BUDGETS, &name).cloned().ok_or_else(|| not_found(&format!("the budget {name}")))?;
    kept["notifications"] = before["notifications"].clone();
    state.put(BUDGETS, &name, kept);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = named(state, request)?;
    state.remove(BUDGETS, &name);
    state.forget_tags(&arn(request, &name));
    Ok(json!({}))
}

fn told(mut budget: Value) -> Value {
    if let Some(members) = budget.as_object_mut() {
        members.remove("notifications");
    }
    budget
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, budget) = named(state, request)?;
    Ok(json!({ "Budget": told(budget) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    request.input.need("AccountId", missing)?;
    let all = state.list(BUDGETS).map(|(_, budget)| told(budget.clone())).collect();
    paged(request, "Budgets", all, 1000)
}

fn tagged(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let given = request.input.need("ResourceARN", missing)?;
    let name = given.strip_prefix(&arn(request, "")).filter(|name| state.get(BUDGETS, name).is_some());
    name.map(|_| given.to_owned()).ok_or_else(|| not_found("the resource"))
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.add_tags(&arn, &tags(request)?);
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.remove_tags(&arn, &request.input.texts("ResourceTagKeys"));
    Ok(json!({}))
}

pub(super) fn list_tags(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    Ok(json!({ "ResourceTags": tag_list(&state.tags(&arn), "Key", "Value") }))
}
