//! Archived versions of tables.

use serde_json::{Value, json};

use super::table::{ARCHIVE, archive_id, current, version_number};
use super::{database_name, invalid, invalid_token, name_of, not_found, page_size, paged};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;
use crate::state::State;

fn described(table: &Value) -> Value {
    json!({ "Table": table, "VersionId": table["VersionId"] })
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let table = name_of(&request.input, "TableName")?;
    let now = current(state, &database, &table)?;
    let version = match request.input.text("VersionId") {
        None => return Ok(json!({ "TableVersion": described(&now) })),
        Some(version) => version.parse().map_err(|_| invalid(format!("Invalid version: {version}")))?,
    };
    if version == version_number(&now) {
        return Ok(json!({ "TableVersion": described(&now) }));
    }
    let archived = state.get(ARCHIVE, &archive_id(&database, &table, version));
    let archived = archived.ok_or_else(|| not_found(format!("Table version {version} not found.")))?;
    Ok(json!({ "TableVersion": described(archived) }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let table = name_of(&request.input, "TableName")?;
    let limit = page_size(request, 100)?;
    let mut all = vec![described(&current(state, &database, &table)?)];
    let prefix = format!("{database}/{table}/");
    let mut archived: Vec<Value> =
        state.list(ARCHIVE).filter(|(id, _)| id.starts_with(&prefix)).map(|(_, old)| described(old)).collect();
    archived.reverse();
    all.extend(archived);
    let (versions, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "TableVersions": versions }), next))
}

fn remove(state: &mut State<'_>, database: &str, table: &str, version: &str) -> Result<(), AwsError> {
    let now = current(state, database, table)?;
    let number: u64 = version.parse().map_err(|_| invalid(format!("Invalid version: {version}")))?;
    if number == version_number(&now) {
        return Err(invalid("Cannot delete the current version of a table."));
    }
    match state.remove(ARCHIVE, &archive_id(database, table, number)) {
        Some(_) => Ok(()),
        None => Err(not_found(format!("Table version {version} not found."))),
    }
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let table = name_of(&request.input, "TableName")?;
    let version = request.input.text("VersionId").ok_or_else(|| invalid("VersionId is required"))?;
    remove(state, &database, &table, version)?;
    Ok(json!({}))
}

pub(super) fn delete_batch(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let table = name_of(&request.input, "TableName")?;
    current(state, &database, &table)?;
    let mut errors = Vec::new();
    for version in request.input.texts("VersionIds") {
        if let Err(error) = remove(state, &database, &table, &version) {
            errors.push(json!({
                "TableName": table,
                "VersionId": version,
                "ErrorDetail": { "ErrorCode": error.code, "ErrorMessage": error.message },
            }));
        }
    }
    Ok(json!({ "Errors": errors }))
}
