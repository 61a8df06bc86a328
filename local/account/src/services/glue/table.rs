//! Tables of the catalog, each update conditional on the version that it names.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    check_catalog, database, database_name, invalid, invalid_token, limits, name_of, not_found, open_format, optimizer,
    page_size, paged,
};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;
use crate::state::State;

/// Where tables stand, by `database/table`.
pub(super) const COLLECTION: &str = "glue/table";
/// Where archived versions stand, by `database/table/version`.
pub(super) const ARCHIVE: &str = "glue/version";

/// The members of `TableInput` that are kept.
const MEMBERS: [&str; 12] = [
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
];

fn id(database: &str, table: &str) -> String {
    format!("{database}/{table}")
}

/// Returns the key of an archived version; padded so that versions sort by number.
pub(super) fn archive_id(database: &str, table: &str, version: u64) -> String {
    format!("{database}/{table}/{version:020}")
}

/// Returns the names of a database's tables.
pub(super) fn names(state: &State<'_>, database: &str) -> Vec<String> {
    let prefix = format!("{database}/");
    state.list(COLLECTION).filter_map(|(id, _)| id.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// Returns a table's current document.
pub(super) fn current(state: &State<'_>, database: &str, table: &str) -> Result<Value, AwsError> {
    database::existing(state, database)?;
    let document = state.get(COLLECTION, &id(database, table)).cloned();
    document.ok_or_else(|| not_found(format!("Table {table} not found.")))
}

pub(super) async fn create(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let input = request.input.member("TableInput");
    let iceberg = request.input.member("OpenTableFormatInput").and_then(|input| input.member("IcebergInput"));
    let table = match (input, request.input.text("Name")) {
        (Some(input), _) => name_of(input, "Name")?,
        (None, Some(_)) if iceberg.is_some() => name_of(&request.input, "Name")?,
        _ => return Err(invalid("TableInput is required")),
    };
    if request.input.text("Name").is_some_and(|name| name.to_lowercase() != table) {
        return Err(invalid("Name and TableInput.Name differ"));
    }
    iceberg.map_or(Ok(()), limits::iceberg)?;
    let made = match input {
        Some(input) => document(input)?,
        None => json!({}),
    };
    let insert = |state: &mut State<'_>, made: Value| {
        database::existing(state, &database)?;
        if state.get(COLLECTION, &id(&database, &table)).is_some() {
            return Err(already_exists());
        }
        let now = clock::epoch(state.now() / 1000 * 1000);
        let made = finish(made, request, &database, &table, (&now, &now), 0);
        state.put(COLLECTION, &id(&database, &table), made);
        Ok(json!({}))
    };
    let Some(iceberg) = iceberg else { return account.transact(request, |state| insert(state, made)) };
    account.transact(request, |state| {
        database::existing(state, &database)?;
        match state.get(COLLECTION, &id(&database, &table)) {
            Some(_) => Err(already_exists()),
            None => Ok(()),
        }
    })?;
    let (made, file) = open_format::create(account, request, iceberg, made).await?;
    let result = account.transact(request, |state| insert(state, made));
    if result.is_err() {
        open_format::discard(account, request, &file).await;
    }
    result
}

fn already_exists() -> AwsError {
    AwsError::new("AlreadyExistsException", "Table already exists.")
}

pub(super) async fn update(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let input = request.input.member("TableInput");
    let table = match input {
        Some(input) => name_of(input, "Name")?,
        None => name_of(&request.input, "Name")?,
    };
    let version = request.input.text("VersionId");
    let iceberg = request.input.member("UpdateOpenTableFormatInput").and_then(|it| it.member("UpdateIcebergInput"));
    let Some(iceberg) = iceberg else {
        let input = input.ok_or_else(|| invalid("TableInput is required"))?;
        let made = document(input)?;
        return account.transact(request, |state| replace(state, request, &database, &table, made, version));
    };
    limits::iceberg(iceberg)?;
    let before = account.transact(request, |state| current(state, &database, &table))?;
    check_version(&before, version)?;
    let (made, file) = open_format::update(account, request, iceberg, &before).await?;
    // The metadata was derived from exactly this version: any other one in between is a conflict.
    let read = before["VersionId"].as_str();
    let result = account.transact(request, |state| replace(state, request, &database, &table, made, read));
    if result.is_err() {
        open_format::discard(account, request, &file).await;
    }
    result
}

fn check_version(current: &Value, expected: Option<&str>) -> Result<(), AwsError> {
    match expected {
        Some(version) if current["VersionId"] != version => Err(AwsError::new(
            "ConcurrentModificationException",
            "Update table failed due to concurrent modifications.",
        )),
        _ => Ok(()),
    }
}

fn replace(
    state: &mut State<'_>,
    request: &Request,
    database: &str,
    table: &str,
    made: Value,
    version: Option<&str>,
) -> Result<Value, AwsError> {
    let before = current(state, database, table)?;
    check_version(&before, version)?;
    let number = version_number(&before);
    if request.input.flag("SkipArchive") != Some(true) {
        state.put(ARCHIVE, &archive_id(database, table, number), &before);
    }
    let now = clock::epoch(state.now() / 1000 * 1000);
    let made = finish(made, request, database, table, (&before["CreateTime"], &now), number + 1);
    state.put(COLLECTION, &id(database, table), made);
    Ok(json!({}))
}

pub(super) fn version_number(document: &Value) -> u64 {
    document["VersionId"].as_str().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// Returns what is kept of a `TableInput`.
fn document(input: &Value) -> Result<Value, AwsError> {
    limits::table(input)?;
    let mut document = json!({});
    for member in MEMBERS {
        if let Some(value) = input.member(member) {
            document[member] = value.clone();
        }
    }
    if let Some(parameters) = document.get("Parameters")
        && !parameters.as_object().is_some_and(|all| all.values().all(Value::is_string))
    {
        return Err(invalid("Parameters must map names to strings"));
    }
    let columns = document["StorageDescriptor"]["Columns"].as_array();
    let keys = document["PartitionKeys"].as_array();
    for column in columns.into_iter().chain(keys).flatten() {
        name_of(column, "Name")?;
    }
    if document.member("StorageDescriptor").is_none() {
        document.as_object_mut().expect("it was made an object").shift_remove("StorageDescriptor");
    }
    Ok(document)
}

fn finish(
    made: Value,
    request: &Request,
    database: &str,
    table: &str,
    (created, updated): (&Value, &Value),
    version: u64,
) -> Value {
    let mut document = json!({
        "Name": table,
        "DatabaseName": database,
        "CreateTime": created,
        "UpdateTime": updated,
        "Retention": 0,
        "PartitionKeys": [],
    });
    let members = document.as_object_mut().expect("it was made an object");
    members.extend(made.as_object().cloned().unwrap_or_default());
    members.insert("CreatedBy".into(), json!(format!("arn:aws:iam::{}:root", request.account)));
    members.insert("IsRegisteredWithLakeFormation".into(), json!(false));
    members.insert("CatalogId".into(), json!(request.account));
    members.insert("VersionId".into(), json!(version.to_string()));
    document
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let table = name_of(&request.input, "Name")?;
    Ok(json!({ "Table": current(state, &database, &table)? }))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    database::existing(state, &database)?;
    let limit = page_size(request, 100)?;
    let prefix = format!("{database}/");
    let expression = request.input.text("Expression");
    let all: Vec<Value> = state
        .list(COLLECTION)
        .filter(|(id, _)| id.strip_prefix(&prefix).is_some_and(|name| expression.is_none_or(|it| expressed(it, name))))
        .map(|(_, table)| table.clone())
        .collect();
    let (tables, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "TableList": tables }), next))
}

