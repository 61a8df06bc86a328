//! The settings of the transforms that change what was read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives members other names. All names are read before any is written, so that two members can change places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The new names by the old ones, as in `{ "lvl" = "level", "http.code" = "status" }`. A member of the new name is replaced.
    pub fields: BTreeMap<String, String>,
}

/// Removes members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The members, as in `["password", "request.headers.cookie"]`.
    pub fields: Vec<String>,
}

/// Hides parts of texts: in values, however deep they stand, never in names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// The members in which it looks, with all that stands in them. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What is hidden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<Secret>,
    /// Regular expressions whose matches are hidden as well. One with a group named `secret` hides that group alone, as in
    /// `"pin=(?<secret>[0-9]+)"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// How it is hidden.
    #[serde(default)]
    pub by: Hiding,
    /// What stands in its place, with `by = "replace"`.
    #[serde(default = "stars")]
    pub with: String,
}

fn stars() -> String {
    "***".to_owned()
}

/// What a mask knows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// E-mail addresses.
    Email,
    /// Numbers of payment cards: 13 to 19 digits, also in groups, by an issuer's prefix and the check digit.
    Card,
    /// Tokens: what follows `Bearer`, JSON Web Tokens, and keys of AWS, GitHub, GitLab, Slack, Stripe and Google by their prefixes.
    Token,
}

/// How something is hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hiding {
    /// By `with` in its place.
    #[default]
    Replace,
    /// By a star for each character but the last four; up to eight characters, for all.
    Last4,
}

/// Makes numbers, booleans and texts of members. What is of its type already stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Types {
    /// The types by member, as in `{ status = "int", duration = "float" }`.
    pub fields: BTreeMap<String, ValueType>,
}

/// A type that a member can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Float,
    /// `true` or `false`; of texts also `yes`, `no`, `on`, `off`, `1`, `0`, in any case.
    Bool,
    /// A text.
    Text,
    /// An IPv4 or IPv6 address: a text that is none is an error.
    Ip,
}

/// Makes a `geo_point`, `{"lat": …, "lon": …}`, of two members, or of one that holds both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoPoint {
    /// The member with the latitude, -90 to 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<String>,
    /// The member with the longitude, -180 to 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<String>,
    /// The member with both, instead: a text as `59.33,18.06`, or an array that begins with both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Which comes first in `field`.
    #[serde(default)]
    pub order: Order,
    /// The member that takes it.
    #[serde(default = "location")]
    pub into: String,
    /// Keeps the members that were read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

fn location() -> String {
    "location".to_owned()
}

/// Which coordinate comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The latitude.
    #[default]
    LatLon,
    /// The longitude, as in GeoJSON.
    LonLat,
}

/// Reads the event's time, by which its index is chosen, and writes it as RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// The member that is read.
    pub field: String,
    /// How it may be written, tried in this order: `rfc3339`, `iso` (a zone may be missing, a comma may stand before the fraction, a
    /// space for the `T`), `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, `http` (`02/Jan/2026:15:04:05 +0100`), `syslog` (no year),
    /// `rfc2822`, or a pattern of `strftime` as `%d.%m.%Y %H:%M:%S`.
    #[serde(default = "rfc3339")]
    pub formats: Vec<String>,
    /// The time zone of times that name none, as `Europe/Stockholm`. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The member that takes it. Default: the one that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
}

fn rfc3339() -> Vec<String> {
    vec!["rfc3339".to_owned()]
}

/// Takes a browser's name for itself apart: `name`, `version`, `os`, `os_version`, `category` (`pc`, `smartphone`, `crawler` …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserAgent {
    /// The member that is read, and stays.
    #[serde(default = "user_agent")]
    pub field: String,
    /// The member that takes it, an object.
    #[serde(default = "browser")]
    pub into: String,
}

fn user_agent() -> String {
    "user_agent".to_owned()
}

fn browser() -> String {
    "browser".to_owned()
}

/// Says of a text that people wrote, as a review or a message, in which language it is, whether it praises or complains, what it is about
/// and what it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeText {
    /// The member that is read, and stays.
    pub field: String,
    /// The member that takes it, an object.
    #[serde(default = "text_analysis")]
    pub into: String,
    /// What is said. Default: all of it.
    #[serde(default = "Finding::all")]
    pub find: Vec<Finding>,
    /// How many keyphrases are said, at most 20.
    #[serde(default = "five")]
    pub keyphrases: u8,
    /// Names that are looked for, by the member of `entities` that takes them, as `brand = ["Nord Beauty"]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Vec<String>>,
}

fn text_analysis() -> String {
    "text_analysis".to_owned()
}

fn five() -> u8 {
    5
}

/// What is said of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Its language, as `en`: `language`.
    Language,
    /// Whether an English text praises or complains: `sentiment.label` (`positive`, `neutral`, `negative`) and `sentiment.score`, -1 to 1.
    Sentiment,
    /// What it is about, the heaviest first: `keyphrases`.
    Keyphrases,
    /// What it names: `entities.money`, `entities.date`, `entities.percent`, and one for each kind of `names`.
    Entities,
}

impl Finding {
    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![Self::Language, Self::Sentiment, Self::Keyphrases, Self::Entities]
    }
}

/// Keeps a share of the events and leaves out the rest. Which ones follows from the record's place or from a member, never from
/// chance: a record that is read twice is decided alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The share that is kept, 0 to 1.
    pub keep: Share,
    /// The member that decides, as a session's or trace's id: events with the same value are all kept or all left out. Events
    /// without it, and all events by default, are decided by the record's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A share of events, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(u32);

impl Share {
    /// Everything.
    pub const ONE: u32 = 1_000_000;

    /// Millionths, 0 to [`Share::ONE`].
    pub fn millionths(self) -> u32 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("a share is between 0 and 1, not {share}: one per cent is written 0.01"));
        }
        Ok(Self((share * f64::from(Self::ONE)).round() as u32))
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.0) / Self::from(Share::ONE)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SampleShare".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

/// Leaves out the events that meet `when`, which it can't be without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropEvents {}

/// Sends events to an index of their own: `INDEX-NAME-YYYY.MM.DD`. The last route that applies counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The name: lower-case letters, digits, `-` and `_`.
    pub to: String,
}
