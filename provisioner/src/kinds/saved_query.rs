//! `saved_query`: a statement that is saved in an Athena workgroup.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_athena::types::NamedQuery;
use lakewright_aws::{Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{One, each};
use super::spec::{in_place, reference, replaces};
use super::tags::{self, Tags};
use super::workgroup::WorkgroupName;
use super::{tagged, wait};
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

/// A statement in an Athena workgroup, under a name. Saved queries carry no tags: the end of this one's description says
/// whose it is. Others that people save in the workgroup are theirs and stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name that people see, 128 characters at most.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// What it answers. Athena takes 1024 characters; the last 128 are for whose it is.
    #[serde(default)]
    #[schemars(length(max = 896))]
    pub description: String,
    /// The name of the workgroup that it is saved in.
    pub workgroup: WorkgroupName,
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
const ARNS: &[Arn] = &[("asked", "athena:{region}:{account}:workgroup/{workgroup}")];
const FACTS: Facts = Facts {
    is_tagless: true,
    irregular_plural: Some("saved_queries"),
    identified_by: &["workgroup", "name"],
    tag_types: &["athena:workgroup"],
    review: &["sql"],
    arns: ARNS,
    billing: Billing::Free,
    ..Facts::of("saved_query", "a statement that is saved in an Athena workgroup", FIELDS, OUTPUTS, ACTIONS)
};

/// The most bytes that Athena takes as a statement.
const LONGEST: usize = 262_144;
/// The most that Athena lists, and describes, at once.
const PAGE: usize = 50;

/// The kind.
#[derive(Debug)]
pub struct SavedQuery;

#[async_trait]
impl Kind for SavedQuery {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.sql = spec.sql.trim().to_owned();
        spec.description = spec.description.trim().to_owned();
        if spec.sql.is_empty() {
            bail!("a saved query has a statement");
        }
        if spec.sql.len() > LONGEST && !spec.sql.contains("${") {
            bail!("sql has {} bytes; {LONGEST} at most fit", spec.sql.len());
        }
        Ok(())
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let live = step.live.filter(|_| step.action == Action::Replace);
        let told = |live: &Spec| format!("the query gets another id in {}; links to it end", live.workgroup);
        live.map(told).into_iter().collect()
    }

    /// Athena takes several of one name, and one is known by what its description says: the old one goes first.
    fn coexists(&self, _live: &Spec, _spec: &Spec) -> bool {
        false
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // The stack's own workgroups come with a question that others ask too.
        let tagged = tagged::resources(context, "athena").await?;
        let own = tagged.iter().filter_map(|(arn, _)| arn.split_once(":workgroup/")).map(|(_, name)| name);
        let named = wanted.iter().map(|wanted| wanted.spec.workgroup.as_str()).filter(|name| reference(name).is_none());
        let workgroups: BTreeSet<&str> = own.chain(named).collect();
        let reads = workgroups.iter().map(|workgroup| One {
            address: None,
            id: String::new(),
            read: async move {
                let queries = saved(context, workgroup).await?;
                let found = queries.iter().filter_map(|query| read(context, query).transpose());
                found.collect::<Result<Vec<_>>>().map(Some)
            },
        });
        let found = each(context, FACTS.name, reads).await?.into_iter().flatten().collect();
        let name =
            |address: &Address| wanted.iter().find(|one| one.address == address).map(|one| one.spec.name.as_str());
        Ok(originals(found, name))
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.athena().create_named_query().name(&spec.name);
        let call = call
            .description(described(context, address, &spec.description))
            .database(&spec.database)
            .query_string(&spec.sql)
            .work_group(spec.workgroup.as_str())
            .client_request_token(tags::client_token(context, address, spec));
        let answer = ask(call.send()).await?;
        Ok(outcome(answer.named_query_id().needed("athena", "CreateNamedQuery.NamedQueryId")?, &spec.name))
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        write(context, &live.id, &live.address, spec).await?;
        Ok(outcome(&live.id, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        match ask(context.aws.athena().delete_named_query().named_query_id(&live.id).send()).await {
            // Athena calls a missing one a bad request.
            Err(error) if get(context, &live.id).await?.is_some() => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
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
        // Those that went meanwhile stand apart in the answer.
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
        workgroup: query.work_group().needed("athena", "NamedQuery.WorkGroup")?.into(),
        database: query.database().needed("athena", "NamedQuery.Database")?.to_owned(),
        sql: query.query_string().needed("athena", "NamedQuery.QueryString")?.to_owned(),
    })
}

fn live(address: Address, query: &NamedQuery) -> Result<Found<Spec>> {
    let spec = spec_of(query)?;
    let id = query.named_query_id().needed("athena", "NamedQuery.NamedQueryId")?;
    Ok(tags::found(address, &Tags::new(), id, spec, &[("id", id), ("name", query.name())]))
}

/// The queries without their copies: who copies one in the console copies its description, whose it is and all. The copy
/// bears another name than the one that is wanted or, where none is, than the address.
fn originals<'a>(found: Vec<Found<Spec>>, wanted: impl Fn(&Address) -> Option<&'a str>) -> Vec<Found<Spec>> {
    let named = |live: &Found<Spec>, name: Option<&str>| name == Some(live.spec.name.as_str());
    let of = |live: &Found<Spec>, name: Option<&str>| {
        found.iter().any(|other| other.address == live.address && named(other, name))
    };
    let is_original = |live: &&Found<Spec>| {
        let own = Some(live.address.name.as_str());
        match wanted(&live.address) {
            name if of(live, name) => named(live, name),
            _ if of(live, own) => named(live, own),
            _ => true,
        }
    };
    found.iter().filter(is_original).cloned().collect()
}

/// The query as it exists; none if it isn't the stack's.
fn read(context: &Context, query: &NamedQuery) -> Result<Option<Found<Spec>>> {
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
    use crate::kind::AnyKind as _;

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
        // Nobody can know: the plan says that it exists twice.
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
