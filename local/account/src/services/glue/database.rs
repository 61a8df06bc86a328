//! Databases of the catalog.

use serde_json::{Value, json};

use super::{check_catalog, invalid, invalid_token, limits, name_of, not_found, page_size, paged, table, tags_in};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;
use crate::state::State;

/// Where databases stand, by name.
pub(super) const COLLECTION: &str = "glue/database";

/// The members of `DatabaseInput` that are kept.
const MEMBERS: [&str; 6] = [
    "Description",
    "LocationUri",
    "Parameters",
    "CreateTableDefaultPermissions",
    "TargetDatabase",
    "FederatedDatabase",
];

fn document(request: &Request) -> Result<(String, Value), AwsError> {
    check_catalog(request)?;
    let input = request.input.member("DatabaseInput").ok_or_else(|| invalid("DatabaseInput is required"))?;
    let name = name_of(input, "Name")?;
    limits::database(input)?;
    let mut document = json!({ "Name": name, "CatalogId": request.account });
    for member in MEMBERS {
        if let Some(value) = input.member(member) {
            document[member] = value.clone();
        }
    }
    Ok((name, document))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut document) = document(request)?;
    if state.get(COLLECTION, &name).is_some() {
        return Err(AwsError::new("AlreadyExistsException", "Database already exists."));
    }
    let tags = tags_in(&request.input, "Tags")?;
    document["CreateTime"] = clock::epoch(state.now() / 1000 * 1000);
    state.put(COLLECTION, &name, document);
    // The entry in the tag index stands for the database even when it has no tags yet.
    state.set_tags(&request.arn("glue", &format!("database/{name}")), &tags);
    Ok(json!({}))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    check_catalog(request)?;
    let name = name_of(&request.input, "Name")?;
    Ok(json!({ "Database": existing(state, &name)? }))
}

/// Returns the database of that name.
pub(super) fn existing<'a>(state: &'a State<'_>, name: &str) -> Result<&'a Value, AwsError> {
    state.get(COLLECTION, name).ok_or_else(|| not_found(format!("Database {name} not found.")))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    check_catalog(request)?;
    let limit = page_size(request, 100)?;
    let all: Vec<Value> = state.list(COLLECTION).map(|(_, database)| database.clone()).collect();
    let (databases, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "DatabaseList": databases }), next))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = name_of(&request.input, "Name")?;
    let (renamed, mut document) = document(request)?;
    let current = existing(state, &name)?;
    if renamed != name {
        return Err(invalid("The name of a database can't be changed."));
    }
    document["CreateTime"] = current["CreateTime"].clone();
    state.put(COLLECTION, &name, document);
    Ok(json!({}))
}

/// Deletes a database with its tables, as Glue does; what the tables point at in S3 stays.
pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    check_catalog(request)?;
    let name = name_of(&request.input, "Name")?;
    existing(state, &name)?;
    for table in table::names(state, &name) {
        table::remove(state, &name, &table);
    }
    state.remove(COLLECTION, &name);
    state.forget_tags(&request.arn("glue", &format!("database/{name}")));
    Ok(json!({}))
}
