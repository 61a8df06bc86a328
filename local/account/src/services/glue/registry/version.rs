//! Versions of schemas, and whether one fits those before it.

use lakewright_formats::{MismatchKind, Schema, mismatches};
use serde_json::{Value, json};

use super::schema::{self, existing};
use super::{invalid, invalid_token, not_found, page_size, paged};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::pages::page;
use crate::request::Request;
use crate::state::State;

/// Where versions stand, by their UUID.
const COLLECTION: &str = "glue/registry-version";
/// The longest definition, in characters.
const LONGEST: usize = 170_000;

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Available,
    /// It doesn't fit those before it.
    Failure,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Failure => "FAILURE",
        }
    }
}

/// Refuses what is no schema of the format. Schemas of Protobuf are taken as they are.
pub(super) fn check(format: &str, definition: &str) -> Result<(), AwsError> {
    if definition.trim().is_empty() || definition.chars().count() > LONGEST {
        return Err(invalid(format!("SchemaDefinition must have 1 to {LONGEST} characters, not all of them spaces")));
    }
    let wrong = match format {
        "AVRO" => Schema::parse(definition, &[]).err().map(|reject| reject.to_string()),
        "JSON" => serde_json::from_str::<Value>(definition).err().map(|error| error.to_string()),
        _ => None,
    };
    match wrong {
        Some(wrong) => Err(invalid(format!("Schema definition of {format} data format is invalid: {wrong}"))),
        None => Ok(()),
    }
}

pub(in crate::services::glue) fn judge(request: &Request) -> Result<Value, AwsError> {
    let format = request.input.text("DataFormat").ok_or_else(|| invalid("DataFormat is required"))?;
    let definition = request.input.text("SchemaDefinition").unwrap_or_default();
    Ok(match check(format, definition) {
        Ok(()) => json!({ "Valid": true }),
        Err(error) => json!({ "Valid": false, "Error": error.message }),
    })
}

/// Adds a version; gives its UUID and number.
pub(super) fn add(state: &mut State<'_>, schema: &str, definition: &str, status: Status) -> (String, i64) {
    let id = ids::uuid();
    let mut number = 0;
    state.update(schema::COLLECTION, schema, |schema| {
        number = schema.number("NextSchemaVersion").unwrap_or(1);
        schema["NextSchemaVersion"] = json!(number + 1);
        if status == Status::Available {
            schema["LatestSchemaVersion"] = json!(number);
        }
    });
    let document = json!({
        "SchemaVersionId": id, "Schema": schema, "VersionNumber": number, "SchemaDefinition": definition,
        "Status": status.word(), "CreatedTime": clock::iso(state.now()),
    });
    state.put(COLLECTION, &id, document);
    (id, number)
}

/// The versions of a schema, the oldest first.
fn of(state: &State<'_>, schema: &str) -> Vec<Value> {
    let versions = state.list(COLLECTION).map(|(_, version)| version);
    let mut all: Vec<Value> = versions.filter(|version| version.text("Schema") == Some(schema)).cloned().collect();
    all.sort_by_key(|version| version.number("VersionNumber"));
    all
}

/// Whether two definitions are one: spaces and line breaks of JSON don't count.
fn same(one: &str, other: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || parsed(one).is_some_and(|one| parsed(other) == Some(one))
}

fn with_definition(state: &State<'_>, schema: &str, definition: &str) -> Option<Value> {
    of(state, schema).into_iter().find(|version| same(version.text("SchemaDefinition").unwrap_or_default(), definition))
}

pub(in crate::services::glue) fn register(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, schema) = existing(state, request)?;
    let definition = request.input.text("SchemaDefinition").ok_or_else(|| invalid("SchemaDefinition is required"))?;
    let (format, mode) =
        (schema.text("DataFormat").unwrap_or_default(), schema.text("Compatibility").unwrap_or_default());
    check(format, definition)?;
    if let Some(known) = with_definition(state, &id, definition) {
        return Ok(json!({
            "SchemaVersionId": known["SchemaVersionId"], "VersionNumber": known["VersionNumber"], "Status": known["Status"],
        }));
    }
    let checkpoint = schema.number("SchemaCheckpoint").unwrap_or(1);
    let before: Vec<Value> = of(state, &id)
        .into_iter()
        .filter(|version| {
            version.text("Status") == Some("AVAILABLE") && version.number("VersionNumber") >= Some(checkpoint)
        })
        .collect();
    if mode == "DISABLED" && !before.is_empty() {
        return Err(invalid("Compatibility DISABLED does not allow versioning. SchemaId: ".to_owned() + &id));
    }
    let status = if fits(format, mode, definition, &before) { Status::Available } else { Status::Failure };
    let (version, number) = add(state, &id, definition, status);
    Ok(json!({ "SchemaVersionId": version, "VersionNumber": number, "Status": status.word() }))
}

