//! `launch_template`: what a host is started as.

use anyhow::{Result, bail};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use lakewright_aws::{Error, Needed as _, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{
    self, InstanceType, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDevice,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptions, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateTagSpecificationRequest, LaunchTemplateVersion, LaunchTemplatesMonitoring,
    LaunchTemplatesMonitoringRequest, RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData, VolumeType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spec::{compared, describes, differs, in_place, replaces, typed, value, yes};
use super::{ec2, tag_lists, tags, wait};
use crate::cost::Cost;
use crate::kind::{Comparing, Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// What a host is started as. A change makes a new version, which becomes the default one; hosts take it when they are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    #[schemars(regex(pattern = r"^[A-Za-z0-9()./_-]{3,128}$"))]
    pub name: String,
    /// The image: an id, or `resolve:ssm:PARAMETER`, which is looked up when a host starts.
    #[schemars(regex(pattern = r"^(ami-[0-9a-f]+|resolve:ssm:.+)$"))]
    pub image: String,
    /// The instance type, `t3.small`, `m7g.large`.
    #[schemars(regex(pattern = r"^[a-z0-9-]+\.[a-z0-9-]+$"))]
    pub instance_type: String,
    /// The instance profile's name, `${instance_profile.hosts.name}`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub instance_profile: Option<String>,
    /// The ids of the hosts' security groups, `${security_group.hosts.id}`.
    #[schemars(inner(regex(pattern = r"^sg-[0-9a-f]+$")))]
    pub security_groups: Vec<String>,
    /// What cloud-init runs at the first boot, as plain text; anybody on the host can read it. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub user_data: String,
    /// The root volume's size in GiB. Default: 20.
    #[serde(default = "twenty")]
    pub volume_gib: u32,
    /// The root volume's type. Default: `gp3`.
    #[serde(default = "gp3")]
    #[schemars(length(min = 1, max = 64))]
    pub volume_type: String,
    /// The root volume's device name in the image. Default: `/dev/xvda`.
    #[serde(default = "xvda")]
    #[schemars(length(min = 1, max = 64))]
    pub volume_device: String,
    /// Whether the root volume is encrypted. Default: true.
    #[serde(default = "yes")]
    pub volume_encrypted: bool,
    /// The ARN of the KMS key that the root volume is encrypted with; absent: AWS's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^(arn:aws[a-z-]*:kms:.+|alias/.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]+)$"
    ))]
    pub volume_key: Option<String>,
    /// Whether the metadata service demands a session token (IMDSv2). Default: true.
    #[serde(default = "yes")]
    pub metadata_tokens_required: bool,
    /// How many network hops away from the host the metadata service answers; containers need two. Default: 2.
    #[serde(default = "two")]
    pub metadata_hop_limit: u32,
    /// Whether CloudWatch gets the host's metrics each minute, at a price. Default: false.
    #[serde(default)]
    pub detailed_monitoring: bool,
}

fn twenty() -> u32 {
    20
}

fn two() -> u32 {
    2
}

fn gp3() -> String {
    "gp3".to_owned()
}

fn xvda() -> String {
    "/dev/xvda".to_owned()
}

const FIELDS: &[Field] = &[
    replaces("name"),
    in_place("image"),
    in_place("instance_type"),
    in_place("instance_profile"),
    compared(in_place("security_groups"), Comparing::AsSet),
    in_place("user_data"),
    in_place("volume_gib"),
    in_place("volume_type"),
    in_place("volume_device"),
    in_place("volume_encrypted"),
    in_place("volume_key"),
    in_place("metadata_tokens_required"),
    in_place("metadata_hop_limit"),
    in_place("detailed_monitoring"),
];
/// `version` is the default version's number.
const OUTPUTS: &[&str] = &["id", "name", "version"];
const ACTIONS: &[&str] = &[
    "ec2:CreateLaunchTemplate",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:ModifyLaunchTemplate",
    "ec2:DeleteLaunchTemplate",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeLaunchTemplateVersions",
    "ssm:GetParameters",
    "ec2:CreateTags",
];

/// The kind.
#[derive(Debug)]
pub struct LaunchTemplate;

/// How many templates of an account, others' among them, are read for the sake of the stack's: each may hold 16 KiB of
/// user data.
const FEW: i32 = 50;
/// The default version, as AWS names it.
const DEFAULT: &str = "$Default";
/// The most that AWS takes as user data, in bytes before Base64.
const USER_DATA: usize = 16 * 1024;

#[async_trait]
impl Kind for LaunchTemplate {
    describes!("launch_template", "what a host is started as", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        // What it starts is billed with what starts it.
        Cost::Free
    }

