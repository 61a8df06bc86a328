//! `table`: an Iceberg table of the Glue catalog.

mod catalog;
mod commit;
mod evolved;
mod iceberg;
mod refusals;
mod renames;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_glue::types::{CreateIcebergTableInput, IcebergInput, MetadataOperation, OpenTableFormatInput, TableInput};
use futures::future::try_join_all;
use lakewright_aws::ask;
use lakewright_config::{Column, EVOLVED, PartitionField, SortField};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::catalog::{describe, live, metadata, read};
use self::commit::{Update, change};
use self::refusals::refused;
use self::renames::{gone, old_names, renamed};
use super::database::{self, DatabaseName, tables};
use super::spec::{compared, in_place, reference, replaces};
use super::values::{ONE_LINE, S3Uri, none_of, text};
use super::{tags, wait};
use crate::kind::{
    Arn, Billing, Clash, Comparing, Context, Delta, ENDS, Facts, Field, Found, Kind, Outcome, Renamed, Step, Wanted,
};
use crate::reading::is_of_one;
use crate::resource::{Action, Address, Obstacle};
use crate::services::Services as _;

text!(
    /// The name of a table of the Glue catalog.
    TableName,
    r"^[^A-Z]{1,255}$",
    not ONE_LINE.0 => ONE_LINE.1
);

/// An Iceberg table of format version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The Glue database's name.
    pub database: DatabaseName,
    /// The table's name: lower case letters, digits and underscores.
    pub name: TableName,
    /// Where its files are, `s3://bucket/prefix`, without a slash at the end.
    pub location: S3Uri,
    /// All columns in order, those that the stream agent adds included.
    pub columns: Vec<Column>,
    /// How its files are divided.
    #[serde(default)]
    pub partition: Vec<PartitionField>,
    /// How maintenance sorts rows, `["country", "sold_at desc"]`. Without it, the order that the table has is left to others,
    /// and isn't compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort: Vec<SortField>,
    /// Iceberg table properties that the stack sets; others are left alone.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Columns by the names that they have now, and the ones that they had before: a column that still has that one is
    /// renamed and keeps its values. The same as `was` at the column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "propertyNames" = {"minLength": 1, "maxLength": 255, "not": none_of(&[ONE_LINE])},
        "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 255, "not": none_of(&[ONE_LINE])}
    ))]
    pub renames: BTreeMap<String, String>,
    /// Whether the stream agent gives it columns for members of messages that no column takes. Those that it gave, and that
    /// `columns` doesn't name, stay as they are, and aren't compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evolves: bool,
}

/// What only a table that exists has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The columns by which files were divided at any time.
    #[serde(default)]
    pub divided_by: Vec<String>,
    /// The columns that rows are sorted by now.
    #[serde(default)]
    pub sorted_by: Vec<String>,
    /// The columns of types that no stack can declare, by name, with those types. They stay as they are.
    #[serde(default)]
    pub others: BTreeMap<String, String>,
    /// The columns that came from messages and stay, by name, with their types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evolved: BTreeMap<String, String>,
}

