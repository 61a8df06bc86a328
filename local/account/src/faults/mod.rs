//! Fault rules: which requests go wrong, and how.

mod board;
mod decode;
mod glob;

pub use board::FaultBoard;
pub(crate) use board::Hit;

use crate::error::AwsError;
use crate::protocol::Protocol;
use std::time::Duration;

/// The rules of an account, in the order in which they are tried. The default has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// What the rules with a probability draw from.
    pub(crate) seed: u64,
    pub(crate) rules: Vec<Rule>,
}

/// Why a file of rules is not taken: the place and the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) String);

impl Faults {
    /// Reads rules in TOML; the error names line and column.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        decode::faults(text)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// The signing name of the service; absent for all.
    pub service: Option<String>,
    /// The operation, `*` standing for any text; absent for all.
    pub operation: Option<String>,
    /// Only requests that change something, or only those that don't.
    pub mutating: Option<bool>,
    /// The first matching request that is hit, counted from 1.
    pub from: u64,
    /// How many requests are hit; absent for no end.
    pub times: Option<u64>,
    /// Only each N-th of the matching requests, beginning with `from`.
    pub every: u64,
    /// The chance of each of these to be hit.
    pub probability: Option<f64>,
    /// How long a hit request waits before anything else happens.
    pub latency: Duration,
    /// What happens to it then; absent when it is only late.
    pub effect: Option<Effect>,
}

/// What happens to a request that a rule hits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// It is answered with this error and not executed.
    Error { code: String, status: u16, message: String },
    /// It is answered with the service's own error for too many requests and not executed.
    Throttle,
    /// Its connection is closed without an answer.
    Lost(Executed),
    /// It is never answered; its connection stays open.
    Hang(Executed),
    /// What it makes can't be seen for this long.
    Invisible(Duration),
}

/// Whether a request whose answer doesn't arrive has had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    /// The answer is what was lost.
    Yes,
    /// The request is what was lost.
    No,
}

impl Effect {
    /// The name in the log of events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Throttle => "throttle",
            Self::Lost(Executed::Yes) => "lost",
            Self::Lost(Executed::No) => "lost-request",
            Self::Hang(Executed::Yes) => "hang",
            Self::Hang(Executed::No) => "hang-request",
            Self::Invisible(_) => "invisible",
        }
    }

    /// The error that is answered in the place of executing the request. `protocol` is absent for S3.
    pub fn refusal(&self, service: &str, protocol: Option<Protocol>) -> Option<AwsError> {
        match self {
            Self::Error { code, status, message } => Some(AwsError::new(code, message).status(*status)),
            Self::Throttle => {
                let (code, status) = match protocol {
                    None => ("SlowDown", 503),
                    Some(Protocol::Ec2) => ("RequestLimitExceeded", 503),
                    Some(Protocol::Query(_) | Protocol::RestXml(_) | Protocol::Cbor) => ("Throttling", 400),
                    Some(Protocol::RestJson(_)) if service == "kafka" => ("TooManyRequestsException", 429),
                    Some(Protocol::Json(_) | Protocol::RestJson(_)) => ("ThrottlingException", 400),
                };
                Some(AwsError::new(code, "Rate exceeded").status(status))
            }
            Self::Lost(_) | Self::Hang(_) | Self::Invisible(_) => None,
        }
    }
}

/// The beginnings of the names of operations that change nothing.
const READS: [&str; 11] = [
    "Describe",
    "Get",
    "List",
    "Head",
    "BatchGet",
    "Filter",
    "Lookup",
    "Search",
    "Query",
    "Assume",
    "GetCallerIdentity",
];

/// Whether an operation changes something, by its name.
pub(crate) fn mutating(operation: &str) -> bool {
    !READS.iter().any(|prefix| operation.starts_with(prefix))
}
