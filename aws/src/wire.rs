//! The way to the services: one pool of connections, behind which requests are counted, spread, bounded, timed and held
//! back after a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use hyper_util::client::legacy;

use crate::chain::{deepest, find};
use crate::deadline::Deadline;
use crate::endpoint;
use crate::errors::Error;
use crate::flight;
use crate::retry::Pace;
use crate::watch::{Attempt, DeadlineOver, Watch};

/// Shorter than AWS keeps a quiet connection, so that requests seldom meet one that is just being closed.
const IDLE: Duration = Duration::from_secs(15);
/// How long an answer may take to begin.
const ANSWER: Duration = Duration::from_secs(60);
/// What an uplink carries at least, in bytes a millisecond: a large request has as much more time.
const UPLINK: u64 = 100;

/// The connections: rustls on ring, with the machine's root certificates; `in_clear` lets requests go unencrypted to other
/// machines too.
pub fn connections(in_clear: bool) -> SharedHttpClient {
    let connections = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(IDLE)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    if in_clear { connections } else { SharedHttpClient::new(Encrypted(connections)) }
}

/// Connections on which nothing goes in clear to another machine, whoever named the endpoint: a service's section of a profile
/// may, too.
#[derive(Debug, Clone)]
struct Encrypted(SharedHttpClient);

impl HttpClient for Encrypted {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(EncryptedLine(self.0.http_connector(settings, components)))
    }
}

/// One connector of [`Encrypted`].
#[derive(Debug)]
struct EncryptedLine(SharedHttpConnector);

impl HttpConnector for EncryptedLine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match endpoint::check_encrypted(request.uri()) {
            Ok(()) => self.0.call(request),
            Err(refusal) => HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(refusal)))),
        }
    }
}

/// What all services' clients of one connection share.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    /// The services' clock minus ours, in milliseconds.
    skew: AtomicI64,
}

impl Meter {
    /// How many requests were sent, each attempt counted.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The services' clock minus ours, in milliseconds.
    pub fn skew(&self) -> i64 {
        self.skew.load(Ordering::Relaxed)
    }

    /// The time on the services' clock, as far as their answers say it.
    pub fn now(&self) -> SystemTime {
        let skew = self.skew();
        let distance = Duration::from_millis(skew.unsigned_abs());
        if skew < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
    }

    /// Counts a request.
    pub fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the clock of an answer's `date`, which has whole seconds, so that small differences mean nothing.
    pub fn compare(&self, date: Option<&str>) {
        let Some(theirs) = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok()) else { return };
        let skew = theirs.timestamp_millis() - chrono::Utc::now().timestamp_millis();
        if (skew - self.skew()).abs() > 2_000 {
            self.skew.store(skew, Ordering::Relaxed);
        }
    }
}

/// The way to one service.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The connections.
    pub connections: SharedHttpClient,
    /// What is counted and measured.
    pub meter: Arc<Meter>,
    /// The service's pace.
    pub pace: Arc<Pace>,
    /// After which nothing is sent.
    pub deadline: Option<Deadline>,
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.connections.http_connector(settings, components);
        SharedHttpConnector::new(Line { connector, wire: self.clone() })
    }
}

/// One connector of a [`Wire`].
#[derive(Debug)]
struct Line {
    connector: SharedHttpConnector,
    wire: Wire,
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connector, wire) = (self.connector.clone(), self.wire.clone());
        HttpConnectorFuture::new(async move { wire.send(&connector, request).await })
    }
}

impl Wire {
    async fn send(
        &self,
        connector: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let watch = Watch::current();
        if let Some(watch) = &watch {
            watch.note(|state| state.attempts += 1);
        }
        let note = |attempt: Attempt| {
            if let Some(watch) = &watch {
                watch.note(|state| (state.attempt, state.skew) = (attempt, self.meter.skew()));
            }
        };
        let pause = self.pace.reserve(Instant::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let place = place(request.uri());
        let in_flight = flight::place(&place).await;
        if self.deadline.as_ref().is_some_and(|deadline| deadline.is_over(self.meter.now())) {
            note(Attempt::TooLate);
            return Err(ConnectorError::user(Box::new(DeadlineOver)));
        }
        let size = request.body().content_length().unwrap_or_default();
        let patience = ANSWER + Duration::from_millis(size / UPLINK);
        // Until its end is known, an attempt counts as received: its future may be dropped at any time.
        note(Attempt::NoAnswer(format!("{place}: not waited for")));
        self.meter.count();
        let outcome = tokio::time::timeout(patience, connector.call(request)).await;
        // The answer's body is read without it: whoever reads slowly keeps nobody from asking.
        drop(in_flight);
        match outcome {
            Ok(Ok(answer)) => {
                note(Attempt::Answered(answer.status().as_u16()));
                self.meter.compare(answer.headers().get("date"));
                if answer.status().is_success() {
                    self.pace.succeeded();
                }
                Ok(answer)
            }
            // It was refused here: nothing was sent, and no repetition changes that.
            Ok(Err(error)) if find::<Error>(&error).is_some() => {
                note(Attempt::None);
                Err(error)
            }
            Ok(Err(error)) => {
                let reason = format!("{place}: {}", deepest(&error));
                let is_unsent = find::<legacy::Error>(&error).is_some_and(legacy::Error::is_connect);
                note(if is_unsent { Attempt::NotConnected(reason) } else { Attempt::NoAnswer(reason) });
                Err(error)
            }
            Err(_) => {
                let reason = format!("{place}: no answer within {} s", patience.as_secs());
                note(Attempt::NoAnswer(reason.clone()));
                Err(ConnectorError::timeout(reason.into()))
            }
        }
    }
}

/// Scheme and host of an address, for messages.
fn place(uri: &str) -> String {
    let uri: Option<http::Uri> = uri.parse().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
    parts.map_or_else(|| "no address".to_owned(), |(scheme, host)| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use aws_smithy_async::rt::sleep::TokioSleep;
    use aws_smithy_async::time::SystemTimeSource;
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;

    use super::*;

    #[tokio::test]
    async fn a_request_in_clear_to_another_machine_is_refused_whoever_named_it() {
        let components = RuntimeComponentsBuilder::for_tests()
            .with_time_source(Some(SystemTimeSource::new()))
            .with_sleep_impl(Some(TokioSleep::new()))
            .build()
            .expect("components");
        let settings = HttpConnectorSettings::builder().build();
        let connector = connections(false).http_connector(&settings, &components);
        let mut request = HttpRequest::empty();
        request.set_uri("http://far.invalid/").expect("a URL");
        let error = connector.call(request).await.expect_err("refused");
        assert!(find::<Error>(&error).is_some_and(|own| own.message.contains("--insecure-endpoint")), "{error:?}");
    }
}