    fn moving_outputs(&self) -> &'static [&'static str] {
        &["version"]
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        differs(live, spec, "name")
    }

    fn consequences(&self, action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        match action {
            Action::Update => vec![
                "hosts that run keep the old version until they are replaced: a group that refreshes does it in this \
                 apply; of others terminate them one by one"
                    .to_owned(),
            ],
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let call = context.aws.ec2().describe_launch_templates().filters(ec2::of_stack(context));
        let templates = ask_all(call.into_paginator().items().send()).await?;
        let listed = if templates.len() > 1 { few_defaults(context).await? } else { Vec::new() };
        let read = templates.iter().map(async |template| {
            let id = id(template)?;
            match listed.iter().find(|version| version.launch_template_id() == Some(id)) {
                Some(version) => read(context, template, version),
                None => described(context, template).await,
            }
        });
        Ok(try_join_all(read).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let call = context
            .aws
            .ec2()
            .create_launch_template()
            .launch_template_name(&spec.name)
            .client_token(tags::client_token(context, address, &spec))
            .tag_specifications(ec2::specification(context, address, ResourceType::LaunchTemplate))
            .launch_template_data(data(context, address, &spec)?);
        let made = wait::visible(context, || ask(call.clone().send())).await?;
        let template = made.launch_template.needed("ec2", "CreateLaunchTemplate.LaunchTemplate")?;
        Ok(outcome(id(&template)?, &spec.name, 1))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let data = data(context, &live.address, &spec)?;
        let call = context.aws.ec2().create_launch_template_version().launch_template_id(&live.id);
        let made = ask(call.launch_template_data(data).send()).await?;
        let version =
            made.launch_template_version.needed("ec2", "CreateLaunchTemplateVersion.LaunchTemplateVersion")?;
        let number = number(&version)?;
        let call = context.aws.ec2().modify_launch_template().launch_template_id(&live.id);
        let call = call.default_version(number.to_string());
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(outcome(&live.id, &spec.name, number))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let call = context.aws.ec2().delete_launch_template().launch_template_id(&live.id);
        wait::released(context, || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let call = context.aws.ec2().describe_launch_templates();
        let call = if id.starts_with("lt-") { call.launch_template_ids(id) } else { call.launch_template_names(id) };
        let found = wait::found(ask(call.send()).await)?;
        let one = found.and_then(|answer| answer.launch_templates?.into_iter().next());
        let Some(mut template) = one else { return Ok(None) };
        template.tags = ec2::claim(context, address, id, template.tags())?;
        described(context, &template).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        ec2::tag(context, &outcome.id, tags).await
    }
}

fn outcome(id: &str, name: &str, version: i64) -> Outcome {
    tags::outcome(id, &[("id", id), ("name", name), ("version", &version.to_string())])
}

fn id(template: &types::LaunchTemplate) -> Result<&str, Error> {
    template.launch_template_id().needed("ec2", "LaunchTemplate.LaunchTemplateId")
}

fn number(version: &LaunchTemplateVersion) -> Result<i64, Error> {
    version.version_number().needed("ec2", "LaunchTemplateVersion.VersionNumber")
}

/// What a version says. Hosts and volumes carry the stack's name; the address is the group's alone.
fn data(context: &Context, address: &Address, spec: &Spec) -> Result<RequestLaunchTemplateData> {
    let own = tags::own(context, address);
    let own = own.iter().filter(|(key, _)| *key != tags::ADDRESS).map(|(key, value)| (*key, value.as_str()));
    let own: Vec<(&str, &str)> = own.collect();
    let tagged = |resource_type: ResourceType| {
        let tags = tag_lists::written(&own);
        LaunchTemplateTagSpecificationRequest::builder().resource_type(resource_type).set_tags(Some(tags)).build()
    };
    let volume = LaunchTemplateEbsBlockDeviceRequest::builder()
        .volume_size(i32::try_from(spec.volume_gib)?)
        .volume_type(VolumeType::from(spec.volume_type.as_str()))
        .encrypted(spec.volume_encrypted)
        .delete_on_termination(true)
        .set_kms_key_id(spec.volume_key.clone())
        .build();
    let device = LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&spec.volume_device).ebs(volume);
    let tokens = if spec.metadata_tokens_required {
        LaunchTemplateHttpTokensState::Required
    } else {
        LaunchTemplateHttpTokensState::Optional
    };
    let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_tokens(tokens)
        .http_put_response_hop_limit(i32::try_from(spec.metadata_hop_limit)?);
    let monitoring = LaunchTemplatesMonitoringRequest::builder().enabled(spec.detailed_monitoring);
    let profile = spec
        .instance_profile
        .as_ref()
        .map(|name| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build());
    let groups = Some(spec.security_groups.clone()).filter(|groups| !groups.is_empty());
    let user_data = (!spec.user_data.is_empty()).then(|| STANDARD.encode(&spec.user_data));
    Ok(RequestLaunchTemplateData::builder()
        .image_id(&spec.image)
        .instance_type(InstanceType::from(spec.instance_type.as_str()))
        .set_security_group_ids(groups)
        .block_device_mappings(device.build())
        .metadata_options(metadata.build())
        .monitoring(monitoring.build())
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume))
        .set_iam_instance_profile(profile)
        .set_user_data(user_data)
        .build())
}