/// Whether a definition fits the versions before it. It is judged for Avro alone.
///
/// <https://docs.aws.amazon.com/glue/latest/dg/schema-registry.html#schema-registry-compatibility>
fn fits(format: &str, mode: &str, definition: &str, before: &[Value]) -> bool {
    let (Some(newest), "AVRO") = (before.last(), format) else { return true };
    let Ok(new) = Schema::parse(definition, &[]) else { return false };
    let judged = if mode.ends_with("_ALL") { before } else { std::slice::from_ref(newest) };
    let reads = |reader: &Schema, writer: &Schema| {
        mismatches(reader, writer).iter().all(|mismatch| mismatch.kind != MismatchKind::Unreadable)
    };
    judged.iter().all(|version| {
        let Ok(old) = Schema::parse(version.text("SchemaDefinition").unwrap_or_default(), &[]) else { return true };
        match mode.trim_end_matches("_ALL") {
            "BACKWARD" => reads(&new, &old),
            "FORWARD" => reads(&old, &new),
            "FULL" => reads(&new, &old) && reads(&old, &new),
            _ => true,
        }
    })
}

/// The number that a `SchemaVersionNumber` means.
pub(super) fn number(state: &State<'_>, schema: &str, given: &Value) -> Result<i64, AwsError> {
    let latest = given.flag("LatestVersion").unwrap_or_default();
    let number = match (given.number("VersionNumber"), latest) {
        (Some(number), false) => number,
        (None, true) => {
            let schema = state.get(schema::COLLECTION, schema);
            schema.and_then(|schema| schema.number("LatestSchemaVersion")).unwrap_or_default()
        }
        _ => return Err(invalid("One of LatestVersion and VersionNumber is required, and not both")),
    };
    let known = of(state, schema).iter().any(|version| version.number("VersionNumber") == Some(number));
    if known { Ok(number) } else { Err(not_found(format!("Schema version is not found. VersionNumber: {number}"))) }
}

fn described(state: &State<'_>, request: &Request, version: &Value, members: &[&str]) -> Value {
    let id = version.text("Schema").unwrap_or_default();
    let mut all = version.clone();
    all["SchemaArn"] = json!(schema::arn(request, id));
    all["DataFormat"] = state.get(schema::COLLECTION, id).map_or(Value::Null, |schema| schema["DataFormat"].clone());
    all.as_object_mut().expect("a version is an object").retain(|name, _| members.contains(&name.as_str()));
    all
}

/// A version by its UUID alone, or by its schema and number.
pub(in crate::services::glue) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let found = match (input.text("SchemaVersionId"), input.member("SchemaId"), input.member("SchemaVersionNumber")) {
        (Some(id), None, None) => {
            let found = state.get(COLLECTION, id).cloned();
            found.ok_or_else(|| not_found(format!("Schema version is not found. SchemaVersionId: {id}")))?
        }
        (None, Some(_), Some(given)) => {
            let (id, _) = existing(state, request)?;
            let number = number(state, &id, given)?;
            let found = of(state, &id).into_iter().find(|version| version.number("VersionNumber") == Some(number));
            found.ok_or_else(|| not_found(format!("Schema version is not found. VersionNumber: {number}")))?
        }
        _ => return Err(invalid("Either SchemaVersionId is required, or SchemaId and SchemaVersionNumber")),
    };
    let members =
        ["SchemaVersionId", "SchemaDefinition", "DataFormat", "SchemaArn", "VersionNumber", "Status", "CreatedTime"];
    Ok(described(state, request, &found, &members))
}

pub(in crate::services::glue) fn by_definition(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (id, _) = existing(state, request)?;
    let definition = request.input.text("SchemaDefinition").ok_or_else(|| invalid("SchemaDefinition is required"))?;
    let found = with_definition(state, &id, definition);
    let found = found.ok_or_else(|| not_found("Schema version is not found.".to_owned()))?;
    Ok(described(state, request, &found, &["SchemaVersionId", "SchemaArn", "DataFormat", "Status", "CreatedTime"]))
}

pub(in crate::services::glue) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let limit = page_size(request, 100)?;
    let (id, _) = existing(state, request)?;
    let members = ["SchemaArn", "SchemaVersionId", "VersionNumber", "Status", "CreatedTime"];
    let all = of(state, &id).iter().map(|version| described(state, request, version, &members)).collect();
    let (versions, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "Schemas": versions }), next))
}

/// Removes all versions of a schema.
pub(super) fn remove_all(state: &mut State<'_>, schema: &str) {
    for version in of(state, schema) {
        state.remove(COLLECTION, version.text("SchemaVersionId").unwrap_or_default());
    }
}
