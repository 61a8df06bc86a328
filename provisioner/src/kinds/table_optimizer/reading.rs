//! Reading the optimizers of tables.

use anyhow::{Result, bail};
use aws_sdk_glue::types::{
    BatchGetTableOptimizerEntry, BatchGetTableOptimizerError, Table, TableOptimizer as Optimizer, TableOptimizerType,
};
use lakewright_aws::{Error, Needed as _, ask};

use super::configuration::spec;
use super::{Spec, Type};
use crate::kind::{Context, Found, Outcome};
use crate::kinds::tags::{self, Tags};
use crate::kinds::wait;
use crate::resource::Address;
use crate::services::Services as _;

/// The code by which Glue says that there is no such optimizer.
const NONE: &str = "EntityNotFoundException";

/// Which optimizer of which table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) kind: Type,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}:{}", self.database, self.table, self.kind.word())
    }
}

impl Place {
    pub(super) fn of(spec: &Spec) -> Self {
        Self { database: spec.database.to_string(), table: spec.table.to_string(), kind: spec.kind }
    }

    pub(super) fn outcome(&self) -> Outcome {
        tags::outcome(&self.to_string(), &[("table", &self.table)])
    }

    pub(super) fn means(&self, database: Option<&str>, table: Option<&str>, kind: Option<&TableOptimizerType>) -> bool {
        database == Some(self.database.as_str())
            && table == Some(self.table.as_str())
            && kind == Some(&self.kind.glue())
    }
}

pub(super) fn is_iceberg(table: &Table) -> bool {
    let kind = table.parameters().and_then(|parameters| parameters.get("table_type"));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"))
}

/// Those of the optimizers that exist.
pub(super) async fn read(context: &Context, places: &[Place]) -> Result<Vec<(Place, Optimizer)>> {
    let entries = places.iter().map(|place| {
        let entry = BatchGetTableOptimizerEntry::builder().catalog_id(&context.account);
        entry.database_name(&place.database).table_name(&place.table).r#type(place.kind.glue()).build()
    });
    let call = context.aws.glue().batch_get_table_optimizer().set_entries(Some(entries.collect()));
    let answer = ask(call.send()).await?;
    if let Some(failure) = answer.failures().iter().find(|failure| code(failure) != NONE) {
        let message = failure.error().and_then(|error| error.error_message()).unwrap_or_default();
        bail!(
            "Glue doesn't say which optimizers {} has: {}: {message}",
            failure.table_name().unwrap_or_default(),
            code(failure)
        );
    }
    let found = answer.table_optimizers.unwrap_or_default().into_iter();
    let found = found.filter_map(|one| {
        let optimizer = one.table_optimizer?;
        let (database, table) = (one.database_name.as_deref(), one.table_name.as_deref());
        let place = places.iter().find(|place| place.means(database, table, optimizer.r#type()))?;
        Some((place.clone(), optimizer))
    });
    Ok(found.collect())
}

fn code(failure: &BatchGetTableOptimizerError) -> &str {
    failure.error().and_then(|error| error.error_code()).unwrap_or_default()
}

/// The optimizer, if it is there.
pub(super) async fn get(context: &Context, place: &Place) -> Result<Option<Optimizer>, Error> {
    let call = context.aws.glue().get_table_optimizer().catalog_id(&context.account);
    let call = call.database_name(&place.database).table_name(&place.table).r#type(place.kind.glue());
    let Some(answer) = wait::found(ask(call.send()).await)? else { return Ok(None) };
    answer.table_optimizer.needed("glue", "GetTableOptimizer.TableOptimizer").map(Some)
}

pub(super) fn live(address: Address, place: &Place, optimizer: &Optimizer) -> Result<Found<Spec>> {
    let spec = spec(place, optimizer)?;
    Ok(tags::found(address, &Tags::new(), &place.to_string(), spec, &[("table", &place.table)]))
}
