//! How a client is configured from a [`KafkaConnection`], and the context that surfaces its errors.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use lakewright_config::{KafkaConnection, Security};
use parking_lot::Mutex;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::iam::Tokens;
use super::native;
use super::secret::Login;
use crate::credentials::Credentials;
use crate::health::Health;

/// The variable that names brokers in clear in place of the configured ones.
const IN_CLEAR: &str = "LAKEWRIGHT_KAFKA_PLAINTEXT";
/// The variable that names others that ask for the same.
const AS_CONFIGURED: &str = "LAKEWRIGHT_KAFKA_TLS";
/// The variable that names the file with the authorities that those are trusted by.
const AUTHORITY: &str = "LAKEWRIGHT_KAFKA_CA";
/// Where distributions keep their certificate bundle. A librdkafka built elsewhere has another default or none.
const CA_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What every client of a cluster is made with: settings, to which the caller adds its own, and what it logs in by.
#[derive(Debug, Clone)]
pub struct Access {
    config: ClientConfig,
    tokens: Option<Tokens>,
    login: Option<Login>,
}

impl Access {
    /// A context for a client that reports to `health`.
    pub fn context(&self, health: &Arc<Health>) -> KafkaContext {
        let login = self.login.clone().map(|login| {
            let used = login.current();
            (login, Arc::new(Mutex::new(used)))
        });
        KafkaContext { health: Arc::clone(health), tokens: self.tokens.clone(), login, asked: Arc::default() }
    }

    /// A client with the password that holds now.
    ///
    /// # Errors
    /// A setting is none that librdkafka has.
    pub fn create<T: FromClientConfig>(&self) -> KafkaResult<T> {
        T::from_config(&self.settings())
    }

    /// The same with a context.
    ///
    /// # Errors
    /// As [`Access::create`].
    pub fn create_with_context<C: ClientContext, T: FromClientConfigAndContext<C>>(
        &self,
        context: C,
    ) -> KafkaResult<T> {
        T::from_config_and_context(&self.settings(), context)
    }

    fn settings(&self) -> ClientConfig {
        let mut config = self.config.clone();
        if let Some(Credentials { username, password }) = self.login.as_ref().map(Login::current) {
            config.set("sasl.username", username).set("sasl.password", password);
        }
        config
    }

    /// The name of the user as whom clients log in, if they do so by a password.
    pub fn user(&self) -> Option<String> {
        self.login.as_ref().map(|login| login.current().username)
    }

    /// The tokens, if it is by them that clients log in.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }
}

impl Deref for Access {
    type Target = ClientConfig;

    fn deref(&self) -> &ClientConfig {
        &self.config
    }
}

impl DerefMut for Access {
    fn deref_mut(&mut self) -> &mut ClientConfig {
        &mut self.config
    }
}

/// [`client_config`] of the cluster that an agent's configuration names, or of the one in clear that
/// `LAKEWRIGHT_KAFKA_PLAINTEXT` names in its place as `HOST:PORT`. Brokers that `LAKEWRIGHT_KAFKA_TLS` names are reached as the
/// configured ones would be, by TLS and the same login; they are trusted by the authorities in the file that
/// `LAKEWRIGHT_KAFKA_CA` names.
///
/// # Errors
/// As [`client_config`].
pub async fn access(configured: &KafkaConnection) -> anyhow::Result<Access> {
    let named = |variable| std::env::var(variable).ok().filter(|brokers| !brokers.is_empty());
    let Chosen { connection, authority } = chosen(named, configured);
    trusting(&connection, authority).await
}

/// The brokers to use, and the file with the authorities that they are trusted by, where it isn't the machine's own.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    connection: KafkaConnection,
    authority: Option<String>,
}

