//! Tables as they are read from the Glue catalog and the metadata files that it points at.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_sdk_glue::types;
use lakewright_aws::{Error, ErrorKind, Needed as _, ask};
use lakewright_config::{Column, s3};

use super::iceberg::Metadata;
use super::{ADDRESS, Observed, STACK, Spec, arn};
use crate::kind::{Context, Found, Wanted};
use crate::kinds::tags::{self, Tags};
use crate::kinds::wait;
use crate::resource::{Address, Condition};
use crate::services::Services as _;

/// Glue's table of that name.
pub(super) async fn describe(context: &Context, database: &str, name: &str) -> Result<Option<types::Table>, Error> {
    let call = context.aws.glue().get_table().database_name(database).name(name);
    let Some(answer) = wait::found(ask(call.send()).await)? else { return Ok(None) };
    answer.table.needed("glue", "GetTable.Table").map(Some)
}

/// The metadata file that a table points at: Glue's own columns show neither all types nor the partitioning. None if
/// the table points at none or at one that is gone; that it can't be read just now is an error.
pub(super) async fn metadata(context: &Context, table: &types::Table) -> Result<Option<Metadata>> {
    let location = parameter(table, "metadata_location");
    let Some((bucket, key)) = s3::object(location) else { return Ok(None) };
    let object = match context.aws.objects().get(bucket, key, None).await {
        Ok(object) => object,
        // A missing bucket is another error: then more is wrong than one table.
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {location}")),
    };
    serde_json::from_slice(&object.body).map(Some).with_context(|| format!("read {location}"))
}

/// A table as it exists; none if this stack didn't make it, even if one of its name is wanted: creating that one then
/// says whose it is, and nothing else touches it.
pub(super) async fn read(
    context: &Context,
    database: &str,
    table: &types::Table,
    wanted: Option<&Wanted<'_, Spec>>,
    stacks_own: bool,
) -> Result<Option<Found<Spec, Observed>>> {
    let name = table.name().needed("glue", "Table.Name")?;
    let (metadata, condition) = match metadata(context, table).await {
        Ok(Some(metadata)) => (metadata, Condition::Ready),
        // What nobody can read any more is taken for the stack's where the stack's database and name say so.
        Ok(None) if wanted.is_some() && stacks_own && is_iceberg(table) => {
            (Metadata::default(), Condition::Failed("its metadata file is gone".to_owned()))
        }
        Ok(None) => return Ok(None),
        // Whose it is isn't known either; of a table that nobody wants that is no reason to stop.
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
    wanted: Option<&Wanted<'_, Spec>>,
) -> Result<Found<Spec, Observed>> {
    // Others set properties too; those that the stack doesn't name are theirs.
    let named = |property: &String| wanted.is_some_and(|wanted| wanted.spec.properties.contains_key(property));
    let (stay, marks) = match wanted {
        Some(wanted) => metadata.evolved(wanted.spec)?,
        None => Default::default(),
    };
    let observed = Observed {
        divided_by: metadata.divided_by(),
        sorted_by: metadata.sorted_by(),
        others: metadata.others(),
        evolved: stay.iter().map(|column| (column.name.clone(), column.column_type.to_string())).collect(),
    };
    let sorts = wanted.is_some_and(|wanted| !wanted.spec.sort.is_empty());
    // They stay as they are, and go with the table.
    let others =
        observed.others.iter().map(|(name, kind)| format!("the column {name} ({kind}, which no stack can declare)"));
    let others: Vec<String> = others.collect();
    let from = |column: &Column| {
        let member = metadata.id_of(&column.name).and_then(|id| marks.member(id)).unwrap_or(&column.name);
        format!(
            "the column {} ({}, which came from the member `{member}` of messages)",
            column.name, column.column_type
        )
    };
    let foreign = others.iter().cloned().chain(stay.iter().map(from)).collect();
    let spec = Spec {
        database: database.into(),
        name: name.into(),
        location: metadata.location.trim_end_matches('/').into(),
        columns: metadata.columns().into_iter().filter(|column| !observed.evolved.contains_key(&column.name)).collect(),
        partition: metadata.partition()?,
        // One that no stack can declare differs from all that a stack declares.
        sort: if sorts { metadata.sort().unwrap_or_default() } else { Vec::new() },
        properties: metadata.properties.into_iter().filter(|(property, _)| named(property)).collect(),
        renames: BTreeMap::new(),
        evolves: wanted.is_some_and(|wanted| wanted.spec.evolves),
    };
    let arn = arn(context, database, name);
    let location = spec.location.clone();
    let outputs = [("arn", arn.as_str()), ("name", name), ("location", location.as_str())];
    let found = tags::found(address, &Tags::new(), &arn, spec, &outputs);
    Ok(Found { observed, foreign, holds: others, ..found })
}

fn is_iceberg(table: &types::Table) -> bool {
    parameter(table, "table_type").eq_ignore_ascii_case("iceberg")
}

/// A parameter of a table, empty if it has none of that name: tables of other formats don't have Iceberg's.
fn parameter<'a>(table: &'a types::Table, name: &str) -> &'a str {
    table.parameters().and_then(|parameters| parameters.get(name)).map(String::as_str).unwrap_or_default()
}
