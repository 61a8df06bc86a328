//! Schemas of a registry.

use serde_json::{Value, json};

use super::version::{self, Status};
use super::{description, invalid, invalid_token, missing, name, named, not_found, page_size, paged, tags_in};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;
use crate::state::{State, Tags};

/// Where schemas stand, by `REGISTRY/NAME`.
pub(in crate::services::glue) const COLLECTION: &str = "glue/registry-schema";
const FORMATS: [&str; 3] = ["AVRO", "JSON", "PROTOBUF"];
const COMPATIBILITIES: [&str; 8] =
    ["NONE", "DISABLED", "BACKWARD", "BACKWARD_ALL", "FORWARD", "FORWARD_ALL", "FULL", "FULL_ALL"];

fn choice<'a>(input: &'a Value, member: &str, choices: &[&str]) -> Result<Option<&'a str>, AwsError> {
    match input.text(member) {
        Some(given) if !choices.contains(&given) => {
            Err(invalid(format!("{member} must be one of {}: {given}", choices.join(", "))))
        }
        given => Ok(given),
    }
}

/// A schema's ARN.
pub(super) fn arn(request: &Request, id: &str) -> String {
    request.arn("glue", &format!("schema/{id}"))
}

pub(in crate::services::glue) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let schema = name(input, "SchemaName")?;
    let format = choice(input, "DataFormat", &FORMATS)?.ok_or_else(|| invalid("DataFormat is required"))?;
    let compatibility = choice(input, "Compatibility", &COMPATIBILITIES)?.unwrap_or("NONE");
    let description = description(input)?;
    let tags = tags_in(input, "Tags")?;
    let definition = input.text("SchemaDefinition");
    if let Some(definition) = definition {
        version::check(format, definition)?;
    }
    let registry = named(request)?;
    if state.get(super::COLLECTION, &registry).is_none() {
        if registry != super::DEFAULT {
            return Err(missing(&registry));
        }
        super::put(state, &registry, None);
        state.set_tags(&super::arn(request, &registry), &Tags::new());
    }
    let id = format!("{registry}/{schema}");
    if state.get(COLLECTION, &id).is_some() {
        let message = format!("Schema already exists. SchemaName: {schema}, RegistryName: {registry}");
        return Err(AwsError::new("AlreadyExistsException", message));
    }
    let now = clock::iso(state.now());
    let mut document = json!({
        "RegistryName": registry, "SchemaName": schema, "DataFormat": format, "Compatibility": compatibility,
        "SchemaCheckpoint": 1, "LatestSchemaVersion": 0, "NextSchemaVersion": 1, "SchemaStatus": "AVAILABLE",
        "CreatedTime": now, "UpdatedTime": now,
    });
    if let Some(description) = description {
        document["Description"] = json!(description);
    }
    state.put(COLLECTION, &id, document);
    let arn = arn(request, &id);
    state.set_tags(&arn, &tags);
    let first = definition.map(|definition| version::add(state, &id, definition, Status::Available));
    let mut answer = described(request, state.get(COLLECTION, &id).unwrap_or(&Value::Null));
    if let Some((version, _)) = first {
        answer["SchemaVersionId"] = json!(version);
        answer["SchemaVersionStatus"] = json!("AVAILABLE");
    }
    answer["Tags"] = json!(tags);
    for member in ["CreatedTime", "UpdatedTime"] {
        answer.as_object_mut().expect("the answer is an object").remove(member);
    }
    Ok(answer)
}

fn described(request: &Request, schema: &Value) -> Value {
    let mut described = schema.clone();
    let (registry, name) =
        (schema.text("RegistryName").unwrap_or_default(), schema.text("SchemaName").unwrap_or_default());
    described["RegistryArn"] = json!(super::arn(request, registry));
    described["SchemaArn"] = json!(arn(request, &format!("{registry}/{name}")));
    described
}

