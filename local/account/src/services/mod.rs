//! The services of the account, and what it takes to add one.
//!
//! A service is a folder here with a type that implements [`Service`], and one line in [`all`]. For instance:
//!
//! ```ignore
//! #[async_trait]
//! impl Service for Widgets {
//!     fn name(&self) -> &'static str { "widgets" }                 // the signing name in the credential scope
//!     fn protocol(&self) -> Protocol { Protocol::Json("Widgets_20260101") }
//!
//!     async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
//!         account.transact(request, |state| match request.operation.as_str() {
//!             "CreateWidget" => create(state, request),
//!             _ => Err(unknown_operation(request)),
//!         })
//!     }
//! }
//! ```
//!
//! - `request.input` has the names on the wire (EC2: `VpcId.1` → `{"VpcId": ["…"]}`, `Filter`, `TagSpecification`; query:
//!   `Tags.member.1.Key` → `{"Tags": [{"Key": …}]}`; rest-json and rest-xml: path labels, query parameters and body in
//!   one object).
//!   [`crate::fields::Fields`] reads them (`text`, `number`, `flag`, `list`, `texts`, `need`), text or typed alike.
//! - The answer is a [`Value`] with the names on the wire. EC2: arrays become `<name><item>…`, query: `<name><member>…`,
//!   rest-xml: `<name>` once for each item; null members are left out; the wrappers, the request id, and rest-xml's
//!   statuses and headers are added by the frame. The JSON protocols send it as it is: leave nulls out yourself where
//!   clients mind. Times: [`crate::clock::iso`] for XML and MSK, `epoch` for JSON.
//! - `account.transact(request, |state| …)` is one atomic, durable change of the documents in the caller's account and
//!   region; an error undoes it. It is synchronous: never wait inside it, and do slow things between two transactions.
//!   `state.region(GLOBAL)` reaches what has no region (IAM). Work that outlives a call: clone the `Arc<Account>` and
//!   `tokio::spawn`; it must begin again from the documents after a restart ([`Service::start`]).
//! - Collections are named `service/thing`: `state.put("ec2/vpc", &id, &vpc)`.
//! - Tags: `state.set_tags(arn, …)` on create (also when empty, so that the tagging API knows the resource),
//!   `add_tags`, `remove_tags`, `tags`, and `forget_tags` when the thing is gone. This is the one tag index.
//! - Client tokens: `state.answered(operation, token, &input)` before, `state.remember(…)` after. Take the token out of
//!   the input that you pass when clients send another with each retry; normally pass it as it is.
//! - States over time: keep the time from `state.done_in(seconds)` in the document and compare it with `state.now()` when
//!   reading: without delays it has passed at once.
//! - Late visibility: `state.delays().visible(written, state.now(), seconds)`.
//! - Pages: [`crate::pages::page`].

pub mod application_autoscaling;
pub mod athena;
pub mod autoscaling;
pub mod budgets;
pub mod cloudwatch;
pub mod codebuild;
pub mod codepipeline;
pub mod ec2;
pub mod emr;
pub mod events;
pub mod glue;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
pub mod msk;
pub mod pricing;
pub mod quotas;
pub mod route53;
pub(crate) mod s3;
pub mod secrets;
pub mod sns;
pub mod sqs;
pub mod ssm;
pub mod sts;
pub mod tagging;

use crate::account::Account;
use crate::error::AwsError;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// One AWS service.
#[async_trait]
pub trait Service: Send + Sync {
    /// The signing name, as it stands in credential scopes.
    fn name(&self) -> &'static str;

    /// The protocol.
    fn protocol(&self) -> Protocol;

    /// The protocols that it speaks besides, to those who ask so. Its times are then ISO texts in every answer.
    fn also(&self) -> &'static [Protocol] {
        &[]
    }

    /// Whether the service has no regions: its requests then carry the region [`crate::state::GLOBAL`].
    fn global(&self) -> bool {
        false
    }

    /// Goes on with work that a restart interrupted.
    fn start(&self, _account: &Arc<Account>) {}

    /// Answers one call.
    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError>;
}

/// Every service that the account has.
pub fn all() -> Vec<Box<dyn Service>> {
    vec![
        Box::new(application_autoscaling::ApplicationAutoScaling),
        Box::new(athena::Athena::default()),
        Box::new(autoscaling::AutoScaling),
        Box::new(codebuild::CodeBuild),
        Box::new(codepipeline::CodePipeline),
        Box::new(budgets::Budgets),
        Box::new(cloudwatch::CloudWatch),
        Box::new(sns::Sns),
        Box::new(sqs::Sqs),
        Box::new(ec2::Ec2 { settle: autoscaling::settle }),
        Box::new(emr::EmrServerless::default()),
        Box::new(events::Events),
        Box::new(glue::Glue),
        Box::new(msk::Msk),
        Box::new(sts::Sts),
        Box::new(iam::Iam),
        Box::new(kms::Kms),
        Box::new(lambda::Lambda),
        Box::new(secrets::Secrets),
        Box::new(logs::Logs),
        Box::new(ssm::Ssm),
        Box::new(tagging::Tagging),
        Box::new(pricing::Pricing),
        Box::new(quotas::Quotas),
        Box::new(route53::Route53),
    ]
}

/// The signing names of all services.
pub(crate) fn names() -> Vec<&'static str> {
    all().iter().map(|service| service.name()).chain(["s3"]).collect()
}

/// The error for an operation that the service doesn't have (here).
pub fn unknown_operation(request: &Request) -> AwsError {
    AwsError::new("UnknownOperationException", format!("the local account has no operation {}", request.operation))
}
