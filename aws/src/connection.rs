//! A connection to AWS: one configuration, from which each service's client is made when it is first used.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::service_config::ServiceConfigKey;
use parking_lot::Mutex;

use crate::classifier::Classifier;
use crate::credentials::Keeper;
use crate::credentials::profile::Origin;
use crate::deadline::Deadline;
use crate::endpoint;
use crate::errors::Error;
use crate::owners::Owners;
use crate::retry::{Pace, THROTTLED_ATTEMPTS};
use crate::signing;
use crate::watch::Watch;
use crate::wire::{Meter, Wire, connections};

const CONNECT: Duration = Duration::from_secs(5);
/// Longer than [`crate::retry::backoff`] ever says.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection to the AWS APIs of one account and region. Clones share connections, credentials and clients.
#[derive(Clone)]
pub struct Aws {
    shared: Arc<Shared>,
    deadline: Option<Deadline>,
    owners: Option<Arc<Owners>>,
    clients: Arc<Clients>,
}

type Clients = Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>;

struct Shared {
    sdk: SdkConfig,
    region: String,
    connections: SharedHttpClient,
    credentials: Keeper,
    meter: Arc<Meter>,
    paces: Mutex<HashMap<&'static str, Arc<Pace>>>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aws({})", self.shared.region)
    }
}

/// Makes the client of an SDK crate on a connection, once: `client!(aws, "kms", aws_sdk_kms)`. The name is the service's in
/// [`Error::service`].
#[macro_export]
macro_rules! client {
    ($aws:expr, $service:literal, $sdk:ident) => {
        $crate::client!($aws, $service, $sdk, |config| config)
    };
    ($aws:expr, $service:literal, $sdk:ident, |$config:ident| $change:expr) => {
        $aws.client::<$sdk::Client>($service, |setup| {
            let $config = $sdk::config::Builder::from(setup.sdk())
                .http_client(setup.wire())
                .interceptor(setup.naming())
                .retry_classifier(setup.classifier())
                .retry_partition(setup.partition());
            $sdk::Client::from_conf($change.build())
        })
    };
}

impl Aws {
    /// A connection by a configuration of the SDK and its credentials over an HTTP client of the caller's.
    pub fn over(sdk: SdkConfig, http: SharedHttpClient) -> Result<Self, Error> {
        let nothing = || Error::configuration(Origin::Given.refusal("nothing is configured"));
        let credentials = Keeper::new(sdk.credentials_provider().ok_or_else(nothing)?, Origin::Given);
        Self::new(sdk, http, credentials)
    }

    /// A connection to one endpoint with the given keys, whatever the environment says.
    pub fn with_keys(region: &str, endpoint: &str, access_key_id: &str, secret_key: &str) -> Result<Self, Error> {
        Self::with_credentials(region, endpoint, Credentials::new(access_key_id, secret_key, None, None, "lakewright"))
    }

    /// The same with the access key, the secret key and the token of a session.
    pub fn with_session(region: &str, endpoint: &str, keys: (&str, &str, &str)) -> Result<Self, Error> {
        let (access_key_id, secret_key, token) = keys;
        let keys = Credentials::new(access_key_id, secret_key, Some(token.to_owned()), None, "lakewright");
        Self::with_credentials(region, endpoint, keys)
    }

    fn with_credentials(region: &str, endpoint: &str, keys: Credentials) -> Result<Self, Error> {
        let in_clear = endpoint::in_clear(false);
        endpoint::check(endpoint, in_clear)?;
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(endpoint.trim_end_matches('/'))
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            .build();
        Self::new(sdk, connections(in_clear), Keeper::new(SharedCredentialsProvider::new(keys), Origin::Given))
    }

