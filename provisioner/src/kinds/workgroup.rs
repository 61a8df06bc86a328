//! `workgroup`: an Athena workgroup.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use async_trait::async_trait;
use aws_sdk_athena::types::{
    EncryptionConfiguration, EncryptionOption, EngineVersion, ResultConfiguration, ResultConfigurationUpdates,
    WorkGroup, WorkGroupConfiguration, WorkGroupConfigurationUpdates, WorkGroupState,
};
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::each::{self, One, each};
use super::spec::{in_place, reference, replaces};
use super::tags::{self, Tags};
use super::values::{KeyId, S3Uri, text};
use super::{tag_lists, tagged, tagging, wait};
use crate::kind::{Arn, Billing, Context, Delta, Departure, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::Address;
use crate::services::Services as _;

text!(
    /// The name of an Athena workgroup.
    WorkgroupName,
    r"^[A-Za-z0-9._-]{1,128}$"
);

/// An Athena workgroup on engine version 3; its settings bind all who query in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: WorkgroupName,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// Where results go, `s3://bucket/prefix/`.
    pub output_location: S3Uri,
    /// The ARN of the KMS key that encrypts results. Without it, S3's own keys do.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// The most bytes that one query may scan, at least 10 MB. Without it, there is no limit.
    #[serde(default)]
    #[schemars(range(min = 10_000_000))]
    pub bytes_scanned_cutoff_per_query: Option<u64>,
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("description"),
    in_place("output_location"),
    in_place("key"),
    in_place("bytes_scanned_cutoff_per_query"),
];
const OUTPUTS: &[&str] = &["arn", "name"];
const ACTIONS: &[&str] = &[
    "athena:CreateWorkGroup",
    "athena:UpdateWorkGroup",
    "athena:DeleteWorkGroup",
    "athena:GetWorkGroup",
    "athena:ListTagsForResource",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("workgroup", "athena:{region}:{account}:workgroup/{name}")];
const FACTS: Facts = Facts {
    renamed_fields: &[("output", "output_location"), ("scan_limit_bytes", "bytes_scanned_cutoff_per_query")],
    identified_by: &["name"],
    tag_types: &["athena:workgroup"],
    arns: ARNS,
    rights: super::rights::storage::QUERIES_OF_THE_STACK,
    billing: Billing::ByUse("the bytes that queries scan"),
    tagging: Some(&tagging::Athena),
    ..Facts::of("workgroup", "an Athena workgroup", FIELDS, OUTPUTS, ACTIONS)
};

const ENGINE: &str = "Athena engine version 3";

/// The kind.
#[derive(Debug)]
pub struct Workgroup;

fn with_slash(location: &str) -> S3Uri {
    format!("{}/", location.trim_end_matches('/')).into()
}

#[async_trait]
impl Kind for Workgroup {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        spec.output_location = with_slash(&spec.output_location);
        Ok(())
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        // The tagging API is late with new ones; those that are wanted are asked for by their names.
        let tagged = tagged::resources(context, "athena").await?;
        let own = tagged.iter().filter_map(|(arn, tags)| Some((arn.split_once(":workgroup/")?.1, tags)));
        let own: BTreeMap<&str, &Tags> = own.collect();
        let named = wanted.iter().map(|wanted| wanted.spec.name.as_str()).filter(|name| reference(name).is_none());
        let names: BTreeSet<&str> = own.keys().copied().chain(named).collect();
        let reads = names.iter().map(|name| {
            let tags = own.get(name).copied();
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name.as_str() == *name);
            One { address, id: (*name).to_owned(), read: read(context, name, tags) }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context.aws.athena().create_work_group().name(spec.name.as_str()).description(&spec.description);
        let call = call.configuration(configuration(spec)?).set_tags(Some(tag_lists::owned(context, address)));
        if let Err(error) = ask(call.send()).await {
            // Athena has no code of its own for a name that is taken.
            let Some(tags) = tags_of(context, &spec.name).await? else { return Err(error.into()) };
            tags::own_or_taken(context, address, error, &format!("the workgroup {}", spec.name), &tags)
                .map_err(|taken| taken.context(format!("`lakewright adopt {address} {}` takes it over", spec.name)))?;
            update(context, spec).await?;
        }
        Ok(outcome(context, &spec.name))
    }

