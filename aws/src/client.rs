//! The client: configuration, calls and their retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::Value;

use crate::answers::Answers;
use crate::credentials::Keeper;
use crate::endpoint::{self, Endpoints};
use crate::errors::{Error, Kind};
use crate::protocol::{self, Answer, Request};
use crate::retry::{self, Pace};
use crate::s3::S3;
use crate::service::{Api, Service};
use crate::signing::Signer;
use crate::transport::{Failure, Transport};

/// A connection to the AWS APIs of one account and region. Clones share connections and credentials.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    deadline: Option<Deadline>,
    answers: Option<Arc<Answers>>,
}

/// A moment on the services' clock after which a client sends nothing; it can be moved while requests are under way.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<AtomicI64>);

impl Deadline {
    /// A deadline at that time.
    pub fn at(time: SystemTime) -> Self {
        Self(Arc::new(AtomicI64::new(millis(time))))
    }

    /// Moves it.
    pub fn move_to(&self, time: SystemTime) {
        self.0.store(millis(time), Ordering::SeqCst);
    }

    /// Ends it: nothing is sent from now on.
    pub fn end(&self) {
        self.0.store(i64::MIN, Ordering::SeqCst);
    }

    fn is_over(&self, now: SystemTime) -> bool {
        millis(now) >= self.0.load(Ordering::SeqCst)
    }
}

/// Milliseconds since 1970.
fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[derive(Debug)]
struct Inner {
    region: String,
    endpoints: Endpoints,
    credentials: Keeper,
    transport: Transport,
    paces: Mutex<Vec<(&'static str, Arc<Pace>)>>,
    requests: AtomicU64,
    /// The service's clock minus ours, in milliseconds.
    skew: AtomicI64,
}

/// Where to connect to. What is absent comes from the environment and from AWS's configuration files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The region.
    pub region: Option<String>,
    /// The endpoint of all services.
    pub endpoint: Option<String>,
    /// The profile of the configuration files.
    pub profile: Option<String>,
}

/// A request on its way, whatever is asked of it.
pub(crate) struct Outgoing<'a> {
    /// The service.
    pub api: &'static Api,
    /// The operation, for messages.
    pub operation: &'a str,
    /// Scheme and host.
    pub base: String,
    /// The rest.
    pub request: Request,
    /// Whether it must not be sent again once it may have been received.
    pub once: bool,
}

