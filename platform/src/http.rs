//! A small HTTP client for what is no AWS service: the search cluster and the agents' status pages. TLS is rustls on
//! ring, with the machine's root certificates.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use bytes::Bytes;
use http::request::Builder;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::builderstates::WantsSchemes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use crate::loopback::is_local_url;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// An answer is longer than its reader takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong(pub usize);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is longer than {} bytes", self.0)
    }
}

impl std::error::Error for TooLong {}

/// A client; clones share connections.
#[derive(Clone, Debug)]
pub struct Client(Connections);

#[derive(Clone, Debug)]
enum Connections {
    Plain(legacy::Client<HttpConnector, Full<Bytes>>),
    Encrypted(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Client {
    /// A client for URLs that begin as `url` does. Root certificates are read only when it needs TLS: reading them
    /// takes time.
    ///
    /// # Errors
    /// The machine's root certificates can't be read.
    pub fn new(url: &str) -> Result<Self> {
        if !url.starts_with("https:") {
            return Ok(Self(Connections::Plain(legacy::Client::builder(TokioExecutor::new()).build(connector()))));
        }
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .context("read this machine's root certificates")?;
        Ok(Self::encrypted(tls))
    }

    /// A client for `https` URLs alone of hosts whose certificates are signed by one of those authorities, in PEM, and by no
    /// others.
    ///
    /// # Errors
    /// The text holds no certificate, or one that can't be read.
    pub fn trusting(authorities: &[u8]) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            // The parser's error may quote the text, which is whatever stands where the certificate should.
            let certificate = certificate.map_err(|_| anyhow!("this is no certificate in PEM"))?;
            roots.add(certificate).context("take a certificate as an authority")?;
        }
        ensure!(!roots.is_empty(), "there is no certificate in PEM");
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choose the versions of TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::encrypted(HttpsConnectorBuilder::new().with_tls_config(tls)))
    }

    fn encrypted(tls: HttpsConnectorBuilder<WantsSchemes>) -> Self {
        let mut connector = connector();
        connector.enforce_http(false);
        let connector = tls.https_only().enable_http1().wrap_connector(connector);
        Self(Connections::Encrypted(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Status and body of the answer to a request.
    ///
    /// # Errors
    /// There is no answer within `patience`, or it ends before its end. The text names the URL.
    pub async fn exchange(&self, request: Request<Bytes>, patience: Duration) -> Result<(StatusCode, Bytes)> {
        self.exchange_up_to(usize::MAX, request, patience).await
    }

    /// The same with an answer of at most so many bytes: for what is kept in memory and isn't of this project.
    ///
    /// # Errors
    /// As [`Client::exchange`]; the answer is longer: [`TooLong`].
    pub async fn exchange_up_to(
        &self,
        most: usize,
        request: Request<Bytes>,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes)> {
        let url = request.uri().to_string();
        let request = request.map(Full::new);
        let exchange = async {
            let sent = match &self.0 {
                Connections::Plain(client) => client.request(request).await,
                Connections::Encrypted(client) => client.request(request).await,
            };
            let response = sent.with_context(|| format!("no answer from {url}"))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), most).collect().await;
            let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
                Ok(_) => anyhow!(TooLong(most)),
                Err(error) => anyhow!(error),
            });
            let body = body.with_context(|| format!("read the answer of {url}"))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(patience, exchange).await {
            Ok(answer) => answer,
            Err(_) => bail!("no answer from {url} within {} s", patience.as_secs()),
        }
    }

    /// The JSON that a GET answers.
    ///
    /// # Errors
    /// As [`Client::exchange`]; the answer's status isn't a success, or its body is no JSON.
    pub async fn get(&self, url: &str, patience: Duration) -> Result<Value> {
        self.ask(Request::builder().method(Method::GET), url, Bytes::new(), patience).await
    }

    /// The JSON that a POST of JSON answers.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, url: &str, body: &Value, patience: Duration) -> Result<Value> {
        let request = Request::builder().method(Method::POST).header(header::CONTENT_TYPE, "application/json");
        self.ask(request, url, Bytes::from(body.to_string()), patience).await
    }

    async fn ask(&self, request: Builder, url: &str, body: Bytes, patience: Duration) -> Result<Value> {
        let (url, authorization) = without_password(url);
        if authorization.is_some() {
            check_encrypted(&url)?;
        }
        let mut request = request.uri(&url).body(body).with_context(|| format!("`{url}` is no URL"))?;
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        let (status, body) = self.exchange(request, patience).await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("{url} answered no JSON"))
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector
}

/// Whether a request failed because one side didn't take the other's TLS: a certificate of an unknown authority, say, or no
/// TLS at all.
pub fn is_of_tls(error: &anyhow::Error) -> bool {
    error.chain().any(is_tls)
}

