//! `saved_query`: a statement that is saved in an Athena workgroup.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_athena::types::NamedQuery;
use lakewright_aws::{Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{describes, in_place, reference, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// A statement in an Athena workgroup, under a name. Saved queries carry no tags: the end of this one's description says
/// whose it is. Others that people save in the workgroup are theirs and stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name that people see, 128 characters at most.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// What it answers.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// The name of the workgroup that it is saved in.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,128}$"))]
    pub workgroup: String,
    /// The Glue database whose tables need no qualification.
    #[schemars(length(min = 1, max = 255))]
    pub database: String,
    /// The statement.
    #[schemars(length(min = 1, max = 262_144))]
    pub sql: String,
}

const FIELDS: &[Field] =
    &[in_place("name"), in_place("description"), replaces("workgroup"), replaces("database"), in_place("sql")];
const OUTPUTS: &[&str] = &["id", "name"];
const ACTIONS: &[&str] = &[
    "athena:CreateNamedQuery",
    "athena:UpdateNamedQuery",
    "athena:DeleteNamedQuery",
    "athena:GetNamedQuery",
    "athena:BatchGetNamedQuery",
    "athena:ListNamedQueries",
    "tag:GetResources",
];

/// The most that Athena takes as a name, a description and a statement.
const LONGEST: [usize; 3] = [128, 1024, 262_144];
/// The most that Athena lists, and tells of, at once.
const PAGE: usize = 50;

/// The kind.
#[derive(Debug)]
pub struct SavedQuery;

fn canonical(spec: &mut Spec) -> Result<()> {
    spec.sql = spec.sql.trim().to_owned();
    spec.description = spec.description.trim().to_owned();
    for (what, value, most) in [
        ("name", &spec.name, LONGEST[0]),
        // Room for whose it is.
        ("description", &spec.description, LONGEST[1] - 128),
        ("sql", &spec.sql, LONGEST[2]),
    ] {
        if value.len() > most {
            bail!("{what} has {} bytes; {most} at most fit", value.len());
        }
    }
    if spec.name.is_empty() || spec.sql.is_empty() {
        bail!("a saved query has a name and a statement");
    }
    Ok(())
}

#[async_trait]
impl Kind for SavedQuery {
    describes!("saved_query", "a statement that is saved in an Athena workgroup", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Free
    }

    fn consequences(&self, action: Action, _changed: &[&str], live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Replace => {
                vec![format!("the query gets another id in {}; links to it end", text(live, "workgroup"))]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        // The stack's own workgroups come with a question that others ask too.
        let tagged = tagged::resources(context, "athena").await?;
        let own = tagged.iter().filter_map(|(arn, _)| arn.split_once(":workgroup/")).map(|(_, name)| name);
        let named = wanted.iter().map(|wanted| text(wanted.spec, "workgroup")).filter(|name| reference(name).is_none());
        let workgroups: BTreeSet<&str> = own.chain(named).collect();
        let mut found = Vec::new();
        for workgroup in workgroups {
            for query in saved(context, workgroup).await? {
                found.extend(read(context, &query)?);
            }
        }
        let name =
            |address: &Address| wanted.iter().find(|one| one.address == address).map(|one| text(one.spec, "name"));
        Ok(originals(found, name))
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = context.aws.athena().create_named_query().name(&spec.name);
        let call = call
            .description(described(context, address, &spec.description))
            .database(&spec.database)
            .query_string(&spec.sql)
            .work_group(&spec.workgroup)
            .client_request_token(tags::client_token(context, address, &spec));
        let answer = ask(call.send()).await?;
        Ok(outcome(answer.named_query_id().needed("athena", "CreateNamedQuery.NamedQueryId")?, &spec.name))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        write(context, &live.id, &live.address, &spec).await?;
        Ok(outcome(&live.id, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        match ask(context.aws.athena().delete_named_query().named_query_id(&live.id).send()).await {
            // Athena calls a missing one a bad request.
            Err(error) if get(context, &live.id).await?.is_some() => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let Some(query) = get(context, id).await? else { return Ok(None) };
        if let Some((stack, owner)) = owner(&query)
            && stack != context.stack
        {
            bail!(
                "{id} belongs to the stack {stack}, as {owner}; take that away from the end of its description first"
            );
        }
        live(address.clone(), &query).map(Some)
    }

    fn is_tagless(&self) -> bool {
        true
    }

    /// The address stands in the description; the hashes of what was applied are kept beside the lease.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let Some((_, address)) = tags.iter().find(|(key, _)| *key == tags::ADDRESS) else { return Ok(()) };
        let address: Address = address.parse().map_err(anyhow::Error::msg)?;
        let query = get(context, &outcome.id).await?.context("the query is gone")?;
        write(context, &outcome.id, &address, &spec_of(&query)?).await
    }
}

async fn write(context: &Context, id: &str, address: &Address, spec: &Spec) -> Result<()> {
    let call = context.aws.athena().update_named_query().named_query_id(id).name(&spec.name);
    let call = call.description(described(context, address, &spec.description)).query_string(&spec.sql);
    ask(call.send()).await?;
    Ok(())
}

/// The query of that id.
async fn get(context: &Context, id: &str) -> Result<Option<NamedQuery>> {
    let answer = wait::found(ask(context.aws.athena().get_named_query().named_query_id(id).send()).await)?;
    Ok(answer.map(|answer| answer.named_query.needed("athena", "GetNamedQuery.NamedQuery")).transpose()?)
}

/// The queries that are saved in a workgroup; none if there is no such workgroup.
pub async fn saved(context: &Context, workgroup: &str) -> Result<Vec<NamedQuery>> {
    let athena = context.aws.athena();
    let call = athena.list_named_queries().work_group(workgroup).max_results(i32::try_from(PAGE)?);
    let Some(pages) = wait::found(ask_all(call.into_paginator().send()).await)? else { return Ok(Vec::new()) };
    let ids: Vec<String> = pages.into_iter().flat_map(|page| page.named_query_ids.unwrap_or_default()).collect();
    let mut queries = Vec::new();
    for ids in ids.chunks(PAGE) {
        // Those that went meanwhile are told apart in the answer.
        let answer = ask(athena.batch_get_named_query().set_named_query_ids(Some(ids.to_vec())).send()).await?;
        queries.extend(answer.named_queries.unwrap_or_default());
    }
    Ok(queries)
}

/// The description with whose it is at its end.
fn described(context: &Context, address: &Address, description: &str) -> String {
    format!("{description} [lakewright {} {address}]", context.stack).trim_start().to_owned()
}

/// What a description says without whose it is, and the stack and address that it states.
fn parts(description: &str) -> (&str, Option<(&str, &str)>) {
    let stated = description.strip_suffix(']').and_then(|text| text.rsplit_once("[lakewright "));
    match stated.and_then(|(before, stated)| Some((before, stated.split_once(' ')?))) {
        Some((before, owner)) => (before.trim_end(), Some(owner)),
        None => (description, None),
    }
}

/// The stack and the address that a query states.
fn owner(query: &NamedQuery) -> Option<(&str, &str)> {
    parts(query.description()?).1
}

fn spec_of(query: &NamedQuery) -> Result<Spec> {
    Ok(Spec {
        name: query.name().needed("athena", "NamedQuery.Name")?.to_owned(),
        description: parts(query.description().unwrap_or_default()).0.to_owned(),
        workgroup: query.work_group().needed("athena", "NamedQuery.WorkGroup")?.to_owned(),
        database: query.database().needed("athena", "NamedQuery.Database")?.to_owned(),
        sql: query.query_string().needed("athena", "NamedQuery.QueryString")?.to_owned(),
    })
}

fn live(address: Address, query: &NamedQuery) -> Result<Live> {
    let spec = spec_of(query)?;
    let id = query.named_query_id().needed("athena", "NamedQuery.NamedQueryId")?;
    Ok(tags::live(address, &Tags::new(), id, value(&spec), &[("id", id), ("name", &spec.name)]))
}

/// The queries without their copies: who copies one in the console copies its description, whose it is and all. The copy
/// bears another name than the one that is wanted or, where none is, than the address.
fn originals<'a>(found: Vec<Live>, wanted: impl Fn(&Address) -> Option<&'a str>) -> Vec<Live> {
    let named = |live: &Live, name: Option<&str>| name == live.spec["name"].as_str();
    let of =
        |live: &Live, name: Option<&str>| found.iter().any(|other| other.address == live.address && named(other, name));
    let is_original = |live: &&Live| {
        let own = Some(live.address.name.as_str());
        match wanted(&live.address) {
            name if of(live, name) => named(live, name),
            _ if of(live, own) => named(live, own),
            _ => true,
        }
    };
    found.iter().filter(is_original).cloned().collect()
}

/// The query as it lives; none if it isn't the stack's.
fn read(context: &Context, query: &NamedQuery) -> Result<Option<Live>> {
    let Some((stack, address)) = owner(query) else { return Ok(None) };
    let address = address.parse().ok().filter(|address: &Address| address.kind == "saved_query");
    address.filter(|_| stack == context.stack).map(|address| live(address, query)).transpose()
}

fn outcome(id: &str, name: &str) -> Outcome {
    tags::outcome(id, &[("id", id), ("name", name)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_tells_whose_it_is_at_its_end() {
        assert_eq!(parts("By day. [lakewright shop saved_query.top]"), ("By day.", Some(("shop", "saved_query.top"))));
        assert_eq!(parts("[lakewright shop saved_query.top]"), ("", Some(("shop", "saved_query.top"))));
        for others in ["", "mine", "a [list]", "[lakewright]", "[lakewright shop saved_query.top] copied"] {
            assert_eq!(parts(others), (others, None));
        }
    }

    #[test]
    fn copies_are_told_by_their_names() {
        let query = |id: &str, name: &str| {
            let query = NamedQuery::builder().named_query_id(id).name(name).work_group("w").database("d");
            let query = query.query_string("SELECT 1").build().expect("all that is required is given");
            live(Address::new("saved_query", "top"), &query).expect("all that is needed is there")
        };
        let left = |found: &[(&str, &str)], wanted: Option<&'static str>| -> Vec<String> {
            let found = found.iter().map(|(id, name)| query(id, name)).collect();
            originals(found, |_| wanted).into_iter().map(|live| live.id).collect()
        };
        assert_eq!(left(&[("1", "top"), ("2", "copy")], Some("top")), ["1"]);
        assert_eq!(left(&[("1", "best"), ("2", "top")], Some("best")), ["1"]);
        // Renamed in the file, and gone from it.
        assert_eq!(left(&[("1", "top"), ("2", "copy")], Some("best")), ["1"]);
        assert_eq!(left(&[("1", "top"), ("2", "copy")], None), ["1"]);
        assert_eq!(left(&[("1", "other")], Some("best")), ["1"]);
        // Nobody can tell: the plan says that it lives twice.
        assert_eq!(left(&[("1", "a"), ("2", "b")], Some("best")), ["1", "2"]);
    }

    #[test]
    fn what_athena_does_not_take_is_refused() {
        let spec = |name: &str, sql: &str| json!({"name": name, "workgroup": "w", "database": "d", "sql": sql});
        assert_eq!(SavedQuery.normalise(&spec("top", " SELECT 1\n")).expect("a query")["sql"], "SELECT 1");
        for (name, sql) in [("", "SELECT 1"), ("top", "  "), (&"x".repeat(129), "SELECT 1")] {
            assert!(SavedQuery.normalise(&spec(name, sql)).is_err(), "{name}");
        }
    }
}
