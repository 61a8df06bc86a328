//! A policy of a resource that lets everybody do something.

use lakewright_iam::{Condition, names_account};
use serde_json::Value;

use super::{Around, Rule, of_policies, typed};
use crate::kinds::function;
use crate::kinds::statement::readable;

pub(super) const RULE: Rule = Rule {
    name: "open-policy",
    kinds: &["bucket", "function", "key", "queue", "sns_topic"],
    reason: "everybody on AWS is meant, whatever account they are of",
    fix: "name who is meant, or demand their account or organisation: `StringEquals`, `aws:PrincipalAccount`",
    breaks,
};

fn breaks(spec: &Value, around: &Around<'_>) -> Vec<String> {
    if around.address.kind == "function" {
        return typed(permissions, spec, around);
    }
    of_policies(open, spec, around)
}

fn open(name: &str, policy: &Value) -> Vec<String> {
    let open = readable(policy).filter(|statement| {
        statement.allows && statement.is_for_everybody() && !statement.conditions.iter().any(Condition::names_who)
    });
    open.map(|statement| {
        let but = if statement.actions.but { "everything but " } else { "" };
        format!("{name} lets everybody do {but}{}", statement.actions.names.join(", "))
    })
    .collect()
}

fn permissions(function: &function::Spec, _: &Around<'_>) -> Vec<String> {
    let open = function.permissions.iter().filter(|(_, permission)| {
        let named = permission.source_account.is_some() || permission.source_arn.as_deref().is_some_and(names_account);
        permission.principal == "*" && !named
    });
    open.map(|(name, permission)| format!("its permission {name} lets everybody do {}", permission.action)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::{lines, stack};

    fn policy(condition: Value) -> Value {
        let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["x:A"], "Resource": "*"});
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        json!({"Statement": [statement]})
    }

    #[test]
    fn nothing_is_open_to_everybody() {
        let mut desired = Vec::new();
        for kind in ["bucket", "key", "queue", "sns_topic"] {
            desired.push((format!("{kind}.open"), json!({"policy": policy(Value::Null)})));
            desired.push((format!("{kind}.none"), json!({})));
        }
        let desired: Vec<(&str, Value)> =
            desired.iter().map(|(address, spec)| (address.as_str(), spec.clone())).collect();
        let found = lines(&RULE, &stack(&desired));
        let expected = ["bucket", "key", "queue", "sns_topic"];
        assert_eq!(found, expected.map(|kind| format!("{kind}.open: its policy lets everybody do x:A")));
    }

    #[test]
    fn a_condition_counts_that_says_whose_somebody_is() {
        let is_open =
            |condition: Value| !lines(&RULE, &stack(&[("bucket.b", json!({"policy": policy(condition)}))])).is_empty();
        for closed in [
            json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}}),
            json!({"StringEquals": {"AWS:SourceOwner": "123456789012"}}),
            json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}}),
            json!({"StringEquals": {"kms:CallerAccount": ["123456789012"], "kms:ViaService": "ec2.eu-north-1.amazonaws.com"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::raw"}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}),
            json!({"StringEquals": {"aws:PrincipalOrgID": "${resource.x.y}"}}),
        ] {
            assert!(!is_open(closed.clone()), "{closed}");
        }
        for open in [
            json!({"Bool": {"aws:SecureTransport": "true"}}),
            json!({"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}),
            json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"StringLike": {"aws:PrincipalAccount": "*"}}),
            json!({"StringEquals": {"aws:PrincipalAccount": ["123456789012", "*"]}}),
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deployer"}}),
            json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}),
            json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
            json!({"Null": {"aws:PrincipalAccount": "false"}}),
        ] {
            assert!(is_open(open.clone()), "{open}");
        }
        let deny = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]});
        assert_eq!(lines(&RULE, &stack(&[("bucket.b", json!({"policy": deny}))])), [""; 0]);
        let all_but = json!({"Statement": [
            {"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "s3:*", "Resource": "*"},
        ]});
        let found = lines(&RULE, &stack(&[("bucket.b", json!({"policy": all_but}))]));
        assert_eq!(found, ["bucket.b: its policy lets everybody do s3:*"]);
    }

    #[test]
    fn a_function_is_invoked_by_somebody_in_particular() {
        let found =
            |permission: Value| lines(&RULE, &stack(&[("function.f", json!({"permissions": {"p": permission}}))]));
        assert_eq!(
            found(json!({"principal": "*", "source_arn": "arn:aws:s3:::*"})),
            ["function.f: its permission p lets everybody do lambda:InvokeFunction"]
        );
        assert_eq!(found(json!({"principal": "*", "source_account": "123456789012"})), [""; 0]);
        assert_eq!(found(json!({"principal": "s3.amazonaws.com", "source_arn": "arn:aws:s3:::raw"})), [""; 0]);
    }
}
