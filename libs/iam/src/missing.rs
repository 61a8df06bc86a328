//! What a refusal says: AWS's sentence, and the statement that would have allowed the request.

use std::fmt;

use serde_json::{Value, json};

use crate::document::Kind;
use crate::evaluate::{Decision, Request, Source};
use crate::keys::Keys;

/// The statement that a refused request lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Where it is missing, or which statement denies.
    pub reason: String,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// The condition keys that the request brought: what a condition may rest on.
    pub keys: Keys,
}

impl Request {
    /// The statement that would allow the request; nothing when it is allowed.
    pub fn missing(&self, decision: &Decision) -> Option<Missing> {
        let reason = match decision {
            Decision::Allowed(_) => return None,
            Decision::NotAllowed(kind) => format!("no {} allows it", kind.words()),
            Decision::ExplicitlyDenied(source) => format!("{source} denies it"),
        };
        let (action, resource, keys) = (self.action.clone(), self.resource.clone(), self.keys.clone());
        Some(Missing { reason, action, resource, keys })
    }

    /// AWS's sentence for a refusal, without what services put around it.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
    pub fn refusal(&self, decision: &Decision) -> String {
        let Self { action, resource, .. } = self;
        let because = match decision {
            Decision::Allowed(_) => String::new(),
            Decision::NotAllowed(kind) => format!(" because no {} allows the {action} action", kind.words()),
            Decision::ExplicitlyDenied(Source { kind, .. }) => {
                let article = match kind {
                    Kind::Identity => "an",
                    Kind::Trust => "the",
                    Kind::Boundary | Kind::Session | Kind::Resource => "a",
                };
                format!(" with an explicit deny in {article} {}", kind.words())
            }
        };
        format!(
            "User: {} is not authorized to perform: {action} on resource: {resource}{because}",
            self.principal.arn()
        )
    }
}

impl Missing {
    /// It as a statement of a policy, as wide as the request and no wider.
    pub fn statement(&self) -> Value {
        json!({ "Effect": "Allow", "Action": self.action, "Resource": self.resource })
    }

    /// The condition keys that the request brought, as `KEY=VALUE`.
    pub fn brought(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(key, values)| format!("{key}={}", values.join(","))).collect();
        keys.join(" ")
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; condition keys present: {}", self.reason, self.statement(), self.brought())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(out, "statement {sid} of {}", self.policy),
            None => write!(out, "statement {} of {}", self.statement, self.policy),
        }
    }
}
