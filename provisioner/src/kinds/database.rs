//! `database`: a database of the Glue catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_glue::types::{self, DatabaseInput};
use futures::future::join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{self, One, each};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::{NO_CONTROL, ONE_LINE, S3Uri, none_of, text};
use super::{tag_lists, tagged, tagging, wait};
use crate::kind::{Arn, Billing, Context, Delta, ENDS, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

text!(
    /// The name of a database of the Glue catalog.
    DatabaseName,
    r"^[^A-Z]{1,255}$",
    not ONE_LINE.0 => ONE_LINE.1
);

/// A Glue database. Deleting it deletes its tables from the catalog; their files stay with their bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name: lower case letters, digits and underscores.
    pub name: DatabaseName,
    /// What it holds.
    #[serde(default)]
    #[schemars(length(max = 2048), extend("not" = none_of(&[NO_CONTROL])))]
    pub description: String,
    /// Where tables that name no location go, `s3://bucket/prefix`, without a slash at the end.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub location: Option<S3Uri>,
}

const FIELDS: &[Field] = &[replaces("name"), in_place("description"), in_place("location")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "glue:CreateDatabase",
    "glue:UpdateDatabase",
    "glue:DeleteDatabase",
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetTables",
    "glue:GetTags",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[
    ("database", "glue:{region}:{account}:database/{name}"),
    ("database", "glue:{region}:{account}:table/{name}/*"),
    ("database", "glue:{region}:{account}:userDefinedFunction/{name}/*"),
];
const FACTS: Facts = Facts {
    holds_data: true,
    identified_by: &["name"],
    tag_types: &["glue"],
    arns: ARNS,
    rights: super::rights::storage::TABLES,
    billing: Billing::ByUse("requests to the Glue catalog beyond the first million a month"),
    follows: &[(ENDS, "queries of its tables fail")],
    tagging: Some(&tagging::Glue),
    ..Facts::of("database", "a database of the Glue catalog", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Database;

#[async_trait]
impl Kind for Database {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.location = spec.location.as_deref().map(|location| location.trim_end_matches('/').into());
        Ok(())
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let stay = || "tables that are there stay where they are".to_owned();
        step.updates("location").then(stay).into_iter().collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let names: Vec<&str> = wanted.iter().map(|wanted| wanted.spec.name.as_str()).collect();
        let (found, unread) = owned(context, &names).await?;
        for (name, error) in unread {
            let address = each::address(context, FACTS.name, None, wanted, |spec| spec.name.as_str() == name);
            context.reading.keep(FACTS.name, address.as_ref(), &name, Err::<Option<()>, _>(error))?;
        }
        let reads = found.into_iter().map(|mut live| One {
            address: Some(live.address.clone()),
            id: live.id.clone(),
            read: async move {
                // Glue drops all tables with their database, those that no file names too.
                live.holds = held(context, &live.spec.name).await?;
                Ok(Some(live))
            },
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.glue().create_database().database_input(input(spec)?);
        let answer = ask(call.set_tags(Some(tag_lists::owned_map(context, address))).send()).await;
        let tags = async { Ok(tags_of(context, &spec.name).await?.as_ref().clone().unwrap_or_default()) };
        let what = format!("the database {}", spec.name);
        if tags::made(context, address, &what, answer, tags).await?.is_none() {
            update(context, spec).await?;
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        update(context, spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.glue().delete_database().name(live.spec.name.as_str()).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let answer = wait::found(ask(context.aws.glue().get_database().name(name).send()).await)?;
        let Some(answer) = answer else { return Ok(None) };
        let database = answer.database.needed("glue", "GetDatabase.Database")?;
        let tags = tags_of(context, name).await?.as_ref().clone().unwrap_or_default();
        let live = read(context, &database, &tags::claimed(context, address, id, tags)?)?;
        let Some(mut live) = live else { return Ok(None) };
        live.holds = held(context, name).await?;
        Ok(Some(live))
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("glue", &format!("database/{name}"))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

fn input(spec: &Spec) -> Result<DatabaseInput> {
    let input = DatabaseInput::builder().name(spec.name.as_str()).description(&spec.description);
    Ok(input.set_location_uri(spec.location.as_deref().map(str::to_owned)).build()?)
}

async fn update(context: &Context, spec: &Spec) -> Result<()> {
    let mut new = input(spec)?;
    // What a call leaves out, Glue takes away: what no spec says stays as somebody made it.
    let all = databases(context).await?;
    if let Some(live) = all.iter().find(|one| one.name() == spec.name.as_str()) {
        new.parameters.clone_from(&live.parameters);
        new.create_table_default_permissions.clone_from(&live.create_table_default_permissions);
        new.target_database.clone_from(&live.target_database);
        new.federated_database.clone_from(&live.federated_database);
    }
    let call = context.aws.glue().update_database().name(spec.name.as_str()).database_input(new);
    ask(call.send()).await?;
    Ok(())
}

/// What goes with a database.
async fn held(context: &Context, database: &str) -> Result<Vec<String>> {
    let tables = tables(context, database).await?;
    Ok(tables.iter().map(|table| format!("the table {database}.{}", table.name())).collect())
}

/// Glue's tables of a database; none if there is no such database.
pub(super) async fn tables(context: &Context, database: &str) -> Result<Arc<Vec<types::Table>>, Error> {
    let call = context.aws.glue().get_tables().database_name(database).max_results(100);
    let all = async {
        let pages = wait::found(ask_all(call.into_paginator().send()).await)?.unwrap_or_default();
        Ok(pages.into_iter().flat_map(|page| page.table_list.unwrap_or_default()).collect())
    };
    context.reading.of(|queries| &queries.tables, database.to_owned(), all).await
}

/// The tags of a database; none if it isn't there.
async fn tags_of(context: &Context, name: &str) -> Result<Arc<Option<Tags>>, Error> {
    let arn = arn(context, name);
    let call = context.aws.glue().get_tags().resource_arn(&arn);
    let tags = async {
        let answer = wait::found(ask(call.send()).await)?;
        Ok(answer.map(|answer| tag_lists::read_map(answer.tags())))
    };
    context.reading.of(|queries| &queries.database_tags, arn, tags).await
}

/// All databases of the catalog.
async fn databases(context: &Context) -> Result<Arc<Vec<types::Database>>, Error> {
    let call = context.aws.glue().get_databases().max_results(100);
    let all = async {
        let pages = ask_all(call.into_paginator().send()).await?;
        Ok(pages.into_iter().flat_map(|page| page.database_list).collect())
    };
    context.reading.of(|queries| &queries.databases, (), all).await
}

/// The stack's databases: of those with these names, and of those whose names begin with the stack's; beside them the
/// names of those of which nobody can say whose they are, with the reason.
pub(super) async fn owned(
    context: &Context,
    names: &[&str],
) -> Result<(Vec<Found<Spec>>, Vec<(String, anyhow::Error)>)> {
    let own = context.stack.replace('-', "_");
    let (databases, tagged) = tokio::join!(databases(context), tagged::resources(context, "glue"));
    let databases = databases?;
    let tagged: BTreeMap<String, Tags> = tagged?.into_iter().collect();
    let may_be_ours = |name: &str| names.contains(&name) || name.starts_with(&own);
    let reads = databases.iter().filter(|database| may_be_ours(database.name())).map(async |database| {
        let name = database.name();
        if let Some(tags) = tagged.get(&arn(context, name)) {
            return (name, read(context, database, tags));
        }
        // What the tagging API doesn't list yet is asked for itself.
        match tags_of(context, name).await {
            Ok(tags) => (name, tags.as_ref().as_ref().map_or(Ok(None), |tags| read(context, database, tags))),
            Err(error) => (name, Err(error.into())),
        }
    });
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    for (name, read) in join_all(reads).await {
        match read {
            Ok(live) => found.extend(live),
            Err(error) => unread.push((name.to_owned(), error)),
        }
    }
    Ok((found, unread))
}

fn read(context: &Context, database: &types::Database, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "database", tags) else { return Ok(None) };
    let name = database.name().needed("glue", "Database.Name")?;
    let location = database.location_uri().filter(|location| !location.is_empty());
    let spec = Spec {
        name: name.into(),
        description: database.description().unwrap_or_default().to_owned(),
        location: location.map(|location| location.trim_end_matches('/').into()),
    };
    let arn = arn(context, name);
    Ok(Some(tags::found(address, tags, &arn, spec, &[("arn", &arn), ("name", name)])))
}
