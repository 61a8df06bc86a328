//! A role that may change who may do what.

use lakewright_iam::Condition;
use lakewright_iam::reference::{Action, Level, covered_by};
use serde_json::Value;

use super::{Rule, of_policies};
use crate::kinds::statement::readable;

pub(super) const RULE: Rule = Rule {
    name: "iam-write",
    kinds: &["role", "managed_policy"],
    reason: "whoever may write policies, roles or keys of users may give themselves everything",
    fix: "name the roles that it may change, and demand a permissions boundary: `iam:PermissionsBoundary`",
    breaks: |spec, around| of_policies(written, spec, around),
};

/// What is written of IAM: all that one may write on stands below one of these.
const THINGS: [&str; 5] = ["role", "user", "group", "policy", "instance-profile"];
/// Conditions by which somebody may write no more than they have themselves, or of some things only.
const BOUNDS: [&str; 4] = ["iam:permissionsboundary", "iam:awsservicename", "iam:resourcetag/", "aws:resourcetag/"];

fn written(name: &str, policy: &Value) -> Vec<String> {
    let wide = readable(policy).filter(|statement| {
        let is_bounded = |condition: &Condition| {
            let key = condition.plain_key();
            BOUNDS.iter().any(|bound| key.starts_with(bound)) && condition.demands()
        };
        let anything = THINGS.iter().any(|thing| statement.is_on_any(thing));
        statement.allows && !statement.actions.but && anything && !statement.conditions.iter().any(is_bounded)
    });
    let wide = wide.filter_map(|statement| {
        let writing: Vec<&str> =
            statement.actions.names.iter().map(String::as_str).filter(|name| writes(name)).collect();
        (!writing.is_empty()).then(|| format!("{name} allows {} on anything", writing.join(", ")))
    });
    wide.collect()
}

/// Whether a pattern covers an action of IAM that writes; passing roles is another rule's, and everything at once, too.
fn writes(pattern: &str) -> bool {
    let writes = |action: &Action| {
        action.name.starts_with("iam:")
            && action.name != "iam:PassRole"
            && matches!(action.level, Level::Write | Level::Permissions)
    };
    pattern != "*" && covered_by(pattern).any(writes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    fn found(action: &str, resource: &str, condition: &Value) -> Vec<String> {
        let mut statement = json!({"Effect": "Allow", "Action": [action, "s3:GetObject"], "Resource": [resource]});
        if !condition.is_null() {
            statement["Condition"] = condition.clone();
        }
        texts(&RULE, json!({"policies": {"p": {"Statement": [statement]}}}))
    }

    #[test]
    fn who_may_do_what_is_changed_by_few() {
        for action in ["iam:*", "iam:Put*", "iam:CreateAccessKey", "iam:AttachRolePolicy", "IAM:createrole"] {
            let text = format!("its policy p allows {action} on anything");
            assert_eq!(found(action, "*", &Value::Null), std::slice::from_ref(&text));
            let transport = json!({"Bool": {"aws:SecureTransport": "true"}});
            assert_eq!(found(action, "*", &transport), [text], "everybody fulfils it");
        }
        let anything = "arn:aws:iam::123456789012:policy/*";
        assert_eq!(found("iam:CreatePolicyVersion", anything, &Value::Null).len(), 1);
        for action in ["iam:Get*", "iam:ListRoles", "iam:PassRole", "s3:*"] {
            assert_eq!(found(action, "*", &Value::Null), [""; 0], "{action}");
        }
        assert_eq!(found("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/shop-*", &Value::Null), [""; 0]);
        let bounded = json!({"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/b"}});
        assert_eq!(found("iam:PutRolePolicy", "*", &bounded), [""; 0]);
        let perhaps =
            json!({"StringEqualsIfExists": {"iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/b"}});
        assert_eq!(found("iam:PutRolePolicy", "*", &perhaps).len(), 1);
    }
}