fn chosen(named: impl Fn(&'static str) -> Option<String>, configured: &KafkaConnection) -> Chosen {
    let topics = configured.topics.clone();
    if configured.security != Security::Plaintext
        && let Some(bootstrap) = named(AS_CONFIGURED)
    {
        let connection = KafkaConnection { bootstrap, security: configured.security.clone(), topics };
        return Chosen { connection, authority: named(AUTHORITY) };
    }
    let connection = match named(IN_CLEAR) {
        Some(brokers) => KafkaConnection { topics, ..KafkaConnection::plaintext(brokers) },
        None => configured.clone(),
    };
    Chosen { connection, authority: None }
}

/// What every client of the cluster needs.
///
/// # Errors
/// No certificate bundle was found, there are no AWS credentials, the secret can't be read or holds no user name and
/// password.
pub async fn client_config(connection: &KafkaConnection) -> anyhow::Result<Access> {
    trusting(connection, None).await
}

/// The same, with brokers that are trusted by the authorities in a file instead of the machine's own.
async fn trusting(connection: &KafkaConnection, authority: Option<String>) -> anyhow::Result<Access> {
    let mut config = base(&connection.bootstrap);
    let (mut tokens, mut login) = (None, None);
    if connection.security == Security::Plaintext {
        config.set("security.protocol", "plaintext");
        return Ok(Access { config, tokens, login });
    }
    config.set("ssl.ca.location", authority.map_or_else(ca_bundle, Ok)?);
    match &connection.security {
        Security::Plaintext | Security::Tls => {
            config.set("security.protocol", "ssl");
        }
        Security::Iam { region } => {
            log_in_by_tokens(&mut config);
            tokens = Some(Tokens::connect(region).await?);
        }
        Security::Scram { secret } => {
            login = Some(Login::by(secret).await?);
            config.set("security.protocol", "sasl_ssl").set("sasl.mechanism", "SCRAM-SHA-512");
        }
    }
    Ok(Access { config, tokens, login })
}

/// What is alike however clients log in.
fn base(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config.set("client.id", "lakewright");
    // librdkafka's defaults let a client idle for up to ten seconds after a broker is back.
    config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
    config
}

fn log_in_by_tokens(config: &mut ClientConfig) {
    config.set("security.protocol", "sasl_ssl").set("sasl.mechanism", "OAUTHBEARER");
}

/// `SSL_CERT_FILE`, else the first bundle that exists.
fn ca_bundle() -> anyhow::Result<String> {
    if let Ok(path) = std::env::var("SSL_CERT_FILE") {
        return Ok(path);
    }
    match CA_BUNDLES.iter().find(|path| Path::new(path).is_file()) {
        Some(path) => Ok((*path).to_owned()),
        None => bail!(
            "no bundle of certificate authorities was found ({}); install ca-certificates or set SSL_CERT_FILE",
            CA_BUNDLES.join(", ")
        ),
    }
}

/// A client's context: errors become the agent's last error (a wrong password shows nowhere else), log lines the
/// agent's log.
#[derive(Debug, Clone)]
pub struct KafkaContext {
    health: Arc<Health>,
    tokens: Option<Tokens>,
    /// By what the client logs in, and what it was given of it.
    login: Option<(Login, Arc<Mutex<Credentials>>)>,
    /// Whether a token was asked for.
    asked: Arc<AtomicBool>,
}

impl KafkaContext {
    /// A context that reports to `health`, of a client that needs no token.
    pub fn new(health: Arc<Health>) -> Self {
        Self { health, tokens: None, login: None, asked: Arc::default() }
    }

    /// Gives the client the password that holds now, if it has another: to be called wherever the client is polled.
    pub fn keep_logged_in<C: ClientContext>(&self, client: &Client<C>) {
        let Some((login, used)) = &self.login else { return };
        let mut used = used.lock();
        let Some(current) = login.other_than(&used) else { return };
        match native::set_password(client.native_client(), &current) {
            Ok(()) => *used = current,
            Err(error) => self.health.error(format!("kafka: {error:#}")),
        }
    }

    /// Whether the client can't log in yet because nobody has served its request for a token.
    pub(super) fn awaits_token(&self) -> bool {
        self.tokens.is_some() && !self.asked.load(Ordering::Acquire)
    }
}

impl ClientContext for KafkaContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    // librdkafka asks for the first one when the client is made, and for the next when four fifths of its time are over.
    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.asked.store(true, Ordering::Release);
        let tokens = self.tokens.as_ref().ok_or("the cluster's configuration names no way to make tokens")?;
        Ok(tokens.token_blocking()?)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        match level {
            Emerg | Alert | Critical | Error => tracing::error!(target: "librdkafka", facility, "{message}"),
            Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            Notice | Info => tracing::info!(target: "librdkafka", facility, "{message}"),
            Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // A lost broker connection is tried again by librdkafka itself; only when all are down is it the agent's error.
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::BrokerTransportFailure)) {
            tracing::warn!(%error, reason, "broker connection lost");
        } else {
            if let (Some((login, _)), Some(RDKafkaErrorCode::Authentication)) =
                (&self.login, error.rdkafka_error_code())
            {
                login.look_again();
            }
            self.health.error(format!("kafka: {error}: {reason}"));
        }
    }
}

