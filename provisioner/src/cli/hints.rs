//! What went wrong, for people, with the cure where the code of an AWS error tells it.

use lakewright_aws::{Error, errors};

use super::say;
use crate::stack::Diagnostics;

/// Cures by error code.
const CURES: &[(&[&str], &str)] = &[
    (
        &[errors::NOT_CONNECTED, errors::NO_ANSWER],
        "check the endpoint (--endpoint-url, AWS_ENDPOINT_URL) and the network; `lakewright up` or `lakewright account` \
         runs an account on this machine",
    ),
    (
        &["BucketAlreadyExists"],
        "bucket names are unique on all of AWS and this one is somebody else's: give the bucket another `name` in the \
         stack file",
    ),
    (
        &["ExpiredToken", "ExpiredTokenException", "RequestExpired"],
        "the credentials have expired: log in again, for example with `aws sso login`",
    ),
    (
        &[
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "AuthFailure",
            "SignatureDoesNotMatch",
            "InvalidAccessKeyId",
        ],
        "AWS doesn't accept the credentials: check AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that \
         the region exists and is switched on for the account",
    ),
    (
        &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"],
        "the credentials lack that permission: the policy that lakewright needs has one statement for each service of \
         the stack",
    ),
];

/// Says what went wrong, on standard error.
pub fn report(error: &anyhow::Error) {
    let red = clap::builder::styling::AnsiColor::Red.on_default().bold();
    if let Some(diagnostics) = error.downcast_ref::<Diagnostics>() {
        return say(diagnostics.render(true).trim_end());
    }
    say(&format!("{red}error{red:#}: {error:#}"));
    if let Some(cure) = cure(error) {
        say(&format!("help: {cure}"));
    }
}

/// How to mend it, when an AWS error code tells.
pub fn cure(error: &anyhow::Error) -> Option<&'static str> {
    let aws = error.chain().find_map(|cause| cause.downcast_ref::<Error>())?;
    CURES.iter().find(|(codes, _)| codes.contains(&aws.code.as_str())).map(|(_, cure)| *cure)
}
