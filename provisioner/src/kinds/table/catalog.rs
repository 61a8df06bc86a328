//! Tables as they are read from the Glue catalog and the metadata files that it points at.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lakewright_aws::{ErrorKind, list, text};
use serde_json::{Value, json};

use super::iceberg::Metadata;
use super::{ADDRESS, STACK, Spec, arn, call};
use crate::kind::{Context, Wanted};
use crate::kinds::spec::value;
use crate::kinds::tags::{self, Tags};
use crate::kinds::wait;
use crate::resource::{Address, Condition, Live};

/// Glue's table of that name.
pub(super) async fn describe(context: &Context, database: &str, name: &str) -> Result<Option<Value>> {
    let input = json!({"DatabaseName": database, "Name": name});
    Ok(wait::found(call(context, "GetTable", input).await)?.map(|mut answer| answer["Table"].take()))
}

/// Glue's tables of a database; none if there is no such database.
pub(in crate::kinds) async fn tables(context: &Context, database: &str) -> Result<Vec<Value>> {
    let mut input = json!({"DatabaseName": database, "MaxResults": 100});
    let mut all = Vec::new();
    loop {
        let Some(page) = wait::found(call(context, "GetTables", input.clone()).await)? else { return Ok(all) };
        all.extend_from_slice(list(&page, "TableList"));
        match text(&page, "NextToken") {
            "" => return Ok(all),
            next => input["NextToken"] = json!(next),
        }
    }
}

/// The metadata file that a table points at: Glue's own columns tell neither all types nor the partitioning. None if
/// the table points at none or at one that is gone; that it can't be read just now is an error.
pub(super) async fn metadata(context: &Context, table: &Value) -> Result<Option<Metadata>> {
    let location = text(&table["Parameters"], "metadata_location");
    let place = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let Some((bucket, key)) = place else { return Ok(None) };
    let object = match context.aws.s3().get(bucket, key, None).await {
        Ok(object) => object,
        // A missing bucket is told apart: then more is wrong than one table.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {location}")),
    };
    serde_json::from_slice(&object.body).map(Some).with_context(|| format!("read {location}"))
}

/// A table as it lives; none if this stack didn't make it, even if one of its name is wanted: creating that one then
/// says whose it is, and nothing else touches it.
pub(super) async fn read(
    context: &Context,
    database: &str,
    table: &Value,
    wanted: Option<&Wanted<'_>>,
    stacks_own: bool,
) -> Result<Option<Live>> {
    let name = text(table, "Name");
    let (metadata, condition) = match metadata(context, table).await {
        Ok(Some(metadata)) => (metadata, Condition::Ready),
        // What nobody can read any more is taken for the stack's where the stack's database and name say so.
        Ok(None) if wanted.is_some() && stacks_own && is_iceberg(table) => {
            (Metadata::default(), Condition::Failed("its metadata file is gone".to_owned()))
        }
        Ok(None) => return Ok(None),
        // Whose it is can't be told either; of a table that nobody wants that is no reason to stop.
        Err(_) if wanted.is_none() && !stacks_own => return Ok(None),
        Err(error) => return Err(error.context(format!("read the table {database}.{name}"))),
    };
    let own =
        (metadata.properties.get(STACK) == Some(&context.stack)).then(|| metadata.properties.get(ADDRESS)).flatten();
    let own = own.and_then(|address| address.parse().ok()).filter(|address: &Address| address.kind == "table");
    if own.is_none() && condition == Condition::Ready {
        return Ok(None);
    }
    let Some(address) = wanted.map(|wanted| wanted.address.clone()).or(own) else { return Ok(None) };
    let mut live = live(context, address, (database, name), metadata, wanted)?;
    live.condition = condition;
    Ok(Some(live))
}

/// What metadata says of a table, as the address's.
pub(super) fn live(
    context: &Context,
    address: Address,
    (database, name): (&str, &str),
    metadata: Metadata,
    wanted: Option<&Wanted<'_>>,
) -> Result<Live> {
    // Others set properties too; those that the stack doesn't name are theirs.
    let named = |property: &String| wanted.is_some_and(|wanted| wanted.spec["properties"].get(property).is_some());
    let spec = Spec {
        database: database.to_owned(),
        name: name.to_owned(),
        location: metadata.location.trim_end_matches('/').to_owned(),
        columns: metadata.columns()?,
        partition: metadata.partition()?,
        divided_by: metadata.divided_by(),
        properties: metadata.properties.into_iter().filter(|(property, _)| named(property)).collect(),
        renames: BTreeMap::new(),
    };
    let arn = arn(context, database, name);
    let outputs = [("arn", arn.as_str()), ("name", name), ("location", &spec.location)];
    Ok(tags::live(address, &Tags::new(), &arn, value(&spec), &outputs))
}

fn is_iceberg(table: &Value) -> bool {
    text(&table["Parameters"], "table_type").eq_ignore_ascii_case("iceberg")
}
