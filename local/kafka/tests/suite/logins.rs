//! Clients that log in: by name and password over TLS, as to MSK's port 9096, on the local log and on a real Kafka
//! (`LAKEWRIGHT_TEST_KAFKA_SCRAM=host:port`, `LAKEWRIGHT_TEST_KAFKA_CA=file`, where user `shop` has the password `right`); and by
//! a token, as by IAM, where a real Kafka takes other tokens.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lakewright_kafka::{Authorizer, Config, Listener, Login, Logins, Running};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::authority::Authority;
use crate::clients::{PATIENCE, configuration};

/// Who may log in: one by a token, others by passwords that change.
#[derive(Debug, Default)]
pub struct Known(Mutex<Vec<(String, String)>>);

impl Known {
    /// Gives a user a password, or takes it away.
    pub fn set(&self, user: &str, password: Option<&str>) {
        let mut known = self.0.lock().unwrap();
        known.retain(|(name, _)| name != user);
        known.extend(password.map(|password| (user.to_owned(), password.to_owned())));
    }
}

impl Logins for Known {
    fn check(&self, token: &str) -> Result<String, String> {
        if token == "right" { Ok("somebody".to_owned()) } else { Err("it is nobody's".to_owned()) }
    }

    fn password(&self, user: &str) -> Option<String> {
        let known = self.0.lock().unwrap();
        known.iter().find(|(name, _)| name == user).map(|(_, password)| password.clone())
    }
}

/// A broker whose clients log in by name and password over TLS.
pub struct Guarded {
    pub address: String,
    /// Where nobody has to log in.
    pub clear: String,
    pub ca: PathBuf,
    /// Ours: the broker, who may log in, its folder.
    pub ours: Option<(Running, Arc<Known>, tempfile::TempDir)>,
}

impl Guarded {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One with access control lists; a real Kafka has whatever it was started with.
    pub async fn start_with(authorizer: Option<Authorizer>) -> Self {
        if let Ok(address) = std::env::var("LAKEWRIGHT_TEST_KAFKA_SCRAM") {
            let ca = std::env::var_os("LAKEWRIGHT_TEST_KAFKA_CA").expect("the real Kafka's authority").into();
            let clear = std::env::var("LAKEWRIGHT_TEST_KAFKA").expect("the real Kafka's port in clear");
            return Self { address, clear, ca, ours: None };
        }
        let data = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let ca = authority.write(data.path());
        let listener = Listener { port: 0, tls: Some(authority.server(&["127.0.0.1"])), login: Login::Password };
        let config = Config { listeners: vec![listener], authorizer, ..Config::new(data.path().join("kafka")) };
        let running = lakewright_kafka::serve(config).await.unwrap();
        let known = Arc::new(Known::default());
        known.set("shop", Some("right"));
        running.take_logins(known.clone());
        let (address, clear) = (running.listeners()[0].to_string(), running.address().to_string());
        Self { address, clear, ca, ours: Some((running, known, data)) }
    }

    /// How a client of a user is configured.
    pub fn client(&self, mechanism: &str, user: &str, password: &str) -> ClientConfig {
        let mut config = configuration(&self.address);
        config.set("security.protocol", "sasl_ssl").set("ssl.ca.location", self.ca.to_str().unwrap());
        config.set("sasl.mechanism", mechanism).set("sasl.username", user).set("sasl.password", password);
        config
    }
}

