//! Whether a key can encrypt a log group.

use lakewright_iam::Arn;

use super::KEYS;
use crate::access;
use crate::fields::Fields;
use crate::state::State;

/// What CloudWatch Logs does with a group's key in its own name.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html>
const ACTIONS: [&str; 4] = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"];

/// What CloudWatch Logs finds of a key that shall encrypt a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encrypting {
    /// It may use it.
    Allowed,
    /// There is no such key, it can't be used, or it is none that encrypts.
    Unusable,
    /// The key's policy keeps it out.
    Refused,
}

/// Whether a key, given by its ARN, can encrypt the group of that ARN.
pub(crate) fn encrypts(state: &State<'_>, key: &str, group: &str) -> Encrypting {
    let scope = state.scope();
    let own = Arn::parse(key).filter(|arn| arn.service == "kms" && arn.region == scope.region);
    let id = own.and_then(|arn| arn.resource.strip_prefix("key/"));
    let found = id.and_then(|id| state.get(KEYS, id)).filter(|found| found.text("Arn") == Some(key));
    let Some(found) = found.filter(|key| key["KeyState"] == "Enabled" && key["KeyUsage"] == "ENCRYPT_DECRYPT") else {
        return Encrypting::Unusable;
    };
    let policy = found.text("Policy").unwrap_or_default();
    let allowed = ACTIONS.iter().all(|action| access::lets_log(policy, key, action, group));
    if allowed { Encrypting::Allowed } else { Encrypting::Refused }
}
