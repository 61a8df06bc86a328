//! Glue's schema registry: registries, schemas in them, versions of those.
//!
//! <https://docs.aws.amazon.com/glue/latest/dg/schema-registry.html>

pub(in crate::services::glue) mod schema;
pub(in crate::services::glue) mod version;

use serde_json::{Value, json};

use super::{check_tags, invalid, invalid_token, not_found, page_size, paged, tags_in};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;
use crate::state::State;

/// Where registries stand, by name.
pub(super) const COLLECTION: &str = "glue/registry";
/// The registry of schemas for which none is named; it is made when it is needed.
const DEFAULT: &str = "default-registry";

/// A name of a registry or a schema, as the models have it: 1 to 255 of `[a-zA-Z0-9-_$#.]`.
fn name<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    let name = input.text(member).unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$' | '#' | '.');
    if (1..=255).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name);
    }
    Err(invalid(format!("{member} must be 1 to 255 of the characters a-z, A-Z, 0-9, -, _, $, # and .: {name}")))
}

fn description(input: &Value) -> Result<Option<&str>, AwsError> {
    let description = input.text("Description");
    match description.filter(|text| text.chars().count() > 2048) {
        Some(_) => Err(invalid("Description must have length less than or equal to 2048")),
        None => Ok(description),
    }
}

/// A registry's ARN.
pub(super) fn arn(request: &Request, registry: &str) -> String {
    request.arn("glue", &format!("registry/{registry}"))
}

fn missing(registry: &str) -> AwsError {
    not_found(format!("Registry is not found. RegistryName: {registry}"))
}

/// The name in a `RegistryId`: by name or ARN, which are never both there; the default's where there is no such member.
fn named(request: &Request) -> Result<String, AwsError> {
    let Some(id) = request.input.member("RegistryId") else { return Ok(DEFAULT.to_owned()) };
    match (id.text("RegistryName"), id.text("RegistryArn")) {
        (Some(_), None) => Ok(name(id, "RegistryName")?.to_owned()),
        (None, Some(arn)) => {
            let name = arn.split_once(":registry/").map(|(_, name)| name.to_owned());
            name.ok_or_else(|| invalid(format!("RegistryArn is no ARN of a registry: {arn}")))
        }
        _ => Err(invalid("One of RegistryName and RegistryArn is required, and not both")),
    }
}

/// The registry that a request names.
fn existing<'a>(state: &'a State<'_>, request: &Request) -> Result<(String, &'a Value), AwsError> {
    if request.input.member("RegistryId").is_none() {
        return Err(invalid("RegistryId is required"));
    }
    let name = named(request)?;
    let found = state.get(COLLECTION, &name).ok_or_else(|| missing(&name))?;
    Ok((name, found))
}

fn put(state: &mut State<'_>, name: &str, description: Option<&str>) {
    let now = clock::iso(state.now());
    let mut document = json!({ "RegistryName": name, "Status": "AVAILABLE", "CreatedTime": now, "UpdatedTime": now });
    if let Some(description) = description {
        document["Description"] = json!(description);
    }
    state.put(COLLECTION, name, document);
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name(&request.input, "RegistryName")?;
    let description = description(&request.input)?;
    let tags = tags_in(&request.input, "Tags")?;
    check_tags(&tags)?;
    if state.get(COLLECTION, name).is_some() {
        return Err(AwsError::new("AlreadyExistsException", format!("Registry already exists. RegistryName: {name}")));
    }
    put(state, name, description);
    let arn = arn(request, name);
    state.set_tags(&arn, &tags);
    let mut answer = json!({ "RegistryArn": arn, "RegistryName": name, "Tags": tags });
    if let Some(description) = description {
        answer["Description"] = json!(description);
    }
    Ok(answer)
}

fn described(request: &Request, registry: &Value) -> Value {
    let mut described = registry.clone();
    described["RegistryArn"] = json!(arn(request, registry.text("RegistryName").unwrap_or_default()));
    described
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, found) = existing(state, request)?;
    Ok(described(request, found))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let limit = page_size(request, 100)?;
    let all: Vec<Value> = state.list(COLLECTION).map(|(_, registry)| described(request, registry)).collect();
    let (registries, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "Registries": registries }), next))
}

/// Deletes a registry with all that is in it. On AWS that takes a while.
pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, _) = existing(state, request)?;
    for schema in schema::names(state, &name) {
        schema::remove(state, request, &name, &schema);
    }
    state.remove(COLLECTION, &name);
    let arn = arn(request, &name);
    state.forget_tags(&arn);
    Ok(json!({ "RegistryName": name, "RegistryArn": arn, "Status": "DELETING" }))
}

/// Whether a registry or a schema has this ARN.
pub(super) fn has(state: &State<'_>, arn: &str) -> bool {
    let registry = arn.split_once(":registry/").map(|(_, name)| state.get(COLLECTION, name).is_some());
    let schema = arn.split_once(":schema/").map(|(_, id)| state.get(schema::COLLECTION, id).is_some());
    registry.or(schema).unwrap_or_default()
}