/// A client that makes this token when it is asked for one, and why it couldn't connect.
struct Client(&'static str, Arc<Mutex<Option<String>>>);

impl ClientContext for Client {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + Duration::from_mins(15);
        let (token, principal_name) = (self.0.to_owned(), "somebody".to_owned());
        Ok(OAuthToken { token, principal_name, lifetime_ms: i64::try_from(end.as_millis())? })
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let fatal = [RDKafkaErrorCode::Authentication, RDKafkaErrorCode::SSL];
        if error.rdkafka_error_code().is_some_and(|code| fatal.contains(&code)) {
            *self.1.lock().unwrap() = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Client {}

/// The brokers that a client sees, as `host:port`, or why it sees none.
async fn brokers(config: &ClientConfig, token: &'static str) -> Result<String, String> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || brokers_blocking(&config, token)).await.unwrap()
}

fn brokers_blocking(config: &ClientConfig, token: &'static str) -> Result<String, String> {
    let refused = Arc::default();
    let client: BaseConsumer<Client> = config.create_with_context(Client(token, Arc::clone(&refused))).unwrap();
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        // A token is asked for, and a refusal reported, where the client is polled.
        _ = client.poll(Duration::from_millis(50));
        if let Some(reason) = refused.lock().unwrap().clone() {
            return Err(reason);
        }
        if let Ok(metadata) = client.fetch_metadata(None, Duration::from_millis(500)) {
            let hosts = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port()));
            return Ok(hosts.collect::<Vec<_>>().join(","));
        }
    }
    panic!("the client was neither taken nor refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_lets_its_user_in_and_no_other_one_does() {
    let broker = Guarded::start().await;
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256"] {
        let right = broker.client(mechanism, "shop", "right");
        assert_eq!(brokers(&right, "").await, Ok(broker.address.clone()), "clients stay with the listener");
        for (user, password) in [("shop", "wrong"), ("nobody", "right"), ("SHOP", "right")] {
            let refusal = brokers(&broker.client(mechanism, user, password), "").await.expect_err(user);
            assert!(refusal.contains("due to invalid credentials"), "{mechanism} {user}: {refusal}");
            assert!(refusal.contains(mechanism), "{refusal}");
        }
    }
    let refusal = brokers(&broker.client("PLAIN", "shop", "right"), "").await.expect_err("PLAIN");
    assert!(refusal.contains("PLAIN"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_the_authority_did_not_sign_is_not_trusted() {
    let broker = Guarded::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = broker.client("SCRAM-SHA-512", "shop", "right");
    config.set("ssl.ca.location", Authority::new().write(elsewhere.path()).to_str().unwrap());
    let refusal = brokers(&config, "").await.expect_err("another authority");
    assert!(refusal.contains("certificate"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_is_not_taken() {
    let data = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(data.path());
    let listener = Listener { port: 0, tls: Some(authority.server(&["kafka.example.com"])), login: Login::Nobody };
    let config = Config { listeners: vec![listener], ..Config::new(data.path().join("kafka")) };
    let running = lakewright_kafka::serve(config).await.unwrap();
    let mut config = configuration(&running.listeners()[0].to_string());
    config.set("security.protocol", "ssl").set("ssl.ca.location", ca.to_str().unwrap());
    let refusal = brokers(&config, "").await.expect_err("it is another's");
    assert!(refusal.contains("certificate verify failed") || refusal.contains("hostname"), "{refusal}");
    config.set("ssl.endpoint.identification.algorithm", "none");
    assert!(brokers(&config, "").await.is_ok(), "nothing else was wrong");
    running.shutdown().await;
}

/// A real Kafka is told of another password by its tools.
#[tokio::test(flavor = "multi_thread")]
async fn another_password_holds_from_the_next_login_on() {
    let broker = Guarded::start().await;
    let Some((_, known, _)) = &broker.ours else { return };
    let [old, new] = ["right", "other"].map(|password| broker.client("SCRAM-SHA-512", "shop", password));
    known.set("shop", Some("other"));
    assert!(brokers(&new, "").await.is_ok());
    assert!(brokers(&old, "").await.is_err());
    known.set("shop", None);
    assert!(brokers(&new, "").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_somebodys_is_taken_and_another_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let listener = Listener { port: 0, tls: None, login: Login::Token };
    let config = Config { listeners: vec![listener], ..Config::new(data.path()) };
    let running = lakewright_kafka::serve(config).await.unwrap();
    let address = running.listeners()[0].to_string();
    let mut bearer = configuration(&address);
    bearer.set("security.protocol", "sasl_plaintext").set("sasl.mechanism", "OAUTHBEARER");
    let refusal = brokers(&bearer, "right").await.expect_err("nobody judges tokens yet");
    assert!(refusal.contains("nobody can log in yet"), "{refusal}");

    running.take_logins(Arc::new(Known::default()));
    assert_eq!(brokers(&bearer, "right").await, Ok(address));
    let refusal = brokers(&bearer, "wrong").await.expect_err("it is nobody's");
    assert!(refusal.contains("access denied: it is nobody's"), "{refusal}");
    // On the port in clear nobody is asked.
    let clear = running.address().to_string();
    assert_eq!(brokers(&configuration(&clear), "").await, Ok(clear));
    running.shutdown().await;
}
