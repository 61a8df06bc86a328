//! `launch_template`: what a host is started as.

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{self, LaunchTemplateVersion, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::kept::keep;
use self::wire::{data, departures, read_data};
use super::each::{One, each};
use super::ec2::Thing as _;
use super::spec::{compared, in_place, replaces, yes};
use super::values::{KeyId, SecurityGroupId, text};
use super::{ec2, tag_lists, tagging, tags, wait};
use crate::kind::{Billing, Comparing, Context, Delta, Facts, Field, Found, Kind, Outcome, Wanted};
use crate::resource::{Action, Address};

mod kept;
mod wire;

text!(
    /// A launch template's name.
    TemplateName,
    r"^[A-Za-z0-9()./_-]{3,128}$"
);
text!(
    /// An image: an id, or `resolve:ssm:PARAMETER`, which is looked up when a host starts.
    Image,
    r"^(ami-[0-9a-f]{1,17}|resolve:ssm:.+)$"
);
text!(
    /// An instance type, `t3.small`, `m7g.large`.
    InstanceType,
    r"^[a-z0-9-]+\.[a-z0-9-]+$"
);

/// What a host is started as. A change makes a new version, which becomes the default one; hosts take it when they are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: TemplateName,
    /// The image: an id, or `resolve:ssm:PARAMETER`, which is looked up when a host starts.
    pub image: Image,
    /// The instance type, `t3.small`, `m7g.large`.
    pub instance_type: InstanceType,
    /// The instance profile's name, `${instance_profile.hosts.name}`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub instance_profile: Option<String>,
    /// The ids of the hosts' security groups, `${security_group.hosts.id}`.
    pub security_groups: Vec<SecurityGroupId>,
    /// What cloud-init runs at the first boot, as plain text; anybody on the host can read it. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub user_data: String,
    /// The root volume's size in GiB. Default: 20.
    #[serde(default = "twenty")]
    pub volume_size_gib: u32,
    /// The root volume's type. Default: `gp3`.
    #[serde(default = "gp3")]
    #[schemars(extend("enum" = ["standard", "io1", "io2", "gp2", "sc1", "st1", "gp3"]))]
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
    pub volume_key: Option<KeyId>,
    /// Whether the metadata service demands a session token (IMDSv2). Default: true.
    #[serde(default = "yes")]
    pub metadata_tokens_required: bool,
    /// How many network hops away from the host the metadata service answers: containers with a network of their own need two.
    /// Default: 1.
    #[serde(default = "one")]
    pub metadata_hop_limit: u32,
    /// Whether CloudWatch gets the host's metrics each minute, at a price. Default: false.
    #[serde(default)]
    pub detailed_monitoring: bool,
}

fn twenty() -> u32 {
    20
}