const FIELDS: &[Field] = &[
    replaces("database"),
    replaces("name"),
    replaces("location"),
    in_place("columns"),
    in_place("partition"),
    in_place("sort"),
    in_place("properties"),
    // What a column was called before can't be read back: that it was called so shows by its name.
    compared(in_place("renames"), Comparing::Never),
    // Whose columns stay is the file's to say; the table only says which came from messages.
    compared(in_place("evolves"), Comparing::Never),
];
const OUTPUTS: &[&str] = &["arn", "name", "location"];
const ACTIONS: &[&str] = &[
    // Glue writes the table's first metadata file in the caller's name.
    "glue:CreateTable",
    "glue:UpdateTable",
    "glue:DeleteTable",
    "glue:GetTable",
    "glue:GetTables",
    "s3:GetObject",
    "s3:PutObject",
];
const ARNS: &[Arn] = &[
    ("table", "glue:{region}:{account}:database/{database}"),
    ("table", "glue:{region}:{account}:table/{database}/{name}"),
    ("read", "glue:{region}:{account}:database/{database}"),
    ("read", "glue:{region}:{account}:table/{database}/*"),
    ("metadata", "s3:::{location:parent}*/metadata/*"),
];
const FACTS: Facts = Facts {
    holds_data: true,
    is_tagless: true,
    identified_by: &["database", "name"],
    parts: &["columns"],
    arns: ARNS,
    billing: Billing::ByUse(
        "objects of and requests to the Glue catalog beyond the first million a month; its files in their bucket",
    ),
    follows: &[(ENDS, "queries of it fail; its files stay in their bucket")],
    ..Facts::of("table", "an Iceberg table of the Glue catalog", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Table;

#[async_trait]
impl Kind for Table {
    type Spec = Spec;
    type Observed = Observed;
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.location = spec.location.trim_end_matches('/').into();
        let mut seen = BTreeSet::new();
        for column in &mut spec.columns {
            if !seen.insert(column.name.to_lowercase()) {
                bail!("the column {} stands twice", column.name);
            }
            if let Some(was) = column.was.take() {
                spec.renames.insert(column.name.clone(), was);
            }
        }
        let mut before = BTreeSet::new();
        for (name, was) in &spec.renames {
            if !seen.contains(&name.to_lowercase()) {
                bail!("{name} was {was}, but there is no column {name}");
            }
            if seen.contains(&was.to_lowercase()) {
                bail!("the column {name} can't have been {was}: a column is named so now");
            }
            if !before.insert(was.to_lowercase()) {
                bail!("two columns can't both have been {was}");
            }
        }
        for field in &spec.partition {
            if !spec.columns.iter().any(|column| column.name == field.column) {
                bail!("the partition field {field} names no column");
            }
        }
        for field in &spec.sort {
            if !spec.columns.iter().any(|column| column.name == field.by.column) {
                bail!("the sort field {field} names no column");
            }
        }
        Ok(Clash::within("partition", &spec.partition, |one, other| one == other, "divide alike")?)
    }

    fn loses(&self, live: &Spec, spec: &Spec) -> Vec<String> {
        let (live, _) = renamed(live, spec);
        gone(&live, spec).map(|name| format!("the values of the column {name} of {} are lost", spec.name)).collect()
    }

    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        (live.database != spec.database || live.name != spec.name) && live.location != spec.location
    }

    fn renamed(&self, live: &Spec, spec: &Spec) -> Option<Renamed<Spec>> {
        let (live, names) = renamed(live, spec);
        let path = |[before, after]: [String; 2]| [format!("columns[{after}].name"), before, after];
        (!names.is_empty()).then(|| Renamed { live, names: names.into_iter().map(path).collect() })
    }

    fn refuses(&self, live: &Spec, observed: &Observed, spec: &Spec) -> Option<Obstacle> {
        refused(live, observed, spec)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let mut sentences = match (step.action, step.live, step.spec) {
            (Action::Update, Some(live), Some(spec)) => old_names(live, spec),
            _ => Vec::new(),
        };
        if step.updates("partition") {
            sentences.push("files that are there stay divided as they are; new ones are divided anew".to_owned());
        }
        if step.updates("sort") {
            sentences.push("files that are there stay as they are until maintenance puts them together".to_owned());
        }
        sentences
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec, Observed>>> {
        let names: Vec<&str> = wanted.iter().map(|wanted| wanted.spec.database.as_str()).collect();
        let (own, unread) = database::owned(context, &names).await?;
        for (name, error) in unread {
            // Which tables of it are the stack's isn't known either.
            let error = error.context(format!("whose the database {name} is isn't known"));
            let id = if names.contains(&name.as_str()) { "" } else { &name };
            context.reading.keep(FACTS.name, None, id, Err::<Option<()>, _>(error))?;
        }
        let mut known: BTreeMap<String, Address> = BTreeMap::new();
        for live in own {
            if context.records.is_own(&live.address, &live.id, live.applied.as_deref()).await {
                known.insert(live.spec.name.into(), live.address);
            }
        }
        let own = known;
        // A wanted table may stand in a database that isn't the stack's.
        let mut databases: BTreeSet<&str> = own.keys().map(String::as_str).collect();
        databases.extend(names.iter().filter(|name| reference(name).is_none()));
        let mut found = Vec::new();
        for database in databases {
            let means =
                |name: &str| name == database || reference(name).is_some_and(|at| own.get(database) == Some(&at));
            let here: Vec<_> = wanted.iter().filter(|one| means(&one.spec.database)).collect();
            let tables = tables(context, database).await?;
            let stacks_own = own.contains_key(database);
            let reads = tables.iter().map(async |table| {
                let meant = here.iter().find(|one| one.spec.name == table.name()).copied();
                let place = format!("{database}.{}", table.name());
                let read = read(context, database, table, meant, stacks_own).await;
                Ok::<_, anyhow::Error>(match (read, meant) {
                    (Ok(None), _) => (None, Some(place)),
                    // Whose one is that nobody wants isn't known: it stays, as others' do.
                    (Err(error), None) if is_of_one(&error) => {
                        (None, Some(format!("{place}, which can't be read ({error:#}),")))
                    }
                    (read, meant) => {
                        (context.reading.keep(FACTS.name, meant.map(|one| one.address), &place, read)?, None)
                    }
                })
            });
            let (ours, foreign): (Vec<_>, Vec<_>) = try_join_all(reads).await?.into_iter().unzip();
            let mut ours: Vec<_> = ours.into_iter().flatten().collect();
            if let Some(first) = ours.first_mut() {
                first.foreign.extend(foreign.into_iter().flatten());
            }
            found.append(&mut ours);
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let mut properties = spec.properties.clone();
        properties.insert(STACK.to_owned(), context.stack.clone());
        properties.insert(ADDRESS.to_owned(), address.to_string());
        let schema = iceberg::schema(&spec.columns, &spec.renames, None)?;
        let table = CreateIcebergTableInput::builder()
            .location(spec.location.as_str())
            .partition_spec(iceberg::partition_spec(&spec.partition, &schema, None)?)
            .set_write_order(iceberg::sort_order(&spec.sort, &schema, None)?)
            .schema(schema)
            .set_properties(Some(properties.into_iter().collect()));
        let table = IcebergInput::builder()
            .metadata_operation(MetadataOperation::Create)
            .version("2")
            .create_iceberg_table_input(table.build()?);
        let call = context.aws.glue().create_table().database_name(spec.database.as_str());
        let call = call
            .table_input(TableInput::builder().name(spec.name.as_str()).build()?)
            .open_table_format_input(OpenTableFormatInput::builder().iceberg_input(table.build()?).build());
        match ask(call.send()).await {
            Ok(_) => Ok(outcome(context, spec)),
            Err(error) if error.is_already_exists() => {
                let table = describe(context, &spec.database, &spec.name)
                    .await?
                    .context("the table is there and can't be read")?;
                let metadata = metadata(context, &table).await?;
                let owner = metadata.as_ref().and_then(|metadata| metadata.properties.get(STACK));
                let of = metadata.as_ref().and_then(|metadata| metadata.properties.get(ADDRESS));
                if owner != Some(&context.stack) || of != Some(&address.to_string()) {
                    let whose = owner.map(|owner| format!(", but of the stack {owner}")).unwrap_or_default();
                    return Err(anyhow::Error::new(error).context(format!(
                        "the table {}.{} exists and isn't this stack's {address}{whose}",
                        spec.database, spec.name
                    )));
                }
                Ok(outcome(context, spec))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(&self, context: &Context, delta: Delta<'_, Spec, Observed>) -> Result<Outcome> {
        let Delta { spec, changed, .. } = delta;
        change(context, &spec.database, &spec.name, |current| {
            let (stay, marks) = current.evolved(spec)?;
            let columns: Vec<Column> = spec.columns.iter().chain(&stay).cloned().collect();
            let schema = iceberg::schema(&columns, &spec.renames, Some(current))?;
            let divided = changed.iter().any(|name| name == "partition");
            let partition = divided.then(|| iceberg::partition_spec(&spec.partition, &schema, Some(current)));
            let sorted = changed.iter().any(|name| name == "sort");
            let sort = if sorted { iceberg::sort_order(&spec.sort, &schema, Some(current))? } else { None };
            let mut properties = spec.properties.clone();
            if current.properties.contains_key(EVOLVED) {
                properties.insert(EVOLVED.to_owned(), marks.written());
            }
            Ok(Update { schema, partition: partition.transpose()?, sort, properties })
        })
        .await?;
        Ok(outcome(context, spec))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec, Observed>) -> Result<()> {
        let Spec { database, name, .. } = &live.spec;
        let call = context.aws.glue().delete_table().database_name(database.as_str()).name(name.as_str());
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    /// `id` is `DATABASE.TABLE` or the ARN.
    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec, Observed>>> {
        let path = id.split_once(":table/").map_or(id, |(_, path)| path);
        let Some((database, name)) = path.split_once(['/', '.']) else {
            bail!("`{id}` names no table; tables are named DATABASE.TABLE")
        };
        let Some(table) = describe(context, database, name).await? else { return Ok(None) };
        let Some(mut metadata) = metadata(context, &table).await? else {
            bail!("the table {database}.{name} is no Iceberg table with readable metadata; a stack's tables are")
        };
        if let Some(other) = metadata.properties.get(STACK).filter(|stack| **stack != context.stack) {
            bail!("the table {database}.{name} belongs to the stack {other}; take its property {STACK} away first");
        }
        metadata.properties.clear();
        live(context, address.clone(), (database, name), metadata, None).map(Some)
    }

    /// Every write of a property is a commit that collides with those of the agents: hashes aren't written to it.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let names = [(tags::STACK, STACK), (tags::ADDRESS, ADDRESS)];
        let property =
            |key: &str| names.iter().find(|(tag, _)| *tag == key).map(|(_, property)| (*property).to_owned());
        let properties: BTreeMap<String, String> =
            tags.iter().filter_map(|(key, value)| Some((property(key)?, (*value).to_owned()))).collect();
        let path = outcome.id.split_once(":table/").and_then(|(_, path)| path.split_once('/'));
        let Some((database, name)) = path.filter(|_| !properties.is_empty()) else { return Ok(()) };
        change(context, database, name, |current| {
            let schema = iceberg::schema(&current.columns(), &BTreeMap::new(), Some(current))?;
            Ok(Update { schema, partition: None, sort: None, properties: properties.clone() })
        })
        .await
    }
}

/// The table property that holds the stack's name.
const STACK: &str = "lakewright.stack";
/// The table property that holds the address: Glue's tables carry no tags.
const ADDRESS: &str = "lakewright.address";

fn arn(context: &Context, database: &str, name: &str) -> String {
    context.site().arn("glue", &format!("table/{database}/{name}"))
}

fn outcome(context: &Context, spec: &Spec) -> Outcome {
    let arn = arn(context, &spec.database, &spec.name);
    tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name), ("location", &spec.location)])
}
