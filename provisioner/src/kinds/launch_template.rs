//! `launch_template`: what a host is started as.

use anyhow::{Result, bail};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{compared, describes, differs, in_place, replaces, typed, value, yes};
use super::tags;
use super::wait;
use super::wire::{flag, number, some_text, texts};
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
const FEW: u32 = 50;
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
        let templates = tags::sweep(context, "DescribeLaunchTemplates", "launchTemplates").await?;
        let listed = if templates.len() > 1 { few_defaults(context).await? } else { Vec::new() };
        let read = templates.iter().map(async |template| {
            let id = text(template, "launchTemplateId");
            match listed.iter().find(|version| text(version, "launchTemplateId") == id) {
                Some(version) => Ok(read(context, template, version)),
                None => described(context, template).await,
            }
        });
        Ok(try_join_all(read).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({
            "LaunchTemplateName": spec.name,
            "ClientToken": tags::client_token(context, address, &spec),
            "TagSpecification": tags::specification(context, address, "launch-template"),
            "LaunchTemplateData": data(context, address, &spec),
        });
        let answer =
            wait::visible(context, || context.aws.call(Service::Ec2, "CreateLaunchTemplate", input.clone())).await?;
        Ok(outcome(text(&answer["launchTemplate"], "launchTemplateId"), &spec.name, 1))
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, _changed: &[String]) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        let input = json!({
            "LaunchTemplateId": live.id,
            "LaunchTemplateData": data(context, &live.address, &spec),
        });
        let answer = context.aws.call(Service::Ec2, "CreateLaunchTemplateVersion", input).await?;
        let version = number(&answer["launchTemplateVersion"], "versionNumber");
        let input = json!({"LaunchTemplateId": live.id, "SetDefaultVersion": version.to_string()});
        wait::visible(context, || context.aws.call(Service::Ec2, "ModifyLaunchTemplate", input.clone())).await?;
        Ok(outcome(&live.id, &spec.name, version))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"LaunchTemplateId": live.id});
        wait::released(context, || context.aws.call(Service::Ec2, "DeleteLaunchTemplate", input.clone())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let parameter = if id.starts_with("lt-") { "LaunchTemplateId" } else { "LaunchTemplateName" };
        let list = ("DescribeLaunchTemplates", "launchTemplates");
        let one = tags::claim_one(context, address, list, (parameter, id)).await?;
        match one {
            Some(template) => described(context, &template).await,
            None => Ok(None),
        }
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

fn outcome(id: &str, name: &str, version: u32) -> Outcome {
    tags::outcome(id, &[("id", id), ("name", name), ("version", &version.to_string())])
}

/// What a version says. Hosts and volumes carry the stack's name; the address is the group's alone.
fn data(context: &Context, address: &Address, spec: &Spec) -> Value {
    let mut own = tags::own(context, address).to_vec();
    own.retain(|(key, _)| *key != tags::ADDRESS);
    let own: Vec<Value> = own.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut volume = json!({
        "VolumeSize": spec.volume_gib,
        "VolumeType": spec.volume_type,
        "Encrypted": spec.volume_encrypted,
        "DeleteOnTermination": true,
    });
    if let Some(key) = &spec.volume_key {
        volume["KmsKeyId"] = json!(key);
    }
    let mut data = json!({
        "ImageId": spec.image,
        "InstanceType": spec.instance_type,
        "SecurityGroupId": spec.security_groups,
        "BlockDeviceMapping": [{"DeviceName": spec.volume_device, "Ebs": volume}],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": if spec.metadata_tokens_required { "required" } else { "optional" },
            "HttpPutResponseHopLimit": spec.metadata_hop_limit,
        },
        "Monitoring": {"Enabled": spec.detailed_monitoring},
        "TagSpecification": [
            {"ResourceType": "instance", "Tag": own},
            {"ResourceType": "volume", "Tag": own},
        ],
    });
    if let Some(profile) = &spec.instance_profile {
        data["IamInstanceProfile"] = json!({"Name": profile});
    }
    if !spec.user_data.is_empty() {
        data["UserData"] = json!(STANDARD.encode(&spec.user_data));
    }
    data
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
async fn few_defaults(context: &Context) -> Result<Vec<Value>> {
    let input = json!({"LaunchTemplateVersion": ["$Default"], "MaxResults": FEW});
    let answer = context.aws.call(Service::Ec2, "DescribeLaunchTemplateVersions", input).await?;
    Ok(list(&answer, "launchTemplateVersionSet").to_vec())
}

/// A template with its default version, asked for by itself.
async fn described(context: &Context, template: &Value) -> Result<Option<Live>> {
    let input = json!({"LaunchTemplateId": text(template, "launchTemplateId"), "LaunchTemplateVersion": ["$Default"]});
    let answer = context.aws.call(Service::Ec2, "DescribeLaunchTemplateVersions", input).await;
    let Some(answer) = wait::found(answer)? else { return Ok(None) };
    Ok(list(&answer, "launchTemplateVersionSet").first().and_then(|version| read(context, template, version)))
}

/// The default version is what counts: it is what groups start hosts from.
fn read(context: &Context, template: &Value, version: &Value) -> Option<Live> {
    let tags = tags::of(list(template, "tagSet"));
    let address = tags::address(context, "launch_template", &tags)?;
    let (id, name) = (text(template, "launchTemplateId"), text(template, "launchTemplateName"));
    let number = number(version, "versionNumber").to_string();
    let outputs = [("id", id), ("name", name), ("version", number.as_str())];
    Some(tags::live(address, &tags, id, value(&read_data(name, &version["launchTemplateData"])), &outputs))
}

fn read_data(name: &str, data: &Value) -> Spec {
    let mapping = list(data, "blockDeviceMappingSet").first().cloned().unwrap_or_default();
    let volume = &mapping["ebs"];
    let metadata = &data["metadataOptions"];
    let user_data = STANDARD.decode(text(data, "userData").trim()).unwrap_or_default();
    Spec {
        name: name.to_owned(),
        image: text(data, "imageId").to_owned(),
        instance_type: text(data, "instanceType").to_owned(),
        instance_profile: some_text(&data["iamInstanceProfile"], "name"),
        security_groups: texts(data, "securityGroupIdSet"),
        user_data: String::from_utf8_lossy(&user_data).into_owned(),
        volume_gib: number(volume, "volumeSize"),
        volume_type: text(volume, "volumeType").to_owned(),
        volume_encrypted: flag(volume, "encrypted"),
        volume_device: text(&mapping, "deviceName").to_owned(),
        volume_key: some_text(volume, "kmsKeyId"),
        metadata_tokens_required: text(metadata, "httpTokens") == "required",
        metadata_hop_limit: number(metadata, "httpPutResponseHopLimit"),
        detailed_monitoring: flag(&data["monitoring"], "enabled"),
    }
}
