//! The statements of a policy document, as rules and plans look at them.

use lakewright_iam::{Arn, Condition, Effect, Element, Principals};
use serde_json::Value;

use crate::kind::{Grant, Listed};

/// One statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Whether it allows; otherwise it denies.
    pub allows: bool,
    /// Who: none of an identity's own policy. Accounts, identities and services by their names, others with what they are;
    /// everybody is `*`.
    pub principals: Option<Listed>,
    /// The actions.
    pub actions: Listed,
    /// The resources; none of a trust policy.
    pub resources: Listed,
    /// Under which conditions.
    pub conditions: Vec<Condition>,
}

/// The statements of a document, whose references may be unresolved; the text of each that can't be read as one.
pub fn statements(document: &Value) -> Vec<Result<Statement, String>> {
    let read = |one: &Value| lakewright_iam::Statement::draft(one).map(Statement::from).map_err(|_| one.to_string());
    match &document["Statement"] {
        Value::Null => vec![Err(document.to_string())],
        Value::Array(all) => all.iter().map(read).collect(),
        one => vec![read(one)],
    }
}

/// The statements that can be read.
pub fn readable(document: &Value) -> impl Iterator<Item = Statement> {
    statements(document).into_iter().filter_map(Result::ok)
}

impl From<lakewright_iam::Statement> for Statement {
    fn from(read: lakewright_iam::Statement) -> Self {
        Self {
            allows: read.effect == Effect::Allow,
            principals: read.principals.map(|who| listed(who, names)),
            actions: listed(read.actions, |actions| actions),
            resources: read.resources.map(|resources| listed(resources, |resources| resources)).unwrap_or_default(),
            conditions: read.conditions,
        }
    }
}

fn listed<T>(element: Element<T>, names: fn(T) -> Vec<String>) -> Listed {
    match element {
        Element::In(these) => Listed::of(names(these)),
        Element::NotIn(others) => Listed::but(names(others)),
    }
}

fn names(who: Principals) -> Vec<String> {
    let Principals { everybody, aws, services, federated, canonical } = who;
    let mut all: Vec<String> = everybody.then(|| "*".to_owned()).into_iter().chain(aws).chain(services).collect();
    all.extend(federated.into_iter().map(|name| format!("Federated {name}")));
    all.extend(canonical.into_iter().map(|name| format!("CanonicalUser {name}")));
    all
}

impl Statement {
    /// Whether it lets or keeps everybody: all principals, or all but some.
    pub fn is_for_everybody(&self) -> bool {
        self.principals.as_ref().is_some_and(|who| who.but || who.names.iter().any(|name| name == "*"))
    }

    /// Whether it is on all of IAM's things of a type, `role`.
    pub fn is_on_any(&self, thing: &str) -> bool {
        let any = |resource: &String| {
            let Some(arn) = Arn::parse(resource) else { return resource.contains('*') };
            let below = arn.resource.strip_prefix(thing).map(|rest| rest.strip_prefix('/').unwrap_or(rest));
            ["iam", "*"].contains(&arn.service)
                && (arn.resource.starts_with('*') || below.is_some_and(|rest| rest.starts_with('*')))
        };
        self.resources.but || self.resources.names.iter().any(any)
    }
}

/// What the statements of a document say of who may do what; `own` is who acts by a policy without principals.
pub(super) fn grants(document: &Value, own: &str) -> Vec<Grant> {
    let grant = |read: Result<Statement, String>| match read {
        Err(text) => Grant::Unread(text),
        Ok(Statement { allows, principals, actions, resources, conditions }) => {
            let mut conditions: Vec<String> = conditions.iter().map(Condition::words).collect();
            conditions.sort();
            Grant::Statement {
                denies: !allows,
                who: principals.unwrap_or_else(|| Listed::of([own])),
                may: actions,
                on: resources,
                conditions,
            }
        }
    };
    statements(document).into_iter().map(grant).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(document: &Value) -> Vec<String> {
        grants(document, "it").iter().map(Grant::words).collect()
    }

    #[test]
    fn statements_are_sentences() {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "NotAction": ["s3:NoSuch"], "Resource": ["arn:b", "arn:a"]},
            {"Effect": "Deny", "NotPrincipal": {"AWS": ["arn:aws:iam::123456789012:root"]}, "Action": ["s3:*"],
             "NotResource": "arn:a", "Condition": {"Bool": {"aws:SecureTransport": false}, "StringLike": {"s3:prefix": ["b", "a"]}}},
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com", "Federated": ["arn:idp"]}, "Action": "sts:AssumeRole"},
        ]});
        assert_eq!(
            words(&document),
            [
                "everybody may kms:* on everything",
                "it may everything but s3:NoSuch on arn:a, arn:b",
                "everybody but arn:aws:iam::123456789012:root may not s3:* on everything but arn:a, if Bool \
                 aws:SecureTransport false and StringLike s3:prefix a, b",
                "Federated arn:idp, ec2.amazonaws.com may sts:AssumeRole",
            ]
        );
    }

    #[test]
    fn references_stand_for_what_they_will_be() {
        let document = json!({"Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["${bucket.raw.arn}", "arn:aws:s3:::${bucket.raw.name}/*"]},
            {"Effect": "Allow", "Principal": {"AWS": "${role.app.arn}"}, "Action": "sts:AssumeRole",
             "Condition": {"IpAddress": {"aws:SourceIp": "${var.range}"}}},
        ]});
        let expected = [
            "it may s3:GetObject on ${bucket.raw.arn}, arn:aws:s3:::${bucket.raw.name}/*",
            "${role.app.arn} may sts:AssumeRole, if IpAddress aws:SourceIp ${var.range}",
        ];
        assert_eq!(words(&document), expected);
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_it_stands() {
        for wrong in [
            json!({"Effect": "allow", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": 7, "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Conditions": {}}),
            json!({"Effect": "Allow", "Action": "a:B", "Resource": "shop"}),
            json!({"Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": {"StringEqualz": {"a:b": "c"}}}),
            json!("*"),
        ] {
            let said = words(&json!({"Statement": [wrong]}));
            assert_eq!(said, [format!("this can't be read: {wrong}")]);
        }
        assert_eq!(words(&json!({"statement": []})), [r#"this can't be read: {"statement":[]}"#]);
        assert_eq!(words(&json!({"Statement": []})), [""; 0]);
        let alone = json!({"Statement": {"Effect": "Allow", "Action": "a:B", "Resource": "*"}});
        assert_eq!(words(&alone), ["it may a:B on everything"]);
    }
}
