//! Whether a key's policy lets Auto Scaling start instances whose volumes the key encrypts.

use serde_json::Value;

use super::{ALIASES, KEYS};
use crate::fields::Fields;
use crate::services::s3::policy_fits as fits;
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
    let policy: Value = serde_json::from_str(key.text("Policy").unwrap_or_default()).unwrap_or_default();
    ACTIONS.iter().all(|action| allows(&policy, &scope.account, &scope.region, action))
}

fn allows(policy: &Value, account: &str, region: &str, action: &str) -> bool {
    let role =
        format!("arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling");
    let means = |statement: &Value, effect: &str| {
        let principal = &statement["Principal"];
        let named = texts(principal).chain(texts(&principal["AWS"])).any(|one| one == "*" || one == role);
        let action = action.to_ascii_lowercase();
        let acts = texts(&statement["Action"]).any(|pattern| fits(&pattern.to_ascii_lowercase(), &action));
        let conditions = statement["Condition"].as_object().into_iter().flatten();
        let holds = conditions.flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, value)| (operator.as_str(), key, value))
        });
        let holds = holds.map(|(operator, key, value)| {
            let own = match key.to_ascii_lowercase().as_str() {
                "kms:calleraccount" | "aws:principalaccount" => account.to_owned(),
                "kms:viaservice" => format!("ec2.{region}.amazonaws.com"),
                // Only what makes a grant has it, and EBS's grants are for a service.
                "kms:grantisforawsresource" if action == "kms:creategrant" => "true".to_owned(),
                "aws:principalarn" => role.clone(),
                _ => return false,
            };
            match operator {
                "StringEquals" | "ArnEquals" | "Bool" => texts(value).any(|wanted| wanted == own),
                "StringLike" | "ArnLike" => texts(value).any(|pattern| fits(pattern, &own)),
                _ => false,
            }
        });
        statement["Effect"] == effect && named && acts && holds.into_iter().all(|held| held)
    };
    let one = std::slice::from_ref(&policy["Statement"]);
    let statements = policy["Statement"].as_array().map_or(one, Vec::as_slice);
    statements.iter().any(|one| means(one, "Allow")) && !statements.iter().any(|one| means(one, "Deny"))
}

/// The texts of a member that has one or a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lets(statements: &Value) -> bool {
        let policy = json!({ "Statement": statements });
        ACTIONS.iter().all(|action| allows(&policy, "123456789012", "eu-north-1", action))
    }

    #[test]
    fn the_key_policy_alone_decides() {
        let account =
            json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*"});
        assert!(!lets(&json!([account])));
        let role =
            "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
        let named = json!({"Effect": "Allow", "Principal": {"AWS": role},
            "Action": ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]});
        assert!(!lets(&json!([account, named])), "no grants");
        let grants = json!({"Effect": "Allow", "Principal": {"AWS": [role]}, "Action": "kms:CreateGrant",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}});
        assert!(lets(&json!([account, named, grants])));
        let denied = json!({"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt"});
        assert!(!lets(&json!([named, grants, denied])));
    }

    #[test]
    fn everybody_of_the_account_comes_through_ec2() {
        let via = |service: &str| {
            json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Condition": {"StringEquals": {
                "kms:CallerAccount": "123456789012", "kms:ViaService": service}}})
        };
        assert!(lets(&via("ec2.eu-north-1.amazonaws.com")));
        assert!(!lets(&via("s3.eu-north-1.amazonaws.com")));
    }
}
