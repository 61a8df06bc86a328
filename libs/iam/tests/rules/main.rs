//! The evaluator against the rules that AWS publishes, page by page.

use lakewright_iam::{Decision, Document, Kind, Policies, Policy, Principal, Request, ResourceRule};
use serde_json::{Value, json};

mod account;
mod conditions;
mod resources;
mod words;

const ROLE: &str = "arn:aws:iam::111122223333:role/team/app";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/host";
const USER: &str = "arn:aws:iam::111122223333:user/jane";
const BUCKET: &str = "arn:aws:s3:::things";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k";

/// What a case expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    /// No statement of a policy of the kind allows it.
    No(Kind),
    /// A statement of a policy of the kind denies it.
    Denied(Kind),
}
use Answer::{Denied, No, Yes};

fn document(kind: Kind, statements: Value) -> Document {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Document::parse(kind, &document).unwrap_or_else(|error| panic!("{error} in {document}"))
}

fn policy(kind: Kind, statements: Value) -> Policy {
    Policy::new(format!("{kind:?}"), document(kind, statements))
}

fn allow(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

fn allow_if(condition: Value) -> Value {
    json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition })
}

fn deny(action: &str, resource: &str) -> Value {
    json!({ "Sid": "Never", "Effect": "Deny", "Action": action, "Resource": resource })
}

fn grant(principal: Value, action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource })
}

fn identity(statements: Value) -> Policies {
    Policies::of_identity([policy(Kind::Identity, statements)])
}

fn on_resource(statements: Value) -> Policies {
    Policies { resource: Some(policy(Kind::Resource, statements)), ..Policies::default() }
}

fn session() -> Principal {
    Principal::session(ROLE, "host")
}

fn user() -> Principal {
    Principal::User { arn: USER.to_owned() }
}

fn get() -> Request {
    Request::new(session(), "s3:GetObject", "arn:aws:s3:::things/a")
}

fn answer(decision: &Decision) -> Answer {
    match decision {
        Decision::Allowed(_) => Yes,
        Decision::NotAllowed(kind) => No(*kind),
        Decision::ExplicitlyDenied(source) => Denied(source.kind),
    }
}

/// Judges each case: a rule in words, policies, a request and the answer.
fn judge(page: &str, cases: Vec<(&str, Policies, Request, Answer)>) {
    for (rule, policies, request, expected) in cases {
        let decision = policies.evaluate(&request);
        assert_eq!(answer(&decision), expected, "{rule}\n{page}\n{}", request.refusal(&decision));
    }
}
