//! Rules, their targets and tags.

use lakewright_iam::Arn;
use serde_json::{Value, json};

use super::schedule;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages::page;
use crate::request::Request;
use crate::state::{State, Tags, refused_tag, tag_list, tags_of};

/// Where rules stand, by name. Members beginning with `_` are ours and are never answered.
const RULES: &str = "events/rule";
/// How many targets a rule may have.
const TARGETS: usize = 5;

/// What a target may say besides its id and ARN.
const TARGET_MEMBERS: [&str; 8] =
    ["Id", "Arn", "RoleArn", "Input", "InputPath", "InputTransformer", "RetryPolicy", "DeadLetterConfig"];

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

fn missing(member: &str) -> AwsError {
    AwsError::null_member("ValidationException", member)
}

fn not_found(name: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", format!("Rule {name} does not exist on EventBus default."))
}

/// Refuses what an operation doesn't have, and other buses than the default one.
fn only(request: &Request, known: &[&str]) -> Result<(), AwsError> {
    let members = request.input.as_object().into_iter().flatten();
    for (name, _) in members.filter(|(name, _)| *name != "EventBusName") {
        if !known.contains(&name.as_str()) {
            return Err(AwsError::new("SerializationException", format!("{} has no member {name}", request.operation)));
        }
    }
    match request.input.text("EventBusName") {
        None | Some("default") => Ok(()),
        Some(bus) => Err(AwsError::new("ResourceNotFoundException", format!("Event bus {bus} does not exist."))),
    }
}

fn legal_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(legal)
}

fn arn(request: &Request, name: &str) -> String {
    request.arn("events", &format!("rule/{name}"))
}

fn named(state: &State<'_>, request: &Request, member: &str) -> Result<(String, Value), AwsError> {
    let name = request.input.need(member, missing)?;
    if !legal_name(name) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+"
        )));
    }
    let rule = state.get(RULES, name).cloned().ok_or_else(|| not_found(name))?;
    Ok((name.to_owned(), rule))
}

fn shown(rule: &Value) -> Value {
    let mut shown = rule.clone();
    shown.as_object_mut().expect("a rule is an object").retain(|name, _| !name.starts_with('_'));
    shown
}

pub(super) fn put(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let known = ["Name", "ScheduleExpression", "EventPattern", "State", "Description", "RoleArn", "Tags"];
    only(request, &known)?;
    let input = &request.input;
    let name = input.need("Name", missing)?;
    let before = match named(state, request, "Name") {
        Ok((_, rule)) => Some(rule),
        Err(error) if error.code == "ResourceNotFoundException" => None,
        Err(error) => return Err(error),
    };
    let (schedule, pattern) = (input.text("ScheduleExpression"), input.text("EventPattern"));
    if schedule.is_none() && pattern.is_none() {
        return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    if schedule.is_some_and(|schedule| !schedule::is_valid(schedule)) {
        return Err(invalid("Parameter ScheduleExpression is not valid."));
    }
    if pattern.is_some_and(|pattern| !serde_json::from_str::<Value>(pattern).is_ok_and(|it| it.is_object())) {
        return Err(AwsError::new("InvalidEventPatternException", "Event pattern is not valid. Reason: not an object"));
    }
    let switch = input.text("State").unwrap_or("ENABLED");
    if !["ENABLED", "DISABLED"].contains(&switch) {
        return Err(invalid(format!(
            "Value '{switch}' at 'state' failed to satisfy enum value set: [ENABLED, DISABLED]"
        )));
    }
    if input.text("Description").is_some_and(|text| text.chars().count() > 512) {
        return Err(invalid("Value at 'description' failed to satisfy constraint: length less than or equal to 512"));
    }
    let arn = arn(request, name);
    // What the call leaves out is gone; targets stay.
    let mut rule = json!({ "Name": name, "Arn": arn, "State": switch, "EventBusName": "default" });
    for member in ["ScheduleExpression", "EventPattern", "Description", "RoleArn"] {
        if let Some(value) = input.text(member).filter(|text| !text.is_empty()) {
            rule[member] = json!(value);
        }
    }
    rule["_targets"] = before.as_ref().map_or_else(|| json!([]), |before| before["_targets"].clone());
    if before.is_none() {
        let tags = tags_in(input)?;
        state.set_tags(&arn, &tags);
    }
    state.put(RULES, name, rule);
    Ok(json!({ "RuleArn": arn }))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Name"])?;
    let (_, rule) = named(state, request, "Name")?;
    let mut shown = shown(&rule);
    shown["CreatedBy"] = json!(request.account);
    Ok(shown)
}

fn paged(request: &Request, member: &str, items: Vec<Value>) -> Result<Value, AwsError> {
    let limit = request.input.number("Limit").unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return Err(invalid("Value at 'limit' failed to satisfy constraint: Member must have value between 1 and 100"));
    }
    let wrong = || invalid("The specified NextToken is invalid.");
    let (items, next) = page(items, request.input.text("NextToken"), limit as usize, wrong)?;
    let mut answer = json!({ member: items });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["NamePrefix", "NextToken", "Limit"])?;
    let prefix = request.input.text("NamePrefix").unwrap_or_default();
    let all = state.list(RULES).filter(|(name, _)| name.starts_with(prefix)).map(|(_, rule)| shown(rule)).collect();
    paged(request, "Rules", all)
}

