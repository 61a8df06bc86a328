//! What the producer simulates beside a steady stream: days, outages, bots, and messages that are late or come twice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens beside a steady stream; each part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The rate follows the hours of a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_day: Option<SalesDay>,
    /// Nothing is sent for a while, and then all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// A few customers look at very many pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bots: Option<Bots>,
    /// Some messages report what happened long before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Late>,
    /// Some facts are sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
}

impl Scenario {
    /// Whether nothing happens beside the steady stream.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The rate follows the hours of a day, and is the configured one on average.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SalesDay {
    /// How long a day takes.
    pub length_seconds: u64,
    /// How many times the average is sent at the busiest time.
    pub peak: u32,
}

/// Nothing is sent for a while; what falls due then is sent at its end, with the times at which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// From the end of one to the end of the next.
    pub every_seconds: u64,
    /// How long one lasts.
    pub lasts_seconds: u64,
}

/// A few customers look at very many pages, and never leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bots {
    /// How many.
    pub count: u32,
    /// The share of the user actions that are theirs, 0 to 1.
    pub share: f64,
}

/// Some messages report what happened long before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// The share of messages that do, 0 to 1.
    pub share: f64,
    /// How long before, at least.
    pub least_seconds: u64,
    /// How long before, at most; each magnitude between is as likely.
    pub most_seconds: u64,
}

/// Some facts are sent again, word for word and with the same key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// The share of facts that are, 0 to 1.
    pub share: f64,
    /// How long after.
    pub after_seconds: u64,
}
