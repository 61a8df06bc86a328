//! `dashboard`: a CloudWatch dashboard.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use aws_sdk_cloudwatch::types::Tag;
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::each::{self, One, each};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::text;
use super::{tag_lists, tagged, tagging, wait};
use crate::kind::{Arn, Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

text!(
    /// A dashboard's name: letters, digits, `-` and `_`, 255 at most.
    DashboardName,
    r"^[A-Za-z0-9_-]{1,255}$"
);

/// A dashboard. Dashboards have no region; when one has left the file it is looked for only where the stack has alarms or
/// SNS topics, and only under the stack's own name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in the account: letters, digits, `-` and `_`.
    pub name: DashboardName,
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
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("dashboard", "cloudwatch::{account}:dashboard/{name}")];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    tag_types: &["cloudwatch:alarm", "sns"],
    arns: ARNS,
    billing: Billing::Monthly("cloudwatch.dashboard.month", 1.0, ""),
    tagging: Some(&tagging::CloudWatch),
    ..Facts::of("dashboard", "a CloudWatch dashboard", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Dashboard;

#[async_trait]
impl Kind for Dashboard {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        if !spec.body["widgets"].is_array() {
            bail!("a dashboard's body has a list of `widgets`");
        }
        Ok(())
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let mut names: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.spec.name.as_str()).collect();
        if is_watched(context).await? {
            names.insert(&context.stack);
        }
        let reads = names.iter().map(|name| {
            let read = async move {
                match tagged::owner(context, FACTS.name, None, tags_of(context, &arn(context, name))).await? {
                    Some((address, tags)) => read(context, name, address, &tags).await,
                    None => Ok(None),
                }
            };
            let address = each::address(context, FACTS.name, None, wanted, |spec| spec.name.as_str() == *name);
            One { address, id: (*name).to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
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
        put(context, spec, Some(tag_lists::owned(context, address))).await
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        put(context, spec, None).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.cloud_watch().delete_dashboards().dashboard_names(live.spec.name.as_str());
        wait::found(ask(call.send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(tags) = tags_of(context, &arn(context, name)).await? else { return Ok(None) };
        read(context, name, address.clone(), &tags::claimed(context, address, id, tags)?).await
    }
}

/// Whether the stack has alarms or topics. What has no region stands in no list of the region: it is looked for only
/// beside them, for a question more in every plan of every stack would be one too many.
pub(super) async fn is_watched(context: &Context) -> Result<bool> {
    let (alarms, topics) = (tagged::resources(context, "cloudwatch").await?, tagged::resources(context, "sns").await?);
    Ok(!alarms.is_empty() || !topics.is_empty())
}

fn arn(context: &Context, name: &str) -> String {
    context.site().global("cloudwatch", &format!("dashboard/{name}"))
}

async fn tags_of(context: &Context, arn: &str) -> Result<Option<Tags>> {
    let answer = wait::found(ask(context.aws.cloud_watch().list_tags_for_resource().resource_arn(arn).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tags())))
}

async fn read(context: &Context, name: &str, address: Address, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let answer = wait::found(ask(context.aws.cloud_watch().get_dashboard().dashboard_name(name).send()).await)?;
    let Some(answer) = answer else { return Ok(None) };
    let body = serde_json::from_str(answer.dashboard_body().needed("monitoring", "GetDashboard.DashboardBody")?);
    let spec = Spec { name: name.into(), body: body.with_context(|| format!("read the dashboard {name}"))? };
    let arn = arn(context, name);
    Ok(Some(tags::found(address, tags, &arn, spec, &[("arn", &arn), ("name", name)])))
}

async fn put(context: &Context, spec: &Spec, tags: Option<Vec<Tag>>) -> Result<Outcome> {
    let call = context.aws.cloud_watch().put_dashboard().dashboard_name(spec.name.as_str());
    ask(call.dashboard_body(spec.body.to_string()).set_tags(tags).send()).await?;
    let arn = arn(context, &spec.name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", &spec.name)]))
}
