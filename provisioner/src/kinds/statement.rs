//! The statements of a policy document, as rules and plans look at them.

use serde_json::Value;

use crate::kind::{Grant, Listed};

/// One statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Whether it allows; otherwise it denies.
    pub allows: bool,
    /// Who: none of an identity's own policy.
    pub principals: Option<Listed>,
    /// The actions.
    pub actions: Listed,
    /// The resources; none of a trust policy.
    pub resources: Listed,
    /// Under which conditions.
    pub conditions: Vec<Condition>,
}

/// One condition: an operator, a key and the values of which one has to fit.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The operator, `StringEquals`, `ForAnyValue:StringLike`, `ArnLikeIfExists`.
    pub operator: String,
    /// The key in lower case, `aws:sourceaccount`: case means nothing in it.
    pub key: String,
    /// The key as it is written.
    pub written: String,
    /// The values.
    pub values: Vec<String>,
}

/// The members that a statement has.
const MEMBERS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// The statements of a document; the text of each that can't be read as one.
pub fn statements(document: &Value) -> Vec<Result<Statement, String>> {
    match &document["Statement"] {
        Value::Null => vec![Err(document.to_string())],
        Value::Array(all) => all.iter().map(|one| read(one).ok_or_else(|| one.to_string())).collect(),
        one => vec![read(one).ok_or_else(|| one.to_string())],
    }
}

/// The statements that can be read.
pub fn readable(document: &Value) -> impl Iterator<Item = Statement> {
    statements(document).into_iter().filter_map(Result::ok)
}

fn read(statement: &Value) -> Option<Statement> {
    let members = statement.as_object()?;
    if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
        return None;
    }
    let allows = match statement["Effect"].as_str()? {
        "Allow" => true,
        "Deny" => false,
        _ => return None,
    };
    let listed = |name: &str| -> Option<Option<Listed>> {
        let negated = format!("Not{name}");
        Some(match (members.get(name), members.get(&negated)) {
            (None, None) => None,
            (Some(these), None) => Some(Listed::of(texts(these)?)),
            (None, Some(others)) => Some(Listed::but(texts(others)?)),
            (Some(_), Some(_)) => return None,
        })
    };
    let principals = match (members.get("Principal"), members.get("NotPrincipal")) {
        (None, None) => None,
        (Some(these), None) => Some(Listed::of(principals(these)?)),
        (None, Some(others)) => Some(Listed::but(principals(others)?)),
        (Some(_), Some(_)) => return None,
    };
    Some(Statement {
        allows,
        principals,
        actions: listed("Action")??,
        resources: listed("Resource")?.unwrap_or_default(),
        conditions: members.get("Condition").map_or(Some(Vec::new()), conditions)?,
    })
}

/// The texts of a text or a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Accounts, identities and services by their names, others with what they are; everybody is `*`.
fn principals(value: &Value) -> Option<Vec<String>> {
    let Some(by_type) = value.as_object() else { return texts(value) };
    let mut all = Vec::new();
    for (what, names) in by_type {
        let word = if ["AWS", "Service"].contains(&what.as_str()) { String::new() } else { format!("{what} ") };
        all.extend(texts(names)?.into_iter().map(|name| format!("{word}{name}")));
    }
    Some(all)
}

fn conditions(value: &Value) -> Option<Vec<Condition>> {
    let mut all = Vec::new();
    for (operator, keys) in value.as_object()? {
        for (key, values) in keys.as_object()? {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let values = match values {
                Value::Array(values) => values.iter().map(text).collect(),
                value => vec![text(value)],
            };
            let (operator, written) = (operator.clone(), key.clone());
            all.push(Condition { operator, key: key.to_lowercase(), written, values });
        }
    }
    Some(all)
}

impl Statement {
    /// Whether it lets or keeps everybody: all principals, or all but some.
    pub fn is_for_everybody(&self) -> bool {
        self.principals.as_ref().is_some_and(|who| who.but || who.names.iter().any(|name| name == "*"))
    }

    /// Whether it is on all of IAM's things of a type, `role`.
    pub fn is_on_any(&self, thing: &str) -> bool {
        let any = |resource: &String| {
            let parts: Vec<&str> = resource.splitn(6, ':').collect();
            let [_, _, service, _, _, name] = parts[..] else { return resource.contains('*') };
            let below = name.strip_prefix(thing).map(|rest| rest.strip_prefix('/').unwrap_or(rest));
            ["iam", "*"].contains(&service)
                && (name.starts_with('*') || below.is_some_and(|rest| rest.starts_with('*')))
        };
        self.resources.but || self.resources.names.iter().any(any)
    }
}

/// Operators that a request without the key doesn't fulfil, and that name what is meant.
const DEMANDS: [&str; 9] = [
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "ArnEquals",
    "ArnLike",
    "BinaryEquals",
    "Bool",
    "IpAddress",
    "NumericEquals",
];
/// Keys that say whose somebody is who asks, or on whose behalf.
const WHO: [&str; 14] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "kms:calleraccount",
];
/// Keys of which everybody can fulfil whatever is asked.
const ANYBODYS: [&str; 6] =
    ["aws:securetransport", "aws:useragent", "aws:referer", "aws:currenttime", "aws:epochtime", "aws:tokenissuetime"];

impl Condition {
    /// Whether a request must bring the key with a value that is named here.
    pub fn demands(&self) -> bool {
        let operator = self.operator.strip_prefix("ForAnyValue:").unwrap_or(&self.operator);
        DEMANDS.contains(&operator) && !self.values.iter().any(|value| value == "*")
    }

    /// Whether it keeps out anybody at all.
    pub fn narrows(&self) -> bool {
        self.demands() && !ANYBODYS.contains(&self.key.as_str())
    }

    /// Whether it says whose somebody must be.
    pub fn names_who(&self) -> bool {
        self.demands() && WHO.contains(&self.key.as_str()) && self.values.iter().all(|value| names_account(value))
    }
}

/// Whether a pattern means an account, an organisation or a thing in particular.
pub fn names_account(pattern: &str) -> bool {
    let any = |part: &str| part.starts_with(['*', '?']);
    match pattern.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _, _, _, "", resource] => !any(resource),
        ["arn", _, _, _, account, _] => !account.contains(['*', '?']),
        ["arn", ..] => pattern.contains("${"),
        _ => !any(pattern),
    }
}

/// What the statements of a document say of who may do what; `own` is who acts by a policy without principals.
pub(super) fn grants(document: &Value, own: &str) -> Vec<Grant> {
    let grant = |read: Result<Statement, String>| match read {
        Err(text) => Grant::Unread(text),
        Ok(Statement { allows, principals, actions, resources, conditions }) => {
            let mut conditions: Vec<String> = conditions
                .into_iter()
                .map(|Condition { operator, written, mut values, .. }| {
                    values.sort();
                    format!("{operator} {written} {}", values.join(", "))
                })
                .collect();
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
    fn what_cannot_be_read_is_shown_as_it_stands() {
        for wrong in [
            json!({"Effect": "allow", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": 7, "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Conditions": {}}),
            json!("*"),
        ] {
            let said = words(&json!({"Statement": [wrong]}));
            assert_eq!(said, [format!("what this says can't be told: {wrong}")]);
        }
        assert_eq!(words(&json!({"statement": []})), [r#"what this says can't be told: {"statement":[]}"#]);
        assert_eq!(words(&json!({"Statement": []})), [""; 0]);
        let alone = json!({"Statement": {"Effect": "Allow", "Action": "a:B", "Resource": "*"}});
        assert_eq!(words(&alone), ["it may a:B on everything"]);
    }
}
