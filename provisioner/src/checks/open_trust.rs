//! A role that everybody may become.

use lakewright_iam::Condition;

use super::{Around, Rule, typed};
use crate::kinds::role::Spec;
use crate::kinds::statement::{Statement, readable};

pub(super) const RULE: Rule = Rule {
    name: "open-trust",
    kinds: &["role"],
    reason: "whoever becomes the role may do all that it may",
    fix: "name who may become it; of a provider of tokens, which subjects: `StringEquals`, `…:sub`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(role: &Spec, _: &Around<'_>) -> Vec<String> {
    readable(&role.trust).filter(|statement| statement.allows).filter_map(|statement| open(&statement)).collect()
}

fn open(statement: &Statement) -> Option<String> {
    let conditions = &statement.conditions;
    if statement.is_for_everybody() && !conditions.iter().any(Condition::names_who) {
        return Some("everybody on AWS may become it".to_owned());
    }
    let federated =
        statement.principals.iter().flat_map(|who| &who.names).find_map(|name| name.strip_prefix("Federated "));
    let provider = federated?;
    let by_token = provider.contains("oidc-provider/") || provider.starts_with("${") || provider == "*";
    let subject =
        conditions.iter().any(|condition| condition.plain_key().ends_with(":sub") && names_subject(condition));
    // SAML's assertions name an audience and no subject.
    (by_token && !subject)
        .then(|| format!("whoever has a token of {provider} may become it: no condition names a subject"))
}

/// How subjects of well-known providers begin, and what ends the name of their owner: GitHub's, GitLab's, Terraform's, Kubernetes'.
const OWNERS: [(&str, char); 4] =
    [("repo:", '/'), ("project_path:", '/'), ("organization:", ':'), ("system:serviceaccount:", ':')];

/// Whether a condition asks for subjects of somebody in particular: `repo:owner/name:…`, and not `repo:*`. `repo:own*` is anybody
/// whose name begins so.
fn names_subject(condition: &Condition) -> bool {
    let named = |value: &String| {
        let fixed = value.split(['*', '?']).next().unwrap_or_default();
        let owner = OWNERS.iter().find_map(|(prefix, end)| Some((fixed.strip_prefix(prefix)?, *end)));
        match owner {
            _ if fixed == value => !fixed.is_empty(),
            Some((rest, end)) => rest.find(end).is_some_and(|at| at > 0),
            None => fixed.matches([':', '/']).count() > 1,
        }
    };
    condition.demands() && condition.values.iter().all(named)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::checks::tests::texts;

    fn found(statement: Value) -> Vec<String> {
        texts(&RULE, json!({"trust": {"Statement": [statement]}}))
    }

    #[test]
    fn a_role_is_somebodys() {
        let open = "everybody on AWS may become it";
        let assume = |who: Value| json!({"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"});
        assert_eq!(found(assume(json!({"AWS": "*"}))), [open]);
        assert_eq!(found(assume(json!("*"))), [open]);
        assert_eq!(found(assume(json!({"AWS": "123456789012"}))), [""; 0]);
        assert_eq!(found(assume(json!({"Service": "ec2.amazonaws.com"}))), [""; 0]);
        let mut closed = assume(json!({"AWS": "*"}));
        closed["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}});
        assert_eq!(found(closed.clone()), [""; 0]);
        closed["Condition"] = json!({"StringEquals": {"sts:ExternalId": "shop"}});
        assert_eq!(found(closed), [open], "whoever knows it, of any account");
    }

    #[test]
    fn tokens_are_of_somebody_in_particular() {
        let by_token = |condition: Value| {
            found(json!({
                "Effect": "Allow", "Principal": {"Federated": "${oidc_provider.github.arn}"},
                "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition,
            }))
        };
        let key = "token.actions.githubusercontent.com:sub";
        for closed in [
            "repo:octocat/shop:ref:refs/heads/main",
            "repo:octocat/*",
            "repo:octocat/sh*",
            "system:serviceaccount:default:*",
        ] {
            assert_eq!(by_token(json!({"StringLike": {key: closed}})), [""; 0], "{closed}");
        }
        for open in [
            "*",
            "r*",
            "repo:*",
            "repo:*:ref:refs/heads/main",
            "repo:o*",
            "repo:octocat*",
            "repo:/*",
            "repo:o?tocat/shop",
        ] {
            assert_eq!(by_token(json!({"StringLike": {key: open}})).len(), 1, "{open}");
        }
        let audience = json!({"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}});
        assert_eq!(
            by_token(audience),
            ["whoever has a token of ${oidc_provider.github.arn} may become it: no condition names a subject"]
        );
        assert_eq!(by_token(json!({"StringLikeIfExists": {key: "repo:octocat/*"}})).len(), 1);
    }
}
