//! What an alarm watches, and how it judges it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::values::{none_of, text, words};

text!(
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`.
    Statistic,
    r"^(Average|Sum|Minimum|Maximum|SampleCount|p(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?))$"
);

/// What no namespace of metrics is, with its fix:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>.
const NO_NAMESPACE: (&str, &str) = (r"^:|[\r\n]", "a namespace doesn't begin with `:`, and has one line");

/// How a value is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    /// Above it is bad.
    #[serde(rename = "GreaterThanThreshold")]
    Above,
    /// At it or above is bad.
    #[serde(rename = "GreaterThanOrEqualToThreshold")]
    AtLeast,
    /// Below it is bad.
    #[serde(rename = "LessThanThreshold")]
    Below,
    /// At it or below is bad.
    #[serde(rename = "LessThanOrEqualToThreshold")]
    AtMost,
    /// In another way, as with a band: no spec does, only an alarm that was changed outside.
    #[serde(rename = "")]
    #[schemars(skip)]
    Another,
}
words!(Comparison);

/// What a period without a value counts as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// The state becomes `INSUFFICIENT_DATA`.
    #[default]
    Missing,
    /// The state stays.
    Ignore,
    /// As a bad value.
    Breaching,
    /// As a good value.
    NotBreaching,
    /// What else somebody gave an alarm; it can't be declared.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}
words!(MissingData);

/// A metric with the statistic of each period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The namespace, `AWS/Kafka`.
    #[schemars(length(min = 1, max = 255), extend("not" = none_of(&[NO_NAMESPACE])))]
    pub namespace: String,
    /// The metric's name.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Its dimensions.
    #[serde(default)]
    #[schemars(extend(
        "propertyNames" = {"minLength": 1, "maxLength": 255},
        "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 1024}
    ))]
    pub dimensions: BTreeMap<String, String>,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile such as `p99`.
    #[serde(default = "average")]
    pub statistic: Statistic,
    /// The period in seconds: 10, 20, 30 or a multiple of 60.
    #[serde(default = "minute")]
    pub period_seconds: u32,
}

/// A value calculated from metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calculation {
    /// The expression, `100 * dead / records`.
    #[schemars(length(min = 1, max = 2048))]
    pub expression: String,
    /// What its value is called.
    #[serde(default)]
    pub label: String,
    /// The metrics in it by the names that it uses, ten at most; names begin with a small letter.
    #[schemars(extend("propertyNames" = {"maxLength": 255, "pattern": "^[a-z][A-Za-z0-9_]*$"}))]
    pub metrics: BTreeMap<String, Metric>,
}

fn minute() -> u32 {
    60
}

fn average() -> Statistic {
    "Average".into()
}
