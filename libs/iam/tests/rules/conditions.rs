//! Conditions on keys of one value and of several.

use super::*;

#[test]
fn conditions_on_one_value() {
    let tag = |value: &str| get().key("aws:ResourceTag/stack", value);
    let equals =
        |operator: &str| identity(json!([allow_if(json!({ operator: { "aws:ResourceTag/stack": ["a", "b"] } }))]));
    let one =
        |operator: &str, key: &str, value: Value| identity(json!([allow_if(json!({ operator: { key: value } }))]));
    let no = No(Kind::Identity);
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html",
        vec![
            ("values are alternatives", equals("StringEquals"), tag("b"), Yes),
            ("no other value", equals("StringEquals"), tag("c"), no),
            ("case counts", equals("StringEquals"), tag("A"), no),
            ("or not", equals("StringEqualsIgnoreCase"), tag("A"), Yes),
            ("a missing key matches nothing", equals("StringEquals"), get(), no),
            ("IfExists holds without the key", equals("StringEqualsIfExists"), get(), Yes),
            ("IfExists compares what is there", equals("StringEqualsIfExists"), tag("c"), no),
            ("a negation holds for neither of the values", equals("StringNotEquals"), tag("b"), no),
            ("a negation holds for others", equals("StringNotEquals"), tag("c"), Yes),
            ("a negation holds without the key", equals("StringNotEquals"), get(), Yes),
            ("keys' names have no case", one("StringEquals", "AWS:resourcetag/STACK", json!("a")), tag("a"), Yes),
            ("StringEquals has no wildcards", one("StringEquals", "aws:ResourceTag/stack", json!("a*")), tag("ab"), no),
            ("StringLike has", one("StringLike", "aws:ResourceTag/stack", json!("a*")), tag("ab"), Yes),
            ("StringNotLike denies it", one("StringNotLike", "aws:ResourceTag/stack", json!("a*")), tag("ab"), no),
            (
                "a value may be a variable",
                one("StringEquals", "aws:ResourceTag/stack", json!("${aws:PrincipalTag/stack}")),
                tag("a").key("aws:PrincipalTag/stack", "a"),
                Yes,
            ),
            (
                "a variable without a value matches nothing",
                one("StringEquals", "aws:ResourceTag/stack", json!("${aws:PrincipalTag/stack}")),
                tag("a"),
                no,
            ),
            ("Null true: the key must be absent", one("Null", "aws:ResourceTag/stack", json!("true")), get(), Yes),
            ("Null true: it is there", one("Null", "aws:ResourceTag/stack", json!(true)), tag("a"), no),
            ("Null false: it must be there", one("Null", "aws:ResourceTag/stack", json!("false")), tag("a"), Yes),
            ("Null false: it is absent", one("Null", "aws:ResourceTag/stack", json!("false")), get(), no),
            ("Bool", one("Bool", "aws:SecureTransport", json!(true)), get().key("aws:SecureTransport", "true"), Yes),
            ("Bool of a missing key", one("Bool", "aws:SecureTransport", json!("false")), get(), no),
            ("Bool if it exists", one("BoolIfExists", "aws:MultiFactorAuthPresent", json!("false")), get(), Yes),
            (
                "ARNs part by part",
                one("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::111122223333:role/team/*")),
                get(),
                Yes,
            ),
            (
                "an ARN's star stays in its part",
                one("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam:*:role/team/app")),
                get(),
                no,
            ),
            (
                "ArnEquals has wildcards too",
                one("ArnEquals", "aws:PrincipalArn", json!("arn:*:iam::*:role/*")),
                get(),
                Yes,
            ),
            ("ArnNotLike", one("ArnNotLike", "aws:PrincipalArn", json!("arn:aws:iam::*:role/team/*")), get(), no),
            (
                "ArnNotEquals",
                one("ArnNotEquals", "aws:PrincipalArn", json!("arn:aws:iam::*:role/others/*")),
                get(),
                Yes,
            ),
            ("numbers", one("NumericLessThanEquals", "s3:max-keys", json!(10)), get().key("s3:max-keys", "10"), Yes),
            ("numbers beyond", one("NumericLessThan", "s3:max-keys", json!("10")), get().key("s3:max-keys", "10"), no),
            (
                "numbers above",
                one("NumericGreaterThan", "s3:max-keys", json!(9.5)),
                get().key("s3:max-keys", "10"),
                Yes,
            ),
            (
                "dates",
                one("DateLessThan", "aws:CurrentTime", json!("2026-01-01T00:00:00Z")),
                get().key("aws:CurrentTime", "2025-12-31T23:59:59Z"),
                Yes,
            ),
            (
                "dates and seconds",
                one("DateGreaterThanEquals", "aws:EpochTime", json!("2026-01-01")),
                get().key("aws:EpochTime", "1767225600"),
                Yes,
            ),
            (
                "addresses",
                one("IpAddress", "aws:SourceIp", json!(["192.0.2.0/24", "2001:db8::/32"])),
                get().key("aws:SourceIp", "192.0.2.9"),
                Yes,
            ),
            (
                "addresses of the other family",
                one("IpAddress", "aws:SourceIp", json!("0.0.0.0/0")),
                get().key("aws:SourceIp", "2001:db8::1"),
                no,
            ),
            (
                "addresses outside",
                one("NotIpAddress", "aws:SourceIp", json!("192.0.2.0/24")),
                get().key("aws:SourceIp", "198.51.100.1"),
                Yes,
            ),
            (
                "several keys must all match",
                identity(json!([allow_if(
                    json!({ "StringEquals": { "aws:ResourceTag/stack": "a", "aws:RequestedRegion": "r" } })
                )])),
                tag("a"),
                no,
            ),
            (
                "several operators must all match",
                identity(json!([allow_if(json!({
                    "StringEquals": { "aws:ResourceTag/stack": "a" }, "Null": { "aws:RequestedRegion": "true" } }))])),
                tag("a"),
                Yes,
            ),
        ],
    );
}

#[test]
fn conditions_on_several_values() {
    let with = |operator: &str| identity(json!([allow_if(json!({ operator: { "aws:TagKeys": ["stack", "Name"] } }))]));
    let keys = |keys: &[&str]| get().keys("aws:TagKeys", keys);
    let no = No(Kind::Identity);
    let both = || {
        let condition = json!({
            "ForAllValues:StringEquals": { "aws:TagKeys": ["stack"] }, "Null": { "aws:TagKeys": "false" } });
        identity(json!([allow_if(condition)]))
    };
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html",
        vec![
            (
                "all values must match one of the policy's",
                with("ForAllValues:StringEquals"),
                keys(&["Name", "stack"]),
                Yes,
            ),
            ("one that doesn't is enough", with("ForAllValues:StringEquals"), keys(&["Name", "team"]), no),
            ("ForAllValues is true of a missing key", with("ForAllValues:StringEquals"), get(), Yes),
            ("Null false closes that", both(), get(), no),
            ("and lets the key in", both(), keys(&["stack"]), Yes),
            ("any value is enough", with("ForAnyValue:StringEquals"), keys(&["Name", "team"]), Yes),
            ("none is not", with("ForAnyValue:StringEquals"), keys(&["team"]), no),
            ("ForAnyValue is false of a missing key", with("ForAnyValue:StringEquals"), get(), no),
            ("unless it may be absent", with("ForAnyValue:StringEqualsIfExists"), get(), Yes),
            ("none of the values", with("ForAllValues:StringNotEquals"), keys(&["team", "Name"]), no),
            ("wildcards", with("ForAllValues:StringLike"), keys(&["Name"]), Yes),
        ],
    );
}