    async fn update(&self, context: &Context, Delta { spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        update(context, spec).await?;
        Ok(outcome(context, &spec.name))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let name = live.spec.name.as_str();
        let call = context.aws.athena().delete_work_group().work_group(name).recursive_delete_option(true);
        match ask(call.send()).await {
            Err(error) if describe(context, name).await?.is_some() => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let name = id.rsplit('/').next().unwrap_or(id);
        let Some(tags) = tags_of(context, name).await? else { return Ok(None) };
        read_as(context, name, &tags::claimed(context, address, id, tags)?).await
    }
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("athena", &format!("workgroup/{name}"))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

fn encryption(spec: &Spec) -> Option<EncryptionConfiguration> {
    let key = spec.key.as_deref()?;
    let encryption = EncryptionConfiguration::builder().encryption_option(EncryptionOption::SseKms).kms_key(key);
    Some(encryption.build().expect("the option is given"))
}

fn engine() -> EngineVersion {
    EngineVersion::builder().selected_engine_version(ENGINE).build()
}

fn configuration(spec: &Spec) -> Result<WorkGroupConfiguration> {
    let results = ResultConfiguration::builder()
        .output_location(spec.output_location.as_str())
        .set_encryption_configuration(encryption(spec));
    let configuration = WorkGroupConfiguration::builder()
        .result_configuration(results.build())
        .enforce_work_group_configuration(true)
        .engine_version(engine())
        .set_bytes_scanned_cutoff_per_query(spec.bytes_scanned_cutoff_per_query.map(i64::try_from).transpose()?);
    Ok(configuration.build())
}

async fn update(context: &Context, spec: &Spec) -> Result<()> {
    let results = ResultConfigurationUpdates::builder()
        .output_location(spec.output_location.as_str())
        .set_encryption_configuration(encryption(spec))
        .set_remove_encryption_configuration(spec.key.is_none().then_some(true));
    let updates = WorkGroupConfigurationUpdates::builder()
        .enforce_work_group_configuration(true)
        .engine_version(engine())
        .result_configuration_updates(results.build())
        .set_bytes_scanned_cutoff_per_query(spec.bytes_scanned_cutoff_per_query.map(i64::try_from).transpose()?)
        .set_remove_bytes_scanned_cutoff_per_query(spec.bytes_scanned_cutoff_per_query.is_none().then_some(true));
    let call = context.aws.athena().update_work_group().work_group(spec.name.as_str()).description(&spec.description);
    // One that somebody disabled refuses every query.
    let call = call.state(WorkGroupState::Enabled);
    ask(call.configuration_updates(updates.build()).send()).await?;
    Ok(())
}

/// The workgroup of that name.
async fn describe(context: &Context, name: &str) -> Result<Option<WorkGroup>> {
    let answer = wait::found(ask(context.aws.athena().get_work_group().work_group(name).send()).await);
    let answer = tagged::readable(context, answer, tags_of(context, name)).await?;
    Ok(answer.map(|answer| answer.work_group.needed("athena", "GetWorkGroup.WorkGroup")).transpose()?)
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let call = context.aws.athena().list_tags_for_resource().resource_arn(arn(context, name));
    Ok(wait::found(ask(call.send()).await)?.map(|answer| tag_lists::read(answer.tags())))
}

/// The workgroup of that name; `tags` are those that the tagging API returns, if it does.
async fn read(context: &Context, name: &str, tags: Option<&Tags>) -> Result<Option<Found<Spec>>> {
    if let Some(tags) = tags {
        return read_as(context, name, tags).await;
    }
    match tags_of(context, name).await? {
        Some(tags) => read_as(context, name, &tags).await,
        None => Ok(None),
    }
}

/// The workgroup with these tags; none if they aren't the stack's.
async fn read_as(context: &Context, name: &str, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(address) = tags::address(context, "workgroup", tags) else { return Ok(None) };
    let Some(group) = describe(context, name).await? else { return Ok(None) };
    // Whoever made it may have left the place of results, and much else, to who asks.
    let configuration = group.configuration();
    let results = configuration.and_then(WorkGroupConfiguration::result_configuration);
    let key = results.and_then(|results| results.encryption_configuration()?.kms_key());
    let limit = configuration.and_then(WorkGroupConfiguration::bytes_scanned_cutoff_per_query);
    let spec = Spec {
        name: name.into(),
        description: group.description().unwrap_or_default().to_owned(),
        output_location: with_slash(results.and_then(ResultConfiguration::output_location).unwrap_or_default()),
        key: key.filter(|key| !key.is_empty()).map(Into::into),
        bytes_scanned_cutoff_per_query: limit.map(u64::try_from).transpose()?,
    };
    let arn = arn(context, name);
    let mut found = tags::found(address, tags, &arn, spec, &[("arn", &arn), ("name", name)]);
    found.departures = departures(&group);
    Ok(Some(found))
}

/// What of a workgroup is otherwise than in all that are made here. What Athena leaves out is as it is made.
fn departures(group: &WorkGroup) -> Vec<Departure> {
    let configuration = group.configuration();
    let enforced = configuration.and_then(WorkGroupConfiguration::enforce_work_group_configuration);
    let engine = configuration.and_then(|one| one.engine_version()?.selected_engine_version());
    let encryption = configuration.and_then(|one| one.result_configuration()?.encryption_configuration());
    let option = encryption.filter(|one| one.kms_key().is_some()).map(EncryptionConfiguration::encryption_option);
    let (enabled, by_kms) = (WorkGroupState::Enabled, EncryptionOption::SseKms);
    let all = [
        Departure::of("state", group.state().unwrap_or(&enabled).as_str(), enabled.as_str()),
        Departure::of("enforce_configuration", enforced.unwrap_or(true), true),
        Departure::of("engine_version", engine.unwrap_or(ENGINE), ENGINE),
        Departure::of("key.encryption_option", option.unwrap_or(&by_kms).as_str(), by_kms.as_str()),
    ];
    all.into_iter().flatten().collect()
}
