//! Policies of resources, boundaries, sessions, other accounts, keys and roles.

use super::*;

#[test]
fn policies_of_resources_in_the_same_account() {
    let bounded = |statements: Value| Policies {
        boundary: Some(policy(Kind::Boundary, json!([allow("ec2:*", "*")]))),
        ..on_resource(statements)
    };
    let with_session = |statements: Value| Policies {
        session: Some(vec![policy(Kind::Session, json!([allow("ec2:*", "*")]))]),
        ..on_resource(statements)
    };
    let to = |principal: Value| json!([grant(principal, "s3:*", "arn:aws:s3:::things/*")]);
    let by_user = || Request::new(user(), "s3:GetObject", "arn:aws:s3:::things/a");
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html",
        vec![
            ("either side is enough", on_resource(to(json!({ "AWS": ROLE }))), get(), Yes),
            ("naming the session", on_resource(to(json!({ "AWS": SESSION }))), get(), Yes),
            (
                "naming another session",
                on_resource(to(json!({ "AWS": format!("{SESSION}2") }))),
                get(),
                No(Kind::Identity),
            ),
            (
                "naming the account leaves it to the account",
                on_resource(to(json!({ "AWS": "111122223333" }))),
                get(),
                No(Kind::Identity),
            ),
            (
                "naming its root likewise",
                on_resource(to(json!({ "AWS": "arn:aws:iam::111122223333:root" }))),
                get(),
                No(Kind::Identity),
            ),
            ("naming everybody", on_resource(to(json!("*"))), get(), Yes),
            (
                "naming a service is no role's",
                on_resource(to(json!({ "Service": "ec2.amazonaws.com" }))),
                get(),
                No(Kind::Identity),
            ),
            ("a boundary bounds what the role gets", bounded(to(json!({ "AWS": ROLE }))), get(), No(Kind::Boundary)),
            ("not what the session gets", bounded(to(json!({ "AWS": SESSION }))), get(), Yes),
            ("nor what a user gets", bounded(to(json!({ "AWS": USER }))), by_user(), Yes),
            (
                "a session's policy bounds what the role gets",
                with_session(to(json!({ "AWS": ROLE }))),
                get(),
                No(Kind::Session),
            ),
            ("not what the session gets itself", with_session(to(json!({ "AWS": SESSION }))), get(), Yes),
        ],
    );
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles",
        vec![(
            "a boundary doesn't bound what everybody gets, with the role in a condition",
            bounded(json!([{
                "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::things/*",
                "Condition": { "ArnEquals": { "aws:PrincipalArn": ROLE } } }])),
            get(),
            Yes,
        )],
    );
}

#[test]
fn boundaries_and_sessions() {
    let within = |boundary: Value, identity: Value| Policies {
        boundary: Some(policy(Kind::Boundary, json!([boundary]))),
        ..Policies::of_identity([policy(Kind::Identity, json!([identity]))])
    };
    let in_session = |session: Vec<Value>| Policies {
        session: Some(session.into_iter().map(|one| policy(Kind::Session, json!([one]))).collect()),
        ..Policies::of_identity([policy(Kind::Identity, json!([allow("*", "*")]))])
    };
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html",
        vec![
            ("both allow", within(allow("s3:*", "*"), allow("s3:Get*", "*")), get(), Yes),
            ("a boundary gives nothing", within(allow("*", "*"), allow("ec2:*", "*")), get(), No(Kind::Identity)),
            ("a boundary bounds", within(allow("ec2:*", "*"), allow("*", "*")), get(), No(Kind::Boundary)),
            ("a boundary denies", within(deny("s3:*", "*"), allow("*", "*")), get(), Denied(Kind::Boundary)),
        ],
    );
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session",
        vec![
            ("a session's policy bounds", in_session(vec![allow("ec2:*", "*")]), get(), No(Kind::Session)),
            ("one of several is enough", in_session(vec![allow("ec2:*", "*"), allow("s3:*", "*")]), get(), Yes),
            ("one denies", in_session(vec![deny("s3:*", "*"), allow("s3:*", "*")]), get(), Denied(Kind::Session)),
        ],
    );
}

#[test]
fn all_but_the_named() {
    let closed = |named: Value| {
        let statement = json!({ "Sid": "Closed", "Effect": "Deny", "NotPrincipal": { "AWS": named }, "Action": "*", "Resource": "*" });
        Policies {
            resource: Some(policy(Kind::Resource, json!([statement]))),
            ..Policies::of_identity([policy(Kind::Identity, json!([allow("*", "*")]))])
        }
    };
    let all = || json!(["111122223333", ROLE, SESSION]);
    let bounded = || Policies { boundary: Some(policy(Kind::Boundary, json!([allow("*", "*")]))), ..closed(all()) };
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html",
        vec![
            ("account, role and session are named", closed(all()), get(), Yes),
            ("the account isn't", closed(json!([ROLE, SESSION])), get(), Denied(Kind::Resource)),
            ("the session isn't", closed(json!(["111122223333", ROLE])), get(), Denied(Kind::Resource)),
            ("a caller with a boundary is always denied", bounded(), get(), Denied(Kind::Resource)),
        ],
    );
}

