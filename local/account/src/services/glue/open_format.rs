//! Iceberg tables made and evolved by Glue itself: the metadata file in S3 and the table that points at it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::objects;
use super::{iceberg, invalid};
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;

/// Writes the metadata of a new table and returns what Glue keeps of it, made on top of `made`, and the file.
pub(super) async fn create(
    account: &Arc<Account>,
    request: &Request,
    input: &Value,
    made: Value,
) -> Result<(Value, String), AwsError> {
    if input.text("MetadataOperation") != Some("CREATE") {
        return Err(invalid("MetadataOperation must be CREATE"));
    }
    let table = input.member("CreateIcebergTableInput");
    let table = table.ok_or_else(|| invalid("CreateIcebergTableInput is required"))?;
    let metadata = iceberg::create(table, input.text("Version"), clock::now()).map_err(invalid)?;
    write(account, request, made, &metadata, None).await
}

/// Evolves the metadata that `before` points at and returns what Glue keeps of the new one, and its file.
pub(super) async fn update(
    account: &Arc<Account>,
    request: &Request,
    input: &Value,
    before: &Value,
) -> Result<(Value, String), AwsError> {
    let updates = input.member("UpdateIcebergTableInput").map(|input| input.list("Updates"));
    let updates = updates.ok_or_else(|| invalid("UpdateIcebergTableInput is required"))?;
    let parameters = &before["Parameters"];
    let is_iceberg = parameters["table_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"));
    let file = parameters["metadata_location"].as_str().filter(|_| is_iceberg);
    let file = file.ok_or_else(|| invalid("Table is not an Iceberg table"))?;
    let bytes = objects::get(account, request, file).await?;
    let metadata: Value =
        serde_json::from_slice(&bytes).map_err(|error| invalid(format!("Cannot read {file}: {error}")))?;
    let metadata = iceberg::update(metadata, file, updates, clock::now()).map_err(invalid)?;
    let mut made = before.clone();
    let members = made.as_object_mut().expect("a table is an object");
    for own in ["Name", "DatabaseName", "CreateTime", "UpdateTime"] {
        members.shift_remove(own);
    }
    write(account, request, made, &metadata, Some(file)).await
}

/// Deletes a metadata file that no table came to point at.
pub(super) async fn discard(account: &Arc<Account>, request: &Request, file: &str) {
    if let Err(error) = objects::delete(account, request, file).await {
        tracing::warn!(file, %error, "cannot delete an unused metadata file");
    }
}

async fn write(
    account: &Arc<Account>,
    request: &Request,
    mut made: Value,
    metadata: &Value,
    previous: Option<&str>,
) -> Result<(Value, String), AwsError> {
    let location = metadata["location"].as_str().unwrap_or_default();
    let file = format!("{location}/{}", iceberg::next_file(previous));
    objects::put(account, request, &file, metadata.to_string().into()).await?;

    let schema = iceberg::current_schema(metadata).map_err(invalid)?;
    if made.member("StorageDescriptor").is_none() {
        made["StorageDescriptor"] = json!({});
    }
    let storage = &mut made["StorageDescriptor"];
    storage["Columns"] = json!(schema.hive_columns());
    storage["Location"] = json!(location);
    for (name, default) in [
        ("Compressed", json!(false)),
        ("NumberOfBuckets", json!(0)),
        ("SortColumns", json!([])),
        ("StoredAsSubDirectories", json!(false)),
    ] {
        if storage.member(name).is_none() {
            storage[name] = default;
        }
    }
    made["TableType"] = json!("EXTERNAL_TABLE");
    if made.member("Parameters").is_none() {
        made["Parameters"] = json!({});
    }
    made["Parameters"]["table_type"] = json!("ICEBERG");
    made["Parameters"]["metadata_location"] = json!(file);
    if let Some(previous) = previous {
        made["Parameters"]["previous_metadata_location"] = json!(previous);
    }
    Ok((made, file))
}
