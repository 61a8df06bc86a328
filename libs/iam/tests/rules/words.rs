//! What is said: refusals, missing statements, mistakes in documents.

use super::*;

#[test]
fn refusals_are_aws_sentences() {
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    let refusal = |policies: Policies| get().refusal(&policies.evaluate(&get()));
    let start =
        format!("User: {SESSION} is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::things/a");
    let denied = Policies {
        resource: Some(policy(
            Kind::Resource,
            json!([{ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*" }]),
        )),
        ..Policies::default()
    };
    let bounded = Policies {
        boundary: Some(policy(Kind::Boundary, json!([allow("ec2:*", "*")]))),
        ..identity(json!([allow("*", "*")]))
    };
    for (policies, expected) in [
        (Policies::default(), " because no identity-based policy allows the s3:GetObject action"),
        (identity(json!([deny("*", "*")])), " with an explicit deny in an identity-based policy"),
        (denied, " with an explicit deny in a resource-based policy"),
        (bounded, " because no permissions boundary allows the s3:GetObject action"),
    ] {
        assert_eq!(refusal(policies), format!("{start}{expected}"));
    }
}

#[test]
fn a_refusal_says_the_statement_that_is_missing() {
    let request = get().key("s3:prefix", "a");
    let decision = Policies::default().evaluate(&request);
    let missing = request.missing(&decision).expect("it is refused");
    assert_eq!(missing.statement(), allow("s3:GetObject", "arn:aws:s3:::things/a"));
    let said = missing.to_string();
    assert!(said.contains("no identity-based policy allows it") && said.contains("s3:prefix=a"), "{said}");
    // It is what was missing.
    assert!(identity(json!([missing.statement()])).evaluate(&request).is_allowed());
    let denied = identity(json!([allow("*", "*"), deny("s3:*", "*")])).evaluate(&request);
    let said = request.missing(&denied).expect("it is refused").to_string();
    assert!(said.starts_with("statement Never of Identity denies it"), "{said}");
    assert!(request.missing(&identity(json!([allow("*", "*")])).evaluate(&request)).is_none());
}

#[test]
fn what_is_no_policy_is_refused_with_the_place() {
    let statement = |member: &str, value: Value| {
        let mut statement = allow("s3:GetObject", "*");
        statement[member] = value;
        json!({ "Version": "2012-10-17", "Statement": [allow("*", "*"), statement] })
    };
    for (kind, document, place) in [
        (Kind::Identity, json!([]), "document"),
        (Kind::Identity, json!({ "Version": "2020-01-01", "Statement": [] }), "Version"),
        (Kind::Identity, json!({ "Version": "2012-10-17" }), "Statement"),
        (Kind::Identity, statement("Effect", json!("allow")), "Statement[1].Effect"),
        (Kind::Identity, statement("Actions", json!("*")), "Statement[1]"),
        (Kind::Identity, statement("NotAction", json!("s3:*")), "Statement[1]"),
        (Kind::Identity, statement("Action", json!("GetObject")), "Statement[1].Action"),
        (Kind::Identity, statement("Action", json!([])), "Statement[1].Action"),
        (Kind::Identity, statement("Resource", json!("things/*")), "Statement[1].Resource"),
        (Kind::Identity, statement("Resource", json!([1])), "Statement[1].Resource"),
        (Kind::Identity, statement("Principal", json!("*")), "Statement[1].Principal"),
        (
            Kind::Identity,
            statement("Condition", json!({ "StringIs": { "a:b": "c" } })),
            "Statement[1].Condition.StringIs",
        ),
        (
            Kind::Identity,
            statement("Condition", json!({ "NullIfExists": { "a:b": "true" } })),
            "Statement[1].Condition.NullIfExists",
        ),
        (Kind::Identity, statement("Condition", json!({ "ForSome:Bool": {} })), "Statement[1].Condition.ForSome:Bool"),
        (
            Kind::Identity,
            statement("Condition", json!({ "Bool": { "a:b": "yes" } })),
            "Statement[1].Condition.Bool.a:b",
        ),
        (
            Kind::Identity,
            statement("Condition", json!({ "IpAddress": { "a:b": "10/8" } })),
            "Statement[1].Condition.IpAddress.a:b",
        ),
        (
            Kind::Identity,
            statement("Condition", json!({ "NumericEquals": { "a:b": {} } })),
            "Statement[1].Condition.NumericEquals.a:b",
        ),
        (Kind::Resource, statement("Sid", json!("x")), "Statement[0]"),
        (
            Kind::Trust,
            json!({ "Version": "2012-10-17", "Statement": [grant(json!("*"), "sts:AssumeRole", "*")] }),
            "Statement[0].Resource",
        ),
        (
            Kind::Resource,
            json!({ "Version": "2012-10-17", "Statement": [grant(json!({ "Aws": "*" }), "s3:*", "*")] }),
            "Statement[0].Principal",
        ),
    ] {
        let error = Document::parse(kind, &document).expect_err(&document.to_string());
        assert_eq!(error.place, place, "{error}");
    }
    let one = json!({ "Version": "2012-10-17", "Statement": allow("*", "*") });
    assert!(Document::parse(Kind::Identity, &one).is_ok(), "a statement may stand alone");
    assert_eq!(Document::from_text(Kind::Identity, "{").expect_err("no JSON").place, "document");
}
