//! The mode in which the account judges each call by IAM's policies, as AWS does.
//!
//! A service's file here says what each of its operations asks for: actions, the resources of each, condition keys.
//! [`crate::access`] finds the policies of the caller and of the resource, and `lakewright-iam` answers. An operation that no file
//! knows is refused by its name. S3 does the same for itself, because some of its requests have to be read first. Whoever signs with an account's number or with a key of no account is that account's
//! administrator and may do all, but becoming a role, which its trust policy decides.

mod asks;

mod application_autoscaling;
mod athena;
mod autoscaling;
mod budgets;
mod cloudwatch;
mod codebuild;
mod codepipeline;
mod ec2;
mod emr;
mod events;
mod glue;
mod iam;
mod kms;
mod lambda;
mod logs;
mod msk;
mod plain;
mod route53;
mod secrets;
mod sns;
mod sqs;
mod ssm;
mod sts;
mod tagging;

use crate::access::{Ask, Caller, decide, global, refuse};
use crate::account::Account;
use crate::error::AwsError;
use crate::request::Request;
use crate::store::Scope;
use asks::Asks;

/// Says what a call asks for; nothing when the operation isn't known.
type Mapping = fn(&mut Asks<'_, '_>) -> Option<()>;

/// The services but S3, by signing name.
const MAPPINGS: [(&str, Mapping); 25] = [
    ("application-autoscaling", application_autoscaling::asks),
    ("athena", athena::asks),
    ("autoscaling", autoscaling::asks),
    ("budgets", budgets::asks),
    ("codebuild", codebuild::asks),
    ("codepipeline", codepipeline::asks),
    ("ec2", ec2::asks),
    ("emr-serverless", emr::asks),
    ("events", events::asks),
    ("glue", glue::asks),
    ("iam", iam::asks),
    ("kafka", msk::asks),
    ("kms", kms::asks),
    ("lambda", lambda::asks),
    ("logs", logs::asks),
    ("monitoring", cloudwatch::asks),
    ("pricing", plain::pricing),
    ("route53", route53::asks),
    ("secretsmanager", secrets::asks),
    ("servicequotas", plain::quotas),
    ("sns", sns::asks),
    ("sqs", sqs::asks),
    ("ssm", ssm::asks),
    ("sts", sts::asks),
    ("tagging", tagging::asks),
];

/// Services that stand in no region, and the one that their requests are asked in.
const HOMES: [(&str, &str); 3] = [("budgets", "us-east-1"), ("iam", "us-east-1"), ("route53", "us-east-1")];

/// Refuses a call that the policies don't allow, as its service does.
pub(crate) fn call(account: &Account, service: &str, request: &Request) -> Result<(), AwsError> {
    if !account.enforce {
        return Ok(());
    }
    let home = HOMES.iter().find(|(name, _)| *name == service).map(|(_, region)| *region);
    let region = home.unwrap_or(&request.region);
    account.transact_at(Scope::new(&request.account, &request.region), |state| {
        let caller = Caller::of(state, &request.access_key, &request.account)?;
        let mut asks = Asks::new(state, request);
        let mapping = MAPPINGS.iter().find(|(name, _)| *name == service).map(|(_, mapping)| *mapping);
        if mapping.and_then(|mapping| mapping(&mut asks)).is_none() {
            return if caller.is_administrator() { Ok(()) } else { Err(refuse::unknown(service, &request.operation)) };
        }
        for ask in asks.done() {
            decide(state, &caller, ask, region).map_err(|denied| refuse::error(service, &denied))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
