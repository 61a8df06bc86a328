//! `launch_template`: what a host is started as.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::{compared, in_place, replaces, yes};
use crate::kind::{Comparing, Field};

/// What a host is started as. A change makes a new version, which becomes the default one; hosts take it when they are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region.
    pub name: String,
    /// The image: an id, or `resolve:ssm:PARAMETER`, which is looked up when a host starts.
    pub image: String,
    /// The instance type, `t3.small`, `m7g.large`.
    pub instance_type: String,
    /// The instance profile's name, `${instance_profile.hosts.name}`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_profile: Option<String>,
    /// The ids of the hosts' security groups, `${security_group.hosts.id}`.
    pub security_groups: Vec<String>,
    /// What cloud-init runs at the first boot, as plain text; anybody on the host can read it. Default: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_data: String,
    /// The root volume's size in GiB. Default: 20.
    #[serde(default = "twenty")]
    pub volume_gib: u32,
    /// The root volume's type. Default: `gp3`.
    #[serde(default = "gp3")]
    pub volume_type: String,
    /// The root volume's device name in the image. Default: `/dev/xvda`.
    #[serde(default = "xvda")]
    pub volume_device: String,
    /// The ARN of the KMS key that the root volume is encrypted with; absent: AWS's own key. It is always encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    in_place("volume_key"),
    in_place("metadata_tokens_required"),
    in_place("metadata_hop_limit"),
    in_place("detailed_monitoring"),
];
/// `version` is the default version's number.
const OUTPUTS: &[&str] = &["id", "name", "version"];

/// The kind.
#[derive(Debug)]
pub struct LaunchTemplate;
