//! How a client is configured from a [`KafkaConnection`], and the context that surfaces its errors.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use lakewright_config::{KafkaConnection, Security};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::health::Health;

/// Where distributions keep their certificate bundle. A librdkafka built elsewhere has another default or none.
const CA_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The settings that every client of the cluster needs; the caller adds its own.
///
/// # Errors
/// No certificate bundle was found, the secret can't be read or holds no user name and password.
pub async fn client_config(connection: &KafkaConnection) -> anyhow::Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &connection.bootstrap);
    config.set("client.id", "lakewright");
    // librdkafka's defaults let a client idle for up to ten seconds after a broker is back.
    config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
    match &connection.security {
        Security::Plaintext => {
            config.set("security.protocol", "plaintext");
        }
        Security::Tls => {
            config.set("security.protocol", "ssl").set("ssl.ca.location", ca_bundle()?);
        }
        Security::Scram { secret } => {
            let (user, password) = super::secret::credentials(secret).await?;
            config.set("security.protocol", "sasl_ssl").set("ssl.ca.location", ca_bundle()?);
            config.set("sasl.mechanism", "SCRAM-SHA-512");
            config.set("sasl.username", user).set("sasl.password", password);
        }
    }
    Ok(config)
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
}

impl KafkaContext {
    /// A context that reports to `health`.
    pub fn new(health: Arc<Health>) -> Self {
        Self { health }
    }
}

impl ClientContext for KafkaContext {
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
            self.health.error(format!("kafka: {error}: {reason}"));
        }
    }
}

impl ConsumerContext for KafkaContext {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plaintext_names_the_brokers() {
        let connection = KafkaConnection { bootstrap: "127.0.0.1:9".into(), security: Security::Plaintext };
        let config = client_config(&connection).await.expect("configured");
        assert_eq!(config.get("bootstrap.servers"), Some("127.0.0.1:9"));
        assert_eq!(config.get("security.protocol"), Some("plaintext"));
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