impl Client {
    /// A client with region and credentials, or what is missing and how to give it.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring));
        let http = http.build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        if let Some(profile) = &options.profile {
            // A profile that is asked for comes before the keys that the environment may hold.
            let provider = ProviderConfig::with_default_region().await.with_http_client(http);
            let provider = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(provider);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty()).ok_or_else(|| {
            Error::configuration("no AWS region; set AWS_REGION, or `region` in the profile or in the stack file")
        })?;
        let provider = config.credentials_provider().ok_or_else(|| {
            Error::configuration("no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        })?;
        let from_environment = options.endpoint.is_none();
        let all = options.endpoint.or_else(|| config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty());
        if let Some(url) = &all {
            endpoint::check(url)?;
        }
        let credentials = Keeper::new(provider);
        match (credentials.get().await, &options.profile) {
            (Err(error), Some(profile)) => {
                let text = format!("the profile `{profile}` gives no credentials, or isn't there: {}", error.message);
                return Err(Error::configuration(text));
            }
            (answer, _) => drop(answer?),
        }
        Ok(Self::new(region, Endpoints { all, from_environment }, credentials))
    }

    /// A client of one endpoint with the given keys, whatever the environment says.
    pub fn with_keys(region: &str, endpoint: &str, access_key_id: &str, secret_key: &str) -> Result<Self, Error> {
        endpoint::check(endpoint)?;
        let keys = Credentials::new(access_key_id, secret_key, None, None, "lakewright");
        let endpoints = Endpoints { all: Some(endpoint.to_owned()), from_environment: false };
        Ok(Self::new(region.to_owned(), endpoints, Keeper::new(SharedCredentialsProvider::new(keys))))
    }

    fn new(region: String, endpoints: Endpoints, credentials: Keeper) -> Self {
        let inner = Inner {
            region,
            endpoints,
            credentials,
            transport: Transport::default(),
            paces: Mutex::default(),
            requests: AtomicU64::new(0),
            skew: AtomicI64::new(0),
        };
        Self { inner: Arc::new(inner), deadline: None, answers: None }
    }

    /// The same client, which sends nothing after the deadline: an error of the kind [`Kind::TooLate`].
    #[must_use]
    pub fn until(&self, deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same client for a round of reading: equal calls of [`Client::call`], and equal lists of objects, are sent once
    /// and share the answer.
    #[must_use]
    pub fn remembering(&self) -> Self {
        Self { answers: Some(Arc::default()), ..self.clone() }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.inner.region
    }

    /// How many HTTP requests were sent, retries included.
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// The time on the services' clock, as far as their answers told it.
    pub fn now(&self) -> SystemTime {
        let skew = self.inner.skew.load(Ordering::Relaxed);
        let distance = Duration::from_millis(skew.unsigned_abs());
        if skew < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
    }

    /// The S3 client on the same connections.
    pub fn s3(&self) -> S3 {
        S3::new(self.clone())
    }

    /// The answers that a round of reading shares.
    pub(crate) fn answers(&self) -> Option<&Answers> {
        self.answers.as_deref()
    }

    /// Calls an operation, again if it failed for a passing reason. An error says by `lost` whether an attempt may
    /// have taken effect without an answer.
    pub async fn call(&self, service: Service, operation: &str, input: Value) -> Result<Value, Error> {
        let Some(answers) = &self.answers else {
            return self.operate(service.api(), operation, &input, false).await;
        };
        let api = service.api();
        answers.of(api.name, operation, &input, self.operate(api, operation, &input, false)).await
    }

    /// Calls an operation that must not happen twice: never sent again after it may have been received.
    pub async fn call_once(&self, service: Service, operation: &str, input: Value) -> Result<Value, Error> {
        self.operate(service.api(), operation, &input, true).await
    }

    async fn operate(&self, api: &'static Api, operation: &str, input: &Value, once: bool) -> Result<Value, Error> {
        let request = protocol::encode(api, operation, input)?;
        let base = self.inner.endpoints.base(api, &self.inner.region);
        let answer = self.execute(Outgoing { api, operation, base, request, once }).await?;
        protocol::decode(api, operation, &answer)
    }

    /// The URL of a GET with a signature of these credentials in its query, good from the returned time on for so long.
    /// Nothing is sent.
    pub async fn presigned(
        &self,
        url: &str,
        (service, region): (&str, &str),
        expires: Duration,
    ) -> Result<(String, SystemTime), Error> {
        let credentials = self.inner.credentials.get().await?;
        let time = self.now();
        let signer = Signer { credentials: &credentials, region, service, time };
        let signed = signer.presigned(url, expires);
        let signed = signed.map_err(|error| Error::configuration(format!("`{url}` can't be signed: {error}")))?;
        Ok((signed, time))
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.inner.endpoints
    }

    /// Sends a request until it succeeds, fails for good, or has been tried often enough.
    pub(crate) async fn execute(&self, outgoing: Outgoing<'_>) -> Result<Answer, Error> {
        let Outgoing { api, operation, .. } = outgoing;
        let pace = self.pace(api.name);
        let mut lost = false;
        let mut renewed = false;
        for attempt in 1.. {
            let pause = pace.reserve(Instant::now());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if self.deadline.as_ref().is_some_and(|deadline| deadline.is_over(self.now())) {
                return Err(Error { lost, ..Error::too_late(api.name, operation) });
            }
            let before = self.inner.skew.load(Ordering::Relaxed);
            let mut error = match self.attempt(&outgoing).await {
                Ok(answer) if answer.status.is_success() => {
                    pace.succeeded();
                    return Ok(answer);
                }
                Ok(answer) => {
                    let error = protocol::error(api, operation, &answer);
                    if answer.status.is_server_error() && !error.is_throttled() {
                        lost = true;
                    }
                    error
                }
                Err(error) if error.kind == Kind::Configuration => return Err(error),
                Err(error) => {
                    lost |= error.lost;
                    error
                }
            };
            error.lost = lost;
            let throttled = error.is_throttled();
            if throttled {
                pace.throttled();
            }
            let again = if throttled {
                attempt < retry::THROTTLED_ATTEMPTS
            } else if outgoing.once && lost {
                false
            } else if (error.is_expired() || error.is_skewed()) && !renewed {
                renewed = true;
                self.inner.credentials.forget().await;
                error.is_expired() || self.inner.skew.load(Ordering::Relaxed) != before
            } else {
                error.is_retryable() && attempt < retry::ATTEMPTS
            };
            if !again {
                return Err(error);
            }
            let pause = retry::backoff(attempt);
            tracing::debug!(service = api.name, operation, code = error.code, attempt, ?pause, "request is repeated");
            tokio::time::sleep(pause).await;
        }
        unreachable!("the attempts are bounded above")
    }

    async fn attempt(&self, outgoing: &Outgoing<'_>) -> Result<Answer, Error> {
        let Outgoing { api, operation, base, request, .. } = outgoing;
        let credentials = self.inner.credentials.get().await?;
        let url = format!("{base}{}", request.target);
        let uri: http::Uri =
            url.parse().map_err(|error| Error::configuration(format!("`{url}` is no URL: {error}")))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let region = api.global_region.unwrap_or(&self.inner.region);
        let signer = Signer { credentials: &credentials, region, service: api.signing, time: self.now() };
        let signature = signer
            .headers(request, &url, &host)
            .map_err(|error| Error::configuration(format!("{} {operation} can't be signed: {error}", api.name)))?;
        let mut builder = http::Request::builder().method(request.method.clone()).uri(uri).header("host", host);
        for (name, value) in request.headers.iter().chain(&signature) {
            builder = builder.header(name, value);
        }
        let outgoing = builder
            .header("user-agent", concat!("lakewright/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(request.body.clone()))
            .map_err(|error| Error::configuration(format!("{} {operation}: {error}", api.name)))?;
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        let answer =
            self.inner.transport.send(outgoing, request.body.len()).await.map_err(|failure| match failure {
                Failure::NotConnected(reason) => Error::not_connected(api.name, operation, format!("{base}: {reason}")),
                Failure::NoAnswer(reason) => Error::no_answer(api.name, operation, format!("{base}: {reason}")),
            })?;
        self.compare_clocks(&answer);
        Ok(answer)
    }

    /// The `date` header has whole seconds, so that small differences mean nothing.
    fn compare_clocks(&self, answer: &Answer) {
        let date = answer.headers.get("date").and_then(|value| value.to_str().ok());
        let Some(theirs) = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok()) else { return };
        let skew = theirs.timestamp_millis() - chrono::Utc::now().timestamp_millis();
        let known = self.inner.skew.load(Ordering::Relaxed);
        if (skew - known).abs() > 2_000 {
            self.inner.skew.store(skew, Ordering::Relaxed);
        }
    }

    fn pace(&self, name: &'static str) -> Arc<Pace> {
        let mut paces = self.inner.paces.lock();
        if let Some((_, pace)) = paces.iter().find(|(known, _)| *known == name) {
            return pace.clone();
        }
        let pace = Arc::new(Pace::default());
        paces.push((name, pace.clone()));
        pace
    }
}
