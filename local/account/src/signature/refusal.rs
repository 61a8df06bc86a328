//! Why a signature isn't valid, in the words of each protocol.

use crate::error::AwsError;
use crate::protocol::Protocol;

/// Why a signature isn't valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The signature is another.
    Mismatch,
    /// The client's clock is wrong.
    Skewed,
    /// The time of a presigned URL is over.
    Expired,
    /// The time of temporary credentials is over.
    SessionOver,
    /// The session token is missing, or another.
    Token,
    /// The access key was not given out here.
    Key,
    /// Something of it is missing or can't be read.
    Malformed(String),
}

/// Where AWS says the same of all signatures that are wrong.
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check the secret access \
                        key; `lakewright env` prints that of an account on this machine.";

impl Refusal {
    /// The error, as the protocol calls it; S3 has none of the others.
    pub fn error(&self, protocol: Option<Protocol>) -> AwsError {
        let (s3, ec2, query, json) = self.codes();
        let code = match protocol {
            None => s3,
            Some(Protocol::Ec2) => ec2,
            Some(Protocol::Query(_) | Protocol::RestXml(_)) => query,
            Some(Protocol::Json(_) | Protocol::RestJson(_) | Protocol::Cbor) => json,
        };
        AwsError::new(code, self.message()).status(if matches!(self, Self::Malformed(_)) { 400 } else { 403 })
    }

    /// S3's code, EC2's, that of the query protocol and that of JSON.
    fn codes(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Mismatch => {
                ("SignatureDoesNotMatch", "AuthFailure", "SignatureDoesNotMatch", "InvalidSignatureException")
            }
            Self::Skewed => {
                ("RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException")
            }
            Self::Expired => ("AccessDenied", "RequestExpired", "RequestExpired", "InvalidSignatureException"),
            Self::SessionOver => ("ExpiredToken", "RequestExpired", "ExpiredToken", "ExpiredTokenException"),
            Self::Token => ("InvalidToken", "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"),
            Self::Key => ("InvalidAccessKeyId", "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"),
            Self::Malformed(_) => {
                ("AuthorizationHeaderMalformed", "AuthFailure", "IncompleteSignature", "IncompleteSignatureException")
            }
        }
    }

    fn message(&self) -> String {
        let text = match self {
            Self::Mismatch => MISMATCH,
            Self::Skewed => "Signature expired or not yet current: the clocks differ by more than 15 minutes.",
            Self::Expired => "Request has expired",
            Self::SessionOver => "The security token included in the request is expired",
            Self::Token => "The security token included in the request is invalid",
            Self::Key => "The access key id is not one that this account gave out",
            Self::Malformed(what) => return format!("Authorization is malformed: {what}"),
        };
        text.to_owned()
    }
}
