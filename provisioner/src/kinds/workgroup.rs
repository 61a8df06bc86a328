//! `workgroup`: an Athena workgroup.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_sdk_athena::types::{
    EncryptionConfiguration, EncryptionOption, EngineVersion, ResultConfiguration, ResultConfigurationUpdates,
    WorkGroup, WorkGroupConfiguration, WorkGroupConfigurationUpdates,
};
use futures::future::try_join_all;
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{describes, differs, in_place, reference, replaces, text, typed, value};
use super::tags::{self, Tags};
use super::{tag_lists, tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};
use crate::services::Services as _;

/// An Athena workgroup on engine version 3; its settings bind all who query in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,128}$"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// Where results go, `s3://bucket/prefix/`.
    #[schemars(regex(pattern = r"^s3://.+$"))]
    pub output: String,
    /// The ARN of the KMS key that encrypts results. Without it, S3's own keys do.
    #[serde(default)]
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub key: Option<String>,
    /// The most bytes that one query may scan, at least 10 MB. Without it, there is no limit.
    #[serde(default)]
    pub scan_limit_bytes: Option<u64>,
}

const FIELDS: &[Field] =
    &[replaces("name"), in_place("description"), in_place("output"), in_place("key"), in_place("scan_limit_bytes")];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "athena:CreateWorkGroup",
    "athena:UpdateWorkGroup",
    "athena:DeleteWorkGroup",
    "athena:GetWorkGroup",
    "athena:ListTagsForResource",
    "athena:TagResource",
    "tag:GetResources",
];

const ENGINE: &str = "Athena engine version 3";
/// The least that Athena takes as a limit.
const SMALLEST_LIMIT: u64 = 10_000_000;

/// The kind.
#[derive(Debug)]
pub struct Workgroup;

fn canonical(spec: &mut Spec) -> Result<()> {
    if let Some(limit) = spec.scan_limit_bytes.filter(|limit| *limit < SMALLEST_LIMIT) {
        bail!("scan_limit_bytes is {limit}; Athena takes {SMALLEST_LIMIT} at least");
    }
    spec.output = with_slash(&spec.output);
    Ok(())
}

fn with_slash(location: &str) -> String {
    format!("{}/", location.trim_end_matches('/'))
}