/// The id, `REGISTRY/NAME`, in a request's `SchemaId`: by ARN, or by the names of schema and registry.
pub(super) fn id_of(input: &Value) -> Result<String, AwsError> {
    let id = input.member("SchemaId").ok_or_else(|| invalid("SchemaId is required"))?;
    match (id.text("SchemaArn"), id.text("SchemaName"), id.text("RegistryName")) {
        (Some(arn), None, None) => {
            let id = arn.split_once(":schema/").map(|(_, id)| id.to_owned());
            id.ok_or_else(|| invalid(format!("SchemaArn is no ARN of a schema: {arn}")))
        }
        (None, Some(_), Some(_)) => Ok(format!("{}/{}", name(id, "RegistryName")?, name(id, "SchemaName")?)),
        _ => Err(invalid("Either SchemaArn is required, or SchemaName and RegistryName")),
    }
}

/// The schema that a request names, with its id.
pub(super) fn existing<'a>(state: &'a State<'_>, request: &Request) -> Result<(String, &'a Value), AwsError> {
    let id = id_of(&request.input)?;
    let (registry, schema) = id.split_once('/').unwrap_or_default();
    let found = state.get(COLLECTION, &id).ok_or_else(|| {
        not_found(format!("Schema is not found. RegistryName: {registry}, SchemaName: {schema}, SchemaArn: null"))
    })?;
    Ok((id, found))
}

pub(in crate::services::glue) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (_, found) = existing(state, request)?;
    Ok(described(request, found))
}

/// Schemas of a registry, or of all.
pub(in crate::services::glue) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let limit = page_size(request, 100)?;
    let wanted = match request.input.member("RegistryId") {
        Some(_) => Some(super::existing(state, request)?.0),
        None => None,
    };
    let of = |schema: &&Value| wanted.as_deref().is_none_or(|wanted| schema.text("RegistryName") == Some(wanted));
    let item = |schema: &Value| {
        let mut item = described(request, schema);
        let members = item.as_object_mut().expect("a schema is an object");
        let shown =
            ["RegistryName", "SchemaName", "SchemaArn", "Description", "SchemaStatus", "CreatedTime", "UpdatedTime"];
        members.retain(|name, _| shown.contains(&name.as_str()));
        item
    };
    let all: Vec<Value> = state.list(COLLECTION).map(|(_, schema)| schema).filter(of).map(item).collect();
    let (schemas, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "Schemas": schemas }), next))
}

/// Changes compatibility or description; a change of compatibility names the version from which on it holds.
pub(in crate::services::glue) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, found) = existing(state, request)?;
    let compatibility = choice(&request.input, "Compatibility", &COMPATIBILITIES)?;
    let description = description(&request.input)?;
    let checkpoint = match request.input.member("SchemaVersionNumber") {
        Some(number) => Some(version::number(state, &id, number)?),
        None if compatibility.is_some() => return Err(invalid("SchemaVersionNumber is required with Compatibility")),
        None => None,
    };
    let mut changed = found.clone();
    for (member, value) in [("Compatibility", compatibility), ("Description", description)] {
        if let Some(value) = value {
            changed[member] = json!(value);
        }
    }
    if let Some(checkpoint) = checkpoint {
        changed["SchemaCheckpoint"] = json!(checkpoint);
    }
    changed["UpdatedTime"] = json!(clock::iso(state.now()));
    let answer = described(request, &changed);
    state.put(COLLECTION, &id, changed);
    Ok(json!({
        "SchemaArn": answer["SchemaArn"], "SchemaName": answer["SchemaName"], "RegistryName": answer["RegistryName"],
    }))
}

/// Deletes a schema with its versions. On AWS that takes a while.
pub(in crate::services::glue) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, _) = existing(state, request)?;
    let (registry, schema) = id.split_once('/').unwrap_or_default();
    remove(state, request, registry, schema);
    Ok(json!({ "SchemaArn": arn(request, &id), "SchemaName": schema, "Status": "DELETING" }))
}

/// The names of a registry's schemas.
pub(super) fn names(state: &State<'_>, registry: &str) -> Vec<String> {
    let prefix = format!("{registry}/");
    state.list(COLLECTION).filter_map(|(id, _)| id.strip_prefix(&prefix).map(str::to_owned)).collect()
}

pub(super) fn remove(state: &mut State<'_>, request: &Request, registry: &str, schema: &str) {
    let id = format!("{registry}/{schema}");
    version::remove_all(state, &id);
    state.remove(COLLECTION, &id);
    state.forget_tags(&arn(request, &id));
}