    /// A connection by a configuration of the SDK, over these connections, with these credentials and no others.
    pub(crate) fn new(sdk: SdkConfig, connections: SharedHttpClient, credentials: Keeper) -> Result<Self, Error> {
        let region = region(&sdk)?;
        let retries = RetryConfig::standard().with_max_attempts(THROTTLED_ATTEMPTS).with_max_backoff(LONGEST_PAUSE);
        // How long an answer may take is decided where the size of the request is known.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .disable_read_timeout()
            .disable_operation_timeout()
            .disable_operation_attempt_timeout()
            .build();
        let sdk = sdk
            .into_builder()
            .retry_config(retries)
            .timeout_config(timeouts)
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .identity_cache(IdentityCache::no_cache())
            .build();
        let meter = Arc::default();
        let shared = Shared { sdk, region, connections, credentials, meter, paces: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), deadline: None, owners: None, clients: Arc::default() })
    }

    /// A connection to the same with other credentials.
    pub(crate) fn with(&self, credentials: Keeper) -> Result<Self, Error> {
        Self::new(self.shared.sdk.clone(), self.shared.connections.clone(), credentials)
    }

    /// The same connection, which sends nothing after the deadline: an error of the kind [`crate::errors::Kind::TooLate`].
    #[must_use]
    pub fn until(&self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), clients: Arc::default(), ..self.clone() }
    }

    /// The same connection, which asks S3 for nothing but what stands in buckets of the account, and in those of others that
    /// `elsewhere` names with theirs: a bucket whose name somebody else has taken is refused.
    #[must_use]
    pub fn of_account(&self, account: &str, elsewhere: BTreeMap<String, String>) -> Self {
        let owners = Owners { account: account.to_owned(), elsewhere };
        Self { owners: Some(Arc::new(owners)), clients: Arc::default(), ..self.clone() }
    }

    /// As [`Self::of_account`], of the account that an agent's configuration names; if it names none, as it is.
    #[must_use]
    pub fn of_configured(&self, account: Option<&str>) -> Self {
        account.map_or_else(|| self.clone(), |account| self.of_account(account, BTreeMap::new()))
    }

    /// The same connection, which asks S3 whosever a bucket is.
    #[must_use]
    pub fn of_anybody(&self) -> Self {
        Self { owners: None, clients: Arc::default(), ..self.clone() }
    }

    /// Whose the buckets must be, if that was said.
    pub(crate) fn owners(&self) -> Option<Arc<Owners>> {
        self.owners.clone()
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.shared.region
    }

    /// How many HTTP requests were sent, retries included.
    pub fn requests(&self) -> u64 {
        self.shared.meter.requests()
    }

    /// The time on the services' clock, as far as their answers say it.
    pub fn now(&self) -> SystemTime {
        self.shared.meter.now()
    }

    /// Whether an endpoint was set for the service that the SDK names so, or for all services.
    pub(crate) fn has_endpoint(&self, service_id: &str) -> bool {
        let key = ServiceConfigKey::builder().service_id(service_id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let key = key.build().expect("each part of the key is there");
        let single = self.shared.sdk.service_config().and_then(|config| config.load_config(key));
        single.is_some() || self.shared.sdk.endpoint_url().is_some()
    }

    /// The variables by which a child process is connected to the same, with the credentials of now, and those that it must not
    /// have. Its credentials end when these do.
    pub async fn variables(&self) -> Result<Vec<(&'static str, Option<String>)>, Error> {
        let credentials = self.shared.credentials.get().await?;
        Ok(vec![
            ("AWS_REGION", Some(self.shared.region.clone())),
            ("AWS_ENDPOINT_URL", self.shared.sdk.endpoint_url().map(str::to_owned)),
            ("AWS_ACCESS_KEY_ID", Some(credentials.access_key_id().to_owned())),
            ("AWS_SECRET_ACCESS_KEY", Some(credentials.secret_access_key().to_owned())),
            ("AWS_SESSION_TOKEN", credentials.session_token().map(str::to_owned)),
            ("AWS_PROFILE", None),
        ])
    }

    /// The URL of a GET with a signature of these credentials in its query, good from the returned time on for so long.
    /// Nothing is sent.
    pub async fn presigned(
        &self,
        url: &str,
        (service, region): (&str, &str),
        expires: Duration,
    ) -> Result<(String, SystemTime), Error> {
        let credentials = self.shared.credentials.get().await?;
        let time = self.now();
        let signer = signing::Signer { credentials: &credentials, region, service, time };
        let signed = signer.presigned(url, expires);
        let signed = signed.map_err(|error| Error::configuration(format!("`{url}` can't be signed: {error}")))?;
        Ok((signed, time))
    }

    /// The service's client, made when it is first asked for; [`client!`] is the way to call this.
    pub fn client<C: Clone + Send + Sync + 'static>(
        &self,
        service: &'static str,
        make: impl FnOnce(&Setup<'_>) -> C,
    ) -> C {
        let mut clients = self.clients.lock();
        let client = clients.entry(TypeId::of::<C>()).or_insert_with(|| {
            let pace = self.shared.paces.lock().entry(service).or_default().clone();
            Box::new(make(&Setup { aws: self, service, pace }))
        });
        client.downcast_ref::<C>().expect("clients are kept by their type").clone()
    }
}

/// The region of a configuration.
pub(crate) fn region(sdk: &SdkConfig) -> Result<String, Error> {
    sdk.region().map(ToString::to_string).filter(|region| !region.is_empty()).ok_or_else(|| {
        Error::configuration("no AWS region; set AWS_REGION, or `region` in the profile or in the stack file")
    })
}

/// What a service's client is made with.
pub struct Setup<'a> {
    aws: &'a Aws,
    service: &'static str,
    pace: Arc<Pace>,
}

impl Setup<'_> {
    /// The SDK's configuration.
    pub fn sdk(&self) -> &SdkConfig {
        &self.aws.shared.sdk
    }

    /// The way to the service.
    pub fn wire(&self) -> impl aws_smithy_runtime_api::client::http::HttpClient + 'static {
        let Shared { connections, meter, .. } = &*self.aws.shared;
        Wire {
            connections: connections.clone(),
            meter: meter.clone(),
            pace: self.pace.clone(),
            deadline: self.aws.deadline.clone(),
        }
    }

    /// Says to the watch of a call what is called.
    pub fn naming(&self) -> impl Intercept + 'static {
        Naming { service: self.service, credentials: self.aws.shared.credentials.clone() }
    }

    /// What decides on repetitions.
    pub fn classifier(&self) -> impl aws_smithy_runtime_api::client::retries::classifiers::ClassifyRetry + 'static {
        let Shared { credentials, meter, .. } = &*self.aws.shared;
        Classifier {
            service: self.service,
            pace: self.pace.clone(),
            credentials: credentials.clone(),
            meter: meter.clone(),
        }
    }

    /// One service's retries never use up another's, nor one call's those of the next: the classifier bounds them.
    pub fn partition(&self) -> RetryPartition {
        RetryPartition::custom(self.service).token_bucket(TokenBucket::unlimited()).build()
    }
}

#[derive(Debug)]
struct Naming {
    service: &'static str,
    credentials: Keeper,
}

#[dyn_dispatch_hint]
impl Intercept for Naming {
    fn name(&self) -> &'static str {
        "lakewright"
    }

    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        let operation = config.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default();
        if let Some(watch) = Watch::current() {
            watch.note(|state| {
                (state.service, state.operation) = (self.service.to_owned(), operation);
                state.credentials = Some(self.credentials.clone());
            });
        }
        Ok(())
    }
}
