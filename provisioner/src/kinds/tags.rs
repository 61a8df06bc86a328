//! The tags that say whose a resource is, and the sweep that finds it by them.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use lakewright_aws::{Error, Service, list, text};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::spec;
use super::wait::{self, Made};
use crate::kind::{Context, Outcome};
use crate::resource::{Address, Condition, Live};

pub(super) use crate::kind::{ADDRESS, APPLIED, STACK};

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// The tags that a create call writes.
pub(super) fn own(context: &Context, address: &Address) -> [(&'static str, String); 3] {
    [
        (STACK, context.stack.clone()),
        (ADDRESS, address.to_string()),
        ("Name", format!("{}-{}", context.stack, address.name)),
    ]
}

/// The same as `[{"Key", "Value"}]`.
pub(super) fn pairs(context: &Context, address: &Address) -> Value {
    own(context, address).into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// The same as a JSON object of strings.
pub(super) fn object(context: &Context, address: &Address) -> Value {
    own(context, address).into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
}

/// The same as EC2's `TagSpecification` for one type of resource.
pub(super) fn specification(context: &Context, address: &Address, resource_type: &str) -> Value {
    json!([{"ResourceType": resource_type, "Tag": pairs(context, address)}])
}

/// The tags of `[{"key", "value"}]` or `[{"Key", "Value"}]`.
pub(super) fn of(tags: &[Value]) -> Tags {
    let part = |tag: &Value, lower: &str, upper: &str| {
        tag.get(lower).or_else(|| tag.get(upper)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    tags.iter().map(|tag| (part(tag, "key", "Key"), part(tag, "value", "Value"))).collect()
}

/// The tags of a JSON object of strings.
pub(super) fn of_object(tags: &Value) -> Tags {
    let Some(tags) = tags.as_object() else { return Tags::new() };
    tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// The address that the tags state, if they state this stack's and this kind's.
pub(super) fn address(context: &Context, kind: &str, tags: &Tags) -> Option<Address> {
    if tags.get(STACK)? != &context.stack {
        return None;
    }
    tags.get(ADDRESS)?.parse().ok().filter(|address: &Address| address.kind == kind)
}

/// A living resource that is ready, with nothing foreign in it.
pub(super) fn live(address: Address, tags: &Tags, id: &str, spec: Value, outputs: &[(&str, &str)]) -> Live {
    Live {
        address,
        id: id.to_owned(),
        spec,
        outputs: outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        applied: tags.get(APPLIED).cloned(),
        condition: Condition::Ready,
        foreign: Vec::new(),
        holds: Vec::new(),
        is_empty: false,
    }
}

/// The tags of something that is to be adopted, as if they were the address's; another stack's are refused.
pub(super) fn claimed(context: &Context, address: &Address, id: &str, mut tags: Tags) -> Result<Tags> {
    if let Some(other) = tags.get(STACK).filter(|stack| **stack != context.stack) {
        let as_what = tags.get(ADDRESS).map(|address| format!(", as {address}")).unwrap_or_default();
        bail!(
            "{id} belongs to the stack {other}{as_what}; destroy it there, or take its tags {STACK} and {ADDRESS} away first"
        );
    }
    tags.remove(APPLIED);
    tags.insert(STACK.to_owned(), context.stack.clone());
    tags.insert(ADDRESS.to_owned(), address.to_string());
    Ok(tags)
}

/// The description with its list of tags as if they were the address's.
pub(super) fn claim(
    context: &Context,
    address: &Address,
    id: &str,
    mut description: Value,
    member: &str,
) -> Result<Value> {
    let tags = claimed(context, address, id, of(list(&description, member)))?;
    description[member] = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    Ok(description)
}

/// The same where the tags are an object.
pub(super) fn claim_object(
    context: &Context,
    address: &Address,
    id: &str,
    mut description: Value,
    member: &str,
) -> Result<Value> {
    let tags = claimed(context, address, id, of_object(&description[member]))?;
    description[member] = tags.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
    Ok(description)
}

/// What an EC2 `Describe…` says of the one with that id, its tags as if they were the address's.
pub(super) async fn claim_one(
    context: &Context,
    address: &Address,
    (operation, set): (&str, &str),
    (parameter, id): (&str, &str),
) -> Result<Option<Value>> {
    let answer = wait::found(context.aws.call(Service::Ec2, operation, json!({parameter: [id]})).await)?;
    let one = answer.and_then(|answer| list(&answer, set).first().cloned());
    one.map(|one| claim(context, address, id, one, "tagSet")).transpose()
}

/// The refusal of a create call by something of that name that isn't the address's: what stands there, and whose it is.
pub(super) fn taken(refusal: Error, what: &str, tags: &Tags) -> anyhow::Error {
    let whose = match (tags.get(STACK), tags.get(ADDRESS)) {
        (Some(stack), Some(address)) => format!(": it is {address} of the stack {stack}"),
        (Some(stack), None) => format!(": it is the stack {stack}'s"),
        _ => String::new(),
    };
    anyhow::Error::new(refusal).context(format!("{what} is there already and isn't this stack's{whose}"))
}

/// A token that is the same for every attempt at one create within one apply and those that resume it: 32 hexadecimal
/// digits. One made with another spec is another thing, even at the same address.
pub(super) fn client_token(context: &Context, address: &Address, spec: &impl Serialize) -> String {
    let spec = spec::value(spec);
    let digest = Sha256::digest(format!("{}\n{address}\n{}\n{spec}", context.stack, context.nonce));
    hex::encode(&digest[..16])
}

/// Everything that an EC2 `Describe…` lists with the stack's tag; `set` is the list's name in the answer.
pub(super) async fn sweep(context: &Context, operation: &str, set: &str) -> Result<Vec<Value>> {
    let filter = json!([{"Name": format!("tag:{STACK}"), "Value": [context.stack]}]);
    describe(context, operation, set, json!({"Filter": filter})).await
}

/// Everything that an EC2 `Describe…` lists with the address's tags.
pub(super) async fn sweep_address(
    context: &Context,
    address: &Address,
    operation: &str,
    set: &str,
) -> Result<Vec<Value>> {
    let filter = json!([
        {"Name": format!("tag:{STACK}"), "Value": [context.stack]},
        {"Name": format!("tag:{ADDRESS}"), "Value": [address.to_string()]},
    ]);
    describe(context, operation, set, json!({"Filter": filter})).await
}

/// Everything that an EC2 `Describe…` lists for an input, all pages of it.
pub(super) async fn describe(context: &Context, operation: &str, set: &str, mut input: Value) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let page = context.aws.call(Service::Ec2, operation, input.clone()).await?;
        all.extend_from_slice(list(&page, set));
        match text(&page, "nextToken") {
            "" => return Ok(all),
            next => input["NextToken"] = json!(next),
        }
    }
}

/// Writes tags on an EC2 resource.
pub(super) async fn write(context: &Context, id: &str, tags: &[(&str, &str)]) -> Result<()> {
    let input = json!({"ResourceId": [id], "Tag": list_of(tags)});
    wait::visible(context, || context.aws.call(Service::Ec2, "CreateTags", input.clone())).await?;
    Ok(())
}

/// Tags as `[{"Key", "Value"}]`.
pub(super) fn list_of(tags: &[(&str, &str)]) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// Tags as a JSON object of strings.
pub(super) fn map(tags: &[(&str, &str)]) -> Value {
    tags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}

/// A create call of EC2's that no client token protects.
pub(super) struct Making<'a> {
    /// The operation.
    pub(super) operation: &'a str,
    /// Its input.
    pub(super) input: Value,
    /// The element of its answer that holds the id; empty: the answer itself.
    pub(super) element: &'a str,
    /// The operation that lists such things.
    pub(super) describe: &'a str,
    /// The list's name in that operation's answer.
    pub(super) set: &'a str,
    /// The id's name.
    pub(super) id: &'a str,
    /// Whether AWS refuses a second one, by its name or by its place.
    pub(super) unique: bool,
}

/// Makes a thing unless one with the address's tags lives: the call is never repeated unseen, and if its answer was
/// lost the lists are asked what became of it. Returns the id.
pub(super) async fn make_once(context: &Context, address: &Address, making: Making<'_>) -> Result<String> {
    if let Some(id) = living(context, address, &making).await? {
        return Ok(id);
    }
    let probe = || living(context, address, &making);
    if !making.unique
        && let Some(id) = wait::interrupted(context, address, probe).await?
    {
        return Ok(id);
    }
    let call = || context.aws.call_once(Service::Ec2, making.operation, making.input.clone());
    let answer = match wait::once(context, call, probe).await? {
        Made::Now(answer) => answer,
        Made::Before(id) => return Ok(id),
    };
    let made = if making.element.is_empty() { &answer } else { &answer[making.element] };
    Ok(text(made, making.id).to_owned())
}

async fn living(context: &Context, address: &Address, making: &Making<'_>) -> Result<Option<String>> {
    let found = sweep_address(context, address, making.describe, making.set).await?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(text(one, making.id).to_owned())),
        more => {
            let ids: Vec<_> = more.iter().map(|one| text(one, making.id)).collect();
            bail!("{address} lives more than once, as {}; delete all but one of them", ids.join(" and "))
        }
    }
}

/// The outcome with these outputs.
pub(super) fn outcome(id: &str, outputs: &[(&str, &str)]) -> Outcome {
    let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outcome { id: id.to_owned(), outputs }
}

/// The ARN of an EC2 resource.
pub(super) fn ec2_arn(context: &Context, resource_type: &str, id: &str) -> String {
    format!("arn:{}:ec2:{}:{}:{resource_type}/{id}", partition(&context.region), context.region, context.account)
}

/// The partition of AWS that a region belongs to, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}
