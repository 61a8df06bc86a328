//! A small HTTP client for what is no AWS service: the search cluster and the agents' status pages.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderValue, header};
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
        let (url, authorization) = without_password(url);
        let request = hyper::Request::get(&url).body(Full::default()).with_context(|| format!("`{url}` is no URL"))?;
        self.send(&url, authorization, request, patience).await
    }

    /// The JSON that a POST of JSON answers.
    pub async fn post(&self, url: &str, body: &Value, patience: Duration) -> Result<Value> {
        let (url, authorization) = without_password(url);
        let request = hyper::Request::post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))
            .with_context(|| format!("`{url}` is no URL"))?;
        self.send(&url, authorization, request, patience).await
    }

    async fn send(
        &self,
        url: &str,
        authorization: Option<HeaderValue>,
        mut request: hyper::Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Value> {
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
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

/// The URL without user and password, which no error may show, and the header that these make.
pub fn without_password(url: &str) -> (String, Option<HeaderValue>) {
    let split = || {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = authority.rsplit_once('@')?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(user);
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some((format!("{scheme}://{host}{path}"), Some(value)))
    };
    split().unwrap_or_else(|| (url.to_owned(), None))
}

#[cfg(test)]
mod tests {
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
}
