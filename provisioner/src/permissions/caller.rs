//! What it takes to work as the role that a stack names: the right to assume it, and its trust in who does.

use serde_json::{Value, json};

const ASSUME: &str = "sts:AssumeRole";

/// The policy of those who assume a role.
pub fn caller(role: &str) -> Value {
    policy(&json!({ "Effect": "Allow", "Action": [ASSUME], "Resource": [role] }))
}

/// The trust policy of a role that somebody assumes, who is named by an ARN, under an external id or none.
pub fn trust_in(who: &str, external_id: Option<&str>) -> Value {
    let mut statement = json!({ "Effect": "Allow", "Principal": { "AWS": who }, "Action": [ASSUME] });
    if let Some(id) = external_id {
        statement["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    policy(&statement)
}

fn policy(statement: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

#[cfg(test)]
mod tests {
    use lakewright_iam::{Document, Kind, Policies, Policy, Principal, Request, ResourceRule};

    use super::*;

    const ROLE: &str = "arn:aws:iam::210987654321:role/deployer";

    fn may(trust: &Value, id: Option<&str>, who: &str) -> bool {
        let of = |kind, text: &Value| Policy::new("it", Document::parse(kind, text).expect("a policy"));
        let policies = Policies {
            identity: vec![of(Kind::Identity, &caller(ROLE))],
            resource: Some(of(Kind::Trust, trust)),
            rule: ResourceRule::Decides,
            ..Policies::default()
        };
        let request = Request::new(Principal::session(who, "s"), ASSUME, ROLE);
        let request = id.into_iter().fold(request, |request, id| request.key("sts:ExternalId", id));
        policies.evaluate(&request).is_allowed()
    }

    #[test]
    fn who_is_named_assumes_the_role_under_its_external_id() {
        let who = "arn:aws:iam::123456789012:role/ci";
        let trust = trust_in(who, Some("ours"));
        assert!(may(&trust, Some("ours"), who));
        assert!(!may(&trust, Some("theirs"), who) && !may(&trust, None, who));
        assert!(!may(&trust, Some("ours"), "arn:aws:iam::123456789012:role/other"));
        assert!(may(&trust_in(who, None), None, who));
    }
}
