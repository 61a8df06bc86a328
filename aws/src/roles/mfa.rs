//! Roles that ask for a code of a device (MFA), which the SDK's own profiles don't know.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::assumed::taken;
use super::session;
use crate::ask::ask;
use crate::connection::Aws;
use crate::credentials::profile::Profiles;
use crate::errors::Error;

/// Asks a person for the code of a device, named by its ARN. Absent where there is no terminal.
pub type Code = fn(&str) -> std::io::Result<String>;

/// How long a session lasts when the profile doesn't say.
const HOUR: i32 = 3_600;
/// A session that ends sooner is begun anew.
const EARLY: Duration = Duration::from_secs(300);

/// What a profile says of its role.
#[derive(Debug, Clone)]
struct Role {
    profile: String,
    arn: String,
    external_id: Option<String>,
    session_name: Option<String>,
    seconds: i32,
    serial: Option<String>,
}

/// The credentials of a role that asks for a code.
#[derive(Debug)]
struct Session {
    role: Role,
    base: SharedCredentialsProvider,
    sdk: SdkConfig,
    http: SharedHttpClient,
    code: Option<Code>,
}

/// The provider of the profile that is meant, if a role on the way to it has an `mfa_serial`; otherwise the SDK's own serves.
///
/// # Errors
/// The profiles name each other in a circle, or a role without a source.
pub async fn provider(
    profiles: &Profiles,
    sdk: &SdkConfig,
    http: &SharedHttpClient,
    code: Option<Code>,
) -> Result<Option<SharedCredentialsProvider>, Error> {
    let roles = roles(profiles)?;
    if roles.iter().all(|role| role.serial.is_none()) {
        return Ok(None);
    }
    let last = roles.last().expect("one of them has a serial");
    let source = profiles.get(&last.profile, "source_profile").unwrap_or(&last.profile);
    let mut base = base(profiles, source, http).await;
    for role in roles.into_iter().rev() {
        let (sdk, http) = (sdk.clone(), http.clone());
        base = SharedCredentialsProvider::new(Session { role, base, sdk, http, code });
    }
    Ok(Some(base))
}

/// The roles on the way from the profile that is meant to keys, in this order.
fn roles(profiles: &Profiles) -> Result<Vec<Role>, Error> {
    let mut roles = Vec::new();
    let mut seen = BTreeSet::new();
    let mut name = profiles.name.as_str();
    while let Some(arn) = profiles.get(name, "role_arn") {
        if !seen.insert(name) {
            return Err(Error::configuration(format!(
                "the profile `{name}` is its own source; let `source_profile` name another one"
            )));
        }
        let get = |setting: &str| profiles.get(name, setting).map(str::to_owned);
        let seconds = get("duration_seconds").and_then(|text| text.parse().ok()).unwrap_or(HOUR);
        roles.push(Role {
            profile: name.to_owned(),
            arn: arn.to_owned(),
            external_id: get("external_id"),
            session_name: get("role_session_name"),
            seconds,
            serial: get("mfa_serial"),
        });
        match profiles.get(name, "source_profile") {
            // A profile may name itself: then its own keys serve.
            Some(source) if source != name => name = source,
            Some(_) => break,
            None if get("mfa_serial").is_none() => break,
            None => {
                return Err(Error::configuration(format!(
                    "the profile `{name}` has a role with `mfa_serial` and no `source_profile`; name the profile whose keys assume it"
                )));
            }
        }
    }
    Ok(roles)
}

/// The provider of the profile that has keys itself.
async fn base(profiles: &Profiles, name: &str, http: &SharedHttpClient) -> SharedCredentialsProvider {
    let get = |setting: &str| profiles.get(name, setting);
    if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
        let token = get("aws_session_token").map(str::to_owned);
        return SharedCredentialsProvider::new(Credentials::new(id, secret, token, None, "profile"));
    }
    let config = ProviderConfig::with_default_region().await.with_http_client(http.clone());
    SharedCredentialsProvider::new(
        ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build(),
    )
}

impl Session {
    async fn begin(&self) -> Result<Credentials, Error> {
        let Role { profile, arn, serial, .. } = &self.role;
        let place = session::place(&[profile, arn, serial.as_deref().unwrap_or_default()]);
        let kept = place.as_deref().and_then(session::read);
        if let Some(kept) = kept.filter(|kept| kept.expiry().is_some_and(|expiry| expiry > SystemTime::now() + EARLY)) {
            return Ok(kept);
        }
        let code = serial.as_deref().map(|serial| self.ask_for_code(serial)).transpose()?;
        let sdk = self.sdk.clone().into_builder().credentials_provider(self.base.clone()).build();
        let aws = Aws::over(sdk, self.http.clone())?;
        let session_name = self.role.session_name.clone().unwrap_or_else(|| "lakewright".to_owned());
        let call = crate::client!(aws, "sts", aws_sdk_sts)
            .assume_role()
            .role_arn(arn)
            .role_session_name(session_name)
            .duration_seconds(self.role.seconds)
            .set_external_id(self.role.external_id.clone())
            .set_serial_number(serial.clone())
            .set_token_code(code);
        let fresh = taken(ask(call.send()).await?, "mfa")?;
        if let Some(place) = &place
            && let Err(error) = session::write(place, &fresh)
        {
            tracing::warn!(%error, path = %place.display(), "the session is not kept: the next command asks for a code again");
        }
        Ok(fresh)
    }

    fn ask_for_code(&self, serial: &str) -> Result<String, Error> {
        let profile = &self.role.profile;
        let Some(code) = self.code else {
            return Err(Error::configuration(format!(
                "the profile `{profile}` asks for a code of {serial}, and there is no terminal to type it; run a command in a \
                 terminal first, whose session is kept for its {} min, or use a role without MFA here",
                self.role.seconds / 60
            )));
        };
        let typed = code(serial).map_err(|error| Error::configuration(format!("no code for {serial}: {error}")))?;
        let typed = typed.trim();
        if typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(typed.to_owned());
        }
        Err(Error::configuration(format!("a code of {serial} has six digits; wait for the next one and try again")))
    }
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.begin().await.map_err(CredentialsError::provider_error) })
    }
}
