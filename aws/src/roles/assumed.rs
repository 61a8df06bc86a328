//! A role that is assumed by the credentials of a connection, as those of another account.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;

use crate::ask::ask;
use crate::connection::Aws;
use crate::errors::Error;

/// How long a session lasts, in seconds: every role allows as much, and who is a session already gets no more.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
const HOUR: i32 = 3_600;

/// A role that is to be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy may ask for, so that nobody is talked into assuming it for somebody else.
    pub external_id: Option<String>,
    /// What its sessions are called, in CloudTrail too: 2 to 64 letters, digits and `_+=,.@-`.
    pub session: String,
}

/// The credentials of a role.
#[derive(Debug)]
pub struct Assumed {
    /// The role.
    pub role: Role,
    /// Who assumes it.
    pub by: Aws,
}

impl Assumed {
    async fn begin(&self) -> Result<Credentials, Error> {
        let Role { arn, external_id, session } = &self.role;
        let call = crate::client!(self.by, "sts", aws_sdk_sts)
            .assume_role()
            .role_arn(arn)
            .role_session_name(session)
            .duration_seconds(HOUR)
            .set_external_id(external_id.clone());
        let given = ask(call.send()).await.map_err(|error| self.refusal(error))?;
        taken(given, "assumed")
    }

    /// What a refusal takes. The other errors say that nobody was asked, or that the question was wrong.
    fn refusal(&self, error: Error) -> Error {
        if !error.is_denied() {
            return error;
        }
        let Role { arn, external_id, .. } = &self.role;
        let id = external_id.as_ref().map_or_else(String::new, |id| format!(", under the external id `{id}`"));
        Error::configuration(format!(
            "the role {arn} can't be assumed ({error}): it takes the right sts:AssumeRole on it, and a trust policy that names \
             who has that{id}"
        ))
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.begin().await.map_err(CredentialsError::provider_error) })
    }
}

/// The credentials in an answer of STS; `provider` says where they come from.
pub fn taken(answer: AssumeRoleOutput, provider: &'static str) -> Result<Credentials, Error> {
    let given = answer.credentials.ok_or_else(|| Error::missing("sts", "AssumeRole.Credentials"))?;
    let expiry = SystemTime::try_from(given.expiration).map_err(|_| Error::missing("sts", "Credentials.Expiration"))?;
    let token = Some(given.session_token);
    Ok(Credentials::new(given.access_key_id, given.secret_access_key, token, Some(expiry), provider))
}
