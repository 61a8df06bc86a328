//! The shipper's transforms: a closed list, as stacks declare it and as the agent reads it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod parsers;
mod settings;

pub use parsers::{LogFormat, ParseJson, ParseLog, ParseLogfmt, ParseRegex};
pub use settings::{
    AnalyzeText, DropEvents, Finding, GeoPoint, Hiding, Mask, Order, Remove, Rename, Route, Sample, Secret, Share,
    Timestamp, Types, UserAgent, ValueType,
};

/// One transform of records on their way to a sink. They are applied in the order in which they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transform {
    /// What it does.
    #[serde(flatten)]
    pub step: Step,
    /// The sources whose records it takes: topics, or names of files or journals. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Only events that meet this condition are transformed, as in `level == "debug" and not (status >= 500)`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What becomes of an event that it can't be applied to.
    #[serde(default, skip_serializing_if = "OnError::is_keep")]
    pub on_error: OnError,
}

/// What becomes of an event that a transform can't be applied to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes on as it was, and its member `transform_errors` says why.
    #[default]
    Keep,
    /// It goes to the dead letters, with the reason.
    Refuse,
    /// It is left out, and counted.
    Drop,
}

impl OnError {
    /// Whether it is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}

/// What a transform does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Step {
    /// Reads a JSON object: its members become the event's.
    ParseJson(ParseJson),
    /// Reads `name=value` pairs: each becomes a member.
    ParseLogfmt(ParseLogfmt),
    /// Reads a text by a regular expression: each named group becomes a member.
    ParseRegex(ParseRegex),
    /// Reads a line of a common log format.
    ParseLog(ParseLog),
    /// Gives members other names.
    Rename(Rename),
    /// Removes members.
    Remove(Remove),
    /// Hides e-mail addresses, card numbers, tokens and what patterns say.
    Mask(Mask),
    /// Makes numbers, booleans and texts of members.
    Types(Types),
    /// Makes a `geo_point` of a latitude and a longitude.
    GeoPoint(GeoPoint),
    /// Reads the event's time.
    Timestamp(Timestamp),
    /// Takes a browser's name for itself apart.
    UserAgent(UserAgent),
    /// Says of a text that people wrote in which language it is, whether it praises or complains, what it is about and what it names.
    AnalyzeText(AnalyzeText),
    /// Keeps a share of the events.
    Sample(Sample),
    /// Leaves out the events that meet `when`.
    Drop(DropEvents),
    /// Sends events to an index of their own.
    Route(Route),
}

impl Step {
    /// The words of all types, in the order of the list.
    pub const WORDS: [&'static str; 15] = [
        "parse_json",
        "parse_logfmt",
        "parse_regex",
        "parse_log",
        "rename",
        "remove",
        "mask",
        "types",
        "geo_point",
        "timestamp",
        "user_agent",
        "analyze_text",
        "sample",
        "drop",
        "route",
    ];

    /// Its `type` in a stack.
    pub fn word(&self) -> &'static str {
        Self::WORDS[match self {
            Self::ParseJson(_) => 0,
            Self::ParseLogfmt(_) => 1,
            Self::ParseRegex(_) => 2,
            Self::ParseLog(_) => 3,
            Self::Rename(_) => 4,
            Self::Remove(_) => 5,
            Self::Mask(_) => 6,
            Self::Types(_) => 7,
            Self::GeoPoint(_) => 8,
            Self::Timestamp(_) => 9,
            Self::UserAgent(_) => 10,
            Self::AnalyzeText(_) => 11,
            Self::Sample(_) => 12,
            Self::Drop(_) => 13,
            Self::Route(_) => 14,
        }]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_what_it_writes_and_refuses_what_it_does_not_know() {
        let written = json!({ "type": "parse_log", "format": "access", "when": "message exists", "from": ["web"] });
        let read: Transform = serde_json::from_value(written).expect("a transform");
        assert_eq!((read.step.word(), read.from.as_slice()), ("parse_log", &["web".to_owned()][..]));
        let again = serde_json::to_value(&read).expect("JSON");
        assert_eq!(serde_json::from_value::<Transform>(again).expect("a transform"), read);
        for wrong in [
            json!({ "type": "parse_json", "feild": "a" }),
            json!({ "type": "guess" }),
            json!({ "type": "sample", "keep": 1.5 }),
            json!({ "type": "drop", "fields": [] }),
        ] {
            assert!(serde_json::from_value::<Transform>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_type_has_its_word() {
        let schema = serde_json::to_value(schemars::schema_for!(Step)).expect("JSON");
        let variants = schema["oneOf"].as_array().expect("variants");
        let words: Vec<_> = variants.iter().map(|one| one["properties"]["type"]["const"].as_str()).collect();
        assert_eq!(words, Step::WORDS.map(Some));
    }
}
