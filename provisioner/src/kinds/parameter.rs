//! `parameter`: a parameter of Systems Manager's Parameter Store.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder;
use aws_sdk_ssm::types::{
    ParameterMetadata, ParameterStringFilter, ParameterTier, ParameterType, ResourceTypeForTagging,
};
use lakewright_aws::{Needed as _, ask, ask_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{self, One, each};
use super::spec::{in_place, replaces};
use super::tags::{self, Tags};
use super::values::{text, words};
use super::{tag_lists, tagged, wait};
use crate::kind::{
    Arn, Billing, Context, Delta, ENDS, Facts, Field, Found, Kind, On, Outcome, Right, Step, Wanted, When,
};
use crate::resource::{Address, Condition};
use crate::services::Services as _;

text!(
    /// A parameter's name: a path of 1 to 15 parts of letters, digits, `_`, `-` and `.`, each behind a `/`. Systems Manager counts
    /// the ARN in, which has up to 1011 characters.
    ParameterName,
    r"^(/[A-Za-z0-9_.-]+){1,15}$",
    most = 900,
    not "^/([Aa][Ww][Ss]|[Ss][Ss][Mm])" => "Systems Manager keeps paths that begin with `/aws` or `/ssm` for itself"
);
text!(
    /// What a parameter holds.
    ParameterValue,
    r"^[\s\S]+$",
    most = 4096,
    not r"\{\{[\s\S]*\}\}" => "a value names no other parameter: write it without `{{` and `}}`"
);

/// A parameter of Systems Manager's Parameter Store: where programs, build jobs and other stacks look up what a stack made, as the
/// name of a bucket, without being told it. It isn't encrypted; for what nobody may read there is the kind `secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region, as in `/shop/lake/bucket`. IAM's policies can let somebody read all below a part of
    /// it.
    pub name: ParameterName,
    /// What it holds, at most 4,096 bytes. Of a `StringList`, items with commas between them.
    pub value: ParameterValue,
    /// The type: `String` or `StringList`. Default: `String`.
    #[serde(rename = "type", default)]
    pub kind: Type,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
}

/// The types of parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Type {
    /// Any text.
    #[default]
    String,
    /// Several, with commas between them.
    StringList,
    /// What else somebody made a parameter; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(Type <=> ParameterType);

// Systems Manager never gives a parameter another type.
const FIELDS: &[Field] = &[replaces("name"), in_place("value"), replaces("type"), in_place("description")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "ssm:PutParameter",
    "ssm:DeleteParameter",
    "ssm:DescribeParameters",
    "ssm:GetParameter",
    "ssm:AddTagsToResource",
    "ssm:ListTagsForResource",
    "ssm:RemoveTagsFromResource",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("parameter", "ssm:{region}:{account}:parameter{name}")];
const PARAMETERS: On = On::Arns(&["ssm:{region}:{account}:parameter/*"]);
const RIGHTS: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["ssm:DescribeParameters"]),
    Right::new(PARAMETERS, &[], &["ssm:ListTagsForResource"]),
    Right::new(On::Named(&["parameter"]), &[], &["ssm:GetParameter"]),
    Right::new(On::Named(&["parameter"]), &[When::Made], &["ssm:AddTagsToResource", "ssm:PutParameter"]),
    Right::new(
        PARAMETERS,
        &[When::Owned],
        &["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource"],
    ),
    Right::new(PARAMETERS, &[When::Owned, When::Kept], &["ssm:AddTagsToResource"]),
];
const FACTS: Facts = Facts {
    identified_by: &["name"],
    given_outputs: &["name"],
    tag_types: &["ssm:parameter"],
    arns: ARNS,
    rights: RIGHTS,
    billing: Billing::Free,
    follows: &[(ENDS, "its versions before go with it, and whoever looks it up meanwhile is refused")],
    ..Facts::of("parameter", "a parameter of Systems Manager's Parameter Store", FIELDS, OUTPUTS, ACTIONS)
};

