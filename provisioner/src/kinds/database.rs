//! `database`: a database of the Glue catalog.

use anyhow::Result;
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, in_place, replaces, typed, value};
use super::tags::{self, Tags};
use super::wire::some_text;
use super::{table, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// A Glue database. Deleting it deletes its tables from the catalog; their files stay with their bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name: lower case letters, digits and underscores.
    #[schemars(regex(pattern = r"^[^A-Z]{1,255}$"))]
    pub name: String,
    /// What it holds.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub description: String,
    /// Where tables that name no location go, `s3://bucket/prefix`, without a slash at the end.
    #[serde(default)]
    #[schemars(regex(pattern = r"^s3://.+$"))]
    pub location: Option<String>,
}

const FIELDS: &[Field] = &[replaces("name"), in_place("description"), in_place("location")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "glue:CreateDatabase",
    "glue:UpdateDatabase",
    "glue:DeleteDatabase",
    "glue:GetDatabases",
    "glue:GetTables",
    "glue:GetTags",
    "glue:TagResource",
];

/// The kind.
#[derive(Debug)]
pub struct Database;

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.location = spec.location.take().map(|location| location.trim_end_matches('/').to_owned());
    Ok(())
}

#[async_trait]
impl Kind for Database {
    describes!("database", "a database of the Glue catalog", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use("requests to the Glue catalog beyond the first million a month")
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update if changed.contains(&"location") => {
                vec!["tables that are there stay where they are".to_owned()]
            }
            Action::Replace | Action::Delete => vec!["queries of its tables fail".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let names: Vec<&str> = wanted.iter().map(|wanted| text(wanted.spec, "name")).collect();
        let mut found = owned(context, &names).await?;
        for live in &mut found {
            // Glue drops all tables with their database, those that nobody told the stack about too.
            live.holds = held(context, text(&live.spec, "name")).await?;
        }
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({"DatabaseInput": input(&spec), "Tags": tags::object(context, address)});
        match call(context, "CreateDatabase", input).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let tags = tags_of(context, &spec.name).await?.unwrap_or_default();
                if tags::address(context, "database", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the database {}", spec.name), &tags));
                }
                update(context, &spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        update(context, &spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        wait::found(call(context, "DeleteDatabase", json!({"Name": spec.name})).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(answer) = wait::found(call(context, "GetDatabase", json!({"Name": name})).await)? else {
            return Ok(None);
        };
        let tags = tags_of(context, name).await?.unwrap_or_default();
        let live = read(context, &answer["Database"], &tags::claimed(context, address, id, tags)?);
        let Some(mut live) = live else { return Ok(None) };
        live.holds = held(context, name).await?;
        Ok(Some(live))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let input = json!({"ResourceArn": outcome.id, "TagsToAdd": tags::map(tags)});
        call(context, "TagResource", input).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Glue, operation, input).await
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:glue:{region}:{account}:database/{name}", tags::partition(region))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

fn input(spec: &Spec) -> Value {
    let mut input = json!({"Name": spec.name, "Description": spec.description});
    if let Some(location) = &spec.location {
        input["LocationUri"] = json!(location);
    }
    input
}

async fn update(context: &Context, spec: &Spec) -> Result<()> {
    call(context, "UpdateDatabase", json!({"Name": spec.name, "DatabaseInput": input(spec)})).await?;
    Ok(())
}

/// What goes with a database.
async fn held(context: &Context, database: &str) -> Result<Vec<String>> {
    let tables = table::tables(context, database).await?;
    Ok(tables.iter().map(|table| format!("the table {database}.{}", text(table, "Name"))).collect())
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let answer = call(context, "GetTags", json!({"ResourceArn": arn(context, name)})).await;
    Ok(wait::found(answer)?.map(|answer| tags::of_object(&answer["Tags"])))
}

/// The stack's databases: of those with these names, and of those whose names begin with the stack's.
pub(super) async fn owned(context: &Context, names: &[&str]) -> Result<Vec<Live>> {
    let own = context.stack.replace('-', "_");
    let mut databases = Vec::new();
    let mut input = json!({"MaxResults": 100});
    loop {
        let page = call(context, "GetDatabases", input.clone()).await?;
        let may_be_ours = |database: &&Value| {
            let name = text(database, "Name");
            names.contains(&name) || name.starts_with(&own)
        };
        databases.extend(list(&page, "DatabaseList").iter().filter(may_be_ours).cloned());
        match text(&page, "NextToken") {
            "" => break,
            next => input["NextToken"] = json!(next),
        }
    }
    let reads = databases.iter().map(|database| async {
        let tags = tags_of(context, text(database, "Name")).await?;
        Ok::<_, anyhow::Error>(tags.and_then(|tags| read(context, database, &tags)))
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

fn read(context: &Context, database: &Value, tags: &Tags) -> Option<Live> {
    let address = tags::address(context, "database", tags)?;
    let name = text(database, "Name");
    let spec = Spec {
        name: name.to_owned(),
        description: text(database, "Description").to_owned(),
        location: some_text(database, "LocationUri").map(|location| location.trim_end_matches('/').to_owned()),
    };
    let arn = arn(context, name);
    Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)]))
}