#[async_trait]
impl Kind for Workgroup {
    describes!("workgroup", "an Athena workgroup", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::by_use("the bytes that queries scan")
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        // The tagging API is late with new ones; those that are wanted are asked for by their names.
        let tagged = tagged::resources(context, "athena").await?;
        let own = tagged.iter().filter_map(|(arn, tags)| Some((arn.split_once(":workgroup/")?.1, tags)));
        let own: BTreeMap<&str, &Tags> = own.collect();
        let named = wanted.iter().map(|wanted| text(wanted.spec, "name")).filter(|name| reference(name).is_none());
        let names: BTreeSet<&str> = own.keys().copied().chain(named).collect();
        let reads = names.iter().map(|name| read(context, name, own.get(name).copied()));
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = context.aws.athena().create_work_group().name(&spec.name).description(&spec.description);
        let call = call.configuration(configuration(&spec)?).set_tags(Some(tag_lists::owned(context, address)));
        if let Err(error) = ask(call.send()).await {
            // Athena has no code of its own for a name that is taken.
            let Some(tags) = tags_of(context, &spec.name).await? else { return Err(error.into()) };
            if tags::address(context, "workgroup", &tags).as_ref() != Some(address) {
                return Err(tags::taken(error, &format!("the workgroup {}", spec.name), &tags)
                    .context(format!("`lakewright adopt {address} {}` takes it over", spec.name)));
            }
            update(context, &spec).await?;
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
        let call = context.aws.athena().delete_work_group().work_group(&spec.name).recursive_delete_option(true);
        match ask(call.send()).await {
            Err(error) if describe(context, &spec.name).await?.is_some() => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(tags) = tags_of(context, name).await? else { return Ok(None) };
        read_as(context, name, &tags::claimed(context, address, id, tags)?).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.athena().tag_resource().resource_arn(&outcome.id);
        ask(call.set_tags(Some(tag_lists::written(tags))).send()).await?;
        Ok(())
    }
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:athena:{region}:{account}:workgroup/{name}", tags::partition(region))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

fn encryption(spec: &Spec) -> Option<EncryptionConfiguration> {
    let key = spec.key.as_ref()?;
    let encryption = EncryptionConfiguration::builder().encryption_option(EncryptionOption::SseKms).kms_key(key);
    Some(encryption.build().expect("the option is given"))
}

fn engine() -> EngineVersion {
    EngineVersion::builder().selected_engine_version(ENGINE).build()
}

fn configuration(spec: &Spec) -> Result<WorkGroupConfiguration> {
    let results =
        ResultConfiguration::builder().output_location(&spec.output).set_encryption_configuration(encryption(spec));
    let configuration = WorkGroupConfiguration::builder()
        .result_configuration(results.build())
        .enforce_work_group_configuration(true)
        .engine_version(engine())
        .set_bytes_scanned_cutoff_per_query(spec.scan_limit_bytes.map(i64::try_from).transpose()?);
    Ok(configuration.build())
}

async fn update(context: &Context, spec: &Spec) -> Result<()> {
    let results = ResultConfigurationUpdates::builder()
        .output_location(&spec.output)
        .set_encryption_configuration(encryption(spec))
        .set_remove_encryption_configuration(spec.key.is_none().then_some(true));
    let updates = WorkGroupConfigurationUpdates::builder()
        .enforce_work_group_configuration(true)
        .engine_version(engine())
        .result_configuration_updates(results.build())
        .set_bytes_scanned_cutoff_per_query(spec.scan_limit_bytes.map(i64::try_from).transpose()?)
        .set_remove_bytes_scanned_cutoff_per_query(spec.scan_limit_bytes.is_none().then_some(true));
    let call = context.aws.athena().update_work_group().work_group(&spec.name).description(&spec.description);
    ask(call.configuration_updates(updates.build()).send()).await?;
    Ok(())
}

/// The workgroup of that name.
async fn describe(context: &Context, name: &str) -> Result<Option<WorkGroup>> {
    let answer = wait::found(ask(context.aws.athena().get_work_group().work_group(name).send()).await)?;
    Ok(answer.map(|answer| answer.work_group.needed("athena", "GetWorkGroup.WorkGroup")).transpose()?)
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let call = context.aws.athena().list_tags_for_resource().resource_arn(arn(context, name));
    Ok(wait::found(ask(call.send()).await)?.map(|answer| tag_lists::read(answer.tags())))
}

/// The workgroup of that name; `tags` are those that the tagging API tells, if it does.
async fn read(context: &Context, name: &str, tags: Option<&Tags>) -> Result<Option<Live>> {
    if let Some(tags) = tags {
        return read_as(context, name, tags).await;
    }
    match tags_of(context, name).await? {
        Some(tags) => read_as(context, name, &tags).await,
        None => Ok(None),
    }
}

/// The workgroup with these tags; none if they aren't the stack's.
async fn read_as(context: &Context, name: &str, tags: &Tags) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "workgroup", tags) else { return Ok(None) };
    let Some(group) = describe(context, name).await? else { return Ok(None) };
    // Whoever made it may have left the place of results, and much else, to who asks.
    let configuration = group.configuration();
    let results = configuration.and_then(WorkGroupConfiguration::result_configuration);
    let key = results.and_then(|results| results.encryption_configuration()?.kms_key());
    let limit = configuration.and_then(WorkGroupConfiguration::bytes_scanned_cutoff_per_query);
    let spec = Spec {
        name: name.to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        output: with_slash(results.and_then(ResultConfiguration::output_location).unwrap_or_default()),
        key: key.filter(|key| !key.is_empty()).map(str::to_owned),
        scan_limit_bytes: limit.map(u64::try_from).transpose()?,
    };
    let arn = arn(context, name);
    Ok(Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)])))
}