/// Says whether a table's name fits the expression of GetTables: words, `.` and `*`, alternatives by `|`.
fn expressed(expression: &str, name: &str) -> bool {
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'.', b'*', rest @ ..] | [b'*', rest @ ..] => (0..=name.len()).any(|from| fits(rest, &name[from..])),
            [b'.', rest @ ..] => !name.is_empty() && fits(rest, &name[1..]),
            [first, rest @ ..] => name.first() == Some(first) && fits(rest, &name[1..]),
        }
    }
    expression.split('|').any(|pattern| {
        let pattern = pattern.trim_start_matches('^').trim_end_matches('$').to_lowercase();
        fits(pattern.as_bytes(), name.as_bytes())
    })
}

pub(super) fn search(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    check_catalog(request)?;
    let limit = page_size(request, 1000)?;
    let words = request.input.text("SearchText").unwrap_or_default().to_lowercase();
    let filters = request.input.list("Filters");
    let all: Vec<Value> = state
        .list(COLLECTION)
        .filter(|(_, table)| words.is_empty() || table.to_string().to_lowercase().contains(&words))
        .filter(|(_, table)| filters.iter().all(|filter| found(filter, table)))
        .map(|(_, table)| table.clone())
        .collect();
    let (tables, next) = page(all, request.input.text("NextToken"), limit, invalid_token)?;
    Ok(paged(json!({ "TableList": tables }), next))
}

fn found(filter: &Value, table: &Value) -> bool {
    let (key, value) = (filter.text("Key").unwrap_or_default(), filter.text("Value").unwrap_or_default());
    let actual = table.get(key).or_else(|| table["Parameters"].get(key)).and_then(Value::as_str);
    // Without a comparator the search is by words, which for names comes to a part of the text.
    match filter.text("Comparator") {
        Some("EQUALS") => actual == Some(value),
        _ => actual.is_some_and(|actual| actual.to_lowercase().contains(&value.to_lowercase())),
    }
}

/// Takes a table and its archived versions out of the catalog.
pub(super) fn remove(state: &mut State<'_>, database: &str, table: &str) {
    state.remove(COLLECTION, &id(database, table));
    optimizer::remove(state, database, table);
    let prefix = format!("{database}/{table}/");
    let versions: Vec<String> =
        state.list(ARCHIVE).filter(|(id, _)| id.starts_with(&prefix)).map(|(id, _)| id.to_owned()).collect();
    for version in versions {
        state.remove(ARCHIVE, &version);
    }
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    let table = name_of(&request.input, "Name")?;
    current(state, &database, &table)?;
    remove(state, &database, &table);
    Ok(json!({}))
}

pub(super) fn delete_batch(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let database = database_name(request)?;
    database::existing(state, &database)?;
    let mut errors = Vec::new();
    for table in request.input.texts("TablesToDelete") {
        let table = table.to_lowercase();
        match current(state, &database, &table) {
            Ok(_) => remove(state, &database, &table),
            Err(error) => errors.push(json!({
                "TableName": table,
                "ErrorDetail": { "ErrorCode": error.code, "ErrorMessage": error.message },
            })),
        }
    }
    Ok(json!({ "Errors": errors }))
}

#[cfg(test)]
mod tests {
    use super::expressed;

    #[test]
    fn expressions_select_tables() {
        assert!(expressed("sales.*", "sales_aggregated"));
        assert!(expressed("users|sales*", "sales"));
        assert!(!expressed("sales", "sales_aggregated"));
        assert!(!expressed("user.", "user"));
    }
}