fn one() -> u32 {
    1
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
    in_place("volume_size_gib"),
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
];
const FACTS: Facts = Facts {
    moving_outputs: &["version"],
    renamed_fields: &[("volume_gib", "volume_size_gib")],
    identified_by: &["name"],
    review: &["image", "instance_profile", "user_data", "metadata_tokens_required", "metadata_hop_limit"],
    rights: super::rights::code::IMAGES,
    // What it starts is billed with what starts it.
    billing: Billing::Free,
    follows: &[(
        &[Action::Update],
        "hosts that run keep the old version until they are replaced: a group that refreshes does it in this \
         apply; of others terminate them one by one",
    )],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("launch_template", "what a host is started as", FIELDS, OUTPUTS, ACTIONS)
};

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
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        // What references stand for is known later: at least what stands around them is there.
        let beside = |part: &str| part.split_once('}').map_or(0, |(_, text)| text.len());
        let mut parts = spec.user_data.split("${");
        let bytes = parts.next().map_or(0, str::len) + parts.map(beside).sum::<usize>();
        if bytes > USER_DATA {
            bail!(
                "the user data is {bytes} bytes long; AWS takes {USER_DATA} at most: put the long part into an object \
                 of a bucket and fetch it at boot"
            );
        }
        Ok(())
    }

    async fn find(&self, context: &Context, _wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let templates = types::LaunchTemplate::list(context, vec![ec2::of_stack(context)]).await?;
        let listed = if templates.len() > 1 { few_defaults(context).await? } else { Vec::new() };
        let reads = templates.iter().map(|template| {
            let address = tags::address(context, FACTS.name, &tag_lists::read(template.tags()));
            let listed = listed.iter().find(|version| version.launch_template_id() == template.launch_template_id());
            let read = async move {
                match listed {
                    Some(version) => read(context, template, version),
                    None => described(context, template).await,
                }
            };
            One { address, id: template.launch_template_name().unwrap_or_default().to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        let call = context
            .aws
            .ec2()
            .create_launch_template()
            .launch_template_name(spec.name.as_str())
            .client_token(tags::client_token(context, address, spec))
            .tag_specifications(ec2::specification(context, address, ResourceType::LaunchTemplate))
            .launch_template_data(data(context, address, spec)?);
        let made = wait::visible(context, || ask(call.clone().send())).await?;
        let template = made.launch_template.needed("ec2", "CreateLaunchTemplate.LaunchTemplate")?;
        Ok(outcome(template.id()?, &spec.name, 1))
    }

    async fn update(&self, context: &Context, Delta { live, spec, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let mut data = data(context, &live.address, spec)?;
        let mut call = context.aws.ec2().create_launch_template_version().launch_template_id(&live.id);
        if let Some(before) = version(context, &live.id).await? {
            let inherits = before.launch_template_data().is_some_and(|before| keep(&mut data, before));
            call = call.set_source_version(inherits.then(|| number(&before)).transpose()?.map(|one| one.to_string()));
        }
        let made = ask(call.launch_template_data(data).send()).await?;
        let version =
            made.launch_template_version.needed("ec2", "CreateLaunchTemplateVersion.LaunchTemplateVersion")?;
        let number = number(&version)?;
        let call = context.aws.ec2().modify_launch_template().launch_template_id(&live.id);
        let call = call.default_version(number.to_string());
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(outcome(&live.id, &spec.name, number))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.ec2().delete_launch_template().launch_template_id(&live.id);
        wait::released(context, async || Ok(Vec::new()), || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let call = context.aws.ec2().describe_launch_templates();
        let call = if id.starts_with("lt-") { call.launch_template_ids(id) } else { call.launch_template_names(id) };
        let found = wait::found(ask(call.send()).await)?;
        let one = found.and_then(|answer| answer.launch_templates?.into_iter().next());
        let Some(template) = one else { return Ok(None) };
        described(context, &ec2::claimed(context, address, id, template)?).await
    }
}

fn outcome(id: &str, name: &str, version: i64) -> Outcome {
    tags::outcome(id, &[("id", id), ("name", name), ("version", &version.to_string())])
}

fn number(version: &LaunchTemplateVersion) -> Result<i64, Error> {
    version.version_number().needed("ec2", "LaunchTemplateVersion.VersionNumber")
}

/// The first default versions of the account's templates: all of them, unless there are many.
async fn few_defaults(context: &Context) -> Result<Vec<LaunchTemplateVersion>> {
    let call = context.aws.ec2().describe_launch_template_versions().versions(DEFAULT).max_results(FEW);
    Ok(ask(call.send()).await?.launch_template_versions.unwrap_or_default())
}

/// A template's default version, asked for by itself.
async fn version(context: &Context, template: &str) -> Result<Option<LaunchTemplateVersion>> {
    let call = context.aws.ec2().describe_launch_template_versions().launch_template_id(template);
    let found = wait::found(ask(call.versions(DEFAULT).send()).await)?;
    Ok(found.and_then(|answer| answer.launch_template_versions?.into_iter().next()))
}

/// A template with its default version, asked for by itself.
async fn described(context: &Context, template: &types::LaunchTemplate) -> Result<Option<Found<Spec>>> {
    match version(context, template.id()?).await? {
        Some(version) => read(context, template, &version),
        None => Ok(None),
    }
}

/// The default version is what counts: it is what groups start hosts from.
fn read(
    context: &Context,
    template: &types::LaunchTemplate,
    version: &LaunchTemplateVersion,
) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "launch_template", template) else { return Ok(None) };
    let id = template.id()?;
    let name = template.launch_template_name().needed("ec2", "LaunchTemplate.LaunchTemplateName")?;
    let data = version.launch_template_data().needed("ec2", "LaunchTemplateVersion.LaunchTemplateData")?;
    let number = number(version)?.to_string();
    let outputs = [("id", id), ("name", name), ("version", number.as_str())];
    let mut found = tags::found(address, &tags, id, read_data(name, data)?, &outputs);
    found.departures = departures(data, &context.stack);
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    #[test]
    fn user_data_that_is_too_long_is_refused_whatever_its_references_become() {
        let with = |user_data: String| {
            LaunchTemplate.normalise(&json!({
                "name": "app", "image": "ami-0ab1", "instance_type": "t3.small", "security_groups": [],
                "user_data": user_data,
            }))
        };
        let reference = "${private_zone.search.id}";
        assert!(with("x".repeat(USER_DATA)).is_ok());
        assert!(with("ü".repeat(USER_DATA / 2 + 1)).is_err());
        assert!(with("x".repeat(USER_DATA) + reference).is_ok());
        assert!(with(reference.to_owned() + &"x".repeat(USER_DATA + 1)).is_err());
    }
}
