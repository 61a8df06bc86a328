//! A role that may give any role away, or become any.

use lakewright_iam::Condition;
use lakewright_iam::reference::covered_by;
use serde_json::Value;

use super::{Rule, of_policies};
use crate::kinds::statement::readable;

pub(super) const RULE: Rule = Rule {
    name: "pass-role-any",
    kinds: &["role", "managed_policy"],
    reason: "whoever passes a role to a service of AWS may do what that role may: with any role, everything in the account",
    fix: "name the roles, and the services that get them by `iam:PassedToService`",
    breaks: |spec, around| of_policies(any_role, spec, around),
};

/// What gives a role away or makes somebody become one, and how one says it.
const ACTIONS: [(&str, &str); 2] = [("iam:PassRole", "pass"), ("sts:AssumeRole", "become")];

fn any_role(name: &str, policy: &Value) -> Vec<String> {
    let wide = readable(policy).filter(|statement| {
        statement.allows && !statement.actions.but && statement.is_on_any("role") && !is_bounded(&statement.conditions)
    });
    let wide = wide.filter_map(|statement| {
        // What allows all of a service is another rule's.
        let named = |action: &str| {
            let mut patterns =
                statement.actions.names.iter().filter(|pattern| !pattern.ends_with(":*") && *pattern != "*");
            patterns.any(|pattern| covered_by(pattern).any(|one| one.name == action))
        };
        let words: Vec<&str> = ACTIONS.iter().filter(|(action, _)| named(action)).map(|(_, word)| *word).collect();
        (!words.is_empty()).then(|| format!("{name} allows to {} any role", words.join(" and ")))
    });
    wide.collect()
}

/// Whether only some roles are meant all the same.
fn is_bounded(conditions: &[Condition]) -> bool {
    let of_roles = |key: &str| {
        key.starts_with("iam:resourcetag/") || key.starts_with("aws:resourcetag/") || key == "aws:resourceorgid"
    };
    conditions.iter().any(|condition| of_roles(&condition.plain_key()) && condition.demands())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    fn found(action: &str, resource: &str, condition: &Value) -> Vec<String> {
        let mut statement = json!({"Effect": "Allow", "Action": ["s3:GetObject", action], "Resource": [resource]});
        if !condition.is_null() {
            statement["Condition"] = condition.clone();
        }
        texts(&RULE, json!({"policies": {"p": {"Statement": [statement]}}}))
    }

    #[test]
    fn roles_that_are_passed_are_named() {
        let passes = ["its policy p allows to pass any role"];
        let service = json!({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}});
        for resource in ["*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::*:role/*", "arn:*"] {
            assert_eq!(found("iam:PassRole", resource, &Value::Null), passes, "{resource}");
            assert_eq!(found("iam:passrole", resource, &service), passes, "{resource}");
        }
        assert_eq!(found("iam:Pass*", "*", &Value::Null), passes);
        assert_eq!(found("sts:Assume*", "*", &Value::Null), ["its policy p allows to become any role"]);
        for resource in ["arn:aws:iam::123456789012:role/shop-*", "${role.shop.arn}", "arn:aws:s3:::raw/*"] {
            assert_eq!(found("iam:PassRole", resource, &Value::Null), [""; 0], "{resource}");
        }
        let tagged = json!({"StringEquals": {"iam:ResourceTag/stack": "shop"}});
        assert_eq!(found("iam:PassRole", "*", &tagged), [""; 0]);
        assert_eq!(found("iam:GetRole", "*", &Value::Null), [""; 0]);
        let document = json!({"Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}]});
        let rule = Rule { kinds: &["managed_policy"], ..RULE };
        assert_eq!(texts(&rule, json!({"document": document})), ["its document allows to pass any role"]);
    }
}
