//! Optimizers of Iceberg tables. They are kept and never run: nobody here compacts a table by itself.
//!
//! <https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-table-optimizers.html>

use serde_json::{Value, json};

use super::{database_name, invalid, lower_first, name_of, not_found, table};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::State;

/// Where optimizers stand, by `database/table/type`.
const COLLECTION: &str = "glue/optimizer";
/// What there is of each table, with the member that configures it.
const TYPES: [(&str, &str); 3] = [
    ("compaction", "compactionConfiguration"),
    ("retention", "retentionConfiguration"),
    ("orphan_file_deletion", "orphanFileDeletionConfiguration"),
];

/// What a request is about.
struct Place {
    database: String,
    table: String,
    kind: &'static str,
}

impl Place {
    fn of(state: &State<'_>, request: &Request) -> Result<Self, AwsError> {
        if request.input.text("CatalogId").is_none_or(str::is_empty) {
            return Err(lacking("CatalogId"));
        }
        let database = database_name(request)?;
        let table = name_of(&request.input, "TableName")?;
        let kind = kind(request.input.text("Type").ok_or_else(|| lacking("Type"))?)?;
        table::current(state, &database, &table)?;
        Ok(Self { database, table, kind })
    }

    fn id(&self) -> String {
        format!("{}/{}/{}", self.database, self.table, self.kind)
    }

    fn missing(&self) -> AwsError {
        not_found(format!("Table optimizer {} of the table {} not found.", self.kind, self.table))
    }
}

fn lacking(member: &str) -> AwsError {
    validation(&lower_first(member), "Member must not be null")
}

fn validation(member: &str, constraint: &str) -> AwsError {
    let text = format!("1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}");
    AwsError::new("ValidationException", text)
}

fn kind(text: &str) -> Result<&'static str, AwsError> {
    let known = TYPES.iter().map(|(kind, _)| *kind).find(|kind| *kind == text);
    let values = TYPES.map(|(kind, _)| kind).join(", ");
    known.ok_or_else(|| validation("type", &format!("Member must satisfy enum value set: [{values}]")))
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let place = Place::of(state, request)?;
    let current = table::current(state, &place.database, &place.table)?;
    if !current["Parameters"]["table_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg")) {
        return Err(invalid(format!("Table {} is not an Iceberg table", place.table)));
    }
    if state.get(COLLECTION, &place.id()).is_some() {
        return Err(AwsError::new("AlreadyExistsException", "Table optimizer already exists."));
    }
    let configuration = configuration(request, place.kind)?;
    state.put(COLLECTION, &place.id(), configuration);
    Ok(json!({}))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let place = Place::of(state, request)?;
    if state.get(COLLECTION, &place.id()).is_none() {
        return Err(place.missing());
    }
    let configuration = configuration(request, place.kind)?;
    state.put(COLLECTION, &place.id(), configuration);
    Ok(json!({}))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let place = Place::of(state, request)?;
    state.remove(COLLECTION, &place.id()).map(|_| json!({})).ok_or_else(|| place.missing())
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let place = Place::of(state, request)?;
    let optimizer = described(state, &place)?;
    Ok(json!({
        "CatalogId": request.account, "DatabaseName": place.database, "TableName": place.table,
        "TableOptimizer": optimizer,
    }))
}

fn described(state: &State<'_>, place: &Place) -> Result<Value, AwsError> {
    let configuration = state.get(COLLECTION, &place.id()).ok_or_else(|| place.missing())?;
    Ok(json!({ "type": place.kind, "configuration": configuration, "configurationSource": "table" }))
}

pub(super) fn batch_get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    let entries = request.input.member("Entries").and_then(Value::as_array).ok_or_else(|| lacking("Entries"))?;
    for entry in entries {
        let text = |member: &str| entry.text(member).unwrap_or_default().to_lowercase();
        let mut answer = json!({
            "catalogId": request.account, "databaseName": text("databaseName"), "tableName": text("tableName"),
        });
        let one = kind(&text("type")).and_then(|kind| {
            let place = Place { database: text("databaseName"), table: text("tableName"), kind };
            table::current(state, &place.database, &place.table)?;
            described(state, &place)
        });
        match one {
            Ok(optimizer) => {
                answer["tableOptimizer"] = optimizer;
                found.push(answer);
            }
            Err(error) => {
                answer["type"] = json!(text("type"));
                answer["error"] = json!({ "ErrorCode": error.code, "ErrorMessage": error.message });
                failures.push(answer);
            }
        }
    }
    Ok(json!({ "TableOptimizers": found, "Failures": failures }))
}

/// Takes a table's optimizers away.
pub(super) fn remove(state: &mut State<'_>, database: &str, table: &str) {
    for (kind, _) in TYPES {
        state.remove(COLLECTION, &format!("{database}/{table}/{kind}"));
    }
}

/// The configuration, checked.
fn configuration(request: &Request, kind: &str) -> Result<Value, AwsError> {
    let lacks = || lacking("TableOptimizerConfiguration");
    let given = request.input.member("TableOptimizerConfiguration").ok_or_else(lacks)?;
    let role = given.text("roleArn").unwrap_or_default();
    if !role.contains(":iam:") || !role.contains(":role/") {
        return Err(invalid(format!("{role} is no valid role for an optimizer")));
    }
    if given.flag("enabled").is_none() {
        return Err(invalid("enabled is required"));
    }
    for (other, member) in TYPES {
        let Some(settings) = given.member(member) else { continue };
        if other != kind {
            return Err(invalid(format!("{member} is not of an optimizer of the type {kind}")));
        }
        let settings = settings.member("icebergConfiguration").unwrap_or(&Value::Null);
        within(settings, "runRateInHours", 3..=168)?;
        for member in ["snapshotRetentionPeriodInDays", "numberOfSnapshotsToRetain", "orphanFileRetentionPeriodInDays"]
        {
            within(settings, member, 1..=i64::from(i32::MAX))?;
        }
        for member in ["minInputFiles", "deleteFileThreshold"] {
            within(settings, member, 1..=i64::from(i32::MAX))?;
        }
        if settings.text("strategy").is_some_and(|strategy| !["binpack", "sort", "z-order"].contains(&strategy)) {
            return Err(validation("strategy", "Member must satisfy enum value set: [binpack, sort, z-order]"));
        }
    }
    Ok(given.clone())
}

fn within(settings: &Value, member: &str, range: std::ops::RangeInclusive<i64>) -> Result<(), AwsError> {
    match settings.number(member) {
        Some(number) if !range.contains(&number) => {
            Err(invalid(format!("{member} must be between {} and {}", range.start(), range.end())))
        }
        _ => Ok(()),
    }
}