#[test]
fn across_accounts() {
    let theirs = || get().owned_by("444455556666");
    let both = |principal: Value, action: &str| Policies {
        identity: vec![policy(Kind::Identity, json!([allow(action, "arn:aws:s3:::things/*")]))],
        ..on_resource(json!([grant(principal, "s3:*", "arn:aws:s3:::things/*")]))
    };
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html",
        vec![
            ("both sides", both(json!({ "AWS": ROLE }), "s3:*"), theirs(), Yes),
            ("both sides, the account named", both(json!({ "AWS": "111122223333" }), "s3:*"), theirs(), Yes),
            ("the resource's alone", both(json!({ "AWS": ROLE }), "ec2:*"), theirs(), No(Kind::Identity)),
            ("even when it names the session", both(json!({ "AWS": SESSION }), "ec2:*"), theirs(), No(Kind::Identity)),
            ("or everybody", both(json!("*"), "ec2:*"), theirs(), No(Kind::Identity)),
            ("the caller's alone", identity(json!([allow("*", "*")])), theirs(), No(Kind::Resource)),
            ("another account named", both(json!({ "AWS": "777788889999" }), "s3:*"), theirs(), No(Kind::Resource)),
        ],
    );
}

#[test]
fn keys_and_roles_decide_for_themselves() {
    let key = |statements: Value, identity: Value| Policies {
        identity: vec![policy(Kind::Identity, identity)],
        rule: ResourceRule::Decides,
        ..on_resource(statements)
    };
    let root = || json!([grant(json!({ "AWS": "arn:aws:iam::111122223333:root" }), "kms:*", "*")]);
    let decrypt = || Request::new(session(), "kms:Decrypt", KEY).key("kms:ViaService", "s3.eu-west-1.amazonaws.com");
    let closed = || json!([grant(json!({ "AWS": "arn:aws:iam::111122223333:role/other" }), "kms:*", "*")]);
    let all = || json!([allow("kms:*", "*")]);
    judge(
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
        vec![
            ("the account decides when the policy names it", key(root(), all()), decrypt(), Yes),
            (
                "and its policies must then allow",
                key(root(), json!([allow("s3:*", "*")])),
                decrypt(),
                No(Kind::Identity),
            ),
            ("without the account they count for nothing", key(closed(), all()), decrypt(), No(Kind::Resource)),
            (
                "not even for the account's root",
                key(closed(), all()),
                Request::new(Principal::root("111122223333"), "kms:Decrypt", KEY),
                No(Kind::Resource),
            ),
            (
                "naming the role is enough",
                key(json!([grant(json!({ "AWS": ROLE }), "kms:Decrypt", "*")]), json!([allow("s3:*", "*")])),
                decrypt(),
                Yes,
            ),
            (
                "a deny by ViaService",
                key(
                    root(),
                    json!([all()[0], { "Effect": "Deny", "Action": "kms:*", "Resource": "*",
                    "Condition": { "StringNotEquals": { "kms:ViaService": "ec2.eu-west-1.amazonaws.com" } } }]),
                ),
                decrypt(),
                Denied(Kind::Identity),
            ),
        ],
    );
    let trust = |principal: Value, identity: Value| {
        let statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole",
            "Condition": { "StringEqualsIfExists": { "sts:ExternalId": "x" } } });
        Policies {
            identity: vec![policy(Kind::Identity, identity)],
            resource: Some(policy(Kind::Trust, json!([statement]))),
            rule: ResourceRule::Decides,
            ..Policies::default()
        }
    };
    let become_it =
        |principal: Principal| Request::new(principal, "sts:AssumeRole", "arn:aws:iam::111122223333:role/deploy");
    let may = || json!([allow("sts:AssumeRole", "*")]);
    let service = || Principal::Service("ec2.amazonaws.com".to_owned());
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
        vec![
            (
                "the trust policy names the account",
                trust(json!({ "AWS": "111122223333" }), may()),
                become_it(session()),
                Yes,
            ),
            (
                "and the caller's doesn't allow",
                trust(json!({ "AWS": "111122223333" }), json!([allow("s3:*", "*")])),
                become_it(session()),
                No(Kind::Identity),
            ),
            ("it names another", trust(json!({ "AWS": "444455556666" }), may()), become_it(session()), No(Kind::Trust)),
            (
                "a service that it names",
                trust(json!({ "Service": "ec2.amazonaws.com" }), may()),
                become_it(service()),
                Yes,
            ),
            (
                "a service that it doesn't",
                trust(json!({ "Service": "lambda.amazonaws.com" }), may()),
                become_it(service()),
                No(Kind::Trust),
            ),
            (
                "its condition",
                trust(json!({ "AWS": ROLE }), may()),
                become_it(session()).key("sts:ExternalId", "y"),
                No(Kind::Trust),
            ),
        ],
    );
}