fn canonical(spec: &mut Spec) -> Result<()> {
    if spec.user_data.len() > USER_DATA {
        bail!(
            "the user data is {} bytes long; AWS takes {USER_DATA} at most: put the long part into an object of a bucket \
             and fetch it at boot",
            spec.user_data.len()
        );
    }
    Ok(())
}

/// The first default versions of the account's templates: all of them, unless there are many.
async fn few_defaults(context: &Context) -> Result<Vec<LaunchTemplateVersion>> {
    let call = context.aws.ec2().describe_launch_template_versions().versions(DEFAULT).max_results(FEW);
    Ok(ask(call.send()).await?.launch_template_versions.unwrap_or_default())
}

/// A template with its default version, asked for by itself.
async fn described(context: &Context, template: &types::LaunchTemplate) -> Result<Option<Live>> {
    let call = context.aws.ec2().describe_launch_template_versions().launch_template_id(id(template)?);
    let found = wait::found(ask(call.versions(DEFAULT).send()).await)?;
    match found.and_then(|answer| answer.launch_template_versions?.into_iter().next()) {
        Some(version) => read(context, template, &version),
        None => Ok(None),
    }
}

/// The default version is what counts: it is what groups start hosts from.
fn read(context: &Context, template: &types::LaunchTemplate, version: &LaunchTemplateVersion) -> Result<Option<Live>> {
    let tags = tag_lists::read(template.tags());
    let Some(address) = tags::address(context, "launch_template", &tags) else { return Ok(None) };
    let id = id(template)?;
    let name = template.launch_template_name().needed("ec2", "LaunchTemplate.LaunchTemplateName")?;
    let data = version.launch_template_data().needed("ec2", "LaunchTemplateVersion.LaunchTemplateData")?;
    let number = number(version)?.to_string();
    let outputs = [("id", id), ("name", name), ("version", number.as_str())];
    Ok(Some(tags::live(address, &tags, id, value(&read_data(name, data)?), &outputs)))
}

/// Every member of a version is optional: what one leaves out, the image, the account or whoever starts hosts decides. Such a
/// version differs from every spec.
fn read_data(name: &str, data: &ResponseLaunchTemplateData) -> Result<Spec> {
    let mapping = data.block_device_mappings().first();
    let volume = mapping.and_then(|mapping| mapping.ebs());
    let metadata = data.metadata_options();
    let user_data = STANDARD.decode(data.user_data().unwrap_or_default().trim()).unwrap_or_default();
    let hops = metadata.and_then(LaunchTemplateInstanceMetadataOptions::http_put_response_hop_limit);
    let tokens = metadata.and_then(|metadata| metadata.http_tokens());
    let volume_type = volume.and_then(|volume| volume.volume_type()).map(VolumeType::as_str);
    Ok(Spec {
        name: name.to_owned(),
        image: data.image_id().unwrap_or_default().to_owned(),
        instance_type: data.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        instance_profile: data.iam_instance_profile().and_then(|profile| profile.name()).map(str::to_owned),
        security_groups: data.security_group_ids().to_vec(),
        user_data: String::from_utf8_lossy(&user_data).into_owned(),
        volume_gib: u32::try_from(volume.and_then(LaunchTemplateEbsBlockDevice::volume_size).unwrap_or_default())?,
        volume_type: volume_type.unwrap_or_default().to_owned(),
        volume_encrypted: volume.and_then(LaunchTemplateEbsBlockDevice::encrypted).unwrap_or_default(),
        volume_device: mapping.and_then(|mapping| mapping.device_name()).unwrap_or_default().to_owned(),
        volume_key: volume.and_then(|volume| volume.kms_key_id()).map(str::to_owned),
        metadata_tokens_required: tokens == Some(&LaunchTemplateHttpTokensState::Required),
        metadata_hop_limit: u32::try_from(hops.unwrap_or_default())?,
        detailed_monitoring: data.monitoring().and_then(LaunchTemplatesMonitoring::enabled).unwrap_or_default(),
    })
}
