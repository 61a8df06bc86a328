//! Clients that log in by a token, as they do to MSK by IAM. A real Kafka takes other tokens.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lakewright_kafka::{Config, Logins};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::clients::{PATIENCE, configuration};

#[derive(Debug)]
struct OneToken;

impl Logins for OneToken {
    fn check(&self, token: &str) -> Result<String, String> {
        if token == "right" { Ok("somebody".to_owned()) } else { Err("it is nobody's".to_owned()) }
    }
}

/// A client with that token, and why it was refused.
struct Bearer(&'static str, Arc<Mutex<Option<String>>>);

impl ClientContext for Bearer {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + Duration::from_mins(15);
        let (token, principal_name) = (self.0.to_owned(), "somebody".to_owned());
        Ok(OAuthToken { token, principal_name, lifetime_ms: i64::try_from(end.as_millis())? })
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication) {
            *self.1.lock().unwrap() = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Bearer {}

/// How many brokers a client with that token sees, or why it sees none.
fn brokers(address: &str, token: &'static str) -> Result<usize, String> {
    let refused = Arc::default();
    let mut config = configuration(address);
    config.set("security.protocol", "sasl_plaintext").set("sasl.mechanism", "OAUTHBEARER");
    let client: BaseConsumer<Bearer> = config.create_with_context(Bearer(token, Arc::clone(&refused))).unwrap();
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        // The token is asked for, and the refusal reported, where the client is polled.
        _ = client.poll(Duration::from_millis(50));
        if let Some(reason) = refused.lock().unwrap().clone() {
            return Err(reason);
        }
        if let Ok(metadata) = client.fetch_metadata(None, Duration::from_millis(500)) {
            return Ok(metadata.brokers().len());
        }
    }
    panic!("the client with the token {token} was neither taken nor refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_somebodys_is_taken_and_another_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let running = lakewright_kafka::serve(Config::new(data.path())).await.unwrap();
    let address = running.address().to_string();
    let ask = async |token| {
        let address = address.clone();
        tokio::task::spawn_blocking(move || brokers(&address, token)).await.unwrap()
    };
    let refusal = ask("right").await.expect_err("nobody judges tokens yet");
    assert!(refusal.contains("OAUTHBEARER") || refusal.contains("mechanism"), "{refusal}");

    running.take_logins(Arc::new(OneToken));
    assert_eq!(ask("right").await, Ok(1));
    let refusal = ask("wrong").await.expect_err("it is nobody's");
    assert!(refusal.contains("access denied: it is nobody's"), "{refusal}");
    // Whoever doesn't begin to log in is served in clear.
    let plain = address.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer = configuration(&plain).create().unwrap();
        client.fetch_metadata(None, PATIENCE).unwrap().brokers().len()
    });
    assert_eq!(asked.await.unwrap(), 1);
    running.shutdown().await;
}