impl ConsumerContext for KafkaContext {}

/// Makes a type a client's context that hands on to the [`KafkaContext`] in its field what that one answers; what else
/// `ClientContext` has may follow: `client_context!(Context, kafka, fn stats(&self, statistics: Statistics) { … })`.
#[macro_export]
macro_rules! client_context {
    ($context:ty, $kafka:ident $(, $own:item)*) => {
        impl ::rdkafka::client::ClientContext for $context {
            const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

            fn generate_oauth_token(
                &self,
                config: Option<&str>,
            ) -> Result<::rdkafka::client::OAuthToken, Box<dyn ::std::error::Error>> {
                ::rdkafka::client::ClientContext::generate_oauth_token(&self.$kafka, config)
            }

            fn log(&self, level: ::rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
                ::rdkafka::client::ClientContext::log(&self.$kafka, level, facility, message);
            }

            fn error(&self, error: ::rdkafka::error::KafkaError, reason: &str) {
                ::rdkafka::client::ClientContext::error(&self.$kafka, error, reason);
            }

            $($own)*
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lakewright_config::KafkaTopic;
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    #[test]
    fn the_environment_wins_over_the_configuration() {
        let topics = vec![KafkaTopic { name: "facts".to_owned(), partitions: 6, configuration: BTreeMap::new() }];
        let security = Security::Iam { region: "eu-north-1".to_owned() };
        let configured = KafkaConnection { bootstrap: "boot-1.kafka:9098".to_owned(), security, topics };
        let with = |variables: &[(&str, &str)], configured: &KafkaConnection| {
            let named = |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            chosen(named, configured)
        };
        assert_eq!(with(&[], &configured), Chosen { connection: configured.clone(), authority: None });
        let here = with(&[(IN_CLEAR, "127.0.0.1:9092")], &configured).connection;
        assert_eq!((here.bootstrap.as_str(), &here.security), ("127.0.0.1:9092", &Security::Plaintext));
        assert_eq!(here.topics, configured.topics);

        let both = [(IN_CLEAR, "127.0.0.1:9092"), (AS_CONFIGURED, "127.0.0.1:9098"), (AUTHORITY, "ca.pem")];
        let here = with(&both, &configured);
        assert_eq!(here.connection, KafkaConnection { bootstrap: "127.0.0.1:9098".to_owned(), ..configured });
        assert_eq!(here.authority.as_deref(), Some("ca.pem"));
        let open = KafkaConnection::plaintext("kafka:9092");
        assert_eq!(with(&both[1..], &open), Chosen { connection: open, authority: None });
    }

    #[tokio::test]
    async fn plaintext_names_the_brokers() {
        let connection = KafkaConnection::plaintext("127.0.0.1:9");
        let config = client_config(&connection).await.expect("configured");
        assert_eq!(config.get("bootstrap.servers"), Some("127.0.0.1:9"));
        assert_eq!(config.get("security.protocol"), Some("plaintext"));
    }

    #[tokio::test]
    async fn a_client_that_logs_in_by_iam_gets_its_token() {
        let keys = lakewright_aws::Aws::with_keys("eu-north-1", "http://127.0.0.1:9", "AKIDEXAMPLE", "secret");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:9");
        log_in_by_tokens(&mut config);
        let access = Access { config, tokens: Some(Tokens::of(keys.expect("a client"), "eu-north-1")), login: None };
        let context = access.context(&Arc::default());
        let client: BaseConsumer<KafkaContext> = access.create_with_context(context.clone()).expect("a client");
        assert!(context.awaits_token());
        for _ in 0..100 {
            _ = client.poll(std::time::Duration::from_millis(50));
            if !context.awaits_token() {
                break;
            }
        }
        assert!(!context.awaits_token(), "librdkafka asks for a token when it is made");
        assert_eq!(context.health.last_error(), None);
    }

    #[test]
    fn errors_reach_the_health_but_lost_connections_do_not() {
        let health = Arc::new(Health::default());
        let context = KafkaContext::new(Arc::clone(&health));
        context.error(KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "connection refused");
        assert_eq!(health.last_error(), None);
        context.error(KafkaError::Global(RDKafkaErrorCode::Authentication), "wrong password");
        assert!(health.last_error().expect("an error").contains("wrong password"));
    }
}
