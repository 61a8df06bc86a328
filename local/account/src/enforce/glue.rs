//! Glue's catalog: an action on a table is one on its database and on the catalog too.
//!
//! <https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html>

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
        "BatchDeleteTable" => {
            let tables: Vec<String> = input.texts("TablesToDelete").iter().map(|name| name.to_lowercase()).collect();
            on(asks, database, &tables)
        }
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