/// The same of one cause: connectors wrap the reason once or twice.
fn is_tls(cause: &(dyn std::error::Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

/// The URL without user and password, which no error may show, and the header that these make.
pub fn without_password(url: &str) -> (String, Option<HeaderValue>) {
    let split = || {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = authority.rsplit_once('@')?;
        Some((format!("{scheme}://{host}{path}"), Some(basic(user))))
    };
    split().unwrap_or_else(|| (url.to_owned(), None))
}

/// Refuses to send a password in clear to another machine.
///
/// # Errors
/// The URL, which is shown and has no password in it, is of another machine and not `https`.
pub fn check_encrypted(url: &str) -> Result<()> {
    if url.starts_with("https:") || is_local_url(url) {
        return Ok(());
    }
    bail!(
        "{url} has a password and no encryption, so that everyone on the way reads it; write https://, or leave user and password out"
    )
}

/// The header that `user:password` makes.
pub fn basic(user: &str) -> HeaderValue {
    let encoded = base64::engine::general_purpose::STANDARD.encode(user);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).expect("Base64 is fit for a header");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn a_password_becomes_a_header_and_is_not_shown() {
        let (url, authorization) = without_password("https://elastic:p@ss@search:9200/user-actions-*/_count");
        assert_eq!(url, "https://search:9200/user-actions-*/_count");
        let value = authorization.expect("a header");
        assert_eq!(value.to_str().expect("text"), "Basic ZWxhc3RpYzpwQHNz");
        assert!(!format!("{value:?}").contains("ZWxh"));
        for url in ["http://127.0.0.1:9200", "http://search:9200/a@b", "search"] {
            assert_eq!(without_password(url), (url.to_owned(), None));
        }
    }

    #[tokio::test]
    async fn no_password_goes_in_clear_to_another_machine() {
        let client = Client::new("http:").expect("a client");
        for far in ["http://user:word@far.invalid:9200/_count", "http://user:word@127.0.0.1.far.invalid/"] {
            let error = client.get(far, Duration::from_secs(60)).await.expect_err("in clear").to_string();
            assert!(error.contains("no encryption") && !error.contains("word@"), "{error}");
        }
        for sound in ["https://far.invalid:9200", "http://127.0.0.1:9200/_count", "http://localhost:1"] {
            assert!(check_encrypted(sound).is_ok(), "{sound}");
        }
    }

    /// A server that answers every request with that, and what it received.
    async fn server(answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, received) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = String::new();
                // A GET ends with its head, a POST with its JSON.
                while !request.ends_with(if request.starts_with("POST") { "}" } else { "\r\n\r\n" }) {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).await.expect("a request");
                    assert!(read > 0, "the request breaks off: {request}");
                    request.push_str(&String::from_utf8_lossy(&part[..read]));
                }
                let _ = sender.send(request);
                stream.write_all(answer.as_bytes()).await.expect("answered");
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
            }
        });
        (format!("{address}"), received)
    }

    #[test]
    fn what_is_no_certificate_is_no_authority() {
        let broken = "-----BEGIN CERTIFICATE-----\nS3cret!\n-----END CERTIFICATE-----\n";
        let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "S3cret", broken, other] {
            let error = format!("{:#}", Client::trusting(text.as_bytes()).expect_err("none"));
            assert!(error.contains("certificate") && !error.contains("S3cret"), "{error}");
        }
    }

    #[tokio::test]
    async fn json_is_asked_for_with_the_password_in_its_header() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"count\":7}";
        let (address, mut received) = server(answer).await;
        let client = Client::new("http:").expect("a client");
        let url = format!("http://user:word@{address}/_count");
        let answer = client.post(&url, &serde_json::json!({"query": {}}), Duration::from_secs(60)).await.expect("JSON");
        assert_eq!(answer, serde_json::json!({"count": 7}));
        let request = received.recv().await.expect("a request");
        assert!(request.starts_with("POST /_count HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Basic dXNlcjp3b3Jk\r\n"), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error_that_names_the_url_and_no_password() {
        let refused = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhtml";
        for (answer, said) in [(refused, "503 Service Unavailable: busy"), (text, "no JSON"), ("", "no answer from")] {
            let (address, _received) = server(answer).await;
            let client = Client::new("http:").expect("a client");
            let url = format!("http://user:word@{address}/status");
            let patience = if answer.is_empty() { Duration::from_millis(50) } else { Duration::from_secs(60) };
            let error = format!("{:#}", client.get(&url, patience).await.expect_err("no answer"));
            assert!(error.contains(said) && error.contains(&format!("http://{address}/status")), "{error}");
            assert!(!error.contains("word"), "{error}");
        }
        let (address, _received) = server(refused).await;
        let request = Request::get(format!("http://{address}/status")).body(Bytes::new()).expect("a request");
        let client = Client::new("http:").expect("a client");
        let error = client.exchange_up_to(3, request, Duration::from_secs(60)).await.expect_err("long");
        assert!(error.is::<TooLong>());
        let error = format!("{error:#}");
        assert!(
            error.contains(&format!("read the answer of http://{address}/status: it is longer than 3 bytes")),
            "{error}"
        );
        let error = Client::new("http:").expect("a client").get("http://127.0.0.1:1/", Duration::from_secs(60)).await;
        let error = format!("{:#}", error.expect_err("nobody listens"));
        assert!(error.contains("no answer from http://127.0.0.1:1/: ") && error.contains("refused"), "{error}");
    }
}
