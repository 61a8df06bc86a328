//! `dashboard`: a CloudWatch dashboard.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_cloudwatch::types::Tag;
use futures::future::try_join_all;
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{describes, differs, in_place, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tag_lists, tagged, wait};
use crate::cost::{Charge, Cost};
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// A dashboard. Dashboards have no region; when one has left the file it is looked for only where the stack has alarms or
/// SNS topics, and only under the stack's own name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account: letters, digits, `-` and `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,255}$"))]
    pub name: String,
    /// The body as CloudWatch defines it, with `widgets`.
    pub body: Value,
}

const FIELDS: &[Field] = &[replaces("name"), in_place("body")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "cloudwatch:PutDashboard",
    "cloudwatch:DeleteDashboards",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:TagResource",
    "tag:GetResources",
];

/// The kind.
#[derive(Debug)]
pub struct Dashboard;

fn canonical(spec: &mut Spec) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=255).contains(&spec.name.len()) || !spec.name.chars().all(fits) {
        bail!("`{}` can't be a dashboard's name: 1 to 255 letters, digits, `-` and `_`", spec.name);
    }
    if !spec.body["widgets"].is_array() {
        bail!("a dashboard's body has a list of `widgets`");
    }
    Ok(())
}

#[async_trait]
impl Kind for Dashboard {
    describes!("dashboard", "a CloudWatch dashboard", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        let charge = Charge { price: "cloudwatch.dashboard.month".to_owned(), quantity: 1.0 };
        Cost::Billed { charges: vec![charge], by_use: "" }
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let mut names: BTreeSet<String> = wanted.iter().map(|wanted| text(wanted.spec, "name").to_owned()).collect();
        if is_watched(context).await? {
            names.insert(context.stack.clone());
        }
        let reads = names.iter().map(async |name| {
            let Some(tags) = tags_of(context, &arn(context, name)).await? else { return Ok(None) };
            match tags::address(context, "dashboard", &tags) {
                Some(address) => read(context, name, address, &tags).await,
                None => Ok(None),
            }
        });
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        // The call overwrites whatever has the name.
        if let Some(tags) = tags_of(context, &arn(context, &spec.name)).await?
            && tags::address(context, "dashboard", &tags).as_ref() != Some(address)
        {
            bail!(
                "the dashboard {} is there already and isn't {address} of this stack; give this one another name, or take \
                 that one over by `lakewright adopt {address} {}`",
                spec.name,
                spec.name
            );
        }
        put(context, &spec, Some(tag_lists::owned(context, address))).await
    }

    async fn update(&self, context: &Context, _live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        put(context, &typed(spec)?, None).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let spec: Spec = typed(&live.spec)?;
        wait::found(ask(context.aws.cloud_watch().delete_dashboards().dashboard_names(spec.name).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(tags) = tags_of(context, &arn(context, name)).await? else { return Ok(None) };
        read(context, name, address.clone(), &tags::claimed(context, address, id, tags)?).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.cloud_watch().tag_resource().resource_arn(&outcome.id);
        let call = call.set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }
}

/// Whether the stack has alarms or topics. What has no region stands in no list of the region: it is looked for only
/// beside them, for a question more in every plan of every stack would be one too many.
pub(super) async fn is_watched(context: &Context) -> Result<bool> {
    let (alarms, topics) = (tagged::resources(context, "cloudwatch").await?, tagged::resources(context, "sns").await?);
    Ok(!alarms.is_empty() || !topics.is_empty())
}

fn arn(context: &Context, name: &str) -> String {
    format!("arn:{}:cloudwatch::{}:dashboard/{name}", tags::partition(&context.region), context.account)
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = wait::found(ask(context.aws.cloud_watch().list_tags_for_resource().resource_arn(arn).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())))
}

async fn read(context: &Context, name: &str, address: Address, tags: &Tags) -> Result<Option<Live>> {
    let answer = wait::found(ask(context.aws.cloud_watch().get_dashboard().dashboard_name(name).send()).await)?;
    let Some(answer) = answer else { return Ok(None) };
    let body = serde_json::from_str(answer.dashboard_body().needed("monitoring", "GetDashboard.DashboardBody")?);
    let spec = Spec { name: name.to_owned(), body: body.with_context(|| format!("read the dashboard {name}"))? };
    let arn = arn(context, name);
    Ok(Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)])))
}

async fn put(context: &Context, spec: &Spec, tags: Option<Vec<Tag>>) -> Result<Outcome> {
    let call = context.aws.cloud_watch().put_dashboard().dashboard_name(&spec.name);
    ask(call.dashboard_body(spec.body.to_string()).set_tags(tags).send()).await?;
    let arn = arn(context, &spec.name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}
