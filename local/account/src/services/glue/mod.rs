//! Glue: its data catalog of databases, tables with versions, Iceberg tables and their optimizers; its schema registry; tags.

mod database;
mod iceberg;
mod limits;
pub(crate) mod objects;
mod open_format;
mod optimizer;
pub(crate) mod registry;
mod schema;
mod table;
mod version;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::protocol::Protocol;
use crate::request::Request;
use crate::services::{Service, unknown_operation};
use crate::state::{State, Tags, tags_of};

/// The service.
pub struct Glue;

#[async_trait]
impl Service for Glue {
    fn name(&self) -> &'static str {
        "glue"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AWSGlue")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "CreateTable" => table::create(account, request).await,
            "UpdateTable" => table::update(account, request).await,
            _ => account.transact(request, |state| in_transaction(state, request)),
        }
    }
}

fn in_transaction(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    match request.operation.as_str() {
        "CreateDatabase" => database::create(state, request),
        "GetDatabase" => database::get(state, request),
        "GetDatabases" => database::list(state, request),
        "UpdateDatabase" => database::update(state, request),
        "DeleteDatabase" => database::delete(state, request),
        "GetTable" => table::get(state, request),
        "GetTables" => table::list(state, request),
        "SearchTables" => table::search(state, request),
        "DeleteTable" => table::delete(state, request),
        "BatchDeleteTable" => table::delete_batch(state, request),
        "GetTableVersion" => version::get(state, request),
        "GetTableVersions" => version::list(state, request),
        "DeleteTableVersion" => version::delete(state, request),
        "BatchDeleteTableVersion" => version::delete_batch(state, request),
        "CreateTableOptimizer" => optimizer::create(state, request),
        "UpdateTableOptimizer" => optimizer::update(state, request),
        "DeleteTableOptimizer" => optimizer::delete(state, request),
        "GetTableOptimizer" => optimizer::get(state, request),
        "BatchGetTableOptimizer" => optimizer::batch_get(state, request),
        // The catalog holds no partitions and no statistics of its own: Iceberg keeps both in its metadata.
        "GetPartitions" => {
            table::current(state, &database_name(request)?, &name_of(&request.input, "TableName")?)?;
            Ok(json!({ "Partitions": [] }))
        }
        "CreateRegistry" => registry::create(state, request),
        "GetRegistry" => registry::get(state, request),
        "ListRegistries" => registry::list(state, request),
        "DeleteRegistry" => registry::delete(state, request),
        "CreateSchema" => registry::schema::create(state, request),
        "GetSchema" => registry::schema::get(state, request),
        "ListSchemas" => registry::schema::list(state, request),
        "UpdateSchema" => registry::schema::update(state, request),
        "DeleteSchema" => registry::schema::delete(state, request),
        "RegisterSchemaVersion" => registry::version::register(state, request),
        "GetSchemaVersion" => registry::version::get(state, request),
        "GetSchemaByDefinition" => registry::version::by_definition(state, request),
        "ListSchemaVersions" => registry::version::list(state, request),
        "CheckSchemaVersionValidity" => registry::version::judge(request),
        "TagResource" => tag(state, request),
        "UntagResource" => untag(state, request),
        "GetTags" => {
            let arn = taggable(state, request)?;
            Ok(json!({ "Tags": state.tags(&arn) }))
        }
        _ => Err(unknown_operation(request)),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInputException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("EntityNotFoundException", message)
}

fn invalid_token() -> AwsError {
    invalid("Invalid NextToken")
}

/// Returns a name as Glue keeps it: in lower case, 1 to 255 characters.
fn name_of(input: &Value, member: &str) -> Result<String, AwsError> {
    let name = input.text(member).unwrap_or_default();
    if name.is_empty() || name.chars().count() > 255 {
        return Err(AwsError::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value '{name}' at '{}' failed to satisfy constraint: Member must have \
                 length between 1 and 255",
                lower_first(member)
            ),
        ));
    }
    if name.chars().any(|character| character.is_control() && character != '\t') || name.contains('/') {
        return Err(invalid(format!("{member} has characters that are not allowed: {name}")));
    }
    Ok(name.to_lowercase())
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn database_name(request: &Request) -> Result<String, AwsError> {
    check_catalog(request)?;
    name_of(&request.input, "DatabaseName")
}

/// Refuses the catalog of another account: this one holds nothing of it.
fn check_catalog(request: &Request) -> Result<(), AwsError> {
    match request.input.text("CatalogId") {
        Some(catalog) if catalog != request.account => {
            Err(AwsError::new("AccessDeniedException", format!("No access to the catalog {catalog}")))
        }
        _ => Ok(()),
    }
}

fn page_size(request: &Request, most: i64) -> Result<usize, AwsError> {
    let size = request.input.number("MaxResults").unwrap_or(most);
    if (1..=most).contains(&size) {
        return Ok(size as usize);
    }
    Err(invalid(format!("MaxResults must be between 1 and {most}")))
}

/// Adds the token of the next page to an answer, if there is one.
fn paged(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    answer
}

fn taggable(state: &State<'_>, request: &Request) -> Result<String, AwsError> {
    let arn = request.input.text("ResourceArn").ok_or_else(|| invalid("ResourceArn is required"))?;
    let database = arn.rsplit_once(":database/").map(|(_, name)| name);
    if registry::has(state, arn) {
        return Ok(arn.to_owned());
    }
    match database {
        Some(name) if state.get(database::COLLECTION, name).is_some() => Ok(arn.to_owned()),
        Some(name) => Err(not_found(format!("Database {name} not found."))),
        None => Err(invalid(format!("Resource is not taggable: {arn}"))),
    }
}

fn check_tags(tags: &Tags) -> Result<(), AwsError> {
    for (key, value) in tags {
        let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !fits || key.to_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Invalid tag: {key}")));
        }
    }
    if tags.len() > 50 {
        return Err(invalid("A resource carries at most 50 tags"));
    }
    Ok(())
}

fn tags_in(input: &Value, member: &str) -> Result<Tags, AwsError> {
    let tags: Tags = match input.member(member) {
        Some(Value::Object(map)) => {
            map.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        }
        Some(Value::Array(list)) => tags_of(list, "Key", "Value"),
        _ => Tags::new(),
    };
    check_tags(&tags)?;
    Ok(tags)
}

fn tag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = taggable(state, request)?;
    let mut all = state.tags(&arn);
    all.extend(tags_in(&request.input, "TagsToAdd")?);
    check_tags(&all)?;
    state.set_tags(&arn, &all);
    Ok(json!({}))
}

fn untag(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let arn = taggable(state, request)?;
    state.remove_tags(&arn, &request.input.texts("TagsToRemove"));
    Ok(json!({}))
}
