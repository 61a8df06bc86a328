//! Whom a statement keeps out, as far as its text says it: what rules judge policies by before anybody asks anything.

use crate::arn::Arn;
use crate::condition::{Condition, Operator, Quantifier};

/// Operators that a request without the key doesn't fulfil, and that name what is meant.
const DEMANDS: [Operator; 9] = [
    Operator::StringEquals,
    Operator::StringEqualsIgnoreCase,
    Operator::StringLike,
    Operator::ArnEquals,
    Operator::ArnLike,
    Operator::BinaryEquals,
    Operator::Bool,
    Operator::IpAddress,
    Operator::NumericEquals,
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
    /// The key in lower case, `aws:sourceaccount`: case means nothing in it.
    pub fn plain_key(&self) -> String {
        self.key.to_lowercase()
    }

    /// Whether a request must bring the key with a value that is named here.
    pub fn demands(&self) -> bool {
        let is_plain = !self.if_exists && self.quantifier != Some(Quantifier::ForAllValues);
        is_plain && DEMANDS.contains(&self.operator) && !self.values.iter().any(|value| value == "*")
    }

    /// Whether it keeps out anybody at all.
    pub fn narrows(&self) -> bool {
        self.demands() && !ANYBODYS.contains(&self.plain_key().as_str())
    }

    /// Whether it says whose somebody must be.
    pub fn names_who(&self) -> bool {
        self.demands()
            && WHO.contains(&self.plain_key().as_str())
            && self.values.iter().all(|value| names_account(value))
    }
}

/// Whether a pattern means an account, an organisation or a thing in particular.
pub fn names_account(pattern: &str) -> bool {
    let any = |part: &str| part.starts_with(['*', '?']);
    match Arn::parse(pattern) {
        Some(arn) if arn.account.is_empty() => !any(arn.resource),
        Some(arn) => !arn.account.contains(['*', '?']),
        None if pattern.starts_with("arn:") => pattern.contains("${"),
        None => !any(pattern),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(operator: &str, key: &str, value: &str) -> Condition {
        let all = Condition::parse_all("Condition", &json!({ operator: { key: value } })).expect("a condition");
        all.into_iter().next().expect("one")
    }

    #[test]
    fn a_condition_demands_what_a_request_cannot_leave_out() {
        for (operator, value, expected) in [
            ("StringEquals", "a", true),
            ("ForAnyValue:StringLike", "a*", true),
            ("StringLike", "*", false),
            ("StringEqualsIfExists", "a", false),
            ("ForAllValues:StringEquals", "a", false),
            ("StringNotEquals", "a", false),
            ("Null", "false", false),
        ] {
            assert_eq!(condition(operator, "aws:PrincipalTag/team", value).narrows(), expected, "{operator} {value}");
        }
        assert!(!condition("Bool", "AWS:SecureTransport", "true").narrows());
    }

    #[test]
    fn an_account_is_named_by_its_own_words() {
        for (pattern, expected) in [
            ("123456789012", true),
            ("*", false),
            ("arn:aws:s3:::raw", true),
            ("arn:aws:s3:::*", false),
            ("arn:aws:iam::123456789012:role/*", true),
            ("arn:aws:iam::*:role/deployer", false),
            ("arn:${x.y.z}", true),
            ("arn:*", false),
        ] {
            assert_eq!(names_account(pattern), expected, "{pattern}");
        }
        assert!(condition("StringEquals", "AWS:SourceOwner", "123456789012").names_who());
        assert!(!condition("StringEquals", "sts:ExternalId", "shop").names_who());
    }
}