/// How many bytes a standard parameter holds.
const MOST_BYTES: usize = 4096;

/// The kind.
#[derive(Debug)]
pub struct Parameter;

#[async_trait]
impl Kind for Parameter {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        let bytes = spec.value.len();
        if bytes > MOST_BYTES {
            bail!("a parameter holds at most {MOST_BYTES} bytes: `value` has {bytes}");
        }
        Ok(())
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let sentence =
            "whoever looks it up from now on gets the new value; programs that have read it go on with the old one";
        step.updates("value").then(|| sentence.to_owned()).into_iter().collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged = tagged::resources(context, "ssm").await?.into_iter();
        let tagged: BTreeMap<String, Tags> = tagged.filter(|(arn, _)| arn.contains(PART)).collect();
        let mut arns: BTreeSet<String> = tagged.keys().cloned().collect();
        arns.extend(wanted.iter().map(|wanted| arn(context, &wanted.spec.name)));
        let reads = arns.iter().map(|one| {
            let tags = tagged.get(one);
            let address = each::address(context, FACTS.name, tags, wanted, |spec| arn(context, &spec.name) == *one);
            let read = async move {
                match tagged::owner(context, FACTS.name, tags, tags_of(context, &name_of(one))).await? {
                    Some((address, tags)) => read(context, one, address, &tags).await,
                    None => Ok(None),
                }
            };
            One { address, id: one.clone(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = put(context, spec).set_tags(Some(tag_lists::owned(context, address)));
        let answer = ask(call.send()).await;
        let tags = async { Ok(tags_of(context, &spec.name).await?.unwrap_or_default()) };
        let what = format!("the parameter {}", spec.name);
        match tags::made(context, address, &what, answer, tags).await? {
            Some(made) => shown(context, spec, made.version).await,
            None => write(context, spec).await,
        }
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        write(context, spec).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        wait::found(ask(context.aws.ssm().delete_parameter().name(live.spec.name.as_str()).send()).await)?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = name_of(id);
        let Some(tags) = tags_of(context, &name).await? else { return Ok(None) };
        let tags = tags::claimed(context, address, id, tags)?;
        read(context, &arn(context, &name), address.clone(), &tags).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.ssm().add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
        let call = call.resource_id(name_of(&outcome.id)).set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let call = context.aws.ssm().remove_tags_from_resource().resource_type(ResourceTypeForTagging::Parameter);
        ask(call.resource_id(name_of(&outcome.id)).set_tag_keys(Some(tag_lists::keys(keys))).send()).await?;
        Ok(())
    }
}

/// What the ARN of a parameter has before its name, whose first `/` it lacks.
const PART: &str = ":parameter/";

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("ssm", &format!("parameter{name}"))
}

/// The name in an ARN; what is no ARN is a name.
fn name_of(id: &str) -> String {
    id.rsplit_once(PART).map_or_else(|| id.to_owned(), |(_, path)| format!("/{path}"))
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let call = context.aws.ssm().list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
    let answer = wait::found(ask(call.resource_id(name).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read(answer.tag_list())))
}

/// What is known of a parameter besides its value.
async fn described(context: &Context, name: &str) -> Result<Option<ParameterMetadata>> {
    let named = ParameterStringFilter::builder().key("Name").option("Equals").values(name).build()?;
    let call = context.aws.ssm().describe_parameters().parameter_filters(named);
    // A page may hold nothing and lead to one that does.
    let pages = ask_all(call.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default()).next())
}

/// The parameter of that ARN.
async fn read(context: &Context, arn: &str, address: Address, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let name = name_of(arn);
    let value = ask(context.aws.ssm().get_parameter().name(&name).send());
    let (value, described) = tokio::join!(value, described(context, &name));
    let value = tagged::readable(context, wait::found(value), tags_of(context, &name)).await?;
    let Some(parameter) = value.and_then(|answer| answer.parameter) else { return Ok(None) };
    let described = described?.needed("ssm", "DescribeParameters.Parameters")?;
    let spec = Spec {
        name: name.as_str().into(),
        value: parameter.value().needed("ssm", "Parameter.Value")?.into(),
        kind: parameter.r#type().needed("ssm", "Parameter.Type")?.into(),
        description: described.description.unwrap_or_default(),
    };
    let mut found = tags::found(address, tags, arn, spec, &[("arn", arn), ("name", &name)]);
    if let Some(tier) = described.tier.filter(|tier| *tier != ParameterTier::Standard) {
        let tier = tier.as_str();
        found.condition = Condition::Failed(format!("somebody put it into the tier {tier}, which none leaves again"));
    }
    Ok(Some(found))
}

/// The call that writes what the spec says, of the tier that costs nothing.
fn put(context: &Context, spec: &Spec) -> PutParameterFluentBuilder {
    let call = context.aws.ssm().put_parameter().name(spec.name.as_str()).value(spec.value.as_str());
    call.r#type((&spec.kind).into()).description(&spec.description).tier(ParameterTier::Standard)
}

/// Makes what the spec says the newest version. The form that somebody demands of its values, and what they are checked for, stay.
async fn write(context: &Context, spec: &Spec) -> Result<Outcome> {
    let (pattern, checked) = match described(context, &spec.name).await? {
        Some(before) => (before.allowed_pattern, before.data_type),
        None => (None, None),
    };
    let call = put(context, spec).overwrite(true).set_allowed_pattern(pattern).set_data_type(checked);
    let version = wait::visible(context, || ask(call.clone().send())).await?.version;
    shown(context, spec, version).await
}

/// Waits until whoever looks it up gets this version or a later one.
async fn shown(context: &Context, spec: &Spec, version: i64) -> Result<Outcome> {
    let name = spec.name.as_str();
    let probe = async || {
        let value = wait::found(ask(context.aws.ssm().get_parameter().name(name).send()).await)?;
        let described = described(context, name).await?;
        let value = value.and_then(|answer| answer.parameter).map(|parameter| parameter.version());
        let described = described.map(|described| described.version());
        Ok((value.min(described) >= Some(version)).then_some(()))
    };
    wait::until(context, wait::VISIBLE, &format!("the parameter {name} doesn't show"), probe).await?;
    let arn = arn(context, name);
    Ok(tags::outcome(&arn, &[("arn", &arn), ("name", name)]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn what_systems_manager_refuses_is_refused() {
        let refused = |name: &str, value: &str| {
            let refused = Parameter.normalise(&json!({"name": name, "value": value})).expect_err("refused");
            format!("{refused:#}")
        };
        assert!(refused("shop/bucket", "a").contains("`name` can't be `shop/bucket`"));
        assert!(refused("/shop//bucket", "a").contains("`name` can't be"));
        assert!(refused(&"/a".repeat(16), "a").contains("`name` can't be"));
        assert!(refused("/AWS/bucket", "a").contains("keeps paths that begin with `/aws`"));
        assert!(refused("/shop", "{{ssm:/other}}").contains("a value names no other parameter"));
        assert!(refused("/shop", "").contains("`value`"));
        assert!(refused("/shop", &"a".repeat(4097)).contains("has 4097 characters"));
        assert!(refused("/shop", &"ä".repeat(2049)).contains("`value` has 4098"));
        let secure = json!({"name": "/shop", "value": "a", "type": "SecureString"});
        assert!(Parameter.normalise(&secure).is_err());
    }

    #[test]
    fn names_and_arns_lead_to_each_other() {
        let context = crate::kinds::testing::context();
        let arn = arn(&context, "/shop/lake/bucket");
        assert!(arn.ends_with(":parameter/shop/lake/bucket"), "{arn}");
        assert_eq!(name_of(&arn), "/shop/lake/bucket");
        assert_eq!(name_of("/shop"), "/shop");
    }
}
