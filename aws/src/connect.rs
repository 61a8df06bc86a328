//! How a connection comes about: by what the environment and AWS's configuration files say, or by a role that another connection
//! assumes.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::connection::{Aws, region};
use crate::credentials::Keeper;
use crate::credentials::profile::{Origin, Profiles};
use crate::endpoint;
use crate::errors::Error;
use crate::roles::assumed::{Assumed, Role};
use crate::roles::mfa::{self, Code};
use crate::wire::connections;

/// Where to connect to. What is absent comes from the environment and from AWS's configuration files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The region.
    pub region: Option<String>,
    /// The endpoint of all services.
    pub endpoint: Option<String>,
    /// The profile of the configuration files.
    pub profile: Option<String>,
    /// Asks a person for the code of a device that a role wants; absent where nobody can be asked.
    pub mfa_code: Option<Code>,
    /// Lets requests go in clear to an endpoint on another machine; `LAKEWRIGHT_INSECURE_ENDPOINT` does so too.
    pub insecure: bool,
}

impl Aws {
    /// A connection with region and credentials, or what is missing and how to give it.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let in_clear = endpoint::in_clear(options.insecure);
        let http = connections(in_clear);
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        if let Some(profile) = &options.profile {
            // A profile that is asked for comes before the keys that the environment may hold.
            let provider = ProviderConfig::with_default_region().await.with_http_client(http.clone());
            let provider = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(provider);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &options.endpoint {
            endpoint::check(endpoint, in_clear)?;
            loader = loader.endpoint_url(endpoint.trim_end_matches('/'));
        } else {
            endpoint::check_environment(in_clear)?;
        }
        // The loader knows every way to find credentials: its future is a large one.
        let sdk = Box::pin(loader.load()).await;
        if let Some(url) = sdk.endpoint_url() {
            endpoint::check(url, in_clear)?;
        }
        region(&sdk)?;
        let profiles = Profiles::load(options.profile.as_deref()).await;
        let origin = profiles.origin();
        let by_profile = !matches!(origin, Origin::Environment | Origin::WebIdentity | Origin::Machine);
        let own = if by_profile { mfa::provider(&profiles, &sdk, &http, options.mfa_code).await? } else { None };
        let provider = own.or_else(|| sdk.credentials_provider());
        let provider = provider.ok_or_else(|| Error::configuration(origin.refusal("nothing is configured")))?;
        let credentials = Keeper::new(provider, origin);
        credentials.get().await?;
        Self::new(sdk, http, credentials)
    }

    /// A connection to the same by the credentials of a role, which are fetched anew before they end.
    ///
    /// # Errors
    /// The role can't be assumed: why, and what that takes.
    pub async fn assuming(&self, role: Role) -> Result<Self, Error> {
        let origin = Origin::Assumed(role.arn.clone());
        let provider = SharedCredentialsProvider::new(Assumed { role, by: self.clone() });
        let credentials = Keeper::new(provider, origin);
        credentials.get().await?;
        self.with(credentials)
    }
}
