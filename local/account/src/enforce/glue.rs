//! Glue's catalog: an action on a table is one on its database and on the catalog too.
//!
//! <https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html>

use serde_json::Value;

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let lower = |text: Option<&str>| text.map(str::to_lowercase);
    let (name, database) = (lower(asks.text("Name")), lower(asks.text("DatabaseName")));
    let one = |name: Option<String>| name.into_iter().collect::<Vec<_>>();
    let all = ["*".to_owned()];
    match asks.operation() {
        "CreateDatabase" => {
            let name = lower(input["DatabaseInput"].text("Name"));
            on(asks, name, &[])?;
            tagged(asks)
        }
        "GetDatabase" | "UpdateDatabase" => on(asks, name, &[]),
        "DeleteDatabase" => {
            let functions = asks.arn("glue", &format!("userDefinedFunction/{}/*", name.as_deref().unwrap_or("*")));
            asks.own("glue", functions);
            on(asks, name, &all)
        }
        "GetDatabases" => on(asks, None, &[]),
        "SearchTables" => on(asks, None, &all),
        "GetTables" => on(asks, database, &all),
        "CreateTable" | "UpdateTable" => {
            let table = lower(input["TableInput"].text("Name").or(asks.text("Name")));
            on(asks, database, &one(table))
        }
        "GetTable" | "DeleteTable" => on(asks, database, &one(name)),
        "GetTableVersion" | "GetTableVersions" | "DeleteTableVersion" | "BatchDeleteTableVersion" | "GetPartitions" => {
            let table = lower(asks.text("TableName"));
            on(asks, database, &one(table))
        }
        "GetTableOptimizer" | "DeleteTableOptimizer" => {
            let table = lower(asks.text("TableName"));
            on(asks, database, &one(table))
        }
        "CreateTableOptimizer" | "UpdateTableOptimizer" => {
            let table = lower(asks.text("TableName"));
            on(asks, database, &one(table))?;
            match input["TableOptimizerConfiguration"].text("roleArn") {
                Some(role) => asks.pass(role, "glue.amazonaws.com"),
                None => Some(()),
            }
        }
        "BatchGetTableOptimizer" => {
            asks.own("glue", asks.arn("glue", "catalog"));
            for entry in input.list("Entries") {
                let (database, table) = (lower(entry.text("databaseName")), lower(entry.text("tableName")));
                let (database, table) = (database.unwrap_or_default(), table.unwrap_or_default());
                asks.own("glue", asks.arn("glue", &format!("database/{database}")));
                asks.own("glue", asks.arn("glue", &format!("table/{database}/{table}")));
            }
            Some(())
        }
        "BatchDeleteTable" => {
            let tables: Vec<String> = input.texts("TablesToDelete").iter().map(|name| name.to_lowercase()).collect();
            on(asks, database, &tables)
        }
        "CreateRegistry" => {
            registry(asks, asks.text("RegistryName"));
            tagged_in_registry(asks, "registry", asks.text("RegistryName").map(str::to_owned))
        }
        "GetRegistry" | "DeleteRegistry" | "ListSchemas" => registry(asks, None),
        "CreateSchema" => {
            let id = format!("{}/{}", registry_name(input), asks.text("SchemaName").unwrap_or("*"));
            registry(asks, None);
            schema(asks, &id);
            tagged_in_registry(asks, "schema", Some(id))
        }
        "GetSchema"
        | "UpdateSchema"
        | "DeleteSchema"
        | "RegisterSchemaVersion"
        | "GetSchemaByDefinition"
        | "ListSchemaVersions" => of_schema(asks),
        "GetSchemaVersion" if input.member("SchemaId").is_some() => of_schema(asks),
        // By its id alone a version names no registry.
        "GetSchemaVersion" | "ListRegistries" | "CheckSchemaVersionValidity" => asks.own("glue", "*"),
        "TagResource" => {
            let ask = Ask::on("glue:TagResource", asks.text("ResourceArn").unwrap_or("*"));
            asks.add(ask.tags(&tags_of_object(input, "TagsToAdd")))
        }
        "UntagResource" => {
            let ask = Ask::on("glue:UntagResource", asks.text("ResourceArn").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("TagsToRemove")))
        }
        "GetTags" => asks.own("glue", asks.text("ResourceArn").unwrap_or("*")),
        _ => None,
    }
}

/// The operation's action on the catalog, on a database and on tables of it; on every database without a name.
fn on(asks: &mut Asks<'_, '_>, database: Option<String>, tables: &[String]) -> Option<()> {
    asks.own("glue", asks.arn("glue", "catalog"));
    let database = database.unwrap_or_else(|| "*".to_owned());
    asks.own("glue", asks.arn("glue", &format!("database/{database}")));
    for table in tables {
        asks.own("glue", asks.arn("glue", &format!("table/{database}/{table}")));
    }
    Some(())
}

/// Tags that come with a new database.
fn tagged(asks: &mut Asks<'_, '_>) -> Option<()> {
    let tags = tags_of_object(asks.input(), "Tags");
    let name = asks.input()["DatabaseInput"].text("Name").unwrap_or("*").to_lowercase();
    let arn = asks.arn("glue", &format!("database/{name}"));
    asks.tag_made("glue:TagResource", arn, &tags)
}

/// The registry that a request names, or Glue's own.
fn registry_name(input: &Value) -> String {
    let id = &input["RegistryId"];
    let by_arn = || id.text("RegistryArn")?.split_once(":registry/").map(|(_, name)| name);
    id.text("RegistryName").or_else(by_arn).unwrap_or("default-registry").to_owned()
}

/// The operation's action on a registry: the one of the name, else the one of `RegistryId`.
fn registry(asks: &mut Asks<'_, '_>, name: Option<&str>) -> Option<()> {
    let name = name.map_or_else(|| registry_name(asks.input()), str::to_owned);
    asks.own("glue", asks.arn("glue", &format!("registry/{name}")))
}

/// The operation's action on a schema, by `REGISTRY/NAME`.
fn schema(asks: &mut Asks<'_, '_>, id: &str) -> Option<()> {
    asks.own("glue", asks.arn("glue", &format!("schema/{id}")))
}

/// The same on the schema of `SchemaId`, and on its registry.
fn of_schema(asks: &mut Asks<'_, '_>) -> Option<()> {
    let id = &asks.input()["SchemaId"];
    let by_arn = || id.text("SchemaArn")?.split_once(":schema/").map(|(_, id)| id.to_owned());
    let by_name = || format!("{}/{}", id.text("RegistryName").unwrap_or("*"), id.text("SchemaName").unwrap_or("*"));
    let id = by_arn().unwrap_or_else(by_name);
    registry(asks, id.split('/').next());
    schema(asks, &id)
}

/// Tags that come with a new registry or schema.
fn tagged_in_registry(asks: &mut Asks<'_, '_>, kind: &str, id: Option<String>) -> Option<()> {
    let tags = tags_of_object(asks.input(), "Tags");
    let arn = asks.arn("glue", &format!("{kind}/{}", id.as_deref().unwrap_or("*")));
    asks.tag_made("glue:TagResource", arn, &tags)
}
