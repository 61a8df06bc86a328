//! Whether a key's policy lets Auto Scaling start instances whose volumes the key encrypts.

use super::{ALIASES, KEYS};
use crate::access;
use crate::fields::Fields;
use crate::state::State;

/// What EBS does with a volume's key in the name of the role that starts the instance.
const ACTIONS: [&str; 5] =
    ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom"];

/// Whether Auto Scaling's own role may use the key, which is given by id, ARN or alias. IAM policies of the account reach no
/// role of AWS's, so that the key's policy alone decides; keys of AWS's own let it in.
pub(crate) fn lets_launch(state: &State<'_>, given: &str) -> bool {
    let scope = state.scope();
    let prefix = format!("arn:aws:kms:{}:{}:", scope.region, scope.account);
    let name = given.strip_prefix(&prefix).unwrap_or(given);
    if name.starts_with("alias/aws/") {
        return true;
    }
    let id = if name.starts_with("alias/") {
        state.get(ALIASES, name).and_then(|alias| alias.text("TargetKeyId")).unwrap_or_default()
    } else {
        name.strip_prefix("key/").unwrap_or(name)
    };
    let Some(key) = state.get(KEYS, id).filter(|key| key["KeyState"] == "Enabled") else { return false };
    let arn = format!("{prefix}key/{id}");
    lets(key.text("Policy").unwrap_or_default(), &arn)
}

/// Whether a key's policy lets Auto Scaling's own role of the key's account do all of it.
fn lets(policy: &str, key: &str) -> bool {
    ACTIONS.iter().all(|action| access::lets_launch(policy, key, action))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn let_in(statements: &Value) -> bool {
        lets(&json!({ "Statement": statements }).to_string(), "arn:aws:kms:eu-north-1:123456789012:key/k")
    }

    #[test]
    fn the_key_policy_alone_decides() {
        let account = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Resource": "*",
            "Action": "kms:*"});
        assert!(!let_in(&json!([account])));
        let role =
            "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
        let named = json!({"Effect": "Allow", "Principal": {"AWS": role}, "Resource": "*",
            "Action": ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]});
        assert!(!let_in(&json!([account, named])), "no grants");
        let grants = json!({"Effect": "Allow", "Principal": {"AWS": [role]}, "Action": "kms:CreateGrant", "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}});
        assert!(let_in(&json!([account, named, grants])));
        let denied = json!({"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"});
        assert!(!let_in(&json!([named, grants, denied])));
    }

    #[test]
    fn everybody_of_the_account_comes_through_ec2() {
        let via = |service: &str| {
            json!([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*", "Condition": {
                "StringEquals": {"kms:CallerAccount": "123456789012", "kms:ViaService": service}}}])
        };
        assert!(let_in(&via("ec2.eu-north-1.amazonaws.com")));
        assert!(!let_in(&via("s3.eu-north-1.amazonaws.com")));
    }
}
