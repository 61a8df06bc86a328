//! Sending one HTTP request over a pooled connection.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::protocol::Answer;

const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(30);

/// Why no answer came.
#[derive(Debug)]
pub enum Failure {
    /// The request was not sent.
    NotConnected(String),
    /// It may have been received.
    NoAnswer(String),
}

/// The connections. Root certificates are read with the first request that needs them.
#[derive(Default)]
pub struct Transport {
    plain: OnceLock<Client<HttpConnector, Full<Bytes>>>,
    encrypted: OnceLock<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: http::Request<Full<Bytes>>, size: usize) -> Result<Answer, Failure> {
        let sending = if request.uri().scheme_str() == Some("https") {
            self.encrypted()?.request(request)
        } else {
            self.plain().request(request)
        };
        // A slow uplink needs time for what it sends: 100 KB a second at least.
        let patience = ANSWER + Duration::from_millis(size as u64 / 100);
        let response = match timeout(patience, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return Err(Failure::NotConnected(causes(&error))),
            Ok(Err(error)) => return Err(Failure::NoAnswer(causes(&error))),
            Err(_) => return Err(Failure::NoAnswer(format!("no answer within {} s", patience.as_secs()))),
        };
        let (parts, body) = response.into_parts();
        let body = read(body, parts.headers.get("content-length")).await.map_err(Failure::NoAnswer)?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    fn plain(&self) -> &Client<HttpConnector, Full<Bytes>> {
        self.plain.get_or_init(|| pooled().build(connector(true)))
    }

    fn encrypted(&self) -> Result<&Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Failure> {
        if let Some(client) = self.encrypted.get() {
            return Ok(client);
        }
        let builder = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| Failure::NotConnected(format!("no root certificates on this machine: {error}")))?;
        let connector = builder.https_only().enable_http1().wrap_connector(connector(false));
        Ok(self.encrypted.get_or_init(|| pooled().build(connector)))
    }
}

fn connector(plain: bool) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    connector.set_keepalive(Some(Duration::from_secs(60)));
    connector.enforce_http(plain);
    connector
}

fn pooled() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    // Shorter than AWS keeps a quiet connection, so that requests seldom meet one that is just being closed.
    builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).pool_max_idle_per_host(32);
    builder
}

async fn read(mut body: Incoming, length: Option<&http::HeaderValue>) -> Result<Bytes, String> {
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut whole = BytesMut::with_capacity(length.unwrap_or_default().min(64 << 20));
    loop {
        match timeout(SILENCE, body.frame()).await {
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    whole.extend_from_slice(data);
                }
            }
            Ok(Some(Err(error))) => return Err(causes(&error)),
            Err(_) => return Err(format!("the answer stopped for {} s", SILENCE.as_secs())),
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    // hyper's own outermost text says only that something went wrong.
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.source().is_some() { deepest.to_string() } else { error.to_string() }
}