pub(super) fn switch(state: &mut State<'_>, request: &Request, to: &str) -> Result<Value, AwsError> {
    only(request, &["Name"])?;
    let (name, mut rule) = named(state, request, "Name")?;
    rule["State"] = json!(to);
    state.put(RULES, &name, rule);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Name", "Force"])?;
    let (name, rule) = match named(state, request, "Name") {
        // EventBridge is content with a rule that isn't there.
        Err(error) if error.code == "ResourceNotFoundException" => return Ok(json!({})),
        found => found?,
    };
    if !rule.list("_targets").is_empty() {
        return Err(invalid("Rule can't be deleted since it has targets."));
    }
    state.forget_tags(&arn(request, &name));
    state.remove(RULES, &name);
    Ok(json!({}))
}

pub(super) fn put_targets(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Rule", "Targets"])?;
    let (name, mut rule) = named(state, request, "Rule")?;
    let given = request.input.list("Targets");
    if given.is_empty() || given.len() > 100 {
        return Err(invalid(
            "Value at 'targets' failed to satisfy constraint: Member must have length between 1 and 100",
        ));
    }
    let mut targets = rule.list("_targets").to_vec();
    for target in given {
        let id = target.need("Id", missing)?;
        let arn = target.need("Arn", missing)?;
        if !legal_name(id) {
            return Err(invalid(format!(
                "Value '{id}' at 'targets.1.member.id' failed to satisfy constraint: [\\.\\-_A-Za-z0-9]+"
            )));
        }
        if !Arn::parse(arn).is_some_and(|arn| arn.is_of_aws()) {
            return Err(invalid(format!(
                "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
            )));
        }
        let unknown =
            target.as_object().into_iter().flatten().find(|(name, _)| !TARGET_MEMBERS.contains(&name.as_str()));
        if let Some((member, _)) = unknown {
            return Err(AwsError::new("SerializationException", format!("a target has no member {member} here")));
        }
        if let Some(input) = target.text("Input")
            && serde_json::from_str::<Value>(input).is_err()
        {
            return Err(invalid(format!("JSON syntax error in input for target {id} : {input}")));
        }
        targets.retain(|other| other.text("Id") != Some(id));
        targets.push(target.clone());
    }
    if targets.len() > TARGETS {
        return Err(AwsError::new(
            "LimitExceededException",
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    rule["_targets"] = json!(targets);
    state.put(RULES, &name, rule);
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

pub(super) fn remove_targets(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Rule", "Ids", "Force"])?;
    let (name, mut rule) = named(state, request, "Rule")?;
    let ids = request.input.texts("Ids");
    if ids.is_empty() {
        return Err(missing("Ids"));
    }
    let mut targets = rule.list("_targets").to_vec();
    let there = |id: &String| targets.iter().any(|target| target.text("Id") == Some(id));
    let failed: Vec<Value> = ids
        .iter()
        .filter(|id| !there(id))
        .map(|id| json!({ "TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": "no such target" }))
        .collect();
    targets.retain(|target| target.text("Id").is_none_or(|id| !ids.iter().any(|other| other == id)));
    rule["_targets"] = json!(targets);
    state.put(RULES, &name, rule);
    Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
}

pub(super) fn list_targets(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Rule", "NextToken", "Limit"])?;
    let (_, rule) = named(state, request, "Rule")?;
    paged(request, "Targets", rule.list("_targets").to_vec())
}

fn tags_in(input: &Value) -> Result<Tags, AwsError> {
    let tags = tags_of(input.list("Tags"), "Key", "Value");
    match refused_tag(&tags) {
        _ if tags.len() > 50 => Err(AwsError::new("LimitExceededException", "A rule has at most 50 tags.")),
        Some(key) => Err(invalid(format!("Tag {key} is not valid."))),
        None => Ok(tags),
    }
}

fn tagged(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let given = request.input.need("ResourceARN", missing)?;
    let name = given.rsplit('/').next().unwrap_or_default();
    if state.get(RULES, name).is_none() || given != arn(request, name) {
        return Err(not_found(name));
    }
    Ok(given.to_owned())
}

pub(super) fn list_tags(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    Ok(json!({ "Tags": tag_list(&state.tags(&arn), "Key", "Value") }))
}

pub(super) fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    let tags = tags_in(&request.input)?;
    state.add_tags(&arn, &tags);
    Ok(json!({}))
}

pub(super) fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = tagged(state, request)?;
    state.remove_tags(&arn, &request.input.texts("TagKeys"));
    Ok(json!({}))
}
