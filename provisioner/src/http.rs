//! A small HTTP client for what is no AWS service: the search cluster and the agents' status pages.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A client; clones share connections.
#[derive(Clone, Debug)]
pub enum Http {
    /// In clear.
    Plain(Client<HttpConnector, Full<Bytes>>),
    /// Over TLS.
    Encrypted(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Http {
    /// A client for `url`. Root certificates are read only when it needs TLS: reading them takes time.
    pub fn new(url: &str) -> Result<Self> {
        let builder = Client::builder(TokioExecutor::new());
        if !url.starts_with("https:") {
            return Ok(Self::Plain(builder.build_http()));
        }
        let tls = HttpsConnectorBuilder::new().with_native_roots().context("read this machine's root certificates")?;
        Ok(Self::Encrypted(builder.build(tls.https_only().enable_http1().build())))
    }

    /// The JSON that a GET answers.
    pub async fn get(&self, url: &str, patience: Duration) -> Result<Value> {
        let request = hyper::Request::get(url).body(Full::default()).with_context(|| format!("`{url}` is no URL"))?;
        self.send(url, request, patience).await
    }

    /// The JSON that a POST of JSON answers.
    pub async fn post(&self, url: &str, body: &Value, patience: Duration) -> Result<Value> {
        let request = hyper::Request::post(url)
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))
            .with_context(|| format!("`{url}` is no URL"))?;
        self.send(url, request, patience).await
    }

    async fn send(&self, url: &str, request: hyper::Request<Full<Bytes>>, patience: Duration) -> Result<Value> {
        let exchange = async {
            let sent = match self {
                Self::Plain(client) => client.request(request).await,
                Self::Encrypted(client) => client.request(request).await,
            };
            let response = sent.with_context(|| format!("no answer from {url}"))?;
            let status = response.status();
            let body = response.into_body().collect().await.with_context(|| format!("read the answer of {url}"))?;
            let body = body.to_bytes();
            if !status.is_success() {
                bail!("{url} answered {status}: {}", String::from_utf8_lossy(&body));
            }
            serde_json::from_slice(&body).with_context(|| format!("{url} answered no JSON"))
        };
        match tokio::time::timeout(patience, exchange).await {
            Ok(answer) => answer,
            Err(_) => bail!("no answer from {url} within {} s", patience.as_secs()),
        }
    }
}
