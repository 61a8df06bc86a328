//! `workgroup`: an Athena workgroup.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use async_trait::async_trait;
use futures::future::try_join_all;
use lakewright_aws::{Error, Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, differs, in_place, reference, replaces, typed, value};
use super::tags::{self, Tags};
use super::wire::some_text;
use super::{tagged, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::resource::{Address, Live};

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
        let own = tagged.iter().filter_map(|(arn, _)| arn.split_once(":workgroup/")).map(|(_, name)| name);
        let named = wanted.iter().map(|wanted| text(wanted.spec, "name")).filter(|name| reference(name).is_none());
        let names: BTreeSet<&str> = own.chain(named).collect();
        Ok(try_join_all(names.iter().map(|name| read(context, name))).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({
            "Name": spec.name,
            "Description": spec.description,
            "Configuration": configuration(&spec),
            "Tags": tags::pairs(context, address),
        });
        if let Err(error) = call(context, "CreateWorkGroup", input).await {
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
        let input = json!({"WorkGroup": spec.name, "RecursiveDeleteOption": true});
        match call(context, "DeleteWorkGroup", input).await {
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
        let input = json!({"ResourceARN": outcome.id, "Tags": tags::list_of(tags)});
        call(context, "TagResource", input).await?;
        Ok(())
    }
}

async fn call(context: &Context, operation: &str, input: Value) -> Result<Value, Error> {
    context.aws.call(Service::Athena, operation, input).await
}

fn arn(context: &Context, name: &str) -> String {
    let Context { region, account, .. } = context;
    format!("arn:{}:athena:{region}:{account}:workgroup/{name}", tags::partition(region))
}

fn outcome(context: &Context, name: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name)])
}

fn results(spec: &Spec) -> Value {
    let mut results = json!({"OutputLocation": spec.output});
    if let Some(key) = &spec.key {
        results["EncryptionConfiguration"] = json!({"EncryptionOption": "SSE_KMS", "KmsKey": key});
    }
    results
}

fn configuration(spec: &Spec) -> Value {
    let mut configuration = json!({
        "ResultConfiguration": results(spec),
        "EnforceWorkGroupConfiguration": true,
        "EngineVersion": {"SelectedEngineVersion": ENGINE},
    });
    if let Some(limit) = spec.scan_limit_bytes {
        configuration["BytesScannedCutoffPerQuery"] = json!(limit);
    }
    configuration
}

async fn update(context: &Context, spec: &Spec) -> Result<()> {
    let mut updates = json!({
        "EnforceWorkGroupConfiguration": true,
        "EngineVersion": {"SelectedEngineVersion": ENGINE},
        "ResultConfigurationUpdates": results(spec),
    });
    if spec.key.is_none() {
        updates["ResultConfigurationUpdates"]["RemoveEncryptionConfiguration"] = json!(true);
    }
    match spec.scan_limit_bytes {
        Some(limit) => updates["BytesScannedCutoffPerQuery"] = json!(limit),
        None => updates["RemoveBytesScannedCutoffPerQuery"] = json!(true),
    }
    let input = json!({"WorkGroup": spec.name, "Description": spec.description, "ConfigurationUpdates": updates});
    call(context, "UpdateWorkGroup", input).await?;
    Ok(())
}

/// The workgroup of that name.
async fn describe(context: &Context, name: &str) -> Result<Option<Value>> {
    let answer = wait::found(call(context, "GetWorkGroup", json!({"WorkGroup": name})).await)?;
    Ok(answer.map(|mut answer| answer["WorkGroup"].take()).filter(Value::is_object))
}

async fn tags_of(context: &Context, name: &str) -> Result<Option<Tags>> {
    let answer = wait::found(call(context, "ListTagsForResource", json!({"ResourceARN": arn(context, name)})).await)?;
    Ok(answer.map(|answer| tags::of(list(&answer, "Tags"))))
}

async fn read(context: &Context, name: &str) -> Result<Option<Live>> {
    match tags_of(context, name).await? {
        Some(tags) => read_as(context, name, &tags).await,
        None => Ok(None),
    }
}

/// The workgroup with these tags; none if they aren't the stack's.
async fn read_as(context: &Context, name: &str, tags: &Tags) -> Result<Option<Live>> {
    let Some(address) = tags::address(context, "workgroup", tags) else { return Ok(None) };
    let Some(group) = describe(context, name).await? else { return Ok(None) };
    let configuration = &group["Configuration"];
    let results = &configuration["ResultConfiguration"];
    let spec = Spec {
        name: name.to_owned(),
        description: text(&group, "Description").to_owned(),
        output: with_slash(text(results, "OutputLocation")),
        key: some_text(&results["EncryptionConfiguration"], "KmsKey"),
        scan_limit_bytes: configuration["BytesScannedCutoffPerQuery"].as_u64(),
    };
    let arn = arn(context, name);
    Ok(Some(tags::live(address, tags, &arn, value(&spec), &[("arn", &arn), ("name", name)])))
}
