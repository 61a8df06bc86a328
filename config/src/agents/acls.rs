//! The agent that keeps the access control lists of a stack's Kafka users.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{About, Agent, AgentConfig, Figure, Kind, Metric, Need, Role, Stops, Written};
use crate::connections::{KafkaConnection, WatchConfig};

metrics! {
    /// How often the lists were looked at.
    VERIFICATIONS = Counter "verifications_total", Detail;
    /// How often they weren't as they are to be, or couldn't be read.
    VERIFICATIONS_FAILED = Counter "verifications_failed_total", FailedRuns;
    /// When they were verified last, in milliseconds since 1970.
    LAST_VERIFIED = Gauge "last_verified_unix_ms", LastSuccess;
}

/// What views show of it.
static SHOWS: &[Figure] = &[
    Figure::of(&VERIFICATIONS, "verifications", Written::Count),
    Figure::of(&VERIFICATIONS_FAILED, "failed", Written::Trouble),
    Figure::beside(&LAST_VERIFIED, "verified", Written::Ago),
];

/// What is known of it.
pub static ABOUT: About = About {
    agent: Agent::Acls,
    word: "acls",
    section: "agents.acls",
    needs: &[Need::Kafka, Need::Users],
    metrics: METRICS,
    shows: SHOWS,
    parts: None,
    stops: Stops::Last,
};

/// The tag of its own user's secret by which the agent says how the lists are: [`VERIFIED`] and the time in RFC 3339, or
/// [`UNVERIFIED`] and the time since which they weren't, then [`AclsConfig::digest`], with spaces between.
pub const TAG: &str = "lakewright:acls";
/// What the tag says of lists that are as they are to be.
pub const VERIFIED: &str = "verified";
/// What the tag says of others.
pub const UNVERIFIED: &str = "unverified";
/// How long the tag is believed, in seconds: the agent writes it anew before.
pub const BELIEVED_SECONDS: u64 = 2 * 3600;

/// The access control lists of a stack's users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AclsConfig {
    /// The cluster, and how its administrator logs in.
    pub kafka: KafkaConnection,
    /// The user who may see and change the lists, as whom `kafka` logs in. Its entry is the first that is made: once there is
    /// one for the cluster, nobody else changes them.
    pub administrator: String,
    /// The stack's users by the names that they log in with. What else the lists allow them is no longer wanted; a user that
    /// is gone is listed here with nothing for as long as it may have entries.
    pub users: BTreeMap<String, AclUser>,
    /// Whether the agent removes what allows these users anything else.
    #[serde(default)]
    pub prune: bool,
    /// Seconds from the start of one verification to the start of the next.
    #[serde(default = "every_seconds")]
    pub every_seconds: u64,
    /// Where the agent reports how it is doing; without it, nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchConfig>,
}

impl AclsConfig {
    /// Distinguishes the lists that are wanted from all others: of the users and what they may do, not of how that is tried.
    pub fn digest(&self) -> String {
        let rights: BTreeMap<&str, [&Vec<String>; 3]> =
            self.users.iter().map(|(name, user)| (name.as_str(), [&user.writes, &user.reads, &user.groups])).collect();
        let text = serde_json::to_string(&(&self.administrator, rights)).expect("names are plain JSON");
        Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The default of [`AclsConfig::every_seconds`].
fn every_seconds() -> u64 {
    600
}

impl AgentConfig for AclsConfig {
    const AGENT: Agent = Agent::Acls;
}

/// What a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AclUser {
    /// The topics that it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
    /// The topics that it reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// The consumer groups that it is a member of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The ARN or the name of the secret that holds its user name and password, by which its rights are tried. Without it, they
    /// are only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}
