//! One account, identities alone: actions, resources, variables, denials.

use super::*;

#[test]
fn an_account_alone() {
    let everything = || allow("*", "*");
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html",
        vec![
            ("without a statement nothing is allowed", Policies::default(), get(), No(Kind::Identity)),
            (
                "a statement that matches allows",
                identity(json!([allow("s3:Get*", "arn:aws:s3:::things/*")])),
                get(),
                Yes,
            ),
            ("another action isn't", identity(json!([allow("s3:Put*", "*")])), get(), No(Kind::Identity)),
            ("another resource isn't", identity(json!([allow("s3:*", BUCKET)])), get(), No(Kind::Identity)),
            (
                "an explicit deny wins, whatever the order",
                identity(json!([deny("s3:GetObject", "*"), everything()])),
                get(),
                Denied(Kind::Identity),
            ),
            (
                "a deny of another policy wins",
                Policies::of_identity([
                    policy(Kind::Identity, json!([everything()])),
                    policy(Kind::Identity, json!([deny("s3:*", "arn:aws:s3:::things/*")])),
                ]),
                get(),
                Denied(Kind::Identity),
            ),
            (
                "the root user may do all",
                Policies::default(),
                Request::new(Principal::root("111122223333"), "s3:GetObject", "arn:aws:s3:::things/a"),
                Yes,
            ),
            (
                "a deny of the resource's policy holds for the root user",
                on_resource(json!([{ "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*" }])),
                Request::new(Principal::root("111122223333"), "s3:GetObject", "arn:aws:s3:::things/a"),
                Denied(Kind::Resource),
            ),
            (
                "an action without resources is asked on everything",
                identity(json!([allow("ec2:Describe*", "arn:aws:ec2:*:*:vpc/*")])),
                Request::new(session(), "ec2:DescribeVpcs", "*"),
                No(Kind::Identity),
            ),
            (
                "and allowed on everything",
                identity(json!([allow("ec2:Describe*", "*")])),
                Request::new(session(), "ec2:DescribeVpcs", "*"),
                Yes,
            ),
        ],
    );
}

#[test]
fn actions_and_resources() {
    let not = |element: &str, value: Value| {
        let mut statement = allow("s3:*", "*");
        let members = statement.as_object_mut().expect("an object");
        members.shift_remove(element.trim_start_matches("Not"));
        members.insert(element.to_owned(), value);
        identity(json!([statement]))
    };
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html",
        vec![
            ("case doesn't count", identity(json!([allow("S3:getobject", "*")])), get(), Yes),
            ("a question mark is one character", identity(json!([allow("s3:GetObjec?", "*")])), get(), Yes),
            ("not no character", identity(json!([allow("s3:GetObject?", "*")])), get(), No(Kind::Identity)),
            ("NotAction allows the rest", not("NotAction", json!(["s3:Put*", "iam:*"])), get(), Yes),
            ("and not what it names", not("NotAction", json!("s3:Get*")), get(), No(Kind::Identity)),
        ],
    );
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html",
        vec![
            (
                "names are compared with case",
                identity(json!([allow("*", "arn:aws:s3:::Things/*")])),
                get(),
                No(Kind::Identity),
            ),
            ("a star matches slashes", identity(json!([allow("*", "arn:aws:s3:::thi*/a")])), get(), Yes),
            ("NotResource allows the rest", not("NotResource", json!("arn:aws:s3:::others/*")), get(), Yes),
            ("and not what it names", not("NotResource", json!("arn:aws:s3:::things/*")), get(), No(Kind::Identity)),
        ],
    );
    let home = || identity(json!([allow("s3:*", "arn:aws:s3:::things/${aws:username}/*")]));
    let of = |principal: Principal, key: &str| {
        Request::new(principal, "s3:GetObject", &format!("arn:aws:s3:::things/{key}"))
    };
    judge(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html",
        vec![
            ("a variable is the request's value", home(), of(user(), "jane/a"), Yes),
            ("and no other", home(), of(user(), "john/a"), No(Kind::Identity)),
            ("without a value nothing matches", home(), of(session(), "/a"), No(Kind::Identity)),
            (
                "a tag of the caller",
                identity(json!([allow("s3:*", "arn:aws:s3:::things/${aws:PrincipalTag/team}/*")])),
                of(session(), "data/a").key("aws:PrincipalTag/team", "data"),
                Yes,
            ),
            (
                "variables need the version that has them",
                Policies::of_identity([Policy::new(
                    "old",
                    Document::parse(
                        Kind::Identity,
                        &json!({ "Statement": [allow("s3:*", "arn:aws:s3:::things/${aws:username}/*")] }),
                    )
                    .unwrap(),
                )]),
                of(user(), "jane/a"),
                No(Kind::Identity),
            ),
        ],
    );
}
