//! `log_group`: a CloudWatch Logs group.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, in_place, replaces, typed, value};
use super::tags::{self, Tags};
use super::wire::number;
use super::{tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// A log group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, as in `/lakewright/shop/stream`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_./#-]{1,512}$"))]
    pub name: String,
    /// How many days entries are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or another number that AWS takes.
    #[serde(default = "retention_days")]
    #[schemars(extend("enum" = [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ]))]
    pub retention_days: u32,
}

fn retention_days() -> u32 {
    30
}

const FIELDS: &[Field] = &[replaces("name"), in_place("retention_days")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:DescribeLogGroups",
    "logs:PutRetentionPolicy",
    "logs:ListTagsForResource",
    "logs:TagResource",
    "tag:GetResources",
];

/// The kind.
#[derive(Debug)]
pub struct LogGroup;

#[async_trait]
impl Kind for LogGroup {
    describes!("log_group", "a CloudWatch Logs group", FIELDS, OUTPUTS);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use("the bytes taken in, and those kept")
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let days = |of: &Value| of["retention_days"].as_u64().filter(|days| *days > 0);
        let shorter = days(spec).is_some_and(|new| days(live).is_none_or(|old| new < old));
        match action {
            Action::Update if changed.contains(&"retention_days") && shorter => {
                let days = days(spec).unwrap_or_default();
                vec![format!("entries that are older than {days} days are deleted")]
            }
            Action::Delete | Action::Replace => vec!["the entries that it holds are deleted".to_owned()],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        // One list tells of all under the stack's own prefix; names elsewhere are asked for one by one.
        let own = format!("/lakewright/{}/", context.stack);
        let names = wanted.iter().map(|wanted| text(wanted.spec, "name").to_owned());
        let mut prefixes: BTreeSet<String> = names.filter(|name| !name.starts_with(&own)).collect();
        prefixes.insert(own);
        let lists = try_join_all(prefixes.iter().map(|prefix| groups(context, prefix))).await?;
        let groups: Vec<Value> = lists.into_iter().flatten().collect();
        // The tagging API knows the tags of many at once; of those that it doesn't list yet each is asked.
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "logs").await?.into_iter().collect();
        let reads = groups.iter().map(|group| {
            let known = tagged.get(&arn(context, text(group, "logGroupName")));
            read(context, group, known)
        });
        let mut found: Vec<Live> = try_join_all(reads).await?.into_iter().flatten().collect();
        // Prefixes may overlap.
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({"logGroupName": spec.name, "tags": tags::object(context, address)});
        match call(context, "CreateLogGroup", input).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {
                let tags = tags_of(context, &arn(context, &spec.name)).await?.unwrap_or_default();
                if tags::address(context, "log_group", &tags).as_ref() != Some(address) {
                    return Err(tags::taken(error, &format!("the log group {}", spec.name), &tags));
                }
            }
            Err(error) => return Err(error.into()),
        }
        settle(context, &spec).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        settle(context, &typed(spec)?).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        wait::found(call(context, "DeleteLogGroup", json!({"logGroupName": spec.name})).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.split_once(":log-group:").map_or(id, |(_, name)| name.trim_end_matches(":*"));
        let groups = groups(context, name).await?;
        let Some(group) = groups.iter().find(|group| text(group, "logGroupName") == name) else { return Ok(None) };
        let tags = tags_of(context, &arn(context, name)).await?.unwrap_or_default();
        Ok(live(context, group, &tags::claimed(context, address, id, tags)?))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let input = json!({"resourceArn": outcome.id, "tags": tags::map(tags)});
        call(context, "TagResource", input).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Logs, operation, input).await
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:logs:{region}:{account}:log-group:{name}", tags::partition(region))
}

async fn groups(context: &Context, prefix: &str) -> Result<Vec<Value>> {
    let mut input = json!({"logGroupNamePrefix": prefix});
    let mut all = Vec::new();
    loop {
        let page = call(context, "DescribeLogGroups", input.clone()).await?;
        all.extend_from_slice(list(&page, "logGroups"));
        match text(&page, "nextToken") {
            "" => return Ok(all),
            next => input["nextToken"] = json!(next),
        }
    }
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = call(context, "ListTagsForResource", json!({"resourceArn": arn})).await;
    Ok(wait::found(answer)?.map(|answer| tags::of_object(&answer["tags"])))
}

async fn read(context: &Context, group: &Value, known: Option<&Tags>) -> Result<Option<Live>> {
    let tags = match known {
        Some(tags) => Some(tags.clone()),
        None => tags_of(context, &arn(context, text(group, "logGroupName"))).await?,
    };
    Ok(tags.and_then(|tags| live(context, group, &tags)))
}

fn live(context: &Context, group: &Value, tags: &Tags) -> Option<Live> {
    let name = text(group, "logGroupName");
    let arn = arn(context, name);
    let address = tags::address(context, "log_group", tags)?;
    // Zero stands for a group whose entries never go.
    let spec = Spec { name: name.to_owned(), retention_days: number(group, "retentionInDays") };
    Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)]))
}

async fn settle(context: &Context, spec: &Spec) -> Result<Outcome> {
    let input = json!({"logGroupName": spec.name, "retentionInDays": spec.retention_days});
    wait::visible(context, || call(context, "PutRetentionPolicy", input.clone())).await?;
    let arn = arn(context, &spec.name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}
