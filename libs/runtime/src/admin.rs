//! The admin endpoint: `/live`, `/ready`, `/metrics` and `/status` over HTTP, for programs that ask by an address.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::service::TowerToHyperService;
use lakewright_platform::listen::{self, Limits};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::metrics::Metrics;

/// The file in the state directory that holds the endpoint's address.
pub const ADDRESS_FILE: &str = "admin.address";

struct Shared {
    name: String,
    metrics: Metrics,
    health: Arc<Health>,
}

/// Listens and answers until the process ends; returns the bound address.
///
/// # Errors
/// The address is in use or can't be bound.
pub async fn serve(
    address: SocketAddr,
    name: &str,
    metrics: Metrics,
    health: Arc<Health>,
) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address} (--admin HOST:PORT takes another)"))?;
    let bound = listener.local_addr().context("read the admin address")?;
    let router = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(prometheus))
        .route("/status", get(status))
        .with_state(Arc::new(Shared { name: name.to_owned(), metrics, health }));
    let routes = TowerToHyperService::new(router);
    tokio::spawn(listen::serve(listener, Limits::default(), routes, CancellationToken::new()));
    Ok(bound)
}

/// Writes the address to the state directory; a reader sees the whole of it or the one before.
///
/// # Errors
/// The directory can't be written.
pub fn publish(state_dir: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let path = state_dir.join(ADDRESS_FILE);
    let temporary = state_dir.join(format!("{ADDRESS_FILE}.{}", std::process::id()));
    std::fs::write(&temporary, address.to_string())
        .and_then(|()| std::fs::rename(&temporary, &path))
        .with_context(|| format!("write {}", path.display()))
}

fn verdict(good: bool, yes: &'static str, no: &'static str) -> (StatusCode, &'static str) {
    if good { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) }
}

async fn live(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    verdict(shared.health.is_live(), "live\n", "no recent progress\n")
}

async fn ready(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    verdict(shared.health.is_ready(), "ready\n", "not ready\n")
}

async fn prometheus(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.metrics.prometheus()).into_response()
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let metrics: Map<String, Value> = shared.metrics.read().into_iter().map(|(name, n)| (name, number(n))).collect();
    Json(json!({
        "agent": shared.name,
        "ready": shared.health.is_ready(),
        "live": shared.health.is_live(),
        "version": env!("CARGO_PKG_VERSION"),
        "metrics": metrics,
        "last_error": shared.health.last_error(),
    }))
}

/// Whole numbers without a fraction, so that every reader takes them as integers.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> String {
        ask_as(address, path, &address.to_string()).await
    }

    async fn ask_as(address: SocketAddr, path: &str, host: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        answer
    }

    #[tokio::test]
    async fn ready_when_every_latch_is_dropped_and_status_says_all() {
        let (metrics, health) = (Metrics::default(), Arc::new(Health::default()));
        metrics.counter(&stream::ROWS, &[(stream::TABLE, "sales")]).increment(7);
        let rows = stream::ROWS.name;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = serve(any, "stream", metrics, Arc::clone(&health)).await.expect("serves");
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 503"));
        let latches = (health.latch(), health.latch());
        drop(latches.0);
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 503"));
        drop(latches.1);
        assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, "/live").await.starts_with("HTTP/1.1 200"));
        health.error("disk full");
        let status = ask(address, "/status").await;
        assert!(status.contains(&format!(r#""{rows}{{table=\"sales\"}}":7"#)), "{status}");
        assert!(status.contains(r#""last_error":"disk full""#), "{status}");
        assert!(ask(address, "/metrics").await.contains(&format!("{rows}{{table=\"sales\"}} 7")));
    }

    #[tokio::test]
    async fn a_page_that_points_its_name_here_reads_nothing() {
        let (metrics, health) = (Metrics::default(), Arc::new(Health::default()));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = serve(any, "stream", metrics, health).await.expect("serves");
        let evil = format!("evil.example:{}", address.port());
        assert!(ask_as(address, "/status", &evil).await.starts_with("HTTP/1.1 421"));
        let own = format!("localhost:{}", address.port());
        assert!(ask_as(address, "/live", &own).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_port_in_use_names_the_fix() {
        let (metrics, health) = (Metrics::default(), Arc::new(Health::default()));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let taken = serve(any, "a", metrics.clone(), Arc::clone(&health)).await.expect("serves");
        let error = format!("{:#}", serve(taken, "b", metrics, health).await.expect_err("in use"));
        assert!(error.contains("--admin HOST:PORT"), "{error}");
    }
}
